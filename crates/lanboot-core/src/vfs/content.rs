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
    /// Bytes that the medium records and that cannot be had. Reading them is an error on every
    /// protocol.
    Missing(Missing),
}

/// Why bytes cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The image ends before them.
    PastEnd,
    /// See [`Damage::ExtentMissing`].
    ExtentMissing,
    /// See [`Damage::Zisofs`].
    Zisofs,
    /// See [`Damage::Interleaved`].
    Interleaved,
}

/// Why a file cannot be handed out although its name is there. Each is a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The image ends before the file does.
    #[error("incomplete: {present} of {recorded} bytes")]
    Incomplete {
        /// Bytes that are there.
        present: u64,
        /// Bytes there should be.
        recorded: u64,
    },
    /// One of its extents is not recorded, so not even its length is known.
    #[error("damaged: an extent of it is missing from its folder")]
    ExtentMissing,
    /// The medium stores it compressed (RRIP `ZF`), which only a kernel that mounts it unpacks.
    #[error("compressed by zisofs, which lanboot does not unpack")]
    Zisofs,
    /// It takes turns with another file on the medium (ECMA-119 §6.4.3).
    #[error("recorded interleaved with another file, which lanboot does not read")]
    Interleaved,
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
            Source::Missing(why) => Source::Missing(*why),
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
            Source::Disk { .. } | Source::Zero | Source::Missing(_) => None,
        }
    }

    /// `len` bytes of `image` from `offset` on, where the image ends at `end`: the part that is
    /// there, and as [`Source::Missing`] the part that is not. Either may be empty.
    pub fn of_image(image: ImageId, offset: u64, len: u64, end: u64) -> [Self; 2] {
        let present = len.min(end.saturating_sub(offset));
        [
            Self {
                source: Source::Disk { image, offset },
                len: present,
            },
            Self {
                source: Source::Missing(Missing::PastEnd),
                len: len - present,
            },
        ]
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

    /// A file of `len` bytes, at least one, none of which can be had.
    pub fn unusable(len: u64, why: Missing) -> Self {
        let source = Source::Missing(why);
        let len = len.max(1);
        Self::new([Piece { source, len }])
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

    /// Why it must not be handed out as a file, not even the part of it that is there; `None` when
    /// it is whole as far as anybody can tell. A disk may be read where it is whole.
    pub fn damage(&self) -> Option<Damage> {
        let why = self.pieces.iter().find_map(|piece| match piece.source {
            Source::Missing(why) => Some(why),
            Source::Disk { .. } | Source::Memory { .. } | Source::Zero => None,
        })?;
        Some(match why {
            Missing::PastEnd => {
                let is_there = |piece: &&Piece| !matches!(piece.source, Source::Missing(_));
                let there = self.pieces.iter().filter(is_there);
                Damage::Incomplete {
                    present: there.map(|piece| piece.len).sum(),
                    recorded: self.len,
                }
            }
            Missing::ExtentMissing => Damage::ExtentMissing,
            Missing::Zisofs => Damage::Zisofs,
            Missing::Interleaved => Damage::Interleaved,
        })
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
        (Source::Missing(why), Source::Missing(same)) => why == same,
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
                Source::Missing(_) => unreachable!("none is made here"),
            }
        }
        out
    }

    #[test]
    fn what_an_image_lacks_is_missing_and_marks_the_whole_file() {
        let cut = |offset, len, end| Content::new(Piece::of_image(IMAGE, offset, len, end));
        let whole = cut(100, 50, 150);
        assert_eq!(
            (whole.pieces(), whole.damage()),
            (&[disk(100, 50)][..], None)
        );
        let half = cut(100, 50, 120);
        assert_eq!(half.len(), 50);
        let damage = Damage::Incomplete {
            present: 20,
            recorded: 50,
        };
        assert_eq!(half.damage(), Some(damage));
        assert_eq!(damage.to_string(), "incomplete: 20 of 50 bytes");
        let missing = |len| Piece {
            source: Source::Missing(Missing::PastEnd),
            len,
        };
        assert_eq!(half.pieces(), &[disk(100, 20), missing(30)]);
        for (offset, end) in [(100, 100), (100, 0), (u64::MAX, 5)] {
            assert_eq!(
                cut(offset, 50, end).pieces(),
                &[missing(50)],
                "{offset} {end}"
            );
        }
        // Whatever is made of it has the damage too.
        let joined = Content::new(
            half.pieces()
                .iter()
                .cloned()
                .chain([disk(0, 1), missing(4)]),
        );
        let damage = Damage::Incomplete {
            present: 21,
            recorded: 55,
        };
        assert_eq!(joined.damage(), Some(damage));
        let packed = Content::unusable(9, Missing::Zisofs);
        assert_eq!((packed.len(), packed.damage()), (9, Some(Damage::Zisofs)));
        let joined = Content::new([disk(0, 5)].into_iter().chain(packed.pieces().to_vec()));
        assert_eq!(joined.damage(), Some(Damage::Zisofs));
        let lost = Content::unusable(0, Missing::ExtentMissing);
        assert_eq!(lost.damage(), Some(Damage::ExtentMissing));
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
