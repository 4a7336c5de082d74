//! `Content`: what a file holds, as a list of pieces. A file inside an image, a whole image as a
//! disk, a generated script, an initramfs with an overlay appended — all are this one type.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// An open image. The shell gives every image it opens a new number and never uses one twice in
/// its life, so content keeps meaning the same bytes after a rescan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(pub u64);

/// What an image file is, for machines that go on with it after a restart of the server: the same
/// for the same file, also when it is renamed, and another one for any other file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 16]);

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where a piece's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `len` bytes of an image, from `offset` bytes on.
    Disk {
        /// Which image.
        image: ImageId,
        /// First byte, counted from the start of the image file.
        offset: u64,
    },
    /// Bytes held in memory, from `offset` on.
    Memory {
        /// The whole buffer.
        bytes: Arc<[u8]>,
        /// First byte of the piece in it.
        offset: usize,
    },
    /// Zero bytes.
    Zero,
}

/// A run of bytes from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where they are.
    pub source: Source,
    /// How many.
    pub len: u64,
}

impl Piece {
    /// The part of this piece from `skip` on, at most `limit` bytes long.
    fn cut(&self, skip: u64, limit: u64) -> Self {
        let len = self.len.saturating_sub(skip).min(limit);
        let source = match &self.source {
            Source::Disk { image, offset } => Source::Disk {
                image: *image,
                offset: offset.saturating_add(skip),
            },
            Source::Memory { bytes, offset } => Source::Memory {
                bytes: Arc::clone(bytes),
                offset: offset.saturating_add(usize::try_from(skip).unwrap_or(usize::MAX)),
            },
            Source::Zero => Source::Zero,
        };
        Self { source, len }
    }

    /// The bytes of a memory piece; `None` for the others.
    pub fn memory(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Memory { bytes, offset } => {
                let len = usize::try_from(self.len).ok()?;
                bytes.get(*offset..offset.checked_add(len)?)
            }
            Source::Disk { .. } | Source::Zero => None,
        }
    }
}

/// What a file holds. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pieces: Arc<[Piece]>,
    /// Where each piece starts within the content; same length as `pieces`.
    starts: Arc<[u64]>,
    len: u64,
}

impl Content {
    /// Joins `pieces` in order. Empty pieces are dropped; neighbours on disk that continue each
    /// other become one, so a multi-extent file costs one `sendfile`. A total over 2^63 bytes is
    /// cut there.
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        const MAX_LEN: u64 = i64::MAX as u64;
        let mut joined: Vec<Piece> = Vec::new();
        let mut starts = Vec::new();
        let mut len = 0u64;
        for piece in pieces {
            let piece = piece.cut(0, MAX_LEN - len);
            if piece.len == 0 {
                continue;
            }
            len += piece.len;
            match joined.last_mut() {
                Some(last) if continues(last, &piece) => last.len += piece.len,
                _ => {
                    starts.push(len - piece.len);
                    joined.push(piece);
                }
            }
        }
        Self {
            pieces: joined.into(),
            starts: starts.into(),
            len,
        }
    }

    /// `len` bytes of `image` from `offset` on.
    pub fn disk(image: ImageId, offset: u64, len: u64) -> Self {
        Self::new([Piece {
            source: Source::Disk { image, offset },
            len,
        }])
    }

    /// Bytes made up here.
    pub fn memory(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        Self::new([Piece {
            source: Source::Memory { bytes, offset: 0 },
            len,
        }])
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its pieces, in order, none empty.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Everything.
    pub fn all(&self) -> Slice {
        self.slice(0..self.len)
    }

    /// The bytes in `range`, which is clamped to the content.
    pub fn slice(&self, range: Range<u64>) -> Slice {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        Slice {
            content: self.clone(),
            range: start..end,
        }
    }
}

fn continues(last: &Piece, next: &Piece) -> bool {
    match (&last.source, &next.source) {
        (
            Source::Disk {
                image: a,
                offset: at,
            },
            Source::Disk {
                image: b,
                offset: then,
            },
        ) => a == b && at.checked_add(last.len) == Some(*then),
        (Source::Zero, Source::Zero) => true,
        _ => false,
    }
}

/// A range of a [`Content`]: what one reply sends. Always inside its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    content: Content,
    range: Range<u64>,
}

impl Slice {
    /// No bytes.
    pub fn empty() -> Self {
        Content::new([]).all()
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first piece of what is left, cut to the slice; `None` at the end. Finding it is a
    /// binary search, so walking a slice with `first` and `advance` allocates nothing.
    pub fn first(&self) -> Option<Piece> {
        if self.is_empty() {
            return None;
        }
        let at = self
            .content
            .starts
            .partition_point(|&s| s <= self.range.start)
            .checked_sub(1)?;
        let skip = self.range.start - self.content.starts.get(at)?;
        Some(self.content.pieces.get(at)?.cut(skip, self.len()))
    }

    /// Drops the first `n` bytes, or all when there are fewer.
    pub fn advance(&mut self, n: u64) {
        self.range.start = self.range.start.saturating_add(n).min(self.range.end);
    }

    /// The pieces of what is left, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        let mut rest = self.clone();
        std::iter::from_fn(move || {
            let piece = rest.first()?;
            rest.advance(piece.len);
            Some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IMAGE: ImageId = ImageId(1);

    fn disk(offset: u64, len: u64) -> Piece {
        Piece {
            source: Source::Disk {
                image: IMAGE,
                offset,
            },
            len,
        }
    }

    #[test]
    fn extents_that_continue_each_other_become_one_piece() {
        let content = Content::new([disk(100, 50), disk(150, 10), disk(0, 0), disk(300, 1)]);
        assert_eq!(content.pieces(), &[disk(100, 60), disk(300, 1)]);
        assert_eq!(content.len(), 61);
    }

    #[test]
    fn a_range_beyond_the_end_is_clamped() {
        let content = Content::memory(*b"abc");
        assert_eq!(content.slice(1..99).len(), 2);
        assert!(content.slice(7..9).is_empty());
        assert_eq!(content.slice(7..9).first(), None);
    }

    #[test]
    fn a_total_that_would_overflow_is_cut() {
        let content = Content::new([disk(0, u64::MAX), disk(7, u64::MAX)]);
        assert_eq!(content.len(), i64::MAX as u64);
    }

    /// Stands for the disk: the byte at offset n of the image.
    fn byte_at(n: u64) -> u8 {
        u8::try_from(n % 251).unwrap_or(0)
    }

    fn read(pieces: impl IntoIterator<Item = Piece>) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces {
            match &piece.source {
                Source::Disk { offset, .. } => {
                    out.extend((*offset..offset + piece.len).map(byte_at));
                }
                Source::Zero => out.resize(out.len() + usize::try_from(piece.len).unwrap(), 0),
                Source::Memory { .. } => out.extend_from_slice(piece.memory().unwrap()),
            }
        }
        out
    }

    fn any_piece() -> impl Strategy<Value = Piece> {
        prop_oneof![
            (0..1000u64, 0..40u64).prop_map(|(offset, len)| disk(offset, len)),
            (0..40u64).prop_map(|len| Piece {
                source: Source::Zero,
                len
            }),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Piece {
                len: bytes.len() as u64,
                source: Source::Memory {
                    bytes: bytes.into(),
                    offset: 0
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_slice_equals_a_naive_copy(
            pieces in proptest::collection::vec(any_piece(), 0..8),
            start in 0..400u64, len in 0..400u64, step in 1..64u64,
        ) {
            let whole = read(pieces.clone());
            let content = Content::new(pieces);
            prop_assert_eq!(content.len(), whole.len() as u64);
            let naive: Vec<u8> = whole.iter().copied()
                .skip(usize::try_from(start).unwrap()).take(usize::try_from(len).unwrap()).collect();
            let mut slice = content.slice(start..start + len);
            prop_assert_eq!(&read(slice.pieces()), &naive);
            // The same again in steps, as the pump does.
            let mut stepped = Vec::new();
            while let Some(piece) = slice.first() {
                let part = piece.cut(0, step);
                slice.advance(part.len);
                stepped.extend(read([part]));
            }
            prop_assert_eq!(stepped, naive);
        }
    }
}
