//! Reads ISO 9660 (ECMA-119) with Rock Ridge (RRIP 1.12 on SUSP 1.12), Joliet and El Torito, once,
//! into a [`Tree`] through [`ReadAt`].
//!
//! Names come from Rock Ridge if present, else Joliet, else ISO 9660. ISO 9660 names keep their
//! recorded case (mkisofs writes upper case); the version `;1` and a trailing dot are dropped.
//!
//! Not supported, and reported as a warning: device files, pipes and sockets. Interleaved and
//! zisofs-compressed files are listed, but reading them is an error. Multi-session media are read
//! by the descriptors at sector 16.
//!
//! Invariants: no image makes this module panic, loop, or read without bound. A file has its
//! recorded length; the part past the end of the image is
//! [`Source::Missing`](crate::vfs::Source::Missing), so reading it is an error. Damage below the
//! root directory costs only what is damaged, and a warning.

#[cfg(test)]
mod builder;
mod date;
mod el_torito;
mod reader;
mod record;
mod root;
mod storage;
mod susp;
#[cfg(test)]
mod tests;
mod volume;
mod walk;

use std::fmt;

pub use reader::read;

pub use crate::storage::{MAX_WARNINGS, ReadAt};
use crate::vfs::{Content, Tree};

/// Contents of an ISO image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// Volume identifier of the primary descriptor, without padding: `ARCH_202603`. Control
    /// characters are replaced by `?`.
    pub label: String,
    /// `YYYY-MM-DD-HH-MM-SS-cc`, as `blkid` shows it: the primary descriptor's modification date,
    /// or its creation date where that is unset.
    pub uuid: Option<String>,
    /// Source of the names in `tree`.
    pub naming: Naming,
    /// Length in bytes the image should have: greater than the file's if it was truncated, the
    /// file's own otherwise. A missing pad at the end is not damage.
    pub len: u64,
    /// True if the image holds a UDF file system as well.
    pub is_bridge: bool,
    /// Directory tree.
    pub tree: Tree,
    /// El Torito boot entries in catalog order; empty without a boot catalog.
    pub boot: Vec<BootEntry>,
    /// Damage and omissions, one clause each, to follow the file's name: summaries first, then at
    /// most [`MAX_WARNINGS`] single ones, then the number left out.
    pub warnings: Vec<String>,
}

/// Kind of names an image was read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// POSIX names, modes, owners and links (RRIP 1.12).
    RockRidge,
    /// Names of up to 103 UCS-2 characters.
    Joliet,
    /// ISO 9660 names, usually upper case and short.
    Plain,
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RockRidge => "Rock Ridge",
            Self::Joliet => "Joliet",
            Self::Plain => "plain ISO 9660",
        })
    }
}

/// The platform of a boot entry (El Torito 1.0 figure 2; UEFI 2.10 §13.3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// 0: 80x86 BIOS.
    Bios,
    /// 0xEF: UEFI.
    Uefi,
    /// Any other number.
    Other(u8),
}

impl From<u8> for Platform {
    fn from(id: u8) -> Self {
        match id {
            0 => Self::Bios,
            0xef => Self::Uefi,
            other => Self::Other(other),
        }
    }
}

/// One entry of the El Torito boot catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootEntry {
    /// Firmware it is for.
    pub platform: Platform,
    /// True if the entry is marked bootable.
    pub bootable: bool,
    /// The whole boot image, which is often longer than what firmware loads of it: the file that
    /// starts there if there is one, else the FAT file system there, else the recorded count of
    /// sectors, else everything up to the end of the volume.
    pub content: Content,
}

/// Reason an image cannot be read. Each is a clause that follows the file's name.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// The file is empty.
    #[error("is empty")]
    Empty,
    /// The file ends before the first volume descriptor.
    #[error(
        "is not an ISO 9660 image ({len} bytes end before the volume descriptor at sector 16 would)"
    )]
    TooShort {
        /// Length of the file in bytes.
        len: u64,
    },
    /// The first volume descriptor is missing.
    #[error("is not an ISO 9660 image (no volume descriptor at sector 16)")]
    NotIso,
    /// A UDF volume without an ISO 9660 one.
    #[error(
        "is not an ISO 9660 image: it holds only a UDF file system (no ISO 9660 descriptor at sector 16)"
    )]
    OnlyUdf,
    /// Descriptors without a primary one.
    #[error("has no primary volume descriptor among the descriptors at sector 16")]
    NoPrimary,
    /// A block size other than 512, 1024 and 2048 (ECMA-119 §6.2.2).
    #[error(
        "has a logical block size of {0} bytes in its volume descriptor, not 512, 1024 or 2048"
    )]
    BlockSize(u16),
    /// An invalid root directory record (ECMA-119 §8.4.18).
    #[error("has a volume descriptor that names no root directory")]
    NoRoot,
    /// A required structure lies partly or wholly past the end.
    #[error("is cut short: {what} at byte {at} reaches past the end (file has {len} bytes)")]
    CutShort {
        /// The structure.
        what: &'static str,
        /// Its first byte.
        at: u64,
        /// Length of the file in bytes.
        len: u64,
    },
    /// A required structure is invalid.
    #[error("is damaged: {what} at byte {at} does not start with its own record")]
    Damaged {
        /// The structure.
        what: &'static str,
        /// Its first byte.
        at: u64,
    },
    /// Reading the image failed.
    #[error("cannot be read at byte {at}, where {what} is: {error}")]
    Disk {
        /// The structure.
        what: &'static str,
        /// Its first byte.
        at: u64,
        /// The system's error.
        error: std::io::Error,
    },
}
