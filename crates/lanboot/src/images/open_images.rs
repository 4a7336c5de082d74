//! Open image files. A file stays open as long as anything refers to it, so an image replaced on
//! disk is served unchanged to machines that started with it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs::{File, Metadata, OpenOptions};
use std::hash::Hasher as _;
use std::io::{IoSliceMut, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use lanboot_core::iso::ReadAt;
use lanboot_core::vfs::ImageId;
use nix::sys::uio::preadv;
use siphasher::sip::SipHasher13;

use super::open_folder::{FileStamp, FolderFile, NotOpened, OpenFolder};

/// Bytes at the start of an image that are part of its [`Sample`]: the boot record, the volume
/// descriptors with their dates and, on most media, the first folders.
const SAMPLE_HEAD: usize = 64 * 1024;
/// Bytes at each further offset of a sample.
const SAMPLE_BYTES: usize = 4096;
/// Most further offsets of a sample.
pub const MAX_SAMPLE_PLACES: usize = 64;
/// Most files of folders kept open while nobody reads them.
const MAX_RECENT: usize = 128;

/// An open image file.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    len: u64,
    /// Last time a machine read it as its disk or file system, in seconds since 1970; 0 for never.
    streamed: AtomicU64,
    /// True if the file was overwritten.
    overwritten: AtomicBool,
    /// True if it was overwritten by truncation.
    shortened: AtomicBool,
    /// True once that was reported.
    reported: AtomicBool,
    /// Contents when it was recognised; unset before that, and for a drive.
    sample: OnceLock<Sample>,
    /// True if part of it could not be read.
    failed: AtomicBool,
    /// The file of a folder that it has to stay.
    listed: Option<FileStamp>,
    /// True if it holds what was unpacked of a file.
    is_unpacked: bool,
}

impl ImageFile {
    /// Opens `path`, a regular file or a drive, for reading.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        // Opening a pipe would otherwise block.
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        let kind = file.metadata()?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(std::io::Error::other("it is neither a file nor a drive"));
        }
        // The metadata of a drive state a length of 0.
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Self::new(file, len))
    }

    /// Makes an image of what was unpacked into `file`, which nobody else has open.
    pub fn unpacked(file: File, len: u64) -> Self {
        Self {
            is_unpacked: true,
            ..Self::new(file, len)
        }
    }

    /// Opens the folder `path`. Nothing can be read from it; it stands for its files.
    pub fn folder(path: &Path) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        let folder = options.read(true).custom_flags(libc::O_DIRECTORY);
        Ok(Self::new(folder.open(path)?, 0))
    }

    fn new(file: File, len: u64) -> Self {
        Self {
            file,
            len,
            streamed: AtomicU64::new(0),
            overwritten: AtomicBool::new(false),
            shortened: AtomicBool::new(false),
            reported: AtomicBool::new(false),
            sample: OnceLock::new(),
            failed: AtomicBool::new(false),
            listed: None,
            is_unpacked: false,
        }
    }

    /// Records that a machine uses it as its disk or file system, so that it is kept open for a
    /// while after it is replaced; `now` is since 1970.
    pub fn note_streamed(&self, now: Duration) {
        self.streamed.store(now.as_secs(), Ordering::Relaxed);
    }

    /// Returns the last time a machine used it as its disk or file system, since 1970.
    pub fn last_streamed(&self) -> Option<Duration> {
        let at = self.streamed.load(Ordering::Relaxed);
        (at != 0).then(|| Duration::from_secs(at))
    }

    /// Samples the file at its start and at the offsets in `places`, at most [`MAX_SAMPLE_PLACES`] different
    /// ones, for [`Self::check`]: `since` are the file's properties before it was read. What an
    /// `earlier` run found at the same places is taken over unread. Only the first call counts. Returns
    /// the sample; `None` for a drive, which is not monitored.
    ///
    /// # Errors
    /// Fails if the file cannot be read. It is then not monitored.
    pub fn remember(
        &self,
        since: &Metadata,
        places: impl Iterator<Item = u64>,
        earlier: Option<Sampled>,
    ) -> std::io::Result<Option<Sampled>> {
        if !since.is_file() {
            // The times of a device node are unrelated to the drive's contents.
            return Ok(None);
        }
        let mut seen = BTreeSet::new();
        let places = places.filter(|place| seen.insert(*place));
        let places: Vec<u64> = places.take(MAX_SAMPLE_PLACES).collect();
        let sampled = match earlier.filter(|earlier| earlier.places == places) {
            Some(earlier) => earlier,
            None => Sampled {
                hash: self.hash_at(&places)?,
                places,
            },
        };
        let sample = Sample {
            sampled: sampled.clone(),
            stamp: AtomicU64::new(stamp(since)),
            checking: Mutex::new(()),
        };
        // An earlier sample takes precedence.
        let _ = self.sample.set(sample);
        Ok(Some(sampled))
    }

    /// Checks that the file is unchanged; to be called after each read, before the data is sent.
    /// Costs one `fstat`; only if that shows another time or size is the sample read again. A new
    /// date alone (`touch`) is no change, nor is appended data.
    ///
    /// # Errors
    /// Fails permanently once the file was overwritten: a machine must get an error rather than
    /// other bytes.
    pub fn check(&self) -> Result<(), Changed> {
        self.known_change()?;
        if let Some(listed) = &self.listed {
            return self.check_listed(listed);
        }
        let Some(sample) = self.sample.get() else {
            return Ok(());
        };
        // If this fails, reading will fail too.
        let Ok(meta) = self.file.metadata() else {
            return Ok(());
        };
        if sample.stamp.load(Ordering::Relaxed) == stamp(&meta) {
            return Ok(());
        }
        let _one_at_a_time = sample
            .checking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Sampled { places, hash } = &sample.sampled;
        if meta.len() < self.len || self.hash_at(places).is_ok_and(|is| is != *hash) {
            self.shortened
                .store(meta.len() < self.len, Ordering::Relaxed);
            self.overwritten.store(true, Ordering::Release);
            return self.known_change();
        }
        sample.stamp.store(stamp(&meta), Ordering::Relaxed);
        Ok(())
    }

    /// Checks a file of a folder: it has its size and time, or it changed.
    fn check_listed(&self, listed: &FileStamp) -> Result<(), Changed> {
        // If this fails, reading will fail too.
        let Ok(meta) = self.file.metadata() else {
            return Ok(());
        };
        if FileStamp::of(&meta) != *listed {
            self.shortened
                .store(meta.len() < self.len, Ordering::Relaxed);
            self.overwritten.store(true, Ordering::Release);
        }
        self.known_change()
    }

    /// Returns whether the file was found to be overwritten while it was open.
    pub fn is_overwritten(&self) -> bool {
        self.overwritten.load(Ordering::Acquire)
    }

    /// Returns the result of earlier calls of [`Self::check`].
    ///
    /// # Errors
    /// Fails if one of them did.
    pub fn known_change(&self) -> Result<(), Changed> {
        if !self.is_overwritten() {
            Ok(())
        } else if self.shortened.load(Ordering::Relaxed) {
            Err(Changed::Shorter)
        } else {
            Err(Changed::Overwritten)
        }
    }

    /// Returns whether an overwritten image still has to be reported; `true` once.
    pub fn take_report(&self) -> bool {
        self.is_overwritten() && !self.reported.swap(true, Ordering::Relaxed)
    }

    /// Hashes the bytes at the start and at `places`.
    fn hash_at(&self, places: &[u64]) -> std::io::Result<u64> {
        let mut buffer = vec![0; SAMPLE_HEAD];
        let mut hasher = SipHasher13::new();
        let head = [(0, SAMPLE_HEAD)].into_iter();
        for (at, len) in head.chain(places.iter().map(|&at| (at, SAMPLE_BYTES))) {
            // Data appended since it was opened is ignored.
            let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
            let part = buffer.get_mut(..len.min(left)).unwrap_or_default();
            let read = self.read_up_to(part, at)?;
            hasher.write(part.get(..read).unwrap_or_default());
        }
        Ok(hasher.finish())
    }

    /// Fills `buf` from byte `at` up to the end of the file; returns the number of bytes read.
    fn read_up_to(&self, buf: &mut [u8], at: u64) -> std::io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Reads at `offset` into `parts`, one after the other; returns 0 only at or after the end.
    pub fn read_vectored_at(
        &self,
        parts: &mut [IoSliceMut<'_>],
        offset: u64,
    ) -> std::io::Result<usize> {
        let offset = i64::try_from(offset).map_err(std::io::Error::other)?;
        Ok(preadv(&self.file, parts, offset)?)
    }

    /// Records that part of it could not be read in the middle of a reply.
    pub fn note_failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Returns whether part of it could not be read before.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Returns the open file, for `sendfile` and `pread`.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Bytes of a file at some places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Offsets besides the start.
    pub places: Vec<u64>,
    /// Hash of the bytes there and at the start.
    pub hash: u64,
}

/// Sample of a file's contents when it was recognised.
#[derive(Debug)]
struct Sample {
    sampled: Sampled,
    /// [`stamp`] of the file when it last had these bytes.
    stamp: AtomicU64,
    /// Serialises checks of the bytes.
    checking: Mutex<()>,
}

/// Error: an open image has changed since it was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It was truncated.
    Shorter,
    /// It was overwritten.
    Overwritten,
}

/// Returns a number that differs after the file was written to.
fn stamp(meta: &Metadata) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write_u64(meta.len());
    hasher.write_i64(meta.mtime());
    hasher.write_i64(meta.mtime_nsec());
    hasher.finish()
}

impl ReadAt for ImageFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn len(&self) -> u64 {
        self.len
    }
}

/// The open images by number.
#[derive(Debug, Default)]
pub struct OpenImages {
    inner: RwLock<Inner>,
    /// Files of folders that were read last, the latest at the end.
    recent: Mutex<VecDeque<(ImageId, Arc<ImageFile>)>>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    open: HashMap<ImageId, Arc<ImageFile>>,
    /// Folders by their numbers; their files have the numbers behind.
    folders: BTreeMap<ImageId, Arc<OpenFolder>>,
}

/// Reason an image, or a file of a folder, cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// No image has this number any more.
    Gone,
    /// A file of a folder cannot be opened.
    NotOpened(NotOpened),
}

impl OpenImages {
    /// Adds an open image and returns a number never used before in this run.
    pub fn insert(&self, image_file: ImageFile) -> ImageId {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let id = ImageId(inner.next);
        inner.next += 1;
        inner.open.insert(id, Arc::new(image_file));
        id
    }

    /// Adds an open folder with its files and returns its number; those of the files follow it, in
    /// their order.
    pub fn insert_folder(
        &self,
        folder: ImageFile,
        files: Vec<FolderFile>,
    ) -> std::io::Result<ImageId> {
        let open = OpenFolder::new(folder.file.try_clone()?, files);
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let id = ImageId(inner.next);
        inner.next += 1 + open.len() as u64;
        inner.open.insert(id, Arc::new(folder));
        inner.folders.insert(id, Arc::new(open));
        Ok(id)
    }

    /// Puts what was unpacked of an image in its place.
    pub fn replace(&self, id: ImageId, unpacked: ImageFile) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.open.insert(id, Arc::new(unpacked));
    }

    /// Returns the image with this number, or the file of a folder; the `Arc` is to be kept for as long
    /// as a transfer needs it.
    pub fn get(&self, id: ImageId) -> Option<Arc<ImageFile>> {
        self.open(id).ok()
    }

    /// Returns the image with this number, like [`Self::get`], or the reason there is none.
    pub fn open(&self, id: ImageId) -> Result<Arc<ImageFile>, Unavailable> {
        let (folder, number) = {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(image_file) = inner.open.get(&id) {
                return Ok(Arc::clone(image_file));
            }
            let folder = inner.folders.range(..id).next_back();
            let (first, folder) = folder.ok_or(Unavailable::Gone)?;
            let number = id.0 - first.0 - 1;
            let number = usize::try_from(number).map_err(|_| Unavailable::Gone)?;
            (Arc::clone(folder), number)
        };
        if number >= folder.len() {
            return Err(Unavailable::Gone);
        }
        if let Some(image_file) = self.recently_opened(id) {
            return Ok(image_file);
        }
        let opened = folder.open(number).ok_or(Unavailable::Gone)?;
        let (file, listed) = opened.map_err(Unavailable::NotOpened)?;
        let image_file = Arc::new(ImageFile {
            listed: Some(listed),
            ..ImageFile::new(file, listed.size())
        });
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= MAX_RECENT {
            recent.pop_front();
        }
        recent.push_back((id, Arc::clone(&image_file)));
        Ok(image_file)
    }

    fn recently_opened(&self, id: ImageId) -> Option<Arc<ImageFile>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.iter().rposition(|(other, _)| *other == id)?;
        let found = recent.remove(at)?;
        // One that changed is looked for anew, which gives the reason.
        let image_file = Some(&found.1).filter(|file| !file.is_overwritten());
        let image_file = image_file.cloned()?;
        recent.push_back(found);
        Some(image_file)
    }

    /// Returns the number of bytes that the open images hold unpacked.
    pub fn unpacked_bytes(&self) -> u64 {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let unpacked = inner.open.values().filter(|image| image.is_unpacked);
        unpacked.map(|image| image.len).sum()
    }

    /// Removes a number, of a folder with those of its files; transfers that use the image continue.
    pub fn remove(&self, id: ImageId) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.open.remove(&id);
        if let Some(folder) = inner.folders.remove(&id) {
            let last = id.0 + folder.len() as u64;
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.retain(|(other, _)| !(id.0..=last).contains(&other.0));
        }
    }
}
