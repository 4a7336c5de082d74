//! The calls in datagrams of one port, waiting for the tasks that answer them.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lanboot_core::nfs::{CallQueue, Queued};
use tokio::sync::Semaphore;

use crate::io::udp::Arrival;

/// A call as it came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) arrival: Arrival,
    pub(super) message: Box<[u8]>,
}

/// The calls of one port, in the order of [`CallQueue`].
#[derive(Debug)]
pub(super) struct Calls {
    queue: Mutex<CallQueue<Call>>,
    /// One permit for each call that waits.
    ready: Semaphore,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            ready: Semaphore::new(0),
        }
    }

    /// Adds a call, and returns the machine of the call that was dropped for it, if one was: the
    /// call's own, or the one that has most.
    pub(super) fn push(&self, call: Call) -> Option<IpAddr> {
        let ip = call.arrival.from.ip();
        match self.lock().push(ip, call) {
            Queued::Added => {
                self.ready.add_permits(1);
                None
            }
            // The permit of the dropped call is that of the new one.
            Queued::Replaced(greediest) => Some(greediest),
            Queued::Dropped => Some(ip),
        }
    }

    /// Waits for the next call.
    pub(super) async fn pop(&self) -> Call {
        loop {
            // Never closed; and a permit stands for a call.
            if let Ok(permit) = self.ready.acquire().await {
                permit.forget();
            }
            if let Some(call) = self.lock().pop() {
                return call;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, CallQueue<Call>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::nfs::{MAX_WAITING, MAX_WAITING_PER_PEER};
    use std::net::SocketAddr;

    fn call(machine: u16, number: u8) -> Call {
        let [a, b] = machine.to_be_bytes();
        Call {
            arrival: Arrival {
                len: 1,
                from: SocketAddr::from(([10, 0, a, b], 700)),
                to: [127, 0, 0, 1].into(),
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
        assert_eq!(calls.lock().len(), MAX_WAITING_PER_PEER + 1);
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
        let greediest = call(5, 0).arrival.from.ip();
        assert_eq!(calls.push(call(9, 7)), Some(greediest));
        assert_eq!(calls.lock().len(), MAX_WAITING);
        let mut heard = 0;
        for _ in 0..MAX_WAITING {
            heard += u32::from(calls.pop().await == call(9, 7));
        }
        assert_eq!(heard, 1);
        assert!(calls.lock().is_empty());
        assert_eq!(calls.ready.available_permits(), 0);
    }

    #[tokio::test]
    async fn invented_addresses_do_not_push_each_other_out_without_end() {
        let calls = Calls::new();
        for machine in 0..5000 {
            calls.push(call(machine, 0));
        }
        assert_eq!(calls.lock().len(), MAX_WAITING);
        assert_eq!(
            calls.push(call(5000, 0)),
            Some(call(5000, 0).arrival.from.ip())
        );
        assert_eq!(calls.pop().await, call(0, 0));
    }
}
