//! Allocation descriptors (ECMA-167 4/14.14): the pieces of a file.

use super::icb::{Allocation, Icb};
use super::partitions::Partitions;
use super::{icb, tag};
use crate::storage::{Disk, Unreadable, u16_le, u32_le};
use crate::vfs::{Content, ImageId, Missing, Piece, Source};

/// Kinds of extents: the two highest bits of a length (ECMA-167 4/14.14.1.1).
const RECORDED: u32 = 0;
const CONTINUATION: u32 = 3;
/// Most runs of one file system.
const MAX_RUNS: usize = 1 << 20;
/// Most further blocks of descriptors of one file.
const MAX_CONTINUATIONS: u32 = 1 << 14;

/// Turns file entries into contents, and counts runs.
pub(super) struct Extents<'p> {
    pub(super) partitions: &'p Partitions,
    pub(super) image: ImageId,
    runs: usize,
}

impl<'p> Extents<'p> {
    pub(super) fn new(partitions: &'p Partitions, image: ImageId) -> Self {
        Self {
            partitions,
            image,
            runs: 0,
        }
    }

    /// Returns whether the file system has more runs than are read.
    pub(super) fn is_spent(&self) -> bool {
        self.runs >= MAX_RUNS
    }

    /// Returns the contents of a file, as long as its entry says. What is not recorded is zeros.
    pub(super) fn content(&mut self, disk: &mut Disk<'_>, icb: &Icb) -> Content {
        let mut pieces = Vec::new();
        let mut known = 0;
        if icb.allocation == Allocation::Embedded {
            known = icb.len.min(icb.descriptors.len() as u64);
            pieces.extend(Piece::of_image(
                self.image,
                icb.descriptors_at,
                known,
                disk.len(),
            ));
        } else {
            self.extents(disk, icb, |extent| {
                known += extent.iter().map(|piece| piece.len).sum::<u64>();
                pieces.extend(extent);
                known < icb.len
            });
        }
        pieces.push(Piece {
            source: Source::Missing(Missing::Unlocated),
            len: icb.len.saturating_sub(known),
        });
        // The last extent may be longer than the file.
        Content::new(Content::new(pieces).slice(0..icb.len).pieces())
    }

    /// Calls `take` with the pieces of each extent in order, until it returns false.
    fn extents(
        &mut self,
        disk: &mut Disk<'_>,
        icb: &Icb,
        mut take: impl FnMut(Vec<Piece>) -> bool,
    ) {
        let mut descriptors = icb.descriptors.clone();
        let mut continuations = 0;
        'blocks: loop {
            for bytes in descriptors.chunks_exact(size(icb.allocation)) {
                let extent = Descriptor::parse(bytes, icb);
                if extent.kind == CONTINUATION {
                    continuations += 1;
                    if continuations > MAX_CONTINUATIONS {
                        return;
                    }
                    match self.continuation(disk, &extent) {
                        Some(next) => descriptors = next,
                        None => return,
                    }
                    continue 'blocks;
                }
                // An extent without a length ends the list.
                if extent.len == 0 || self.is_spent() {
                    return;
                }
                let pieces = self.pieces(disk, &extent);
                self.runs += pieces.len();
                if !take(pieces) {
                    return;
                }
            }
            return;
        }
    }

    fn pieces(&self, disk: &Disk<'_>, extent: &Descriptor) -> Vec<Piece> {
        let len = u64::from(extent.len);
        let whole = |source| vec![Piece { source, len }];
        if extent.kind != RECORDED {
            return whole(Source::Zero);
        }
        let Some(runs) = self.partitions.find(extent.partition, extent.block, len) else {
            return whole(Source::Missing(Missing::Unlocated));
        };
        let pieces = runs.iter();
        pieces
            .flat_map(|run| Piece::of_image(self.image, run.at, run.len, disk.len()))
            .filter(|piece| piece.len > 0)
            .collect()
    }

    /// Reads a further block of descriptors (ECMA-167 4/14.5).
    fn continuation(&self, disk: &mut Disk<'_>, extent: &Descriptor) -> Option<Vec<u8>> {
        let place = (extent.partition, extent.block);
        let (bytes, _) = icb::block(disk, self.partitions, place).ok()?;
        if tag::identifier(&bytes, extent.block) != Some(tag::ALLOCATION_EXTENT) {
            return None;
        }
        let len = usize::try_from(u32_le(&bytes, 20)).ok()?;
        Some(bytes.get(24..)?.get(..len)?.to_vec())
    }
}

/// Reads a whole content that is at most `limit` bytes long.
pub(super) fn bytes(
    disk: &mut Disk<'_>,
    content: &Content,
    limit: u64,
) -> Result<Vec<u8>, Unreadable> {
    if content.len() > limit {
        return Err(Unreadable::Budget);
    }
    let mut bytes = Vec::new();
    for piece in content.pieces() {
        let at = bytes.len();
        let end = at.saturating_add(usize::try_from(piece.len).unwrap_or(usize::MAX));
        bytes.resize(end, 0);
        match piece.source {
            Source::Image { offset, .. } => {
                disk.read(offset, bytes.get_mut(at..).unwrap_or_default())?;
            }
            Source::Zero => {}
            Source::Memory { .. } | Source::Missing(_) => return Err(Unreadable::PastEnd),
        }
    }
    Ok(bytes)
}

fn size(allocation: Allocation) -> usize {
    match allocation {
        Allocation::Short | Allocation::Embedded => 8,
        Allocation::Long => 16,
        Allocation::Extended => 20,
    }
}

/// An allocation descriptor of any kind.
struct Descriptor {
    kind: u32,
    len: u32,
    partition: u16,
    block: u32,
}

impl Descriptor {
    fn parse(bytes: &[u8], icb: &Icb) -> Self {
        let (len, block, partition) = match icb.allocation {
            Allocation::Short | Allocation::Embedded => (0, 4, icb.partition),
            Allocation::Long => (0, 4, u16_le(bytes, 8)),
            Allocation::Extended => (0, 12, u16_le(bytes, 16)),
        };
        let len = u32_le(bytes, len);
        Self {
            kind: len >> 30,
            len: len & 0x3fff_ffff,
            partition,
            block: u32_le(bytes, block),
        }
    }
}
