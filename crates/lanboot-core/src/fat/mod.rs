//! Reads a FAT12, FAT16 or FAT32 file system with long names (Microsoft, *FAT: General Overview of
//! On-Disk Format*, 1.03), once, into a [`Tree`]: EFI system partitions, El Torito's EFI boot images,
//! sticks.
//!
//! A file's pieces are its runs of clusters, so that servers send it from where it lies. Names
//! keep the case they are recorded in; [`Tree`] compares them exactly, FAT would not.
//!
//! Invariants: no image makes this module panic, loop, or read without bound. A file has its recorded
//! length. What of it lies past the end is [`Missing::PastEnd`](crate::vfs::Missing::PastEnd); where
//! its chain of clusters ends too soon, leads out of the volume or into another file, it is
//! [`Missing::Unlocated`](crate::vfs::Missing::Unlocated), and so is the other file.

mod chains;
mod directory;
mod geometry;
mod reader;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;

pub use geometry::FatError;
pub use reader::read;

use crate::vfs::Tree;

/// Contents of a FAT file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Number of bits of an entry of its table.
    pub kind: FatKind,
    /// Volume label, from the root directory or the boot sector; empty if it has none.
    pub label: String,
    /// Serial number as `blkid` shows it: `ABCD-1234`.
    pub uuid: String,
    /// Length in bytes that the boot sector states.
    pub len: u64,
    /// Directory tree.
    pub tree: Tree,
    /// Damage and omissions, one clause each, to follow the file's name: summaries first, then at
    /// most [`MAX_WARNINGS`](crate::storage::MAX_WARNINGS) single ones, then the number left out.
    pub warnings: Vec<String>,
}

/// Number of bits of an entry of the file allocation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FatKind {
    /// Twelve, for fewer than 4,085 clusters.
    Fat12,
    /// Sixteen.
    Fat16,
    /// Thirty-two, of which 28 count.
    Fat32,
}

impl fmt::Display for FatKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
        })
    }
}
