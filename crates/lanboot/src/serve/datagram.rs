//! UDP for doors that answer each request from a socket of its own: where a datagram came in,
//! a connected socket to answer from, and bursts of equal datagrams in one system call.
//!
//! Such sockets may share the port of the door ([`share_port`]). Linux gives a datagram to the
//! socket that is connected to its sender before any other on the same port, so the kernel tells
//! conversations apart by the peer's address and port, and nothing here has to.
//!
//! IPv4 only; the IPv6 doors come with their own packet information.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, getsockopt, recvmsg, sendmsg,
    setsockopt, sockopt,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Most datagrams Linux cuts out of one send (`UDP_MAX_SEGMENTS` before 6.9).
const MAX_SEGMENTS: usize = 64;
/// Most bytes one send takes: what fits into an IPv4 packet behind its headers.
const MAX_SEND: usize = 65_507;

/// Bytes of requests that may wait, with the kernel's own weight: about 1,000 requests.
const RECEIVE_ROOM: usize = 1 << 20;

/// Where a datagram came from and where it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its length, in bytes; one longer than the buffer is cut.
    pub len: usize,
    /// Who sent it.
    pub from: SocketAddrV4,
    /// The address of this host it was sent to (for a broadcast: that of the interface).
    pub to: Ipv4Addr,
    /// Index of the interface it came in through.
    pub interface: Option<NonZeroU32>,
}

/// Makes a bound socket ready for [`receive`]: non-blocking, with packet information, and with
/// room for a classroom that is switched on at once.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    // The system's limit may be lower; then who is not heard asks again.
    let _ = SockRef::from(socket).set_recv_buffer_size(RECEIVE_ROOM);
    setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    Ok(())
}

/// The next datagram and where it came in.
pub fn receive(socket: &impl AsRawFd, buf: &mut [u8]) -> io::Result<Arrival> {
    let mut parts = [IoSliceMut::new(buf)];
    let mut control = nix::cmsg_space!(libc::in_pktinfo);
    let message = recvmsg::<SockaddrIn>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let from = message
        .address
        .map(SocketAddrV4::from)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut arrival = Arrival {
        len: message.bytes,
        from,
        to: Ipv4Addr::UNSPECIFIED,
        interface: None,
    };
    for part in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = part {
            // `ipi_addr` would be the broadcast address; `ipi_spec_dst` is one of ours.
            arrival.to = Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr));
            arrival.interface = u32::try_from(info.ipi_ifindex)
                .ok()
                .and_then(NonZeroU32::new);
        }
    }
    Ok(arrival)
}

/// A non-blocking socket that speaks only with the sender of `arrival`, from a fresh port of the
/// address and the interface the sender knocked at.
pub fn answer(arrival: &Arrival) -> io::Result<UdpSocket> {
    answer_from(arrival, 0, false)
}

/// Lets [`answer_at`] use the port `socket` is bound to. Done after binding, so that a port that
/// is somebody else's is still noticed.
pub fn share_port(socket: &UdpSocket) -> io::Result<()> {
    SockRef::from(socket).set_reuse_address(true)
}

/// As [`answer`], from `port`, which must be one that [`share_port`] was called for.
///
/// Between being bound and being connected the socket may have been given datagrams of others:
/// call [`receive_any`] until it is empty before anything else.
pub fn answer_at(arrival: &Arrival, port: u16) -> io::Result<UdpSocket> {
    answer_from(arrival, port, true)
}

fn answer_from(arrival: &Arrival, port: u16, is_shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // Best effort: a kernel before 5.0 or a container may refuse, and routing is right mostly.
    let _ = socket.bind_device_by_index_v4(arrival.interface);
    if is_shared {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&SocketAddr::new(IpAddr::V4(arrival.to), port).into())?;
    socket.connect(&SocketAddr::V4(arrival.from).into())?;
    Ok(socket.into())
}

/// Makes what arrives from now on go past `socket` to the door whose port it shares, so that it
/// can be emptied and closed and nothing is lost with it. Best effort: without `CAP_NET_RAW`, or
/// before Linux 5.1, what arrives between the last look and the close is lost.
pub fn step_aside(socket: &UdpSocket) {
    /// The kernel counts interfaces from 1 upwards and never came that far.
    const NO_INTERFACE: u32 = i32::MAX.cast_unsigned();
    let _ = SockRef::from(socket).bind_device_by_index_v4(NonZeroU32::new(NO_INTERFACE));
}

/// The next datagram that waits in a connected socket, from whomever it is; `None` when none
/// waits.
pub fn receive_any(socket: &UdpSocket, buf: &mut [u8]) -> Option<(usize, SocketAddrV4)> {
    match socket.recv_from(buf) {
        Ok((len, SocketAddr::V4(from))) => Some((len, from)),
        // An ICMP error is reported once and says nothing about what waits behind it, but the
        // peer is gone then.
        Ok((_, SocketAddr::V6(_))) | Err(_) => None,
    }
}

/// Sends one datagram to where `arrival` came from, from the address and the port it came to.
pub fn reply(socket: &impl AsRawFd, arrival: &Arrival, datagram: &[u8]) -> io::Result<()> {
    let info = libc::in_pktinfo {
        // Without an interface the routing table decides.
        ipi_ifindex: arrival
            .interface
            .and_then(|index| libc::c_int::try_from(index.get()).ok())
            .unwrap_or(0),
        ipi_spec_dst: libc::in_addr {
            s_addr: arrival.to.to_bits().to_be(),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(datagram)],
        &[ControlMessage::Ipv4PacketInfo(&info)],
        MsgFlags::MSG_DONTWAIT,
        Some(&SockaddrIn::from(arrival.from)),
    )?;
    Ok(())
}

/// The largest packet the kernel believes to fit on the way to the peer, in bytes.
pub fn path_mtu(socket: &UdpSocket) -> Option<u32> {
    u32::try_from(getsockopt(socket, sockopt::IpMtu).ok()?).ok()
}

/// Sends runs of datagrams of one size, in one system call per run where the kernel can cut them
/// (UDP GSO): two to three times cheaper than a call for each.
#[derive(Debug)]
pub struct Burst {
    /// Bytes of every datagram but the last one of a run.
    size: usize,
    /// Datagrams in one send; 1 once the kernel or the interface refused.
    at_once: usize,
}

impl Burst {
    /// Bursts of at most `run` datagrams of `size` bytes through `socket`.
    pub fn new(socket: &UdpSocket, size: usize, run: usize) -> Self {
        let mut burst = Self {
            size: size.max(1),
            at_once: run.min(MAX_SEGMENTS).min(MAX_SEND / size.max(1)).max(1),
        };
        if burst.at_once > 1 && cut_at(socket, size).is_err() {
            burst.at_once = 1;
        }
        burst
    }

    /// Sends `bytes` as datagrams of this burst's size, the last one perhaps shorter.
    ///
    /// # Errors
    /// Why a datagram, the last one that did not, never left this host; the rest was sent
    /// regardless. What cannot be sent at all ends it at once.
    pub fn send(&mut self, socket: &UdpSocket, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        let mut unsent = Ok(());
        loop {
            let run = rest.len().min(self.size * self.at_once);
            let (now, later) = rest.split_at(run);
            match socket.send(now) {
                Err(e) if self.at_once > 1 && now.len() > self.size && refuses_bursts(&e) => {
                    self.at_once = 1;
                    cut_at(socket, 0)?;
                    continue;
                }
                Err(e) if !is_passing(&e) => return Err(e),
                Err(e) => {
                    unsent = Err(e);
                    rest = later;
                }
                Ok(_) => rest = later,
            }
            if rest.is_empty() {
                return unsent;
            }
        }
    }
}

/// Makes the kernel cut what is sent into datagrams of `size` bytes; 0 stops that.
fn cut_at(socket: &UdpSocket, size: usize) -> io::Result<()> {
    let size = libc::c_int::try_from(size).unwrap_or(0);
    Ok(setsockopt(socket, sockopt::UdpGsoSegment, &size)?)
}

/// EIO: the interface computes no checksums. EINVAL, EMSGSIZE: the datagrams would fragment.
fn refuses_bursts(error: &io::Error) -> bool {
    let known = [
        Errno::EIO,
        Errno::EINVAL,
        Errno::EMSGSIZE,
        Errno::EOPNOTSUPP,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| known.contains(&Errno::from_raw(code)))
}

/// The datagram is gone; the next one may leave: a queue was full, or the firewall's limit or its
/// table of connections.
fn is_passing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(libc::ENOBUFS)
        || error.raw_os_error() == Some(libc::ENOMEM)
        || error.raw_os_error() == Some(libc::EPERM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn pair() -> (UdpSocket, UdpSocket) {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        receiver
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (sender, receiver)
    }

    fn arrives_as(receiver: &UdpSocket, expected: &[u8], size: usize) {
        let mut buf = [0; 4096];
        for chunk in expected.chunks(size) {
            let len = receiver.recv(&mut buf).unwrap();
            assert!(buf[..len] == *chunk);
        }
    }

    #[test]
    fn an_answer_leaves_from_where_the_request_came_in() {
        let loopback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket.bind_device(Some(b"lo")).unwrap();
        socket.bind(&loopback.into()).unwrap();
        let socket = UdpSocket::from(socket);
        prepare(&socket).unwrap();
        let machine = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let second = Ipv4Addr::new(127, 0, 0, 2);
        let port = socket.local_addr().unwrap().port();
        machine.send_to(b"hello", (second, port)).unwrap();
        let mut buf = [0; 3];
        let arrival = loop {
            match receive(&socket, &mut buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                other => break other.unwrap(),
            }
        };
        let from = machine.local_addr().unwrap();
        assert_eq!((arrival.len, arrival.to), (3, second));
        assert_eq!(SocketAddr::V4(arrival.from), from);
        let lo = nix::net::if_::if_nametoindex("lo").unwrap();
        assert_eq!(arrival.interface, NonZeroU32::new(lo));
        let answer = answer(&arrival).unwrap();
        assert_eq!(answer.local_addr().unwrap().ip(), IpAddr::V4(second));
        assert_eq!(answer.peer_addr().unwrap(), from);
        assert!(path_mtu(&answer).unwrap() > 1500);
    }

    #[test]
    fn a_burst_arrives_as_single_datagrams() {
        let bytes: Vec<u8> = (0..70_500u32)
            .map(|n| u8::try_from(n % 253).unwrap())
            .collect();
        for (len, run) in [(70_500, 64), (70_500, 7), (1000, 64), (3500, 1), (4, 16)] {
            let (sender, receiver) = pair();
            let mut burst = Burst::new(&sender, 1000, run);
            burst.send(&sender, &bytes[..len]).unwrap();
            arrives_as(&receiver, &bytes[..len], 1000);
        }
    }

    #[test]
    fn where_the_kernel_refuses_bursts_datagrams_go_one_by_one() {
        let (sender, receiver) = pair();
        let bytes = [7; 5500];
        let mut burst = Burst::new(&sender, 1000, 16);
        assert_eq!(burst.at_once, 16);
        // More pieces than any kernel cuts: it answers EINVAL, as for a route without bursts.
        cut_at(&sender, 10).unwrap();
        burst.send(&sender, &bytes).unwrap();
        assert_eq!(burst.at_once, 1, "it was refused");
        arrives_as(&receiver, &bytes, 1000);
        burst.send(&sender, &bytes).unwrap();
        arrives_as(&receiver, &bytes, 1000);
    }
}
