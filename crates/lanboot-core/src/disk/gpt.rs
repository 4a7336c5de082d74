//! GUID partition tables.

use super::partitions::{DiskError, MAX_PARTITIONS, Partition, Partitions, bytes};
use crate::storage::{Disk, u32_le, u64_le};

/// Sector sizes tried.
const SECTORS: [u64; 2] = [512, 4096];
/// Longest header, and least.
const MAX_HEADER: u32 = 512;
const MIN_HEADER: u32 = 92;
/// Largest table of entries, in bytes; the usual one has 16 KiB.
const MAX_TABLE: u64 = 1 << 20;
/// Type of an EFI system partition, C12A7328-F81F-11D2-BA4B-00A0C93EC93B as it is recorded.
const EFI_SYSTEM: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];

/// Reads the partitions; `None` if there is no table, or only damaged ones.
pub(super) fn partitions(disk: &mut Disk<'_>) -> Result<Option<Partitions>, DiskError> {
    for sector in SECTORS {
        let last = (disk.len() / sector).saturating_sub(1);
        for place in [1, last] {
            if let Some(found) = table(disk, place, sector)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// Reads the table whose header is in this sector.
fn table(disk: &mut Disk<'_>, place: u64, sector: u64) -> Result<Option<Partitions>, DiskError> {
    let Some(mut header) = bytes(disk, place.saturating_mul(sector), 512)? else {
        return Ok(None);
    };
    let len = u32_le(&header, 12);
    let checksum = u32_le(&header, 16);
    header.get_mut(16..20).unwrap_or_default().fill(0);
    let counted = header.get(..len as usize);
    let is_valid = header.starts_with(b"EFI PART")
        && (MIN_HEADER..=MAX_HEADER).contains(&len)
        && counted.is_some_and(|counted| crc(counted) == checksum)
        && u64_le(&header, 24) == place;
    if !is_valid {
        return Ok(None);
    }
    let (count, size) = (u32_le(&header, 80), u32_le(&header, 84));
    let table_len = u64::from(count) * u64::from(size);
    if size < 128 || table_len > MAX_TABLE {
        return Ok(None);
    }
    let at = u64_le(&header, 72).saturating_mul(sector);
    let len = usize::try_from(table_len).unwrap_or(0);
    let Some(entries) = bytes(disk, at, len)? else {
        return Ok(None);
    };
    if crc(&entries) != u32_le(&header, 88) {
        return Ok(None);
    }
    let entries = entries.chunks_exact(size as usize).filter_map(|entry| {
        let kind = entry.first_chunk::<16>()?;
        let (first, last) = (u64_le(entry, 32), u64_le(entry, 40));
        (*kind != [0; 16] && first <= last).then(|| Partition {
            range: first.saturating_mul(sector)..last.saturating_add(1).saturating_mul(sector),
            is_system: *kind == EFI_SYSTEM,
        })
    });
    // The table at the start states the place of the one at the end.
    let other = u64_le(&header, 32).max(place);
    Ok(Some(Partitions {
        list: entries.take(MAX_PARTITIONS).collect(),
        end: other.saturating_add(1).saturating_mul(sector),
    }))
}

/// Computes the CRC-32 of IEEE 802.3.
fn crc(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            1 => crc >> 1 ^ 0xedb8_8320,
            _ => crc >> 1,
        })
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_ieee() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
    }
}
