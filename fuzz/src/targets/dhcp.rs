//! DHCP: messages to a server and to a proxy, and their answers.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use lanboot_core::dhcp::{
    Answer, Code, Config, Leases, MessageType, Mode, Op, Packet, Port, Probe, ReceiveInfo, Request,
    Subnet, checked, pxe, respond,
};
use lanboot_core::machine::Mac;
use lanboot_core::plan::{NoLoader, Offer};

use super::input::{Input, part};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
const RELAYED: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 0);

/// Hands the parts of `data` to one server as messages, a byte in front of each saying when and how
/// it arrives. Every answer must be a message that can be read.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let steer = input.byte();
    let mode = [Mode::Server, Mode::Proxy, Mode::Off][usize::from(steer % 3)];
    let config = Config {
        subnets: vec![subnet(SERVER, 16), subnet(RELAYED, 8)],
        only: Vec::new(),
        check: steer & 8 != 0,
    };
    let mut leases = Leases::new(&config.subnets);
    let mut now = Duration::from_secs(1_800_000_000);
    let boot = |_: &_| {
        let offer = (steer & 16 == 0).then(|| Offer {
            server: SERVER.into(),
            file: "loader/undionly.kpxe".into(),
            config: (steer & 32 != 0).then(|| "pxelinux.cfg/default".into()),
            prefix: (steer & 32 != 0).then(|| "loader/pxelinux/".into()),
            warning: (steer & 64 != 0).then(|| "a warning".into()),
        });
        offer.ok_or(NoLoader::NothingToBoot)
    };
    while !input.is_empty() {
        let step = input.byte();
        now += Duration::from_secs(u64::from(step) * 16);
        let bytes = input.part();
        let Ok(request) = Request::parse(bytes) else {
            continue;
        };
        let packet = request.packet();
        let source = match step % 3 {
            0 => Ipv4Addr::UNSPECIFIED,
            1 => packet.giaddr,
            _ => packet.ciaddr,
        };
        let info = ReceiveInfo {
            interface: "eth0",
            server: SERVER,
            own: &[SERVER],
            source: SocketAddrV4::new(source, 68),
            port: if step & 4 == 0 {
                Port::Server
            } else {
                Port::BootServer
            },
            mode,
            boot_server: step & 8 == 0,
            now,
            overloaded: step & 16 != 0,
        };
        let mut answer = respond(&request, &info, &config, &mut leases, &boot);
        if let Answer::Check { address, .. } = answer {
            let probe = [Probe::Silent, Probe::Answered(None)][usize::from(step >> 7)];
            answer = checked(&request, &info, &config, &mut leases, &boot, address, probe);
        }
        check(&answer);
        let _ = (
            pxe::machine(packet),
            pxe::ipxe_features(packet),
            pxe::ndi(packet),
        );
    }
}

/// Checks that an answer is a message of the size that every client takes.
fn check(answer: &Answer) {
    if let Answer::Send(outgoing) = answer {
        let reply = Packet::parse(&outgoing.bytes).expect("what is sent can be read");
        assert_eq!(reply.op, Op::Reply);
        assert_eq!(reply.message_type(), Some(outgoing.message));
        assert!((300..=1472).contains(&outgoing.bytes.len()));
    }
}

fn subnet(host: Ipv4Addr, count: u8) -> Subnet {
    let [a, b, c, _] = host.octets();
    Subnet {
        network: Ipv4Addr::new(a, b, c, 0),
        prefix: 24,
        range: (
            Ipv4Addr::new(a, b, c, 10),
            Ipv4Addr::new(a, b, c, 9 + count),
        ),
        lease_time: Subnet::LEASE_TIME,
        routers: vec![host],
        dns: vec![host],
        domain: Some("example".into()),
        options: Vec::new(),
        always: Vec::new(),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let offered = Ipv4Addr::new(192, 168, 77, 10).octets();
    let select = |packet: &mut Packet| {
        packet.options.set(Code::REQUESTED_ADDRESS, offered);
        packet.options.set(Code::SERVER_ID, SERVER.octets());
    };
    let pxe = |packet: &mut Packet| {
        let class: &[u8] = b"PXEClient:Arch:00007:UNDI:003016";
        packet.options.set(Code::VENDOR_CLASS, class);
        packet.options.set(Code::ARCH, [0, 7]);
        packet.options.set(Code::NDI, [1, 3, 16]);
        packet.options.set(Code::UUID, [0; 17]);
        packet.options.set(Code::MAX_MESSAGE, [5, 0xc0]);
        let wanted: &[u8] = &[1, 3, 6, 12, 15, 43, 54, 60, 66, 67, 97];
        packet.options.set(Code::PARAMETERS, wanted);
    };
    let ipxe = |packet: &mut Packet| {
        pxe(packet);
        packet.options.set(Code::USER_CLASS, *b"iPXE");
        packet
            .options
            .set(Code::IPXE, [0x13, 1, 1, 0x21, 1, 1, 0xb1, 1, 2]);
    };
    let http = |packet: &mut Packet| {
        pxe(packet);
        let class: &[u8] = b"HTTPClient:Arch:00016:UNDI:003016";
        packet.options.set(Code::VENDOR_CLASS, class);
        packet.options.set(Code::ARCH, [0, 16]);
    };
    let relayed = |packet: &mut Packet| {
        pxe(packet);
        packet.giaddr = Ipv4Addr::new(10, 9, 8, 1);
        packet.hops = 1;
        packet
            .options
            .set(Code::RELAY, *b"\x01\x02ab\x05\x04\x0a\x09\x08\x00");
        packet.options.set(Code::SUBNET_SELECTION, RELAYED.octets());
    };
    let renew = |packet: &mut Packet| packet.ciaddr = offered.into();
    let plain = |_: &mut Packet| {};
    let (discover, request) = (MessageType::Discover, MessageType::Request);
    let messages = [
        message(discover, &pxe),
        message(request, &|packet| {
            pxe(packet);
            select(packet);
        }),
        message(request, &renew),
        message(MessageType::Other(8), &renew),
        message(MessageType::Other(4), &select),
        message(MessageType::Other(7), &|packet| {
            select(packet);
            renew(packet);
        }),
        message(discover, &ipxe),
        message(discover, &http),
        message(discover, &relayed),
        message(discover, &plain),
    ];
    let all: Vec<u8> = messages
        .iter()
        .flat_map(|message| [&[0][..], message].concat())
        .collect();
    let mut seeds: Vec<Vec<u8>> = [0, 1, 8, 16, 32, 33]
        .map(|steer| [&[steer], &all[..]].concat())
        .into();
    for message in &messages {
        seeds.push([&[0, 0], &message[..]].concat());
        seeds.push([&[1, 4], &message[..]].concat());
    }
    seeds
}

fn message(kind: MessageType, set: &dyn Fn(&mut Packet)) -> Vec<u8> {
    let mut packet = Packet::from_client(Mac([2, 0, 0, 0, 0, 1]), 0x1234_5678, kind);
    packet.secs = 4;
    packet.flags = 0x8000;
    set(&mut packet);
    part(&packet.emit())
}
