//! MOUNT version 3 (RFC 1813 Appendix I), and versions 1 and 2 (RFC 1094 Appendix A) as far as
//! `showmount` needs them: their handles are those of NFS version 2.

use super::call::{Answer, CallOutcome, Mounted, ProcedureCall, Stop, plain};
use super::export::NotExported;
use super::handle::Handle;
use super::limits::MAX_PATH_BYTES;
use super::reason::Refusal;
use super::wire::rpc::{Accepted, Over, Success};

/// Most bytes of a list; the rest is omitted. Over UDP the reply must fit a datagram.
const MAX_LIST_BYTES: usize = 1024 * 1024;
const MAX_LIST_BYTES_UDP: usize = 32 * 1024;
/// Most bytes of the list of mounts: about a thousand. Unlike exports, mounts are added by
/// machines, and a client that never reads its reply keeps it in memory.
const MAX_MOUNTS_BYTES: usize = 64 * 1024;
/// Size of a list entry besides its texts, in bytes, rounded up.
const ENTRY_BYTES: usize = 32;

const AUTH_NONE: u32 = 0;
const AUTH_SYS: u32 = 1;

/// `mountstat3`.
#[derive(Clone, Copy)]
enum Status {
    Ok = 0,
    NoEntry = 2,
    Access = 13,
    NotADirectory = 20,
    NameTooLong = 63,
}

pub(super) fn answer(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    let version = request.call.version;
    if !(1..=3).contains(&version) {
        return Err(Stop::Not(Accepted::NoVersion { low: 1, high: 3 }));
    }
    let mut success = request.success();
    match request.call.procedure {
        // NULL
        0 => Ok(plain(success)),
        // MNT
        1 if version < 3 => {
            request.args.opaque(MAX_PATH_BYTES, "the path")?;
            success.out.u32(Status::Access as u32);
            Ok(Answer {
                reply: success.done(),
                outcome: CallOutcome::Refused(Refusal::OldMount),
            })
        }
        1 => {
            let path = request.args.opaque(usize::MAX, "the path")?;
            Ok(mount(&request, path, success))
        }
        // DUMP
        2 => {
            dump(&request, &mut success);
            Ok(plain(success))
        }
        // UMNT
        3 => {
            let path = request.args.opaque(MAX_PATH_BYTES, "the path")?;
            let found = request.server.exports.folder(path);
            Ok(Answer {
                reply: success.done(),
                outcome: match found {
                    Ok(found) => CallOutcome::Unmounted(found.volume.identity),
                    Err(_) => CallOutcome::Nothing,
                },
            })
        }
        // UMNTALL
        4 => Ok(Answer {
            reply: success.done(),
            outcome: CallOutcome::UnmountedAll,
        }),
        // EXPORT, and EXPORTALL of the old versions, which is the same
        5 => export(&request, success),
        6 if version < 3 => export(&request, success),
        _ => Err(Stop::Not(Accepted::NoProcedure)),
    }
}

fn mount(request: &ProcedureCall<'_>, path: &[u8], mut success: Success) -> Answer {
    let server = request.server;
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
    let outcome = match found {
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
            CallOutcome::Mounted {
                identity,
                image: found.volume.image,
                size: found.volume.size,
                path,
            }
        }
        Err(status) => {
            success.out.u32(status as u32);
            CallOutcome::NotFound { path }
        }
    };
    Answer {
        reply: success.done(),
        outcome,
    }
}

/// Answers MOUNTPROC3_DUMP.
fn dump(request: &ProcedureCall<'_>, success: &mut Success) {
    let limit = limit(request).min(MAX_MOUNTS_BYTES);
    for Mounted { machine, path } in (request.server.mounted)() {
        if success.written() + machine.len() + path.len() + ENTRY_BYTES > limit {
            break;
        }
        success.out.bool(true);
        success.out.opaque(machine.as_bytes());
        success.out.opaque(path.as_bytes());
    }
    success.out.bool(false);
}

/// Answers MOUNTPROC3_EXPORT.
fn export(request: &ProcedureCall<'_>, mut success: Success) -> Result<Answer, Stop> {
    let limit = limit(request);
    let networks = request.server.exports.networks();
    let each: usize = networks.iter().map(|n| n.len() + ENTRY_BYTES).sum();
    for path in request.server.exports.paths() {
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

fn limit(request: &ProcedureCall<'_>) -> usize {
    match request.context.over {
        Over::Tcp => MAX_LIST_BYTES,
        Over::Udp => MAX_LIST_BYTES_UDP,
    }
}
