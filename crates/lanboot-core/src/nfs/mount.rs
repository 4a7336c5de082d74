//! MOUNT version 3 (RFC 1813 Appendix I), and versions 1 and 2 (RFC 1094 Appendix A) as far as
//! `showmount` needs them: their handles are those of NFS version 2.

use super::rpc::{Accepted, Success};
use super::{Answer, Asking, Deed, Handle, NotExported, Over, Refusal, Stop, plain};

/// Longest path that can be mounted (MNTPATHLEN).
pub const MAX_PATH_BYTES: usize = 1024;
/// Most bytes of a list; what does not fit is left out. Over UDP the reply must fit a datagram.
const MAX_LIST_BYTES: usize = 1024 * 1024;
const MAX_LIST_BYTES_UDP: usize = 32 * 1024;
/// Most bytes of the list of mounts. Unlike that of exports it is machines that make it long, and
/// one that asks for it and never reads keeps it in memory: about a thousand mounts.
const MAX_MOUNTS_BYTES: usize = 64 * 1024;
/// What one entry of a list takes besides its texts, rounded up.
const ENTRY_BYTES: usize = 32;

const AUTH_NONE: u32 = 0;
const AUTH_SYS: u32 = 1;

/// A mount that is known of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Whose.
    pub machine: String,
    /// The path as asked.
    pub path: String,
}

/// `mountstat3`.
#[derive(Clone, Copy)]
enum Status {
    Ok = 0,
    NoEntry = 2,
    Access = 13,
    NotADirectory = 20,
    NameTooLong = 63,
}

pub(super) fn answer(mut asking: Asking<'_>) -> Result<Answer, Stop> {
    let version = asking.call.version;
    if !(1..=3).contains(&version) {
        return Err(Stop::Not(Accepted::NoVersion { low: 1, high: 3 }));
    }
    let mut success = asking.success();
    match asking.call.procedure {
        // NULL
        0 => Ok(plain(success)),
        // MNT
        1 if version < 3 => {
            asking.args.opaque(MAX_PATH_BYTES, "the path")?;
            success.out.u32(Status::Access as u32);
            Ok(Answer {
                reply: success.done(),
                deed: Deed::Refused(Refusal::OldMount),
            })
        }
        1 => {
            let path = asking.args.opaque(usize::MAX, "the path")?;
            Ok(mount(&asking, path, success))
        }
        // DUMP
        2 => {
            dump(&asking, &mut success);
            Ok(plain(success))
        }
        // UMNT
        3 => {
            let path = asking.args.opaque(MAX_PATH_BYTES, "the path")?;
            let found = asking.server.exports.folder(path);
            Ok(Answer {
                reply: success.done(),
                deed: match found {
                    Ok(found) => Deed::Unmounted(found.volume.identity),
                    Err(_) => Deed::Nothing,
                },
            })
        }
        // UMNTALL
        4 => Ok(Answer {
            reply: success.done(),
            deed: Deed::UnmountedAll,
        }),
        // EXPORT, and EXPORTALL of the old versions, which was never anything else
        5 => export(&asking, success),
        6 if version < 3 => export(&asking, success),
        _ => Err(Stop::Not(Accepted::NoProcedure)),
    }
}

fn mount(asking: &Asking<'_>, path: &[u8], mut success: Success) -> Answer {
    let server = asking.server;
    let found = if path.len() > MAX_PATH_BYTES {
        Err(Status::NameTooLong)
    } else {
        server.exports.folder(path).map_err(|why| match why {
            NotExported::NotFound => Status::NoEntry,
            NotExported::NotADirectory => Status::NotADirectory,
            NotExported::Forbidden => Status::Access,
        })
    };
    let path = path.get(..MAX_PATH_BYTES).unwrap_or(path).to_vec();
    let deed = match found {
        Ok(found) => {
            let identity = found.volume.identity;
            let handle = Handle {
                image: identity,
                node: found.node,
            };
            success.out.u32(Status::Ok as u32);
            success.out.opaque(&server.handles.write(handle));
            success.out.u32(2);
            success.out.u32(AUTH_SYS);
            success.out.u32(AUTH_NONE);
            Deed::Mounted {
                identity,
                image: found.volume.image,
                size: found.volume.size,
                path,
            }
        }
        Err(status) => {
            success.out.u32(status as u32);
            Deed::NotFound { path }
        }
    };
    Answer {
        reply: success.done(),
        deed,
    }
}

/// MOUNTPROC3_DUMP.
fn dump(asking: &Asking<'_>, success: &mut Success) {
    let limit = limit(asking).min(MAX_MOUNTS_BYTES);
    for Mounted { machine, path } in (asking.server.mounted)() {
        if success.written() + machine.len() + path.len() + ENTRY_BYTES > limit {
            break;
        }
        success.out.bool(true);
        success.out.opaque(machine.as_bytes());
        success.out.opaque(path.as_bytes());
    }
    success.out.bool(false);
}

/// MOUNTPROC3_EXPORT.
fn export(asking: &Asking<'_>, mut success: Success) -> Result<Answer, Stop> {
    let limit = limit(asking);
    let networks = asking.server.exports.networks();
    let each: usize = networks.iter().map(|n| n.len() + ENTRY_BYTES).sum();
    for path in asking.server.exports.paths() {
        if success.written() + path.len() + each + ENTRY_BYTES > limit {
            break;
        }
        success.out.bool(true);
        success.out.opaque(path.as_bytes());
        for network in &networks {
            success.out.bool(true);
            success.out.opaque(network.as_bytes());
        }
        success.out.bool(false);
    }
    success.out.bool(false);
    Ok(plain(success))
}

fn limit(asking: &Asking<'_>) -> usize {
    match asking.asked.over {
        Over::Tcp => MAX_LIST_BYTES,
        Over::Udp => MAX_LIST_BYTES_UDP,
    }
}
