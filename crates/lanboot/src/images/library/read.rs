//! Turns a file or folder into an [`Image`]: what it holds, and its identity.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::catalog::{Image, MAX_CONFIG_BYTES, MediumLoaders, detect};
use lanboot_core::media::{self, MediaError, Medium};
use lanboot_core::storage::ReadAt as _;
use lanboot_core::text;
use lanboot_core::vfs::{Content, Identity, ImageId, NodeId, Source, Tree};
use siphasher::sip::SipHasher13 as SipHasher;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::ImageLibrary;
use super::files::{CANNOT_OPEN, Stamp, file_name};
use super::listing::Listing;
use super::unpacked::unpacked;
use crate::images::open_images::{ImageFile, OpenImages};

impl ImageLibrary {
    /// Reads what is at `path` as the image `name`.
    pub(super) fn read(&self, path: &Path, stamp: Stamp, name: &str) -> anyhow::Result<Image> {
        if path.is_dir() {
            return self.read_folder(path, stamp, name);
        }
        let image_file = ImageFile::open(path).context(CANNOT_OPEN)?;
        let id = self.open_images.insert(image_file);
        let image = self.read_file(path, stamp, name, id);
        if image.is_err() {
            self.open_images.remove(id);
        }
        image
    }

    /// Reads the open file `id`. An archive that has to be unpacked is replaced by what is in it.
    fn read_file(
        &self,
        path: &Path,
        stamp: Stamp,
        name: &str,
        id: ImageId,
    ) -> anyhow::Result<Image> {
        let open = || self.open_images.get(id).context("was closed");
        let file = file_name(path);
        let medium = match media::read(id, open()?.as_ref()) {
            Ok(medium) => medium,
            Err(MediaError::Packed(packed)) if packed.is_gzipped_tar() => {
                let advice = packed.advice(&file);
                let one_at_a_time = self.unpacking.lock();
                let unpacked = unpacked(open()?.as_ref(), &self.open_images);
                let unpacked = unpacked.map_err(|why| anyhow!("{why}; it {advice}"))?;
                self.open_images.replace(id, unpacked);
                drop(one_at_a_time);
                media::read(id, open()?.as_ref()).map_err(|error| match error {
                    MediaError::Tar(error) => anyhow!("{error}"),
                    _ => anyhow!(advice),
                })?
            }
            Err(error) => bail!(error.clause(&file)),
        };
        let image_file = open()?;
        let opened = Opened {
            open_images: &self.open_images,
            id,
            size: image_file.len(),
            lasting: lasting(stamp, &image_file),
        };
        let image = image(path, stamp, name, &opened, labelled(medium, &file));
        // A file that cannot be read now is not monitored; reading it is an error anyway.
        let _ = image_file.remember(places(&image));
        Ok(image)
    }

    /// Reads a folder that is a medium.
    fn read_folder(&self, path: &Path, stamp: Stamp, name: &str) -> anyhow::Result<Image> {
        let listing = Listing::read(path).map_err(|why| anyhow!(why))?;
        let folder = ImageFile::folder(path).context(CANNOT_OPEN)?;
        let id = self.open_images.insert_folder(folder, listing.files())?;
        let opened = Opened {
            open_images: &self.open_images,
            id,
            size: listing.bytes(),
            lasting: listing.lasting(),
        };
        let medium = listing.medium(id, file_name(path));
        Ok(image(path, stamp, name, &opened, medium))
    }
}

/// Returns a medium whose label is `name` where it has none of its own.
fn labelled(medium: Medium, name: &str) -> Medium {
    let label = match medium.label.is_empty() && medium.format.is_files() {
        true => name.to_owned(),
        false => medium.label,
    };
    Medium { label, ..medium }
}

/// An open image that was read.
pub(super) struct Opened<'a> {
    pub(super) open_images: &'a OpenImages,
    pub(super) id: ImageId,
    /// Length in bytes; of a folder, that of all its files.
    pub(super) size: u64,
    /// Hash of what distinguishes it from others, and stays the same when the host restarts.
    pub(super) lasting: u64,
}

/// Builds the catalog's image of `medium`, which was read from `opened`.
pub(super) fn image(
    path: &Path,
    stamp: Stamp,
    name: &str,
    opened: &Opened<'_>,
    medium: Medium,
) -> Image {
    let read = |content: &Content| read_small(opened.open_images, content);
    let mut found = detect(&medium, name, &read);
    let loaders = MediumLoaders::find(&medium.tree, &read);
    found.warnings = [medium.warnings, found.warnings].concat();
    let mut hasher = DefaultHasher::new();
    stamp.hash(&mut hasher);
    let identity = identity(opened.lasting, &medium.tree);
    let mut image = Image {
        name: name.to_owned(),
        file: text::path(path),
        folder: Vec::new(),
        id: opened.id,
        size: opened.size,
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

/// Returns the hash for [`Opened`] of an image file. Neither its name nor the device number is included:
/// both may change with a restart of the host.
pub(super) fn lasting(stamp: Stamp, image_file: &ImageFile) -> u64 {
    // The bytes were read a moment ago; if reading fails now, a restart yields another identity.
    let first_bytes = first_bytes(image_file).unwrap_or(0);
    let mut hasher = SipHasher::new();
    (stamp.modified, image_file.len(), first_bytes).hash(&mut hasher);
    hasher.finish()
}

/// Computes the identity of an image.
fn identity(lasting: u64, tree: &Tree) -> Identity {
    let mut hasher = SipHasher13::new();
    lasting.hash(&mut hasher);
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
fn read_small(open_images: &OpenImages, content: &Content) -> Option<Vec<u8>> {
    if content.len() > MAX_CONFIG_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    for piece in content.pieces() {
        let Source::Image { image, offset } = piece.source else {
            return None;
        };
        let image_file = open_images.get(image)?;
        let at = bytes.len();
        bytes.resize(at + usize::try_from(piece.len).ok()?, 0);
        image_file
            .file()
            .read_exact_at(bytes.get_mut(at..)?, offset)
            .ok()?;
    }
    Some(bytes)
}
