//! The files of a folder that is served like an image: its tree, and the properties that reveal a change.
//!
//! Nothing in the folder is opened but folders. Links are kept as links, which lead nowhere outside the
//! tree; devices and pipes are left out; a file that not everybody may read is listed and not served,
//! because this program runs as root.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use lanboot_core::media::{Format, Medium};
use lanboot_core::text;
use lanboot_core::vfs::{
    Content, ImageId, Kind, MAX_NAME_BYTES, Meta, Missing, NodeId, Tree, TreeBuilder,
};
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use siphasher::sip::SipHasher13;

use crate::images::open_folder::{FileStamp, FolderFile};

/// Most files and folders of one, six times the largest medium's.
const MAX_ENTRIES: usize = 200_000;
/// Most folders one inside the other.
const MAX_DEPTH: usize = 64;
/// Permission to read, for everybody.
const READABLE: u32 = 0o004;

/// Files of a folder.
#[derive(Debug)]
pub(super) struct Listing {
    /// The folder's own properties.
    folder: FileStat,
    /// Where the folder is, without links.
    place: PathBuf,
    nodes: Vec<Listed>,
    left_out: LeftOut,
}

/// Properties that reveal a change of anything in a folder.
#[derive(Debug)]
pub(super) struct Properties {
    /// The folder itself.
    pub(super) folder: FileStamp,
    /// Length of all files together.
    pub(super) bytes: u64,
    /// Time of the last change of anything in it, in seconds and nanoseconds since 1970.
    pub(super) changed: (i64, i64),
    /// Hash of the properties of everything in it.
    pub(super) contents: u64,
}

/// A file, folder or link.
#[derive(Debug)]
struct Listed {
    /// Number of the folder it is in; `None` for the one served.
    parent: Option<usize>,
    name: CString,
    kind: ListedKind,
    stat: FileStat,
}

#[derive(Debug)]
enum ListedKind {
    Folder,
    File,
    Link(Vec<u8>),
}

/// Counts of things that are not served.
#[derive(Debug, Default)]
struct LeftOut {
    /// Devices, pipes and sockets, and links that cannot be read.
    special: usize,
    /// Folders that cannot be read.
    unreadable: usize,
    /// Folders too deep.
    deep: usize,
}

impl Listing {
    /// Lists the folder `path`.
    ///
    /// # Errors
    /// Returns a clause that follows the folder's name: it cannot be read, or has too many files.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let unread = |error: io::Error| format!("cannot be read: {error}");
        let root = File::open(path).map_err(unread)?;
        let folder = nix::sys::stat::fstat(&root).map_err(|error| unread(error.into()))?;
        let mut listing = Self {
            folder,
            place: path.canonicalize().map_err(unread)?,
            nodes: Vec::new(),
            left_out: LeftOut::default(),
        };
        listing.folder(root.into(), None, 0).map_err(unread)?;
        match listing.nodes.len() > MAX_ENTRIES {
            true => Err(format!(
                "has more than {MAX_ENTRIES} files and folders, which is more than any medium"
            )),
            false => Ok(listing),
        }
    }

    /// Adds what is in a folder, sorted by name.
    fn folder(&mut self, folder: OwnedFd, parent: Option<usize>, depth: usize) -> io::Result<()> {
        let mut names: Vec<CString> = Vec::new();
        for entry in Dir::from_fd(folder.try_clone()?)?.iter() {
            let name = entry?.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name);
            }
            if self.nodes.len() + names.len() > MAX_ENTRIES {
                break;
            }
        }
        names.sort();
        for name in names {
            // What is gone by now is not there.
            let Ok(stat) = fstatat(&folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else {
                continue;
            };
            let Some(kind) = self.kind(&folder, &name, &stat) else {
                self.left_out.special += 1;
                continue;
            };
            if self.nodes.len() > MAX_ENTRIES {
                return Ok(());
            }
            let number = self.nodes.len();
            let below = matches!(kind, ListedKind::Folder).then(|| name.clone());
            self.nodes.push(Listed {
                parent,
                name,
                kind,
                stat,
            });
            match below {
                Some(_) if depth + 1 >= MAX_DEPTH => self.left_out.deep += 1,
                Some(name) => {
                    let flags =
                        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                    let opened = openat(&folder, name.as_c_str(), flags, Mode::empty());
                    let read = opened.map_err(io::Error::from);
                    let read = read.and_then(|below| self.folder(below, Some(number), depth + 1));
                    self.left_out.unreadable += usize::from(read.is_err());
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Returns the kind of what is called `name`; `None` for what is never served.
    fn kind(&self, folder: &OwnedFd, name: &CStr, stat: &FileStat) -> Option<ListedKind> {
        if name.to_bytes().len() > MAX_NAME_BYTES {
            return None;
        }
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => Some(ListedKind::File),
            SFlag::S_IFDIR => Some(ListedKind::Folder),
            SFlag::S_IFLNK => {
                let target = readlinkat(folder.as_fd(), name).ok()?.into_vec();
                Some(ListedKind::Link(self.inside(target)))
            }
            _ => None,
        }
    }

    /// Returns the target of a link as the tree resolves it: there `/` is the folder.
    fn inside(&self, target: Vec<u8>) -> Vec<u8> {
        let path = Path::new(OsStr::from_bytes(&target));
        match path.strip_prefix(&self.place) {
            Ok(below) => [b"/", below.as_os_str().as_bytes()].concat(),
            Err(_) => target,
        }
    }

    /// Returns the properties that reveal a change of anything in it.
    pub(super) fn properties(&self) -> Properties {
        let mut hasher = SipHasher13::new();
        let mut newest = (self.folder.st_ctime, self.folder.st_ctime_nsec);
        for node in &self.nodes {
            let stat = &node.stat;
            let changed = (stat.st_ctime, stat.st_ctime_nsec);
            (node.parent, &node.name, stat.st_mode, changed).hash(&mut hasher);
            FileStamp::listed(stat).hash(&mut hasher);
            newest = newest.max(changed);
        }
        Properties {
            folder: FileStamp::listed(&self.folder),
            bytes: self.bytes(),
            changed: newest,
            contents: hasher.finish(),
        }
    }

    /// Returns a hash of what the tree is, the same when the host restarts.
    pub(super) fn lasting(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        for node in &self.nodes {
            (node.parent, &node.name).hash(&mut hasher);
            match &node.kind {
                ListedKind::Folder => hasher.write_u8(0),
                ListedKind::File => FileStamp::listed(&node.stat).lasting().hash(&mut hasher),
                ListedKind::Link(target) => target.hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    /// Returns the length of all files together.
    pub(super) fn bytes(&self) -> u64 {
        let files = self.nodes.iter().filter(|node| node.is_file());
        let sizes = files.map(|node| FileStamp::listed(&node.stat).size());
        sizes.fold(0, u64::saturating_add)
    }

    /// Lists the files with their paths; a file's place in this list is its number.
    pub(super) fn files(&self) -> Vec<FolderFile> {
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut files = Vec::new();
        for node in &self.nodes {
            let folder = node.parent.and_then(|number| paths.get(number));
            let name = OsStr::from_bytes(node.name.to_bytes());
            let path = folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
            if node.is_file() {
                files.push(FolderFile {
                    path: path.clone(),
                    stamp: FileStamp::listed(&node.stat),
                });
            }
            paths.push(match node.kind {
                ListedKind::Folder => path,
                ListedKind::File | ListedKind::Link(_) => PathBuf::new(),
            });
        }
        files
    }

    /// Makes the medium of the folder, whose number among the open images is `folder`.
    pub(super) fn medium(&self, folder: ImageId, label: String) -> Medium {
        let mut builder = TreeBuilder::new(meta(&self.folder));
        let mut ids: Vec<Option<NodeId>> = Vec::new();
        let mut file = folder.0;
        let (mut private, mut added) = (0, true);
        for node in &self.nodes {
            let parent = match node.parent {
                None => Some(Tree::ROOT),
                Some(number) => ids.get(number).copied().flatten(),
            };
            let kind = match &node.kind {
                ListedKind::Folder => Kind::Directory(Vec::new()),
                ListedKind::Link(target) => Kind::Symlink(target.as_slice().into()),
                ListedKind::File => {
                    file += 1;
                    let size = FileStamp::listed(&node.stat).size();
                    let is_private = node.stat.st_mode & READABLE == 0;
                    private += usize::from(is_private);
                    Kind::File(match is_private {
                        true => Content::unusable(size, Missing::Private),
                        false => Content::in_image(ImageId(file), 0, size),
                    })
                }
            };
            let name = node.name.to_bytes();
            let id = parent.and_then(|id| builder.add(id, name, kind, meta(&node.stat)).ok());
            added &= id.is_some();
            ids.push(id);
        }
        Medium {
            format: Format::Folder,
            label,
            uuid: None,
            len: self.bytes(),
            tree: builder.build(),
            boot: Vec::new(),
            warnings: self.warnings(private, added),
        }
    }

    fn warnings(&self, private: usize, added: bool) -> Vec<String> {
        let LeftOut {
            special,
            unreadable,
            deep,
        } = self.left_out;
        let counted = [
            (
                private,
                "files are not served, because not everybody may read them (chmod -R o+rX)",
            ),
            (unreadable, "folders in it cannot be read"),
            (deep, "folders in it are too deep and left out"),
            (
                special,
                "devices, pipes or unreadable links in it are left out",
            ),
            (
                usize::from(!added),
                "or more files have names that cannot be served",
            ),
        ];
        let found = counted.iter().filter(|(count, _)| *count > 0);
        found
            .map(|(count, what)| format!("{count} {what}"))
            .collect()
    }
}

impl Listed {
    fn is_file(&self) -> bool {
        matches!(self.kind, ListedKind::File)
    }
}

fn meta(stat: &FileStat) -> Meta {
    Meta {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified: stat.st_mtime,
        links: u32::try_from(stat.st_nlink).unwrap_or(1),
    }
}

/// Returns a name for what is at `path`, also where that is `.`.
pub(super) fn folder_name(path: &Path) -> String {
    let name = path.file_name().map(OsStr::to_owned);
    let place = || path.canonicalize().ok()?.file_name().map(OsStr::to_owned);
    text::path(name.or_else(place).unwrap_or_default().as_ref())
}
