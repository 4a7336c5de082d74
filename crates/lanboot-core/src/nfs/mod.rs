//! NFS version 3 for files that never change: the port mapper, MOUNT and NFS, over TCP and UDP.
//!
//! A message goes in and a [`crate::Reply`] comes out ([`answer`]); nothing is remembered between two calls. A
//! call that comes again, also over a new connection, is simply answered again.
//!
//! * [`xdr`] (RFC 4506), [`record`] and [`rpc`] (RFC 5531) are what calls are made of.
//! * `portmap` says where the others are (RFC 1833); `mount` gives the first handle (RFC 1813
//!   Appendix I); `nfs3` is the rest (RFC 1813).
//! * [`Handle`]s hold on to an image and a file in it and survive a restart.
//! * [`Exports`] is what there is to mount. The room knows no catalog.
//!
//! Left out: NFS versions 2 and 4, locks (NLM) and access control lists (NFSACL); who asks hears
//! so. Everything that would write is answered with NFS3ERR_ROFS.

mod attr;
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

pub use handle::{HANDLE_BYTES, Handle, Handles, MAX_HANDLE_BYTES, NoHandle};
pub use mount::{MAX_PATH_BYTES, Mounted};
pub use nfs3::{MAX_READ_BYTES, MAX_READ_BYTES_UDP};
pub use portmap::{Ask, Mapping, ask, mappings, word};
pub use rpc::Over;

use crate::Reply;
use crate::vfs::{Identity, ImageId, NodeId, Tree};
use rpc::{Accepted, Call, Denied, NoCall, Success, Who};
use xdr::{Fault, Reader};

/// The port NFS and MOUNT are at.
pub const PORT: u16 = 2049;
/// The port the port mapper is at.
pub const PORTMAP_PORT: u16 = 111;

/// What can be mounted.
pub trait Exports {
    /// The folder that `path` of a mount names, as the machine wrote it.
    ///
    /// # Errors
    /// What it gets instead.
    fn folder(&self, path: &[u8]) -> Result<Found<'_>, NotExported>;

    /// The exported paths, the most wanted one first.
    fn paths(&self) -> Vec<String>;

    /// Who may mount them, in the words of exports(5): networks.
    fn networks(&self) -> Vec<String>;

    /// The image with this identity, also one that can no longer be mounted and is still in use.
    fn volume(&self, identity: Identity) -> Option<Volume<'_>>;
}

/// An image as a file system.
#[derive(Clone, Copy, Debug)]
pub struct Volume<'a> {
    /// What its handles hold on to.
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
    /// The image it is in.
    pub volume: Volume<'a>,
    /// The folder.
    pub node: NodeId,
}

/// Why a path cannot be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotExported {
    /// There is no such path.
    NotFound,
    /// It is no folder.
    NotADirectory,
    /// It climbs out, or is too long to be looked at.
    Forbidden,
}

/// The port a call came in at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// 111: the port mapper.
    Portmap,
    /// 2049: MOUNT and NFS.
    Nfs,
}

/// How a call came in.
#[derive(Clone, Copy, Debug)]
pub struct CallContext {
    /// At which port.
    pub port: Port,
    /// Over which protocol.
    pub over: Over,
    /// The address that was asked.
    pub here: Ipv4Addr,
    /// What the port mapper says of NFS and MOUNT.
    pub nfs_port: u16,
}

/// What calls are answered with.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    /// Makes and reads handles.
    pub handles: &'a Handles,
    /// What there is to mount.
    pub exports: &'a dyn Exports,
    /// Who has mounted what, as far as is known.
    pub mounted: &'a dyn Fn() -> Vec<Mounted>,
}

/// A reply, and what it means for whoever keeps account.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// To be sent.
    pub reply: Reply,
    /// What was done.
    pub outcome: CallOutcome,
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// Nothing to speak of.
    Nothing,
    /// It mounted `path`.
    Mounted {
        /// The image.
        identity: Identity,
        /// Its number.
        image: ImageId,
        /// Its size in bytes.
        size: u64,
        /// The path, as asked.
        path: Vec<u8>,
    },
    /// It asked to mount what is not there.
    NotFound {
        /// The path, as asked.
        path: Vec<u8>,
    },
    /// It unmounted this image.
    Unmounted(Identity),
    /// It unmounted everything it had.
    UnmountedAll,
    /// It used a handle of this image.
    Used {
        /// The image.
        identity: Identity,
        /// Its number.
        image: ImageId,
    },
    /// It read from a file: the body of the reply.
    Read {
        /// The image.
        identity: Identity,
        /// Its number.
        image: ImageId,
        /// Its size in bytes.
        size: u64,
    },
    /// It was told that this is not to be had here.
    Refused(Refusal),
}

/// What a machine wants that is not to be had here, and whose operator should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another version of NFS.
    NfsVersion(u32),
    /// A mount for version 2 of NFS.
    OldMount,
    /// Kerberos and the like.
    Flavor,
}

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
            Self::Flavor => f.write_str("it wants to authenticate by other means than AUTH_SYS"),
        }
    }
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreReason {
    /// There is nothing to answer.
    #[error(transparent)]
    Nothing(#[from] rpc::Nothing),
    /// It wants the port mapper to call others in its name, which has been used for attacks ever
    /// since (RFC 1833 §2.2.1, PMAPPROC_CALLIT).
    #[error("calls are not passed on to others")]
    Forwarding,
}

/// Program numbers.
const PORTMAP: u32 = 100_000;
const NFS: u32 = 100_003;
const MOUNT: u32 = 100_005;

/// The answer to one message.
///
/// # Errors
/// When nothing is to be sent.
pub fn answer(
    message: &[u8],
    context: CallContext,
    server: &Server<'_>,
) -> Result<Answer, IgnoreReason> {
    let over = context.over;
    let (call, args) = match Call::parse(message) {
        Ok(call) => call,
        Err(NoCall::Nothing(why)) => return Err(why.into()),
        Err(NoCall::Refused { xid, why }) => {
            return Ok(Answer {
                reply: rpc::denied(xid, over, why),
                outcome: match why {
                    Denied::UnknownFlavor => CallOutcome::Refused(Refusal::Flavor),
                    Denied::Version | Denied::BadCredentials => CallOutcome::Nothing,
                },
            });
        }
    };
    let xid = call.xid;
    let not = |why, outcome| Answer {
        reply: rpc::not_accepted(xid, over, why),
        outcome,
    };
    let request = ProcedureCall {
        call: &call,
        args,
        context,
        server,
    };
    let outcome = match (context.port, call.program, call.version) {
        (Port::Portmap, PORTMAP, _) => portmap::answer(request),
        (Port::Nfs, MOUNT, _) => mount::answer(request),
        (Port::Nfs, NFS, _) => nfs3::answer(request),
        _ => Err(Stop::Not(Accepted::NoProgram)),
    };
    match outcome {
        Ok(answer) => Ok(answer),
        Err(Stop::Ignore(why)) => Err(why),
        Err(Stop::Not(why @ Accepted::NoVersion { .. })) if call.program == NFS => {
            // Version 0 is how programs ask which versions there are.
            let outcome = match call.version {
                0 => CallOutcome::Nothing,
                version => CallOutcome::Refused(Refusal::NfsVersion(version)),
            };
            Ok(not(why, outcome))
        }
        Err(Stop::Not(why)) => Ok(not(why, CallOutcome::Nothing)),
    }
}

/// A call on its way through a program.
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

/// Why a program gives no results.
enum Stop {
    Not(Accepted),
    Ignore(IgnoreReason),
}

impl From<Fault> for Stop {
    fn from(_: Fault) -> Self {
        Self::Not(Accepted::Garbage)
    }
}

/// A reply of which there is nothing to tell.
fn plain(success: Success) -> Answer {
    Answer {
        reply: success.done(),
        outcome: CallOutcome::Nothing,
    }
}
