//! `.treeinfo`: what an installable tree says of itself, in sections of `key = value`.

use crate::boot_config::MAX_FILE_BYTES;
use crate::images::medium::Medium;
use crate::vfs::Tree;

/// Its path on the medium.
pub(super) const PATH: &str = ".treeinfo";

/// Most lines that are looked at.
const MAX_LINES: usize = 4096;

/// The text of a medium's `.treeinfo`; empty where there is none, and where it is longer than a file
/// of its kind can be.
#[derive(Clone, Debug, Default)]
pub(super) struct TreeInfo {
    text: String,
}

impl TreeInfo {
    /// Reads that of a medium, of at most [`MAX_FILE_BYTES`].
    pub(super) fn read(medium: Medium<'_>) -> Self {
        let file = medium.tree.file(PATH);
        let file = file.filter(|file| file.len() <= MAX_FILE_BYTES);
        let bytes = file.and_then(medium.read).unwrap_or_default();
        Self {
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// Returns the first value of `key` in `section`.
    pub(super) fn value(&self, section: &str, key: &str) -> Option<&str> {
        let mut values = self.values();
        let (_, _, value) = values.find(|(s, k, _)| *s == section && *k == key)?;
        Some(value)
    }

    /// Tests whether the medium has the packages of one of its repositories.
    pub(super) fn has_packages(&self, tree: &Tree) -> bool {
        let named = self.values();
        let named = named.filter(|(_, key, _)| *key == "repository");
        let folders = named.map(|(_, _, folder)| folder).chain(["."]);
        let has = |folder: &str| {
            let folder = folder.trim_matches(['.', '/']);
            let path = format!("{folder}/repodata/repomd.xml");
            tree.file(path.trim_start_matches('/')).is_some()
        };
        folders.take(MAX_LINES).any(has)
    }

    /// Lists section, key and value of every line.
    fn values(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let mut section = "";
        self.text.lines().take(MAX_LINES).filter_map(move |line| {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
                return None;
            }
            let (key, value) = line.split_once('=')?;
            let is_comment = line.starts_with(['#', ';']);
            (!is_comment).then(|| (section, key.trim(), value.trim()))
        })
    }
}
