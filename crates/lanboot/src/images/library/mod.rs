//! Builds catalogs from file names: opens, reads and recognises images. The only source of
//! [`Catalog`]s.

mod endings;
mod files;
mod folders;
mod listing;
mod read;
mod unpacked;

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::catalog::{Catalog, Image, TakenNames, image_name, newest_first};
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::text;

use crate::events::bus;
use crate::images::initramfs;
use crate::images::open_images::{ImageFile, OpenImages};
use files::{CANNOT_OPEN, Stamp, file_name, in_order_of_names, stamp};
use folders::{FoundImage, images_below, is_medium};

/// Most images served at once, so that a rescan stays short.
pub const MAX_IMAGES: usize = 4096;
/// Most replaced or removed images kept for machines that still stream them. Each keeps its disk
/// space.
const MAX_RETIRED: usize = 16;
/// Time a retired image is kept after a machine last read it. A machine with everything in memory
/// may not read for days.
const RETIRED_UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Time for listing a folder that is not worth to be remembered.
const SLOW: Duration = Duration::from_millis(100);
/// Share of the time that listing a folder may take: one part of so many.
const RESTS: u32 = 20;

/// The images named by the operator, as last scanned.
#[derive(Debug)]
pub struct ImageLibrary {
    written: Vec<PathBuf>,
    open_images: Arc<OpenImages>,
    known: BTreeMap<PathBuf, Known>,
    /// Place of each file in the menus, as last listed.
    places: BTreeMap<PathBuf, Place>,
    /// Name of each file when it was last read: during one run a name never refers to another file.
    names: BTreeMap<PathBuf, String>,
    /// Folders that took long to list: what was found, and when to list them again.
    slow: BTreeMap<PathBuf, (Result<Stamp, String>, Instant)>,
    /// Faults of the last scan.
    said: BTreeSet<String>,
    /// Images that were replaced or removed while machines streamed them.
    retired: Vec<Arc<Image>>,
}

/// The place of an image file in the menus.
#[derive(Clone, Debug, Default)]
struct Place {
    /// The folders it is in, below the one the operator named.
    folder: Vec<String>,
    /// Number of its folder; a file that was named by itself has one of its own.
    group: usize,
}

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
            places: BTreeMap::new(),
            names: BTreeMap::new(),
            slow: BTreeMap::new(),
            said: BTreeSet::new(),
            retired: Vec::new(),
        }
    }

    /// Checks every file and reads those that are new or changed. A file that cannot be read is a
    /// line in `faults` and does not affect others. With `now`, files written to just before it are
    /// left to the next scan: they may still be being copied.
    pub fn scan(&mut self, now: Option<SystemTime>) -> Scan {
        let mut scan = Scan::default();
        let files = self.files(&mut scan.faults);
        let mut taken = self.names_taken(&files);
        let mut still = BTreeMap::new();
        for path in in_order_of_names(&files) {
            if let Some(known) = self.look(path, now, &mut taken, &mut scan) {
                if let Err(fault) = &known.image {
                    scan.faults.push(unusable(path, &fault));
                }
                still.insert(path.clone(), known);
            }
        }
        let images = self.in_order(&files, &still);
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
        scan.catalog = Catalog::with_retired(images, &self.retired);
        scan
    }

    /// Checks one file: returns what is known of it, read anew if it changed; `None` if it cannot
    /// be an image, or is left to the next scan.
    fn look(
        &mut self,
        path: &Path,
        now: Option<SystemTime>,
        taken: &mut TakenNames,
        scan: &mut Scan,
    ) -> Option<Known> {
        let before = self.known.remove(path);
        let stamp = match (self.stamp(path), &before) {
            (Ok(stamp), Some(known)) if known.stamp == stamp && !known.opens_now(path) => {
                return before;
            }
            (Ok(stamp), _) if now.is_some_and(|now| stamp.is_fresh(now)) => {
                if let Some(Ok(image)) = before.as_ref().map(|known| &known.image) {
                    self.check_bytes(image, scan);
                }
                return before;
            }
            (Ok(stamp), _) => stamp,
            (Err(fault), _) => {
                if let Some(before) = before {
                    scan.changed = true;
                    self.retire(before, scan);
                }
                scan.faults.push(unusable(path, &fault));
                return None;
            }
        };
        scan.changed = true;
        let image = self.read_named(path, stamp, taken).map(Arc::new);
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
    fn stamp(&mut self, path: &Path) -> Result<Stamp, String> {
        let begun = Instant::now();
        if let Some((stamp, due)) = self.slow.remove(path)
            && begun < due
        {
            self.slow.insert(path.to_owned(), (stamp.clone(), due));
            return stamp;
        }
        let stamp = stamp(path);
        let taken = begun.elapsed();
        if taken > SLOW && path.is_dir() {
            let due = begun + taken * RESTS;
            self.slow.insert(path.to_owned(), (stamp.clone(), due));
        }
        stamp
    }

    /// Returns the names in use: a new image must not take the name of one that machines are
    /// booting from, nor the previous name of a file.
    fn names_taken(&mut self, files: &[PathBuf]) -> TakenNames {
        let present: HashSet<&PathBuf> = files.iter().collect();
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

    /// Reads an image under its previous name, else the first free one.
    fn read_named(
        &mut self,
        path: &Path,
        stamp: Stamp,
        taken: &TakenNames,
    ) -> anyhow::Result<Image> {
        let before = self.names.get(path).cloned();
        let candidates = taken.candidates(&file_name(path), path);
        // Names of entries are known only after reading: further names may be tried.
        for name in before.into_iter().chain(candidates).take(MAX_IMAGES) {
            let mut image = self.read(path, stamp, &name)?;
            if taken.are_free(&image, path) {
                self.examine_contents(&mut image);
                self.examine_whole_image(&mut image);
                let place = self.places.get(path).cloned();
                image.folder = place.unwrap_or_default().folder;
                self.names.insert(path.to_owned(), name);
                return Ok(image);
            }
            self.open_images.remove(image.id);
        }
        bail!("every name for it is taken; rename it")
    }

    /// Lists the files named, and the images in the folders named, in order.
    fn files(&mut self, faults: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut places = BTreeMap::new();
        let mut group = 0;
        for written in &self.written {
            group += 1;
            let mut folder = Vec::new();
            for image in named(written, faults) {
                if image.folder != folder {
                    group += 1;
                    folder.clone_from(&image.folder);
                }
                let place = Place {
                    folder: image.folder,
                    group,
                };
                if let Entry::Vacant(vacant) = places.entry(image.path.clone()) {
                    vacant.insert(place);
                    files.push(image.path);
                }
            }
        }
        self.places = places;
        if files.len() > MAX_IMAGES {
            faults.push(DiagnosticCode::TooManyImages.with(format!(
                "only the first {MAX_IMAGES} of {} images are served",
                files.len()
            )));
            files.truncate(MAX_IMAGES);
        }
        files
    }

    /// Lists the images that can be served in the order of the menus: as they were named, those of
    /// a folder with the newest version of each product first.
    fn in_order(&self, files: &[PathBuf], known: &BTreeMap<PathBuf, Known>) -> Vec<Arc<Image>> {
        let served = files.iter().filter_map(|path| {
            let image = known.get(path)?.image.as_ref().ok()?;
            let group = self.places.get(path).map_or(0, |place| place.group);
            Some((group, Arc::clone(image)))
        });
        let mut served: Vec<(usize, Arc<Image>)> = served.collect();
        served.sort_by(|(group, one), (other_group, other)| {
            let by_title = || newest_first(one.shown_name(), other.shown_name());
            group.cmp(other_group).then_with(by_title)
        });
        served.into_iter().map(|(_, image)| image).collect()
    }

    /// Reads the initramfs of an image where nothing else shows how it finds its root. This takes
    /// seconds.
    fn examine_contents(&self, image: &mut Image) {
        if image
            .found
            .entries
            .iter()
            .any(|entry| entry.needs_contents())
        {
            // What cannot be listed stays as it was recognised.
            let _not_listed = initramfs::examine(image, &self.open_images);
        }
    }

    /// Determines whether the system of an image that starts only as a whole would find its root on
    /// the RAM disk. This reads its initramfs, which takes seconds.
    fn examine_whole_image(&self, image: &mut Image) {
        if !image.is_whole_entry() || image.found.unreachable.is_empty() {
            return;
        }
        // What cannot be listed is not known to be missing.
        let _not_listed = initramfs::examine(image, &self.open_images);
        if let Some(lack) = image.whole_image_lack().map(ToString::to_string) {
            let warning = format!("the whole image is not offered either: {lack}");
            image.found.warnings.push(warning);
        }
    }

    /// Takes an image out of service because its file is gone or was replaced. It is kept while
    /// machines may still read it.
    fn retire(&mut self, known: Known, scan: &mut Scan) {
        let Ok(image) = known.image else {
            return;
        };
        self.check_bytes(&image, scan);
        let image_file = self.open_images.get(image.id);
        if image_file.is_some_and(|image_file| {
            image_file.last_streamed().is_some() && !image_file.is_overwritten()
        }) {
            self.retired.push(image);
        } else {
            self.open_images.remove(image.id);
        }
    }

    /// Marks an open image whose file was overwritten in place, as `cp new.iso old.iso` does: a
    /// machine must get an error rather than bytes of another image.
    fn check_bytes(&self, image: &Image, scan: &mut Scan) {
        let Some(image_file) = self.open_images.get(image.id) else {
            return;
        };
        if image_file.check().is_ok() || !image_file.take_report() {
            return;
        }
        scan.changed = true;
        if image_file.last_streamed().is_some() {
            let diagnostic = DiagnosticCode::ImageOverwritten.with(format!(
                "{}: was overwritten while machines used it as their disk, so they cannot \
                 continue; copy a new image under another name and rename it",
                image.file
            ));
            let diagnostic = diagnostic.of_image(&image.name).of_file(&image.file);
            scan.warnings.push(diagnostic);
        }
    }

    /// Drops retired images that were not read for long, and those beyond the limit.
    fn expire(&mut self, scan: &mut Scan) {
        let open_images = &self.open_images;
        let used = |retired: &Arc<Image>| {
            let image_file = open_images.get(retired.id)?;
            // An image in use through an open connection counts as used now.
            image_file
                .last_streamed()
                .filter(|_| !image_file.is_overwritten())
        };
        let now = bus::now();
        self.retired.sort_by_key(|retired| Reverse(used(retired)));
        let is_kept = |n: usize, retired: &Arc<Image>| {
            let is_used = |at| now.saturating_sub(at) < RETIRED_UNUSED;
            n < MAX_RETIRED && used(retired).is_some_and(is_used)
        };
        let all = std::mem::take(&mut self.retired);
        for (n, retired) in all.into_iter().enumerate() {
            if is_kept(n, &retired) {
                self.retired.push(retired);
            } else {
                self.open_images.remove(retired.id);
                scan.changed = true;
            }
        }
    }
}

/// Formats diagnostics of images as lines below a sentence.
pub fn list(lines: &[Diagnostic]) -> String {
    lines
        .iter()
        .map(|line| format!("\n  {}", text::line(&line.text)))
        .collect()
}

/// Lists what the operator named: the file itself, or the images in the folder.
fn named(written: &Path, faults: &mut Vec<Diagnostic>) -> Vec<FoundImage> {
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

/// Returns the diagnostic of a file or folder that cannot be used.
fn unusable(path: &Path, fault: &dyn Display) -> Diagnostic {
    let file = text::path(path);
    let diagnostic = DiagnosticCode::ImageUnusable.with(format!("{file}: {fault}"));
    diagnostic.of_file(file)
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

#[cfg(test)]
mod tests {
    use super::files::SETTLE;
    use super::*;

    fn texts(diagnostics: &[Diagnostic]) -> Vec<String> {
        diagnostics.iter().map(|d| d.text.clone()).collect()
    }

    #[test]
    fn faulty_files_are_reported_and_others_served() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty.iso"), b"").unwrap();
        std::fs::write(folder.path().join("text.ISO"), b"not an image").unwrap();
        std::fs::write(folder.path().join("other.txt"), b"ignored").unwrap();
        let missing = folder.path().join("missing.iso");
        let written = vec![folder.path().to_path_buf(), missing];
        let mut library = ImageLibrary::new(written, Arc::default());
        let scan = library.scan(None);
        assert!(scan.catalog.images().is_empty());
        assert_eq!(scan.faults.len(), 3, "{:?}", scan.faults);
        assert!(scan.changed);
        let again = library.scan(None);
        assert_eq!((again.changed, again.faults.len()), (false, 3));
        std::fs::remove_file(folder.path().join("empty.iso")).unwrap();
        assert!(library.scan(None).changed);
    }

    #[test]
    fn non_files_are_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        link("/nowhere", "dangling.iso");
        link("loop.iso", "loop.iso");
        link("/dev/null", "device.iso");
        std::fs::create_dir(at("folder.iso")).unwrap();
        nix::unistd::mkfifo(&at("pipe.iso"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket.iso")).unwrap();
        let mut library = ImageLibrary::new(vec![folder.path().to_path_buf()], Arc::default());
        let scan = library.scan(None);
        let expected = [
            (
                "dangling",
                "is a symbolic link to /nowhere, which does not exist",
            ),
            ("device", "is a character device, not an image file"),
            (
                "folder",
                "is a folder; to serve the images in it, name it by itself",
            ),
            ("loop", "is a symbolic link that leads back to itself"),
            ("pipe", "is a pipe, not an image file"),
            ("socket", "is a socket, not an image file"),
        ];
        let expected = expected
            .map(|(name, what)| format!("{}: {what}", text::path(&at(&format!("{name}.iso")))));
        assert_eq!(texts(&scan.faults), expected);
        assert_eq!(texts(&scan.new_faults), expected);
        link("/elsewhere", "later.iso");
        let again = library.scan(None);
        let [new] = &texts(&again.new_faults)[..] else {
            panic!("{:?}", again.new_faults)
        };
        assert!(
            new.contains("later.iso: is a symbolic link to /elsewhere"),
            "{new}"
        );
        for (name, what) in [
            ("pipe.iso", "is a pipe"),
            ("loop.iso", "leads back to itself"),
        ] {
            let error = format!("{:#}", open_one(&at(name)).unwrap_err());
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn unfinished_downloads_are_not_served() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.iso");
        let beside = folder.path().join("new.iso.aria2");
        std::fs::write(&path, b"reserved in full").unwrap();
        std::fs::write(&beside, b"").unwrap();
        let mut library = ImageLibrary::new(vec![folder.path().to_path_buf()], Arc::default());
        let said = |scan: Scan| texts(&scan.faults).concat();
        let fault = said(library.scan(None));
        let expected = "is still being downloaded: new.iso.aria2 is beside it";
        assert!(fault.ends_with(expected), "{fault}");
        assert!(open_one(&path).unwrap_err().to_string().ends_with(expected));
        std::fs::remove_file(beside).unwrap();
        // It is read, and is not an image.
        let fault = said(library.scan(None));
        assert!(fault.contains("is not an ISO 9660 image"), "{fault}");
    }

    #[test]
    fn files_still_being_copied_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copied.iso");
        let mut library = ImageLibrary::new(vec![folder.path().to_path_buf()], Arc::default());
        library.scan(None);
        std::fs::write(&path, b"the first part").unwrap();
        let now = SystemTime::now();
        let faults = |scan: Scan| {
            scan.faults
                .iter()
                .filter(|fault| fault.text.contains("copied.iso"))
                .count()
        };
        assert_eq!(faults(library.scan(Some(now))), 0);
        assert_eq!(faults(library.scan(Some(now + SETTLE * 2))), 1);
    }
}
