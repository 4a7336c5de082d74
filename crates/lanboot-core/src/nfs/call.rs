//! A call as the programs see it: how it came, what it is answered from, and its outcome.

use std::net::Ipv4Addr;

use super::export::Exports;
use super::handle::Handles;
use super::reason::{IgnoreReason, Refusal};
use super::wire::rpc::{Accepted, Call, Over, Success, Who};
use super::wire::xdr::{Fault, Reader};
use crate::Reply;
use crate::vfs::{Identity, ImageId};

/// Port of NFS and MOUNT.
pub const PORT: u16 = 2049;
/// Port of the port mapper.
pub const PORTMAP_PORT: u16 = 111;

/// Port a call was received on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// 111: the port mapper.
    Portmap,
    /// 2049: MOUNT and NFS.
    Nfs,
}

/// Call context: how a call was received.
#[derive(Clone, Copy, Debug)]
pub struct CallContext {
    /// Local port.
    pub port: Port,
    /// Transport protocol.
    pub over: Over,
    /// Local address.
    pub here: Ipv4Addr,
    /// Port of NFS and MOUNT, as reported by the port mapper.
    pub nfs_port: u16,
}

/// A known mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Name or address of the client.
    pub machine: String,
    /// The path as requested.
    pub path: String,
}

/// Shared data for answering calls.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    /// Codec for handles.
    pub handles: &'a Handles,
    /// Exported folders.
    pub exports: &'a dyn Exports,
    /// Known mounts.
    pub mounted: &'a dyn Fn() -> Vec<Mounted>,
}

/// A reply, and its outcome for accounting.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The reply.
    pub reply: Reply,
    /// Outcome of the call.
    pub outcome: CallOutcome,
}

/// Outcome of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// Nothing to record.
    Nothing,
    /// Mounted `path`.
    Mounted {
        /// The image.
        identity: Identity,
        /// Its number.
        image: ImageId,
        /// Its size in bytes.
        size: u64,
        /// The path as requested.
        path: Vec<u8>,
    },
    /// Mount failed: the path does not exist.
    NotFound {
        /// The path as requested.
        path: Vec<u8>,
    },
    /// Unmounted this image.
    Unmounted(Identity),
    /// Unmounted everything.
    UnmountedAll,
    /// Used a handle of this image.
    Used {
        /// The image.
        identity: Identity,
        /// Its number.
        image: ImageId,
    },
    /// Read from a file: the body of the reply.
    Read {
        /// The image.
        identity: Identity,
        /// Its number.
        image: ImageId,
        /// Its size in bytes.
        size: u64,
    },
    /// Rejected as unsupported.
    Refused(Refusal),
}

/// Program numbers.
pub(super) const PORTMAP: u32 = 100_000;
pub(super) const NFS: u32 = 100_003;
pub(super) const MOUNT: u32 = 100_005;

/// A call being processed by a program.
pub(super) struct ProcedureCall<'a> {
    pub(super) call: &'a Call,
    pub(super) args: Reader<'a>,
    pub(super) context: CallContext,
    pub(super) server: &'a Server<'a>,
}

impl ProcedureCall<'_> {
    pub(super) fn success(&self) -> Success {
        Success::new(self.call.xid, self.context.over)
    }

    pub(super) fn who(&self) -> &Who {
        &self.call.who
    }
}

/// Reason a program returns no results.
pub(super) enum Stop {
    Not(Accepted),
    Ignore(IgnoreReason),
}

impl From<Fault> for Stop {
    fn from(_: Fault) -> Self {
        Self::Not(Accepted::Garbage)
    }
}

/// Returns a reply without an outcome to record.
pub(super) fn plain(success: Success) -> Answer {
    Answer {
        reply: success.done(),
        outcome: CallOutcome::Nothing,
    }
}
