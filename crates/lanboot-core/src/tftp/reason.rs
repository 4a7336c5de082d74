//! Reasons a datagram gets no answer.

use std::fmt;

use super::wire::BadPacket;

/// Reason a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreReason {
    /// It cannot be parsed.
    Bad(BadPacket),
    /// A request of more than [`super::MAX_REQUEST`] bytes.
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
