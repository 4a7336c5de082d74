//! Writes cpio archives in the "new ASCII" format (Linux
//! `Documentation/driver-api/early-userspace/buffer-format.rst`) as [`Content`]: headers are in
//! memory, and the bytes of files stay where they are.

use std::collections::BTreeSet;

use super::{HEADER, padding};
use crate::vfs::{Content, Piece};

/// Most files of one archive.
pub const MAX_MEMBERS: usize = 1024;
/// Longest path in bytes; with its NUL it is the kernel's `PATH_MAX`.
const MAX_PATH: usize = 4095;

/// Folders that every initramfs has, often as links into `usr`. They get no entry of their own: the
/// kernel replaces a link by a folder of its name, and nothing behind the link is found any more
/// (`clean_path` in Linux `init/initramfs.c`).
const ALWAYS_THERE: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Path from the root, without a slash at its front.
    pub path: String,
    /// Kind and contents.
    pub kind: MemberKind,
    /// Last modification, in seconds since 1970 UTC.
    pub modified: u32,
}

/// The kind of a [`Member`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A file of mode 0644, or 0755 if it is executable.
    File {
        /// The bytes.
        content: Content,
        /// True for programs and scripts.
        is_executable: bool,
    },
    /// A symbolic link with this target.
    Link(String),
}

/// Reason an archive cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// The format has no room for the length.
    #[error("/{path} has {bytes} bytes, and a file in an initramfs has less than 4 GiB")]
    TooLarge {
        /// The file.
        path: String,
        /// Its length in bytes.
        bytes: u64,
    },
    /// Empty, absolute, too long, or with a name such as `..`.
    #[error("{0:?} cannot be the path of a file in an initramfs")]
    Path(String),
    /// Two files have this path, or one is to be a file and a folder.
    #[error("/{0} is in it twice")]
    Twice(String),
    /// More than [`MAX_MEMBERS`].
    #[error("it would have more than {MAX_MEMBERS} files")]
    TooMany,
}

/// Writes an archive of `members` and of the folders they are in, which have mode 0755. Everything
/// belongs to user 0 and group 0.
pub fn write(members: &[Member]) -> Result<Content, Unwritable> {
    if members.len() > MAX_MEMBERS {
        return Err(Unwritable::TooMany);
    }
    let mut archive = Writer::default();
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    let mut files: BTreeSet<&str> = BTreeSet::new();
    for Member { path, .. } in members {
        if !is_path(path) {
            return Err(Unwritable::Path(path.clone()));
        }
        folders.extend(folders_of(path));
        if !files.insert(path) {
            return Err(Unwritable::Twice(path.clone()));
        }
    }
    if let Some(path) = files.intersection(&folders).next() {
        return Err(Unwritable::Twice((*path).to_owned()));
    }
    let mut written: BTreeSet<&str> = ALWAYS_THERE.into();
    for member in members {
        for folder in folders_of(&member.path) {
            if written.insert(folder) {
                archive.folder(folder, member.modified);
            }
        }
        archive.member(member)?;
    }
    Ok(archive.finish())
}

/// Lists the folders a path is in, outermost first.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at))
}

/// Tests whether this can be the path of a file.
fn is_path(path: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..");
    path.len() <= MAX_PATH
        && path != TRAILER
        && !path.contains('\0')
        && path.split('/').all(is_name)
}

/// Name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// File type of a folder in `st_mode`.
const FOLDER: u32 = 0o040_000;
/// File type of a file.
const FILE: u32 = 0o100_000;
/// File type of a symbolic link.
const LINK: u32 = 0o120_000;

/// An archive in the making.
#[derive(Default)]
struct Writer {
    pieces: Vec<Piece>,
    /// Bytes behind the last piece: headers, paths and padding.
    memory: Vec<u8>,
    /// Number of the last entry. Each has another one: those of one number would be one file.
    inode: u32,
}

impl Writer {
    fn folder(&mut self, path: &str, modified: u32) {
        self.header(path, FOLDER | 0o755, 2, modified, 0);
    }

    fn member(&mut self, member: &Member) -> Result<(), Unwritable> {
        let Member {
            path,
            kind,
            modified,
        } = member;
        let (content, mode) = match kind {
            MemberKind::File {
                content,
                is_executable: false,
            } => (content.clone(), FILE | 0o644),
            MemberKind::File { content, .. } => (content.clone(), FILE | 0o755),
            MemberKind::Link(target) => (Content::memory(target.as_bytes()), LINK | 0o777),
        };
        // Eight hexadecimal digits.
        let bytes = u32::try_from(content.len()).map_err(|_| Unwritable::TooLarge {
            path: path.clone(),
            bytes: content.len(),
        })?;
        self.header(path, mode, 1, *modified, bytes);
        self.flush();
        self.pieces.extend_from_slice(content.pieces());
        self.pad(content.len());
        Ok(())
    }

    /// Writes the header of an entry and its path.
    fn header(&mut self, path: &str, mode: u32, links: u32, modified: u32, bytes: u32) {
        self.inode += 1;
        let name = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        // Inode, mode, user, group, links, time, length, device twice two, path, checksum.
        let numbers = [
            self.inode, mode, 0, 0, links, modified, bytes, 0, 0, 0, 0, name, 0,
        ];
        self.memory.extend_from_slice(b"070701");
        for number in numbers {
            self.memory
                .extend_from_slice(format!("{number:08X}").as_bytes());
        }
        self.memory.extend_from_slice(path.as_bytes());
        self.memory.push(0);
        self.pad(HEADER as u64 + u64::from(name));
    }

    /// Writes zeros after `len` bytes, up to a multiple of four.
    fn pad(&mut self, len: u64) {
        self.memory.extend((0..padding(len)).map(|_| 0));
    }

    /// Makes a piece of what is in memory.
    fn flush(&mut self) {
        let memory = Content::memory(std::mem::take(&mut self.memory));
        self.pieces.extend_from_slice(memory.pieces());
    }

    fn finish(mut self) -> Content {
        self.header(TRAILER, 0, 1, 0, 0);
        self.flush();
        Content::new(self.pieces)
    }
}

#[cfg(test)]
mod tests;
