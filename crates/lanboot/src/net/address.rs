//! Adds a temporary address to an interface, for as long as lanboot runs (RFC 3549, `RTM_NEWADDR`).

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::os::fd::{AsRawFd as _, OwnedFd};

use super::rights::{Capability, MoreRights};

/// An address added by this program. Dropping it removes the address again.
#[derive(Debug)]
pub struct TemporaryAddress {
    index: u32,
    address: IpNet,
    /// True if the address was not there before.
    added: bool,
    /// True if the link was down before.
    raised: bool,
}

impl TemporaryAddress {
    /// Brings the link up and adds the address; an address the interface already has is kept on
    /// drop. Needs `CAP_NET_ADMIN`.
    pub fn give(index: u32, name: &str, address: IpNet, up: bool) -> anyhow::Result<Self> {
        let wrong = |what: &str, error: io::Error| match error.raw_os_error() {
            Some(libc::EPERM) => {
                MoreRights::new(&format!("to {what} {name}"), Capability::NetAdmin).into()
            }
            _ => anyhow::Error::new(error).context(format!("cannot {what} {name}")),
        };
        if !up {
            set_link(index, true).map_err(|error| wrong("bring up", error))?;
        }
        let added = match change_address(RTM_NEWADDR, index, address) {
            Ok(()) => true,
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => false,
            Err(error) => {
                return Err(wrong(&format!("add {address} to"), error));
            }
        };
        Ok(Self {
            index,
            address,
            added,
            raised: !up,
        })
    }
}

impl Drop for TemporaryAddress {
    fn drop(&mut self) {
        // A failure here cannot be handled: the interface may be gone.
        if self.added {
            let _ = change_address(RTM_DELADDR, self.index, self.address);
        }
        if self.raised {
            let _ = set_link(self.index, false);
        }
    }
}

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;

fn change_address(kind: u16, index: u32, address: IpNet) -> io::Result<()> {
    let flags = if kind == RTM_NEWADDR {
        NLM_F_CREATE | NLM_F_EXCL
    } else {
        0
    };
    request(kind, flags, &address_message(index, address))
}

/// Returns the `struct ifaddrmsg` of an address with its attributes (`linux/if_addr.h`).
fn address_message(index: u32, address: IpNet) -> Vec<u8> {
    let (family, otherwise) = match address {
        IpNet::V4(_) => (libc::AF_INET, 2),
        IpNet::V6(_) => (libc::AF_INET6, 10),
    };
    let family = u8::try_from(family).unwrap_or(otherwise);
    // Family, prefix length, flags, scope (global), index.
    let mut body = vec![family, address.prefix_len(), 0, 0];
    body.extend_from_slice(&index.to_ne_bytes());
    let own = address.addr();
    attribute(&mut body, IFA_LOCAL, own);
    attribute(&mut body, IFA_ADDRESS, own);
    if let IpNet::V4(address) = address {
        attribute(&mut body, IFA_BROADCAST, address.broadcast().into());
    }
    body
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: IpAddr) {
    let (length, octets) = match value {
        IpAddr::V4(value) => (8u16, value.octets().to_vec()),
        IpAddr::V6(value) => (20, value.octets().to_vec()),
    };
    body.extend_from_slice(&length.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(&octets);
}

fn set_link(index: u32, up: bool) -> io::Result<()> {
    let bit = u32::try_from(libc::IFF_UP).unwrap_or(1);
    // struct ifinfomsg: family, padding, type, index, flags, mask of flags to change.
    let mut body = vec![0, 0, 0, 0];
    body.extend_from_slice(&index.to_ne_bytes());
    body.extend_from_slice(&(if up { bit } else { 0 }).to_ne_bytes());
    body.extend_from_slice(&bit.to_ne_bytes());
    request(RTM_NEWLINK, 0, &body)
}

/// Sends one request and reads its acknowledgement.
fn request(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let netlink: OwnedFd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
    // Sequence number, and port 0: the kernel assigns one.
    message.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend_from_slice(body);
    sendto(
        netlink.as_raw_fd(),
        &message,
        &NetlinkAddr::new(0, 0),
        MsgFlags::empty(),
    )?;
    let mut answer = [0u8; 4096];
    let got = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let answer = answer.get(..got).unwrap_or_default();
    let (Some(kind), Some(code)) = (answer.get(4..6), answer.get(16..20)) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    if kind != NLMSG_ERROR.to_ne_bytes() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    match i32::from_ne_bytes(code.try_into().unwrap_or_default()) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the attributes of a message as (length, type, value).
    fn attributes(message: &[u8]) -> Vec<(u16, u16, &[u8])> {
        let mut found = Vec::new();
        let mut rest = &message[8..];
        while !rest.is_empty() {
            let number = |at: usize| u16::from_ne_bytes([rest[at], rest[at + 1]]);
            let (length, kind) = (number(0), number(2));
            found.push((length, kind, &rest[4..usize::from(length)]));
            rest = &rest[usize::from(length)..];
        }
        found
    }

    #[test]
    fn an_address_has_the_attributes_of_its_family() {
        let message = address_message(7, "10.1.2.3/20".parse().unwrap());
        assert_eq!(message[..4], [2, 20, 0, 0]);
        assert_eq!(message[4..8], 7u32.to_ne_bytes());
        assert_eq!(
            attributes(&message),
            [
                (8, IFA_LOCAL, &[10, 1, 2, 3][..]),
                (8, IFA_ADDRESS, &[10, 1, 2, 3]),
                (8, IFA_BROADCAST, &[10, 1, 15, 255]),
            ]
        );
        let message = address_message(7, "2001:db8::3/64".parse().unwrap());
        assert_eq!(message[..4], [10, 64, 0, 0]);
        let own = "2001:db8::3"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets();
        assert_eq!(
            attributes(&message),
            [(20, IFA_LOCAL, &own[..]), (20, IFA_ADDRESS, &own)]
        );
    }
}
