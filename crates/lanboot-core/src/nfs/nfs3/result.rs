//! Status and failures of procedures, and the file that a handle leads to.

use super::super::attr::File;
use super::super::call::{Answer, CallOutcome, ProcedureCall, Stop, plain};
use super::super::handle::{Handle, NoHandle};
use super::super::limits::MAX_HANDLE_BYTES;
use super::super::wire::rpc::{Over, Success};
use super::super::wire::xdr::{Fault, Writer};

/// `nfsstat3`, the values used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok = 0,
    NoEntry = 2,
    Io = 5,
    NotADirectory = 20,
    IsADirectory = 21,
    Invalid = 22,
    ReadOnly = 30,
    NameTooLong = 63,
    Stale = 70,
    BadHandle = 10_001,
    BadCookie = 10_003,
    TooSmall = 10_005,
}

impl Writer {
    pub(super) fn status(&mut self, status: Status) {
        self.u32(status as u32);
    }

    /// Writes `post_op_attr` without attributes.
    pub(super) fn no_attributes(&mut self) {
        self.bool(false);
    }
}

impl<'a> ProcedureCall<'a> {
    /// Resolves the next handle; the inner error is the status to return.
    pub(super) fn file(&mut self) -> Result<Result<File<'a>, Status>, Fault> {
        let bytes = self.args.opaque(MAX_HANDLE_BYTES, "the handle")?;
        let exports = self.server.exports;
        Ok(match self.server.handles.read(bytes) {
            Ok(Handle { image, node }) => exports
                .volume(image)
                .and_then(|volume| File::of(volume, node))
                .ok_or(Status::Stale),
            // It may have been made before the key was lost: a client looks the path up again if a
            // handle is stale, and gives up if it is bad.
            Err(NoHandle::WrongTag) => Err(Status::Stale),
            Err(NoHandle::Bad) => Err(Status::BadHandle),
        })
    }
}

/// Returns a reply about a file.
pub(super) fn about(file: &File<'_>, success: Success) -> Result<Answer, Stop> {
    Ok(Answer {
        reply: success.done(),
        outcome: CallOutcome::Used {
            identity: file.volume.identity,
            image: file.volume.image,
        },
    })
}

/// Returns a failure about an invalid handle, with `words` zeros after the status.
pub(super) fn failed(mut success: Success, status: Status, words: usize) -> Result<Answer, Stop> {
    success.out.status(status);
    for _ in 0..words {
        success.out.u32(0);
    }
    Ok(plain(success))
}

/// Returns a failure about `file`, with its attributes after the status.
pub(super) fn failed_at(
    file: &File<'_>,
    mut success: Success,
    status: Status,
) -> Result<Answer, Stop> {
    success.out.status(status);
    file.post_op(&mut success.out);
    about(file, success)
}

/// Returns the limit for a transport; over UDP a reply must fit a datagram.
pub(super) fn fits(over: Over, tcp: u32, udp: u32) -> u32 {
    match over {
        Over::Tcp => tcp,
        Over::Udp => udp,
    }
}
