//! Master boot records, with the logical partitions of extended ones.

use super::partitions::{DiskError, MAX_PARTITIONS, Partition, Partitions, bytes};
use crate::storage::{Disk, u32_le};

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// First entry of a table, and bytes of one.
const ENTRIES: usize = 446;
const ENTRY: usize = 16;
/// Types of partitions.
const EMPTY: u8 = 0;
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
const EFI_SYSTEM: u8 = 0xef;

/// Reads the partitions; `None` if there is no table.
pub(super) fn partitions(disk: &mut Disk<'_>) -> Result<Option<Partitions>, DiskError> {
    let Some(primary) = entries(disk, 0)? else {
        return Ok(None);
    };
    // Boot code and text that happen to end with the signature are no table.
    let is_table = primary.iter().all(|entry| matches!(entry.status, 0 | 0x80))
        && primary
            .iter()
            .any(|entry| entry.kind != EMPTY && entry.count > 0);
    if !is_table {
        return Ok(None);
    }
    let mut found = Partitions::default();
    for entry in primary {
        if EXTENDED.contains(&entry.kind) {
            logical(disk, entry.first, &mut found)?;
        }
        found.add(entry.kind, entry.first, entry.count);
    }
    Ok(Some(found))
}

/// Follows the chain of tables in an extended partition.
fn logical(disk: &mut Disk<'_>, extended: u64, found: &mut Partitions) -> Result<(), DiskError> {
    let mut at = extended;
    while found.list.len() < MAX_PARTITIONS {
        let Some(table) = entries(disk, at)? else {
            return Ok(());
        };
        let before = found.list.len();
        let mut next = None;
        for entry in table {
            if EXTENDED.contains(&entry.kind) {
                next = Some(extended.saturating_add(entry.first));
            } else {
                found.add(entry.kind, at.saturating_add(entry.first), entry.count);
            }
        }
        match next {
            // Each table has a partition, and lies behind the one before.
            Some(next) if next > at && found.list.len() > before => at = next,
            _ => return Ok(()),
        }
    }
    Ok(())
}

struct Entry {
    status: u8,
    kind: u8,
    /// First sector.
    first: u64,
    /// Number of sectors.
    count: u64,
}

/// Reads the four entries in a sector; `None` if it has no signature.
fn entries(disk: &mut Disk<'_>, sector: u64) -> Result<Option<Vec<Entry>>, DiskError> {
    let Some(bytes) = bytes(disk, sector.saturating_mul(SECTOR), 512)? else {
        return Ok(None);
    };
    if bytes.get(510..) != Some(&[0x55, 0xaa]) {
        return Ok(None);
    }
    let entries = bytes
        .get(ENTRIES..510)
        .unwrap_or_default()
        .chunks_exact(ENTRY);
    let entries = entries.map(|entry| Entry {
        status: entry.first().copied().unwrap_or(0),
        kind: entry.get(4).copied().unwrap_or(0),
        first: u64::from(u32_le(entry, 8)),
        count: u64::from(u32_le(entry, 12)),
    });
    Ok(Some(entries.collect()))
}

impl Partitions {
    fn add(&mut self, kind: u8, first: u64, count: u64) {
        if kind == EMPTY || count == 0 || first == 0 {
            return;
        }
        let range =
            first.saturating_mul(SECTOR)..first.saturating_add(count).saturating_mul(SECTOR);
        self.end = self.end.max(range.end);
        if !EXTENDED.contains(&kind) && self.list.len() < MAX_PARTITIONS {
            self.list.push(Partition {
                range,
                is_system: kind == EFI_SYSTEM,
            });
        }
    }
}
