//! Formats of images.

use std::fmt;

use crate::disk::Table;
use crate::fat::FatKind;
use crate::iso::Naming;
use crate::udf::Revision;

/// Format of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ISO 9660 with this kind of names.
    Iso(Naming),
    /// UDF of this revision, alone or beside ISO 9660.
    Udf(Revision),
    /// A raw disk with this partition table and file system.
    Disk(Table, Option<FatKind>),
    /// No file system: a file that loaders of this kind start as it is.
    Bare(Bare),
    /// A folder of the server.
    Folder,
    /// A tar archive.
    Tar,
}

impl Format {
    /// Returns whether there are only files, and no image of a disk or disc.
    pub fn is_files(self) -> bool {
        matches!(self, Self::Folder | Self::Tar)
    }

    /// Returns whether the image is one of a disk drive, not of a disc.
    pub fn is_drive(self) -> bool {
        matches!(self, Self::Disk(..))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iso(naming @ (Naming::RockRidge | Naming::Joliet)) => {
                write!(f, "ISO 9660, {naming}")
            }
            Self::Iso(Naming::Plain) => f.write_str("ISO 9660"),
            Self::Udf(revision) => write!(f, "UDF {revision}"),
            Self::Disk(table, Some(kind)) => write!(f, "raw disk, {table}, {kind}"),
            Self::Disk(table, None) => write!(f, "raw disk, {table}, no FAT"),
            Self::Bare(bare) => bare.fmt(f),
            Self::Folder => f.write_str("folder"),
            Self::Tar => f.write_str("tar archive"),
        }
    }
}

/// Loaders that start a file as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// Those that start a Linux kernel.
    Kernel,
    /// Those that start a Linux kernel with a BIOS, for which the program is made.
    Bios,
    /// Those that start EFI programs.
    Efi,
    /// Both of these.
    BiosAndEfi,
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "Linux kernel",
            Self::Bios => "program for BIOS",
            Self::Efi => "EFI program",
            Self::BiosAndEfi => "program for BIOS and UEFI",
        })
    }
}
