//! NFS version 3 (RFC 1813): the procedures, in the RFC's terms and order.
//!
//! Links are never followed here: clients do that.

mod directory;
mod read;
mod result;

use result::{Status, about, failed, failed_at};

use super::attr::{BLOCK_BYTES, File};
use super::call::{Answer, ProcedureCall, Stop, plain};
use super::handle::Handle;
use super::wire::rpc::Accepted;
use super::wire::xdr::{Fault, Reader};
use crate::vfs::{Kind, MAX_NAME_BYTES};

pub(super) fn answer(request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    if request.call.version != 3 {
        return Err(Stop::Not(Accepted::NoVersion { low: 3, high: 3 }));
    }
    match request.call.procedure {
        // NULL
        0 => Ok(plain(request.success())),
        1 => get_attributes(request),
        3 => look_up(request),
        4 => access(request),
        5 => read_link(request),
        6 => read::answer(request),
        16 => directory::read(request, directory::Plus::No),
        17 => directory::read(request, directory::Plus::Yes),
        18 => status_of_file_system(request),
        19 => information(request),
        20 => path_configuration(request),
        // SETATTR, WRITE, CREATE, MKDIR, SYMLINK, MKNOD, REMOVE, RMDIR, COMMIT: `wcc_data` without
        // attributes before or after.
        2 | 7..=13 | 21 => read_only(request, 2),
        // RENAME: two of them.
        14 => read_only(request, 4),
        // LINK: after the attributes of the file.
        15 => read_only(request, 3),
        _ => Err(Stop::Not(Accepted::NoProcedure)),
    }
}

/// Parses a name in a folder (`filename3`). The length is checked later, so that a long one gets a
/// status of its own.
fn name<'a>(args: &mut Reader<'a>) -> Result<&'a [u8], Fault> {
    args.opaque(usize::MAX, "the name")
}

/// Answers GETATTR (§3.3.1).
fn get_attributes(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    let mut success = request.success();
    match request.file()? {
        Ok(file) => {
            success.out.status(Status::Ok);
            file.attributes(&mut success.out);
            about(&file, success)
        }
        Err(status) => failed(success, status, 0),
    }
}

/// Answers LOOKUP (§3.3.3).
fn look_up(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    let mut success = request.success();
    let directory = request.file()?;
    let name = name(&mut request.args)?;
    let directory = match directory {
        Ok(directory) => directory,
        Err(status) => return failed(success, status, 1),
    };
    if !matches!(directory.node.kind, Kind::Directory(_)) {
        return failed_at(&directory, success, Status::NotADirectory);
    }
    if name.len() > MAX_NAME_BYTES {
        return failed_at(&directory, success, Status::NameTooLong);
    }
    let volume = directory.volume;
    let id = match name {
        b"." => Some(directory.id),
        b".." => Some(directory.node.parent),
        name => volume.tree.lookup(directory.id, name),
    };
    let Some(file) = id.and_then(|id| File::of(volume, id)) else {
        return failed_at(&directory, success, Status::NoEntry);
    };
    let handle = Handle {
        image: volume.identity,
        node: file.id,
    };
    success.out.status(Status::Ok);
    success.out.opaque(&request.server.handles.write(handle));
    file.post_op(&mut success.out);
    directory.post_op(&mut success.out);
    about(&file, success)
}

/// Answers ACCESS (§3.3.4).
fn access(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    let mut success = request.success();
    let file = request.file()?;
    let context = request.args.u32("the rights")?;
    match file {
        Ok(file) => {
            success.out.status(Status::Ok);
            file.post_op(&mut success.out);
            success.out.u32(file.access(request.who(), context));
            about(&file, success)
        }
        Err(status) => failed(success, status, 1),
    }
}

/// Answers READLINK (§3.3.5).
fn read_link(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    let mut success = request.success();
    let file = match request.file()? {
        Ok(file) => file,
        Err(status) => return failed(success, status, 1),
    };
    let Kind::Symlink(text) = &file.node.kind else {
        return failed_at(&file, success, Status::Invalid);
    };
    success.out.status(Status::Ok);
    file.post_op(&mut success.out);
    success.out.opaque(text);
    about(&file, success)
}

/// Rejects any procedure that would write. Arguments after the handle are not parsed: for a WRITE
/// they are not even stored.
fn read_only(mut request: ProcedureCall<'_>, words: usize) -> Result<Answer, Stop> {
    let success = request.success();
    let file = request.file()?;
    failed(success, file.err().unwrap_or(Status::ReadOnly), words)
}

/// Answers FSSTAT (§3.3.18).
fn status_of_file_system(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    let mut success = request.success();
    let file = match request.file()? {
        Ok(file) => file,
        Err(status) => return failed(success, status, 1),
    };
    success.out.status(Status::Ok);
    file.post_op(&mut success.out);
    let files = file.volume.tree.len() as u64;
    // Bytes in total, free, free for users; files in total, free, free for users.
    for value in [file.volume.size, 0, 0, files, 0, 0] {
        success.out.u64(value);
    }
    // Seconds for which this remains valid (invarsec).
    success.out.u32(u32::MAX);
    about(&file, success)
}

/// Answers FSINFO (§3.3.19).
fn information(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    /// FSF3_SYMLINK and FSF3_HOMOGENEOUS: there may be links, and PATHCONF is the same everywhere.
    const PROPERTIES: u32 = 0x02 | 0x08;
    let mut success = request.success();
    let file = match request.file()? {
        Ok(file) => file,
        Err(status) => return failed(success, status, 1),
    };
    let most = read::most(request.context.over);
    let block = u32::try_from(BLOCK_BYTES).unwrap_or(1);
    success.out.status(Status::Ok);
    file.post_op(&mut success.out);
    // rtmax, rtpref, rtmult, and the same for writing: clients treat zero as an error.
    for value in [most, most, block, most, most, block] {
        success.out.u32(value);
    }
    success.out.u32(directory::preferred(request.context.over));
    // maxfilesize
    success.out.u64(i64::MAX.unsigned_abs());
    // time_delta
    success.out.u32(1);
    success.out.u32(0);
    success.out.u32(PROPERTIES);
    about(&file, success)
}

/// Answers PATHCONF (§3.3.20).
fn path_configuration(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    /// ext4's number of links, so that clients see a familiar value; links cannot be made.
    const MAX_LINKS: u32 = 65_000;
    let mut success = request.success();
    let file = match request.file()? {
        Ok(file) => file,
        Err(status) => return failed(success, status, 1),
    };
    success.out.status(Status::Ok);
    file.post_op(&mut success.out);
    success.out.u32(MAX_LINKS);
    success
        .out
        .u32(u32::try_from(MAX_NAME_BYTES).unwrap_or(u32::MAX));
    // no_trunc, chown_restricted, case_insensitive, case_preserving
    for value in [true, true, false, true] {
        success.out.bool(value);
    }
    about(&file, success)
}
