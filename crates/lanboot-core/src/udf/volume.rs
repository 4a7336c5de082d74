//! Opens the partitions of a volume, and finds its root directory.

use std::collections::BTreeMap;

use super::descriptors::{Descriptors, Map};
use super::extents::{self, Extents};
use super::icb::{self, Icb};
use super::partitions::{Partition, Partitions, Physical, Run};
use super::{UdfError, tag};
use crate::storage::{Disk, u16_le, u32_le};
use crate::vfs::{Content, ImageId, Source};

/// Sectors before the end in which the last virtual allocation table is looked for.
const TABLE_WITHIN: u64 = 512;
/// Longest virtual allocation table, in bytes.
const MAX_TABLE: u64 = 4 << 20;
/// Longest sparing table, in bytes.
const MAX_SPARING: u32 = 1 << 16;

/// Opens every partition that the logical volume names.
pub(super) fn partitions(
    disk: &mut Disk<'_>,
    image: ImageId,
    descriptors: &Descriptors,
) -> Result<Partitions, UdfError> {
    let physical = |number: u16| {
        let found = descriptors.partitions.get(&number);
        let found = found.ok_or(UdfError::Lacks("a partition descriptor"))?;
        Ok(Physical {
            start: found.start,
            len: found.len,
        })
    };
    let mut opened = Partitions {
        block_bytes: descriptors.sector_bytes,
        list: Vec::new(),
    };
    for map in &descriptors.logical.maps {
        opened.list.push(match map {
            Map::Physical { number } => Partition::Physical(physical(*number)?),
            Map::Sparable {
                number,
                packet,
                tables,
                table_bytes,
            } => Partition::Sparable {
                physical: physical(*number)?,
                packet: u32::from(*packet).max(1),
                moved: moved(disk, descriptors.sector_bytes, tables, *table_bytes),
            },
            // They need those above.
            Map::Virtual { .. } | Map::Metadata { .. } => Partition::Unusable,
            Map::Other => return Err(UdfError::Unsupported("a partition of an unknown kind")),
        });
    }
    for (at, map) in descriptors.logical.maps.iter().enumerate() {
        let partition = match map {
            Map::Virtual { number } => {
                let physical = physical(*number)?;
                let table = table(disk, image, &opened, physical)?;
                Partition::Virtual { physical, table }
            }
            Map::Metadata { number, files } => Partition::Metadata {
                runs: metadata(
                    disk,
                    image,
                    &opened,
                    reference(descriptors, *number)?,
                    *files,
                )?,
            },
            Map::Physical { .. } | Map::Sparable { .. } | Map::Other => continue,
        };
        if let Some(place) = opened.list.get_mut(at) {
            *place = partition;
        }
    }
    Ok(opened)
}

/// Finds the file set and returns the place of the root directory's entry.
pub(super) fn root(
    disk: &mut Disk<'_>,
    partitions: &Partitions,
    place: (u16, u32),
) -> Result<(u16, u32), UdfError> {
    let Ok((bytes, at)) = icb::block(disk, partitions, place) else {
        return Err(UdfError::Lacks("the file set descriptor"));
    };
    if tag::identifier(&bytes, place.1) != Some(tag::FILE_SET) {
        let what = "the file set descriptor";
        return Err(UdfError::Damaged { what, at });
    }
    Ok((u16_le(&bytes, 408), u32_le(&bytes, 404)))
}

/// Returns the reference of the partition that holds the files of metadata.
fn reference(descriptors: &Descriptors, number: u16) -> Result<u16, UdfError> {
    let holds = |map: &Map| match map {
        Map::Physical { number: other } | Map::Sparable { number: other, .. } => *other == number,
        Map::Virtual { .. } | Map::Metadata { .. } | Map::Other => false,
    };
    let at = descriptors.logical.maps.iter().position(holds);
    let at = at.and_then(|at| u16::try_from(at).ok());
    at.ok_or(UdfError::Lacks("the partition of the metadata"))
}

/// Reads the first valid sparing table (UDF §2.2.12): the packets that were moved. Where there is
/// none, nothing was.
fn moved(
    disk: &mut Disk<'_>,
    sector_bytes: u32,
    tables: &[u32],
    table_bytes: u32,
) -> BTreeMap<u32, u32> {
    /// From here on, an entry is free or its replacement is damaged.
    const UNUSED: u32 = 0xffff_fff0;
    for &sector in tables {
        let len = table_bytes.clamp(sector_bytes, MAX_SPARING);
        let mut bytes = vec![0; len as usize];
        let at = u64::from(sector) * u64::from(sector_bytes);
        if disk.read(at, &mut bytes).is_err()
            || tag::identifier(&bytes, sector) != Some(tag::SPARING_TABLE)
            || !bytes
                .get(17..)
                .is_some_and(|id| id.starts_with(b"*UDF Sparing Table"))
        {
            continue;
        }
        let entries = bytes.get(56..).unwrap_or_default().chunks_exact(8);
        let entries = entries.take(usize::from(u16_le(&bytes, 48)));
        let entries = entries.map(|entry| (u32_le(entry, 0), u32_le(entry, 4)));
        return entries.filter(|(from, _)| *from < UNUSED).collect();
    }
    BTreeMap::new()
}

/// Finds the last virtual allocation table (UDF §2.2.11): a file whose entry is in the last sector that
/// was written.
fn table(
    disk: &mut Disk<'_>,
    image: ImageId,
    partitions: &Partitions,
    physical: Physical,
) -> Result<Vec<u32>, UdfError> {
    let opened = Partitions {
        block_bytes: partitions.block_bytes,
        list: vec![Partition::Physical(physical)],
    };
    let end = disk.len() / u64::from(opened.block_bytes);
    let start = u64::from(physical.start);
    for sector in (end.saturating_sub(TABLE_WITHIN).max(start)..end).rev() {
        let Ok(block) = u32::try_from(sector - start) else {
            continue;
        };
        let Ok(icb) = icb::read(disk, &opened, (0, block)) else {
            continue;
        };
        if matches!(icb.file_type, icb::VIRTUAL_TABLE | icb::UNSPECIFIED)
            && let Some(table) = table_of(disk, image, &opened, &icb)
        {
            return Ok(table);
        }
    }
    Err(UdfError::Lacks("the virtual allocation table"))
}

fn table_of(
    disk: &mut Disk<'_>,
    image: ImageId,
    partitions: &Partitions,
    icb: &Icb,
) -> Option<Vec<u32>> {
    let content = Extents::new(partitions, image).content(disk, icb);
    let bytes = extents::bytes(disk, &content, MAX_TABLE).ok()?;
    let entries = if icb.file_type == icb::VIRTUAL_TABLE {
        // From 2.00 on it has a head, whose length comes first.
        bytes.get(usize::from(u16_le(&bytes, 0))..)?
    } else {
        // Before, it ends with its name and the place of the previous one.
        let (entries, end) = bytes.split_at_checked(bytes.len().checked_sub(36)?)?;
        end.get(1..)?
            .starts_with(b"*UDF Virtual Alloc Tbl")
            .then_some(entries)?
    };
    Some(
        entries
            .chunks_exact(4)
            .map(|entry| u32_le(entry, 0))
            .collect(),
    )
}

/// Returns the runs of the metadata file, or of its mirror (UDF §2.2.13).
fn metadata(
    disk: &mut Disk<'_>,
    image: ImageId,
    partitions: &Partitions,
    reference: u16,
    files: [u32; 2],
) -> Result<BTreeMap<u32, Run>, UdfError> {
    for block in files {
        let Ok(icb) = icb::read(disk, partitions, (reference, block)) else {
            continue;
        };
        let content = Extents::new(partitions, image).content(disk, &icb);
        if let Some(runs) = runs(&content, partitions.block_bytes) {
            return Ok(runs);
        }
    }
    Err(UdfError::Lacks("the metadata file"))
}

/// Returns the runs of a content by the first block of each; `None` if it is damaged.
fn runs(content: &Content, block_bytes: u32) -> Option<BTreeMap<u32, Run>> {
    let size = u64::from(block_bytes);
    let mut runs = BTreeMap::new();
    let mut at = 0u64;
    for piece in content.pieces() {
        let first = u32::try_from(at / size).ok()?;
        match piece.source {
            Source::Image { offset, .. } if at.is_multiple_of(size) => {
                let run = Run {
                    at: offset,
                    len: piece.len,
                };
                runs.insert(first, run);
            }
            // Blocks of the file that are not allocated.
            Source::Zero => {}
            Source::Image { .. } | Source::Memory { .. } | Source::Missing(_) => return None,
        }
        at += piece.len;
    }
    (!runs.is_empty()).then_some(runs)
}
