//! Reads a UDF file system, revisions 1.02 to 2.60 (OSTA UDF on ECMA-167), once, into a [`Tree`]:
//! Windows media, large DVDs, what `mkudffs` and `genisoimage -udf` write.
//!
//! Partitions: physical, sparable, virtual (a closed disc's last allocation table) and metadata.
//! Sizes of sectors: 512 to 4096 bytes; a file system begins with the image, not inside a partition
//! table. File entries of strategies 4 and 4096, allocation descriptors of every kind, embedded data.
//! Named streams and extended attributes are ignored; devices, pipes and sockets are left out with a
//! warning.
//!
//! Invariants: no image makes this module panic, loop, or read without bound. A descriptor counts only
//! with the right tag: identifier, checksum, CRC, location. A file has its recorded length. What of it
//! lies past the end of the image is [`Missing::PastEnd`](crate::vfs::Missing::PastEnd); where its
//! allocation descriptors end too soon, are damaged or lead out of their partition, it is
//! [`Missing::Unlocated`](crate::vfs::Missing::Unlocated).

mod descriptors;
mod extents;
mod icb;
mod names;
mod partitions;
mod reader;
mod tag;
#[cfg(test)]
mod tests;
mod volume;
mod walk;

use std::fmt;

pub use reader::{is_udf, read};

use crate::vfs::Tree;

/// Contents of a UDF file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Revision that its descriptors state.
    pub revision: Revision,
    /// Logical volume identifier.
    pub label: String,
    /// Identifier as `blkid` shows it: the first 16 hexadecimal digits of the volume set's; `None` if
    /// it does not begin with as many.
    pub uuid: Option<String>,
    /// Length in bytes the image should have: greater than the file's if it was truncated.
    pub len: u64,
    /// Directory tree.
    pub tree: Tree,
    /// Damage and omissions, one clause each, to follow the file's name: summaries first, then at
    /// most [`MAX_WARNINGS`](crate::storage::MAX_WARNINGS) single ones, then the number left out.
    pub warnings: Vec<String>,
}

/// Revision of UDF, as recorded: `0x0102` is 1.02.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(pub u16);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:02x}", self.0 >> 8, self.0 & 0xff)
    }
}

/// Reason a UDF file system cannot be read. Each is a clause that follows the file's name.
#[derive(Debug, thiserror::Error)]
pub enum UdfError {
    /// No sector holds an anchor.
    #[error(
        "holds a UDF file system that is cut short or damaged: no anchor volume descriptor pointer \
         at sector 256 or at the end"
    )]
    NoAnchor,
    /// A structure that every volume has is missing.
    #[error("holds a damaged UDF file system: {0} cannot be found")]
    Lacks(&'static str),
    /// A structure is damaged, or lies past the end.
    #[error("holds a damaged UDF file system: {what} at byte {at} is not valid")]
    Damaged {
        /// The structure.
        what: &'static str,
        /// Its first byte.
        at: u64,
    },
    /// Something that no revision up to 2.60 has.
    #[error("holds a UDF file system with {0}, which is not read")]
    Unsupported(&'static str),
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
