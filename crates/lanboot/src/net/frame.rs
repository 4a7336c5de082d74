//! Raw frames: replies to machines that have no address yet, and ARP probes before an address is
//! offered. All sockets are opened at start; sending needs no privileges after that.

use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use lanboot_core::machine::Mac;
use socket2::{SockFilter, SockRef};
use tokio::io::unix::AsyncFd;

const ETH_P_ALL: u16 = 0x0003;
pub(super) const ETH_P_IP: u16 = 0x0800;
const ETH_P_ARP: u16 = 0x0806;
/// Size of `sockaddr_ll`.
#[allow(clippy::cast_possible_truncation, reason = "it is 20")]
const ADDRESS_LEN: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// Sends UDP datagrams in frames addressed by hardware address (RFC 2131 §4.1: a client without
/// an address that can receive unicast).
#[derive(Debug)]
pub struct FrameSocket {
    socket: OwnedFd,
    index: u32,
}

impl FrameSocket {
    /// Opens it on the interface with this index. Needs `CAP_NET_RAW`.
    pub fn open(index: u32) -> io::Result<Self> {
        // Protocol 0: this socket receives nothing.
        Ok(Self {
            socket: packet_socket(0)?,
            index,
        })
    }

    /// Sends `payload` from `source`:67 to `target`:68 in a frame for `mac`.
    pub fn send(
        &self,
        source: Ipv4Addr,
        target: Ipv4Addr,
        mac: Mac,
        payload: &[u8],
    ) -> io::Result<()> {
        let packet = udp_packet((source, SERVER_PORT), (target, CLIENT_PORT), payload)?;
        send_to(&self.socket, self.index, ETH_P_IP, mac, &packet)
    }
}

/// Looks for DHCP servers as a client without an address, and receives what servers broadcast to
/// other clients.
#[derive(Debug)]
pub struct ClientSocket {
    socket: OwnedFd,
    index: u32,
}

impl ClientSocket {
    /// Opens it on the interface with this index. Needs `CAP_NET_RAW`. It is raw because the host's
    /// own DHCP client uses port 68.
    pub fn open(index: u32) -> io::Result<Self> {
        let socket = hearing(index, &for_interface(index, ETH_P_IP, FOR_CLIENTS))?;
        Ok(Self { socket, index })
    }

    /// Registers the socket with the event loop.
    pub fn polled(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is private to this type, is never replaced, and is closed only
        // with the value, which the `AsyncFd` owns.
        Ok(unsafe { AsyncFd::register(self) }?)
    }

    /// Sends `payload` to every server.
    pub fn ask(&self, payload: &[u8]) -> io::Result<()> {
        let source = (Ipv4Addr::UNSPECIFIED, CLIENT_PORT);
        let packet = udp_packet(source, (Ipv4Addr::BROADCAST, SERVER_PORT), payload)?;
        send_to(&self.socket, self.index, ETH_P_IP, Mac([0xff; 6]), &packet)
    }

    /// Receives the next packet to port 68: its sender and payload, `None` for a malformed one.
    /// `WouldBlock` if there is none.
    pub fn heard(&self) -> io::Result<Option<(Ipv4Addr, Vec<u8>)>> {
        let mut packet = [0u8; 2048];
        let got = receive(&self.socket, &mut packet)?;
        Ok(client_payload(got).map(|(source, payload)| (source, payload.to_vec())))
    }
}

// Instructions of the kernel's packet filters that both filters below use.
pub(super) const IF_EQUAL: u16 = 0x15;
pub(super) const IF_ANY_BIT: u16 = 0x45;
pub(super) const RETURN: u16 = 0x06;

/// Passes only unfragmented UDP datagrams to port 68, in the kernel: the interface carries whole
/// file systems to machines. Offsets count from the IP header.
const FOR_CLIENTS: [SockFilter; 9] = {
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_HALF_BEHIND_X: u16 = 0x48;
    const X_IS_HEADER_LENGTH: u16 = 0xb1;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 9),
        SockFilter::new(IF_EQUAL, 0, 5, libc::IPPROTO_UDP as u32),
        SockFilter::new(LOAD_HALF, 0, 0, 6),
        SockFilter::new(IF_ANY_BIT, 3, 0, 0x3fff),
        SockFilter::new(X_IS_HEADER_LENGTH, 0, 0, 0),
        SockFilter::new(LOAD_HALF_BEHIND_X, 0, 0, 2),
        SockFilter::new(IF_EQUAL, 1, 0, CLIENT_PORT as u32),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
};

/// Passes only packets of one Ethernet type received for the interface itself; followed by another
/// filter. These sockets see every frame before bridges, tc, nftables' netdev hooks and firewalls
/// do, so silence means silence on the wire; they also see outgoing frames and those of other VLANs
/// on the same cable, where DHCP servers and addresses are irrelevant. Tag 0 is only a priority.
pub(super) fn for_interface(
    index: u32,
    kind: u16,
    then: impl IntoIterator<Item = SockFilter>,
) -> Vec<SockFilter> {
    const LOAD: u16 = 0x20;
    // SKF_AD_OFF and its offsets: SKF_AD_PROTOCOL, SKF_AD_PKTTYPE, SKF_AD_IFINDEX, SKF_AD_VLAN_TAG,
    // SKF_AD_VLAN_TAG_PRESENT.
    const AT: u32 = 0xffff_f000;
    const AT_PROTOCOL: u32 = AT;
    const AT_KIND: u32 = AT + 4;
    const AT_INTERFACE: u32 = AT + 8;
    const AT_TAG: u32 = AT + 44;
    const AT_HAS_TAG: u32 = AT + 48;
    const TAG_NUMBER: u32 = 0xfff;
    const FOR_SOMEBODY_ELSE: u32 = libc::PACKET_OTHERHOST as u32;
    const LEAVES: u32 = libc::PACKET_OUTGOING as u32;
    let own = [
        SockFilter::new(LOAD, 0, 0, AT_INTERFACE),
        SockFilter::new(IF_EQUAL, 0, 9, index),
        SockFilter::new(LOAD, 0, 0, AT_KIND),
        SockFilter::new(IF_EQUAL, 7, 0, FOR_SOMEBODY_ELSE),
        SockFilter::new(IF_EQUAL, 6, 0, LEAVES),
        SockFilter::new(LOAD, 0, 0, AT_PROTOCOL),
        SockFilter::new(IF_EQUAL, 0, 4, u32::from(kind)),
        SockFilter::new(LOAD, 0, 0, AT_HAS_TAG),
        SockFilter::new(IF_EQUAL, 3, 0, 0),
        SockFilter::new(LOAD, 0, 0, AT_TAG),
        SockFilter::new(IF_ANY_BIT, 0, 1, TAG_NUMBER),
        SockFilter::new(RETURN, 0, 0, 0),
    ];
    own.into_iter().chain(then).collect()
}

/// Opens a socket that receives the frames of an interface that `filter` passes.
pub(super) fn hearing(index: u32, filter: &[SockFilter]) -> io::Result<OwnedFd> {
    // Bound last: before the filter is attached it would receive every packet of the interface.
    let socket = packet_socket(0)?;
    ignore_outgoing(&socket);
    SockRef::from(&socket).attach_filter(filter)?;
    bind(&socket, index, ETH_P_ALL)?;
    Ok(socket)
}

/// Saves the kernel a copy of every outgoing packet; before Linux 4.20 only the filter drops them.
fn ignore_outgoing(socket: &OwnedFd) {
    const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open, and the option reads one int at the address given.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of::<libc::c_int>().try_into().unwrap_or(4),
        )
    };
}

// Required by `AsyncFd`.
impl AsRawFd for ClientSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for ClientSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Parses an IPv4 packet with an unfragmented UDP datagram to port 68 into sender and payload.
fn client_payload(packet: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
    let datagram = packet.get(header..)?;
    let port = u16::from_be_bytes([*datagram.get(2)?, *datagram.get(3)?]);
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    // The rest of the frame may be padding.
    let len = usize::from(u16::from_be_bytes([*datagram.get(4)?, *datagram.get(5)?]));
    let fits = packet.first()? >> 4 == 4 && header >= 20 && fragment == 0;
    (fits && *packet.get(9)? == 17 && port == CLIENT_PORT)
        .then(|| datagram.get(8..len.min(datagram.len())))
        .flatten()
        .map(|payload| (source.into(), payload))
}

/// Probes addresses by ARP, and receives the answers.
#[derive(Debug)]
pub struct ArpSocket {
    socket: OwnedFd,
    index: u32,
    mac: Mac,
}

impl ArpSocket {
    /// Opens it on the interface with this index and hardware address. Needs `CAP_NET_RAW`.
    pub fn open(index: u32, mac: Mac) -> io::Result<Self> {
        const ALL: [SockFilter; 1] = [SockFilter::new(RETURN, 0, 0, u32::MAX)];
        let socket = hearing(index, &for_interface(index, ETH_P_ARP, ALL))?;
        Ok(Self { socket, index, mac })
    }

    /// Registers the socket with the event loop.
    pub fn polled(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is private to this type, is never replaced, and is closed only
        // with the value, which the `AsyncFd` owns.
        Ok(unsafe { AsyncFd::register(self) }?)
    }

    /// Sends a probe for `target` (RFC 5227 §2.1.1: sender address zero, so no cache on the LAN
    /// learns a wrong one).
    pub fn probe(&self, target: Ipv4Addr) -> io::Result<()> {
        let mut packet = [0u8; 28];
        let fields: [(usize, &[u8]); 7] = [
            (0, &1u16.to_be_bytes()),
            (2, &ETH_P_IP.to_be_bytes()),
            (4, &[6, 4]),
            (6, &1u16.to_be_bytes()),
            (8, &self.mac.0),
            (18, &[0; 6]),
            (24, &target.octets()),
        ];
        for (at, bytes) in fields {
            packet[at..at + bytes.len()].copy_from_slice(bytes);
        }
        send_to(&self.socket, self.index, ETH_P_ARP, Mac([0xff; 6]), &packet)
    }

    /// Receives the next ARP packet and returns its sender's address. `WouldBlock` if there is
    /// none.
    pub fn heard(&self) -> io::Result<Option<(Ipv4Addr, Mac)>> {
        let mut packet = [0u8; 64];
        Ok(sender(receive(&self.socket, &mut packet)?))
    }
}

// Required by `AsyncFd`.
impl AsRawFd for ArpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for ArpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

pub(super) fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    // SAFETY: the buffer is valid for its length for the duration of the call.
    let got = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            0,
        )
    };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    Ok(buffer.get(..got).unwrap_or_default())
}

fn sender(packet: &[u8]) -> Option<(Ipv4Addr, Mac)> {
    let mac: [u8; 6] = packet.get(8..14)?.try_into().ok()?;
    let address: [u8; 4] = packet.get(14..18)?.try_into().ok()?;
    let address = Ipv4Addr::from(address);
    let ethernet_ip = packet.get(..6)? == [0, 1, 8, 0, 6, 4];
    (ethernet_ip && !address.is_unspecified()).then_some((address, Mac(mac)))
}

fn packet_socket(protocol: u16) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointer is passed.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, i32::from(protocol.to_be())) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn link_address(index: u32, protocol: u16, mac: Mac) -> libc::sockaddr_ll {
    // SAFETY: sockaddr_ll is plain integers and arrays; all zeros is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).unwrap_or(0);
    address.sll_halen = 6;
    address.sll_addr[..6].copy_from_slice(&mac.0);
    address
}

fn bind(socket: &OwnedFd, index: u32, protocol: u16) -> io::Result<()> {
    let address = link_address(index, protocol, Mac([0; 6]));
    // SAFETY: `address` is a valid sockaddr_ll and the length is its size.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), ADDRESS_LEN) };
    if bound < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn send_to(socket: &OwnedFd, index: u32, protocol: u16, mac: Mac, bytes: &[u8]) -> io::Result<()> {
    let address = link_address(index, protocol, mac);
    // SAFETY: `bytes` and `address` are valid for the lengths given for the whole call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT,
            (&raw const address).cast(),
            ADDRESS_LEN,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Builds an IPv4 packet with a UDP datagram, including both checksums.
fn udp_packet(
    (source, source_port): (Ipv4Addr, u16),
    (target, target_port): (Ipv4Addr, u16),
    payload: &[u8],
) -> io::Result<Vec<u8>> {
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let udp_len = u16::try_from(payload.len() + 8).map_err(too_long)?;
    let total = u16::try_from(payload.len() + 28).map_err(too_long)?;
    let mut packet = Vec::with_capacity(usize::from(total));
    packet.extend_from_slice(&[0x45, 0x10]);
    packet.extend_from_slice(&total.to_be_bytes());
    // No identification, not fragmented, TTL 64, UDP, checksum filled in below.
    packet.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&target.octets());
    let header_sum = checksum(&packet, 0);
    packet[10..12].copy_from_slice(&header_sum.to_be_bytes());
    packet.extend_from_slice(&source_port.to_be_bytes());
    packet.extend_from_slice(&target_port.to_be_bytes());
    packet.extend_from_slice(&udp_len.to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    // The pseudo header: both addresses, the protocol and the UDP length (RFC 768).
    let pseudo = sum(&packet[12..20]) + 17 + u32::from(udp_len);
    let udp_sum = match checksum(&packet[20..], pseudo) {
        // Zero would mean "no checksum".
        0 => 0xffff,
        sum => sum,
    };
    packet[26..28].copy_from_slice(&udp_sum.to_be_bytes());
    Ok(packet)
}

fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum()
}

/// Computes the Internet checksum (RFC 1071).
pub(super) fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut total = start + sum(bytes);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    let [_, _, high, low] = total.to_be_bytes();
    !u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_checksums_verify() {
        for len in [0u16, 1, 2, 299, 300, 548, 1472] {
            let payload: Vec<u8> = (0..len)
                .map(|n| n.wrapping_mul(7).to_be_bytes()[1])
                .collect();
            let (source, target) = (
                Ipv4Addr::new(192, 168, 0, 1),
                Ipv4Addr::new(192, 168, 0, 50),
            );
            let packet = udp_packet((source, 67), (target, 68), &payload).unwrap();
            assert_eq!(packet.len(), 28 + usize::from(len));
            assert_eq!(checksum(&packet[..20], 0), 0, "header of {len}");
            let pseudo = sum(&packet[12..20]) + 17 + (u32::from(len) + 8);
            assert_eq!(checksum(&packet[20..], pseudo), 0, "datagram of {len}");
        }
        let here = (Ipv4Addr::LOCALHOST, 68);
        assert!(udp_packet(here, here, &[0; 70_000]).is_err());
    }

    #[test]
    fn only_dhcp_client_packets_are_received() {
        let (server, all) = ((Ipv4Addr::new(10, 0, 0, 1), 67), Ipv4Addr::BROADCAST);
        let packet = udp_packet(server, (all, 68), b"offer").unwrap();
        assert_eq!(client_payload(&packet), Some((server.0, &b"offer"[..])));
        let padded = [&packet[..], &[0; 20]].concat();
        assert_eq!(client_payload(&padded), Some((server.0, &b"offer"[..])));
        assert_eq!(
            client_payload(&udp_packet(server, (all, 69), b"offer").unwrap()),
            None
        );
        let mut fragment = packet.clone();
        fragment[6] = 0x20;
        assert_eq!(client_payload(&fragment), None);
        for cut in 0..28 {
            assert_eq!(client_payload(&packet[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn answers_have_a_sender_and_probes_have_none() {
        let mut answer = [0u8; 28];
        answer[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 2]);
        answer[8..14].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
        answer[14..18].copy_from_slice(&[10, 0, 0, 9]);
        assert_eq!(
            sender(&answer),
            Some((Ipv4Addr::new(10, 0, 0, 9), Mac([2, 0, 0, 0, 0, 9])))
        );
        answer[14..18].copy_from_slice(&[0; 4]);
        assert_eq!(sender(&answer), None, "a probe");
        assert_eq!(sender(&answer[..17]), None, "cut short");
    }
}
