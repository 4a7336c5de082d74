//! Turns an open image file into an [`Image`]: what it holds, and its identity.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use lanboot_core::catalog::{Image, MAX_CONFIG_BYTES, MediumLoaders, detect};
use lanboot_core::media::Medium;
use lanboot_core::storage::ReadAt as _;
use lanboot_core::text;
use lanboot_core::vfs::{Content, Identity, ImageId, NodeId, Source, Tree};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::files::Stamp;
use crate::images::open_images::ImageFile;

/// Builds the catalog's image of `medium`, which was read from `disk`.
pub(super) fn image(
    path: &Path,
    stamp: Stamp,
    name: &str,
    image_file: &ImageFile,
    id: ImageId,
    medium: Medium,
) -> Image {
    let read = |content: &Content| read_small(image_file, content);
    let mut found = detect(&medium, name, &read);
    let loaders = MediumLoaders::find(&medium.tree, &read);
    found.warnings = [medium.warnings, found.warnings].concat();
    let mut hasher = DefaultHasher::new();
    stamp.hash(&mut hasher);
    // The bytes were read a moment ago; if reading fails now, a restart yields another identity.
    let identity = identity(
        stamp,
        image_file,
        first_bytes(image_file).unwrap_or(0),
        &medium.tree,
    );
    let mut image = Image {
        name: name.to_owned(),
        file: text::path(path),
        folder: Vec::new(),
        id,
        size: image_file.len(),
        recorded_size: medium.len,
        version: hasher.finish(),
        identity,
        label: medium.label,
        uuid: medium.uuid,
        tree: Arc::new(found.added_to(medium.tree)),
        found,
        loaders,
    };
    let entries = image.found.entries.iter();
    let incomplete: Vec<String> = entries
        .filter_map(|entry| Some(format!("{} is {}", entry.id, image.incomplete(entry)?)))
        .collect();
    image.found.warnings.extend(incomplete);
    image
}

/// Returns offsets of the files that machines load: first, middle and last bytes of each file named
/// by an entry.
pub(super) fn places(image: &Image) -> impl Iterator<Item = u64> {
    let paths = image.found.entries.iter().flat_map(|entry| entry.files());
    paths
        .filter_map(|path| image.tree.file(path))
        .flat_map(|content| {
            let len = content.len();
            [0, len / 2, len.saturating_sub(1)]
                .into_iter()
                .filter_map(move |at| match content.slice(at..len).first()?.source {
                    Source::Image { offset, .. } => Some(offset),
                    Source::Memory { .. } | Source::Zero | Source::Missing(_) => None,
                })
        })
}

/// Computes the identity of an image. Neither the file's name nor the device number is included:
/// both may change with a restart of the host.
fn identity(stamp: Stamp, image_file: &ImageFile, first_bytes: u64, tree: &Tree) -> Identity {
    let mut hasher = SipHasher13::new();
    (stamp.modified, image_file.len(), first_bytes).hash(&mut hasher);
    // NFS handles contain node numbers: a version that numbers nodes differently must not accept
    // old handles.
    for folder in (0..tree.len()).filter_map(|n| u32::try_from(n).ok()) {
        tree.entries(NodeId(folder)).hash(&mut hasher);
    }
    Identity(hasher.finish128().as_bytes())
}

/// Hashes the boot record, the volume descriptors and, on most media, the first folders.
fn first_bytes(image_file: &ImageFile) -> io::Result<u64> {
    const BYTES: usize = 64 * 1024;
    let mut first = vec![0; BYTES];
    let mut known = 0;
    while let Some(rest) = first.get_mut(known..).filter(|rest| !rest.is_empty()) {
        match image_file.read_at(rest, known as u64)? {
            0 => break,
            n => known += n,
        }
    }
    let mut hasher = SipHasher13::new();
    hasher.write(first.get(..known).unwrap_or_default());
    Ok(hasher.finish())
}

/// Reads a small file of an image.
fn read_small(image_file: &ImageFile, content: &Content) -> Option<Vec<u8>> {
    if content.len() > MAX_CONFIG_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    for piece in content.pieces() {
        let Source::Image { offset, .. } = piece.source else {
            return None;
        };
        let at = bytes.len();
        bytes.resize(at + usize::try_from(piece.len).ok()?, 0);
        image_file
            .file()
            .read_exact_at(bytes.get_mut(at..)?, offset)
            .ok()?;
    }
    Some(bytes)
}
