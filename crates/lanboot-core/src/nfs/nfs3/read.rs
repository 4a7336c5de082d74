//! READ (RFC 1813 §3.3.6), the only procedure whose results come from a disk.

use super::super::call::{Answer, CallOutcome, ProcedureCall, Stop};
use super::super::limits::{MAX_READ_BYTES, MAX_READ_BYTES_UDP};
use super::super::wire::rpc::{Over, Success};
use super::super::wire::xdr::padding;
use super::result::{Status, failed, failed_at, fits};
use crate::vfs::{Content, Kind, Missing, Piece, Slice, Source};

/// Returns the most bytes of one READ.
pub(super) fn most(over: Over) -> u32 {
    fits(over, MAX_READ_BYTES, MAX_READ_BYTES_UDP)
}

pub(super) fn answer(mut request: ProcedureCall<'_>) -> Result<Answer, Stop> {
    let mut success: Success = request.success();
    let file = request.file()?;
    let offset = request.args.u64("the offset")?;
    let count = request.args.u32("the count")?;
    let file = match file {
        Ok(file) => file,
        Err(status) => return failed(success, status, 1),
    };
    let content = match &file.node.kind {
        Kind::File(content) => content,
        Kind::Directory(_) => return failed_at(&file, success, Status::IsADirectory),
        Kind::Symlink(_) => return failed_at(&file, success, Status::Invalid),
    };
    let count = u64::from(count.min(most(request.context.over)));
    let end = offset.saturating_add(count);
    let slice = match content.damage() {
        // The size is the recorded one, so the file never looks complete; reading any of it fails
        // and is logged.
        Some(_) => missing(count),
        None => content.slice(offset..end),
    };
    let len = u32::try_from(slice.len()).unwrap_or(u32::MAX);
    success.out.status(Status::Ok);
    file.post_op(&mut success.out);
    success.out.u32(len);
    success.out.bool(end >= content.len());
    // Opaque data: its length again, and padding to a multiple of four bytes.
    success.out.u32(len);
    let volume = file.volume;
    Ok(Answer {
        reply: success.with_body(padded(slice), |out| {
            out.status(Status::Io);
            out.no_attributes();
        }),
        outcome: CallOutcome::Read {
            identity: volume.identity,
            image: volume.image,
            size: volume.size,
        },
    })
}

/// Returns at least one byte that cannot be read.
fn missing(count: u64) -> Slice {
    let source = Source::Missing(Missing::PastEnd);
    let len = count.max(1);
    Content::new([Piece { source, len }]).all()
}

fn padded(slice: Slice) -> Slice {
    let len = usize::try_from(slice.len()).unwrap_or(0);
    match padding(len) {
        0 => slice,
        n => {
            let padding = Piece {
                source: Source::Zero,
                len: n as u64,
            };
            Content::new(slice.pieces().chain([padding])).all()
        }
    }
}
