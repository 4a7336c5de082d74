//! A file as a run of DATA datagrams in memory, read ahead: many blocks cost one `preadv`.

use std::io::{self, IoSliceMut};

use lanboot_core::tftp::{self, data_header};
use lanboot_core::vfs::{Content, Piece, Source};

use crate::images::open_images::OpenImages;
use crate::io::send::{PinnedImages, SendError};

/// Bytes of DATA datagrams held per transfer. 64 KiB make the read disappear behind the sends
/// (44 blocks of 1468 bytes for each), and 1,000 transfers stay below 64 MiB.
const READ_AHEAD: usize = 65_536;
/// Most blocks read ahead: enough for 64 KiB of the smallest blocks in the field, 512 bytes.
const MAX_BLOCKS: usize = 128;
/// Most parts of one `preadv` (Linux takes 1,024).
const MAX_PARTS: usize = 1024;
/// The DATA packet's number and the block's.
const HEADER: usize = 4;

/// A file whose images stay open for as long as this value lives.
#[derive(Debug)]
pub(super) struct OpenFile {
    content: Content,
    held: PinnedImages,
}

impl OpenFile {
    /// Takes hold of every image `content` lies on.
    pub(super) fn open(content: Content, open_images: &OpenImages) -> Result<Self, SendError> {
        let held = PinnedImages::of(content.pieces().iter().cloned(), open_images);
        for piece in content.pieces() {
            if let Source::Image { image, .. } = piece.source {
                held.image_file(image)?;
            }
        }
        Ok(Self { content, held })
    }

    pub(super) fn len(&self) -> u64 {
        self.content.len()
    }

    /// Reads all of it, for files known to be small.
    pub(super) fn read_all(&self) -> Result<Vec<u8>, SendError> {
        let len = usize::try_from(self.len()).map_err(too_long)?;
        let mut bytes = vec![0; len];
        self.read(0, len, &mut bytes, 0, len.max(1))?;
        Ok(bytes)
    }

    /// Reads `len` bytes from `offset` on into `buf`, leaving a gap of `gap` bytes before every
    /// `block` bytes.
    fn read(
        &self,
        offset: u64,
        len: usize,
        buf: &mut [u8],
        gap: usize,
        block: usize,
    ) -> Result<(), SendError> {
        let mut done = 0;
        for piece in self.content.slice(offset..offset + len as u64).pieces() {
            let piece_len = usize::try_from(piece.len).map_err(too_long)?;
            match &piece.source {
                Source::Image { image, offset } => {
                    let image_file = self.held.image_file(*image)?;
                    let mut read = 0;
                    while read < piece_len {
                        let mut parts: Vec<IoSliceMut<'_>> =
                            spans(buf, gap, block, done + read, piece_len - read)
                                .take(MAX_PARTS)
                                .map(IoSliceMut::new)
                                .collect();
                        match image_file.read_vectored_at(&mut parts, offset + read as u64) {
                            Ok(0) => return Err(SendError::Short),
                            Ok(n) => read += n,
                            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                            Err(error) => return Err(SendError::Read(error)),
                        }
                    }
                    // What was read may be another image's by now.
                    self.held.check(*image)?;
                }
                Source::Memory { .. } => copy(&piece, spans(buf, gap, block, done, piece_len)),
                Source::Zero => spans(buf, gap, block, done, piece_len).for_each(|s| s.fill(0)),
                Source::Missing(_) => return Err(SendError::Missing),
            }
            done += piece_len;
        }
        Ok(())
    }
}

/// Returns the error for a length that does not fit the address space of a 32-bit host.
fn too_long(error: std::num::TryFromIntError) -> SendError {
    SendError::Read(io::Error::other(error))
}

fn copy<'a>(piece: &Piece, into: impl Iterator<Item = &'a mut [u8]>) {
    let mut rest = piece.memory().unwrap_or_default();
    for span in into {
        let (now, later) = rest.split_at(span.len().min(rest.len()));
        // Not longer than `now`: the spans add up to the piece's length.
        if let Some(start) = span.get_mut(..now.len()) {
            start.copy_from_slice(now);
        }
        rest = later;
    }
}

/// Returns the parts of `buf` that hold the `len` bytes of data from the `from`-th on.
fn spans(
    buf: &mut [u8],
    gap: usize,
    block: usize,
    from: usize,
    len: usize,
) -> impl Iterator<Item = &mut [u8]> {
    let mut skip = from % block;
    let mut left = len;
    buf.chunks_mut(gap + block)
        .skip(from / block)
        .filter_map(move |chunk| {
            let start = gap + std::mem::take(&mut skip);
            let span = chunk.get_mut(start..)?;
            let take = span.len().min(left);
            left -= take;
            if take == 0 {
                None
            } else {
                span.get_mut(..take)
            }
        })
}

/// A file as DATA datagrams.
#[derive(Debug)]
pub(super) struct DataBlocks {
    file: OpenFile,
    blksize: usize,
    /// Number of blocks read at once, a multiple of the window.
    capacity: u64,
    /// Datagrams one behind the other; all are full but perhaps the last.
    buf: Vec<u8>,
    /// Number of the first block in `buf`; 0 while it is empty.
    first: u64,
    /// The block behind the last one in `buf`.
    end: u64,
}

impl DataBlocks {
    pub(super) fn new(file: OpenFile, blksize: u16, windowsize: u16) -> Self {
        let blksize = usize::from(blksize.max(1));
        let window = usize::from(windowsize.max(1));
        let fitting = (READ_AHEAD / (blksize + HEADER)).min(MAX_BLOCKS);
        let capacity = (fitting / window).max(1) * window;
        Self {
            file,
            blksize,
            capacity: capacity as u64,
            buf: Vec::new(),
            first: 0,
            end: 0,
        }
    }

    /// Returns the datagrams of these blocks, one behind the other.
    ///
    /// Blocks read ahead were this image's when they were read, and go out also when it is
    /// overwritten meanwhile: at most [`READ_AHEAD`] bytes.
    pub(super) fn datagrams(&mut self, blocks: &tftp::Blocks) -> Result<&[u8], SendError> {
        let end = blocks.first + u64::from(blocks.count);
        if blocks.first < self.first || end > self.end {
            self.load(blocks)?;
        }
        let stride = self.blksize + HEADER;
        let skip = usize::try_from(blocks.first - self.first).map_err(too_long)? * stride;
        let len =
            usize::try_from(blocks.len).map_err(too_long)? + usize::from(blocks.count) * HEADER;
        self.buf.get(skip..skip + len).ok_or(SendError::Short)
    }

    /// Reads ahead from the first of `blocks` on.
    fn load(&mut self, blocks: &tftp::Blocks) -> Result<(), SendError> {
        let last = self.file.len() / self.blksize as u64 + 1;
        let count = self.capacity.max(blocks.count.into());
        let count = count.min((last + 1).saturating_sub(blocks.first));
        let left = self.file.len().saturating_sub(blocks.offset);
        let data = (count * self.blksize as u64).min(left);
        let size = usize::try_from(data + count * HEADER as u64).map_err(too_long)?;
        (self.first, self.end) = (0, 0);
        self.buf.resize(size, 0);
        let stride = self.blksize + HEADER;
        for (block, datagram) in (blocks.first..).zip(self.buf.chunks_mut(stride)) {
            if let Some(header) = datagram.first_chunk_mut() {
                *header = data_header(block);
            }
        }
        let len = usize::try_from(data).map_err(too_long)?;
        self.file
            .read(blocks.offset, len, &mut self.buf, HEADER, self.blksize)?;
        (self.first, self.end) = (blocks.first, blocks.first + count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    use crate::images::open_images::ImageFile;

    /// The blocks from `first` on as RFC 1350 has them, from the whole file.
    fn naive(file: &[u8], blksize: usize, first: u64, count: u16) -> Vec<u8> {
        let mut out = Vec::new();
        for block in first..first + u64::from(count) {
            out.extend_from_slice(&data_header(block));
            let start = usize::try_from(block - 1).unwrap() * blksize;
            let end = (start + blksize).min(file.len());
            out.extend_from_slice(&file[start..end]);
        }
        out
    }

    proptest! {
        #[test]
        fn the_datagrams_hold_the_file_whatever_it_is_made_of(
            lens in proptest::collection::vec((0..3u8, 0..900u64, 0..3000u64), 1..6),
            blksize in 8..700u16,
            windowsize in 1..9u16,
            jumps in proptest::collection::vec((any::<u64>(), 1..9u16), 1..20),
        ) {
            let image_file: Vec<u8> = (0..4000u32).map(|n| u8::try_from(n % 241).unwrap()).collect();
            let mut image = tempfile::NamedTempFile::new().unwrap();
            image.write_all(&image_file).unwrap();
            let open_images = OpenImages::default();
            let id = open_images.insert(ImageFile::open(image.path()).unwrap());
            let mut whole = Vec::new();
            let mut pieces = Vec::new();
            for (kind, len, at) in lens {
                let from = usize::try_from(at).unwrap();
                let until = from + usize::try_from(len).unwrap();
                let bytes = &image_file[from..until];
                let source = match kind {
                    0 => Source::Image { image: id, offset: at },
                    1 => Source::Memory { bytes: image_file.clone().into(), offset: from },
                    _ => Source::Zero,
                };
                match kind {
                    0 | 1 => whole.extend_from_slice(bytes),
                    _ => whole.resize(whole.len() + bytes.len(), 0),
                }
                pieces.push(Piece { source, len });
            }
            let file = OpenFile::open(Content::new(pieces), &open_images).unwrap();
            prop_assert_eq!(&file.read_all().unwrap(), &whole);
            let size = usize::from(blksize);
            let last = (whole.len() / size + 1) as u64;
            let mut blocks = DataBlocks::new(file, blksize, windowsize);
            for (at, count) in jumps {
                let first = at % last + 1;
                let count = u64::from(count).min(last + 1 - first);
                let offset = (first - 1) * u64::from(blksize);
                let asked = tftp::Blocks {
                    first,
                    count: u16::try_from(count).unwrap(),
                    offset,
                    len: (count * u64::from(blksize)).min(whole.len() as u64 - offset),
                };
                let expected = naive(&whole, size, first, asked.count);
                prop_assert_eq!(blocks.datagrams(&asked).unwrap(), &expected[..]);
            }
        }
    }

    #[test]
    fn a_disk_that_ends_early_is_an_error_and_no_zeros() {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().write_all(&[1; 100]).unwrap();
        let open_images = OpenImages::default();
        let id = open_images.insert(ImageFile::open(image.path()).unwrap());
        let file = OpenFile::open(Content::in_image(id, 50, 100), &open_images).unwrap();
        let mut blocks = DataBlocks::new(file, 512, 1);
        let first = tftp::Blocks {
            first: 1,
            count: 1,
            offset: 0,
            len: 100,
        };
        let error = blocks.datagrams(&first).unwrap_err();
        assert!(matches!(error, SendError::Short), "{error}");
    }
}
