//! Changes to the interfaces of this host, as reported by the kernel (rtnetlink(7)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use tokio::io::unix::AsyncFd;

use super::links::{self, HEAD};

/// Longest datagram accepted, in bytes: the kernel puts several messages into one, of at most a
/// page or 8 KiB (`NLMSG_GOODSIZE`).
const MAX_DATAGRAM: usize = 32 * 1024;

/// A change to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The link state of an interface was reported, possibly after a short interruption.
    Link {
        /// Interface index.
        index: u32,
        /// True if it has a link.
        up: bool,
        /// True if it is a port or member of another interface.
        is_member: bool,
    },
    /// Another device starts or stops taking everything the interface receives.
    Taken {
        /// Interface index.
        index: u32,
    },
    /// An address was added or removed.
    Addresses,
    /// Messages were lost; anything may have changed.
    Missed,
}

/// Receives changes.
#[derive(Debug)]
pub struct ChangeSocket(OwnedFd);

impl ChangeSocket {
    /// Opens the socket; changes from then on are received.
    pub fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR;
        let groups = u32::try_from(groups).unwrap_or(0);
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self(socket))
    }

    /// Registers the socket with the event loop.
    pub fn polled(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is private to this type, is never replaced, and is closed only
        // with the value, which the `AsyncFd` owns.
        Ok(unsafe { AsyncFd::register(self) }?)
    }

    /// Receives the next changes, in order. `WouldBlock` if there are none.
    pub fn heard(&self) -> io::Result<Vec<Change>> {
        let mut buffer = [0u8; MAX_DATAGRAM];
        match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(len) => Ok(changes(buffer.get(..len).unwrap_or_default())),
            Err(nix::Error::ENOBUFS) => Ok(vec![Change::Missed]),
            Err(error) => Err(error.into()),
        }
    }
}

/// Parses a datagram of the kernel.
fn changes(mut datagram: &[u8]) -> Vec<Change> {
    let mut changes = Vec::new();
    while let Some(len) = number(datagram, 0) {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let message = datagram.get(..len).filter(|_| len >= HEAD);
        let Some(message) = message else {
            // Truncated, or not from the kernel.
            changes.push(Change::Missed);
            break;
        };
        changes.extend(change(message));
        datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    changes
}

/// Parses one message, including its header.
fn change(message: &[u8]) -> Option<Change> {
    // `struct ifinfomsg`: family, type, index, flags. A port that joins or leaves a bridge is
    // reported with the bridge's family; its own link is unchanged.
    let link = |is_there: bool| {
        let is_own = message.get(HEAD) == Some(&0);
        let running = u32::try_from(libc::IFF_RUNNING).unwrap_or(0);
        let up = number(message, HEAD + 8)? & running != 0;
        let link = links::link(message)?;
        if let (true, Some(index)) = (link.takes_all, link.lower) {
            return Some(Change::Taken { index });
        }
        is_own.then_some(Change::Link {
            index: link.index,
            up: up && is_there,
            is_member: link.master.is_some() && is_there,
        })
    };
    match u16::from_ne_bytes(*message.get(4..6)?.first_chunk()?) {
        libc::RTM_NEWLINK => link(true),
        libc::RTM_DELLINK => link(false),
        libc::RTM_NEWADDR | libc::RTM_DELADDR => Some(Change::Addresses),
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

// Required by `AsyncFd`.
impl AsRawFd for ChangeSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for ChangeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, family: u8, index: u32, flags: i32) -> Vec<u8> {
        let body = [
            &[family, 0, 1, 0][..],
            &index.to_ne_bytes(),
            &flags.to_ne_bytes(),
            &[0; 4],
            // An attribute whose length is not a multiple of four.
            b"\x05\0\x03\0x",
        ]
        .concat();
        let len = u32::try_from(HEAD + body.len()).unwrap();
        let mut bytes = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], &body].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn links_and_addresses_are_parsed_in_order() {
        let running = libc::IFF_UP | libc::IFF_RUNNING;
        let datagram = [
            message(libc::RTM_NEWLINK, 0, 3, libc::IFF_UP),
            message(libc::RTM_NEWLINK, 0, 3, running),
            message(libc::RTM_DELADDR, 2, 3, 0),
            message(libc::RTM_NEWLINK, 7, 4, 0),
            message(libc::RTM_NEWROUTE, 2, 4, 0),
            message(libc::RTM_DELLINK, 0, 5, running),
        ]
        .concat();
        let link = |index, up| Change::Link {
            index,
            up,
            is_member: false,
        };
        let expected = [
            link(3, false),
            link(3, true),
            Change::Addresses,
            link(5, false),
        ];
        assert_eq!(changes(&datagram), expected);
        assert_eq!(changes(&[]), []);
    }

    #[test]
    fn truncated_datagrams_count_as_missed() {
        let datagram = message(libc::RTM_NEWLINK, 0, 3, 0);
        let whole = datagram.len() - 3;
        for len in 4..whole {
            assert_eq!(changes(&datagram[..len]), [Change::Missed], "{len}");
        }
        assert_eq!(changes(&[0; 64]), [Change::Missed]);
        assert_eq!(changes(&[255; 64]), [Change::Missed]);
    }

    #[test]
    fn no_changes_without_events() {
        let socket = ChangeSocket::open().unwrap();
        // Other programs on this host may change something meanwhile.
        assert!(match socket.heard() {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        });
    }
}
