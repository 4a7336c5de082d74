//! Link information from the kernel besides addresses (rtnetlink(7), `RTM_GETLINK`): the kind of a
//! device, and the device it is part of.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// Message header: length, type, flags, sequence, port (`struct nlmsghdr`).
pub(super) const HEAD: usize = 16;
/// Then `struct ifinfomsg`: family, type, index, flags, mask.
pub(super) const LINK_HEAD: usize = 16;
/// Longest datagram read, in bytes: a network card may describe many virtual functions.
const MAX_DATAGRAM: usize = 64 * 1024;
/// Most datagrams read for one list: thousands of interfaces, a few in each.
const MAX_DATAGRAMS: usize = 4096;
/// Time for the kernel to answer, in seconds.
const PATIENCE: i64 = 2;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_XDP: u16 = 43;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_XDP_ATTACHED: u16 = 2;
const MACVLAN_MODE_PASSTHRU: u32 = 8;
/// Bits of an attribute's type that are flags (`NLA_TYPE_MASK`).
const TYPE_MASK: u16 = 0x3fff;

/// One link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// `bridge`, `bond`, `veth`, `tun`…; `None` for hardware.
    pub(super) kind: Option<String>,
    /// The link it is a port or member of.
    pub(super) master: Option<u32>,
    /// Kind of that link, if stated.
    pub(super) member_kind: Option<String>,
    /// The link below it.
    pub(super) lower: Option<u32>,
    /// True if it takes everything the link below receives (macvlan and macvtap in passthru mode).
    pub(super) takes_all: bool,
    /// True if an XDP program sees its packets first.
    pub(super) has_xdp: bool,
}

/// Lists all links of this network namespace.
///
/// # Errors
/// Fails if the kernel does not answer, or not like Linux.
pub(super) fn list() -> io::Result<Vec<Link>> {
    let netlink: OwnedFd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    setsockopt(
        &netlink,
        sockopt::ReceiveTimeout,
        &TimeVal::seconds(PATIENCE),
    )?;
    let length = u32::try_from(HEAD + LINK_HEAD).unwrap_or(0);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend_from_slice(&libc::RTM_GETLINK.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend_from_slice(&[0; LINK_HEAD]);
    let kernel = NetlinkAddr::new(0, 0);
    sendto(netlink.as_raw_fd(), &message, &kernel, MsgFlags::empty())?;
    let (mut links, mut buffer) = (Vec::new(), vec![0u8; MAX_DATAGRAM]);
    for _ in 0..MAX_DATAGRAMS {
        let len = recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        if !read(buffer.get(..len).unwrap_or_default(), &mut links)? {
            return Ok(links);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Parses one datagram of a list; `false` at the end of the list.
fn read(mut datagram: &[u8], links: &mut Vec<Link>) -> io::Result<bool> {
    while !datagram.is_empty() {
        let len = number(datagram, 0).and_then(|len| usize::try_from(len).ok());
        let message = len
            .filter(|len| *len >= HEAD)
            .and_then(|len| datagram.get(..len));
        let (Some(message), Some(len)) = (message, len) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match short(message, 4) {
            Some(NLMSG_DONE) => return Ok(false),
            Some(NLMSG_ERROR) => {
                let code = number(message, HEAD).map_or(0, u32::cast_signed);
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            Some(libc::RTM_NEWLINK) => links.extend(link(message)),
            _ => {}
        }
        datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// Parses an `RTM_NEWLINK` or `RTM_DELLINK`, including its header.
pub(super) fn link(message: &[u8]) -> Option<Link> {
    let mut link = Link {
        index: number(message, HEAD + 4)?,
        ..Link::default()
    };
    for (kind, value) in attributes(message.get(HEAD + LINK_HEAD..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_LINK => link.lower = number(value, 0),
            IFLA_MASTER => link.master = number(value, 0),
            IFLA_LINKINFO => info(value, &mut link),
            IFLA_XDP => {
                let mut inside = attributes(value);
                link.has_xdp = inside
                    .any(|(kind, value)| kind == IFLA_XDP_ATTACHED && value.first() > Some(&0));
            }
            _ => {}
        }
    }
    Some(link)
}

fn info(value: &[u8], link: &mut Link) {
    for (kind, value) in attributes(value) {
        match kind {
            IFLA_INFO_KIND => link.kind = Some(text(value)),
            IFLA_INFO_SLAVE_KIND => link.member_kind = Some(text(value)),
            // The kind precedes its data.
            IFLA_INFO_DATA if matches!(link.kind.as_deref(), Some("macvlan" | "macvtap")) => {
                link.takes_all = attributes(value).any(|(kind, value)| {
                    kind == IFLA_MACVLAN_MODE && number(value, 0) == Some(MACVLAN_MODE_PASSTHRU)
                });
            }
            _ => {}
        }
    }
}

/// Iterates over type and value of each attribute (`struct rtattr`); ends at a truncated one.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(short(bytes, 0)?);
        let (kind, value) = (short(bytes, 2)?, bytes.get(4..len)?);
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & TYPE_MASK, value))
    })
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, index: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let head = [&[0; 4][..], &index.to_ne_bytes(), &[0; 8]].concat();
        let body = [head, attributes.concat()].concat();
        let len = u32::try_from(HEAD + body.len()).unwrap();
        [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], &body].concat()
    }

    #[test]
    fn kind_master_mode_and_program_are_parsed() {
        let bridge = message(
            libc::RTM_NEWLINK,
            3,
            &[
                attribute(IFLA_IFNAME, b"br0\0"),
                attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, b"bridge\0")),
            ],
        );
        // Nested attributes may carry NLA_F_NESTED.
        let port = message(
            libc::RTM_NEWLINK,
            4,
            &[
                attribute(IFLA_IFNAME, b"eth0\0"),
                attribute(IFLA_MASTER, &3u32.to_ne_bytes()),
                attribute(
                    IFLA_LINKINFO | 0x8000,
                    &attribute(IFLA_INFO_SLAVE_KIND, b"bridge\0"),
                ),
                attribute(IFLA_XDP | 0x8000, &attribute(IFLA_XDP_ATTACHED, &[2])),
            ],
        );
        let mode = |mode: u32| {
            let info = [
                attribute(IFLA_INFO_KIND, b"macvtap\0"),
                attribute(
                    IFLA_INFO_DATA,
                    &attribute(IFLA_MACVLAN_MODE, &mode.to_ne_bytes()),
                ),
            ]
            .concat();
            message(
                libc::RTM_NEWLINK,
                5,
                &[
                    attribute(IFLA_LINK, &9u32.to_ne_bytes()),
                    attribute(IFLA_LINKINFO, &info),
                ],
            )
        };
        let done = message(NLMSG_DONE, 0, &[]);
        let mut links = Vec::new();
        let datagram = [bridge, port.clone(), mode(8), mode(4), done].concat();
        assert!(!read(&datagram, &mut links).unwrap(), "it says so");
        let [bridge, eth0, passthru, other] = &links[..] else {
            panic!("{links:?}")
        };
        assert_eq!(
            (&*bridge.name, bridge.kind.as_deref()),
            ("br0", Some("bridge"))
        );
        assert_eq!((eth0.master, eth0.has_xdp), (Some(3), true));
        assert_eq!(
            (eth0.kind.as_deref(), eth0.member_kind.as_deref()),
            (None, Some("bridge"))
        );
        assert!(passthru.takes_all && !other.takes_all && passthru.lower == Some(9));
    }

    #[test]
    fn malformed_attributes_end_the_list() {
        let whole = message(
            libc::RTM_NEWLINK,
            4,
            &[attribute(
                IFLA_LINKINFO,
                &attribute(IFLA_INFO_KIND, b"bond\0"),
            )],
        );
        for len in 1..whole.len() {
            assert!(read(&whole[..len], &mut Vec::new()).is_err(), "{len}");
            let _ = link(&whole[..len]);
        }
        for byte in [0, 1, 255] {
            assert!(read(&[byte; 64], &mut Vec::new()).is_err());
            assert!(attributes(&[byte; 64]).count() <= 16, "four bytes each");
        }
        let mut error = message(NLMSG_ERROR, 0, &[]);
        error[HEAD..HEAD + 4].copy_from_slice(&(-libc::EPERM).to_ne_bytes());
        let error = read(&error, &mut Vec::new()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn this_host_has_a_loopback() {
        let links = list().unwrap();
        assert!(
            links
                .iter()
                .any(|link| link.name == "lo" && link.index == 1)
        );
    }
}
