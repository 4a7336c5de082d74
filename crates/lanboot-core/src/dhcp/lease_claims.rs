//! The consequences that answers to probes have for the leases.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::claims::{Claimant, Worth};
use super::config::Subnet;
use super::finding::Finding;
use super::pool::Pool;
use super::table::Leases;
use crate::machine::Mac;

impl Leases {
    /// What an answer for an address nobody was given is worth.
    pub(super) fn claimed(
        &mut self,
        who: Claimant,
        address: Ipv4Addr,
        subnet: &Subnet,
        now: u64,
    ) -> Worth {
        let pool = self.pool(subnet).map_or(0, Pool::len);
        let pool = usize::try_from(pool).unwrap_or(usize::MAX);
        self.claims.answered(who, address, pool, now)
    }

    /// `mac` answered ARP for an address where nobody is: what it blocked is free again.
    pub(super) fn refute(&mut self, mac: Mac, address: Ipv4Addr, interface: &str, now: u64) {
        let (freed, is_news) = self.claims.refuted(mac, now);
        self.free(&freed);
        if is_news {
            self.find(Finding::ProxyArp {
                mac,
                interface: interface.to_owned(),
                address,
                others: freed.len().saturating_sub(1),
            });
        }
    }

    /// The answers of one place count no more: what it blocked, `freed`, is free again.
    pub(super) fn ignore(
        &mut self,
        who: Claimant,
        freed: &[Ipv4Addr],
        interface: &str,
        subnet: &Subnet,
        now: u64,
    ) {
        self.free(freed);
        // One address comes alone when it was known before.
        let Some((address, others)) = freed.split_last().filter(|(_, others)| !others.is_empty())
        else {
            return;
        };
        self.mark_free(*address, now);
        self.find(match who {
            Claimant::Mac(mac) => Finding::ProxyArp {
                mac,
                interface: interface.to_owned(),
                address: *address,
                others: others.len(),
            },
            Claimant::Network(network) => Finding::AllPings {
                network,
                prefix: subnet.prefix,
                count: freed.len(),
            },
        });
    }

    fn free(&mut self, addresses: &[Ipv4Addr]) {
        for address in addresses {
            self.in_use.remove(*address);
            self.settle(*address);
        }
    }

    /// An address of a network behind a relay did not answer.
    pub(super) fn is_silent(&mut self, network: Ipv4Addr) {
        self.claims.silent(network);
    }

    /// Whether `mac` answers ARP for everything, so that its answers count for nothing.
    pub fn ignores(&mut self, mac: Mac, now: Duration) -> bool {
        self.claims.is_ignored(Claimant::Mac(mac), now.as_secs())
    }
}
