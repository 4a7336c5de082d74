//! Reads a whole file system.

use super::walk::walk;
use super::{UdfError, Volume, descriptors, icb, volume};
use crate::storage::{Disk, Notes, ReadAt};
use crate::vfs::{Damage, ImageId, Kind, NodeId, Tree};

/// First byte of the volume recognition sequence, in every sector size (ECMA-167 2/8).
const RECOGNITION: u64 = 32 * 1024;
/// Bytes of a volume structure descriptor.
const STRUCTURE: u64 = 2048;
/// Most structures looked at: ISO 9660's descriptors may come first.
const MAX_STRUCTURES: u64 = 64;
/// Metadata bytes read per byte of the image, at most.
const READ_FACTOR: u64 = 4;

/// Returns whether an image says that it holds a UDF file system.
pub fn is_udf(source: &dyn ReadAt) -> bool {
    let mut disk = Disk::new(source, READ_FACTOR);
    (0..MAX_STRUCTURES).any(|nth| {
        let mut head = [0; 6];
        let read = disk.read(RECOGNITION + nth * STRUCTURE, &mut head);
        read.is_ok() && matches!(head.get(1..), Some(b"NSR02" | b"NSR03"))
    })
}

/// Reads the UDF file system of the image `source`; its files become pieces of `image`.
///
/// # Errors
/// Fails if there is no readable root directory. Damage deeper in is a warning.
pub fn read(image: ImageId, source: &dyn ReadAt) -> Result<Volume, UdfError> {
    let mut disk = Disk::new(source, READ_FACTOR);
    let anchor = descriptors::anchor(&mut disk)?;
    let descriptors = descriptors::read(&mut disk, anchor)?;
    let partitions = volume::partitions(&mut disk, image, &descriptors)?;
    let place = volume::root(&mut disk, &partitions, descriptors.logical.file_set)?;
    let root = icb::read(&mut disk, &partitions, place);
    let root = root.map_err(|_| UdfError::Lacks("the root directory"))?;
    if root.file_type != icb::DIRECTORY {
        return Err(UdfError::Lacks("the root directory"));
    }
    let mut notes = Notes::default();
    let tree = walk(&mut disk, image, &partitions, (root, place), &mut notes);
    let ends = descriptors.partitions.values().map(|partition| {
        let end = u64::from(partition.start) + u64::from(partition.len);
        end * u64::from(descriptors.sector_bytes)
    });
    let len = match (ends.max(), has_incomplete(&tree)) {
        (Some(recorded), true) => recorded.max(source.len()),
        _ => source.len(),
    };
    if len > source.len() {
        notes.sum_up(format!("is incomplete: {} of {len} bytes", source.len()));
    }
    let digits: String = descriptors.volume_set.chars().take(16).collect();
    let is_hex = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    Ok(Volume {
        revision: descriptors.logical.revision,
        label: descriptors.logical.label,
        uuid: is_hex.then(|| digits.to_lowercase()),
        len,
        tree,
        warnings: notes.finish(),
    })
}

/// Returns whether a file ends past the end of the image.
fn has_incomplete(tree: &Tree) -> bool {
    let nodes = (0..tree.len()).filter_map(|n| tree.node(NodeId(u32::try_from(n).ok()?)));
    nodes
        .filter_map(|node| match &node.kind {
            Kind::File(content) => content.damage(),
            Kind::Directory(_) | Kind::Symlink(_) => None,
        })
        .any(|damage| matches!(damage, Damage::Incomplete { .. }))
}
