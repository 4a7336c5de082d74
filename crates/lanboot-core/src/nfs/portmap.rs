//! The port mapper, version 2, and its successor rpcbind, versions 3 and 4 (RFC 1833), as far as
//! clients need it to find NFS and MOUNT.
//!
//! Remote registration and forwarding of calls are rejected.

use std::net::Ipv4Addr;

use super::call::{Answer, MOUNT, NFS, PORTMAP, PORTMAP_PORT, ProcedureCall, Stop, plain};
use super::reason::IgnoreReason;
use super::wire::rpc::{Accepted, Over};
use super::wire::xdr::{Reader, Writer};

/// Longest network name, address or owner accepted, in bytes.
const MAX_TEXT_BYTES: usize = 255;
/// Owner of the registered programs.
const OWNER: &[u8] = b"superuser";

/// A registered program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Program number.
    pub program: u32,
    /// Program version.
    pub version: u32,
    /// Transport protocol.
    pub over: Over,
    /// Port.
    pub port: u16,
}

impl Mapping {
    /// Returns the IP protocol number.
    pub fn protocol(&self) -> u32 {
        match self.over {
            Over::Tcp => 6,
            Over::Udp => 17,
        }
    }

    fn netid(&self) -> &'static [u8] {
        match self.over {
            Over::Tcp => b"tcp",
            Over::Udp => b"udp",
        }
    }
}

/// Lists NFS and MOUNT at `nfs_port`, for registration. MOUNT version 2 is answered too; here it
/// does not differ from 1.
pub fn mappings(nfs_port: u16) -> impl Iterator<Item = Mapping> {
    [(NFS, 3), (MOUNT, 1), (MOUNT, 2), (MOUNT, 3)]
        .into_iter()
        .flat_map(move |(program, version)| both(program, version, nfs_port))
}

fn all(nfs_port: u16) -> impl Iterator<Item = Mapping> {
    let own = [4, 3, 2].into_iter();
    own.flat_map(|version| both(PORTMAP, version, PORTMAP_PORT))
        .chain(mappings(nfs_port))
}

fn both(program: u32, version: u32, port: u16) -> [Mapping; 2] {
    [Over::Tcp, Over::Udp].map(|over| Mapping {
        program,
        version,
        over,
        port,
    })
}

pub(super) fn answer(request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    match request.call.version {
        2 => version_2(request),
        3 | 4 => rpcbind(request),
        _ => Err(Stop::Not(Accepted::NoVersion { low: 2, high: 4 })),
    }
}

/// Answers version 2 (RFC 1833 §3).
fn version_2(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    let mut success = request.success();
    let (args, out) = (&mut request.args, &mut success.out);
    match request.call.procedure {
        // NULL
        0 => {}
        // SET and UNSET
        1 | 2 => out.bool(false),
        // GETPORT
        3 => {
            let program = args.u32("the program")?;
            let version = args.u32("the version")?;
            let protocol = args.u32("the protocol")?;
            let _port = args.u32("the port")?;
            let mut known = all(request.context.nfs_port).filter(|m| m.protocol() == protocol);
            let found = choose(&mut known, program, version);
            out.u32(found.map_or(0, |mapping| mapping.port.into()));
        }
        // DUMP
        4 => {
            for mapping in all(request.context.nfs_port) {
                out.bool(true);
                out.u32(mapping.program);
                out.u32(mapping.version);
                out.u32(mapping.protocol());
                out.u32(mapping.port.into());
            }
            out.bool(false);
        }
        // CALLIT
        5 => return Err(Stop::Ignore(IgnoreReason::Forwarding)),
        _ => return Err(Stop::Not(Accepted::NoProcedure)),
    }
    Ok(plain(success))
}

/// Answers rpcbind, versions 3 and 4 (RFC 1833 §2).
fn rpcbind(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    let mut success = request.success();
    let here = request.context.here;
    let (args, out) = (&mut request.args, &mut success.out);
    match (request.call.procedure, request.call.version) {
        // NULL
        (0, _) => {}
        // SET and UNSET
        (1 | 2, _) => out.bool(false),
        // GETADDR, and GETVERSADDR, which requires exactly this version
        (procedure @ (3 | 9), version) if procedure == 3 || version == 4 => {
            let program = args.u32("the program")?;
            let version = args.u32("the version")?;
            for what in ["the network", "the address", "the owner"] {
                args.opaque(MAX_TEXT_BYTES, what)?;
            }
            // The transport is that of the call, whatever the argument (§2.2.1).
            let over = request.context.over;
            let mut known = all(request.context.nfs_port).filter(|m| m.over == over);
            let found = if procedure == 3 {
                choose(&mut known, program, version)
            } else {
                known.find(|m| (m.program, m.version) == (program, version))
            };
            let address = found.map_or_else(String::new, |m| universal(here, m.port));
            out.opaque(address.as_bytes());
        }
        // DUMP
        (4, _) => {
            for mapping in all(request.context.nfs_port) {
                entry(out, &mapping, here);
            }
            out.bool(false);
        }
        // CALLIT or BCAST, and INDIRECT
        (5 | 10, _) => return Err(Stop::Ignore(IgnoreReason::Forwarding)),
        _ => return Err(Stop::Not(Accepted::NoProcedure)),
    }
    Ok(plain(success))
}

/// Returns the mapping of this version, else any of the program: its version mismatch lists the
/// supported versions, and `rpcinfo -T udp HOST nfs` calls version 0 for that purpose.
fn choose(known: &mut dyn Iterator<Item = Mapping>, program: u32, version: u32) -> Option<Mapping> {
    let mut other = None;
    for mapping in known.filter(|m| m.program == program) {
        if mapping.version == version {
            return Some(mapping);
        }
        other = Some(mapping);
    }
    other
}

fn entry(out: &mut Writer, mapping: &Mapping, here: Ipv4Addr) {
    out.bool(true);
    out.u32(mapping.program);
    out.u32(mapping.version);
    out.opaque(mapping.netid());
    out.opaque(universal(here, mapping.port).as_bytes());
    out.opaque(OWNER);
}

/// Formats an address with its port (RFC 5665 §5.2.3.3).
fn universal(address: Ipv4Addr, port: u16) -> String {
    format!("{address}.{}.{}", port >> 8, port & 0xff)
}

/// A call to the host's own port mapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// PMAPPROC_SET: registers a program.
    Set = 1,
    /// PMAPPROC_UNSET: removes it, for every protocol.
    Unset = 2,
    /// PMAPPROC_GETPORT: returns its registered port.
    Port = 3,
}

/// Encodes the call as a datagram.
pub fn ask(xid: u32, ask: Ask, mapping: Mapping) -> Vec<u8> {
    const CALL: u32 = 0;
    let mut out = Writer::new(64);
    // AUTH_NONE twice: permission depends on the caller's address and port.
    for word in [xid, CALL, 2, PORTMAP, 2, ask as u32, 0, 0, 0, 0] {
        out.u32(word);
    }
    out.u32(mapping.program);
    out.u32(mapping.version);
    out.u32(mapping.protocol());
    out.u32(mapping.port.into());
    out.into_bytes()
}

/// Returns the single word of a successful reply: a boolean or a port; `None` for anything else.
pub fn word(reply: &[u8], xid: u32) -> Option<u32> {
    const REPLY: u32 = 1;
    let mut reader = Reader::new(reply);
    let is_ours = reader.u32("the xid").ok()? == xid && reader.u32("the type").ok()? == REPLY;
    // MSG_ACCEPTED, an empty verifier, SUCCESS
    let is_success = (0..4).all(|_| reader.u32("the status") == Ok(0));
    let word = reader.u32("the result").ok()?;
    (is_ours && is_success).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn universal_address_encodes_the_port() {
        assert_eq!(universal(Ipv4Addr::new(10, 0, 0, 1), 2049), "10.0.0.1.8.1");
    }

    #[test]
    fn another_version_is_a_fallback() {
        let tcp = || all(2049).filter(|m| m.over == Over::Tcp);
        assert_eq!(choose(&mut tcp(), NFS, 3).unwrap().version, 3);
        assert_eq!(choose(&mut tcp(), NFS, 4).unwrap().port, 2049);
        assert_eq!(choose(&mut tcp(), MOUNT, 3).unwrap().version, 3);
        assert_eq!(choose(&mut tcp(), PORTMAP, 2).unwrap().port, 111);
        assert_eq!(choose(&mut tcp(), 100_227, 3), None);
    }
}
