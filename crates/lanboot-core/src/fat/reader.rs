//! Reads a whole file system.

use std::ops::Range;

use super::Volume;
use super::directory::decoded;
use super::geometry::{FatError, Geometry};
use super::walk::walk;
use crate::storage::{Disk, Notes, ReadAt};
use crate::vfs::ImageId;

/// Metadata bytes read per byte of the image: the table, the directories, and windows of the table
/// read again for chains that jump.
const READ_FACTOR: u64 = 2;

/// Reads the FAT file system in the bytes `range` of `source`; its files become pieces of `image`,
/// counted from the image's own start. The file system may state another length than `range` has.
///
/// # Errors
/// Fails if there is no FAT file system or its table is not whole. Damage of its files is a warning.
pub fn read(image: ImageId, source: &dyn ReadAt, range: Range<u64>) -> Result<Volume, FatError> {
    let mut disk = Disk::new(source, READ_FACTOR);
    let geometry = Geometry::read(&mut disk, range)?;
    let mut notes = Notes::default();
    let found = walk(&mut disk, image, &geometry, &mut notes);
    let serial = geometry.serial;
    Ok(Volume {
        kind: geometry.kind,
        label: found.label.unwrap_or_else(|| boot_label(&geometry.label)),
        uuid: format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff),
        len: geometry.len,
        tree: found.tree,
        warnings: notes.finish(),
    })
}

/// Returns the label of the boot sector, which stands there as a text for none.
fn boot_label(padded: &[u8; 11]) -> String {
    match padded {
        b"NO NAME    " => String::new(),
        padded => decoded(padded, false),
    }
}
