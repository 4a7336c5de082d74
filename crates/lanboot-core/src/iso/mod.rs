//! ISO 9660 (ECMA-119) with Rock Ridge (RRIP 1.12 on SUSP 1.12), Joliet and El Torito, read once
//! into a [`Tree`] through [`ReadAt`].
//!
//! Which names are used: Rock Ridge where the medium has it, else Joliet, else the plain ones.
//! Plain names keep their case as recorded (mkisofs writes upper case); the version `;1` and a
//! trailing dot are dropped.
//!
//! Left out, with a warning where a medium has it: UDF, device files, pipes and sockets. Interleaved
//! files and those compressed by zisofs have their names, and reading them is an error.
//! Multi-session media are read by the descriptors at sector 16.
//!
//! Invariants: nothing in an image can make this module panic, loop, or read without bound. A file
//! has the length that is recorded; what of it lies past the end of the image is
//! [`Source::Missing`](crate::vfs::Source::Missing), so reading it is an error. Damage below the
//! root directory costs what is damaged and a warning, never the rest.

#[cfg(test)]
mod builder;
mod date;
mod el_torito;
mod notes;
mod record;
mod root;
mod storage;
mod susp;
#[cfg(test)]
mod tests;
mod volume;
mod walk;

use std::fmt;

use crate::vfs::{Content, Damage, ImageId, Kind, NodeId, Tree};
use notes::Notes;
use storage::Storage;

/// Random access to an image, given by the shell.
pub trait ReadAt {
    /// Reads some bytes at `offset` into `buf`; 0 only at or after the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize>;
    /// Length in bytes at the moment the image was opened.
    fn len(&self) -> u64;
    /// Whether the image holds no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An image held in memory.
impl ReadAt for Vec<u8> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(from..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        for (to, byte) in buf.iter_mut().zip(rest) {
            *to = *byte;
        }
        Ok(n)
    }

    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }
}

/// What an ISO image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// Volume identifier of the primary descriptor, without padding: `ARCH_202603`. Control
    /// characters are replaced by `?`.
    pub label: String,
    /// `YYYY-MM-DD-HH-MM-SS-cc`, as `blkid` shows it: the primary descriptor's modification date,
    /// or its creation date where that is unset.
    pub uuid: Option<String>,
    /// Where the names in `tree` come from.
    pub naming: Naming,
    /// Bytes the image should have: more than the file has when it was cut short, its own length
    /// otherwise. A missing pad at the end is no damage.
    pub len: u64,
    /// The files.
    pub tree: Tree,
    /// The El Torito boot entries, in catalog order; empty when there is no boot catalog.
    pub boot: Vec<BootEntry>,
    /// What is damaged or left out, one clause each, fit to follow the file's name: some that sum
    /// up, then at most [`MAX_WARNINGS`] single ones, then how many more there are.
    pub warnings: Vec<String>,
}

/// Most single warnings kept for one image: more say nothing new and would fill the terminal.
pub const MAX_WARNINGS: usize = 16;

/// The kind of names an image was read by.
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
    /// Any other number, kept.
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
    /// What firmware it is for.
    pub platform: Platform,
    /// Whether the entry is marked bootable.
    pub bootable: bool,
    /// The whole boot image, which is often longer than what firmware loads of it: the file that
    /// starts there if there is one, else the FAT file system there, else the recorded count of
    /// sectors, else everything up to the end of the volume.
    pub content: Content,
}

/// Why an image cannot be read. Each is a clause that follows the file's name.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// No bytes at all.
    #[error("is empty")]
    Empty,
    /// It ends before the first volume descriptor would.
    #[error(
        "is not an ISO 9660 image ({len} bytes end before the volume descriptor at sector 16 would)"
    )]
    TooShort {
        /// Length of the file in bytes.
        len: u64,
    },
    /// There is something else where the first volume descriptor would be.
    #[error("is not an ISO 9660 image (no volume descriptor at sector 16)")]
    NotIso,
    /// A UDF volume without an ISO 9660 one beside it.
    #[error(
        "holds only a UDF file system, which is not read (no ISO 9660 descriptor at sector 16)"
    )]
    OnlyUdf,
    /// Descriptors, but not the one that counts.
    #[error("has no primary volume descriptor among the descriptors at sector 16")]
    NoPrimary,
    /// ECMA-119 §6.2.2 allows 512, 1024 and 2048.
    #[error(
        "has a logical block size of {0} bytes in its volume descriptor, not 512, 1024 or 2048"
    )]
    BlockSize(u16),
    /// Its root directory record is no record (ECMA-119 §8.4.18).
    #[error("has a volume descriptor that names no root directory")]
    NoRoot,
    /// Something that must be there lies partly or wholly past the end.
    #[error("is cut short: {what} at byte {at} reaches past the end (file has {len} bytes)")]
    CutShort {
        /// The structure.
        what: &'static str,
        /// Where it starts, in bytes.
        at: u64,
        /// Length of the file in bytes.
        len: u64,
    },
    /// Something that must be there is not what it should be.
    #[error("is damaged: {what} at byte {at} does not start with its own record")]
    Damaged {
        /// The structure.
        what: &'static str,
        /// Where it starts, in bytes.
        at: u64,
    },
    /// The disk failed.
    #[error("cannot be read at byte {at}, where {what} is: {error}")]
    Disk {
        /// The structure.
        what: &'static str,
        /// Where it starts, in bytes.
        at: u64,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Reads the image `source`, whose files become pieces of `image`.
///
/// # Errors
/// When there is no readable root directory. Damage deeper in is a warning.
pub fn read(image: ImageId, source: &dyn ReadAt) -> Result<Medium, IsoError> {
    let mut storage = Storage::new(source);
    let mut notes = Notes::default();
    let volume = volume::scan(&mut storage)?;
    if volume.udf {
        notes.sum_up(
            "also holds a UDF file system, which is not read; files only there are missing",
        );
    }
    let (root, spare) = match root::find(&mut storage, volume.primary, false) {
        Ok(root) if root.is_rock_ridge() => (root, None),
        plain => match volume.joliet.map(|j| root::find(&mut storage, j, true)) {
            Some(Ok(joliet)) => (joliet, plain.err()),
            Some(Err(error)) => (plain?, Some(error)),
            None => (plain?, None),
        },
    };
    if let Some(error) = spare {
        notes.sum_up(format!("in one of its two directory trees, {error}"));
    }
    let naming = root.naming();
    let tree = walk::walk(&mut storage, image, &root, &mut notes);
    let boot = match volume.boot_catalog {
        Some(at) => {
            let end = volume
                .len
                .min(recorded_len(volume.len, source.len(), false));
            el_torito::read(&mut storage, image, &tree, at, end, &mut notes)
        }
        None => Vec::new(),
    };
    let has_damage = has_incomplete(&tree) || boot.iter().any(|e| e.content.damage().is_some());
    let len = recorded_len(volume.len, source.len(), has_damage);
    if len > source.len() {
        notes.sum_up(format!("is incomplete: {} of {len} bytes", source.len()));
    }
    Ok(Medium {
        label: volume.label,
        uuid: volume.uuid,
        naming,
        len,
        tree,
        boot,
        warnings: notes.finish(),
    })
}

/// Bytes an image should have, of which `present` are there and whose descriptor says `volume`.
/// Images copied from a disc may lack the pad that mkisofs and xorriso count as part of the volume,
/// which is no damage unless something else is missing too.
fn recorded_len(volume: u64, present: u64, has_damage: bool) -> u64 {
    const PAD: u64 = 150 * storage::SECTOR;
    match volume.saturating_sub(present) {
        missing if missing > PAD || has_damage => volume.max(present),
        _ => present,
    }
}

/// Whether some file ends behind the end of the image.
fn has_incomplete(tree: &Tree) -> bool {
    let nodes = (0..tree.len()).filter_map(|n| tree.node(NodeId(u32::try_from(n).ok()?)));
    nodes
        .filter_map(|node| match &node.kind {
            Kind::File(content) => content.damage(),
            Kind::Directory(_) | Kind::Symlink(_) => None,
        })
        .any(|damage| matches!(damage, Damage::Incomplete { .. }))
}
