//! Remote procedure calls (RFC 5531): the header of a call, and error replies.

use super::record;
use super::xdr::{Fault, Reader, Writer};
use crate::Reply;
use crate::vfs::Slice;

/// The only version of the protocol.
const VERSION: u32 = 2;
/// Longest credentials and verifier, in bytes (§8.2).
const MAX_AUTH_BYTES: usize = 400;
/// Longest machine name in AUTH_SYS credentials, in bytes (Appendix A).
const MAX_MACHINE_BYTES: usize = 255;
/// Most groups in AUTH_SYS credentials (Appendix A).
const MAX_GROUPS: usize = 16;
/// Capacity for the results of most procedures, in bytes.
const RESULT_CAPACITY: usize = 256;

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// A stream of records.
    Tcp,
    /// One message per datagram.
    Udp,
}

/// Header of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Transaction id, echoed in the reply.
    pub xid: u32,
    /// Program number.
    pub program: u32,
    /// Program version.
    pub version: u32,
    /// Procedure number.
    pub procedure: u32,
    /// Credentials.
    pub who: Who,
}

/// Credentials of a caller, as it states them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// AUTH_NONE.
    Nobody,
    /// AUTH_SYS.
    User {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
        /// Supplementary groups.
        groups: Groups,
    },
}

/// Supplementary groups of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    ids: [u32; MAX_GROUPS],
    len: usize,
}

impl Groups {
    /// Returns the group ids.
    pub fn ids(&self) -> &[u32] {
        self.ids.get(..self.len).unwrap_or_default()
    }
}

/// Reason a message is not dispatched to a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoCall {
    /// It gets no reply.
    Nothing(Nothing),
    /// It gets an error reply.
    Refused {
        /// Transaction id of the call.
        xid: u32,
        /// Error for the reply.
        why: Denied,
    },
}

/// Reason a message gets no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nothing {
    /// Not a call.
    #[error("it is not a call")]
    NoCall,
    /// Truncated within the header.
    #[error("its head is {0}")]
    Head(#[from] Fault),
}

/// Error for a denied call (§9, `reject_stat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// RPC_MISMATCH.
    Version,
    /// AUTH_BADCRED: the credentials are malformed.
    BadCredentials,
    /// AUTH_TOOWEAK, the closest status for "only AUTH_NONE and AUTH_SYS are supported".
    UnknownFlavor,
}

/// Status of an accepted but failed call (§9, `accept_stat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// PROG_UNAVAIL.
    NoProgram,
    /// PROG_MISMATCH, with the supported versions.
    NoVersion {
        /// The lowest version.
        low: u32,
        /// The highest version.
        high: u32,
    },
    /// PROC_UNAVAIL.
    NoProcedure,
    /// GARBAGE_ARGS.
    Garbage,
}

impl Call {
    /// Parses the header of `message`; the reader returned holds the arguments.
    ///
    /// # Errors
    /// Fails if the message is not a call or must be denied.
    pub fn parse<'a>(message: &'a [u8]) -> Result<(Self, Reader<'a>), NoCall> {
        const CALL: u32 = 0;
        let mut reader = Reader::new(message);
        let fault = |fault: Fault| NoCall::Nothing(Nothing::Head(fault));
        let xid = reader.u32("the xid").map_err(fault)?;
        if reader.u32("the type").map_err(fault)? != CALL {
            return Err(NoCall::Nothing(Nothing::NoCall));
        }
        let denied = |why| NoCall::Refused { xid, why };
        if reader.u32("the RPC version").map_err(fault)? != VERSION {
            return Err(denied(Denied::Version));
        }
        let program = reader.u32("the program").map_err(fault)?;
        let version = reader.u32("the version").map_err(fault)?;
        let procedure = reader.u32("the procedure").map_err(fault)?;
        let flavor = reader.u32("the flavor").map_err(fault)?;
        let credentials = reader.opaque(MAX_AUTH_BYTES, "the credentials");
        let credentials = credentials.map_err(|f| bad_credentials(f, denied))?;
        // There are no secrets to protect, so the contents of the verifier are ignored.
        let _ = reader.u32("the verifier's flavor").map_err(fault)?;
        let verifier = reader.opaque(MAX_AUTH_BYTES, "the verifier");
        verifier.map_err(|f| bad_credentials(f, denied))?;
        let call = Self {
            xid,
            program,
            version,
            procedure,
            who: Who::parse(flavor, credentials).map_err(denied)?,
        };
        Ok((call, reader))
    }
}

fn bad_credentials(fault: Fault, denied: impl Fn(Denied) -> NoCall) -> NoCall {
    match fault {
        Fault::TooLong(_) => denied(Denied::BadCredentials),
        Fault::Truncated(_) => NoCall::Nothing(Nothing::Head(fault)),
    }
}

impl Who {
    fn parse(flavor: u32, credentials: &[u8]) -> Result<Self, Denied> {
        const AUTH_NONE: u32 = 0;
        const AUTH_SYS: u32 = 1;
        match flavor {
            AUTH_NONE => Ok(Self::Nobody),
            AUTH_SYS => Self::user(credentials).map_err(|_| Denied::BadCredentials),
            _ => Err(Denied::UnknownFlavor),
        }
    }

    fn user(credentials: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(credentials);
        reader.u32("the stamp")?;
        reader.opaque(MAX_MACHINE_BYTES, "the machine's name")?;
        let uid = reader.u32("the uid")?;
        let gid = reader.u32("the gid")?;
        let mut groups = Groups::default();
        let named = reader.u32s(MAX_GROUPS, "the groups")?;
        for (slot, id) in groups.ids.iter_mut().zip(named) {
            *slot = id;
            groups.len += 1;
        }
        Ok(Self::User { uid, gid, groups })
    }
}

/// A reply that begins with the header of a success; results are appended.
#[derive(Debug)]
pub struct Success {
    xid: u32,
    over: Over,
    /// Writer for the results.
    pub out: Writer,
    /// Length of the header, in bytes.
    head: usize,
}

impl Success {
    /// Creates the reply to call `xid`.
    pub fn new(xid: u32, over: Over) -> Self {
        let mut out = begin(xid, over);
        accepted(&mut out, 0);
        Self {
            xid,
            over,
            head: out.len(),
            out,
        }
    }

    /// Finishes the reply.
    pub fn done(self) -> Reply {
        Reply::bytes(end(self.out, self.over, 0), false)
    }

    /// Finishes the reply with `body` after the results; `error_reply` writes the results sent if
    /// the body cannot be read.
    pub fn with_body(self, body: Slice, error_reply: impl FnOnce(&mut Writer)) -> Reply {
        let mut other = Self::new(self.xid, self.over);
        error_reply(&mut other.out);
        Reply {
            head: end(self.out, self.over, body.len()),
            body,
            on_read_error: end(other.out, self.over, 0),
            close: false,
        }
    }

    /// Returns the bytes of results so far.
    pub fn written(&self) -> usize {
        self.out.len() - self.head
    }
}

/// Returns the reply to a call without a matching program or procedure.
pub fn not_accepted(xid: u32, over: Over, why: Accepted) -> Reply {
    let mut out = begin(xid, over);
    match why {
        Accepted::NoProgram => accepted(&mut out, 1),
        Accepted::NoVersion { low, high } => {
            accepted(&mut out, 2);
            out.u32(low);
            out.u32(high);
        }
        Accepted::NoProcedure => accepted(&mut out, 3),
        Accepted::Garbage => accepted(&mut out, 4),
    }
    Reply::bytes(end(out, over, 0), false)
}

/// Returns the reply to a denied call.
pub fn denied(xid: u32, over: Over, why: Denied) -> Reply {
    const MSG_DENIED: u32 = 1;
    const AUTH_ERROR: u32 = 1;
    let mut out = begin(xid, over);
    out.u32(MSG_DENIED);
    let words: &[u32] = match why {
        Denied::Version => &[0, VERSION, VERSION],
        Denied::BadCredentials => &[AUTH_ERROR, 1],
        Denied::UnknownFlavor => &[AUTH_ERROR, 5],
    };
    words.iter().for_each(|word| out.u32(*word));
    Reply::bytes(end(out, over, 0), false)
}

fn begin(xid: u32, over: Over) -> Writer {
    const REPLY: u32 = 1;
    let mut out = Writer::new(RESULT_CAPACITY);
    if over == Over::Tcp {
        out.fixed(&[0; record::MARK_BYTES]);
    }
    out.u32(xid);
    out.u32(REPLY);
    out
}

/// Writes MSG_ACCEPTED with an empty verifier and `status`.
fn accepted(out: &mut Writer, status: u32) {
    for word in [0, 0, 0, status] {
        out.u32(word);
    }
}

/// Sets the record mark: every reply is one fragment, because klibc's nfsmount does not read a
/// second.
fn end(out: Writer, over: Over, body: u64) -> Vec<u8> {
    let mut bytes = out.into_bytes();
    if over == Over::Tcp {
        let len = (bytes.len() - record::MARK_BYTES) as u64 + body;
        if let Some(mark) = bytes.first_chunk_mut::<{ record::MARK_BYTES }>() {
            *mark = record::mark(len);
        }
    }
    bytes
}
