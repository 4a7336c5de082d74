//! Reasons a request is rejected, or does not get its file.

use super::limits::{MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS};
use crate::vfs::Damage;

/// Reason a request was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// A TLS handshake.
    #[error("it speaks TLS, and this port is plain HTTP")]
    Tls,
    /// Not HTTP, or a syntax error.
    #[error("the request is not valid HTTP")]
    Malformed,
    /// A request line without a version.
    #[error("the request is HTTP/0.9")]
    Http09,
    /// A major version other than 1.
    #[error("the request is not HTTP/1")]
    Version,
    /// A method other than GET and HEAD.
    #[error("only GET and HEAD are served")]
    Method,
    /// A request line over [`MAX_HEAD_BYTES`].
    #[error("the request line is longer than {MAX_HEAD_BYTES} bytes")]
    LineTooLong,
    /// A head over [`MAX_HEAD_BYTES`] or [`MAX_HEADERS`].
    #[error("the head has more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} fields")]
    HeadTooLong,
    /// A body over [`MAX_BODY_BYTES`].
    #[error("the request carries a body of more than {MAX_BODY_BYTES} bytes")]
    BodyTooLong,
    /// A body of unknown length.
    #[error("the request carries a body without a length")]
    LengthMissing,
    /// `Expect` with a value other than `100-continue`.
    #[error("the request expects something unknown")]
    Expectation,
}

reason_codes!(RejectReason {
    Self::Tls => "tls",
    Self::Malformed => "malformed",
    Self::Http09 => "http_0_9",
    Self::Version => "unsupported_version",
    Self::Method => "method_not_allowed",
    Self::LineTooLong => "request_line_too_long",
    Self::HeadTooLong => "head_too_long",
    Self::BodyTooLong => "body_too_long",
    Self::LengthMissing => "length_missing",
    Self::Expectation => "unknown_expectation",
});

/// Reason a well-formed request did not get the file it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The image does not hold all of the file.
    #[error("the file is {0}")]
    Damaged(Damage),
    /// A download that resumes, of a file with other contents now.
    #[error("cannot resume: the file has changed")]
    Changed,
    /// A range behind the end of the file.
    #[error("it requests a range past the end of the file")]
    RangeBehindTheEnd,
    /// A range without numbers.
    #[error("its range contains no numbers, because of a bug in this build of iPXE; update it")]
    MisprintedRange,
}

reason_codes!(Problem {
    Self::Changed => "file_changed",
    Self::RangeBehindTheEnd => "range_out_of_bounds",
    Self::MisprintedRange => "misprinted_range",
} or {
    Self::Damaged(damage) => damage.code(),
});
