//! Partitions, and the reasons there are none.

use std::fmt;
use std::ops::Range;

use crate::fat::FatError;
use crate::storage::{Disk, Unreadable};

/// Most partitions looked at.
pub(super) const MAX_PARTITIONS: usize = 256;
/// Kind of a partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// None: the file system begins with the image.
    None,
    /// Master boot record.
    Mbr,
    /// GUID partition table.
    Gpt,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no partitions",
            Self::Mbr => "MBR",
            Self::Gpt => "GPT",
        })
    }
}

/// Reason an image is not read as a disk. Each is a clause that follows the file's name.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// There is neither a file system nor a partition table.
    #[error("is no disk image")]
    NotDisk,
    /// No partition holds a FAT file system.
    #[error("is a disk image ({0}) without a FAT file system, where firmware looks for programs")]
    NoFat(Table),
    /// The file system is damaged.
    #[error(transparent)]
    Fat(FatError),
    /// Reading the image failed.
    #[error("cannot be read at byte {at}, where a partition table is: {error}")]
    Disk {
        /// First byte of what was read.
        at: u64,
        /// The system's error.
        error: std::io::Error,
    },
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// Its bytes.
    pub(super) range: Range<u64>,
    /// True for an EFI system partition.
    pub(super) is_system: bool,
}

/// Partitions, in the order of their table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Partitions {
    pub(super) list: Vec<Partition>,
    /// End of the disk as the table states it, in bytes.
    pub(super) end: u64,
}

/// Reads `len` bytes; `None` past the end.
pub(super) fn bytes(
    disk: &mut Disk<'_>,
    at: u64,
    len: usize,
) -> Result<Option<Vec<u8>>, DiskError> {
    let mut bytes = vec![0; len];
    match disk.read(at, &mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(Unreadable::PastEnd | Unreadable::Budget) => Ok(None),
        Err(Unreadable::Disk(error)) => Err(DiskError::Disk { at, error }),
    }
}
