//! Machines that declined addresses lately, and how often.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::lease::{Client, ClientId};
use super::table::{DECLINE_TIME, Leases};

/// How often one machine may decline within [`DECLINE_TIME`] before it is ignored: three addresses
/// in a row taken by others means the trouble is not the addresses.
pub const MAX_DECLINES: u8 = 3;
/// Machines whose declines are counted at once; the count of another is then forgotten first.
pub const MAX_DECLINERS: usize = 1024;

/// Declined addresses may be one in so many of all; beyond it the oldest is free again, so that
/// nobody can take the whole pool by declining.
const DECLINED_SHARE: usize = 4;

/// The machines, at most [`MAX_DECLINERS`].
#[derive(Clone, Debug, Default)]
pub(super) struct Decliners(HashMap<ClientId, Declines>);

#[derive(Clone, Copy, Debug)]
struct Declines {
    count: u8,
    until: u64,
}

impl Decliners {
    /// One more decline of a client; returns how many there were lately.
    pub(super) fn count(&mut self, client: &ClientId, now: u64) -> u8 {
        if self.0.len() >= MAX_DECLINERS && !self.0.contains_key(client) {
            self.0.retain(|_, d| d.left(now).is_some());
            let first = self.0.iter().min_by_key(|(_, d)| d.until);
            if self.0.len() >= MAX_DECLINERS
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

    /// For a client that declined too often: how often, and how many seconds it has to wait.
    pub(super) fn penance(&self, client: &ClientId, now: u64) -> Option<(u8, u64)> {
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

impl Leases {
    /// A client says its new address is taken. Returns how often it declined lately; `None` when
    /// the address is not its own.
    pub(super) fn decline(&mut self, address: Ipv4Addr, client: &Client, now: u64) -> Option<u8> {
        if self.get(address)?.client != client.id {
            return None;
        }
        self.drop_hold(&client.id);
        self.remove(address);
        self.stages.forget(address);
        self.known_free.remove(address);
        let count = self.decliners.count(&client.id, now);
        if count <= MAX_DECLINES {
            self.declined
                .insert(address, now.saturating_add(DECLINE_TIME));
            let all: usize = self.pools.iter().map(|p| p.len() as usize).sum();
            if self.declined.len() > (all / DECLINED_SHARE).max(1)
                && let Some(oldest) = self.declined.pop_first()
            {
                self.settle(oldest);
            }
        }
        self.settle(address);
        Some(count)
    }

    /// For a client that declined too often: how often, and how many seconds it has to wait.
    pub(super) fn penance(&self, client: &ClientId, now: u64) -> Option<(u8, u64)> {
        self.decliners.penance(client, now)
    }
}
