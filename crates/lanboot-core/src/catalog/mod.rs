//! Bootable things: images, the families they belong to and their entries. A [`Catalog`] is
//! immutable and replaced whole when the images change.

mod image;
mod incomplete;
mod medium_loaders;
mod names;
mod order;
mod secure_standing;
mod whole;

pub use image::Image;
pub use incomplete::Incomplete;
pub use medium_loaders::MediumLoaders;
pub use names::{AmbiguousName, TakenNames, image_name, is_plain_name, plain};
pub use order::newest_first;
pub use secure_standing::SecureStanding;
pub use whole::Start;

use std::collections::HashMap;
use std::sync::Arc;

use crate::vfs::Identity;

pub use crate::boot_config::{MAX_FILE_BYTES as MAX_CONFIG_BYTES, ReadSmall};
pub use crate::images::{
    Cpu, Detection, Dialect, Entry, Fetch, Fetched, Firmware, Lack, MountSource, Note, Part,
    Refusal, Server, ShownBy, StockMenu, Transport, detect,
};

/// Every image served, in the order they were named; the first one is the default.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    images: Vec<Arc<Image>>,
    /// The one among them that is the default.
    default: usize,
    /// The images, and those that were replaced while machines still read them.
    by_identity: HashMap<Identity, Arc<Image>>,
}

impl Catalog {
    /// Makes a catalog of these images. Their [`Image::names`] must be distinct.
    pub fn new(images: Vec<Arc<Image>>) -> Self {
        Self::with_retired(images, &[])
    }

    /// Makes a catalog of `images`; those in `retired` are in no menu and under no name any more,
    /// but machines that stream one of them go on.
    pub fn with_retired(images: Vec<Arc<Image>>, retired: &[Arc<Image>]) -> Self {
        let images = distinct(images);
        // Later ones win: a file that is served counts more than one that was.
        let by_identity = retired.iter().chain(&images);
        let by_identity = by_identity.map(|i| (i.identity, Arc::clone(i))).collect();
        let default = images.iter().position(|image| image.unusable().is_none());
        Self {
            default: default.unwrap_or(0),
            images,
            by_identity,
        }
    }

    /// Returns the images.
    pub fn images(&self) -> &[Arc<Image>] {
        &self.images
    }

    /// Returns the image whose files also appear at the root, as behind the classic recipe: the
    /// first one that is not damaged, or the first one where all are.
    pub fn default_image(&self) -> Option<&Arc<Image>> {
        self.images.get(self.default)
    }

    /// Returns the image of this name.
    pub fn image(&self, name: &[u8]) -> Option<&Arc<Image>> {
        self.images.iter().find(|i| i.name.as_bytes() == name)
    }

    /// Returns the image of this identity, also one that was replaced and is still in use.
    pub fn of_identity(&self, identity: Identity) -> Option<&Arc<Image>> {
        self.by_identity.get(&identity)
    }

    /// Returns the image whose [`Image::pinned_name`] this is, or was before a rename; also one
    /// that was replaced and is still in use.
    pub fn pinned(&self, name: &[u8]) -> Option<&Arc<Image>> {
        self.of_identity(Identity::of_pinned_name(name)?)
    }

    /// Lists every kernel entry that can start, with its image: not those something is missing of
    /// (see [`Self::incomplete_entries`]), nor images that start as a whole (see [`Self::starts`]).
    pub fn entries(&self) -> impl Iterator<Item = (&Arc<Image>, &Entry)> {
        self.images
            .iter()
            .flat_map(|image| image.found.entries.iter().map(move |e| (image, e)))
            .filter(|(image, entry)| image.incomplete(entry).is_none())
    }
}

/// Takes the names that media give themselves from those images that share one: a menu would show
/// the same line for several of them, and the file names differ.
fn distinct(mut images: Vec<Arc<Image>>) -> Vec<Arc<Image>> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for product in images
        .iter()
        .filter_map(|image| image.found.product.as_ref())
    {
        *counts.entry(product.clone()).or_default() += 1;
    }
    let is_shared = |image: &Image| {
        let product = image.found.product.as_ref();
        product.is_some_and(|product| counts.get(product).is_some_and(|count| *count > 1))
    };
    for image in images.iter_mut().filter(|image| is_shared(image)) {
        Arc::make_mut(image).found.product = None;
    }
    images
}
