//! Reads a whole image.

use super::storage::{SECTOR, Storage};
use super::{IsoError, Medium, ReadAt, el_torito, root, volume, walk};
use crate::storage::Notes;
use crate::vfs::{Damage, ImageId, Kind, NodeId, Tree};

/// Reads the image `source`; its files become pieces of `image`.
///
/// # Errors
/// Fails if there is no readable root directory. Damage deeper in is a warning.
pub fn read(image: ImageId, source: &dyn ReadAt) -> Result<Medium, IsoError> {
    let mut storage = Storage::new(source);
    let mut notes = Notes::default();
    let volume = volume::scan(&mut storage)?;
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
        is_bridge: volume.udf,
        tree,
        boot,
        warnings: notes.finish(),
    })
}

/// Returns the length an image should have, given `present` bytes and `volume` bytes recorded.
/// Images copied from a disc may lack the pad that mkisofs and xorriso count as part of the volume;
/// that is damage only if something else is missing too.
fn recorded_len(volume: u64, present: u64, has_damage: bool) -> u64 {
    const PAD: u64 = 150 * SECTOR;
    match volume.saturating_sub(present) {
        missing if missing > PAD || has_damage => volume.max(present),
        _ => present,
    }
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
