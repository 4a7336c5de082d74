//! Addresses with an end: a set whose members leave when their time is over.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

/// Addresses and when each leaves, in seconds since 1970. Never larger than the pools, for only
/// their addresses get in.
#[derive(Clone, Debug, Default)]
pub(super) struct ExpiryQueue {
    ends: HashMap<Ipv4Addr, u64>,
    queue: BTreeSet<(u64, Ipv4Addr)>,
}

impl ExpiryQueue {
    /// Takes an address in until `end`, replacing an earlier end.
    pub(super) fn insert(&mut self, address: Ipv4Addr, end: u64) {
        self.remove(address);
        self.ends.insert(address, end);
        self.queue.insert((end, address));
    }

    /// Takes it out.
    pub(super) fn remove(&mut self, address: Ipv4Addr) {
        if let Some(end) = self.ends.remove(&address) {
            self.queue.remove(&(end, address));
        }
    }

    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.ends.contains_key(&address)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Takes out one whose time is over.
    pub(super) fn pop_over(&mut self, now: u64) -> Option<Ipv4Addr> {
        let (end, _) = self.queue.first()?;
        if *end <= now { self.pop_first() } else { None }
    }

    /// Lets none stay longer than `latest`: after the clock was set back.
    pub(super) fn end_by(&mut self, latest: u64) {
        while let Some((end, address)) = self.queue.last().copied()
            && end > latest
        {
            self.insert(address, latest);
        }
    }

    /// Takes out the one that would leave first.
    pub(super) fn pop_first(&mut self) -> Option<Ipv4Addr> {
        let (_, address) = self.queue.pop_first()?;
        self.ends.remove(&address);
        Some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_leave_in_the_order_of_their_ends() {
        let [a, b, c] = [1, 2, 3].map(Ipv4Addr::from_bits);
        let mut timed = ExpiryQueue::default();
        timed.insert(a, 30);
        timed.insert(b, 10);
        timed.insert(c, 20);
        timed.insert(b, 40);
        assert_eq!(timed.pop_over(19), None);
        assert_eq!(timed.pop_over(20), Some(c));
        timed.remove(a);
        timed.insert(c, 60);
        timed.end_by(50);
        assert_eq!(timed.pop_over(39), None);
        assert!(timed.contains(b));
        assert_eq!(timed.pop_first(), Some(b));
        assert_eq!(timed.pop_over(50), Some(c));
        assert_eq!(timed.len(), 0);
    }
}
