//! The boot sector: where tables, root directory and clusters are.

use std::ops::Range;

use super::FatKind;
use crate::storage::{Disk, Unreadable, u16_le, u32_le};

/// Length of a boot sector in bytes, whatever the sector size.
pub(super) const BOOT_SECTOR: usize = 512;
/// Number of the first cluster.
pub(super) const FIRST_CLUSTER: u32 = 2;
/// Most clusters of FAT12 and FAT16, and of FAT32 (its specification, §3.5 and §4).
const MAX_CLUSTERS_12: u64 = 4084;
const MAX_CLUSTERS_16: u64 = 65_524;
const MAX_CLUSTERS_32: u64 = 0x0fff_fff5;
/// Bytes of an entry of a directory.
pub(super) const ENTRY: usize = 32;
/// `ENTRY` as an offset.
pub(super) const ENTRY_BYTES: u64 = ENTRY as u64;

/// Reason a FAT file system cannot be read. Each is a clause that follows the file's name.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    /// There is no FAT boot sector.
    #[error("holds no FAT file system at byte {at}")]
    NotFat {
        /// First byte looked at.
        at: u64,
    },
    /// The image ends before the table of clusters does.
    #[error("is cut short: the FAT file system at byte {at} reaches past the end, with its table")]
    CutShort {
        /// First byte of the file system.
        at: u64,
    },
    /// Reading the image failed.
    #[error("cannot be read at byte {at}, where a FAT file system is: {error}")]
    Disk {
        /// First byte of what was read.
        at: u64,
        /// The system's error.
        error: std::io::Error,
    },
}

/// Places of a file system in its image; all offsets are in bytes from the start of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) kind: FatKind,
    /// The table of clusters that counts.
    pub(super) table: Range<u64>,
    pub(super) root: Root,
    /// First byte of the first cluster.
    pub(super) data: u64,
    pub(super) cluster_bytes: u64,
    /// Number of clusters.
    pub(super) clusters: u32,
    /// Length of the volume in bytes.
    pub(super) len: u64,
    /// End of what can be read.
    pub(super) end: u64,
    /// Serial number.
    pub(super) serial: u32,
    /// Label of the boot sector, padded.
    pub(super) label: [u8; 11],
}

/// Place of the root directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// These bytes.
    Fixed(Range<u64>),
    /// A chain that starts with this cluster.
    Chain(u32),
}

impl Geometry {
    /// Reads the boot sector at the start of `range`.
    pub(super) fn read(disk: &mut Disk<'_>, range: Range<u64>) -> Result<Self, FatError> {
        let at = range.start;
        let mut sector = [0; BOOT_SECTOR];
        match disk.read(at, &mut sector) {
            Ok(()) => {}
            Err(Unreadable::PastEnd | Unreadable::Budget) => return Err(FatError::NotFat { at }),
            Err(Unreadable::Disk(error)) => return Err(FatError::Disk { at, error }),
        }
        let end = range.end.min(disk.len());
        let geometry = Self::parse(&sector, at, end).ok_or(FatError::NotFat { at })?;
        if geometry.data > end {
            return Err(FatError::CutShort { at });
        }
        Ok(geometry)
    }

    /// Parses a boot sector at byte `at` of an image that ends at `end`; `None` if it is none, also
    /// for exFAT and NTFS, whose sectors state sizes of zero here.
    fn parse(sector: &[u8; BOOT_SECTOR], at: u64, end: u64) -> Option<Self> {
        let byte = |at: usize| sector.get(at).copied().unwrap_or(0);
        let sector_bytes = u64::from(u16_le(sector, 11));
        let per_cluster = u64::from(byte(13));
        let reserved = u64::from(u16_le(sector, 14));
        let tables = u64::from(byte(16));
        let is_sane = matches!(sector_bytes, 512 | 1024 | 2048 | 4096)
            && per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=2).contains(&tables)
            && (byte(21) == 0xf0 || byte(21) >= 0xf8);
        if !is_sane {
            return None;
        }
        let first_nonzero = |small: u16, large: u32| match small {
            0 => u64::from(large),
            small => u64::from(small),
        };
        let total = first_nonzero(u16_le(sector, 19), u32_le(sector, 32));
        let is_32 = u16_le(sector, 22) == 0;
        let table_sectors = first_nonzero(u16_le(sector, 22), u32_le(sector, 36));
        let root_bytes = u64::from(u16_le(sector, 17)) * ENTRY_BYTES;
        let root_sectors = root_bytes.div_ceil(sector_bytes);
        let before_data = reserved + tables * table_sectors + root_sectors;
        let clusters = total.checked_sub(before_data)? / per_cluster;
        let (kind, most) = if is_32 {
            (FatKind::Fat32, MAX_CLUSTERS_32)
        } else if clusters <= MAX_CLUSTERS_12 {
            (FatKind::Fat12, MAX_CLUSTERS_12)
        } else {
            (FatKind::Fat16, MAX_CLUSTERS_16)
        };
        if clusters == 0 || clusters > most {
            return None;
        }
        let flags = u16_le(sector, 40);
        // Bit 7: only the table of this number counts (FAT specification §3.3).
        let active = match flags & 0x80 {
            0x80 if is_32 => u64::from(flags & 0xf).min(tables - 1),
            _ => 0,
        };
        let byte_of = |sector: u64| at.saturating_add(sector * sector_bytes);
        let table = byte_of(reserved + active * table_sectors);
        let root_at = byte_of(reserved + tables * table_sectors);
        let extended = if is_32 { 66 } else { 38 };
        let has_label = byte(extended) == 0x29;
        let label = sector.get(extended + 5..).and_then(|l| l.first_chunk());
        Some(Self {
            kind,
            table: table..table.saturating_add(table_sectors * sector_bytes),
            root: if is_32 {
                Root::Chain(u32_le(sector, 44))
            } else {
                Root::Fixed(root_at..root_at.saturating_add(root_bytes))
            },
            data: byte_of(before_data),
            cluster_bytes: per_cluster * sector_bytes,
            clusters: u32::try_from(clusters).ok()?,
            len: total * sector_bytes,
            end,
            serial: u32_le(sector, extended + 1),
            label: *label.filter(|_| has_label).unwrap_or(&[b' '; 11]),
        })
    }

    /// Returns the first byte of a cluster; `None` if the volume has none of this number.
    pub(super) fn cluster(&self, number: u32) -> Option<u64> {
        let index = number.checked_sub(FIRST_CLUSTER)?;
        let at = u64::from(index) * self.cluster_bytes;
        (index < self.clusters).then(|| self.data.saturating_add(at))
    }
}
