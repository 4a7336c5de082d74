//! The same messages through dhcproto, which nobody here wrote.

use dhcproto::v4::{self, DhcpOption, Flags, OptionCode, UnknownOption};
use dhcproto::{Decodable, Encodable};
use proptest::prelude::*;

use super::golden::{edk2, ipxe_rom, pxelinux};
use super::*;

/// The values that both must agree about.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    header: (u8, u8, u8, u8, u32, u16, u16),
    addresses: [Ipv4Addr; 4],
    chaddr: Vec<u8>,
    file: Vec<u8>,
    options: std::collections::BTreeMap<u8, Vec<u8>>,
}

fn ours(bytes: &[u8]) -> Seen {
    let packet = Packet::parse(bytes).unwrap();
    assert_eq!(packet.options.faults(), &[]);
    let end = packet.file.iter().position(|b| *b == 0).unwrap_or(128);
    Seen {
        header: (
            packet.op.into(),
            packet.htype,
            packet.hlen,
            packet.hops,
            packet.xid,
            packet.secs,
            packet.flags,
        ),
        addresses: [packet.ciaddr, packet.yiaddr, packet.siaddr, packet.giaddr],
        chaddr: packet.hardware_address().to_vec(),
        file: packet.file[..end].to_vec(),
        options: packet
            .options
            .iter()
            .map(|(code, value)| (code.0, value.to_vec()))
            .collect(),
    }
}

/// dhcproto's view. Its options are typed; written again one by one they show their bytes.
fn theirs(bytes: &[u8]) -> Seen {
    let message = v4::Message::from_bytes(bytes).unwrap();
    let mut options = std::collections::BTreeMap::new();
    for (code, option) in message.opts().iter() {
        let mut alone = v4::DhcpOptions::new();
        alone.insert(option.clone());
        let mut rest = &alone.to_vec().unwrap()[..];
        let value: &mut Vec<u8> = options.entry(u8::from(*code)).or_default();
        while let [code, len, tail @ ..] = rest {
            if *code == 255 {
                break;
            }
            let (piece, tail) = tail.split_at(usize::from(*len));
            value.extend_from_slice(piece);
            rest = tail;
        }
    }
    // dhcproto keeps the NUL.
    let name = message.fname().unwrap_or_default();
    Seen {
        header: (
            message.opcode().into(),
            message.htype().into(),
            message.hlen(),
            message.hops(),
            message.xid(),
            message.secs(),
            u16::from(message.flags()),
        ),
        addresses: [
            message.ciaddr(),
            message.yiaddr(),
            message.siaddr(),
            message.giaddr(),
        ],
        chaddr: message.chaddr().to_vec(),
        file: name.strip_suffix(&[0]).unwrap_or(name).to_vec(),
        options,
    }
}

fn well_formed() -> impl Strategy<Value = Packet> {
    let bytes = |range| prop::collection::vec(any::<u8>(), range);
    let option = prop_oneof![
        any::<[u8; 4]>().prop_map(|v| (50, v.to_vec())),
        any::<[u8; 4]>().prop_map(|v| (51, v.to_vec())),
        any::<[u8; 4]>().prop_map(|v| (54, v.to_vec())),
        any::<[u8; 2]>().prop_map(|v| (57, v.to_vec())),
        any::<[u8; 2]>().prop_map(|v| (93, v.to_vec())),
        any::<[u8; 3]>().prop_map(|v| (94, v.to_vec())),
        "[a-z]{1,60}".prop_map(|v| (12, v.into_bytes())),
        bytes(1..40).prop_map(|v| (55, v)),
        bytes(1..40).prop_map(|v| (60, v)),
        bytes(2..40).prop_map(|v| (61, v)),
        bytes(1..600).prop_map(|v| (67, v)),
        bytes(1..40).prop_map(|v| (77, v)),
        bytes(17..18).prop_map(|v| (97, v)),
        bytes(1..400).prop_map(|v| (175, v)),
        bytes(1..40).prop_map(|v| (209, v)),
    ];
    (
        (
            1..=8_u8,
            any::<u32>(),
            any::<[u32; 4]>(),
            any::<bool>(),
            1..=16_u8,
        ),
        "[a-z/.]{0,100}",
        prop::collection::vec(option, 0..8),
    )
        .prop_map(|((kind, machine, addresses, reply, hlen), file, options)| {
            let mut packet = message(MessageType::from(kind), machine);
            packet.op = if reply { Op::Reply } else { Op::Request };
            packet.hlen = hlen;
            packet.xid = machine.rotate_left(7);
            packet.secs = 17;
            packet.flags = if reply { 0x8000 } else { 0 };
            packet.file[..file.len()].copy_from_slice(file.as_bytes());
            [packet.ciaddr, packet.yiaddr, packet.siaddr, packet.giaddr] =
                addresses.map(Ipv4Addr::from);
            for (code, value) in options {
                packet.options.set(Code(code), value);
            }
            packet
        })
}

proptest! {
    #[test]
    fn dhcproto_reads_what_we_write_as_we_do(packet in well_formed()) {
        let bytes = packet.emit();
        prop_assert_eq!(theirs(&bytes), ours(&bytes));
    }

    #[test]
    fn we_read_what_dhcproto_writes_as_it_does(packet in well_formed()) {
        let bytes = v4::Message::from_bytes(&packet.emit()).unwrap().to_vec().unwrap();
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
        prop_assert_eq!(ours(&bytes), ours(&packet.emit()));
    }
}

#[test]
fn dhcproto_reads_proxy_offers_as_we_do() {
    let mut server = Server::new(10, 200);
    server.mode = Mode::Proxy;
    server.boot = Some(pxelinux());
    for packet in [
        ipxe_rom(),
        edk2(7, "PXEClient:Arch:00007:UNDI:003016"),
        edk2(16, "HTTPClient:Arch:00016:UNDI:003000"),
        edk2(41, "PXEClient"),
    ] {
        let offer = server.sent(&packet).0.bytes;
        assert_eq!(theirs(&offer), ours(&offer));
        let message = v4::Message::from_bytes(&offer).unwrap();
        assert_eq!(message.opts().msg_type(), Some(v4::MessageType::Offer));
        assert_eq!(message.yiaddr(), Ipv4Addr::UNSPECIFIED);
        assert_eq!(message.siaddr(), SERVER);
    }
}

#[test]
fn dhcproto_understands_our_whole_conversation() {
    let mut server = Server::new(10, 200);
    server.boot = Some(pxelinux());
    server.config.subnets[0].routers = vec![host(1)];
    let offer = server.sent(&ipxe_rom()).0.bytes;
    assert_eq!(theirs(&offer), ours(&offer));
    let offer = v4::Message::from_bytes(&offer).unwrap();

    let mut request = v4::Message::new_with_id(
        7,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        &mac(1).0,
    );
    request.set_flags(Flags::default().set_broadcast());
    let options = request.opts_mut();
    options.insert(DhcpOption::MessageType(v4::MessageType::Request));
    options.insert(DhcpOption::RequestedIpAddress(offer.yiaddr()));
    options.insert(DhcpOption::ServerIdentifier(SERVER));
    options.insert(DhcpOption::ClassIdentifier(
        b"PXEClient:Arch:00000".to_vec(),
    ));
    options.insert(DhcpOption::ClientIdentifier([&[1][..], &mac(1).0].concat()));
    let packet = Packet::parse(&request.to_vec().unwrap()).unwrap();
    let (outgoing, _) = server.sent(&packet);
    assert_eq!(outgoing.to, Destination::Broadcast);
    let ack = v4::Message::from_bytes(&outgoing.bytes).unwrap();
    assert_eq!(ack.opts().msg_type(), Some(v4::MessageType::Ack));
    assert_eq!(ack.yiaddr(), offer.yiaddr());
    assert_eq!(ack.fname().unwrap(), b"boot/syslinux/lpxelinux.0\0");
    assert_eq!(
        ack.opts().get(OptionCode::AddressLeaseTime),
        Some(&DhcpOption::AddressLeaseTime(43_200))
    );
    assert_eq!(
        ack.opts().get(OptionCode::Router),
        Some(&DhcpOption::Router(vec![host(1)]))
    );
    assert_eq!(
        ack.opts().get(OptionCode::Unknown(209)),
        Some(&DhcpOption::Unknown(UnknownOption::new(
            OptionCode::Unknown(209),
            b"/lanboot/pxelinux.cfg".to_vec()
        )))
    );
}
