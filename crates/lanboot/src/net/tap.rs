//! Observes the first packets of requests on an interface before any firewall of this host.
//! Comparing them with what reaches the listeners reveals that packets are dropped in between.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use socket2::{SockFilter, SockRef};
use tokio::io::unix::AsyncFd;

use super::frame::{ETH_P_IP, IF_ANY_BIT, IF_EQUAL, RETURN, for_interface, hearing, receive};
use super::port::Protocol;

/// Bytes of a packet captured: the longest IPv4 header, and the ports and flags after it.
const SNAP: u32 = 60 + 20;
/// Most ports watched at once.
pub const MAX_PORTS: usize = 16;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Sender.
    pub from: SocketAddr,
    /// Destination port.
    pub port: u16,
    /// True if it aborts a connection (TCP RST).
    pub is_reset: bool,
    /// True if it was broadcast, and so does not reach sockets bound to our address.
    pub is_broadcast: bool,
}

/// Captures requests.
#[derive(Debug)]
pub struct TapSocket {
    socket: OwnedFd,
    index: u32,
    /// Our address there.
    own: Ipv4Addr,
    /// Broadcast addresses of its network.
    broadcasts: [Ipv4Addr; 2],
}

impl TapSocket {
    /// Opens it on the interface with this index, for requests to `own` and broadcasts of its
    /// network. It captures nothing until [`Self::watch`] selects ports. Needs `CAP_NET_RAW`.
    pub fn open(index: u32, own: Ipv4Addr, broadcast: Ipv4Addr) -> io::Result<Self> {
        let nothing = [SockFilter::new(RETURN, 0, 0, 0)];
        Ok(Self {
            socket: hearing(index, &nothing)?,
            index,
            own,
            broadcasts: [broadcast, Ipv4Addr::BROADCAST],
        })
    }

    /// Registers the socket with the event loop.
    pub fn polled(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is private to this type, is never replaced, and is closed only
        // with the value, which the `AsyncFd` owns.
        Ok(unsafe { AsyncFd::register(self) }?)
    }

    /// Captures requests to these ports from now on, at most [`MAX_PORTS`], and no others.
    pub fn watch(&self, ports: &[(Protocol, u16)]) -> io::Result<()> {
        let [network, everybody] = self.broadcasts;
        let ours = filter(&[self.own, network, everybody], ports).into_iter();
        let ours = ours.map(|(code, yes, no, operand)| SockFilter::new(code, yes, no, operand));
        let filter = for_interface(self.index, ETH_P_IP, ours);
        SockRef::from(&self.socket).attach_filter(&filter)
    }

    /// Receives the next packet, `None` for a malformed one. `WouldBlock` if there is none.
    pub fn heard(&self) -> io::Result<Option<Seen>> {
        let mut packet = [0u8; SNAP as usize];
        Ok(seen(receive(&self.socket, &mut packet)?, self.own))
    }
}

/// Code, jump if true, jump if false, operand (`struct sock_filter`).
type Instruction = (u16, u8, u8, u32);

/// Builds a filter that passes unfragmented datagrams to these ports, and the first packets and
/// resets of TCP connections to them, to one of `targets`. Offsets count from the IP header.
fn filter(targets: &[Ipv4Addr], ports: &[(Protocol, u16)]) -> Vec<Instruction> {
    const LOAD: u16 = 0x20;
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_HALF_BEHIND_X: u16 = 0x48;
    const LOAD_BYTE_BEHIND_X: u16 = 0x50;
    const X_IS_HEADER_LENGTH: u16 = 0xb1;
    const KEEP_BITS: u16 = 0x54;
    const DROP: Instruction = (RETURN, 0, 0, 0);
    const KEEP: Instruction = (RETURN, 0, 0, SNAP);
    let of = |wanted: Protocol| {
        let ports = ports.iter().take(MAX_PORTS);
        let ports = ports.filter(move |(protocol, _)| *protocol == wanted);
        ports.map(|(_, port)| u32::from(*port)).collect::<Vec<_>>()
    };
    let (udp, tcp) = (of(Protocol::Udp), of(Protocol::Tcp));
    // Each test falls through to the next, or jumps over the drop that ends the list.
    let is_one_of = |values: &[u32]| {
        let mut tests: Vec<Instruction> = Vec::new();
        for (n, value) in values.iter().enumerate() {
            // Over the other values and the drop after them.
            let over = u8::try_from(values.len() - n).unwrap_or(u8::MAX);
            tests.push((IF_EQUAL, over, 0, *value));
        }
        tests.push(DROP);
        tests
    };
    let targets: Vec<u32> = targets.iter().map(|target| target.to_bits()).collect();
    let mut program = vec![(LOAD, 0, 0, 16)];
    program.extend(is_one_of(&targets));
    program.extend([
        (LOAD_HALF, 0, 0, 6),
        (IF_ANY_BIT, 0, 1, 0x3fff),
        DROP,
        (X_IS_HEADER_LENGTH, 0, 0, 0),
        (LOAD_BYTE, 0, 0, 9),
    ]);
    let mut datagrams = vec![(LOAD_HALF_BEHIND_X, 0, 0, 2)];
    datagrams.extend(is_one_of(&udp));
    datagrams.push(KEEP);
    let over = u8::try_from(datagrams.len()).unwrap_or(u8::MAX);
    program.push((IF_EQUAL, 0, over, libc::IPPROTO_UDP as u32));
    program.extend(datagrams);
    program.extend([
        (LOAD_BYTE, 0, 0, 9),
        (IF_EQUAL, 1, 0, libc::IPPROTO_TCP as u32),
        DROP,
        (LOAD_BYTE_BEHIND_X, 0, 0, 13),
        (IF_ANY_BIT, 3, 0, u32::from(RST)),
        (KEEP_BITS, 0, 0, u32::from(SYN | ACK)),
        (IF_EQUAL, 1, 0, u32::from(SYN)),
        DROP,
        (LOAD_HALF_BEHIND_X, 0, 0, 2),
    ]);
    program.extend(is_one_of(&tcp));
    program.push(KEEP);
    program
}

/// Parses an IPv4 packet, from its header on. `own` is our address.
fn seen(packet: &[u8], own: Ipv4Addr) -> Option<Seen> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let target: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    let segment = packet.get(header..)?;
    let port = |at: usize| {
        Some(u16::from_be_bytes([
            *segment.get(at)?,
            *segment.get(at + 1)?,
        ]))
    };
    let (protocol, is_reset) = match i32::from(*packet.get(9)?) {
        libc::IPPROTO_UDP => (Protocol::Udp, false),
        libc::IPPROTO_TCP => (Protocol::Tcp, segment.get(13)? & RST != 0),
        _ => return None,
    };
    Some(Seen {
        protocol,
        from: SocketAddr::from((source, port(0)?)),
        port: port(2)?,
        is_reset,
        is_broadcast: target != own.octets(),
    })
}

// Required by `AsyncFd`.
impl AsRawFd for TapSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for TapSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const NET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);

    fn packet(protocol: u8, to: Ipv4Addr, port: u16, flags: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 9];
        packet.extend_from_slice(&to.octets());
        packet.extend_from_slice(&1000u16.to_be_bytes());
        packet.extend_from_slice(&port.to_be_bytes());
        packet.extend_from_slice(&[0; 8]);
        packet.extend_from_slice(&[0x50, flags, 0, 0, 0, 0, 0, 0]);
        packet
    }

    /// Runs a filter like the kernel (Documentation/networking/filter.rst).
    fn run(program: &[Instruction], packet: &[u8]) -> u32 {
        let (mut a, mut x, mut at) = (0u32, 0usize, 0usize);
        let byte = |at: usize| packet.get(at).copied().map(u32::from);
        let half = |at: usize| Some(byte(at)? << 8 | byte(at + 1)?);
        loop {
            let (code, jt, jf, k) = program[at];
            at += 1;
            let place = k as usize;
            let loaded = match code {
                0x20 => half(place).zip(half(place + 2)).map(|(h, l)| h << 16 | l),
                0x28 => half(place),
                0x30 => byte(place),
                0x48 => half(x + place),
                0x50 => byte(x + place),
                0xb1 => {
                    x = (packet[place] as usize & 0xf) * 4;
                    continue;
                }
                0x54 => {
                    a &= k;
                    continue;
                }
                0x15 | 0x45 => {
                    let is_met = if code == 0x15 { a == k } else { a & k != 0 };
                    at += usize::from(if is_met { jt } else { jf });
                    continue;
                }
                0x06 => return k,
                code => panic!("instruction {code:#x}"),
            };
            match loaded {
                Some(value) => a = value,
                None => return 0,
            }
        }
    }

    #[test]
    fn only_first_packets_to_watched_ports_pass() {
        let ports = [
            (Protocol::Udp, 67),
            (Protocol::Udp, 69),
            (Protocol::Tcp, 80),
            (Protocol::Tcp, 2049),
        ];
        let program = filter(&[OWN, NET, Ipv4Addr::BROADCAST], &ports);
        let kept = |packet: &[u8]| run(&program, packet) != 0;
        for to in [OWN, NET, Ipv4Addr::BROADCAST] {
            assert!(kept(&packet(17, to, 67, 0)) && kept(&packet(17, to, 69, 0)));
        }
        assert!(kept(&packet(6, OWN, 80, SYN)) && kept(&packet(6, OWN, 2049, SYN)));
        assert!(kept(&packet(6, OWN, 80, RST)) && kept(&packet(6, OWN, 80, RST | ACK)));
        // ECN bits beside the SYN.
        assert!(kept(&packet(6, OWN, 80, SYN | 0xc0)));
        let elsewhere = Ipv4Addr::new(9, 9, 9, 9);
        for packet in [
            packet(17, elsewhere, 67, 0),
            packet(17, OWN, 68, 0),
            packet(17, OWN, 80, SYN),
            packet(6, OWN, 69, SYN),
            packet(6, OWN, 80, SYN | ACK),
            packet(6, OWN, 80, ACK),
            packet(6, elsewhere, 80, SYN),
            packet(1, OWN, 80, SYN),
        ] {
            assert!(!kept(&packet), "{packet:?}");
        }
        let mut fragment = packet(17, OWN, 67, 0);
        fragment[6] = 0x20;
        assert!(!kept(&fragment));
        // Options in the IP header move the ports.
        let mut longer = packet(6, OWN, 80, SYN);
        longer[0] = 0x46;
        longer.splice(20..20, [0; 4]);
        assert!(kept(&longer));
        let nothing = filter(&[OWN], &[]);
        assert_eq!(run(&nothing, &packet(17, OWN, 67, 0)), 0);
    }

    #[test]
    fn packets_are_parsed_and_truncated_ones_ignored() {
        let syn = packet(6, OWN, 80, SYN);
        let from = SocketAddr::from(([10, 0, 0, 9], 1000));
        let expected = Seen {
            protocol: Protocol::Tcp,
            from,
            port: 80,
            is_reset: false,
            is_broadcast: false,
        };
        let seen = |packet: &[u8]| seen(packet, OWN);
        assert_eq!(seen(&syn), Some(expected));
        assert!(seen(&packet(6, OWN, 80, RST)).is_some_and(|seen| seen.is_reset));
        assert!(seen(&packet(17, OWN, 67, RST)).is_some_and(|seen| !seen.is_reset));
        for to in [NET, Ipv4Addr::BROADCAST] {
            assert!(seen(&packet(17, to, 67, 0)).is_some_and(|seen| seen.is_broadcast));
        }
        for len in 0..34 {
            assert_eq!(seen(&syn[..len]), None, "{len}");
        }
    }
}
