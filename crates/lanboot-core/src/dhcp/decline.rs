//! Machines that declined addresses lately, and how often.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::lease::{Client, ClientId, Lease};
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
pub(super) struct DeclineTracker(HashMap<ClientId, Declines>);

#[derive(Clone, Copy, Debug)]
struct Declines {
    count: u8,
    until: u64,
}

impl DeclineTracker {
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

    /// Takes the last decline of a client back.
    fn forgive(&mut self, client: &ClientId) {
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
    /// What the client had.
    lease: Lease,
    /// How often it declined lately, this one included.
    pub(super) count: u8,
}

impl Leases {
    /// A client says its new address is taken. Returns how often it declined lately; `None` when
    /// the address is not its own. Until [`Leases::confirm_decline`] or [`Leases::undo_decline`]
    /// its lease is remembered.
    pub(super) fn decline(&mut self, address: Ipv4Addr, client: &Client, now: u64) -> Option<u8> {
        let lease = self.get(address).filter(|l| l.client == client.id)?.clone();
        self.drop_reservation(&client.id);
        self.remove(address);
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
        self.doubted.insert(address, Declined { lease, count });
        Some(count)
    }

    /// Whether the DECLINE of an address in this client's name is being looked into.
    pub(super) fn is_doubted(&self, address: Ipv4Addr, client: &ClientId) -> bool {
        let declined = self.doubted.get(&address);
        declined.is_some_and(|declined| declined.lease.client == *client)
    }

    /// The DECLINE of an address stands. Returns how often its client declined lately; `None` when
    /// nothing was known of it.
    pub(super) fn confirm_decline(&mut self, address: Ipv4Addr) -> Option<u8> {
        self.stages.forget(address);
        self.doubted.remove(&address).map(|declined| declined.count)
    }

    /// The DECLINE of an address was false: its client has it again, unless it or somebody else has
    /// got a lease since. Returns whether it has.
    pub(super) fn undo_decline(&mut self, address: Ipv4Addr) -> bool {
        let Some(Declined { lease, .. }) = self.doubted.remove(&address) else {
            return false;
        };
        if self.get(address).is_some() || self.has_lease(&lease.client) {
            return false;
        }
        self.decliners.forgive(&lease.client);
        self.declined.remove(address);
        self.remove_reservation(address);
        self.insert(lease);
        true
    }

    /// For a client that declined too often: how often, and how many seconds it has to wait.
    pub(super) fn hold_off(&self, client: &ClientId, now: u64) -> Option<(u8, u64)> {
        self.decliners.hold_off(client, now)
    }
}
