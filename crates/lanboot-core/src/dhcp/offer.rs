//! DISCOVER: the address a machine is offered, and the probe of it (RFC 2131 §4.3.1).

use std::net::Ipv4Addr;

use super::answer::{Answer, Probe};
use super::claims::{Claimant, Worth};
use super::config::Mode;
use super::finding::Finding;
use super::limits::MAX_CHECKS;
use super::reason::IgnoreReason;
use super::respond::Transaction;
use super::table::{Check, ReservationState};
use super::wire::MessageType;
use super::wire::option::Code;
use crate::machine::Mac;

/// The search for one DISCOVER: the number of addresses found in use, and whether one leased to the
/// same hardware under another name may be tried.
#[derive(Clone, Copy)]
struct Search {
    failed: u8,
    takeover: bool,
}

impl Transaction<'_> {
    pub(super) fn discover(&mut self) -> Result<Answer, IgnoreReason> {
        self.check_hold_off()?;
        match self.leases.held_for(&self.client.id) {
            Some((address, ReservationState::Checking { .. })) => {
                Err(IgnoreReason::Checking(address))
            }
            Some((address, ReservationState::Offered)) if self.place.subnet.contains(address) => {
                Ok(self.offer(address))
            }
            _ => self.look_for_address(Search {
                failed: 0,
                takeover: true,
            }),
        }
    }

    /// Goes on with the result of the probe of `address`.
    pub(super) fn checked(
        &mut self,
        address: Ipv4Addr,
        probe: Probe,
    ) -> Result<Answer, IgnoreReason> {
        if self.message == MessageType::Decline {
            return self.decline_checked(address, probe);
        }
        let held = self.leases.held_for(&self.client.id);
        if self.info.mode != Mode::Server {
            // Another server appeared in the meantime.
            if let Some((_, ReservationState::Checking { .. })) = held {
                self.leases.drop_reservation(&self.client.id);
            }
            return self.respond();
        }
        let Some((
            held,
            ReservationState::Checking {
                failed,
                takeover,
                check,
            },
        )) = held.filter(|(held, step)| step.is_asking(*held, address))
        else {
            return Err(IgnoreReason::StaleCheck(address));
        };
        let search = Search { failed, takeover };
        match (check, probe) {
            (Check::First, Probe::Silent) => {
                match self.packet.is_relayed() {
                    true => self.leases.is_silent(self.place.subnet.base()),
                    false => self.leases.is_silent_by_arp(self.place.subnet),
                }
                self.leases.mark_free(held, self.now);
                Ok(self.offer(held))
            }
            (Check::First, Probe::Answered(mac)) => self.answered(held, mac, search),
            // It answered ARP all the same.
            (Check::Ping(mac), Probe::Silent) => {
                let interface = self.info.interface;
                self.leases.mark_free(held, self.now);
                self.leases.refute(mac, held, interface, self.now);
                Ok(self.offer(held))
            }
            (Check::Ping(mac), Probe::Answered(_)) => {
                self.leases.confirm(mac, held);
                self.in_use(held, Some(mac), search)
            }
            (Check::Control { mac, .. }, probe) => {
                if probe != Probe::Answered(Some(mac)) {
                    self.leases.clear(mac);
                }
                self.claimed(held, Some(mac), search)
            }
        }
    }

    /// Handles an answer for an address: `mac` by ARP, somebody unknown by ping.
    fn answered(
        &mut self,
        address: Ipv4Addr,
        mac: Option<Mac>,
        search: Search,
    ) -> Result<Answer, IgnoreReason> {
        let is_own_mac = mac.is_none_or(|mac| mac == self.client.mac);
        let lease = self.leases.get(address);
        let live = lease.filter(|l| l.expires > self.now);
        if let Some(other) = live.filter(|l| l.client != self.client.id) {
            let (earlier, lease_mac) = (other.client.clone(), other.mac);
            let stages = &self.leases.stages;
            if is_own_mac && stages.follows(&earlier, &self.client.id, lease_mac, address, self.now)
            {
                self.leases.stages.pass_on(address, earlier);
                return Ok(self.offer(address));
            }
            self.leases.find(match mac {
                Some(user) if user != lease_mac => Finding::Disputed {
                    address,
                    lease: lease_mac,
                    user,
                },
                _ => Finding::SecondClient(address, lease_mac),
            });
            // The other one keeps its lease.
            self.leases.drop_reservation(&self.client.id);
            return self.look_further(Search {
                takeover: false,
                ..search
            });
        }
        // Its own last life still answers for the address: it may have it back.
        if mac == Some(self.client.mac) {
            return Ok(self.offer(address));
        }
        if let (Some(lease), Some(user)) = (lease, mac)
            && lease.mac == user
        {
            self.leases.find(Finding::Ended(address, user));
            self.leases.mark_in_use(address, self.now);
            return self.look_further(search);
        }
        let subnet = self.place.subnet;
        if let Some(mac) = mac
            && let Some(control) = self.leases.control(mac, address, subnet, self.now)
        {
            let check = Check::Control {
                mac,
                address: control,
            };
            return Ok(self.check(address, search, check));
        }
        self.claimed(address, mac, search)
    }

    /// Handles an answer for an address that nobody was given.
    fn claimed(
        &mut self,
        address: Ipv4Addr,
        mac: Option<Mac>,
        search: Search,
    ) -> Result<Answer, IgnoreReason> {
        let subnet = self.place.subnet;
        let who = mac.map_or_else(|| Claimant::Network(subnet.base()), Claimant::Mac);
        match self.leases.claimed(who, address, subnet, self.now) {
            Worth::Doubtful if let Some(mac) = mac => {
                Ok(self.check(address, search, Check::Ping(mac)))
            }
            Worth::InUse | Worth::Doubtful => self.in_use(address, mac, search),
            Worth::Nothing(freed) => {
                let interface = self.info.interface;
                self.leases.ignore(who, &freed, interface, subnet, self.now);
                Ok(self.offer(address))
            }
        }
    }

    /// Handles an address that somebody uses without a lease.
    fn in_use(
        &mut self,
        address: Ipv4Addr,
        mac: Option<Mac>,
        search: Search,
    ) -> Result<Answer, IgnoreReason> {
        self.leases.find(match mac {
            Some(mac) => Finding::InUse(address, mac),
            None => Finding::AnswersPings(address),
        });
        self.leases.mark_in_use(address, self.now);
        self.look_further(search)
    }

    fn look_further(&mut self, search: Search) -> Result<Answer, IgnoreReason> {
        self.look_for_address(Search {
            failed: search.failed.saturating_add(1),
            ..search
        })
    }

    /// Offers an address, or has it checked first.
    fn look_for_address(&mut self, search: Search) -> Result<Answer, IgnoreReason> {
        if search.failed >= MAX_CHECKS {
            return Err(IgnoreReason::AllInUse(search.failed));
        }
        let requested = self.packet.options.address(Code::REQUESTED_ADDRESS);
        let takeover = search.takeover;
        let choice = loop {
            let subnet = self.place.subnet;
            let choice = self
                .leases
                .choose(
                    &self.client,
                    requested,
                    takeover,
                    search.failed,
                    subnet,
                    self.now,
                )
                .ok_or(IgnoreReason::PoolFull(subnet.range.0, subnet.range.1))?;
            if !self.is_relays(choice.address) {
                break choice;
            }
            // Not chosen again, so this ends.
            self.leases.mark_in_use(choice.address, self.now);
        };
        if choice.sure || !self.config.check || self.info.overloaded {
            return Ok(self.offer(choice.address));
        }
        Ok(self.check(choice.address, search, Check::First))
    }

    /// Holds an address and has it checked.
    fn check(&mut self, address: Ipv4Addr, search: Search, check: Check) -> Answer {
        let Search { failed, takeover } = search;
        let step = ReservationState::Checking {
            failed,
            takeover,
            check,
        };
        self.leases.hold(address, &self.client.id, step, self.now);
        let by_ping = match check {
            Check::First => self.packet.is_relayed(),
            Check::Ping(_) => true,
            Check::Control { .. } => false,
        };
        Answer::Check {
            address: check.asks(address),
            by_ping,
        }
    }

    fn offer(&mut self, address: Ipv4Addr) -> Answer {
        self.leases.hold(
            address,
            &self.client.id,
            ReservationState::Offered,
            self.now,
        );
        let secs = self.lease_secs();
        let to = self.destination(address);
        self.send(MessageType::Offer, address, Some(secs), to, None)
    }
}
