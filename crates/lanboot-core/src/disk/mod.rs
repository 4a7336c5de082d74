//! Reads a raw disk image: its partition table (GPT, UEFI 2.10 §5.3; MBR, §5.2) and the FAT file system
//! that firmware looks for programs on: the EFI system partition, else the first one there is; and the boot
//! code that a BIOS starts.
//!
//! Invariants: no image makes this module panic, loop, or read without bound. A GPT counts only with
//! both of its checksums; the one at the end replaces a damaged one at the start.

mod boot_code;
mod gpt;
mod mbr;
mod partitions;
#[cfg(test)]
mod tests;

pub use partitions::{DiskError, Table};

use crate::fat::{self, FatError, Volume};
use crate::storage::{Disk, ReadAt};
use crate::vfs::ImageId;

/// Most partitions in which a FAT file system is looked for.
const MAX_TRIED: usize = 16;
/// Metadata bytes read per byte of the image, at most; file systems have a bound of their own.
const READ_FACTOR: u64 = 1;

/// Contents of a raw disk image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawDisk {
    /// Kind of its partition table.
    pub table: Table,
    /// The FAT file system, whose files are those of the image; `None` where only a BIOS starts it.
    pub volume: Option<Volume>,
    /// True if the file system is an EFI system partition, or the whole disk.
    pub is_system: bool,
    /// True if a BIOS finds boot code in its first sector.
    pub has_boot_code: bool,
    /// Length in bytes the image should have: greater than the file's if it was truncated.
    pub len: u64,
}

/// Reads the raw disk image `source`; its files become pieces of `image`.
///
/// # Errors
/// Fails if there is neither a FAT file system, in the whole image or in a partition of it, nor boot code
/// for a BIOS before partitions.
pub fn read(image: ImageId, source: &dyn ReadAt) -> Result<RawDisk, DiskError> {
    match fat::read(image, source, 0..source.len()) {
        Ok(volume) => {
            return Ok(RawDisk {
                table: Table::None,
                len: volume.len.max(source.len()),
                volume: Some(volume),
                is_system: true,
                has_boot_code: boot_code::in_file_system(source),
            });
        }
        Err(FatError::NotFat { .. }) => {}
        Err(error) => return Err(DiskError::Fat(error)),
    }
    let mut disk = Disk::new(source, READ_FACTOR);
    let (table, mut partitions) = match gpt::partitions(&mut disk)? {
        Some(found) => (Table::Gpt, found),
        None => match mbr::partitions(&mut disk)? {
            Some(found) => (Table::Mbr, found),
            None => return Err(DiskError::NotDisk),
        },
    };
    let has_boot_code = boot_code::before_partitions(source);
    let len = partitions.end.max(source.len());
    // A stable order: those for the firmware first.
    partitions
        .list
        .sort_by_key(|partition| !partition.is_system);
    let mut damaged = None;
    for partition in partitions.list.into_iter().take(MAX_TRIED) {
        match fat::read(image, source, partition.range) {
            Ok(volume) => {
                return Ok(RawDisk {
                    table,
                    volume: Some(volume),
                    is_system: partition.is_system,
                    has_boot_code,
                    len,
                });
            }
            Err(FatError::NotFat { .. }) => {}
            Err(error) => damaged = damaged.or(Some(error)),
        }
    }
    // Boot code of a file that was cut has nothing to start: of an ISO image for drives, too, it is there
    // before anything of the ISO image is.
    let is_whole = len <= source.len();
    if has_boot_code && is_whole && damaged.is_none() {
        return Ok(RawDisk {
            table,
            volume: None,
            is_system: false,
            has_boot_code,
            len,
        });
    }
    Err(damaged.map_or(DiskError::NoFat(table), DiskError::Fat))
}
