//! A medium as families see it.

use std::cell::OnceCell;

use crate::boot_config::{self, BootConfig, ReadSmall};
use crate::vfs::{Kind, NodeId, Tree};

/// A medium to be recognised.
#[derive(Clone, Copy)]
pub(crate) struct Medium<'a> {
    /// Its files.
    pub(crate) tree: &'a Tree,
    /// The name of its image: what the entries' names begin with.
    pub(crate) name: &'a str,
    /// The volume's label.
    pub(crate) label: &'a str,
    /// The volume's date, `YYYY-MM-DD…`.
    pub(crate) date: Option<&'a str>,
    /// The image it was read from.
    pub(crate) whole: Whole,
    /// Reads a small file.
    pub(crate) read: ReadSmall<'a>,
    /// Its menus, unset until [`Self::menus`] reads them.
    pub(crate) menus_read: &'a OnceCell<BootConfig>,
}

impl<'a> Medium<'a> {
    /// Returns the medium's own menus, in the folders where boot loaders look for them. They are
    /// read once for all families.
    pub(crate) fn menus(&self) -> &'a BootConfig {
        let read = || boot_config::read(self.tree, self.read, &[]);
        self.menus_read.get_or_init(read)
    }
}

/// An image as a whole: the thing some initramfs download, mount or attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    /// An image of a disc, of so many bytes.
    Disc(u64),
    /// An image of a drive, which no system can mount as it is.
    Drive,
    /// Files of a folder or an archive, and no image.
    Files,
}

/// Lists the paths of at most `limit` files of a medium, folder by folder; none whose name is not
/// UTF-8.
pub(super) fn file_paths(tree: &Tree, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), Tree::ROOT)];
    // A tree has no circles, so every folder comes once.
    while let Some((folder, id)) = folders.pop() {
        for (name, id) in tree.entries(id) {
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            match tree.node(*id).map(|node| &node.kind) {
                Some(Kind::File(_)) if found.len() >= limit => return found,
                Some(Kind::File(_)) => found.push(format!("{folder}{name}")),
                Some(Kind::Directory(_)) => folders.push((format!("{folder}{name}/"), *id)),
                Some(Kind::Symlink(_)) | None => {}
            }
        }
    }
    found
}

/// Returns the size of all files of a medium together, in bytes.
pub(super) fn file_bytes(tree: &Tree) -> u64 {
    let nodes = (0..tree.len()).filter_map(|at| u32::try_from(at).ok());
    let sizes = nodes.map(|at| match tree.node(NodeId(at)).map(|node| &node.kind) {
        Some(Kind::File(content)) => content.len(),
        _ => 0,
    });
    sizes.fold(0, u64::saturating_add)
}
