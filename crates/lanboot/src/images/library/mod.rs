//! Builds catalogs from file names: opens, reads and recognises images. The only source of
//! [`Catalog`]s.

mod endings;
mod examined;
mod files;
mod folders;
mod index;
mod listing;
mod named;
mod paged;
mod read;
mod retired;
mod scan;
#[cfg(test)]
mod tests;
mod unpacked;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::catalog::{Catalog, Image, TakenNames, image_name};
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::text;

use crate::images::initramfs;
use crate::images::open_images::{ImageFile, OpenImages};
use crate::store::IndexCache;
use files::{CANNOT_OPEN, SETTLE, Stamp, file_name, in_order_of_names, stamp, unusable};
use folders::is_medium;
use named::{MAX_IMAGES, Named};
pub use scan::Progress;
use scan::{FileState, ReadAs};

/// Time for listing a folder that is not worth to be remembered.
const SLOW: Duration = Duration::from_millis(100);
/// Time spent waiting for an image that is worth to be saved at the next start. On a disk of this host it is
/// much less, so that nothing is kept.
const WORTH: Duration = Duration::from_millis(20);
/// Share of the time that listing a folder may take: one part of so many.
const RESTS: u32 = 20;

/// The images named by the operator, as last scanned.
#[derive(Debug)]
pub struct ImageLibrary {
    written: Vec<PathBuf>,
    open_images: Arc<OpenImages>,
    known: BTreeMap<PathBuf, Known>,
    /// The files, as last listed.
    named: Named,
    /// Name of each file when it was last read: during one run a name never refers to another file.
    names: BTreeMap<PathBuf, String>,
    /// Folders that took long to list.
    slow: Mutex<BTreeMap<PathBuf, SlowFolder>>,
    /// The bytes earlier runs read of images, where they are kept.
    index: Option<Arc<IndexCache>>,
    /// Time that reading an image takes from which on it is kept.
    worth: Duration,
    /// Time a file must have been unchanged before that.
    settle: Duration,
    /// Held while an archive is unpacked, so that the limit for all of them holds.
    unpacking: Mutex<()>,
    /// Faults of the last scan.
    said: BTreeSet<String>,
    /// Images that were replaced or removed while machines streamed them.
    retired: Vec<Arc<Image>>,
}

/// The files of a folder that took long to list, and when to list it again.
type SlowFolder = (Result<Stamp, String>, Instant);

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    image: Result<Arc<Image>, String>,
}

impl Known {
    /// Returns whether it could not be opened before and now can be: `chmod` does not change its
    /// stamp.
    fn opens_now(&self, path: &Path) -> bool {
        let could_not = |fault: &String| fault.starts_with(CANNOT_OPEN);
        self.image.as_ref().is_err_and(could_not) && ImageFile::open(path).is_ok()
    }
}

/// Result of a scan.
#[derive(Debug, Default)]
pub struct Scan {
    /// Images that can be served.
    pub catalog: Catalog,
    /// One line for each file that cannot be served.
    pub faults: Vec<Diagnostic>,
    /// The `faults` that the previous scan did not find.
    pub new_faults: Vec<Diagnostic>,
    /// Warnings about images that were just read.
    pub warnings: Vec<Diagnostic>,
    /// True if anything differs from the previous scan.
    pub changed: bool,
}

impl ImageLibrary {
    /// Creates a library of these files and folders without reading them.
    pub fn new(written: Vec<PathBuf>, open_images: Arc<OpenImages>) -> Self {
        Self {
            written,
            open_images,
            known: BTreeMap::new(),
            named: Named::default(),
            names: BTreeMap::new(),
            slow: Mutex::default(),
            index: None,
            worth: WORTH,
            settle: SETTLE,
            unpacking: Mutex::default(),
            said: BTreeSet::new(),
            retired: Vec::new(),
        }
    }

    /// Keeps what reading slow images finds in `index`, and uses what is there.
    #[must_use]
    pub fn with_index(self, index: Arc<IndexCache>) -> Self {
        Self {
            index: Some(index),
            ..self
        }
    }

    /// Checks every file and reads those that are new or changed. A file that cannot be read is a
    /// line in `faults` and does not affect others. With `now`, files written to just before it are
    /// left to the next scan: they may still be being copied.
    pub fn scan(&mut self, now: Option<SystemTime>) -> Scan {
        self.scan_watched(now, &mut |_| {})
    }

    /// Scans like [`Self::scan`], and calls `watch` now and then once that takes long.
    pub fn scan_watched(
        &mut self,
        now: Option<SystemTime>,
        watch: &mut dyn FnMut(Progress),
    ) -> Scan {
        let mut scan = Scan::default();
        self.named = Named::list(&self.written, &mut scan.faults);
        let mut taken = self.names_taken();
        let files = self.named.files.clone();
        let files: Vec<&PathBuf> = in_order_of_names(&files).collect();
        let mut states = scan::each(&files, |path| self.state(path, now, &taken), watch);
        let mut still = BTreeMap::new();
        for path in files {
            let Some(state) = states.remove(path) else {
                continue;
            };
            if let Some(known) = self.look(path, state, &mut taken, &mut scan) {
                if let Err(fault) = &known.image {
                    scan.faults.push(unusable(path, &fault));
                }
                still.insert(path.clone(), known);
            }
        }
        let images = self.named.in_order(|path| {
            let known = still.get(path)?;
            known.image.as_ref().ok().cloned()
        });
        for (_, gone) in std::mem::replace(&mut self.known, still) {
            scan.changed = true;
            self.retire(gone, &mut scan);
        }
        // A renamed file can still be written to.
        for image in &self.retired {
            self.check_bytes(image, &mut scan);
        }
        self.expire(&mut scan);
        let is_new = |fault: &&Diagnostic| !self.said.contains(&fault.text);
        scan.new_faults = scan.faults.iter().filter(is_new).cloned().collect();
        self.said = scan.faults.iter().map(|fault| fault.text.clone()).collect();
        if let Some(fault) = self.index.as_ref().and_then(|index| index.take_fault()) {
            let text = format!(
                "what is read of slow images is not kept, and the next start reads them again: {fault}"
            );
            let fault = DiagnosticCode::IndexNotKept.with(text);
            scan.faults.push(fault.clone());
            scan.new_faults.push(fault);
        }
        scan.catalog = Catalog::with_retired(images, &self.retired);
        scan
    }

    /// Compares one file with what is known of it; reads it if it is new or changed.
    fn state(&self, path: &Path, now: Option<SystemTime>, taken: &TakenNames) -> FileState {
        let stamp = match self.stamp(path) {
            Ok(stamp) => stamp,
            Err(fault) => return FileState::Unusable(fault),
        };
        let before = self.known.get(path);
        if before.is_some_and(|known| known.stamp == stamp && !known.opens_now(path)) {
            return FileState::Same;
        }
        if now.is_some_and(|now| stamp.is_fresh(now)) {
            return FileState::Fresh;
        }
        let mut names = self.name_candidates(path, taken);
        let name = names.next().unwrap_or_default();
        let image = self.read(path, stamp, &name);
        FileState::Read(stamp, Box::new(ReadAs { name, image }))
    }

    /// Takes over the state of one file: returns what is known of it now; `None` if it cannot be an
    /// image, or is left to the next scan.
    fn look(
        &mut self,
        path: &Path,
        state: FileState,
        taken: &mut TakenNames,
        scan: &mut Scan,
    ) -> Option<Known> {
        let before = self.known.remove(path);
        let (stamp, read) = match state {
            FileState::Same => return before,
            FileState::Fresh => {
                if let Some(Ok(image)) = before.as_ref().map(|known| &known.image) {
                    self.check_bytes(image, scan);
                }
                return before;
            }
            FileState::Unusable(fault) => {
                if let Some(before) = before {
                    scan.changed = true;
                    self.retire(before, scan);
                }
                scan.faults.push(unusable(path, &fault));
                return None;
            }
            FileState::Read(stamp, read) => (stamp, read),
        };
        scan.changed = true;
        let image = self.named(path, stamp, *read, taken).map(Arc::new);
        if let Some(before) = before {
            self.retire(before, scan);
        }
        if let Ok(image) = &image {
            taken.take_all(image, path);
            let line = |text: &str| format!("{}: {text}", text::path(path));
            let name = image.about_name();
            let name = name.map(|text| DiagnosticCode::ImageRenamed.with(line(&text)));
            let limits = image.found.warnings.iter();
            let limits = limits.map(|text| DiagnosticCode::ImageLimited.with(line(text)));
            let about =
                |diagnostic: Diagnostic| diagnostic.of_image(&image.name).of_file(text::path(path));
            scan.warnings
                .extend(name.into_iter().chain(limits).map(about));
        }
        let image = image.map_err(|error| format!("{error:#}"));
        Some(Known { stamp, image })
    }

    /// Returns the stamp of a file or folder. A folder that took long to list is not listed again
    /// before twenty times as long has passed.
    fn stamp(&self, path: &Path) -> Result<Stamp, String> {
        let begun = Instant::now();
        let slow = || self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = slow().get(path).cloned();
        if let Some((stamp, due)) = listed
            && begun < due
        {
            return stamp;
        }
        let stamp = stamp(path);
        let taken = begun.elapsed();
        if taken > SLOW && path.is_dir() {
            let due = begun + taken * RESTS;
            slow().insert(path.to_owned(), (stamp.clone(), due));
        } else {
            slow().remove(path);
        }
        stamp
    }

    /// Returns the names in use: a new image must not take the name of one that machines are
    /// booting from, nor the previous name of a file.
    fn names_taken(&mut self) -> TakenNames {
        let present: HashSet<&PathBuf> = self.named.files.iter().collect();
        if self.names.len() > 2 * MAX_IMAGES {
            self.names.retain(|path, _| present.contains(path));
        }
        let mut taken = TakenNames::default();
        for (path, name) in &self.names {
            taken.take(name, path);
        }
        for (path, known) in self.known.iter().filter(|(path, _)| present.contains(path)) {
            if let Ok(image) = &known.image {
                taken.take_all(image, path);
            }
        }
        taken
    }

    /// Lists the names a file may be served by: its previous one, then the free ones.
    fn name_candidates<'a>(
        &self,
        path: &'a Path,
        taken: &'a TakenNames,
    ) -> impl Iterator<Item = String> + use<'a> {
        let before = self.names.get(path).cloned();
        let candidates = taken.candidates(&file_name(path), path);
        before.into_iter().chain(candidates).take(MAX_IMAGES)
    }

    /// Returns the image under the first name that is free: as it was read if that was its name, else
    /// read once more.
    fn named(
        &mut self,
        path: &Path,
        stamp: Stamp,
        read: ReadAs,
        taken: &TakenNames,
    ) -> anyhow::Result<Image> {
        let mut image = read.image?;
        let mut read_as = read.name;
        // Names of entries are known only after reading: further names may be tried.
        for name in self.name_candidates(path, taken) {
            if name != read_as {
                self.open_images.remove(image.id);
                image = self.read(path, stamp, &name)?;
                read_as = name;
            }
            if taken.are_free(&image, path) {
                self.examine_contents(&mut image);
                self.examine_whole_image(&mut image);
                image.folder = self.named.folder(path);
                self.names.insert(path.to_owned(), read_as);
                return Ok(image);
            }
        }
        self.open_images.remove(image.id);
        bail!("every name for it is taken; rename it")
    }
}

/// Formats diagnostics of images as lines below a sentence.
pub fn list(lines: &[Diagnostic]) -> String {
    lines
        .iter()
        .map(|line| format!("\n  {}", text::line(&line.text)))
        .collect()
}

/// Opens one image for `inspect`, including the contents of its initramfs.
pub fn open_one(path: &Path) -> anyhow::Result<Image> {
    let name = text::path(path);
    if path.is_dir() && !is_medium(path) {
        bail!("{name}: is a folder, and not one with the files of an image; name an image in it");
    }
    let stamp = stamp(path).map_err(|fault| anyhow!("{name}: {fault}"))?;
    let open_images: Arc<OpenImages> = Arc::default();
    let mut image = ImageLibrary::new(Vec::new(), Arc::clone(&open_images))
        .read(path, stamp, &image_name(&file_name(path)))
        .context(name)?;
    let failed = initramfs::examine(&mut image, &open_images);
    image.found.warnings.extend(failed);
    Ok(image)
}
