//! Folders served like an image. Their files are opened when they are read, so that a folder of 30,000
//! files needs no 30,000 descriptors.
//!
//! A file is opened by walking from the open folder name by name, through no link, and counts only if
//! it is the very file that was listed: same device, inode, size and time. Pipes and devices are never
//! opened.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode};

/// Properties by which a file is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl FileStamp {
    /// Returns the stamp of a file with this metadata.
    pub fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        }
    }

    /// Returns the stamp of a file that was listed.
    pub fn listed(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
        }
    }

    /// Returns the number of the device it is on.
    pub fn device(&self) -> u64 {
        self.device
    }

    /// Returns the length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns what stays the same when the host restarts: device numbers may change.
    pub fn lasting(&self) -> (u64, u64, (i64, i64)) {
        (self.inode, self.size, self.modified)
    }
}

/// A file of a folder, as it was listed.
#[derive(Clone, Debug)]
pub struct FolderFile {
    /// Path below the folder.
    pub path: PathBuf,
    /// The file that was there.
    pub stamp: FileStamp,
}

/// Reason a file of a folder is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// It is gone, or another file is in its place.
    Changed,
    /// The system's error number.
    Error(i32),
}

/// An open folder.
#[derive(Debug)]
pub(super) struct OpenFolder {
    root: File,
    files: Vec<FolderFile>,
}

impl OpenFolder {
    /// Makes a folder of `files` below `root`.
    pub(super) fn new(root: File, files: Vec<FolderFile>) -> Self {
        Self { root, files }
    }

    /// Returns the number of its files.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Opens the file with this number; `None` if there is none.
    pub(super) fn open(&self, number: usize) -> Option<Result<(File, FileStamp), NotOpened>> {
        let file = self.files.get(number)?;
        let opened = self.find(&file.path).map_err(|error| not_opened(&error));
        Some(opened.and_then(|(found, meta)| {
            let is_listed = meta.is_file() && FileStamp::of(&meta) == file.stamp;
            if !is_listed {
                return Err(NotOpened::Changed);
            }
            let opened = reopen(&found).map_err(|error| not_opened(&error))?;
            Ok((opened, file.stamp))
        }))
    }

    /// Walks to what is at `path`, without opening it.
    fn find(&self, path: &Path) -> io::Result<(File, Metadata)> {
        let mut at: OwnedFd = self.root.try_clone()?.into();
        for name in path {
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            at = openat(&at, name, flags, Mode::empty())?;
        }
        let found = File::from(at);
        let meta = found.metadata()?;
        Ok((found, meta))
    }
}

/// Opens for reading what was found without being opened.
fn reopen(found: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options.open(path)
}

fn not_opened(error: &io::Error) -> NotOpened {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => NotOpened::Changed,
        error => NotOpened::Error(error.unwrap_or(libc::EIO)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(root: &Path, names: &[&str]) -> OpenFolder {
        let files = names.iter().map(|name| FolderFile {
            path: name.into(),
            stamp: FileStamp::of(&std::fs::metadata(root.join(name)).unwrap()),
        });
        let files = files.collect();
        OpenFolder::new(File::open(root).unwrap(), files)
    }

    #[test]
    fn only_the_file_that_was_listed_is_opened() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir(at("d")).unwrap();
        let names = ["kept", "d/replaced", "gone", "link", "pipe"];
        for name in names {
            std::fs::write(at(name), name).unwrap();
        }
        std::fs::write(at("other"), "link").unwrap();
        let open = folder(root.path(), &names);
        std::fs::write(at("new"), "another").unwrap();
        std::fs::rename(at("new"), at("d/replaced")).unwrap();
        std::fs::remove_file(at("gone")).unwrap();
        std::fs::rename(at("link"), at("real")).unwrap();
        symlink("real", at("link")).unwrap();
        std::fs::remove_file(at("pipe")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        let (mut kept, _) = open.open(0).unwrap().unwrap();
        let mut text = String::new();
        kept.read_to_string(&mut text).unwrap();
        assert_eq!(text, "kept");
        for (number, name) in names.iter().enumerate().skip(1) {
            let result = open.open(number).unwrap();
            assert_eq!(result.unwrap_err(), NotOpened::Changed, "{name}");
        }
        assert!(open.open(names.len()).is_none());
    }

    #[test]
    fn a_folder_in_it_that_became_a_link_leads_nowhere() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(root.path().join("d")).unwrap();
        std::fs::write(root.path().join("d/f"), "inside").unwrap();
        let open = folder(root.path(), &["d/f"]);
        std::fs::rename(root.path().join("d"), outside.path().join("d")).unwrap();
        symlink(outside.path().join("d"), root.path().join("d")).unwrap();
        assert_eq!(open.open(0).unwrap().unwrap_err(), NotOpened::Changed);
    }
}
