//! Grants: claims of clients to an address, leases given and given back.

use std::net::Ipv4Addr;

use super::config::Subnet;
use super::lease::{Client, Lease, Refusal, State};
use super::table::{Leases, is_live};

impl Leases {
    /// Returns whether a client may have the address it names. `uses_it` says that it is using it
    /// already.
    pub(super) fn claim(
        &self,
        address: Ipv4Addr,
        client: &Client,
        uses_it: bool,
        subnet: &Subnet,
        now: u64,
    ) -> Result<(), Refusal> {
        if !subnet.is_host(address) {
            return Err(Refusal::WrongNetwork(address, subnet.base(), subnet.prefix));
        }
        if self.excluded.contains(&address) {
            return Err(Refusal::Excluded(address));
        }
        if !self.pool(subnet).is_some_and(|p| p.contains(address)) {
            return Err(Refusal::OutsideRange(address));
        }
        let lease = self.leases.get(&address).filter(|l| is_live(l, now));
        if lease.is_some_and(|l| l.client == client.id) {
            return Ok(());
        }
        if self.declined.contains(address) {
            // Who uses it has not declined it.
            return match uses_it && self.is_doubted(address, &client.id) {
                true => Ok(()),
                false => Err(Refusal::Declined(address)),
            };
        }
        // The one that answered the check may be this client, whose lease we lost.
        if self.in_use.contains(address) && !uses_it {
            return Err(Refusal::InUse(address));
        }
        if self
            .holds
            .get(&address)
            .is_some_and(|h| h.client != client.id)
        {
            return Err(Refusal::Offered(address));
        }
        if uses_it && lease.is_some() && self.stages.had_before(address, &client.id) {
            return Err(Refusal::PassedOn(address));
        }
        // The same hardware under another name is the next stage of the same boot.
        if lease.is_some_and(|l| l.mac != client.mac) {
            return Err(Refusal::Leased(address));
        }
        Ok(())
    }

    /// Leases an address, which [`Leases::claim`] granted, for `secs` from `now` on.
    pub(super) fn bind(
        &mut self,
        address: Ipv4Addr,
        client: &Client,
        hostname: Option<String>,
        secs: u32,
        now: u64,
    ) -> Lease {
        let expires = now.saturating_add(u64::from(secs));
        self.undo_decline(address);
        self.drop_reservation(&client.id);
        self.remove_reservation(address);
        self.in_use.remove(address);
        self.known_free.remove(address);
        let before = self.leases.get(&address);
        if before.is_some_and(|l| l.mac != client.mac) {
            self.stages.forget(address);
        }
        if before.is_none_or(|l| l.client != client.id) {
            self.stages.bound(address, &client.id, now);
        }
        let lease = Lease {
            address,
            client: client.id.clone(),
            mac: client.mac,
            hostname,
            expires,
            state: State::Bound,
        };
        self.insert(lease.clone());
        lease
    }

    /// Ends a client's lease and remembers it; `None` when it has none on that address.
    pub(super) fn release(
        &mut self,
        address: Ipv4Addr,
        client: &Client,
        now: u64,
    ) -> Option<Lease> {
        let mut lease = self.leases.get(&address)?.clone();
        if lease.client != client.id {
            return None;
        }
        lease.expires = lease.expires.min(now);
        lease.state = State::Released;
        self.drop_reservation(&client.id);
        self.insert(lease.clone());
        Some(lease)
    }
}
