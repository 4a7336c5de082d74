//! Messages as machines send them, and a server to send them to, for the tests of `dhcp`.

mod foreign;
mod golden;
mod hostile;
mod load;
mod options;
mod probes;
mod proxy;
mod relay;
mod stages;
mod states;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::wire::option::Fault;
use super::*;
use crate::machine::{Mac, Machine, Stage};
use crate::plan::{NoLoader, Offer};

pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
pub(super) const START: u64 = 1_800_000_000;

/// 192.168.77.`last`.
pub(super) fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, last)
}

/// A message from machine number `machine`, hardware address 02:00 and the number.
pub(super) fn message(message: MessageType, machine: u32) -> Packet {
    Packet::from_client(mac(machine), 0x1234_5678, message)
}

pub(super) fn mac(machine: u32) -> Mac {
    let [a, b, c, d] = machine.to_be_bytes();
    Mac([2, 0, a, b, c, d])
}

pub(super) fn discover(machine: u32) -> Packet {
    message(MessageType::Discover, machine)
}

/// SELECTING.
pub(super) fn select(machine: u32, address: Ipv4Addr) -> Packet {
    let mut packet = reboot(machine, address);
    packet.options.set(Code::SERVER_ID, SERVER.octets());
    packet
}

/// INIT-REBOOT.
pub(super) fn reboot(machine: u32, address: Ipv4Addr) -> Packet {
    let mut packet = message(MessageType::Request, machine);
    packet
        .options
        .set(Code::REQUESTED_ADDRESS, address.octets());
    packet
}

/// RENEWING and REBINDING.
pub(super) fn renew(machine: u32, address: Ipv4Addr) -> Packet {
    let mut packet = message(MessageType::Request, machine);
    packet.ciaddr = address;
    packet
}

pub(super) fn decline(machine: u32, address: Ipv4Addr) -> Packet {
    let mut packet = select(machine, address);
    packet.options.set(Code::MESSAGE_TYPE, [4]);
    packet
}

pub(super) fn release(machine: u32, address: Ipv4Addr) -> Packet {
    let mut packet = renew(machine, address);
    packet.options.set(Code::MESSAGE_TYPE, [7]);
    packet.options.set(Code::SERVER_ID, SERVER.octets());
    packet
}

pub(super) fn subnet(first: u8, last: u8) -> Subnet {
    Subnet {
        network: host(0),
        prefix: 24,
        range: (host(first), host(last)),
        lease_time: Subnet::LEASE_TIME,
        routers: vec![],
        dns: vec![],
        domain: None,
        options: vec![],
        always: vec![],
    }
}

/// To a relay's server port.
pub(super) fn to_relay(relay: Ipv4Addr) -> Destination {
    Destination::Relay(SocketAddrV4::new(relay, SERVER_PORT))
}

/// A server with its leases, its clock, and what it hands to machines that boot.
pub(super) struct Server {
    pub(super) config: Config,
    pub(super) mode: Mode,
    pub(super) leases: Leases,
    pub(super) now: u64,
    pub(super) source: Ipv4Addr,
    pub(super) source_port: u16,
    pub(super) port: Port,
    pub(super) boot_server: bool,
    pub(super) own: Vec<Ipv4Addr>,
    pub(super) overloaded: bool,
    pub(super) boot: Option<Offer>,
}

impl Server {
    /// Serves 192.168.77.`first` to `last`, without probes.
    pub(super) fn new(first: u8, last: u8) -> Self {
        Self::with(Config {
            subnets: vec![subnet(first, last)],
            only: vec![],
            check: false,
        })
    }

    pub(super) fn with(config: Config) -> Self {
        config.check(Mode::Server).unwrap();
        Self {
            leases: Leases::new(&config.subnets),
            config,
            mode: Mode::Server,
            now: START,
            source: Ipv4Addr::UNSPECIFIED,
            source_port: CLIENT_PORT,
            port: Port::Server,
            boot_server: true,
            own: vec![SERVER],
            overloaded: false,
            boot: None,
        }
    }

    pub(super) fn checking(first: u8, last: u8) -> Self {
        let mut server = Self::new(first, last);
        server.config.check = true;
        server
    }

    /// Sends bytes over, as the wire would.
    pub(super) fn take(&mut self, packet: &Packet) -> Answer {
        let packet = Packet::parse(&packet.emit()).unwrap();
        self.answer(&packet, None)
    }

    pub(super) fn probed(&mut self, packet: &Packet, address: Ipv4Addr, probe: Probe) -> Answer {
        self.answer(packet, Some((address, probe)))
    }

    fn answer(&mut self, packet: &Packet, probe: Option<(Ipv4Addr, Probe)>) -> Answer {
        let info = ReceiveInfo {
            interface: "eth0",
            server: SERVER,
            own: &self.own,
            source: SocketAddrV4::new(self.source, self.source_port),
            port: self.port,
            mode: self.mode,
            boot_server: self.boot_server,
            now: Duration::from_secs(self.now),
            overloaded: self.overloaded,
        };
        let file = self.boot.clone();
        let boot = |machine: &Machine| {
            assert_ne!(machine.stage, Stage::Plain, "plain clients load nothing");
            file.clone().ok_or(NoLoader::NothingToBoot)
        };
        for address in self.own.iter().chain([&SERVER]) {
            self.leases.exclude(*address);
        }
        let (config, leases) = (&self.config, &mut self.leases);
        let request = Request::from(packet.clone());
        let answer = match probe {
            None => respond(&request, &info, config, leases, &boot),
            Some((address, probe)) => {
                checked(&request, &info, config, leases, &boot, address, probe)
            }
        };
        if self.config.subnets.iter().all(|s| s.prefix >= 24) {
            self.leases.assert_consistent();
        }
        answer
    }

    /// Returns what is sent, with the reply read again; panics when nothing is.
    pub(super) fn sent(&mut self, packet: &Packet) -> (Outgoing, Packet) {
        open(self.take(packet))
    }

    /// The address offered.
    pub(super) fn offered(&mut self, packet: &Packet) -> Ipv4Addr {
        let (outgoing, reply) = self.sent(packet);
        assert_eq!(outgoing.message, MessageType::Offer);
        assert_eq!(outgoing.address, Some(reply.yiaddr));
        assert_eq!(outgoing.commit, None);
        reply.yiaddr
    }

    /// Returns why nothing is sent; panics when something is.
    pub(super) fn ignored(&mut self, packet: &Packet) -> String {
        match self.take(packet) {
            Answer::Ignore(why) => why.to_string(),
            other => panic!("not ignored: {other:?}"),
        }
    }

    /// Returns why a NAK is sent.
    pub(super) fn refused(&mut self, packet: &Packet) -> String {
        let (outgoing, reply) = self.sent(packet);
        assert_eq!(outgoing.message, MessageType::Nak, "{:?}", outgoing.detail);
        assert_eq!(outgoing.commit, None);
        assert_eq!(reply.yiaddr, Ipv4Addr::UNSPECIFIED);
        assert!(!reply.options.has(Code::LEASE_TIME));
        outgoing.detail.unwrap()
    }

    /// Acknowledged, with the record to keep.
    pub(super) fn bound(&mut self, packet: &Packet) -> Lease {
        let (outgoing, reply) = self.sent(packet);
        assert_eq!(outgoing.message, MessageType::Ack, "{:?}", outgoing.detail);
        let lease = outgoing.commit.unwrap();
        assert_eq!(lease.address, reply.yiaddr);
        assert_eq!(self.leases.get(lease.address), Some(&lease));
        lease
    }

    /// DISCOVER to ACK.
    pub(super) fn join(&mut self, machine: u32) -> Ipv4Addr {
        let address = self.offered(&discover(machine));
        self.bound(&select(machine, address)).address
    }
}

/// Returns what is sent, with the reply read again.
pub(super) fn open(answer: Answer) -> (Outgoing, Packet) {
    let Answer::Send(outgoing) = answer else {
        panic!("nothing sent: {answer:?}");
    };
    let reply = Packet::parse(&outgoing.bytes).unwrap();
    assert_eq!(reply.op, Op::Reply);
    for fault in reply.options.faults() {
        // What came wrong goes back as it came.
        let echoed = [Code::CLIENT_ID, Code::UUID];
        let wrong = |code| matches!(fault, Fault::Length { code: c, .. } if *c == code);
        assert!(echoed.into_iter().any(wrong), "{fault}");
    }
    assert_eq!(reply.message_type(), Some(outgoing.message));
    assert_eq!(reply.options.address(Code::SERVER_ID), Some(SERVER));
    assert!((300..=1472).contains(&outgoing.bytes.len()));
    (outgoing, reply)
}
