//! Reasons a connection ended or a request was rejected.

use super::limits::MAX_OPTIONS;
use crate::text::printable;

/// Longest part of a name that is logged, in bytes.
const LOGGED_NAME_BYTES: usize = 256;

/// Reason for a rejection, as one clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// ABORT: the client ended the negotiation.
    #[error("the machine ended the negotiation")]
    Aborted,
    /// DISC: the client disconnected.
    #[error("the machine disconnected")]
    Disconnected,
    /// "Client flags": the server must drop the connection.
    #[error("it set the unknown client flags {0:#x}")]
    UnknownFlags(u32),
    /// No option magic.
    #[error("it does not speak NBD's newstyle negotiation")]
    NotAnOption,
    /// More option data than [`super::limits::MAX_SKIPPED_BYTES`].
    #[error("it sent an option of {0} bytes")]
    OptionTooLong(u32),
    /// More options than [`MAX_OPTIONS`].
    #[error("it sent more options than {MAX_OPTIONS}")]
    TooManyOptions,
    /// No such export, requested by an option without an error reply.
    #[error("there is no such export")]
    UnknownExport,
    /// The export is a folder or an archive.
    #[error("that image is a folder or an archive, and so no disk")]
    NoDisk,
    /// No request magic.
    #[error("it sent an invalid NBD request")]
    NotARequest,
    /// A write of more than [`super::limits::MAX_REQUEST_BYTES`].
    #[error("it wanted to write {0} bytes")]
    WriteTooLong(u32),
    /// A write or trim; the connection continues.
    #[error("it wanted to write, and images are read-only")]
    ReadOnly,
    /// A request past the end; the connection continues.
    #[error("it requested bytes past the end of the disk")]
    BehindTheEnd,
    /// An invalid request; the connection continues.
    #[error("its request is invalid")]
    Invalid,
}

reason_codes!(RejectReason {
    Self::Aborted => "aborted",
    Self::Disconnected => "disconnected",
    Self::UnknownFlags(_) => "unknown_flags",
    Self::NotAnOption => "not_nbd",
    Self::OptionTooLong(_) => "option_too_long",
    Self::TooManyOptions => "too_many_options",
    Self::UnknownExport => "unknown_export",
    Self::NoDisk => "no_disk",
    Self::NotARequest => "not_a_request",
    Self::WriteTooLong(_) => "write_too_long",
    Self::ReadOnly => "read_only",
    Self::BehindTheEnd => "out_of_range",
    Self::Invalid => "invalid_request",
});

impl RejectReason {
    /// Returns whether the client ended the connection in an orderly way.
    pub fn is_goodbye(self) -> bool {
        matches!(self, Self::Aborted | Self::Disconnected)
    }
}

/// Returns the printable name of an export.
pub(super) fn printable_name(name: &[u8]) -> String {
    printable(name, LOGGED_NAME_BYTES)
}
