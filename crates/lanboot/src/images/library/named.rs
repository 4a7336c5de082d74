//! The image files that the operator named, and those in the folders, with their places in the menus.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanboot_core::catalog::{Image, newest_first};
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::text;

use super::files::unusable;
use super::folders::{FoundImage, images_below};

/// Most images served at once, so that a rescan stays short.
pub(super) const MAX_IMAGES: usize = 4096;

/// The image files, as last listed.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// The files, in the order they were named.
    pub(super) files: Vec<PathBuf>,
    places: BTreeMap<PathBuf, Place>,
}

/// The place of an image file in the menus.
#[derive(Debug)]
struct Place {
    /// The folders it is in, below the one the operator named.
    folder: Vec<String>,
    /// Number of its folder; a file that was named by itself has one of its own.
    group: usize,
}

impl Named {
    /// Lists the files in `written`, and the images in the folders in it, in order.
    pub(super) fn list(written: &[PathBuf], faults: &mut Vec<Diagnostic>) -> Self {
        let mut named = Self::default();
        let mut group = 0;
        for written in written {
            group += 1;
            let mut folder = Vec::new();
            for image in images(written, faults) {
                if image.folder != folder {
                    group += 1;
                    folder.clone_from(&image.folder);
                }
                let place = Place {
                    folder: image.folder,
                    group,
                };
                if let Entry::Vacant(vacant) = named.places.entry(image.path.clone()) {
                    vacant.insert(place);
                    named.files.push(image.path);
                }
            }
        }
        let count = named.files.len();
        if count > MAX_IMAGES {
            faults.push(DiagnosticCode::TooManyImages.with(format!(
                "only the first {MAX_IMAGES} of {count} images are served"
            )));
            named.files.truncate(MAX_IMAGES);
        }
        named
    }

    /// Returns the folders a file is in, below the one the operator named.
    pub(super) fn folder(&self, path: &Path) -> Vec<String> {
        let place = self.places.get(path);
        place.map_or_else(Vec::new, |place| place.folder.clone())
    }

    /// Lists the images in the order of the menus: as they were named, those of a folder with the newest
    /// version of each product first. `image` returns the image of a file, where it is one.
    pub(super) fn in_order(&self, image: impl Fn(&Path) -> Option<Arc<Image>>) -> Vec<Arc<Image>> {
        let served = self.files.iter().filter_map(|path| {
            let group = self.places.get(path).map_or(0, |place| place.group);
            Some((group, image(path)?))
        });
        let mut served: Vec<(usize, Arc<Image>)> = served.collect();
        served.sort_by(|(group, one), (other_group, other)| {
            let by_title = || newest_first(one.shown_name(), other.shown_name());
            group.cmp(other_group).then_with(by_title)
        });
        served.into_iter().map(|(_, image)| image).collect()
    }
}

/// Lists what one path names: the file itself, or the images in the folder.
fn images(written: &Path, faults: &mut Vec<Diagnostic>) -> Vec<FoundImage> {
    if !written.is_dir() {
        return vec![FoundImage {
            path: written.to_owned(),
            folder: Vec::new(),
        }];
    }
    let folder = || text::path(written);
    let found = match images_below(written) {
        Ok(found) => found,
        Err(error) => {
            faults.push(unusable(written, &error));
            return Vec::new();
        }
    };
    if found.images.is_empty() {
        let text = format!(
            "{}: there is no image in it (*.iso, *.img, *.raw) and no program (*.efi, *.lkrn)",
            folder()
        );
        faults.push(DiagnosticCode::FolderEmpty.with(text).of_file(folder()));
    }
    if found.is_cut {
        let text = format!(
            "{}: has more folders than are searched; some images in it may be missing",
            folder()
        );
        faults.push(DiagnosticCode::TooManyImages.with(text).of_file(folder()));
    }
    let unreadable = found.unreadable.iter();
    faults.extend(unreadable.map(|(path, error)| unusable(path, error)));
    found.images
}
