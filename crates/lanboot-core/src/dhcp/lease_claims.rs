//! The consequences that answers to probes have for the leases.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::claims::{Claimant, Worth};
use super::config::Subnet;
use super::finding::Finding;
use super::table::{Leases, ReservationState};
use crate::machine::Mac;

/// Leases looked at for one of another machine.
const MAX_CONTROLS: usize = 16;

impl Leases {
    /// Returns what an answer for an address nobody was given is worth.
    pub(super) fn claimed(
        &mut self,
        who: Claimant,
        address: Ipv4Addr,
        subnet: &Subnet,
        now: u64,
    ) -> Worth {
        let askable = match (self.pool(subnet), who) {
            (None, _) => 0,
            (Some(pool), Claimant::Mac(_)) => pool.len(),
            // Leased addresses are not asked for: those left may well all be in use.
            (Some(pool), Claimant::Network(_)) => pool.len().saturating_sub(pool.live(now)),
        };
        let askable = usize::try_from(askable).unwrap_or(usize::MAX);
        self.claims.answered(who, address, askable, now)
    }

    /// An address leased or offered to another machine, to ask for before `mac` is ignored for having
    /// answered for `address`, too; `None` when it would not be ignored, or no machine has one.
    pub(super) fn control(
        &mut self,
        mac: Mac,
        address: Ipv4Addr,
        subnet: &Subnet,
        now: u64,
    ) -> Option<Ipv4Addr> {
        if !self.claims.would_be_ignored(mac, address, now) {
            return None;
        }
        // The one unheard of for longest: its machine is the least likely to answer first.
        let pool = self.pool(subnet)?;
        let mut leased = pool.live_by_end(now).take(MAX_CONTROLS);
        let leased = leased.find(|a| self.leases.get(a).is_some_and(|l| l.mac != mac));
        let offered = || {
            let holds = self.holds.iter();
            let offered = holds.filter(|(_, hold)| hold.step == ReservationState::Offered);
            offered.map(|(a, _)| *a).filter(|a| pool.contains(*a)).min()
        };
        leased.or_else(offered)
    }

    /// `mac` did not answer for an address of another machine.
    pub(super) fn clear(&mut self, mac: Mac) {
        self.claims.clear(mac);
    }

    /// A ping confirmed what `mac` answered by ARP.
    pub(super) fn confirm(&mut self, mac: Mac, address: Ipv4Addr) {
        self.claims.confirmed(mac, address);
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

    /// An address of a network on the wire did not answer ARP.
    pub(super) fn is_silent_by_arp(&mut self, subnet: &Subnet) {
        self.claims.silent_by_arp(subnet);
    }

    /// An address of a network behind a relay did not answer.
    pub(super) fn is_silent(&mut self, network: Ipv4Addr) {
        self.claims.silent(network);
    }

    /// Returns whether `mac` answers ARP for everything, so that its answers count for nothing.
    pub fn ignores(&mut self, mac: Mac, now: Duration) -> bool {
        self.claims.is_ignored(Claimant::Mac(mac), now.as_secs())
    }
}
