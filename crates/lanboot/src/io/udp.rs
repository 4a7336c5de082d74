//! UDP for servers that answer each request from a socket of its own: packet information, a
//! connected socket to answer from, and bursts of datagrams of equal size in one system call.
//!
//! Such sockets may share the server's port ([`share_port`]). Linux delivers a datagram to the
//! socket connected to its sender rather than to any other on the same port, so the kernel
//! separates conversations by the peer's address and port.
//!
//! Packet information is that of IPv4: IPv6 has its own, which nothing here asks the kernel for.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, getsockopt, recvmsg, sendmsg,
    setsockopt, sockopt,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Most datagrams Linux splits from one send (`UDP_MAX_SEGMENTS` before 6.9).
const MAX_SEGMENTS: usize = 64;
/// Most bytes in one send: the maximum payload of an IPv4 UDP packet.
const MAX_SEND: usize = 65_507;

/// Receive buffer in bytes, including the kernel's overhead: about 1,000 requests.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// Receive information of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Length in bytes; one longer than the buffer is truncated.
    pub len: usize,
    /// Sender.
    pub from: SocketAddr,
    /// Destination address on this host (for a broadcast: that of the interface).
    pub to: IpAddr,
    /// Index of the interface it was received on.
    pub interface: Option<NonZeroU32>,
}

/// Prepares a bound socket for [`receive`]: non-blocking, with packet information, and with a
/// buffer for a classroom switched on at once.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    // The system's limit may be lower; machines then repeat lost requests.
    let _ = SockRef::from(socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    Ok(())
}

/// Receives the next datagram and its receive information.
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
        .map(|from| SocketAddr::V4(from.into()))
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut arrival = Arrival {
        len: message.bytes,
        from,
        to: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        interface: None,
    };
    for part in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = part {
            // `ipi_addr` would be the broadcast address; `ipi_spec_dst` is one of ours.
            arrival.to = Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)).into();
            arrival.interface = u32::try_from(info.ipi_ifindex)
                .ok()
                .and_then(NonZeroU32::new);
        }
    }
    Ok(arrival)
}

/// Opens a non-blocking socket connected to the sender of `arrival`, from a new port on the address
/// and interface the request was received on.
pub fn answer(arrival: &Arrival) -> io::Result<UdpSocket> {
    answer_from(arrival, 0, false)
}

/// Allows [`answer_at`] to use the port `socket` is bound to. Done after binding, so that a
/// conflict with another program is still detected.
pub fn share_port(socket: &UdpSocket) -> io::Result<()> {
    SockRef::from(socket).set_reuse_address(true)
}

/// Opens a socket like [`answer`], from `port`, for which [`share_port`] must have been called.
///
/// Between binding and connecting, the socket may have received misrouted datagrams:
/// [`receive_any`] must be called until it is empty before anything else.
pub fn answer_at(arrival: &Arrival, port: u16) -> io::Result<UdpSocket> {
    answer_from(arrival, port, true)
}

fn answer_from(arrival: &Arrival, port: u16, is_shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(arrival.from),
        Type::DGRAM.nonblocking(),
        Some(Protocol::UDP),
    )?;
    // Best effort: a kernel before 5.0 or a container may refuse, and routing is mostly right.
    let _ = socket.bind_device_by_index_v4(arrival.interface);
    if is_shared {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&SocketAddr::new(arrival.to, port).into())?;
    socket.connect(&arrival.from.into())?;
    Ok(socket.into())
}

/// Redirects new datagrams from `socket` to the server whose port it shares, so that it can be
/// emptied and closed without loss. Best effort: without `CAP_NET_RAW`, or before Linux 5.1,
/// datagrams received between the last read and the close are lost.
pub fn step_aside(socket: &UdpSocket) {
    /// An unused interface index: the kernel counts from 1.
    const NO_INTERFACE: u32 = i32::MAX.cast_unsigned();
    let _ = SockRef::from(socket).bind_device_by_index_v4(NonZeroU32::new(NO_INTERFACE));
}

/// Receives the next datagram queued in a connected socket, from any sender; `None` if there is
/// none.
pub fn receive_any(socket: &UdpSocket, buf: &mut [u8]) -> Option<(usize, SocketAddr)> {
    // An ICMP error is reported once and hides queued datagrams, but the peer is gone then.
    socket.recv_from(buf).ok()
}

/// Sends a datagram to the sender of `arrival`, from the address and port it was sent to. Only
/// IPv4, as [`receive`].
pub fn reply(socket: &impl AsRawFd, arrival: &Arrival, datagram: &[u8]) -> io::Result<()> {
    let (IpAddr::V4(own), SocketAddr::V4(peer)) = (arrival.to, arrival.from) else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let info = libc::in_pktinfo {
        // Without an interface the routing table decides.
        ipi_ifindex: arrival
            .interface
            .and_then(|index| libc::c_int::try_from(index.get()).ok())
            .unwrap_or(0),
        ipi_spec_dst: libc::in_addr {
            s_addr: own.to_bits().to_be(),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(datagram)],
        &[ControlMessage::Ipv4PacketInfo(&info)],
        MsgFlags::MSG_DONTWAIT,
        Some(&SockaddrIn::from(peer)),
    )?;
    Ok(())
}

/// Returns the largest packet that fits the path to the peer according to the kernel, in bytes.
pub fn path_mtu(socket: &UdpSocket) -> Option<u32> {
    u32::try_from(getsockopt(socket, sockopt::IpMtu).ok()?).ok()
}

/// Sends runs of datagrams of one size, with one system call per run if the kernel can split them
/// (UDP GSO): two to three times cheaper than a call for each.
#[derive(Debug)]
pub struct Burst {
    /// Bytes of every datagram except the last of a run.
    size: usize,
    /// Datagrams in one send; 1 once the kernel or the interface refused.
    at_once: usize,
}

impl Burst {
    /// Creates bursts of at most `run` datagrams of `size` bytes through `socket`.
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

    /// Sends `bytes` as datagrams of this burst's size; the last one may be shorter.
    ///
    /// # Errors
    /// Fails with the error of the last datagram that did not leave this host; the others were sent
    /// regardless. A permanent error ends it at once.
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

/// Makes the kernel split data into datagrams of `size` bytes; 0 disables that.
fn cut_at(socket: &UdpSocket, size: usize) -> io::Result<()> {
    let size = libc::c_int::try_from(size).unwrap_or(0);
    Ok(setsockopt(socket, sockopt::UdpGsoSegment, &size)?)
}

/// Returns whether bursts are not possible. EIO: the interface computes no checksums. EINVAL,
/// EMSGSIZE: the datagrams would be fragmented.
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

/// Returns whether only this datagram is lost and the next one may be sent: a queue was full, or a
/// firewall's rate limit or connection table was.
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
    fn answers_use_the_requests_address_and_interface() {
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
        assert_eq!((arrival.len, arrival.to), (3, second.into()));
        assert_eq!(arrival.from, from);
        let lo = nix::net::if_::if_nametoindex("lo").unwrap();
        assert_eq!(arrival.interface, NonZeroU32::new(lo));
        let answer = answer(&arrival).unwrap();
        assert_eq!(answer.local_addr().unwrap().ip(), second);
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
    fn datagrams_are_sent_singly_if_bursts_are_refused() {
        let (sender, receiver) = pair();
        let bytes = [7; 5500];
        let mut burst = Burst::new(&sender, 1000, 16);
        assert_eq!(burst.at_once, 16);
        // More segments than any kernel splits: it answers EINVAL, as for a route without bursts.
        cut_at(&sender, 10).unwrap();
        burst.send(&sender, &bytes).unwrap();
        assert_eq!(burst.at_once, 1, "it was refused");
        arrives_as(&receiver, &bytes, 1000);
        burst.send(&sender, &bytes).unwrap();
        arrives_as(&receiver, &bytes, 1000);
    }
}
