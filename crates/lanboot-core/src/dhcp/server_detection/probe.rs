//! The probe for other DHCP servers: a DHCPDISCOVER whose vendor class announces its sender to
//! other lanboots.

use std::net::Ipv4Addr;

use super::super::wire::option::Code;
use super::super::wire::{BROADCAST_FLAG, MessageType, Packet};
use crate::machine::Mac;

/// The vendor class (option 60) of probes, followed by the word of a [`Role`] and an address:
/// `lanboot auto 192.168.0.1`.
const CLASS: &str = "lanboot";

/// The sender's announcement in the probe of a lanboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Its address on the link, which is its server identifier.
    pub address: Ipv4Addr,
    /// Its role.
    pub role: Role,
}

/// The reaction of a lanboot that hears another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It stops handing out addresses (`--dhcp auto`).
    Yields,
    /// It goes on (`--dhcp server`).
    Stays,
    /// It hands out no addresses: it stopped, or never did.
    Proxy,
}

impl Role {
    const ALL: [Self; 3] = [Self::Yields, Self::Stays, Self::Proxy];

    /// Returns the word for it in a probe.
    fn word(self) -> &'static str {
        match self {
            Self::Yields => "auto",
            Self::Stays => "server",
            Self::Proxy => "proxy",
        }
    }
}

impl Announcement {
    /// Returns a DHCPDISCOVER of 300 bytes that wants its answers by broadcast (RFC 2131 §4.4.1).
    /// No DHCPREQUEST follows it, so there is nothing to release.
    pub fn probe(&self, xid: u32, mac: Mac) -> Vec<u8> {
        let mut packet = Packet::from_client(mac, xid, MessageType::Discover);
        packet.flags = BROADCAST_FLAG;
        let class = format!("{CLASS} {} {}", self.role.word(), self.address);
        packet.options.set(Code::VENDOR_CLASS, class);
        packet.emit()
    }

    /// Reads the announcement in a probe; `None` for every other message.
    pub fn of(packet: &Packet) -> Option<Self> {
        let class = std::str::from_utf8(packet.options.get(Code::VENDOR_CLASS)?).ok()?;
        let (word, address) = class.strip_prefix(CLASS)?.trim_start().split_once(' ')?;
        let role = Role::ALL.into_iter().find(|role| role.word() == word)?;
        let address = address.parse().ok()?;
        Some(Self { address, role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const YIELDS: Announcement = Announcement {
        address: Ipv4Addr::new(10, 0, 0, 1),
        role: Role::Yields,
    };

    #[test]
    fn a_probe_is_a_discover_answered_by_broadcast() {
        let probe = Packet::parse(&YIELDS.probe(7, MAC)).unwrap();
        assert_eq!(probe.message_type(), Some(MessageType::Discover));
        assert!(probe.wants_broadcast());
        assert_eq!(probe.options.faults(), &[]);
        assert_eq!(Announcement::of(&probe), Some(YIELDS));
        let longest = Announcement {
            address: Ipv4Addr::new(255, 255, 255, 254),
            role: Role::Stays,
        };
        let probe = longest.probe(7, MAC);
        assert_eq!(probe.len(), 300);
        let probe = Packet::parse(&probe).unwrap();
        assert_eq!(Announcement::of(&probe), Some(longest));
        for class in [
            "",
            "lanboot",
            "lanboot auto",
            "lanboot auto x",
            "lanboot off 1.2.3.4",
            "PXEClient",
        ] {
            let mut packet = probe.clone();
            packet.options.set(Code::VENDOR_CLASS, class);
            assert_eq!(Announcement::of(&packet), None, "{class}");
        }
    }

    #[test]
    fn the_bytes_of_a_probe_stay_what_they_are() {
        let mut expected = vec![0; 300];
        expected[..4].copy_from_slice(&[1, 1, 6, 0]);
        expected[4..8].copy_from_slice(&[0x12, 0x34, 0x56, 0x78]);
        expected[10] = 0x80;
        expected[28..34].copy_from_slice(&MAC.0);
        let options = b"\x63\x82\x53\x63\x35\x01\x01\x3c\x15lanboot auto 10.0.0.1\xff";
        expected[236..236 + options.len()].copy_from_slice(options);
        assert_eq!(YIELDS.probe(0x1234_5678, MAC), expected);
    }
}
