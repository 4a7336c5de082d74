//! Who may start a transfer: not the same request twice, and not more than the limits.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanboot_core::tftp::Why;

use super::Limits;

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
    pub(super) fn admit(
        &self,
        source: SocketAddr,
        request: &[u8],
        limits: &Limits,
    ) -> Result<Ticket, Why> {
        let mut running = lock(&self.running);
        if let Some(entry) = running.by_source.get(&source) {
            if *entry.request == *request && !entry.state.begun.load(Ordering::Relaxed) {
                return Err(Why::SameRequest);
            }
            entry.state.superseded.store(true, Ordering::Relaxed);
        }
        if running.total >= limits.transfers {
            return Err(Why::TooManyTransfers);
        }
        let machine = running.by_machine.entry(source.ip()).or_default();
        if *machine >= limits.transfers_per_machine {
            return Err(Why::TooManyForOne);
        }
        *machine += 1;
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
        Ok(Ticket {
            running: Arc::clone(&self.running),
            number,
            source,
            state,
        })
    }
}

impl Ticket {
    /// The machine reacted: the same request again would be a new one.
    pub(super) fn begin(&self) {
        if !self.state.begun.load(Ordering::Relaxed) {
            self.state.begun.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the machine asked for something else from the same port meanwhile.
    pub(super) fn is_superseded(&self) -> bool {
        self.state.superseded.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut running = lock(&self.running);
        running.total = running.total.saturating_sub(1);
        if let Some(machine) = running.by_machine.get_mut(&self.source.ip()) {
            *machine = machine.saturating_sub(1);
            if *machine == 0 {
                running.by_machine.remove(&self.source.ip());
            }
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
        assert_eq!(again.unwrap_err(), Why::SameRequest);
        assert!(admission.admit(source(1, 2071), b"a", &limits).is_ok());
        first.begin();
        assert!(!first.is_superseded());
        let second = admission.admit(source(1, 2070), b"a", &limits).unwrap();
        assert!(first.is_superseded(), "the machine was reset");
        drop(first);
        let again = admission.admit(source(1, 2070), b"a", &limits);
        assert_eq!(again.unwrap_err(), Why::SameRequest);
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
        let admit = |host, port| admission.admit(source(host, port), b"a", &limits);
        let held = (admit(1, 1).unwrap(), admit(1, 2).unwrap());
        assert_eq!(admit(1, 3).unwrap_err(), Why::TooManyForOne);
        let other = admit(2, 1).unwrap();
        assert_eq!(admit(3, 1).unwrap_err(), Why::TooManyTransfers);
        drop(held);
        assert!(admit(3, 1).is_ok());
        drop(other);
    }
}
