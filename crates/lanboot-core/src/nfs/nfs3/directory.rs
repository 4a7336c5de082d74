//! READDIR and READDIRPLUS (RFC 1813 §3.3.16, §3.3.17).
//!
//! A cookie is a position: 1 after `.`, 2 after `..`, then one for each name in order. Folders
//! never change while their image is served, so cookies remain valid over restarts.

use super::super::attr::{ATTRIBUTES_BYTES, File, fileid};
use super::super::call::{Answer, ProcedureCall, Stop};
use super::super::handle::{HANDLE_BYTES, Handle};
use super::super::wire::rpc::Over;
use super::super::wire::xdr::{Fault, Reader, Writer, padding};
use super::result::{Status, about, failed, failed_at, fits};
use crate::vfs::{Kind, NodeId};

/// Most bytes of one listing over TCP.
const MAX_BYTES: u32 = 32 * 1024;
/// Most bytes of one listing over UDP: a handful of fragments.
const MAX_BYTES_UDP: u32 = 8 * 1024;
/// Bytes of `post_op_attr`, the verifier, the end of the list, and `eof`.
const AROUND_BYTES: usize = 4 + ATTRIBUTES_BYTES + 8 + 4 + 4;

/// Selects READDIR or READDIRPLUS, which adds attributes and handles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    No,
    Yes,
}

/// Returns the preferred size of a listing (`dtpref`), in bytes.
pub(super) fn preferred(over: Over) -> u32 {
    fits(over, MAX_BYTES, MAX_BYTES_UDP)
}

/// Arguments of a listing.
struct Wanted {
    cookie: u64,
    verifier: [u8; 8],
    /// Most bytes of names, inode numbers and cookies.
    names: usize,
    /// Most bytes in total.
    all: usize,
}

impl Wanted {
    fn parse(args: &mut Reader<'_>, plus: Plus, over: Over) -> Result<Self, Fault> {
        let cookie = args.u64("the cookie")?;
        let verifier = args.fixed("the verifier")?;
        let mut limit = |what| {
            let bytes = args.u32(what)?.min(preferred(over));
            Ok::<_, Fault>(usize::try_from(bytes).unwrap_or(usize::MAX))
        };
        let names = match plus {
            Plus::No => usize::MAX,
            Plus::Yes => limit("dircount")?,
        };
        let all = limit("the count")?;
        Ok(Self {
            cookie,
            verifier,
            names,
            all,
        })
    }
}

pub(super) fn read(mut request: ProcedureCall<'_>, plus: Plus) -> Result<Answer, Stop> {
    let mut success = request.success();
    let directory = request.file()?;
    let wanted = Wanted::parse(&mut request.args, plus, request.context.over)?;
    let directory = match directory {
        Ok(directory) => directory,
        Err(status) => return failed(success, status, 1),
    };
    let Kind::Directory(entries) = &directory.node.kind else {
        return failed_at(&directory, success, Status::NotADirectory);
    };
    let verifier = directory.volume.cookie_verifier();
    let is_other = wanted.verifier != [0; 8] && wanted.verifier != verifier;
    let last = entries.len() as u64 + 2;
    if wanted.cookie > last || (wanted.cookie > 0 && is_other) {
        return failed_at(&directory, success, Status::BadCookie);
    }
    success.out.status(Status::Ok);
    directory.post_op(&mut success.out);
    success.out.fixed(&verifier);
    let mut listing = Listing {
        names: wanted.names,
        all: wanted.all.saturating_sub(AROUND_BYTES),
        is_empty: true,
    };
    let mut cookie = wanted.cookie;
    while let Some((name, id)) = at(&directory, entries, cookie) {
        if !listing.takes(name, plus) {
            break;
        }
        cookie += 1;
        success.out.bool(true);
        success.out.u64(fileid(id));
        success.out.opaque(name);
        success.out.u64(cookie);
        if plus == Plus::Yes {
            entry_plus(&request, &directory, id, &mut success.out);
        }
    }
    if cookie == wanted.cookie && cookie < last {
        success.out.truncate(success.out.len() - success.written());
        return failed_at(&directory, success, Status::TooSmall);
    }
    success.out.bool(false);
    success.out.bool(cookie == last);
    about(&directory, success)
}

/// Returns the entry at `cookie`.
fn at<'a>(
    directory: &File<'_>,
    entries: &'a [(Box<[u8]>, NodeId)],
    cookie: u64,
) -> Option<(&'a [u8], NodeId)> {
    match cookie {
        0 => Some((b".", directory.id)),
        1 => Some((b"..", directory.node.parent)),
        _ => {
            let (name, id) = entries.get(usize::try_from(cookie - 2).ok()?)?;
            Some((name, *id))
        }
    }
}

fn entry_plus(request: &ProcedureCall<'_>, directory: &File<'_>, id: NodeId, out: &mut Writer) {
    let volume = directory.volume;
    match File::of(volume, id) {
        Some(file) => file.post_op(out),
        None => out.no_attributes(),
    }
    let handle = Handle {
        image: volume.identity,
        node: id,
    };
    out.bool(true);
    out.opaque(&request.server.handles.write(handle));
}

/// Space left in a listing.
struct Listing {
    names: usize,
    all: usize,
    is_empty: bool,
}

impl Listing {
    /// Takes the space for an entry, if there is enough. The first one counts against the total
    /// only: a client with too small a limit for names must still progress.
    fn takes(&mut self, name: &[u8], plus: Plus) -> bool {
        /// Bytes of an entry besides its name: the marker that it follows, inode number, length,
        /// cookie.
        const ENTRY: usize = 4 + 8 + 4 + 8;
        /// Bytes of `post_op_attr` and `post_op_fh3`.
        const PLUS: usize = 4 + ATTRIBUTES_BYTES + 4 + 4 + HANDLE_BYTES.next_multiple_of(4);
        let short = ENTRY + name.len() + padding(name.len());
        let long = match plus {
            Plus::No => short,
            Plus::Yes => short + PLUS,
        };
        let names = self.names.checked_sub(short);
        let names = names.or_else(|| self.is_empty.then_some(0));
        let (Some(names), Some(all)) = (names, self.all.checked_sub(long)) else {
            return false;
        };
        *self = Self {
            names,
            all,
            is_empty: false,
        };
        true
    }
}
