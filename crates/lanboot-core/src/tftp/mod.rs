//! Read-only TFTP: RFC 1350 with options (RFC 2347), blksize (2348), timeout and tsize (2349) and
//! windowsize (7440).
//!
//! [`classify`] parses a datagram on port 69; [`Transfer`] sends one file, block by block, without
//! a socket or a clock. Omitted on purpose: writing, mail mode (obsolete since 1992) and multicast
//! (RFC 2090, not used by current firmware).
//!
//! Invariants: an option that was not requested is never acknowledged; a duplicate ACK never sends
//! data again; every transfer ends after a bounded number of datagrams.

mod admission;
mod netascii;
mod packet;
mod transfer;

#[cfg(test)]
mod tests;

use std::fmt;

pub use admission::{Admission, AdmissionLimits, Decision, MAX_DISPLACED, TransferId};
pub use netascii::to_netascii;
pub use packet::{BadPacket, ErrorCode, Failure, Mode, Options, Packet, Request, data_header};
pub use transfer::{Action, Blocks, Finish, Transfer};

use crate::vfs;
use std::time::Duration;

/// Longest request parsed, in bytes. RFC 2347 §2 allows 512; only attacks are longer in practice.
pub const MAX_REQUEST: usize = 1024;

/// Limits of a transfer.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest block size accepted, in bytes of data. RFC 2348 allows up to 65464.
    pub blksize: u16,
    /// Most blocks sent before an ACK. 32 is what dnsmasq grants, so firmware is used to it.
    pub windowsize: u16,
    /// Most bytes of data sent before an ACK: what one kernel send buffer takes without blocking,
    /// and what a transfer holds in memory.
    pub window_bytes: u32,
    /// Wait for the first answer before retransmission, and the upper limit of the wait derived
    /// from measured round trips. A negotiated `timeout` replaces it.
    pub first_wait: Duration,
    /// Lower limit of the wait derived from measured round trips (as in Linux TCP): slow machines
    /// may be writing flash.
    pub shortest_wait: Duration,
    /// Upper limit of the doubled wait.
    pub longest_wait: Duration,
    /// Longest `timeout` accepted, in seconds; a longer one is not acknowledged, and the machine
    /// keeps its own. A vanished machine would occupy a transfer for `tries` times this long.
    pub timeout: u8,
    /// Least number of times the same datagrams are sent before the machine counts as gone.
    pub tries: u32,
    /// Number of times the first datagrams are sent to a machine that has not answered. One that
    /// lost them requests again; one whose address was forged receives no more than this.
    pub first_tries: u32,
    /// Shortest silence before a machine counts as gone: an option ROM may be erasing flash, or a
    /// person looking at another page of the setup. dnsmasq waits 31 s, BSD's tftpd 25 s. The wait
    /// for the last ACK is shorter, since many loaders never send it.
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

/// Meaning of a datagram on port 69.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A valid read request.
    Read(Request<'a>),
    /// A request to be rejected; send this failure from a new port.
    Refuse {
        /// Requested file name.
        name: Vec<u8>,
        /// Error to send; its text is the reason.
        failure: Failure<'static>,
    },
    /// A datagram that gets no answer.
    Ignore(IgnoreReason),
}

/// Classifies a datagram received on port 69.
pub fn classify(datagram: &[u8]) -> Incoming<'_> {
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

/// Reason a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreReason {
    /// It cannot be parsed.
    Bad(BadPacket),
    /// A request of more than [`MAX_REQUEST`] bytes.
    TooLong,
    /// Neither a read nor a write request.
    NoRequest,
    /// A duplicate of a request being answered.
    SameRequest,
    /// The limit of transfers is reached.
    TooManyTransfers,
    /// The limit of transfers for this machine is reached.
    TooManyForOne,
    /// A duplicate ACK. Answering it would cause the Sorcerer's Apprentice syndrome (RFC 1123
    /// §4.2.3.1).
    DuplicateAck,
    /// An ACK of a block before the last one confirmed.
    OldAck,
    /// An ACK of a block not sent yet.
    AckAhead,
    /// A packet invalid in a read transfer: DATA, OACK, another request.
    Unexpected,
    /// The transfer is over.
    Over,
    /// Nothing is due yet.
    NotDue,
}

reason_codes!(IgnoreReason {
    Self::TooLong => "request_too_long",
    Self::NoRequest => "not_a_request",
    Self::SameRequest => "same_request",
    Self::TooManyTransfers => "too_many_transfers",
    Self::TooManyForOne => "too_many_transfers_of_peer",
    Self::DuplicateAck => "duplicate_ack",
    Self::OldAck => "old_ack",
    Self::AckAhead => "ack_ahead",
    Self::Unexpected => "unexpected_packet",
    Self::Over => "transfer_over",
    Self::NotDue => "not_due",
} or {
    Self::Bad(bad) => bad.code(),
});

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
            Self::Unexpected => "unexpected packet in a read transfer",
            Self::Over => "the transfer is over",
            Self::NotDue => "nothing is due yet",
        })
    }
}
