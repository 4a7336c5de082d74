//! Why a connection ended, or why a machine was refused something.

use crate::text::printable;

/// Longest part of a name that is told, in bytes.
const LOGGED_NAME_BYTES: usize = 256;

/// Why: one plain sentence part each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// ABORT: it looked around and left.
    #[error("the machine ended the negotiation")]
    Aborted,
    /// DISC.
    #[error("the machine disconnected")]
    Disconnected,
    /// "Client flags": the server must drop the connection.
    #[error("it set the unknown client flags {0:#x}")]
    UnknownFlags(u32),
    /// No option begins like this.
    #[error("it does not speak NBD's newstyle negotiation")]
    NotAnOption,
    /// More data than anybody needs; see [`super::MAX_SKIPPED_BYTES`].
    #[error("it sent an option of {0} bytes")]
    OptionTooLong(u32),
    /// More than [`super::MAX_OPTIONS`].
    #[error("it sent more options than {}", super::MAX_OPTIONS)]
    TooManyOptions,
    /// No such export, asked for in a way that has no answer.
    #[error("there is no such export")]
    UnknownExport,
    /// No request begins like this.
    #[error("what it sent is no NBD request")]
    NotARequest,
    /// A write of more than [`super::MAX_REQUEST_BYTES`].
    #[error("it wanted to write {0} bytes")]
    WriteTooLong(u32),
    /// A write or trim; the connection goes on.
    #[error("it wanted to write, and images are read-only")]
    ReadOnly,
    /// A request for bytes that are not there; the connection goes on.
    #[error("it asked for bytes behind the end of the disk")]
    BehindTheEnd,
    /// A request that is none; the connection goes on.
    #[error("its request makes no sense")]
    Invalid,
}

impl RejectReason {
    /// Whether the machine said goodbye as it should.
    pub fn is_goodbye(self) -> bool {
        matches!(self, Self::Aborted | Self::Disconnected)
    }
}

/// The name of an export, made printable.
pub(super) fn told(name: &[u8]) -> String {
    printable(name, LOGGED_NAME_BYTES)
}
