//! Calls in datagrams that wait to be answered: in turns, one of each machine, so that one which
//! asks without end makes only itself wait.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::serve::datagram::Arrival;

/// Most calls that wait: as many as the kernel holds too, 8 MiB of the longest ones.
const MAX_WAITING: usize = 1024;
/// Most of one address. Linux has 16 calls under way at once, 128 at most, whatever comes
/// beyond is asked again.
const MAX_WAITING_PER_PEER: usize = 128;

/// A call as it came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) arrival: Arrival,
    pub(super) message: Box<[u8]>,
}

/// The calls of one port.
#[derive(Debug)]
pub(super) struct Calls {
    inner: Mutex<Inner>,
    /// One permit for each call that waits.
    ready: Semaphore,
}

#[derive(Debug, Default)]
struct Inner {
    /// None of them is empty.
    queues: HashMap<IpAddr, VecDeque<Call>>,
    /// Whose turn it is, each address of `queues` once.
    turns: VecDeque<IpAddr>,
    waiting: usize,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            ready: Semaphore::new(0),
        }
    }

    /// Lets a call wait. Where there is no room for it a call is dropped, its own or that of the
    /// machine that has most, and that machine is returned: it asks again.
    pub(super) fn push(&self, call: Call) -> Option<IpAddr> {
        let mut inner = self.lock();
        let ip = IpAddr::V4(*call.arrival.from.ip());
        let own = inner.queues.get(&ip).map_or(0, VecDeque::len);
        if own >= MAX_WAITING_PER_PEER {
            return Some(ip);
        }
        let dropped = if inner.waiting < MAX_WAITING {
            inner.waiting += 1;
            self.ready.add_permits(1);
            None
        } else {
            // Its permit is that of the new call.
            let greediest = inner.queues.iter_mut().max_by_key(|(_, calls)| calls.len());
            match greediest {
                // Who has as many as anybody makes place for nobody; and no queue becomes empty.
                Some((greediest, calls)) if calls.len() > own + 1 => {
                    calls.pop_front();
                    Some(*greediest)
                }
                _ => return Some(ip),
            }
        };
        if own == 0 {
            inner.turns.push_back(ip);
        }
        inner.queues.entry(ip).or_default().push_back(call);
        dropped
    }

    /// The next call, once there is one; of each machine in turn.
    pub(super) async fn pop(&self) -> Call {
        loop {
            // Never closed; and whoever holds a permit finds a call.
            if let Ok(permit) = self.ready.acquire().await {
                permit.forget();
            }
            if let Some(call) = self.lock().pop() {
                return call;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn pop(&mut self) -> Option<Call> {
        let ip = self.turns.pop_front()?;
        let calls = self.queues.get_mut(&ip)?;
        let call = calls.pop_front();
        if calls.is_empty() {
            self.queues.remove(&ip);
        } else {
            self.turns.push_back(ip);
        }
        self.waiting -= usize::from(call.is_some());
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddrV4};

    fn call(machine: u16, number: u8) -> Call {
        let [a, b] = machine.to_be_bytes();
        Call {
            arrival: Arrival {
                len: 1,
                from: SocketAddrV4::new([10, 0, a, b].into(), 700),
                to: Ipv4Addr::LOCALHOST,
                interface: None,
            },
            message: [number].into(),
        }
    }

    #[tokio::test]
    async fn machines_are_answered_in_turn_and_each_in_its_order() {
        let calls = Calls::new();
        for n in 0..100 {
            assert_eq!(calls.push(call(1, n)), None);
        }
        for n in 0..2 {
            assert_eq!(calls.push(call(2, n)), None);
        }
        let mut order = Vec::new();
        for _ in 0..6 {
            let Call { arrival, message } = calls.pop().await;
            order.push((arrival.from.ip().to_string(), message[0]));
        }
        let (one, two) = ("10.0.0.1".to_owned(), "10.0.0.2".to_owned());
        let expected = [
            (&one, 0),
            (&two, 0),
            (&one, 1),
            (&two, 1),
            (&one, 2),
            (&one, 3),
        ];
        assert_eq!(order, expected.map(|(ip, n)| (ip.clone(), n)));
    }

    #[tokio::test]
    async fn one_machine_never_has_more_than_its_part() {
        let calls = Calls::new();
        let taken = (0..1000)
            .filter(|_| calls.push(call(1, 0)).is_none())
            .count();
        assert_eq!(taken, MAX_WAITING_PER_PEER);
        assert_eq!(calls.push(call(2, 0)), None);
        assert_eq!(calls.lock().waiting, MAX_WAITING_PER_PEER + 1);
    }

    #[tokio::test]
    async fn when_all_places_are_taken_the_greediest_makes_room() {
        let calls = Calls::new();
        for machine in 0..9 {
            let part = if machine == 5 { 128 } else { 112 };
            for _ in 0..part {
                assert_eq!(calls.push(call(machine, 0)), None);
            }
        }
        let greediest = IpAddr::V4(*call(5, 0).arrival.from.ip());
        assert_eq!(calls.push(call(9, 7)), Some(greediest));
        assert_eq!(calls.lock().waiting, MAX_WAITING);
        let mut heard = 0;
        for _ in 0..MAX_WAITING {
            heard += u32::from(calls.pop().await == call(9, 7));
        }
        assert_eq!(heard, 1);
        let inner = calls.lock();
        assert_eq!((inner.waiting, inner.turns.len()), (0, 0));
        assert!(inner.queues.is_empty());
        assert_eq!(calls.ready.available_permits(), 0);
    }

    #[tokio::test]
    async fn invented_addresses_do_not_push_each_other_out_without_end() {
        let calls = Calls::new();
        for machine in 0..5000 {
            calls.push(call(machine, 0));
        }
        assert_eq!(calls.lock().waiting, MAX_WAITING);
        assert_eq!(
            calls.push(call(5000, 0)),
            Some(IpAddr::V4(*call(5000, 0).arrival.from.ip()))
        );
        assert_eq!(calls.pop().await, call(0, 0));
    }
}
