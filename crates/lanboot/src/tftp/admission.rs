//! Admission of transfers, as `lanboot_core::tftp::Admission` decides, shared by the listener and
//! the pumps. What a pump asks for every datagram needs no lock.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanboot_core::tftp::{self, AdmissionLimits, IgnoreReason, TransferId};

use super::limits::Limits;

/// The transfers that run.
#[derive(Clone, Debug, Default)]
pub(super) struct Admission {
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    admission: tftp::Admission,
    /// The flags of each transfer that has not ended.
    states: HashMap<TransferId, Arc<State>>,
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
    id: TransferId,
    source: SocketAddr,
    state: Arc<State>,
}

impl Admission {
    /// Admits the request from `source`.
    ///
    /// # Errors
    /// It is a repetition, or there is no place for it.
    pub(super) fn admit(
        &self,
        source: SocketAddr,
        request: &[u8],
        limits: &Limits,
    ) -> Result<Ticket, IgnoreReason> {
        let limits = AdmissionLimits {
            transfers: limits.transfers,
            transfers_per_machine: limits.transfers_per_machine,
        };
        let mut running = lock(&self.running);
        let decision = running.admission.admit(source, request, limits);
        let superseded = decision.superseded.and_then(|id| running.states.get(&id));
        if let Some(state) = superseded {
            state.superseded.store(true, Ordering::Relaxed);
        }
        for id in &decision.displaced {
            if let Some(state) = running.states.get(id) {
                state.displaced.store(true, Ordering::Relaxed);
            }
        }
        let id = decision.outcome?;
        let state = Arc::new(State::default());
        running.states.insert(id, Arc::clone(&state));
        Ok(Ticket {
            running: Arc::clone(&self.running),
            id,
            source,
            state,
        })
    }
}

impl Running {
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        self.admission.is_idle() && self.states.is_empty()
    }
}

impl Ticket {
    /// Notes that the machine reacted: the same request again is a new one, and its place is its own.
    pub(super) fn begin(&self) {
        if !self.state.begun.swap(true, Ordering::Relaxed) {
            lock(&self.running).admission.on_answered(self.id);
        }
    }

    /// Returns whether another machine has its place by now.
    pub(super) fn is_displaced(&self) -> bool {
        self.state.displaced.load(Ordering::Relaxed)
    }

    /// Returns whether the machine asked for something else from the same port meanwhile.
    pub(super) fn is_superseded(&self) -> bool {
        self.state.superseded.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut running = lock(&self.running);
        running.admission.on_ended(self.id, self.source);
        running.states.remove(&self.id);
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::tftp::MAX_DISPLACED;

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
        assert!(lock(&admission.running).is_idle());
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
        assert!(lock(&admission.running).is_idle());
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
