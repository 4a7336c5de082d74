//! ICMP echo (RFC 792), for addresses behind a relay, where ARP does not reach.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::socket::{SockaddrIn, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;

const ECHO_REPLY: u8 = 0;
const ECHO: u8 = 8;
/// Payload that identifies our own requests.
const PAYLOAD: [u8; 16] = *b"lanboot: in use?";

/// Pings an address to see whether it is in use.
#[derive(Debug)]
pub struct PingSocket {
    socket: Socket,
    /// True if packets come with their IP header.
    is_raw: bool,
    id: u16,
}

impl PingSocket {
    /// Opens it: raw if permitted (`CAP_NET_RAW`), else the kernel's ping socket
    /// (`net.ipv4.ping_group_range`).
    pub fn open() -> io::Result<Self> {
        let icmp = Some(Protocol::ICMPV4);
        let raw = Socket::new(Domain::IPV4, Type::RAW.nonblocking(), icmp);
        let (socket, is_raw) = match raw {
            Ok(socket) => (socket, true),
            Err(_) => (
                Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), icmp)?,
                false,
            ),
        };
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let id = u16::from_be_bytes([high, low]);
        Ok(Self { socket, is_raw, id })
    }

    /// Registers the socket with the event loop.
    pub fn polled(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is private to this type, is never replaced, and is closed only
        // with the value, which the `AsyncFd` owns.
        Ok(unsafe { AsyncFd::register(self) }?)
    }

    /// Sends an echo request to `target`.
    pub fn probe(&self, target: Ipv4Addr) -> io::Result<()> {
        let mut message = [0u8; 24];
        let [high, low] = self.id.to_be_bytes();
        message[..8].copy_from_slice(&[ECHO, 0, 0, 0, high, low, 0, 1]);
        message[8..].copy_from_slice(&PAYLOAD);
        let sum = super::frame::checksum(&message, 0);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let target = SocketAddr::V4(SocketAddrV4::new(target, 0));
        self.socket.send_to(&message, &target.into())?;
        Ok(())
    }

    /// Receives the next packet and returns the address that answered one of our requests, `None`
    /// for any other packet. `WouldBlock` if there is none.
    pub fn heard(&self) -> io::Result<Option<Ipv4Addr>> {
        let mut buffer = [0u8; 128];
        let (len, from) = recvfrom::<SockaddrIn>(self.socket.as_raw_fd(), &mut buffer)?;
        let from = from.ok_or(io::ErrorKind::InvalidData)?;
        let packet = buffer.get(..len).unwrap_or_default();
        let message = match packet.first() {
            Some(first) if self.is_raw => packet.get(usize::from(first & 0xf) * 4..),
            _ => Some(packet),
        };
        // The kernel's ping sockets use an identifier of their own and receive only that.
        let id = self.is_raw.then_some(self.id);
        Ok(message
            .filter(|message| is_answer(message, id))
            .map(|_| from.ip()))
    }
}

/// Returns whether an ICMP message answers one of our requests.
fn is_answer(message: &[u8], id: Option<u16>) -> bool {
    let is_ours = id.is_none_or(|id| message.get(4..6) == Some(&id.to_be_bytes()));
    message.first() == Some(&ECHO_REPLY) && is_ours && message.get(8..) == Some(&PAYLOAD)
}

// Required by `AsyncFd`.
impl AsRawFd for PingSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for PingSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_to_own_requests_count() {
        let mut answer = [ECHO_REPLY, 0, 0, 0, 1, 2, 0, 1].to_vec();
        answer.extend_from_slice(&PAYLOAD);
        assert!(is_answer(&answer, Some(0x0102)) && is_answer(&answer, None));
        assert!(!is_answer(&answer, Some(0x0103)), "another program's");
        answer[0] = 3;
        assert!(!is_answer(&answer, None), "unreachable");
        for cut in 0..answer.len() {
            assert!(!is_answer(&answer[..cut], None), "cut at {cut}");
        }
    }
}
