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
mod incoming;
mod limits;
mod netascii;
mod reason;
mod session;
mod wire;

#[cfg(test)]
mod tests;

pub use admission::{Admission, Decision, TransferId};
pub use incoming::{Incoming, classify};
pub use limits::{AdmissionLimits, Limits, MAX_DISPLACED, MAX_REQUEST};
pub use netascii::to_netascii;
pub use reason::IgnoreReason;
pub use session::{Action, Blocks, Finish, Transfer};
pub use wire::{BadPacket, ErrorCode, Failure, Mode, Options, Packet, Request, data_header};
