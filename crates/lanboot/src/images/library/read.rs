//! Turns a file or folder into an [`Image`]: what it holds, and its identity.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::catalog::{Image, MAX_CONFIG_BYTES, MediumLoaders, detect};
use lanboot_core::media::{self, MediaError, Medium};
use lanboot_core::storage::ReadAt;
use lanboot_core::text;
use lanboot_core::vfs::{Content, Identity, ImageId, NodeId, Source, Tree};
use siphasher::sip::SipHasher13 as SipHasher;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::ImageLibrary;
use super::files::{CANNOT_OPEN, Stamp, file_name};
use super::index::{self, Recorded};
use super::listing::Listing;
use super::paged::PagedReader;
use super::unpacked::unpacked;
use crate::images::open_images::{ImageFile, OpenImages};

/// Most small files read of one image. Media with a menu entry in a file of its own have about a hundred.
const MAX_SMALL_FILES: u32 = 20_000;

/// A file or folder to be read as an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) path: &'a Path,
    pub(super) stamp: Stamp,
    /// The name of the image.
    pub(super) name: &'a str,
}

impl ImageLibrary {
    /// Reads what is at `path` as the image `name`.
    pub(super) fn read(&self, path: &Path, stamp: Stamp, name: &str) -> anyhow::Result<Image> {
        let wanted = Wanted { path, stamp, name };
        if path.is_dir() {
            return self.read_folder(wanted);
        }
        let image_file = ImageFile::open(path).context(CANNOT_OPEN)?;
        let id = self.open_images.insert(image_file);
        let image = self.read_file(wanted, id);
        if image.is_err() {
            self.open_images.remove(id);
        }
        image
    }

    /// Reads the open file `id`.
    fn read_file(&self, wanted: Wanted<'_>, id: ImageId) -> anyhow::Result<Image> {
        let image_file = self.open_images.get(id).context("was closed")?;
        let since = image_file.file().metadata().context(CANNOT_OPEN)?;
        let reader = PagedReader::new(image_file.as_ref());
        let first = first_bytes(&reader).ok();
        let key = first.filter(|_| since.is_file());
        let key = key.map(|first| index::key(wanted.path, &since, first));
        let earlier = key.and_then(|key| Recorded::get(self.index.as_ref()?, &key));
        let Recorded { pages, sampled } = earlier.unwrap_or_default();
        let known: BTreeSet<u64> = pages.keys().copied().collect();
        let was_sampled = sampled.clone();
        reader.add(pages);
        let file = file_name(wanted.path);
        let medium = match media::read(id, &reader) {
            _ if reader.over().is_some() => bail!(reader.over().unwrap_or_default()),
            Ok(medium) => labelled(medium, &file),
            Err(MediaError::Packed(packed)) if packed.is_gzipped_tar() => {
                return self.read_packed(wanted, id, &packed.advice(&file));
            }
            Err(error) => bail!(error.clause(&file)),
        };
        let opened = self.opened(id, &reader, wanted.stamp, first);
        let image = image(wanted, &opened, medium)?;
        // A file that cannot be read now is not monitored; reading it is an error anyway.
        let sampled = image_file.remember(&since, places(&image), sampled);
        let sampled = sampled.unwrap_or_default();
        let (pages, spent) = reader.into_pages();
        let is_new = sampled != was_sampled || index::are_more(&pages, &known);
        if let (Some(cache), Some(key)) = (&self.index, key)
            && is_new
            && spent.is_worth(self.worth)
            && index::is_steady(&since, &image_file.file().metadata()?, self.settle)
        {
            Recorded { pages, sampled }.put(cache, &key);
        }
        Ok(image)
    }

    /// Unpacks the open archive `id`, and reads what is in it in its place. `advice` is the clause that says
    /// how to unpack it.
    fn read_packed(&self, wanted: Wanted<'_>, id: ImageId, advice: &str) -> anyhow::Result<Image> {
        let open = || self.open_images.get(id).context("was closed");
        {
            let _one_at_a_time = self.unpacking.lock();
            let unpacked = unpacked(open()?.as_ref(), &self.open_images);
            let unpacked = unpacked.map_err(|why| anyhow!("{why}; it {advice}"))?;
            self.open_images.replace(id, unpacked);
        }
        let image_file = open()?;
        let since = image_file.file().metadata()?;
        let reader = PagedReader::new(image_file.as_ref());
        let medium = media::read(id, &reader).map_err(|error| match error {
            MediaError::Tar(error) => anyhow!("{error}"),
            _ => anyhow!("{advice}"),
        })?;
        let medium = labelled(medium, &file_name(wanted.path));
        let first = first_bytes(&reader).ok();
        let image = image(
            wanted,
            &self.opened(id, &reader, wanted.stamp, first),
            medium,
        )?;
        // As of a file that is not packed.
        let _ = image_file.remember(&since, places(&image), None);
        Ok(image)
    }

    /// Returns an open image whose first bytes have the hash `first`, where they could be read.
    fn opened<'a>(
        &'a self,
        id: ImageId,
        reader: &'a PagedReader<'a>,
        stamp: Stamp,
        first: Option<u64>,
    ) -> Opened<'a> {
        // If reading failed, a restart yields another identity.
        let first_bytes = first.unwrap_or(0);
        Opened {
            open_images: &self.open_images,
            id,
            reader: Some(reader),
            size: reader.len(),
            lasting: lasting(stamp, reader.len(), first_bytes),
        }
    }

    /// Reads a folder that is a medium.
    fn read_folder(&self, wanted: Wanted<'_>) -> anyhow::Result<Image> {
        let listing = Listing::read(wanted.path).map_err(|why| anyhow!(why))?;
        let folder = ImageFile::folder(wanted.path).context(CANNOT_OPEN)?;
        let id = self.open_images.insert_folder(folder, listing.files())?;
        let opened = Opened {
            open_images: &self.open_images,
            id,
            reader: None,
            size: listing.bytes(),
            lasting: listing.lasting(),
        };
        let medium = listing.medium(id, file_name(wanted.path));
        image(wanted, &opened, medium).inspect_err(|_| self.open_images.remove(id))
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
    /// The reader of it; `None` for a folder, whose files are open images of their own.
    pub(super) reader: Option<&'a PagedReader<'a>>,
    /// Length in bytes; of a folder, that of all its files.
    pub(super) size: u64,
    /// Hash of what distinguishes it from others, and stays the same when the host restarts.
    pub(super) lasting: u64,
}

/// Builds the catalog's image of `medium`, which was read from `opened`.
///
/// # Errors
/// Fails if that takes more reading than is allowed.
pub(super) fn image(
    wanted: Wanted<'_>,
    opened: &Opened<'_>,
    medium: Medium,
) -> anyhow::Result<Image> {
    let count = Cell::new(0);
    let read = |content: &Content| {
        count.set(count.get() + 1);
        (count.get() <= MAX_SMALL_FILES).then(|| read_small(opened, content))?
    };
    let mut found = detect(&medium, wanted.name, &read);
    let loaders = MediumLoaders::find(&medium.tree, &read);
    if let Some(over) = opened.reader.and_then(PagedReader::over) {
        bail!(over);
    }
    if count.get() > MAX_SMALL_FILES {
        bail!(
            "is not read any further: to recognise it takes more than {MAX_SMALL_FILES} of its files"
        );
    }
    found.warnings = [medium.warnings, found.warnings].concat();
    let mut hasher = DefaultHasher::new();
    wanted.stamp.hash(&mut hasher);
    let identity = identity(opened.lasting, &medium.tree);
    let mut image = Image {
        name: wanted.name.to_owned(),
        file: text::path(wanted.path),
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
    Ok(image)
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

/// Returns the hash for [`Opened`] of an image file of `len` bytes. Neither its name nor the device number is
/// included: both may change with a restart of the host.
pub(super) fn lasting(stamp: Stamp, len: u64, first_bytes: u64) -> u64 {
    let mut hasher = SipHasher::new();
    (stamp.modified, len, first_bytes).hash(&mut hasher);
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
pub(super) fn first_bytes(image_file: &dyn ReadAt) -> io::Result<u64> {
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
fn read_small(opened: &Opened<'_>, content: &Content) -> Option<Vec<u8>> {
    if content.len() > MAX_CONFIG_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    for piece in content.pieces() {
        let Source::Image { image, offset } = piece.source else {
            return None;
        };
        let at = bytes.len();
        bytes.resize(at + usize::try_from(piece.len).ok()?, 0);
        let part = bytes.get_mut(at..)?;
        match opened.reader.filter(|_| image == opened.id) {
            Some(reader) => read_exactly(reader, part, offset)?,
            None => read_exactly(opened.open_images.get(image)?.as_ref(), part, offset)?,
        }
    }
    Some(bytes)
}

/// Fills `buf` from byte `offset` on.
fn read_exactly(source: &dyn ReadAt, mut buf: &mut [u8], mut offset: u64) -> Option<()> {
    while !buf.is_empty() {
        let read = match source.read_at(buf, offset) {
            Ok(0) => return None,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
        buf = buf.get_mut(read..)?;
        offset += read as u64;
    }
    Some(())
}
