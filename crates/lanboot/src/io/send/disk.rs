//! Reads from images before, or instead of, sending from them.

use std::io;

use lanboot_core::iso::ReadAt;
use lanboot_core::vfs::{Slice, Source};

use super::outcome::SendError;
use super::pinned_images::PinnedImages;
use super::stream_pump::SLICE_BYTES;
use crate::images::open_images::ImageFile;

/// Longest body, in bytes, read completely before it is sent if its disk has failed before: the
/// longest READ of NFS and NBD.
const TRIED_BYTES: u64 = 32 * SLICE_BYTES;

/// Reads the first and the last byte that come from a disk: an image that cannot be read at all, or
/// was truncated, is detected while an error can still be sent.
///
/// If the disk failed in the middle of a reply before, a reply of at most [`TRIED_BYTES`] is read
/// completely: NFS clients repeat an incomplete read, and without an error would do so
/// indefinitely.
pub(super) fn try_disk(held: &PinnedImages, body: &Slice) -> Result<(), SendError> {
    let mut ends = None;
    for piece in body.pieces() {
        if let Source::Missing(_) = piece.source {
            return Err(SendError::Missing);
        }
        if let Source::Image { image, offset } = piece.source {
            let image_file = held.image_file(image)?;
            if image_file.has_failed() && body.len() <= TRIED_BYTES {
                read_through(image_file, offset, piece.len)?;
            }
            let last = (image, offset + (piece.len - 1));
            ends = Some((ends.map_or((image, offset), |(first, _)| first), last));
        }
    }
    let Some((first, last)) = ends else {
        return Ok(());
    };
    for (image, offset) in [first, last] {
        read_exactly(held.image_file(image)?, &mut [0], offset)?;
    }
    held.check_all()
}

/// Reads `len` bytes and discards them.
fn read_through(image_file: &ImageFile, mut offset: u64, mut len: u64) -> Result<(), SendError> {
    let mut scratch = [0; 16 * 1024];
    while len > 0 {
        let n = len.min(scratch.len() as u64);
        let into = usize::try_from(n).ok().and_then(|n| scratch.get_mut(..n));
        read_exactly(image_file, into.unwrap_or_default(), offset)?;
        offset += n;
        len -= n;
    }
    Ok(())
}

/// Fills `into` from `offset` on.
pub(super) fn read_exactly(
    image_file: &ImageFile,
    mut into: &mut [u8],
    mut offset: u64,
) -> Result<(), SendError> {
    while !into.is_empty() {
        match image_file.read_at(into, offset) {
            Ok(0) => return Err(SendError::Short),
            Ok(n) => {
                into = into.get_mut(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SendError::Read(error)),
        }
    }
    Ok(())
}
