//! NFS version 3 for immutable files: the port mapper, MOUNT and NFS, over TCP and UDP.
//!
//! A message goes in and a [`crate::Reply`] comes out ([`answer`]); no state is kept between calls.
//! A retransmitted call, also over a new connection, is simply answered again.
//!
//! * [`xdr`] (RFC 4506), [`record`] and [`rpc`] (RFC 5531) are the encoding of calls.
//! * `portmap` locates the other programs (RFC 1833); `mount` gives the first handle (RFC 1813
//!   Appendix I); `nfs3` is the rest (RFC 1813).
//! * [`Handle`]s refer to a file of an image and survive a restart.
//! * [`Exports`] is what can be mounted. This module knows no catalog.
//!
//! Omitted: NFS versions 2 and 4, locks (NLM) and access control lists (NFSACL); such calls get an
//! error. Every write is answered with NFS3ERR_ROFS.

mod attr;
mod call_queue;
mod dispatch;
mod handle;
mod mount;
mod nfs3;
mod portmap;
pub mod record;
pub mod rpc;
#[cfg(test)]
mod tests;
pub mod xdr;

use std::fmt;
use std::net::Ipv4Addr;

pub use call_queue::{CallQueue, MAX_WAITING, MAX_WAITING_PER_PEER, Queued};
pub use dispatch::answer;
pub use handle::{HANDLE_BYTES, Handle, Handles, MAX_HANDLE_BYTES, NoHandle};
pub use mount::MAX_PATH_BYTES;
pub use nfs3::{MAX_READ_BYTES, MAX_READ_BYTES_UDP};
pub use portmap::{Ask, Mapping, ask, mappings, word};
pub use rpc::Over;

use crate::Reply;
use crate::vfs::{Identity, ImageId, NodeId, Tree};
use rpc::{Accepted, Call, Success, Who};
use xdr::{Fault, Reader};

/// Port of NFS and MOUNT.
pub const PORT: u16 = 2049;
/// Port of the port mapper.
pub const PORTMAP_PORT: u16 = 111;

/// The exported folders.
pub trait Exports {
    /// Resolves the `path` of a mount, as sent by the machine.
    ///
    /// # Errors
    /// Fails if the path is not exported.
    fn folder(&self, path: &[u8]) -> Result<Found<'_>, NotExported>;

    /// Returns the exported paths, the most useful one first.
    fn paths(&self) -> Vec<String>;

    /// Returns the networks that may mount them, in exports(5) syntax.
    fn networks(&self) -> Vec<String>;

    /// Returns the image with this identity, including one that can no longer be mounted but is
    /// still in use.
    fn volume(&self, identity: Identity) -> Option<Volume<'_>>;
}

/// An image as a file system.
#[derive(Clone, Copy, Debug)]
pub struct Volume<'a> {
    /// Identity used in its handles.
    pub identity: Identity,
    /// Its number among the open images.
    pub image: ImageId,
    /// Its files.
    pub tree: &'a Tree,
    /// Size of the image file, in bytes.
    pub size: u64,
}

/// A folder that can be mounted.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The image that contains it.
    pub volume: Volume<'a>,
    /// The folder.
    pub node: NodeId,
}

/// Reason a path cannot be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotExported {
    /// No such path.
    NotFound,
    /// Not a folder.
    NotADirectory,
    /// It contains `..` or is too long.
    Forbidden,
}

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

/// An unsupported request that the operator should know about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another version of NFS.
    NfsVersion(u32),
    /// A mount for version 2 of NFS.
    OldMount,
    /// Authentication other than AUTH_NONE and AUTH_SYS, such as Kerberos.
    Flavor,
}

reason_codes!(Refusal {
    Self::NfsVersion(_) => "nfs_version",
    Self::OldMount => "mount_version",
    Self::Flavor => "authentication_flavor",
});

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NfsVersion(version) => {
                write!(
                    f,
                    "it wants NFS version {version}, only version 3 is served"
                )
            }
            Self::OldMount => f.write_str("it mounts for NFS version 2, only version 3 is served"),
            Self::Flavor => f.write_str("it requires authentication other than AUTH_SYS"),
        }
    }
}

/// Reason a message gets no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreReason {
    /// Not a call.
    #[error(transparent)]
    Nothing(#[from] rpc::Nothing),
    /// A request to forward a call, which has been abused for attacks (RFC 1833 §2.2.1,
    /// PMAPPROC_CALLIT).
    #[error("calls are not forwarded")]
    Forwarding,
}

reason_codes!(IgnoreReason {
    Self::Nothing(rpc::Nothing::NoCall) => "not_a_call",
    Self::Nothing(rpc::Nothing::Head(_)) => "malformed_head",
    Self::Forwarding => "forwarding",
});

/// Program numbers.
const PORTMAP: u32 = 100_000;
const NFS: u32 = 100_003;
const MOUNT: u32 = 100_005;

/// A call being processed by a program.
struct ProcedureCall<'a> {
    call: &'a Call,
    args: Reader<'a>,
    context: CallContext,
    server: &'a Server<'a>,
}

impl ProcedureCall<'_> {
    fn success(&self) -> Success {
        Success::new(self.call.xid, self.context.over)
    }

    fn who(&self) -> &Who {
        &self.call.who
    }
}

/// Reason a program returns no results.
enum Stop {
    Not(Accepted),
    Ignore(IgnoreReason),
}

impl From<Fault> for Stop {
    fn from(_: Fault) -> Self {
        Self::Not(Accepted::Garbage)
    }
}

/// Returns a reply without an outcome to record.
fn plain(success: Success) -> Answer {
    Answer {
        reply: success.done(),
        outcome: CallOutcome::Nothing,
    }
}
