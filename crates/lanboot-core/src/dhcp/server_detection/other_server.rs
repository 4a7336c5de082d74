//! Other DHCP servers, as their messages and those of their clients show them.

use std::net::Ipv4Addr;

use super::super::reply::is_parting;
use super::super::wire::option::Code;
use super::super::wire::{MessageType, Op, Packet};

/// Another program that answers machines on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtherServer {
    /// Hands out addresses.
    Dhcp(Ipv4Addr),
    /// Only says what to load (PXE 2.1 §2.2.3), which does no harm.
    Proxy(Ipv4Addr),
}

impl OtherServer {
    /// Returns the server behind a message to UDP port 68, sent from `source`; `None` when it is one
    /// of this host's (`own` are its addresses) or says nothing about a server.
    pub fn of_reply(payload: &[u8], source: Ipv4Addr, own: &[Ipv4Addr]) -> Option<Self> {
        let packet = Packet::parse(payload).ok().filter(|p| p.op == Op::Reply)?;
        let server = packet.options.address(Code::SERVER_ID).unwrap_or(source);
        let is_host = !(server.is_unspecified() || server.is_broadcast() || server.is_multicast());
        if !is_host || own.contains(&server) || own.contains(&source) {
            return None;
        }
        let has_address = !packet.yiaddr.is_unspecified();
        match packet.message_type()? {
            // Only the owner of a network's addresses refuses one.
            MessageType::Nak => Some(Self::Dhcp(server)),
            // A lanboot that stepped down honours the leases it gave before.
            MessageType::Ack if is_parting(&packet) => None,
            MessageType::Offer | MessageType::Ack if has_address => Some(Self::Dhcp(server)),
            MessageType::Offer => Some(Self::Proxy(server)),
            // Without a vendor class it answers an INFORM.
            MessageType::Ack if packet.options.has(Code::VENDOR_CLASS) => Some(Self::Proxy(server)),
            _ => None,
        }
    }

    /// Returns the server whose offer the sender of a DHCPREQUEST chose, when that is none of `own`
    /// (RFC 2131 §4.3.2, SELECTING). Relayed messages say nothing about this link.
    pub fn chosen_in(packet: &Packet, own: &[Ipv4Addr]) -> Option<Self> {
        let selects = packet.op == Op::Request
            && packet.message_type() == Some(MessageType::Request)
            && packet.ciaddr.is_unspecified()
            && !packet.is_relayed();
        let server = packet.options.address(Code::SERVER_ID)?;
        let is_other = selects && !server.is_unspecified() && !own.contains(&server);
        is_other.then_some(Self::Dhcp(server))
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Announcement, Role};
    use super::*;
    use crate::machine::Mac;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
    const OWN: [Ipv4Addr; 1] = [Ipv4Addr::new(10, 0, 0, 1)];
    const PROBE: Announcement = Announcement {
        address: OWN[0],
        role: Role::Yields,
    };

    fn answer(kind: u8, yiaddr: [u8; 4], more: &[u8]) -> Vec<u8> {
        let mut bytes = PROBE.probe(7, MAC);
        bytes[0] = 2;
        bytes[16..20].copy_from_slice(&yiaddr);
        bytes[242] = kind;
        bytes[243..].fill(0);
        bytes[243..243 + more.len()].copy_from_slice(more);
        bytes[243 + more.len()] = 255;
        bytes
    }

    #[test]
    fn a_probe_is_no_server() {
        assert_eq!(
            OtherServer::of_reply(&PROBE.probe(7, MAC), OTHER, &OWN),
            None
        );
    }

    #[test]
    fn who_gives_addresses_is_a_server_and_who_names_files_is_none() {
        let id = [54, 4, 10, 0, 0, 9];
        let named = Ipv4Addr::new(10, 0, 0, 9);
        let address = [10, 0, 0, 50];
        let pxe = [54, 4, 10, 0, 0, 9, 60, 1, b'P'];
        for (kind, yiaddr, more, expected) in [
            (2, address, &id[..], Some(OtherServer::Dhcp(named))),
            (2, address, &[], Some(OtherServer::Dhcp(OTHER))),
            (2, [0; 4], &id, Some(OtherServer::Proxy(named))),
            (5, address, &id, Some(OtherServer::Dhcp(named))),
            (5, [0; 4], &pxe, Some(OtherServer::Proxy(named))),
            (5, [0; 4], &id, None),
            (6, [0; 4], &id, Some(OtherServer::Dhcp(named))),
            (3, address, &id, None),
            (2, address, &[54, 4, 10, 0, 0, 1], None),
            (2, address, &[54, 4, 255, 255, 255, 255], None),
        ] {
            let found = OtherServer::of_reply(&answer(kind, yiaddr, more), OTHER, &OWN);
            assert_eq!(found, expected, "type {kind}, {yiaddr:?}, {more:?}");
        }
        let own = OtherServer::of_reply(&answer(2, address, &id), OWN[0], &OWN);
        assert_eq!(own, None, "sent from here");
        for cut in 0..244 {
            // Never a panic, whatever is missing.
            let _ = OtherServer::of_reply(&answer(2, address, &id)[..cut], OTHER, &OWN);
        }
    }

    #[test]
    fn a_lanboot_that_stepped_down_and_honours_a_lease_is_no_server() {
        use crate::dhcp::{
            Answer, Config, Leases, Mode, Port, ReceiveInfo, Request, Subnet, respond,
        };
        use crate::plan::NoLoader;
        let config = Config {
            subnets: vec![Subnet {
                network: OTHER,
                prefix: 24,
                range: ([10, 0, 0, 100].into(), [10, 0, 0, 110].into()),
                lease_time: Subnet::LEASE_TIME,
                routers: Vec::new(),
                dns: Vec::new(),
                domain: None,
                options: Vec::new(),
                always: Vec::new(),
            }],
            only: Vec::new(),
            check: false,
        };
        let mut leases = Leases::new(&config.subnets);
        let mut info = ReceiveInfo {
            interface: "eth0",
            server: OTHER,
            own: &[OTHER],
            source: std::net::SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            port: Port::Server,
            mode: Mode::Server,
            boot_server: true,
            now: std::time::Duration::from_secs(1_800_000_000),
            overloaded: false,
        };
        // A machine that starts again with the address it had.
        let mut request = Packet::parse(&PROBE.probe(7, MAC)).unwrap();
        request.options.set(Code::MESSAGE_TYPE, [3]);
        request
            .options
            .set(Code::REQUESTED_ADDRESS, [10, 0, 0, 105]);
        let request = Request::from(request);
        for (mode, heard) in [
            (Mode::Server, Some(OtherServer::Dhcp(OTHER))),
            (Mode::Proxy, None),
        ] {
            info.mode = mode;
            let answer = respond(&request, &info, &config, &mut leases, &|_| {
                Err(NoLoader::NothingToBoot)
            });
            let Answer::Send(ack) = answer else {
                panic!("{answer:?}");
            };
            assert_eq!(ack.to, crate::dhcp::Destination::Broadcast);
            assert_eq!(ack.message, MessageType::Ack);
            assert_eq!(
                OtherServer::of_reply(&ack.bytes, OTHER, &OWN),
                heard,
                "{mode:?}"
            );
        }
    }

    #[test]
    fn a_machine_that_selects_another_server_names_it() {
        let request = |ciaddr: [u8; 4], giaddr: [u8; 4], server: [u8; 4]| {
            let [a, b, c, d] = server;
            let mut bytes = answer(3, [0; 4], &[54, 4, a, b, c, d]);
            bytes[0] = 1;
            bytes[12..16].copy_from_slice(&ciaddr);
            bytes[24..28].copy_from_slice(&giaddr);
            OtherServer::chosen_in(&Packet::parse(&bytes).unwrap(), &OWN)
        };
        assert_eq!(
            request([0; 4], [0; 4], [10, 0, 0, 3]),
            Some(OtherServer::Dhcp(OTHER))
        );
        assert_eq!(request([0; 4], [0; 4], [10, 0, 0, 1]), None, "us");
        assert_eq!(
            request([10, 0, 0, 5], [0; 4], [10, 0, 0, 3]),
            None,
            "renews"
        );
        assert_eq!(
            request([0; 4], [10, 1, 0, 1], [10, 0, 0, 3]),
            None,
            "relayed"
        );
    }
}
