//! Machines that declined addresses lately, and how often.

use std::collections::HashMap;

use super::lease::{ClientId, Lease};
use super::limits::{MAX_DECLINES, MAX_DECLINING};

/// Time in seconds for which a declined address is left alone, and a machine that declined too
/// often.
pub const DECLINE_TIME: u64 = 600;

/// The machines, at most [`MAX_DECLINING`].
#[derive(Clone, Debug, Default)]
pub(super) struct DeclineTracker(HashMap<ClientId, Declines>);

#[derive(Clone, Copy, Debug)]
struct Declines {
    count: u8,
    until: u64,
}

impl DeclineTracker {
    /// One more decline of a client; returns how many there were lately.
    pub(super) fn count(&mut self, client: &ClientId, now: u64) -> u8 {
        if self.0.len() >= MAX_DECLINING && !self.0.contains_key(client) {
            self.0.retain(|_, d| d.left(now).is_some());
            let first = self.0.iter().min_by_key(|(_, d)| d.until);
            if self.0.len() >= MAX_DECLINING
                && let Some(first) = first.map(|(id, _)| id.clone())
            {
                self.0.remove(&first);
            }
        }
        let entry = self
            .0
            .entry(client.clone())
            .or_insert(Declines { count: 0, until: 0 });
        if entry.left(now).is_none() {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.until = now.saturating_add(DECLINE_TIME);
        entry.count
    }

    /// Takes the last decline of a client back.
    pub(super) fn forgive(&mut self, client: &ClientId) {
        if let Some(declines) = self.0.get_mut(client) {
            declines.count = declines.count.saturating_sub(1);
        }
    }

    /// For a client that declined too often: how often, and how many seconds it has to wait.
    pub(super) fn hold_off(&self, client: &ClientId, now: u64) -> Option<(u8, u64)> {
        let declines = self.0.get(client)?;
        let secs = declines.left(now)?;
        (declines.count >= MAX_DECLINES).then_some((declines.count, secs))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Declines {
    /// Seconds for which they still count; those from before the clock was set back do not.
    fn left(self, now: u64) -> Option<u64> {
        let left = self.until.checked_sub(now)?;
        (1..=DECLINE_TIME).contains(&left).then_some(left)
    }
}

/// A DECLINE that is being looked into.
#[derive(Clone, Debug)]
pub(super) struct Declined {
    /// The declined lease.
    pub(super) lease: Lease,
    /// Number of its declines lately, this one included.
    pub(super) count: u8,
}
