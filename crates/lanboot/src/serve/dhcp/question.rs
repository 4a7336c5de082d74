//! Is another DHCP server on this link? The question is a DISCOVER; the answer is in what servers
//! say, to us or to others.

use std::net::Ipv4Addr;

use lanboot_core::dhcp::{MessageType, Op, Packet, is_parting, option::Code};
use lanboot_core::machine::Mac;

/// Somebody else who answers machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Voice {
    /// It hands out addresses.
    Server(Ipv4Addr),
    /// It only says what to load (PXE 2.1 §2.2.3), which does no harm.
    Proxy(Ipv4Addr),
}

/// The vendor class of our questions; behind it stand a word of [`Peer`] and our address.
const CLASS: &str = "lanboot";

/// Another lanboot, as its question says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Its address, which is its server identifier.
    pub(super) address: Ipv4Addr,
    /// What it does about addresses.
    pub(super) stand: Stand,
}

/// What a lanboot does when it hears another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It stops handing out addresses (`--dhcp auto`).
    Yields,
    /// Nothing (`--dhcp server`).
    Stays,
    /// It has stopped, or never began.
    Proxy,
}

impl Stand {
    const ALL: [Self; 3] = [Self::Yields, Self::Stays, Self::Proxy];

    /// The word in our questions.
    fn word(self) -> &'static str {
        match self {
            Self::Yields => "auto",
            Self::Stays => "server",
            Self::Proxy => "proxy",
        }
    }
}

/// A DISCOVER that asks for nothing but an answer by broadcast (RFC 2131 §4.4.1). Nothing is
/// requested afterwards, so there is nothing to release. It says who asks: `own`.
pub(super) fn discover(xid: u32, mac: Mac, own: Peer) -> Vec<u8> {
    let mut bytes = vec![0u8; 300];
    let class = format!("{CLASS} {} {}", own.stand.word(), own.address).into_bytes();
    let class_len = [u8::try_from(class.len()).unwrap_or(0)];
    // Magic cookie; option 53 DISCOVER; option 60; end. About 280 bytes at most.
    let options: [&[u8]; 5] = [
        &[99, 130, 83, 99, 53, 1, 1],
        &[60],
        &class_len,
        &class,
        &[255],
    ];
    let fields: [(usize, &[u8]); 5] = [
        (0, &[1, 1, 6, 0]),
        (4, &xid.to_be_bytes()),
        // The broadcast flag.
        (10, &[0x80, 0]),
        (28, &mac.0),
        (236, &options.concat()),
    ];
    for (at, field) in fields {
        if let Some(room) = bytes.get_mut(at..at + field.len()) {
            room.copy_from_slice(field);
        }
    }
    bytes
}

/// The lanboot that put this question; `None` for everybody else's messages.
pub(super) fn peer(packet: &Packet) -> Option<Peer> {
    let class = std::str::from_utf8(packet.options.get(Code::VENDOR_CLASS)?).ok()?;
    let (word, address) = class.strip_prefix(CLASS)?.trim_start().split_once(' ')?;
    let stand = Stand::ALL.into_iter().find(|stand| stand.word() == word)?;
    let address = address.parse().ok()?;
    Some(Peer { address, stand })
}

/// Whom a message to port 68, sent from `source`, is from; `None` when it is one of ours (`own`
/// are our addresses) or says nothing about a server.
pub(super) fn voice(payload: &[u8], source: Ipv4Addr, own: &[Ipv4Addr]) -> Option<Voice> {
    let packet = Packet::parse(payload).ok().filter(|p| p.op == Op::Reply)?;
    let server = packet.options.address(Code::SERVER_ID).unwrap_or(source);
    let is_one = !(server.is_unspecified() || server.is_broadcast() || server.is_multicast());
    if !is_one || own.contains(&server) || own.contains(&source) {
        return None;
    }
    let gives = !packet.yiaddr.is_unspecified();
    match packet.message_type()? {
        // Only who owns the addresses of a network refuses one.
        MessageType::Nak => Some(Voice::Server(server)),
        // A lanboot that stepped down honours what it gave before.
        MessageType::Ack if is_parting(&packet) => None,
        MessageType::Offer | MessageType::Ack if gives => Some(Voice::Server(server)),
        MessageType::Offer => Some(Voice::Proxy(server)),
        // Otherwise it answers an INFORM.
        MessageType::Ack if packet.options.has(Code::VENDOR_CLASS) => Some(Voice::Proxy(server)),
        _ => None,
    }
}

/// The server that a machine of this link chose among offers, when its REQUEST names one that is
/// not ours (`own`). RFC 2131 §4.3.2, SELECTING.
pub(super) fn chosen(packet: &Packet, own: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    let selects = packet.op == Op::Request
        && packet.message_type() == Some(MessageType::Request)
        && packet.ciaddr.is_unspecified()
        && !packet.is_relayed();
    let server = packet.options.address(Code::SERVER_ID)?;
    (selects && !server.is_unspecified() && !own.contains(&server)).then_some(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
    const OWN: [Ipv4Addr; 1] = [Ipv4Addr::new(10, 0, 0, 1)];
    const PEER: Peer = Peer {
        address: OWN[0],
        stand: Stand::Yields,
    };

    fn answer(kind: u8, yiaddr: [u8; 4], more: &[u8]) -> Vec<u8> {
        let mut bytes = discover(7, MAC, PEER);
        bytes[0] = 2;
        bytes[16..20].copy_from_slice(&yiaddr);
        bytes[242] = kind;
        bytes[243..].fill(0);
        bytes[243..243 + more.len()].copy_from_slice(more);
        bytes[243 + more.len()] = 255;
        bytes
    }

    #[test]
    fn the_question_is_a_discover_by_broadcast() {
        let question = Packet::parse(&discover(7, MAC, PEER)).unwrap();
        assert_eq!(question.message_type(), Some(MessageType::Discover));
        assert!(question.wants_broadcast());
        assert_eq!(question.options.faults(), &[]);
        assert_eq!(peer(&question), Some(PEER));
        let longest = Peer {
            address: Ipv4Addr::new(255, 255, 255, 254),
            stand: Stand::Stays,
        };
        let question = discover(7, MAC, longest);
        assert_eq!(question.len(), 300);
        assert_eq!(peer(&Packet::parse(&question).unwrap()), Some(longest));
        for class in [
            "",
            "lanboot",
            "lanboot auto",
            "lanboot auto x",
            "lanboot off 1.2.3.4",
            "PXEClient",
        ] {
            let mut packet = Packet::parse(&question).unwrap();
            packet.options.set(Code::VENDOR_CLASS, class);
            assert_eq!(peer(&packet), None, "{class}");
        }
        assert_eq!(voice(&discover(7, MAC, PEER), OTHER, &OWN), None);
    }

    #[test]
    fn who_gives_addresses_is_a_server_and_who_names_files_is_none() {
        let id = [54, 4, 10, 0, 0, 9];
        let named = Ipv4Addr::new(10, 0, 0, 9);
        let address = [10, 0, 0, 50];
        let pxe = [54, 4, 10, 0, 0, 9, 60, 1, b'P'];
        for (kind, yiaddr, more, expected) in [
            (2, address, &id[..], Some(Voice::Server(named))),
            (2, address, &[], Some(Voice::Server(OTHER))),
            (2, [0; 4], &id, Some(Voice::Proxy(named))),
            (5, address, &id, Some(Voice::Server(named))),
            (5, [0; 4], &pxe, Some(Voice::Proxy(named))),
            (5, [0; 4], &id, None),
            (6, [0; 4], &id, Some(Voice::Server(named))),
            (3, address, &id, None),
            (2, address, &[54, 4, 10, 0, 0, 1], None),
            (2, address, &[54, 4, 255, 255, 255, 255], None),
        ] {
            let found = voice(&answer(kind, yiaddr, more), OTHER, &OWN);
            assert_eq!(found, expected, "type {kind}, {yiaddr:?}, {more:?}");
        }
        let own = voice(&answer(2, address, &id), OWN[0], &OWN);
        assert_eq!(own, None, "sent from here");
        for cut in 0..244 {
            // Never a panic, whatever is missing.
            let _ = voice(&answer(2, address, &id)[..cut], OTHER, &OWN);
        }
    }

    #[test]
    fn a_lanboot_that_stepped_down_and_honours_a_lease_is_no_server() {
        use lanboot_core::dhcp::{
            Answer, Config, Leases, Mode, Port, ReceiveInfo, Subnet, respond,
        };
        let mut config = Config {
            mode: Mode::Server,
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
        let info = ReceiveInfo {
            interface: "eth0",
            server: OTHER,
            own: &[OTHER],
            source: std::net::SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            port: Port::Server,
            boot_server: true,
            now: std::time::Duration::from_secs(1_800_000_000),
            overloaded: false,
        };
        // A machine that starts again with the address it had.
        let mut request = Packet::parse(&discover(7, MAC, PEER)).unwrap();
        request.options.set(Code::MESSAGE_TYPE, [3]);
        request
            .options
            .set(Code::REQUESTED_ADDRESS, [10, 0, 0, 105]);
        for (mode, heard) in [
            (Mode::Server, Some(Voice::Server(OTHER))),
            (Mode::Proxy, None),
        ] {
            config.mode = mode;
            let answer = respond(&request, &info, &config, &mut leases, &|_| None);
            let Answer::Send(ack) = answer else {
                panic!("{answer:?}");
            };
            assert_eq!(ack.to, lanboot_core::dhcp::Destination::Broadcast);
            assert_eq!(ack.message, MessageType::Ack);
            assert_eq!(voice(&ack.bytes, OTHER, &OWN), heard, "{mode:?}");
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
            chosen(&Packet::parse(&bytes).unwrap(), &OWN)
        };
        assert_eq!(request([0; 4], [0; 4], [10, 0, 0, 3]), Some(OTHER));
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
