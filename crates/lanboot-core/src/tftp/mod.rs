//! TFTP, read only: RFC 1350 with options (RFC 2347), blksize (2348), timeout and tsize (2349)
//! and windowsize (7440).
//!
//! [`knock`] says what a datagram on port 69 wants; [`Transfer`] sends one file, block by block,
//! without a socket or a clock. Left out, on purpose: writing (this server only hands out files),
//! mail mode (obsolete since 1992) and multicast (RFC 2090, spoken by no firmware left).
//!
//! Invariants: an option that was not asked for is never answered; a duplicate ACK never sends
//! data again; every transfer ends after a bounded number of datagrams.

mod netascii;
mod packet;
mod transfer;

#[cfg(test)]
mod tests;

use std::fmt;

pub use netascii::to_netascii;
pub use packet::{BadPacket, ErrorCode, Failure, Mode, Options, Packet, Request, data_header};
pub use transfer::{Action, Blocks, Finish, Transfer};

use crate::vfs;
use std::time::Duration;

/// Longest request looked at, in bytes. RFC 2347 §2 allows 512; names in the field are longer
/// only when they are an attack.
pub const MAX_REQUEST: usize = 1024;

/// How far a transfer goes to please its machine.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest block agreed to, in bytes of data. RFC 2348 ends at 65464.
    pub blksize: u16,
    /// Most blocks sent before an ACK. 32 is what dnsmasq grants, so firmware has met it.
    pub windowsize: u16,
    /// Most bytes of data sent before an ACK: what one kernel send buffer takes without blocking,
    /// and what a transfer holds in memory.
    pub window_bytes: u32,
    /// How long the first datagram waits for its answer before it is sent again, and the longest
    /// a round trip measured later can make that wait. A `timeout` agreed on replaces it.
    pub first_wait: Duration,
    /// The shortest a measured round trip can make that wait (TCP on Linux has the same floor):
    /// slow machines write flash meanwhile.
    pub shortest_wait: Duration,
    /// Where doubling the wait stops.
    pub longest_wait: Duration,
    /// Longest `timeout` agreed to, in seconds; a longer one is left unanswered, and the machine
    /// keeps its own. A vanished machine would hold its place for `tries` times this long.
    pub timeout: u8,
    /// How often the same datagrams are sent, at least, before the machine counts as gone.
    pub tries: u32,
    /// How often the first datagrams are sent before the machine said anything. One that is there and
    /// lost them asks again; one whose address was forged gets no more than this.
    pub first_tries: u32,
    /// How long a machine may be silent, at least, before it counts as gone: an option ROM that
    /// erases flash, a person who looks at another page of the setup. dnsmasq waits for 31 s, BSD's
    /// tftpd for 25 s. Only the last ACK is not waited for that long, since many loaders never
    /// send it.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blksize: 65464,
            windowsize: 32,
            window_bytes: 65_536,
            first_wait: Duration::from_secs(1),
            shortest_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(8),
            timeout: 30,
            tries: 6,
            first_tries: 3,
            patience: Duration::from_secs(30),
        }
    }
}

/// What a datagram that reached port 69 wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A file, in a way this server can send it.
    Read(Request<'a>),
    /// Something it will not get; send this failure from a port of its own.
    Refuse {
        /// The name asked for.
        name: Vec<u8>,
        /// What to answer; its text is the reason.
        failure: Failure<'static>,
    },
    /// Nothing to answer.
    Ignore(IgnoreReason),
}

/// Sorts out a datagram that reached port 69.
pub fn knock(datagram: &[u8]) -> Incoming<'_> {
    if datagram.len() > MAX_REQUEST {
        return Incoming::Ignore(IgnoreReason::TooLong);
    }
    let request = match Packet::parse(datagram) {
        Ok(Packet::Read(request)) => request,
        Ok(Packet::Write(request)) => return refuse(request, Failure::READ_ONLY),
        Ok(_) => return Incoming::Ignore(IgnoreReason::NoRequest),
        Err(bad) => return Incoming::Ignore(IgnoreReason::Bad(bad)),
    };
    match request.mode {
        Mode::Octet | Mode::Netascii => {}
        Mode::Mail => return refuse(request, Failure::MAIL),
        Mode::Other(_) => return refuse(request, Failure::UNKNOWN_MODE),
    }
    match vfs::Path::parse(&request.name) {
        Ok(_) => Incoming::Read(request),
        Err(vfs::PathError::Climbs) => refuse(request, Failure::CLIMBS),
        Err(vfs::PathError::Nul | vfs::PathError::TooLong) => refuse(request, Failure::NOT_FOUND),
    }
}

fn refuse<'a>(request: Request<'a>, failure: Failure<'static>) -> Incoming<'a> {
    Incoming::Refuse {
        name: request.name,
        failure,
    }
}

/// Why a datagram is answered by silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreReason {
    /// It cannot be read.
    Bad(BadPacket),
    /// A request of more than [`MAX_REQUEST`] bytes.
    TooLong,
    /// It reached port 69 but is neither a read nor a write request.
    NoRequest,
    /// The same request again, while the first one is being answered.
    SameRequest,
    /// As many transfers run as the server allows.
    TooManyTransfers,
    /// As many transfers run for this machine as the server allows for one.
    TooManyForOne,
    /// An ACK that was seen before. Answering it would be the Sorcerer's Apprentice
    /// (RFC 1123 §4.2.3.1).
    DuplicateAck,
    /// An ACK of a block from before the last one that was confirmed.
    OldAck,
    /// An ACK of a block that was not sent yet.
    AckAhead,
    /// A packet that has no place in a read: DATA, OACK, another request.
    Unexpected,
    /// The transfer is over.
    Over,
    /// Nothing is due yet.
    NotDue,
}

impl fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bad(bad) => return bad.fmt(f),
            Self::TooLong => "the request is too long",
            Self::NoRequest => "not a request",
            Self::SameRequest => "the same request is being answered already",
            Self::TooManyTransfers => "too many transfers are running",
            Self::TooManyForOne => "too many transfers are running for this machine",
            Self::DuplicateAck => "the block was confirmed before",
            Self::OldAck => "a later block was confirmed before",
            Self::AckAhead => "the confirmed block was not sent yet",
            Self::Unexpected => "no such packet belongs into a read",
            Self::Over => "the transfer is over",
            Self::NotDue => "nothing is due yet",
        })
    }
}
