//! Changes of the interfaces: links that are lost and come back, addresses that come and go.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::io::Interest;

use super::limits::BURST;
use super::serving::Serving;
use crate::net::{self, Change, ChangeSocket, Interface};
use lanboot_core::events::DiagnosticCode;

impl Serving {
    /// Reads the kernel's reports about interfaces.
    pub(super) fn hear_changes(&mut self) {
        for _ in 0..BURST {
            let heard = self.changes.try_io(Interest::READABLE, ChangeSocket::heard);
            let Ok(changes) = heard else {
                // There are no more.
                return;
            };
            for change in changes {
                match change {
                    Change::Link {
                        index,
                        up,
                        is_member,
                    } => {
                        if self.is_news(index, is_member) {
                            self.look_above(index);
                        }
                        self.link_is(index, up);
                    }
                    Change::Taken { index } => self.look_above(index),
                    Change::Addresses => self.look_at_addresses(),
                    Change::Missed => self.look_at_everything(),
                }
            }
        }
    }

    fn link_is(&mut self, index: u32, up: bool) {
        let now = self.uptime();
        for number in 0..self.links.len() {
            let Some(link) = self.links.get_mut(number).filter(|l| l.index == index) else {
                continue;
            };
            let was = std::mem::replace(&mut link.is_linked, up);
            match (was, up) {
                (true, false) => link.detection.on_link_lost(now),
                // Without its address nothing is probed until that is back.
                (false, true) if link.has_address && link.upper.is_none() => self.found(number),
                _ => {}
            }
        }
    }

    /// Returns whether an interface became a part of another one, or is no longer one.
    fn is_news(&self, index: u32, is_member: bool) -> bool {
        let mut links = self.links.iter().filter(|link| link.index == index);
        links.any(|link| link.upper.is_some() != is_member)
    }

    /// Updates what every link is a part of.
    pub(super) fn look_above_all(&mut self) {
        let indices: Vec<u32> = self.links.iter().map(|link| link.index).collect();
        for index in indices {
            self.look_above(index);
        }
    }

    /// Updates what a link is a part of: a bridge, a bond or the like receives in its place, so
    /// silence on the link proves nothing.
    fn look_above(&mut self, index: u32) {
        let now = self.uptime();
        let upper = net::upper(index);
        for number in 0..self.links.len() {
            let Some(link) = self.links.get_mut(number).filter(|l| l.index == index) else {
                continue;
            };
            let was = std::mem::replace(&mut link.upper, upper.clone());
            let interface = Arc::clone(&link.interface);
            match (was, &upper) {
                (None, Some(upper)) => {
                    link.detection.on_enslaved(now);
                    let diagnostic = DiagnosticCode::InterfaceEnslaved.with(format!(
                        "{interface} is {} now, which takes what machines send: DHCP is not \
                         answered there until {interface} is free again. Restart lanboot to serve \
                         elsewhere: {}",
                        upper.role(),
                        upper.instead()
                    ));
                    self.report(diagnostic.of_interface(&*interface));
                }
                (Some(was), None) => {
                    let text = format!("{interface} is no longer {}", was.role());
                    let diagnostic = DiagnosticCode::InterfaceFree.with(text);
                    self.report(diagnostic.of_interface(&*interface));
                    if self
                        .links
                        .get(number)
                        .is_some_and(|l| l.is_linked && l.has_address)
                    {
                        self.found(number);
                    }
                }
                _ => {}
            }
        }
    }

    /// Updates the addresses of this host, and which served ones are among them. None of them is
    /// handed out.
    fn look_at_addresses(&mut self) {
        // What was known stays when the kernel does not answer.
        let Ok(interfaces) = net::interfaces() else {
            return;
        };
        let there = interfaces.iter().flat_map(|interface| &interface.addresses);
        let served = self.links.iter().map(|link| link.address);
        let there = there.filter_map(net::ipv4).map(|own| own.addr());
        self.own = there.chain(served).collect();
        for address in &self.own {
            self.leases.exclude(*address);
        }
        let now = self.uptime();
        for number in 0..self.links.len() {
            let Some(link) = self.links.get_mut(number) else {
                return;
            };
            let (address, interface) = (link.address, link.interface.clone());
            let place = place(&interfaces, &interface, link.index, address);
            let is_there = place == Place::Here;
            let was_there = std::mem::replace(&mut link.has_address, is_there);
            if was_there && !is_there {
                link.detection.on_link_lost(now);
                let (code, text) = match place {
                    Place::Elsewhere => (
                        DiagnosticCode::InterfaceReplaced,
                        format!(
                            "{interface} is another device now: restart lanboot to serve on it"
                        ),
                    ),
                    Place::Here | Place::Nowhere => (
                        DiagnosticCode::AddressLost,
                        format!(
                            "{interface} no longer has the address {address}: DHCP is not answered \
                             there until it has it again. Restart lanboot to serve at another one"
                        ),
                    ),
                };
                self.report(code.with(text).of_interface(&*interface));
            } else if is_there && !was_there {
                let is_free = link.upper.is_none();
                let text = format!("{interface} has the address {address} again");
                let diagnostic = DiagnosticCode::AddressBack.with(text);
                self.report(diagnostic.of_interface(&*interface));
                if is_free {
                    self.found(number);
                }
            }
        }
    }

    /// Treats each link as lost for a moment, after reports that were missed.
    fn look_at_everything(&mut self) {
        let indices: Vec<u32> = self.links.iter().map(|link| link.index).collect();
        for index in indices {
            self.link_is(index, false);
        }
        self.look_at_addresses();
        self.look_above_all();
        for number in 0..self.links.len() {
            if let Some(link) = self.links.get(number)
                && link.has_link()
            {
                self.link_is(link.index, true);
            }
        }
    }

    fn found(&mut self, number: usize) {
        let now = self.uptime();
        if let Some(link) = self.links.get_mut(number) {
            let action = link.detection.on_link_up(now);
            self.perform_action(number, action);
        }
    }
}

/// Place of a served address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Here,
    /// The name is that of another device now: a USB adapter plugged in again.
    Elsewhere,
    Nowhere,
}

fn place(interfaces: &[Interface], name: &str, index: u32, address: Ipv4Addr) -> Place {
    let of_name = interfaces.iter().find(|interface| interface.name == name);
    let is_it = |own: &IpNet| own.addr() == address;
    let has = |interface: &Interface| interface.addresses.iter().any(is_it);
    match of_name {
        Some(interface) if interface.index != index => Place::Elsewhere,
        Some(interface) if has(interface) => Place::Here,
        Some(_) | None => Place::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_here_only_on_the_device_it_was_on() {
        let own = Ipv4Addr::new(10, 0, 0, 1);
        let interface = |name: &str, index, addresses: &[Ipv4Addr]| Interface {
            name: name.to_owned(),
            index,
            addresses: addresses
                .iter()
                .map(|address| IpNet::new((*address).into(), 24).unwrap())
                .collect(),
            up: true,
            ..Interface::default()
        };
        let other = Ipv4Addr::new(10, 0, 0, 2);
        for (there, expected) in [
            (vec![interface("eth0", 2, &[other, own])], Place::Here),
            (vec![interface("eth0", 2, &[other])], Place::Nowhere),
            (
                vec![interface("eth0", 2, &[]), interface("eth1", 3, &[own])],
                Place::Nowhere,
            ),
            (vec![interface("eth0", 9, &[own])], Place::Elsewhere),
            (vec![], Place::Nowhere),
        ] {
            assert_eq!(place(&there, "eth0", 2, own), expected, "{there:?}");
        }
    }
}
