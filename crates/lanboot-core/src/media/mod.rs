//! Reads an image of any kind: ISO 9660, UDF or both, a raw disk with a FAT file system, a program that
//! loaders start as it is, a tar archive of a medium; and says of other files that only hold an image
//! how to unpack them.
//!
//! A disc with both file systems is read by its ISO 9660 side, unless that lacks files or has no long
//! names: Windows media have one file there, which says to use the other side.

mod bare;
mod boot_image;
mod format;
mod marks;
mod medium;
mod packed;
#[cfg(test)]
mod tests;
pub mod unpack;

pub use bare::NotBare;
pub use boot_image::FOLDER as BOOT_IMAGE_FOLDER;
pub use format::{Bare, Format};
pub use marks::{MARKS, SYSTEM};
pub use medium::Medium;
pub use packed::Packed;

use crate::disk::{self, DiskError, RawDisk};
use crate::iso::{self, BootEntry, IsoError, Naming, Platform};
use crate::storage::{Disk, ReadAt};
use crate::tar::{self, TarError};
use crate::udf::{self, UdfError};
use crate::vfs::{Content, ImageId, Kind, Meta, NodeId, Piece, Tree, TreeBuilder};

/// Reason a file cannot be served as an image.
#[derive(Debug)]
pub enum MediaError {
    /// It is a program that cannot be started by itself.
    Bare(NotBare),
    /// It holds an image that has to be unpacked.
    Packed(Packed),
    /// It is a damaged UDF file system.
    Udf(UdfError),
    /// It is a disk without a FAT file system, or a damaged one.
    Disk(DiskError),
    /// It is a damaged tar archive of a medium.
    Tar(TarError),
    /// It is a damaged ISO 9660 image, or no image.
    Iso(IsoError),
}

impl MediaError {
    /// Returns a clause that follows the name of the file; `name` is what a command calls it.
    pub fn clause(&self, name: &str) -> String {
        match self {
            Self::Bare(reason) => reason.to_string(),
            Self::Packed(packed) => packed.advice(name),
            Self::Udf(error) => error.to_string(),
            Self::Disk(error) => error.to_string(),
            Self::Tar(error) => error.to_string(),
            Self::Iso(error) => error.to_string(),
        }
    }
}

/// Reads the image `source`; its files become pieces of `image`.
///
/// # Errors
/// Fails if it has no file system that is read here, or no readable root directory.
pub fn read(image: ImageId, source: &dyn ReadAt) -> Result<Medium, MediaError> {
    let iso = match iso::read(image, source) {
        Ok(iso) => iso,
        Err(error) if is_no_iso(&error) => return other(image, source, error),
        Err(error) => return Err(MediaError::Iso(error)),
    };
    let mut medium = Medium {
        format: Format::Iso(iso.naming),
        label: iso.label,
        uuid: iso.uuid,
        len: iso.len,
        tree: iso.tree,
        boot: iso.boot,
        warnings: iso.warnings,
    };
    if !iso.is_bridge {
        return Ok(boot_image::look_into(medium, image, source));
    }
    match udf::read(image, source) {
        Ok(udf) => {
            let is_plain = medium.format == Format::Iso(Naming::Plain);
            if is_plain || files(&udf.tree) > files(&medium.tree) {
                medium.format = Format::Udf(udf.revision);
                medium.tree = udf.tree;
                medium.len = medium.len.max(udf.len);
                medium.warnings = udf.warnings;
            }
        }
        Err(error) => medium.warnings.push(error.to_string()),
    }
    Ok(boot_image::look_into(medium, image, source))
}

/// Returns whether there is no ISO 9660 file system, rather than a damaged one.
fn is_no_iso(error: &IsoError) -> bool {
    matches!(
        error,
        IsoError::NotIso | IsoError::OnlyUdf | IsoError::TooShort { .. }
    )
}

/// Reads an image that is not of ISO 9660.
fn other(image: ImageId, source: &dyn ReadAt, error: IsoError) -> Result<Medium, MediaError> {
    if udf::is_udf(source) {
        let udf = udf::read(image, source).map_err(MediaError::Udf)?;
        return Ok(Medium {
            format: Format::Udf(udf.revision),
            label: udf.label,
            uuid: udf.uuid,
            len: udf.len,
            tree: udf.tree,
            boot: Vec::new(),
            warnings: udf.warnings,
        });
    }
    // Before disks, whose first sector ends like that of such a program.
    if let Some(found) = bare::read(image, source) {
        return found.map_err(MediaError::Bare);
    }
    let len = usize::try_from(source.len()).unwrap_or(usize::MAX);
    let mut head = vec![0; len.min(packed::HEAD)];
    let is_read = Disk::new(source, 1).read(0, &mut head).is_ok();
    if let Some(packed) = Packed::recognise(&head).filter(|_| is_read) {
        return match packed.is_plain_tar() {
            true => archive(image, source, packed),
            false => Err(MediaError::Packed(packed)),
        };
    }
    match disk::read(image, source) {
        Ok(disk) => Ok(raw(image, source, disk)),
        Err(DiskError::NotDisk) => Err(MediaError::Iso(error)),
        Err(error) => Err(MediaError::Disk(error)),
    }
}

/// Reads a tar archive, if the tree in it is a medium.
fn archive(image: ImageId, source: &dyn ReadAt, packed: Packed) -> Result<Medium, MediaError> {
    let archive = tar::read(image, source).map_err(MediaError::Tar)?;
    if !marks::is_medium(&archive.tree) {
        return Err(MediaError::Packed(packed));
    }
    Ok(Medium {
        format: Format::Tar,
        label: String::new(),
        uuid: None,
        len: source.len(),
        tree: archive.tree,
        boot: Vec::new(),
        warnings: archive.warnings,
    })
}

/// Returns the medium of a raw disk. UEFI looks for programs in its file system if that is the system
/// partition; a BIOS starts the code in its first sector.
fn raw(image: ImageId, source: &dyn ReadAt, disk: RawDisk) -> Medium {
    let whole = |platform| BootEntry {
        platform,
        bootable: true,
        content: Content::new(Piece::of_image(image, 0, disk.len, source.len())),
    };
    let uefi = disk.is_system.then(|| whole(Platform::Uefi));
    let bios = disk.has_boot_code.then(|| whole(Platform::Bios));
    let format = Format::Disk(disk.table, disk.volume.as_ref().map(|volume| volume.kind));
    let uuid = disk.volume.as_ref().map(|volume| volume.uuid.clone());
    let (label, tree, mut warnings) = match disk.volume {
        Some(volume) => (volume.label, volume.tree, volume.warnings),
        None => (
            "raw disk".to_owned(),
            TreeBuilder::new(Meta::default()).build(),
            Vec::new(),
        ),
    };
    if disk.len > source.len() {
        warnings.insert(
            0,
            format!("is incomplete: {} of {} bytes", source.len(), disk.len),
        );
    }
    Medium {
        format,
        label,
        uuid,
        len: disk.len,
        tree,
        boot: uefi.into_iter().chain(bios).collect(),
        warnings,
    }
}

/// Counts the files of a tree that can be read, and their bytes.
fn files(tree: &Tree) -> (usize, u64) {
    let nodes = (0..tree.len()).filter_map(|n| tree.node(NodeId(u32::try_from(n).ok()?)));
    let whole = nodes.filter_map(|node| match &node.kind {
        Kind::File(content) => content.damage().is_none().then(|| content.len()),
        Kind::Directory(_) | Kind::Symlink(_) => None,
    });
    whole.fold((0, 0), |(count, bytes), len| {
        (count + 1, bytes.saturating_add(len))
    })
}
