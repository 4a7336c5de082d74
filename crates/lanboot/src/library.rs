//! From file names to a catalog: opens images, reads them, recognises them. The only maker of
//! [`Catalog`]s.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::catalog::{Catalog, Image, MAX_CONFIG_BYTES, image_name, recognise};
use lanboot_core::iso::{self, Medium, ReadAt};
use lanboot_core::text;
use lanboot_core::vfs::{Content, Identity, NodeId, Source, Tree};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::bus;
use crate::disks::{Disk, Disks};
use crate::initramfs;

/// Most images served at once: what a rescan can look at in a moment.
pub const MAX_IMAGES: usize = 4096;
/// How long a file must have been left alone before a rescan reads it.
const SETTLE: Duration = Duration::from_secs(3);
/// Most images kept for machines that still stream them after they were replaced or removed. Each
/// keeps its space on the disk.
const MAX_RETIRED: usize = 16;
/// How long a retired image is kept after a machine last read it. A machine whose memory holds
/// all it needs may read nothing for days.
const RETIRED_UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The images named by the operator, as last scanned.
#[derive(Debug)]
pub struct Library {
    written: Vec<PathBuf>,
    disks: Arc<Disks>,
    known: BTreeMap<PathBuf, Known>,
    /// Images that were replaced or removed while machines streamed them.
    retired: Vec<Retired>,
}

#[derive(Debug)]
struct Retired {
    image: Arc<Image>,
    /// [`first_bytes`] when it was read; `None` when they could not be.
    first_bytes: Option<u64>,
}

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    /// [`first_bytes`] when it was read; `None` when they could not be.
    first_bytes: Option<u64>,
    image: Result<Arc<Image>, String>,
    /// Whether it was in the catalog, so that its name is taken.
    served: bool,
}

/// What tells a changed file from the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// Whether the file was written to less than [`SETTLE`] before `now`.
    fn is_fresh(&self, now: SystemTime) -> bool {
        let modified = u64::try_from(self.modified.0).unwrap_or(0);
        let since = now.duration_since(UNIX_EPOCH + Duration::from_secs(modified));
        since.is_ok_and(|since| since < SETTLE)
    }
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The images that can be served.
    pub catalog: Catalog,
    /// One line for each file that cannot be.
    pub faults: Vec<String>,
    /// One line for each image that is left out because another one has its name already.
    pub twins: Vec<String>,
    /// One line for each thing a person should know of an image that was read just now.
    pub remarks: Vec<String>,
    /// Whether anything differs from the scan before.
    pub changed: bool,
}

impl Library {
    /// A library of these files and folders; nothing is read yet.
    pub fn new(written: Vec<PathBuf>, disks: Arc<Disks>) -> Self {
        Self {
            written,
            disks,
            known: BTreeMap::new(),
            retired: Vec::new(),
        }
    }

    /// Looks at every file again and reads those that are new or changed. A file that cannot be
    /// read is a line in `faults` and stops no other. With `now`, files written to in the last moments before it are left for the next scan:
    /// somebody is still copying them.
    pub fn scan(&mut self, now: Option<SystemTime>) -> Scan {
        let mut scan = Scan::default();
        let files = self.files(&mut scan.faults);
        let mut taken = self.names_taken(&files);
        let mut images: Vec<Arc<Image>> = Vec::new();
        let mut still = BTreeMap::new();
        for path in files {
            let mut known = match (stamp(&path), self.known.remove(&path)) {
                (Ok(stamp), Some(known)) if known.stamp == stamp => known,
                (Ok(stamp), before) if now.is_some_and(|now| stamp.is_fresh(now)) => match before {
                    Some(known) => {
                        if let Ok(image) = &known.image {
                            self.check_bytes(image, known.first_bytes, &mut scan);
                        }
                        known
                    }
                    None => continue,
                },
                (Ok(stamp), before) => {
                    scan.changed = true;
                    let image = self.read(&path, stamp).map(Arc::new);
                    if let Some(before) = before {
                        self.retire(before, &mut scan);
                    }
                    if let Ok(image) = &image {
                        let line = |warning| format!("{}: {warning}", text::path(&path));
                        scan.remarks.extend(image.found.warnings.iter().map(line));
                    }
                    let image = image.map_err(|error| format!("{error:#}"));
                    let disk = image.as_ref().ok().and_then(|i| self.disks.get(i.id));
                    Known {
                        stamp,
                        first_bytes: disk.and_then(|disk| first_bytes(&disk).ok()),
                        image,
                        served: false,
                    }
                }
                (Err(error), before) => {
                    scan.changed |= before.is_some();
                    if let Some(before) = before {
                        self.retire(before, &mut scan);
                    }
                    scan.faults
                        .push(format!("{}: cannot be opened: {error}", text::path(&path)));
                    continue;
                }
            };
            known.served = false;
            match &known.image {
                Ok(image) => match twins(image, &taken) {
                    Some(twins) => scan.twins.push(twins),
                    None => {
                        known.served = true;
                        take_names(&mut taken, image);
                        images.push(Arc::clone(image));
                    }
                },
                Err(fault) => scan.faults.push(format!("{}: {fault}", text::path(&path))),
            }
            still.insert(path, known);
        }
        for (_, gone) in std::mem::replace(&mut self.known, still) {
            scan.changed = true;
            self.retire(gone, &mut scan);
        }
        // One that was renamed is still a file somebody can write to.
        for Retired { image, first_bytes } in &self.retired {
            self.check_bytes(image, *first_bytes, &mut scan);
        }
        self.expire(&mut scan);
        let retired: Vec<_> = self.retired.iter().map(|r| Arc::clone(&r.image)).collect();
        scan.catalog = Catalog::with_retired(images, &retired);
        scan
    }

    /// Who has which name already: a newcomer must not take the place of an image machines are
    /// booting from.
    fn names_taken(&self, files: &[PathBuf]) -> HashMap<String, Arc<Image>> {
        let present: HashSet<&PathBuf> = files.iter().collect();
        let served = self
            .known
            .iter()
            .filter(|(path, known)| known.served && present.contains(path));
        let mut taken = HashMap::new();
        served
            .filter_map(|(_, known)| known.image.as_ref().ok())
            .for_each(|image| take_names(&mut taken, image));
        taken
    }

    /// The files named, and the images in the folders named, in order.
    fn files(&self, faults: &mut Vec<String>) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for written in &self.written {
            if !written.is_dir() {
                files.push(written.clone());
                continue;
            }
            match images_in(written) {
                Ok(found) if found.is_empty() => {
                    faults.push(format!(
                        "{}: there is no *.iso file in it",
                        text::path(written)
                    ));
                }
                Ok(found) => files.extend(found),
                Err(error) => faults.push(format!("{}: {error}", text::path(written))),
            }
        }
        let mut seen = HashSet::new();
        files.retain(|file| seen.insert(file.clone()));
        if files.len() > MAX_IMAGES {
            faults.push(format!(
                "only the first {MAX_IMAGES} of {} images are served",
                files.len()
            ));
            files.truncate(MAX_IMAGES);
        }
        files
    }

    fn read(&self, path: &Path, stamp: Stamp) -> anyhow::Result<Image> {
        let disk = Disk::open(path).context("cannot be opened")?;
        let id = self.disks.insert(disk);
        let image = self
            .disks
            .get(id)
            .ok_or_else(|| anyhow!("was closed"))
            .and_then(|disk| {
                let medium = iso::read(id, disk.as_ref())?;
                Ok(image(path, stamp, &disk, id, medium))
            });
        if image.is_err() {
            self.disks.remove(id);
        }
        image
    }

    /// Takes an image out of service: its file is gone, or another one is in its place. It is
    /// kept while machines may still read it.
    fn retire(&mut self, known: Known, scan: &mut Scan) {
        let Ok(image) = known.image else {
            return;
        };
        let first_bytes = known.first_bytes;
        self.check_bytes(&image, first_bytes, scan);
        let disk = self.disks.get(image.id);
        if disk.is_some_and(|disk| disk.last_streamed().is_some() && !disk.is_spoiled()) {
            self.retired.push(Retired { image, first_bytes });
        } else {
            self.disks.remove(image.id);
        }
    }

    /// Marks an open image whose file was written over, as `cp new.iso old.iso` does: its bytes
    /// are another image's now, and a machine must rather get an error than those.
    fn check_bytes(&self, image: &Image, before: Option<u64>, scan: &mut Scan) {
        let Some(disk) = self.disks.get(image.id).filter(|disk| !disk.is_spoiled()) else {
            return;
        };
        let is_shorter = disk
            .file()
            .metadata()
            .is_ok_and(|meta| meta.is_file() && meta.len() < image.size);
        // A disk that cannot be read at the moment says nothing about what is on it.
        let is_other = before
            .zip(first_bytes(&disk).ok())
            .is_some_and(|(before, now)| before != now);
        if !is_shorter && !is_other {
            return;
        }
        disk.spoil();
        scan.changed = true;
        if disk.last_streamed().is_some() {
            scan.remarks.push(format!(
                "{}: was written over while machines had it as their disk, so they cannot go on; \
                 copy a new image under another name and rename it",
                image.file
            ));
        }
    }

    /// Lets go of retired images nobody has read for long, and of those beyond the limit.
    fn expire(&mut self, scan: &mut Scan) {
        let disks = &self.disks;
        let used = |retired: &Retired| {
            let disk = disks.get(retired.image.id)?;
            // One in use through an open connection is not older than now.
            disk.last_streamed().filter(|_| !disk.is_spoiled())
        };
        let now = bus::now();
        self.retired.sort_by_key(|retired| Reverse(used(retired)));
        let is_kept = |n: usize, retired: &Retired| {
            let is_used = |at| now.saturating_sub(at) < RETIRED_UNUSED;
            n < MAX_RETIRED && used(retired).is_some_and(is_used)
        };
        let all = std::mem::take(&mut self.retired);
        for (n, retired) in all.into_iter().enumerate() {
            if is_kept(n, &retired) {
                self.retired.push(retired);
            } else {
                self.disks.remove(retired.image.id);
                scan.changed = true;
            }
        }
    }
}

/// Lines about images below a sentence, each on a line of its own.
pub fn list(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("\n  {}", text::line(line)))
        .collect()
}

/// One image on its own, for `inspect`, with what its initramfs holds.
pub fn open_one(path: &Path) -> anyhow::Result<Image> {
    let name = text::path(path);
    let stamp = stamp(path).with_context(|| format!("{name}: cannot be opened"))?;
    if path.is_dir() {
        bail!("{name}: is a folder; name an image in it");
    }
    let disks: Arc<Disks> = Arc::default();
    let mut image = Library::new(Vec::new(), Arc::clone(&disks))
        .read(path, stamp)
        .context(name)?;
    if let Some(disk) = disks.get(image.id) {
        let failed = initramfs::examine(&mut image, &disk);
        image.found.warnings.extend(failed);
    }
    Ok(image)
}

fn image(
    path: &Path,
    stamp: Stamp,
    disk: &Disk,
    id: lanboot_core::vfs::ImageId,
    medium: Medium,
) -> Image {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = image_name(&file_name);
    let read = |content: &Content| read_small(disk, content);
    let mut found = recognise(&medium, &name, &read);
    found.warnings = [medium.warnings, found.warnings].concat();
    let mut hasher = DefaultHasher::new();
    stamp.hash(&mut hasher);
    // It was read a moment ago; should it fail now, a restart gives it another identity.
    let identity = identity(stamp, disk, first_bytes(disk).unwrap_or(0), &medium.tree);
    Image {
        name,
        file: text::path(path),
        id,
        size: disk.len(),
        version: hasher.finish(),
        identity,
        label: medium.label,
        uuid: medium.uuid,
        tree: Arc::new(medium.tree),
        found,
    }
}

/// Why `image` cannot be served beside those that have taken these names.
fn twins(image: &Image, taken: &HashMap<String, Arc<Image>>) -> Option<String> {
    let other = |name: &str| taken.get(name).filter(|other| other.file != image.file);
    let (name, other) = image.names().find_map(|name| Some((name, other(name)?)))?;
    let files = format!("{} and {}; rename one of them", other.file, image.file);
    Some(if image.name == other.name {
        format!("two images would both be called '{name}': {files}")
    } else {
        format!("'{name}' would mean an entry of each of two images: {files}")
    })
}

fn take_names(taken: &mut HashMap<String, Arc<Image>>, image: &Arc<Image>) {
    taken.extend(
        image
            .names()
            .map(|name| (name.to_owned(), Arc::clone(image))),
    );
}

/// Neither the file's name nor the number of the disk it is on counts: both may be others after
/// a restart of the host.
fn identity(stamp: Stamp, disk: &Disk, first_bytes: u64, tree: &Tree) -> Identity {
    let mut hasher = SipHasher13::new();
    (stamp.modified, disk.len(), first_bytes).hash(&mut hasher);
    // NFS handles hold numbers of files: whatever numbers them in another way, such as the next
    // version of this program, must not take an old handle for its own.
    for folder in (0..tree.len()).filter_map(|n| u32::try_from(n).ok()) {
        tree.entries(NodeId(folder)).hash(&mut hasher);
    }
    Identity(hasher.finish128().as_bytes())
}

/// A hash of the boot record, the volume descriptors and, on most media, the first folders.
fn first_bytes(disk: &Disk) -> std::io::Result<u64> {
    const BYTES: usize = 64 * 1024;
    let mut first = vec![0; BYTES];
    let mut known = 0;
    while let Some(rest) = first.get_mut(known..).filter(|rest| !rest.is_empty()) {
        match disk.read_at(rest, known as u64)? {
            0 => break,
            n => known += n,
        }
    }
    let mut hasher = SipHasher13::new();
    hasher.write(first.get(..known).unwrap_or_default());
    Ok(hasher.finish())
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let meta = std::fs::metadata(path)?;
    Ok(Stamp {
        device: meta.dev(),
        inode: meta.ino(),
        size: meta.size(),
        modified: (meta.mtime(), meta.mtime_nsec()),
    })
}

fn images_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("iso"))
        })
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    Ok(found)
}

/// A small file of an image, whole.
fn read_small(disk: &Disk, content: &Content) -> Option<Vec<u8>> {
    if content.len() > MAX_CONFIG_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    for piece in content.pieces() {
        let Source::Disk { offset, .. } = piece.source else {
            return None;
        };
        let at = bytes.len();
        bytes.resize(at + usize::try_from(piece.len).ok()?, 0);
        std::os::unix::fs::FileExt::read_exact_at(disk.file(), bytes.get_mut(at..)?, offset)
            .ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_served_is_a_line_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty.iso"), b"").unwrap();
        std::fs::write(folder.path().join("text.ISO"), b"not an image").unwrap();
        std::fs::write(folder.path().join("other.txt"), b"ignored").unwrap();
        let missing = folder.path().join("missing.iso");
        let written = vec![folder.path().to_path_buf(), missing];
        let mut library = Library::new(written, Arc::default());
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
    fn a_file_that_is_still_being_copied_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copied.iso");
        let mut library = Library::new(vec![folder.path().to_path_buf()], Arc::default());
        library.scan(None);
        std::fs::write(&path, b"the first part").unwrap();
        let now = SystemTime::now();
        let faults = |scan: Scan| {
            scan.faults
                .iter()
                .filter(|f| f.contains("copied.iso"))
                .count()
        };
        assert_eq!(faults(library.scan(Some(now))), 0);
        assert_eq!(faults(library.scan(Some(now + SETTLE * 2))), 1);
    }
}
