//! Probes of addresses that may be in use: by ARP on the networks of this host (RFC 5227), by ping
//! behind a relay and where an ARP answer is doubted.

use std::io;
use std::net::Ipv4Addr;

use lanboot_core::dhcp::Probe;
use lanboot_core::events::DiagnosticCode;
use lanboot_core::machine::Mac;
use tokio::io::Interest;
use tokio::time::Instant;

use super::limits::BURST;
use super::serving::{Pending, Serving};
use crate::events::bus;
use crate::io::host_error;
use crate::net::PingSocket;

impl Serving {
    /// Sends a probe for `address`; `false` when that is not possible.
    pub(super) fn probe(&mut self, address: Ipv4Addr, by_ping: bool, link: usize) -> bool {
        if by_ping {
            // A missing route says nothing about the address.
            let Some(ping) = &self.ping else {
                return false;
            };
            let sent = ping.get_ref().probe(address);
            if let Err(error) = &sent
                && error.raw_os_error() == Some(libc::EPERM)
                && self.unsent.ping.is_due()
            {
                let why = host_error::of(error);
                let text = format!("cannot ask by ping whether {address} is in use: {why}");
                self.report(DiagnosticCode::AddressProbeFailed.with(text));
            }
            return sent.is_ok();
        }
        match self.links.get(link).map(|link| (link, link.probe(address))) {
            Some((link, Err(error))) => {
                if self.unsent.probe.is_due() {
                    let why = host_error::of(&error);
                    let text = format!("cannot ask by ARP whether {address} is in use: {why}");
                    let diagnostic = DiagnosticCode::AddressProbeFailed.with(text);
                    self.report(diagnostic.of_interface(&*link.interface));
                }
                false
            }
            sent => sent.is_some(),
        }
    }

    /// Repeats or ends the probes that are due.
    pub(super) fn probes_due(&mut self, now: Instant) {
        let due: Vec<Ipv4Addr> = self
            .probes
            .iter()
            .filter(|(_, pending)| pending.next <= now)
            .map(|(address, _)| *address)
            .collect();
        for address in due {
            match self.probes.get_mut(&address) {
                Some(pending) if !pending.asked_again => {
                    pending.asked_again = true;
                    pending.next = pending.end;
                    let (by_ping, link) = (pending.by_ping, pending.received.link);
                    self.probe(address, by_ping, link);
                }
                _ => {
                    if let Some(pending) = self.probes.remove(&address) {
                        let own = pending.own.map(|mac| Probe::Answered(Some(mac)));
                        self.probed(address, pending, own.unwrap_or(Probe::Silent));
                    }
                }
            }
        }
    }

    /// Reads ARP answers.
    pub(super) fn hear_arp(&mut self, number: usize) {
        for _ in 0..BURST {
            let Some(link) = self.links.get(number) else {
                return;
            };
            match link.hear_arp() {
                Ok(Some((address, mac))) => self.arp_answer(number, address, mac),
                Ok(None) => {}
                // Nothing more, or the interface went down.
                Err(_) => return,
            }
        }
    }

    fn arp_answer(&mut self, number: usize, address: Ipv4Addr, mac: Mac) {
        let pending = self.probes.get_mut(&address);
        let is_asked = |p: &&mut Pending| !p.by_ping && p.received.link == number;
        let Some(pending) = pending.filter(is_asked) else {
            return;
        };
        // It counts only whether somebody else answers as well.
        if pending.request.packet().hardware_address() == mac.0 {
            pending.own = Some(mac);
            return;
        }
        // A host that answers ARP for every address does not count.
        if self.leases.ignores(mac, bus::now()) {
            return;
        }
        if let Some(pending) = self.probes.remove(&address) {
            self.probed(address, pending, Probe::Answered(Some(mac)));
        }
    }

    /// Reads ping answers.
    pub(super) fn hear_ping(&mut self) {
        for _ in 0..BURST {
            let Some(ping) = &self.ping else { return };
            match ping.try_io(Interest::READABLE, PingSocket::heard) {
                Ok(Some(address)) => {
                    if self.probes.get(&address).is_some_and(|p| p.by_ping)
                        && let Some(pending) = self.probes.remove(&address)
                    {
                        self.probed(address, pending, Probe::Answered(None));
                    }
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A router's ICMP error is reported here.
                Err(_) => {}
            }
        }
    }

    fn probed(&mut self, address: Ipv4Addr, pending: Pending, probe: Probe) {
        let Pending {
            request, received, ..
        } = pending;
        let answer = self.ask(&request, &received, false, Some((address, probe)));
        self.perform(request, received, answer);
    }
}
