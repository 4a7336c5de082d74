//! Admission of transfers: not the same request twice, and no more transfers than the limits.
//!
//! No time is involved: a transfer whose machine has not answered yet can lose its place at once to
//! one that asks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::limits::{AdmissionLimits, MAX_DISPLACED};
use super::reason::IgnoreReason;

/// One admitted transfer. Numbers are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(u64);

/// The decision about a request, and what it does to transfers that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The new transfer, or why there is none.
    pub outcome: Result<TransferId, IgnoreReason>,
    /// The transfer to the same port, which its machine gave up. Decided even if there is no new one.
    pub superseded: Option<TransferId>,
    /// Transfers that lose their place, at most two.
    pub displaced: Vec<TransferId>,
}

/// The transfers that run. Bounded by the limits and [`MAX_DISPLACED`].
#[derive(Debug, Default)]
pub struct Admission {
    last: u64,
    /// Those that have a place.
    placed: HashMap<TransferId, IpAddr>,
    by_machine: HashMap<IpAddr, usize>,
    /// The youngest transfer of each port of each machine.
    by_source: HashMap<SocketAddr, Entry>,
    /// Those of `placed` whose machine has sent no ACK yet, the oldest first. Their senders may be
    /// forged.
    unanswered: BTreeMap<TransferId, IpAddr>,
    /// Those that lost their place and have not ended yet.
    displaced: HashSet<TransferId>,
}

#[derive(Debug)]
struct Entry {
    id: TransferId,
    request: Box<[u8]>,
}

impl Admission {
    /// Decides about a read request from `source`. The same bytes again, while the first answer got
    /// no reaction, are a repetition; EDK2's request after its size probe has other bytes. Anything
    /// else from a port that has a transfer replaces it: the machine started over.
    ///
    /// If no place is left, the oldest transfer whose machine has not sent an ACK loses its own: a
    /// machine that is there sends one within milliseconds, a forged address never.
    pub fn admit(
        &mut self,
        source: SocketAddr,
        request: &[u8],
        limits: AdmissionLimits,
    ) -> Decision {
        let mut decision = Decision {
            outcome: Err(IgnoreReason::SameRequest),
            superseded: None,
            displaced: Vec::new(),
        };
        if let Some(entry) = self.by_source.get(&source) {
            if *entry.request == *request && self.unanswered.contains_key(&entry.id) {
                return decision;
            }
            decision.superseded = Some(entry.id);
        }
        let ip = source.ip();
        decision.outcome = self.make_room(ip, limits, &mut decision.displaced);
        if let Ok(id) = decision.outcome {
            *self.by_machine.entry(ip).or_default() += 1;
            self.placed.insert(id, ip);
            self.unanswered.insert(id, ip);
            let request = request.into();
            self.by_source.insert(source, Entry { id, request });
        }
        decision
    }

    /// Notes that the machine reacted: the same request again is a new one, and its place is its own.
    pub fn on_answered(&mut self, id: TransferId) {
        self.unanswered.remove(&id);
    }

    /// Notes that a transfer to `source` ended, and frees its place.
    pub fn on_ended(&mut self, id: TransferId, source: SocketAddr) {
        self.displaced.remove(&id);
        self.release(id);
        if self.by_source.get(&source).is_some_and(|e| e.id == id) {
            self.by_source.remove(&source);
        }
    }

    /// Returns whether no transfer runs.
    pub fn is_idle(&self) -> bool {
        self.placed.is_empty()
            && self.by_machine.is_empty()
            && self.by_source.is_empty()
            && self.unanswered.is_empty()
            && self.displaced.is_empty()
    }

    fn make_room(
        &mut self,
        ip: IpAddr,
        limits: AdmissionLimits,
        displaced: &mut Vec<TransferId>,
    ) -> Result<TransferId, IgnoreReason> {
        let own = self.by_machine.get(&ip).copied().unwrap_or(0);
        if own >= limits.transfers_per_machine {
            let oldest = self.displace(Some(ip));
            displaced.push(oldest.ok_or(IgnoreReason::TooManyForOne)?);
        }
        if self.placed.len() >= limits.transfers {
            let oldest = self.displace(None);
            displaced.push(oldest.ok_or(IgnoreReason::TooManyTransfers)?);
        }
        self.last += 1;
        Ok(TransferId(self.last))
    }

    /// Takes the place of the oldest transfer, of `machine` or of all, that had no answer.
    fn displace(&mut self, machine: Option<IpAddr>) -> Option<TransferId> {
        if self.displaced.len() >= MAX_DISPLACED {
            return None;
        }
        let is_meant = |ip: &IpAddr| machine.is_none_or(|machine| *ip == machine);
        let mut unanswered = self.unanswered.iter();
        let (id, _) = unanswered.find(|(_, ip)| is_meant(ip))?;
        let id = *id;
        self.release(id);
        self.displaced.insert(id);
        Some(id)
    }

    fn release(&mut self, id: TransferId) {
        self.unanswered.remove(&id);
        let Some(ip) = self.placed.remove(&id) else {
            return;
        };
        if let Some(count) = self.by_machine.get_mut(&ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_machine.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: AdmissionLimits = AdmissionLimits {
        transfers: 3,
        transfers_per_machine: 2,
    };

    fn source(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    #[test]
    fn the_same_request_is_let_in_once_until_its_machine_answered() {
        let mut admission = Admission::default();
        let first = admission.admit(source(1, 1), b"a", LIMITS).outcome.unwrap();
        let again = admission.admit(source(1, 1), b"a", LIMITS);
        assert_eq!(again.outcome, Err(IgnoreReason::SameRequest));
        assert_eq!(again.superseded, None);
        admission.on_answered(first);
        let second = admission.admit(source(1, 1), b"a", LIMITS);
        assert_eq!(second.superseded, Some(first), "the machine was reset");
        admission.on_ended(first, source(1, 1));
        let again = admission.admit(source(1, 1), b"a", LIMITS);
        assert_eq!(again.outcome, Err(IgnoreReason::SameRequest));
        let other = admission.admit(source(1, 1), b"b", LIMITS);
        assert_eq!(other.superseded, second.outcome.ok());
        admission.on_ended(second.outcome.unwrap(), source(1, 1));
        admission.on_ended(other.outcome.unwrap(), source(1, 1));
        assert!(admission.is_idle());
    }

    #[test]
    fn an_end_that_is_noted_twice_frees_one_place() {
        let mut admission = Admission::default();
        let one = admission.admit(source(1, 1), b"a", LIMITS).outcome.unwrap();
        let _ = admission.admit(source(1, 2), b"a", LIMITS);
        admission.on_ended(one, source(1, 1));
        admission.on_ended(one, source(1, 1));
        assert_eq!((admission.placed.len(), admission.by_machine.len()), (1, 1));
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Request { host: u8, port: u16, file: u8 },
        Answered(usize),
        Ended(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0..6_u8, 0..6_u16, 0..2_u8)
                .prop_map(|(host, port, file)| Event::Request { host, port, file }),
            2 => any::<usize>().prop_map(Event::Answered),
            2 => any::<usize>().prop_map(Event::Ended),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_limits_hold_and_who_answered_keeps_its_place(
            transfers in 1..8_usize,
            transfers_per_machine in 1..4_usize,
            events in prop::collection::vec(event(), 0..200),
        ) {
            let limits = AdmissionLimits { transfers, transfers_per_machine };
            let mut admission = Admission::default();
            // Running transfers, with whether each was answered and displaced.
            let mut running: Vec<(TransferId, SocketAddr, bool, bool)> = Vec::new();
            for event in events {
                match event {
                    Event::Request { host, port, file } => {
                        let source = source(host, port);
                        let decision = admission.admit(source, &[file], limits);
                        for id in &decision.displaced {
                            let lost = running.iter_mut().find(|(r, ..)| r == id).unwrap();
                            prop_assert!(!lost.2 && !lost.3, "answered, or displaced before");
                            lost.3 = true;
                        }
                        match decision.outcome {
                            Ok(id) => running.push((id, source, false, false)),
                            Err(IgnoreReason::TooManyForOne | IgnoreReason::TooManyTransfers) => {
                                let mut of_host = running.iter();
                                prop_assert!(of_host.any(|(.., answered, _)| *answered));
                            }
                            Err(why) => prop_assert_eq!(why, IgnoreReason::SameRequest),
                        }
                    }
                    Event::Answered(which) if !running.is_empty() => {
                        let which = which % running.len();
                        running[which].2 = true;
                        admission.on_answered(running[which].0);
                    }
                    Event::Ended(which) if !running.is_empty() => {
                        let (id, source, ..) = running.swap_remove(which % running.len());
                        admission.on_ended(id, source);
                    }
                    Event::Answered(_) | Event::Ended(_) => {}
                }
                let placed = running.iter().filter(|(.., displaced)| !displaced);
                prop_assert_eq!(placed.clone().count(), admission.placed.len());
                prop_assert!(admission.placed.len() <= transfers);
                prop_assert!(admission.by_machine.values().all(|n| *n <= transfers_per_machine));
                prop_assert_eq!(admission.by_machine.values().sum::<usize>(), placed.count());
                prop_assert!(admission.displaced.len() <= MAX_DISPLACED);
            }
            for (id, source, ..) in running {
                admission.on_ended(id, source);
            }
            prop_assert!(admission.is_idle());
        }
    }
}
