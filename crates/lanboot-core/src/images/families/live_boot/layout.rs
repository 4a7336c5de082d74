//! Place of the root file system on a live-boot medium.

use crate::boot_config::{MAX_FILE_BYTES, ReadSmall, file_names};
use crate::vfs::{Kind, Tree};

/// The folder live-boot looks into unless `live-media-path=` names another one
/// (`0001-init-vars.sh`).
pub(super) const LIVE: &str = "live";

/// Suffixes of the files that are layers of the root (`9990-overlay.sh`).
const LAYERS: [&str; 6] = [".squashfs", ".ext2", ".ext3", ".ext4", ".xfs", ".jffs2"];

/// Most layers that are looked at.
const MAX_LAYERS: usize = 64;
/// Most folders in `live` that are looked at.
const MAX_FOLDERS: usize = 64;

/// A root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Folder with its layers.
    pub(super) folder: String,
    /// Path of the squashfs that is its first layer.
    pub(super) path: String,
    /// Number of its layers.
    pub(super) layers: usize,
    /// Size of its layers together, in bytes.
    pub(super) bytes: u64,
}

/// Finds the root in `folder` for `module=MODULE`: the files that `MODULE.module` lists, or all of
/// them. `None` where no squashfs is among them, or where a name cannot stand in a URL and on a
/// kernel command line as it is.
pub(super) fn root(tree: &Tree, read: ReadSmall<'_>, folder: &str, module: &str) -> Option<Root> {
    let listed = [
        format!("{folder}/filesystem.{module}.module"),
        format!("{folder}/{module}.module"),
    ];
    let list = listed.iter().find_map(|path| {
        let content = tree
            .file(path)
            .filter(|file| file.len() <= MAX_FILE_BYTES)?;
        read(content)
    });
    let names: Vec<String> = match list {
        Some(list) => {
            let text = String::from_utf8_lossy(&list);
            let names = text.split_whitespace().take(MAX_LAYERS);
            names.map(str::to_owned).collect()
        }
        None => {
            let is_layer = |name: &&str| LAYERS.iter().any(|suffix| name.ends_with(suffix));
            let names = file_names(tree, folder).filter(is_layer);
            names.take(MAX_LAYERS).map(str::to_owned).collect()
        }
    };
    let paths = names.iter().map(|name| format!("{folder}/{name}"));
    let layers = paths.filter_map(|path| Some((tree.file(&path)?.len(), path)));
    let layers: Vec<(u64, String)> = layers.collect();
    let (_, path) = layers
        .iter()
        .find(|(_, path)| path.ends_with(".squashfs"))?;
    is_plain(path).then(|| Root {
        folder: folder.to_owned(),
        path: path.clone(),
        layers: layers.len(),
        bytes: layers
            .iter()
            .fold(0, |sum, (bytes, _)| sum.saturating_add(*bytes)),
    })
}

/// Lists the folders that may hold a root where no menu names one: `live`, and those in it.
pub(super) fn folders(tree: &Tree) -> Vec<String> {
    let live = tree.lookup(Tree::ROOT, LIVE.as_bytes());
    let inside = live.map_or(&[][..], |id| tree.entries(id)).iter();
    let inside = inside.filter_map(|(name, id)| {
        let is_folder = matches!(tree.node(*id)?.kind, Kind::Directory(_));
        let name = std::str::from_utf8(name).ok().filter(|_| is_folder)?;
        Some(format!("{LIVE}/{name}"))
    });
    [LIVE.to_owned()]
        .into_iter()
        .chain(inside.take(MAX_FOLDERS))
        .collect()
}

/// Tests whether a path is the same in a URL, on a kernel command line and in a shell.
fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b))
}
