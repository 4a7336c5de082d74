//! Place of the root's image on a dracut live medium, and what it is.

use crate::boot_config::{MenuEntry, ReadSmall, find_file};
use crate::images::medium::Medium;
use crate::pe;
use crate::vfs::Content;

/// The folder `dmsquash-live` looks into unless `rd.live.dir=` names another one.
const FOLDER: &str = "LiveOS";
/// The file in it unless `rd.live.squashimg=` names another one.
const FILE: &str = "squashfs.img";
/// The files it takes where that one is missing, in order: the file system of the root itself.
const PLAIN_FILES: [&str; 2] = ["rootfs.img", "ext3fs.img"];

/// Most inodes of an image that only holds the file system of the root: folders and one or two
/// files. A root of its own has thousands.
const MAX_INODES_OF_CONTAINER: u64 = 64;

/// The image of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Its path on the medium.
    pub(super) path: String,
    /// Its size in bytes.
    pub(super) bytes: u64,
    /// True if it is the root itself, and not a container of the file system of the root.
    pub(super) is_flat: bool,
    /// Value of `rd.live.dir=`, where the menu has one.
    folder: Option<String>,
    /// Value of `rd.live.squashimg=`, where the menu has one.
    file: Option<String>,
}

impl Root {
    /// Returns the arguments with which `dmsquash-live` finds it on a mounted medium.
    pub(super) fn place(&self) -> Vec<String> {
        let folder = self.folder.as_ref().map(|v| format!("rd.live.dir={v}"));
        let file = self.file.as_ref().map(|v| format!("rd.live.squashimg={v}"));
        folder.into_iter().chain(file).collect()
    }
}

/// Finds the image that a menu entry starts as `dmsquash-live-root.sh` does. `None` where there is
/// none, and where a name cannot stand in a URL and on a kernel command line as it is.
pub(super) fn root(medium: Medium<'_>, entry: &MenuEntry) -> Option<Root> {
    let named = |key: &str| {
        let value = entry.argument(key).filter(|value| !value.is_empty());
        value.map(str::to_owned)
    };
    let folder = named("rd.live.dir").or_else(|| named("live_dir"));
    root_in(medium, folder, named("rd.live.squashimg"))
}

/// Finds the image at the usual place.
pub(super) fn usual_root(medium: Medium<'_>) -> Option<Root> {
    root_in(medium, None, None)
}

fn root_in(medium: Medium<'_>, folder: Option<String>, file: Option<String>) -> Option<Root> {
    let base = folder.as_deref().unwrap_or(FOLDER).trim_matches('/');
    let first = file.as_deref().unwrap_or(FILE).trim_matches('/');
    let paths = [first].into_iter().chain(PLAIN_FILES);
    let path = paths
        .filter_map(|name| {
            find_file(
                medium.tree,
                format!("{base}/{name}").trim_start_matches('/'),
            )
        })
        .next()?;
    let named = [Some(&path), folder.as_ref(), file.as_ref()];
    if !named.into_iter().flatten().all(|name| is_plain(name)) {
        return None;
    }
    let image = medium.tree.file(&path)?;
    Some(Root {
        bytes: image.len(),
        is_flat: inodes(image, medium.read).is_some_and(|n| n > MAX_INODES_OF_CONTAINER),
        path,
        folder,
        file,
    })
}

/// Returns the number of inodes in a squashfs (`s_inodes`) or EROFS image (`inos`); `None` for
/// another file system.
pub(super) fn inodes(image: &Content, read: ReadSmall<'_>) -> Option<u64> {
    const SQUASHFS: &[u8] = b"hsqs";
    const EROFS: &[u8] = &[0xe2, 0xe1, 0xf5, 0xe0];
    let head = pe::bytes(image, 0, 8, read)?;
    if head.starts_with(SQUASHFS) {
        return pe::u32_at(&head, 4).map(u64::from);
    }
    let head = pe::bytes(image, 1024, 24, read)?;
    head.starts_with(EROFS)
        .then(|| pe::u64_at(&head, 16))
        .flatten()
}

/// Tests whether a path is the same in a URL, on a kernel command line and in a shell.
fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b))
}
