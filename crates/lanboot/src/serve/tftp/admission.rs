//! Who may start a transfer: not the same request twice, and not more than the limits.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanboot_core::tftp::IgnoreReason;

use super::Limits;

/// Most transfers that were displaced and that the pumps have not ended yet. Each still has its
/// descriptor for up to a tick.
const MAX_DISPLACED: usize = 256;

/// The transfers that run.
#[derive(Clone, Debug, Default)]
pub(super) struct Admission {
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    total: usize,
    by_machine: HashMap<IpAddr, usize>,
    /// The youngest transfer of each port of each machine.
    by_source: HashMap<SocketAddr, Entry>,
    /// Those whose machine has sent no ACK yet, the oldest first. Their senders may be forged.
    unanswered: BTreeMap<u64, (IpAddr, Arc<State>)>,
    /// Those that lost their place and have not ended yet.
    displaced: usize,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    request: Box<[u8]>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    begun: AtomicBool,
    superseded: AtomicBool,
    displaced: AtomicBool,
}

/// A place among the transfers that run, given back when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    running: Arc<Mutex<Running>>,
    number: u64,
    source: SocketAddr,
    state: Arc<State>,
}

impl Admission {
    /// Lets the request from `source` in. The same bytes again, while the first answer got no
    /// reaction, are a repetition; EDK2's request after its size probe has other bytes. Anything
    /// else from a port that has a transfer replaces it: the machine started over.
    ///
    /// When there is no place left, the oldest transfer whose machine has not sent an ACK loses its
    /// own: a machine that is there sends one within milliseconds, a forged address never.
    pub(super) fn admit(
        &self,
        source: SocketAddr,
        request: &[u8],
        limits: &Limits,
    ) -> Result<Ticket, IgnoreReason> {
        let mut running = lock(&self.running);
        if let Some(entry) = running.by_source.get(&source) {
            let is_alive = !entry.state.displaced.load(Ordering::Relaxed);
            let has_begun = entry.state.begun.load(Ordering::Relaxed);
            if *entry.request == *request && is_alive && !has_begun {
                return Err(IgnoreReason::SameRequest);
            }
            entry.state.superseded.store(true, Ordering::Relaxed);
        }
        let ip = source.ip();
        let own = running.by_machine.get(&ip).copied().unwrap_or(0);
        if own >= limits.transfers_per_machine && !running.displace(Some(ip)) {
            return Err(IgnoreReason::TooManyForOne);
        }
        if running.total >= limits.transfers && !running.displace(None) {
            return Err(IgnoreReason::TooManyTransfers);
        }
        *running.by_machine.entry(ip).or_default() += 1;
        running.total += 1;
        running.next += 1;
        let number = running.next;
        let state = Arc::new(State::default());
        let entry = Entry {
            number,
            request: request.into(),
            state: Arc::clone(&state),
        };
        running.by_source.insert(source, entry);
        running.unanswered.insert(number, (ip, Arc::clone(&state)));
        Ok(Ticket {
            running: Arc::clone(&self.running),
            number,
            source,
            state,
        })
    }
}

impl Running {
    /// Takes the place of the oldest transfer (of `machine`, or of all) that had no answer; `false`
    /// when there is none.
    fn displace(&mut self, machine: Option<IpAddr>) -> bool {
        let is_meant = |ip: &IpAddr| machine.is_none_or(|machine| *ip == machine);
        let mut oldest = self.unanswered.iter();
        let oldest = oldest.find(|(_, (ip, _))| is_meant(ip)).map(|(n, _)| *n);
        let oldest = oldest.filter(|_| self.displaced < MAX_DISPLACED);
        let Some((ip, state)) = oldest.and_then(|number| self.unanswered.remove(&number)) else {
            return false;
        };
        state.displaced.store(true, Ordering::Relaxed);
        self.displaced += 1;
        self.release(ip);
        true
    }

    fn release(&mut self, ip: IpAddr) {
        self.total = self.total.saturating_sub(1);
        if let Some(machine) = self.by_machine.get_mut(&ip) {
            *machine = machine.saturating_sub(1);
            if *machine == 0 {
                self.by_machine.remove(&ip);
            }
        }
    }
}

impl Ticket {
    /// The machine reacted: the same request again would be a new one, and its place is its own.
    pub(super) fn begin(&self) {
        if !self.state.begun.swap(true, Ordering::Relaxed) {
            lock(&self.running).unanswered.remove(&self.number);
        }
    }

    /// Whether another machine has its place by now.
    pub(super) fn is_displaced(&self) -> bool {
        self.state.displaced.load(Ordering::Relaxed)
    }

    /// Whether the machine asked for something else from the same port meanwhile.
    pub(super) fn is_superseded(&self) -> bool {
        self.state.superseded.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut running = lock(&self.running);
        if self.is_displaced() {
            running.displaced = running.displaced.saturating_sub(1);
        } else {
            running.unanswered.remove(&self.number);
            running.release(self.source.ip());
        }
        let entry = running.by_source.get(&self.source);
        if entry.is_some_and(|e| e.number == self.number) {
            running.by_source.remove(&self.source);
        }
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    #[test]
    fn the_same_request_is_let_in_once_until_its_transfer_moved() {
        let (admission, limits) = (Admission::default(), Limits::default());
        let first = admission.admit(source(1, 2070), b"a", &limits).unwrap();
        let again = admission.admit(source(1, 2070), b"a", &limits);
        assert_eq!(again.unwrap_err(), IgnoreReason::SameRequest);
        assert!(admission.admit(source(1, 2071), b"a", &limits).is_ok());
        first.begin();
        assert!(!first.is_superseded());
        let second = admission.admit(source(1, 2070), b"a", &limits).unwrap();
        assert!(first.is_superseded(), "the machine was reset");
        drop(first);
        let again = admission.admit(source(1, 2070), b"a", &limits);
        assert_eq!(again.unwrap_err(), IgnoreReason::SameRequest);
        let other = admission.admit(source(1, 2070), b"b", &limits).unwrap();
        assert!(second.is_superseded());
        drop((second, other));
        assert!(lock(&admission.running).by_source.is_empty());
        assert!(lock(&admission.running).by_machine.is_empty());
    }

    #[test]
    fn one_machine_cannot_take_every_place_and_a_place_comes_back() {
        let admission = Admission::default();
        let limits = Limits {
            transfers: 3,
            transfers_per_machine: 2,
            ..Limits::default()
        };
        let admit = |host, port| {
            let ticket = admission.admit(source(host, port), b"a", &limits)?;
            ticket.begin();
            Ok::<Ticket, IgnoreReason>(ticket)
        };
        let held = (admit(1, 1).unwrap(), admit(1, 2).unwrap());
        assert_eq!(admit(1, 3).unwrap_err(), IgnoreReason::TooManyForOne);
        let other = admit(2, 1).unwrap();
        assert_eq!(admit(3, 1).unwrap_err(), IgnoreReason::TooManyTransfers);
        drop(held);
        assert!(admit(3, 1).is_ok());
        drop(other);
    }

    #[test]
    fn who_answered_nothing_makes_room_the_oldest_first() {
        let admission = Admission::default();
        let limits = Limits {
            transfers: 3,
            transfers_per_machine: 2,
            ..Limits::default()
        };
        let admit = |host, port| admission.admit(source(host, port), b"a", &limits);
        let honest = admit(1, 1).unwrap();
        honest.begin();
        let forged = [admit(2, 1).unwrap(), admit(3, 1).unwrap()];
        // All three places are taken; the next one takes that of the older forgery.
        let next = admit(4, 1).unwrap();
        assert!(forged[0].is_displaced() && !forged[1].is_displaced());
        assert!(!honest.is_displaced());
        next.begin();
        // A machine at its own limit makes place for itself.
        let own = admit(1, 2).unwrap();
        assert!(forged[1].is_displaced(), "there were three again");
        let again = admit(1, 3).unwrap();
        assert!(own.is_displaced() && !honest.is_displaced());
        // The same request of one that was displaced is a new one.
        again.begin();
        assert_eq!(admit(5, 1).unwrap_err(), IgnoreReason::TooManyTransfers);
        drop(next);
        let back = admit(2, 1).unwrap();
        assert!(!back.is_displaced());
        drop((honest, forged, own, again, back));
        let running = lock(&admission.running);
        assert_eq!((running.total, running.displaced), (0, 0));
        assert!(running.unanswered.is_empty() && running.by_machine.is_empty());
        assert!(running.by_source.is_empty());
    }

    #[test]
    fn those_that_lost_their_place_are_bounded_until_they_end() {
        let admission = Admission::default();
        let limits = Limits {
            transfers: 1,
            ..Limits::default()
        };
        let admit = |port| admission.admit(source(1, port), b"a", &limits);
        let held: Vec<_> = (0..1000).map_while(|port| admit(port).ok()).collect();
        assert_eq!(held.len(), MAX_DISPLACED + 1);
        drop(held);
        assert!(admit(1).is_ok());
    }
}
