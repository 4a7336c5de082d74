//! The consequences that a DECLINE has for the leases.

use std::net::Ipv4Addr;

use super::decline::{DECLINE_TIME, Declined};
use super::lease::{Client, ClientId};
use super::limits::MAX_DECLINES;
use super::table::Leases;

/// Declined addresses may be one in so many of all; beyond it the oldest is free again, so that
/// nobody can take the whole pool by declining.
const DECLINED_SHARE: usize = 4;

impl Leases {
    /// A client says its new address is taken. Returns how often it declined lately; `None` when
    /// the address is not its own. Until [`Leases::confirm_decline`] or [`Leases::undo_decline`]
    /// its lease is remembered.
    pub(super) fn decline(&mut self, address: Ipv4Addr, client: &Client, now: u64) -> Option<u8> {
        let lease = self.get(address).filter(|l| l.client == client.id)?.clone();
        self.drop_reservation(&client.id);
        self.remove(address);
        self.known_free.remove(address);
        let count = self.declines.count(&client.id, now);
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

    /// Returns whether the DECLINE of an address in this client's name is being looked into.
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
        self.declines.forgive(&lease.client);
        self.declined.remove(address);
        self.remove_reservation(address);
        self.insert(lease);
        true
    }

    /// For a client that declined too often: how often, and how many seconds it has to wait.
    pub(super) fn hold_off(&self, client: &ClientId, now: u64) -> Option<(u8, u64)> {
        self.declines.hold_off(client, now)
    }
}
