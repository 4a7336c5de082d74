//! The lease table: which client has which address.
//!
//! An address is in one of these states, and [`Leases`] keeps each findable in logarithmic time:
//! *free* (a bit in its pool), *held* for a machine while it is checked or offered, *leased*,
//! *remembered* (a lease that is over, kept so that its machine gets the same address again, given
//! away when nothing else is free), *in use* by somebody without a lease, *declined*, *excluded*.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::claims::{Claims, IN_USE_TIME};
use super::config::Subnet;
use super::decline::{DECLINE_TIME, DeclineTracker, Declined};
use super::expiry::ExpiryQueue;
use super::finding::Finding;
use super::lease::{Client, ClientId, Lease};
use super::pool::{Pool, seed};
use super::relay::Warned;
use super::stages::Stages;
use crate::machine::Mac;

/// Time in seconds for which an offer is kept for its machine. EDK2 collects offers for 4 s and
/// other ROMs for up to 8 before they ask. An offer that lapsed is still granted if the address is
/// free.
pub const OFFER_RESERVATION: u64 = 15;
/// Time in seconds for which the result of a check is awaited. The check takes about 0.3 s.
pub const CHECK_RESERVATION: u64 = 3;
/// Time in seconds for which an address found free is not checked again.
pub const KNOWN_FREE_TIME: u64 = 60;
/// The result of [`Leases::restore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Records taken in.
    pub kept: usize,
    /// Records of no pool, or doubled.
    pub dropped: usize,
}

/// An address kept for a machine that has no lease on it yet.
#[derive(Clone, Debug)]
pub(super) struct Reservation {
    pub(super) client: ClientId,
    pub(super) step: ReservationState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReservationState {
    /// Somebody finds out whether it is in use.
    Checking {
        /// Addresses already found in use by others, for this machine.
        failed: u8,
        /// True if an address leased to the same hardware under another name may be tried.
        takeover: bool,
        /// The check under way.
        check: Check,
    },
    /// It has been offered.
    Offered,
}

/// The check that finds out whether an address is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// The address itself: by ARP, or by ping behind a relay.
    First,
    /// The address by ping: this hardware address, which is doubted, answered for it by ARP.
    Ping(Mac),
    /// By ARP another address, which another machine has from here: whether `mac`, which answered
    /// for the address, answers for everything.
    Control {
        /// The hardware address that answered.
        mac: Mac,
        /// The other address.
        address: Ipv4Addr,
    },
}

impl ReservationState {
    /// Returns whether the check of the address `held` is under way, by a probe of `address`.
    pub(super) fn is_asking(self, held: Ipv4Addr, address: Ipv4Addr) -> bool {
        matches!(self, Self::Checking { check, .. } if check.asks(held) == address)
    }
}

impl Check {
    /// The address that is probed to find out about the address `held`.
    pub(super) fn asks(self, held: Ipv4Addr) -> Ipv4Addr {
        match self {
            Self::First | Self::Ping(_) => held,
            Self::Control { address, .. } => address,
        }
    }
}

/// The result of [`Leases::choose`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) address: Ipv4Addr,
    /// Nobody else can be using it: no check needed.
    pub(super) sure: bool,
}

/// The lease table. Bounded by the pools it was made for.
#[derive(Clone, Debug)]
pub struct Leases {
    pub(super) pools: Vec<Pool>,
    /// No lease lasts longer, in seconds. Never less than the default, which an earlier run may
    /// have given.
    longest: u64,
    pub(super) excluded: HashSet<Ipv4Addr>,
    pub(super) leases: HashMap<Ipv4Addr, Lease>,
    by_client: HashMap<ClientId, Ipv4Addr>,
    by_mac: HashMap<Mac, Ipv4Addr>,
    pub(super) holds: HashMap<Ipv4Addr, Reservation>,
    held_for: HashMap<ClientId, Ipv4Addr>,
    held: ExpiryQueue,
    pub(super) in_use: ExpiryQueue,
    pub(super) declined: ExpiryQueue,
    pub(super) known_free: ExpiryQueue,
    pub(super) declines: DeclineTracker,
    /// Declined addresses somebody finds out about; each was leased, so the pools bound them.
    pub(super) doubted: HashMap<Ipv4Addr, Declined>,
    pub(super) stages: Stages,
    pub(super) claims: Claims,
    pub(super) findings: Vec<Finding>,
    pub(super) warned: Warned,
}

impl Leases {
    /// An empty table for these subnets. Routers and name servers are never handed out.
    pub fn new(subnets: &[Subnet]) -> Self {
        let times = subnets.iter().map(|s| s.lease_time);
        let longest = times.max().unwrap_or_default().max(Subnet::LEASE_TIME);
        let mut leases = Self {
            pools: subnets.iter().map(|s| Pool::new(s.range)).collect(),
            longest: longest.as_secs(),
            excluded: HashSet::new(),
            leases: HashMap::new(),
            by_client: HashMap::new(),
            by_mac: HashMap::new(),
            holds: HashMap::new(),
            held_for: HashMap::new(),
            held: ExpiryQueue::default(),
            in_use: ExpiryQueue::default(),
            declined: ExpiryQueue::default(),
            known_free: ExpiryQueue::default(),
            declines: DeclineTracker::default(),
            doubted: HashMap::new(),
            stages: Stages::default(),
            claims: Claims::default(),
            findings: Vec::new(),
            warned: Warned::default(),
        };
        for subnet in subnets {
            let known = subnet.routers.iter().chain(&subnet.dns).copied();
            for address in known.chain([subnet.base(), subnet.broadcast()]) {
                leases.exclude(address);
            }
        }
        leases
    }

    /// Takes in the records of an earlier run, `now` since 1970. Where one client has two, the later
    /// one counts. None ends later than one given now would: the clock may have been ahead.
    pub fn restore(&mut self, records: impl Iterator<Item = Lease>, now: Duration) -> Restored {
        let mut restored = Restored::default();
        for lease in records {
            let known = self.by_client.get(&lease.client).copied();
            let rivals = [known, Some(lease.address)];
            let later = rivals
                .into_iter()
                .flatten()
                .filter_map(|address| self.leases.get(&address))
                .any(|other| other.expires > lease.expires);
            if later || !self.is_in_a_pool(lease.address) || self.excluded.contains(&lease.address)
            {
                restored.dropped += 1;
                continue;
            }
            self.insert(lease);
            restored.kept += 1;
        }
        self.end_leases_by(now.as_secs().saturating_add(self.longest));
        restored
    }

    /// Never hands out this address: our own, for one.
    pub fn exclude(&mut self, address: Ipv4Addr) {
        if self.is_in_a_pool(address) && self.excluded.insert(address) {
            self.remove_reservation(address);
            self.remove(address);
            self.settle(address);
        }
    }

    /// Returns whether a machine could get an address of this subnet at all, were there no other
    /// machine.
    pub fn has_room(&self, subnet: &Subnet) -> bool {
        self.pool(subnet).is_some_and(|pool| {
            let is_in = |address: &&Ipv4Addr| pool.contains(**address);
            self.excluded.iter().filter(is_in).count() < pool.len() as usize
        })
    }

    /// Every lease, live and remembered, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// The lease on an address, live or remembered.
    pub fn get(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.leases.get(&address)
    }

    /// The address last leased to a machine.
    pub fn address_of(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.by_mac.get(&mac).copied()
    }

    /// Lets everything go whose time is over. Called before each message. What would last longer
    /// than from now on is from before the clock was set back, and ends as if it began now.
    pub(super) fn refresh(&mut self, now: u64) {
        self.end_leases_by(now.saturating_add(self.longest));
        for (timed, longest) in [
            (&mut self.held, CHECK_RESERVATION.max(OFFER_RESERVATION)),
            (&mut self.in_use, IN_USE_TIME),
            (&mut self.declined, DECLINE_TIME),
            (&mut self.known_free, KNOWN_FREE_TIME),
        ] {
            timed.end_by(now.saturating_add(longest));
        }
        while let Some(address) = self.held.pop_over(now) {
            self.remove_reservation(address);
        }
        while let Some(address) = self.in_use.pop_over(now) {
            self.settle(address);
        }
        while let Some(address) = self.declined.pop_over(now) {
            self.settle(address);
        }
        while self.known_free.pop_over(now).is_some() {}
    }

    /// Lets no lease end after `latest`. One whose address is held is not in line yet; its turn
    /// comes when it is.
    fn end_leases_by(&mut self, latest: u64) {
        for pool in &mut self.pools {
            while let Some(address) = pool.pop_after(latest) {
                pool.enqueue(latest, address);
                if let Some(lease) = self.leases.get_mut(&address) {
                    lease.expires = latest;
                }
            }
        }
    }

    /// The address for a client: its own, the one its hardware had under another name, the one it
    /// asks for, a free one that its hardware address picks (so that it stays the same even without
    /// memory), the one longest over. After `failed` addresses that were in use the search goes on
    /// somewhere else: addresses by hand stand side by side.
    pub(super) fn choose(
        &self,
        client: &Client,
        requested: Option<Ipv4Addr>,
        takeover: bool,
        failed: u8,
        subnet: &Subnet,
        now: u64,
    ) -> Option<Choice> {
        let pool = self.pool(subnet)?;
        let own = self.by_client.get(&client.id).copied();
        let own = own.filter(|a| pool.contains(*a) && !self.is_busy(*a, &client.id));
        let is_live = |address: &Ipv4Addr| self.leases.get(address).filter(|l| is_live(l, now));
        let sibling = self.by_mac.get(&client.mac).copied();
        let sibling =
            sibling.filter(|a| takeover && pool.contains(*a) && !self.is_busy(*a, &client.id));
        // What this stage had in an earlier boot counts less than what the machine has in this one.
        let goes_on = sibling.filter(|address| {
            is_live(address).is_some_and(|lease| {
                let (earlier, mac) = (&lease.client, client.mac);
                self.stages.follows(earlier, &client.id, mac, *address, now)
            })
        });
        if let Some(address) = own {
            let live = is_live(&address).is_some();
            if live || goes_on.is_none() {
                return Some(self.choice(address, live));
            }
        }
        let requested = requested.filter(|a| {
            let taken = is_live(a).is_some();
            pool.contains(*a) && !self.is_busy(*a, &client.id) && !taken
        });
        sibling
            .or(requested)
            .or_else(|| pool.next_free(seed(client.mac, failed)))
            .or_else(|| pool.oldest_ended(now))
            .map(|address| self.choice(address, false))
    }

    fn choice(&self, address: Ipv4Addr, live: bool) -> Choice {
        Choice {
            address,
            sure: live || self.known_free.contains(address),
        }
    }

    /// Returns whether a client has a lease, live or remembered.
    pub(super) fn has_lease(&self, client: &ClientId) -> bool {
        self.by_client.contains_key(client)
    }

    /// Returns what is held for a client.
    pub(super) fn held_for(&self, client: &ClientId) -> Option<(Ipv4Addr, ReservationState)> {
        let address = self.held_for.get(client)?;
        Some((*address, self.holds.get(address)?.step))
    }

    /// Returns whether there is any record of a client, or of its hardware.
    pub(super) fn knows(&self, client: &Client) -> bool {
        self.held_for.contains_key(&client.id)
            || self.by_client.contains_key(&client.id)
            || self.by_mac.contains_key(&client.mac)
    }

    /// Holds an address for a client, and no other for it.
    pub(super) fn hold(
        &mut self,
        address: Ipv4Addr,
        client: &ClientId,
        step: ReservationState,
        now: u64,
    ) {
        self.drop_reservation(client);
        self.remove_reservation(address);
        let secs = match step {
            ReservationState::Checking { .. } => CHECK_RESERVATION,
            ReservationState::Offered => OFFER_RESERVATION,
        };
        let client = client.clone();
        self.held_for.insert(client.clone(), address);
        self.holds.insert(address, Reservation { client, step });
        self.held.insert(address, now.saturating_add(secs));
        self.settle(address);
    }

    /// Drops what is held for a client.
    pub(super) fn drop_reservation(&mut self, client: &ClientId) {
        if let Some(address) = self.held_for.get(client).copied() {
            self.remove_reservation(address);
        }
    }

    /// Somebody answered on this address.
    pub(super) fn mark_in_use(&mut self, address: Ipv4Addr, now: u64) {
        self.remove_reservation(address);
        self.in_use.insert(address, now.saturating_add(IN_USE_TIME));
        self.settle(address);
    }

    /// Nobody answered on this address.
    pub(super) fn mark_free(&mut self, address: Ipv4Addr, now: u64) {
        self.known_free
            .insert(address, now.saturating_add(KNOWN_FREE_TIME));
    }

    /// Returns whether somebody else than `client` blocks an address, leases aside.
    fn is_busy(&self, address: Ipv4Addr, client: &ClientId) -> bool {
        self.excluded.contains(&address)
            || self.declined.contains(address)
            || self.in_use.contains(address)
            || self
                .holds
                .get(&address)
                .is_some_and(|h| h.client != *client)
    }

    fn is_in_a_pool(&self, address: Ipv4Addr) -> bool {
        self.pools.iter().any(|p| p.contains(address))
    }

    pub(super) fn pool(&self, subnet: &Subnet) -> Option<&Pool> {
        self.pools.iter().find(|p| p.contains(subnet.range.0))
    }

    /// Puts a lease in, and out whatever its address and its client had before.
    pub(super) fn insert(&mut self, lease: Lease) {
        self.remove(lease.address);
        if let Some(before) = self.by_client.get(&lease.client).copied() {
            self.remove(before);
            self.settle(before);
        }
        let address = lease.address;
        self.by_client.insert(lease.client.clone(), address);
        self.by_mac.insert(lease.mac, address);
        self.leases.insert(address, lease);
        self.settle(address);
    }

    /// Takes a lease out of every index. The caller settles the address.
    pub(super) fn remove(&mut self, address: Ipv4Addr) {
        let Some(lease) = self.leases.remove(&address) else {
            return;
        };
        self.by_client.remove(&lease.client);
        if self.by_mac.get(&lease.mac) == Some(&address) {
            self.by_mac.remove(&lease.mac);
        }
        for pool in &mut self.pools {
            pool.dequeue(lease.expires, address);
        }
    }

    pub(super) fn remove_reservation(&mut self, address: Ipv4Addr) {
        if let Some(hold) = self.holds.remove(&address) {
            self.held_for.remove(&hold.client);
            self.held.remove(address);
            self.settle(address);
        }
    }

    /// Makes the pool agree with the tables about one address.
    pub(super) fn settle(&mut self, address: Ipv4Addr) {
        let busy = self.excluded.contains(&address)
            || self.declined.contains(address)
            || self.in_use.contains(address)
            || self.holds.contains_key(&address);
        let Some(pool) = self.pools.iter_mut().find(|p| p.contains(address)) else {
            return;
        };
        match self.leases.get(&address) {
            None => pool.set_free(address, !busy),
            Some(lease) => {
                pool.set_free(address, false);
                if busy {
                    pool.dequeue(lease.expires, address);
                } else {
                    pool.enqueue(lease.expires, address);
                }
            }
        }
    }
}

pub(super) fn is_live(lease: &Lease, now: u64) -> bool {
    lease.expires > now
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Leases {
        /// Every table agrees with every other; for tests.
        pub(in crate::dhcp) fn assert_consistent(&self) {
            assert_eq!(self.leases.len(), self.by_client.len());
            for (address, lease) in &self.leases {
                assert_eq!(lease.address, *address);
                assert_eq!(self.by_client.get(&lease.client), Some(address));
                assert!(self.is_in_a_pool(*address));
            }
            for (mac, address) in &self.by_mac {
                assert_eq!(self.leases.get(address).map(|l| l.mac), Some(*mac));
            }
            assert_eq!(self.holds.len(), self.held_for.len());
            assert_eq!(self.holds.len(), self.held.len());
            for (address, hold) in &self.holds {
                assert_eq!(self.held_for.get(&hold.client), Some(address));
                assert!(self.held.contains(*address));
            }
            assert!(self.declines.len() <= crate::dhcp::MAX_DECLINING);
        }
    }
}
