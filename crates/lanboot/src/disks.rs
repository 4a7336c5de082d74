//! Open images. A file stays open as long as anything refers to it, so an image that is replaced
//! on disk keeps being served to those who started with it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lanboot_core::iso::ReadAt;
use lanboot_core::vfs::ImageId;

/// An open image file.
#[derive(Debug)]
pub struct Disk {
    file: File,
    len: u64,
    /// When a machine last read it as its disk or file system, in seconds since 1970; 0 for never.
    streamed: AtomicU64,
    /// Other bytes were written over it.
    spoiled: AtomicBool,
    /// Some of it could not be read.
    failed: AtomicBool,
}

impl Disk {
    /// Opens `path`, a regular file or a drive, for reading.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        // A pipe would wait here for a writer, perhaps for ever.
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        let kind = file.metadata()?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(std::io::Error::other("it is neither a file nor a drive"));
        }
        // Metadata says 0 for a drive.
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            len,
            streamed: AtomicU64::new(0),
            spoiled: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        })
    }

    /// Remembers that a machine uses it as its disk or file system, so that it is kept open for a
    /// while when it is replaced; `now` is since 1970.
    pub fn note_streamed(&self, now: Duration) {
        self.streamed.store(now.as_secs(), Ordering::Relaxed);
    }

    /// When a machine last used it as its disk or file system, since 1970.
    pub fn last_streamed(&self) -> Option<Duration> {
        let at = self.streamed.load(Ordering::Relaxed);
        (at != 0).then(|| Duration::from_secs(at))
    }

    /// Marks that other bytes were written over the file: nobody gets anything of it any more.
    pub fn spoil(&self) {
        self.spoiled.store(true, Ordering::Relaxed);
    }

    /// Whether other bytes were written over the file while it was open.
    pub fn is_spoiled(&self) -> bool {
        self.spoiled.load(Ordering::Relaxed)
    }

    /// Marks that some of it could not be read, which was found out in the middle of a reply.
    pub fn note_failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether some of it could not be read before.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The open file, for `sendfile` and `pread`.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl ReadAt for Disk {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn len(&self) -> u64 {
        self.len
    }
}

/// The open images by number.
#[derive(Debug, Default)]
pub struct Disks {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    open: HashMap<ImageId, Arc<Disk>>,
}

impl Disks {
    /// Takes an open image in and gives it a number never used before in this run.
    pub fn insert(&self, disk: Disk) -> ImageId {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let id = ImageId(inner.next);
        inner.next += 1;
        inner.open.insert(id, Arc::new(disk));
        id
    }

    /// The image behind a number; hold the `Arc` for as long as a transfer needs it.
    pub fn get(&self, id: ImageId) -> Option<Arc<Disk>> {
        self.inner
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .open
            .get(&id)
            .cloned()
    }

    /// Forgets a number; transfers that hold the image go on.
    pub fn remove(&self, id: ImageId) {
        self.inner
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .open
            .remove(&id);
    }
}
