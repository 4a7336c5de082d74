//! Calls in datagrams that wait for their answer: answered in turns, one of each machine, so that a
//! machine that calls without end only makes itself wait.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::limits::{MAX_WAITING, MAX_WAITING_PER_PEER};

/// The result of adding a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It waits.
    Added,
    /// It waits, in the place of the oldest call of this machine, which has most.
    Replaced(IpAddr),
    /// It is dropped: its machine has as many calls waiting as any, or as it may have.
    Dropped,
}

/// The calls `T` that wait at one port. Bounded by [`MAX_WAITING`].
#[derive(Debug)]
pub struct CallQueue<T> {
    /// None of them is empty.
    by_peer: HashMap<IpAddr, VecDeque<T>>,
    /// The order of turns: each address of `by_peer` once.
    turns: VecDeque<IpAddr>,
    waiting: usize,
}

impl<T> Default for CallQueue<T> {
    fn default() -> Self {
        Self {
            by_peer: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
        }
    }
}

impl<T> CallQueue<T> {
    /// Adds a call of `peer`. If there is no room for it, it is dropped, or the oldest call of the
    /// machine that has most; either machine calls again.
    pub fn push(&mut self, peer: IpAddr, call: T) -> Queued {
        let own = self.by_peer.get(&peer).map_or(0, VecDeque::len);
        if own >= MAX_WAITING_PER_PEER {
            return Queued::Dropped;
        }
        let queued = if self.waiting < MAX_WAITING {
            self.waiting += 1;
            Queued::Added
        } else {
            let greediest = self.by_peer.iter_mut().max_by_key(|(_, calls)| calls.len());
            match greediest {
                // A machine with as many as any replaces none; and no queue becomes empty.
                Some((greediest, calls)) if calls.len() > own + 1 => {
                    calls.pop_front();
                    Queued::Replaced(*greediest)
                }
                _ => return Queued::Dropped,
            }
        };
        if own == 0 {
            self.turns.push_back(peer);
        }
        self.by_peer.entry(peer).or_default().push_back(call);
        queued
    }

    /// Takes the next call, of each machine in turn; `None` when none waits.
    pub fn pop(&mut self) -> Option<T> {
        let peer = self.turns.pop_front()?;
        let calls = self.by_peer.get_mut(&peer)?;
        let call = calls.pop_front();
        if calls.is_empty() {
            self.by_peer.remove(&peer);
        } else {
            self.turns.push_back(peer);
        }
        self.waiting = self.waiting.saturating_sub(usize::from(call.is_some()));
        call
    }

    /// Returns how many calls wait.
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Returns whether no call waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(machine: u16) -> IpAddr {
        let [a, b] = machine.to_be_bytes();
        IpAddr::from([10, 0, a, b])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Calls come and are taken in any order, from few machines or many.
        #[test]
        fn each_machine_keeps_its_order_and_gets_its_turn_within_bounds(
            machines in 1..1500_u16,
            steps in prop::collection::vec((any::<u16>(), 0..200_u16, 0..40_u16), 1..60),
        ) {
            let mut queue = CallQueue::default();
            let mut number = 0_u64;
            let mut answered: HashMap<IpAddr, u64> = HashMap::new();
            // Pops since a machine that waits was answered.
            let mut passed_over: HashMap<IpAddr, usize> = HashMap::new();
            for (machine, pushes, pops) in steps {
                for i in 0..pushes {
                    let peer = peer(machine.wrapping_mul(1 + i % 3) % machines);
                    number += 1;
                    if queue.push(peer, (peer, number)) != Queued::Dropped {
                        passed_over.entry(peer).or_default();
                    }
                    prop_assert!(queue.len() <= MAX_WAITING);
                    let most = queue.by_peer.values().map(VecDeque::len).max();
                    prop_assert!(most.unwrap_or(0) <= MAX_WAITING_PER_PEER);
                }
                for _ in 0..pops {
                    let Some((peer, number)) = queue.pop() else {
                        prop_assert!(queue.is_empty() && queue.turns.is_empty());
                        break;
                    };
                    let before = answered.insert(peer, number);
                    prop_assert!(before.is_none_or(|before| before < number), "out of order");
                    for count in passed_over.values_mut() {
                        *count += 1;
                    }
                    match queue.by_peer.contains_key(&peer) {
                        true => passed_over.insert(peer, 0),
                        false => passed_over.remove(&peer),
                    };
                    let longest = passed_over.values().max().copied().unwrap_or(0);
                    prop_assert!(longest <= usize::from(machines), "one is passed over");
                }
                prop_assert_eq!(queue.turns.len(), queue.by_peer.len());
                let waiting = queue.by_peer.values().map(VecDeque::len).sum::<usize>();
                prop_assert_eq!(queue.len(), waiting);
            }
        }
    }
}
