//! The reasons why an image is not there, and the exit codes they stand for.

use std::fmt;
use std::process::ExitCode;

/// The kind of a failure, by which a script decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anything else: no address gave the file, the folder cannot be written to.
    Other,
    /// The checksum or the signature is wrong, or nothing verifies the file.
    NotVerified,
    /// Another process downloads the same file.
    Busy,
    /// The disk is full.
    NoSpace,
}

/// A failure with its sentence.
#[derive(Debug)]
pub(super) struct Failure {
    /// Kind, for the exit code.
    pub(super) kind: Kind,
    error: anyhow::Error,
}

impl Kind {
    /// Makes a failure with a sentence.
    pub(super) fn because(self, sentence: String) -> Failure {
        Failure {
            kind: self,
            error: anyhow::Error::msg(sentence),
        }
    }

    /// Returns the exit code. 2 is that of a wrong command line.
    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Other => 1,
            Self::NotVerified => 3,
            Self::Busy => 4,
            Self::NoSpace => 5,
        })
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let is_full = |error: &std::io::Error| {
            matches!(
                error.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            )
        };
        let mut causes = error.chain();
        let full = causes.any(|cause| cause.downcast_ref().is_some_and(is_full));
        Self {
            kind: if full { Kind::NoSpace } else { Kind::Other },
            error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#}", self.error)
    }
}
