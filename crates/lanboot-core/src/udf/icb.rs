//! File entries (ECMA-167 4/14.6, 4/14.9, 4/14.17): attributes of a file, and where its data is.

use super::partitions::Partitions;
use super::{names, tag};
use crate::storage::{Disk, Unreadable, u16_le, u32_le, u64_le};
use crate::vfs::Meta;

/// Strategy of entries that replace each other (UDF §2.3.5.1).
const STRATEGY_REPLACED: u16 = 4096;
/// Most entries that replace each other.
const MAX_REPLACED: u32 = 64;
/// Bytes charged for an entry: a block may be longer than what is looked at.
const COST: u64 = 512;

/// File types (ECMA-167 4/14.6.6; UDF §2.3.5.2).
pub(super) const UNSPECIFIED: u8 = 0;
pub(super) const DIRECTORY: u8 = 4;
pub(super) const REGULAR: u8 = 5;
pub(super) const SYMLINK: u8 = 12;
pub(super) const VIRTUAL_TABLE: u8 = 248;
pub(super) const REAL_TIME: u8 = 249;

/// Kind of allocation descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    Short,
    Long,
    Extended,
    Embedded,
}

/// A file entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Icb {
    pub(super) file_type: u8,
    pub(super) meta: Meta,
    /// Length of the file in bytes.
    pub(super) len: u64,
    pub(super) allocation: Allocation,
    /// Its allocation descriptors, or its data.
    pub(super) descriptors: Vec<u8>,
    /// First byte of `descriptors` in the image.
    pub(super) descriptors_at: u64,
    /// Partition of the entry, which short descriptors refer to.
    pub(super) partition: u16,
}

/// Reason an entry cannot be read. Each is a clause that follows the file's name.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is in no partition.
    Outside,
    /// There is no entry, or a damaged one.
    Damaged,
    Unreadable(Unreadable),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Outside => f.write_str("is recorded outside its partition"),
            Self::Damaged => f.write_str("has no valid file entry"),
            Self::Unreadable(error) => write!(f, "has a file entry that {error}"),
        }
    }
}

/// Reads the entry of a file, the newest if there are several.
pub(super) fn read(
    disk: &mut Disk<'_>,
    partitions: &Partitions,
    (partition, block): (u16, u32),
) -> Result<Icb, Fault> {
    let mut place = (partition, block);
    let mut found = None;
    for _ in 0..MAX_REPLACED {
        let (bytes, at) = self::block(disk, partitions, place)?;
        let icb = match tag::identifier(&bytes, place.1) {
            Some(tag::FILE_ENTRY) => parse(&bytes, at, place.0, &FILE_ENTRY),
            Some(tag::EXTENDED_FILE_ENTRY) => parse(&bytes, at, place.0, &EXTENDED_FILE_ENTRY),
            // A later one was never written.
            _ => break,
        };
        found = Some(icb.ok_or(Fault::Damaged)?);
        if u16_le(&bytes, 20) != STRATEGY_REPLACED {
            break;
        }
        let Some(next) = place.1.checked_add(1) else {
            break;
        };
        let Ok((bytes, _)) = self::block(disk, partitions, (place.0, next)) else {
            break;
        };
        if tag::identifier(&bytes, next) != Some(tag::INDIRECT_ENTRY) {
            break;
        }
        place = (u16_le(&bytes, 44), u32_le(&bytes, 40));
    }
    found.ok_or(Fault::Damaged)
}

/// Reads one block; returns its bytes and the first of them in the image.
pub(super) fn block(
    disk: &mut Disk<'_>,
    partitions: &Partitions,
    (partition, block): (u16, u32),
) -> Result<(Vec<u8>, u64), Fault> {
    let size = u64::from(partitions.block_bytes);
    let runs = partitions
        .find(partition, block, size)
        .ok_or(Fault::Outside)?;
    let [run] = runs[..] else {
        return Err(Fault::Outside);
    };
    if run.at.checked_add(size).is_none_or(|end| end > disk.len()) {
        return Err(Fault::Unreadable(Unreadable::PastEnd));
    }
    let mut bytes = vec![0; partitions.block_bytes as usize];
    disk.charge(COST).map_err(Fault::Unreadable)?;
    disk.fill(run.at, &mut bytes).map_err(Fault::Unreadable)?;
    Ok((bytes, run.at))
}

/// Offsets of an entry's fields.
struct Layout {
    modified: usize,
    attributes_len: usize,
    attributes: usize,
}

const FILE_ENTRY: Layout = Layout {
    modified: 84,
    attributes_len: 168,
    attributes: 176,
};
const EXTENDED_FILE_ENTRY: Layout = Layout {
    modified: 92,
    attributes_len: 208,
    attributes: 216,
};

fn parse(bytes: &[u8], at: u64, partition: u16, layout: &Layout) -> Option<Icb> {
    let attributes_len = usize::try_from(u32_le(bytes, layout.attributes_len)).ok()?;
    let descriptors_len = usize::try_from(u32_le(bytes, layout.attributes_len + 4)).ok()?;
    let from = layout.attributes.checked_add(attributes_len)?;
    let descriptors = bytes.get(from..from.checked_add(descriptors_len)?)?;
    let allocation = match u16_le(bytes, 34) & 7 {
        0 => Allocation::Short,
        1 => Allocation::Long,
        2 => Allocation::Extended,
        3 => Allocation::Embedded,
        _ => return None,
    };
    let id = |at: usize| match u32_le(bytes, at) {
        // Not set (UDF §2.3.6.1).
        u32::MAX => 0,
        id => id,
    };
    Some(Icb {
        file_type: *bytes.get(27)?,
        meta: Meta {
            mode: mode(u32_le(bytes, 44)),
            uid: id(36),
            gid: id(40),
            modified: names::seconds(bytes.get(layout.modified..)?),
            links: u32::from(u16_le(bytes, 48)).max(1),
        },
        len: u64_le(bytes, 56),
        allocation,
        descriptors: descriptors.to_vec(),
        descriptors_at: at + from as u64,
        partition,
    })
}

/// Converts permissions (ECMA-167 4/14.9.5) to POSIX's: five bits for each of others, group and owner,
/// the lowest three of them `x`, `w` and `r`.
fn mode(permissions: u32) -> u32 {
    (0..3).fold(0, |mode, class| {
        mode | (permissions >> (class * 5) & 7) << (class * 3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_posix_bits() {
        // Owner rwx, group r-x, others r--; with attributes and deletion.
        assert_eq!(mode(0b11111_10101_01100), 0o754);
    }
}
