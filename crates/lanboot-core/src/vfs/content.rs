//! Contents of a file as a list of pieces: a file inside an image, a whole image as a disk, a
//! generated script, or an initramfs with an overlay appended.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Number of an open image. The shell numbers each image it opens and never reuses a number, so
/// content keeps referring to the same bytes after a rescan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(pub u64);

/// Identity of an image file, for clients that continue after a server restart: unchanged when the
/// file is renamed, and different for any other file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 16]);

impl Identity {
    /// Returns `IMAGE@IDENTITY`, a name that means this very file whatever the image is called.
    pub fn pinned_name(self, image: &str) -> String {
        format!("{image}@{self}")
    }

    /// Returns the identity in a [`Self::pinned_name`]. No image's own name has an `@`.
    pub fn of_pinned_name(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let (_, hex) = name.rsplit_once('@')?;
        let is_hex = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(hex, 16).ok())??;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Source of a piece's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `len` bytes of an image, from `offset` bytes on.
    Image {
        /// The image.
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
    /// Bytes recorded by the medium that cannot be read. Reading them is an error in every
    /// protocol.
    Missing(Missing),
}

/// Reason bytes cannot be read.
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
    /// See [`Damage::Unlocated`].
    Unlocated,
    /// See [`Damage::NoDisk`].
    NoDisk,
    /// See [`Damage::Private`].
    Private,
    /// See [`Damage::Sparse`].
    Sparse,
}

/// Reason a listed file cannot be served. Each is a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The image ends before the file does.
    #[error("incomplete: {present} of {recorded} bytes")]
    Incomplete {
        /// Bytes present.
        present: u64,
        /// Bytes recorded.
        recorded: u64,
    },
    /// One of its extents is not recorded, so that its length is unknown.
    #[error("damaged: an extent of it is missing from its folder")]
    ExtentMissing,
    /// Stored compressed (RRIP `ZF`); unpacked only by a kernel that mounts the medium.
    #[error("compressed by zisofs, which lanboot does not unpack")]
    Zisofs,
    /// Interleaved with another file (ECMA-119 §6.4.3).
    #[error("recorded interleaved with another file, which lanboot does not read")]
    Interleaved,
    /// The file system does not say where all of it is, or says it of two files.
    #[error("damaged: the file system does not record where all of it is")]
    Unlocated,
    /// A folder or an archive asked for as a disk image.
    #[error("no disk image: its files are served one by one")]
    NoDisk,
    /// A file of a folder that its owner does not let everybody read.
    #[error("not readable by everybody on the server (chmod o+r)")]
    Private,
    /// Stored in an archive without the zeros in it.
    #[error("stored sparse in its archive, which lanboot does not unpack")]
    Sparse,
}

reason_codes!(Damage {
    Self::Incomplete { .. } => "incomplete_file",
    Self::ExtentMissing => "extent_missing",
    Self::Zisofs => "zisofs",
    Self::Interleaved => "interleaved",
    Self::Unlocated => "unlocated",
    Self::NoDisk => "no_disk",
    Self::Private => "private",
    Self::Sparse => "sparse",
});

/// A run of bytes from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Source of the bytes.
    pub source: Source,
    /// Length in bytes.
    pub len: u64,
}

impl Piece {
    /// Returns the part of this piece from `skip` on, at most `limit` bytes long.
    fn cut(&self, skip: u64, limit: u64) -> Self {
        let len = self.len.saturating_sub(skip).min(limit);
        let source = match &self.source {
            Source::Image { image, offset } => Source::Image {
                image: *image,
                offset: offset.saturating_add(skip),
            },
            Source::Memory { bytes, offset } => Source::Memory {
                bytes: Arc::clone(bytes),
                offset: offset.saturating_add(usize::try_from(skip).unwrap_or(usize::MAX)),
            },
            Source::Zero => Source::Zero,
            Source::Missing(reason) => Source::Missing(*reason),
        };
        Self { source, len }
    }

    /// Returns the bytes of a memory piece; `None` for other sources.
    pub fn memory(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Memory { bytes, offset } => {
                let len = usize::try_from(self.len).ok()?;
                bytes.get(*offset..offset.checked_add(len)?)
            }
            Source::Image { .. } | Source::Zero | Source::Missing(_) => None,
        }
    }

    /// Returns `len` bytes of `image` from `offset` on, where the image ends at `end`: the part
    /// present, and the rest as [`Source::Missing`]. Either may be empty.
    pub fn of_image(image: ImageId, offset: u64, len: u64, end: u64) -> [Self; 2] {
        let present = len.min(end.saturating_sub(offset));
        [
            Self {
                source: Source::Image { image, offset },
                len: present,
            },
            Self {
                source: Source::Missing(Missing::PastEnd),
                len: len - present,
            },
        ]
    }
}

/// Contents of a file. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pieces: Arc<[Piece]>,
    /// Start of each piece within the content; same length as `pieces`.
    starts: Arc<[u64]>,
    len: u64,
}

impl Content {
    /// Joins `pieces` in order. Empty pieces are dropped; adjacent pieces that continue each other
    /// on disk are merged, so a multi-extent file costs one `sendfile`. A total over 2^63 bytes is
    /// truncated.
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

    /// Creates a file of `len` bytes, at least one, none of which can be read.
    pub fn unusable(len: u64, reason: Missing) -> Self {
        let source = Source::Missing(reason);
        let len = len.max(1);
        Self::new([Piece { source, len }])
    }

    /// Creates content from `len` bytes of `image`, starting at `offset`.
    pub fn in_image(image: ImageId, offset: u64, len: u64) -> Self {
        Self::new([Piece {
            source: Source::Image { image, offset },
            len,
        }])
    }

    /// Creates content held in memory.
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

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the reason the file must not be served, not even the part that is present; `None` if
    /// no damage is known. A disk may be read where it is intact.
    pub fn damage(&self) -> Option<Damage> {
        let reason = self.pieces.iter().find_map(|piece| match piece.source {
            Source::Missing(reason) => Some(reason),
            Source::Image { .. } | Source::Memory { .. } | Source::Zero => None,
        })?;
        Some(match reason {
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
            Missing::Unlocated => Damage::Unlocated,
            Missing::NoDisk => Damage::NoDisk,
            Missing::Private => Damage::Private,
            Missing::Sparse => Damage::Sparse,
        })
    }

    /// Returns the pieces in order, none empty.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Returns a slice of the whole content.
    pub fn all(&self) -> Slice {
        self.slice(0..self.len)
    }

    /// Returns the bytes in `range`, clamped to the content.
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
            Source::Image {
                image: a,
                offset: at,
            },
            Source::Image {
                image: b,
                offset: then,
            },
        ) => a == b && at.checked_add(last.len) == Some(*then),
        (Source::Zero, Source::Zero) => true,
        (Source::Missing(reason), Source::Missing(other)) => reason == other,
        _ => false,
    }
}

/// A range of a [`Content`], as sent by one reply. Always inside its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    content: Content,
    range: Range<u64>,
}

impl Slice {
    /// Creates a slice without bytes.
    pub fn empty() -> Self {
        Content::new([]).all()
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Returns whether no bytes are left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the first remaining piece, cut to the slice; `None` at the end. Finding it is a
    /// binary search, so walking a slice with `first` and `advance` does not allocate.
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

    /// Drops the first `n` bytes, or all if there are fewer.
    pub fn advance(&mut self, n: u64) {
        self.range.start = self.range.start.saturating_add(n).min(self.range.end);
    }

    /// Iterates over the remaining pieces in order.
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

    fn in_image(offset: u64, len: u64) -> Piece {
        Piece {
            source: Source::Image {
                image: IMAGE,
                offset,
            },
            len,
        }
    }

    #[test]
    fn extents_that_continue_each_other_become_one_piece() {
        let content = Content::new([
            in_image(100, 50),
            in_image(150, 10),
            in_image(0, 0),
            in_image(300, 1),
        ]);
        assert_eq!(content.pieces(), &[in_image(100, 60), in_image(300, 1)]);
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
        let content = Content::new([in_image(0, u64::MAX), in_image(7, u64::MAX)]);
        assert_eq!(content.len(), i64::MAX as u64);
    }

    /// Returns the byte at offset `n` of the simulated image.
    fn byte_at(n: u64) -> u8 {
        u8::try_from(n % 251).unwrap_or(0)
    }

    fn read(pieces: impl IntoIterator<Item = Piece>) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces {
            match &piece.source {
                Source::Image { offset, .. } => {
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
    fn bytes_past_the_end_are_missing_and_damage_the_file() {
        let cut = |offset, len, end| Content::new(Piece::of_image(IMAGE, offset, len, end));
        let whole = cut(100, 50, 150);
        assert_eq!(
            (whole.pieces(), whole.damage()),
            (&[in_image(100, 50)][..], None)
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
        assert_eq!(half.pieces(), &[in_image(100, 20), missing(30)]);
        for (offset, end) in [(100, 100), (100, 0), (u64::MAX, 5)] {
            assert_eq!(
                cut(offset, 50, end).pieces(),
                &[missing(50)],
                "{offset} {end}"
            );
        }
        // Content made from it is damaged too.
        let joined = Content::new(
            half.pieces()
                .iter()
                .cloned()
                .chain([in_image(0, 1), missing(4)]),
        );
        let damage = Damage::Incomplete {
            present: 21,
            recorded: 55,
        };
        assert_eq!(joined.damage(), Some(damage));
        let packed = Content::unusable(9, Missing::Zisofs);
        assert_eq!((packed.len(), packed.damage()), (9, Some(Damage::Zisofs)));
        let joined = Content::new([in_image(0, 5)].into_iter().chain(packed.pieces().to_vec()));
        assert_eq!(joined.damage(), Some(Damage::Zisofs));
        let lost = Content::unusable(0, Missing::ExtentMissing);
        assert_eq!(lost.damage(), Some(Damage::ExtentMissing));
    }

    fn any_piece() -> impl Strategy<Value = Piece> {
        prop_oneof![
            (0..1000u64, 0..40u64).prop_map(|(offset, len)| in_image(offset, len)),
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
            // Reads again in steps, like the stream pump.
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
