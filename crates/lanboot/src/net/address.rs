//! Adds a temporary address to an interface, for as long as lanboot runs (RFC 3549, `RTM_NEWADDR`).

use std::io;
use std::net::Ipv4Addr;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::os::fd::{AsRawFd as _, OwnedFd};

use super::rights::{Capability, MoreRights};

/// An address added by this program. Dropping it removes the address again.
#[derive(Debug)]
pub struct TemporaryAddress {
    index: u32,
    address: Ipv4Addr,
    prefix: u8,
    /// True if the address was not there before.
    added: bool,
    /// True if the link was down before.
    raised: bool,
}

impl TemporaryAddress {
    /// Brings the link up and adds the address; an address the interface already has is kept on
    /// drop. Needs `CAP_NET_ADMIN`.
    pub fn give(
        index: u32,
        name: &str,
        address: Ipv4Addr,
        prefix: u8,
        up: bool,
    ) -> anyhow::Result<Self> {
        let wrong = |what: &str, error: io::Error| match error.raw_os_error() {
            Some(libc::EPERM) => {
                MoreRights::new(&format!("to {what} {name}"), Capability::NetAdmin).into()
            }
            _ => anyhow::Error::new(error).context(format!("cannot {what} {name}")),
        };
        if !up {
            set_link(index, true).map_err(|error| wrong("bring up", error))?;
        }
        let added = match change_address(RTM_NEWADDR, index, address, prefix) {
            Ok(()) => true,
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => false,
            Err(error) => {
                return Err(wrong(&format!("add {address}/{prefix} to"), error));
            }
        };
        Ok(Self {
            index,
            address,
            prefix,
            added,
            raised: !up,
        })
    }
}

impl Drop for TemporaryAddress {
    fn drop(&mut self) {
        // A failure here cannot be handled: the interface may be gone.
        if self.added {
            let _ = change_address(RTM_DELADDR, self.index, self.address, self.prefix);
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

fn change_address(kind: u16, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let inet = u8::try_from(libc::AF_INET).unwrap_or(2);
    // struct ifaddrmsg: family, prefix length, flags, scope (global), index.
    let mut body = vec![inet, prefix, 0, 0];
    body.extend_from_slice(&index.to_ne_bytes());
    let broadcast = Ipv4Addr::from_bits(
        address.to_bits() | u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0),
    );
    for (attribute, value) in [
        (IFA_LOCAL, address),
        (IFA_ADDRESS, address),
        (IFA_BROADCAST, broadcast),
    ] {
        body.extend_from_slice(&8u16.to_ne_bytes());
        body.extend_from_slice(&attribute.to_ne_bytes());
        body.extend_from_slice(&value.octets());
    }
    let flags = if kind == RTM_NEWADDR {
        NLM_F_CREATE | NLM_F_EXCL
    } else {
        0
    };
    request(kind, flags, &body)
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
