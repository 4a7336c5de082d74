//! The contents of an image.

use super::format::Format;
use crate::iso::BootEntry;
use crate::vfs::Tree;

/// Contents of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// File system that the tree is of.
    pub format: Format,
    /// Volume label.
    pub label: String,
    /// Volume identifier as `blkid` shows it.
    pub uuid: Option<String>,
    /// Length in bytes the image should have: greater than the file's if it was truncated.
    pub len: u64,
    /// Directory tree.
    pub tree: Tree,
    /// Boot images; of a raw disk the whole, if firmware looks for programs on it.
    pub boot: Vec<BootEntry>,
    /// Damage and omissions, one clause each, to follow the file's name.
    pub warnings: Vec<String>,
}

impl Medium {
    /// Returns the date of an ISO 9660 volume, `YYYY-MM-DD…`.
    pub fn date(&self) -> Option<&str> {
        let is_iso = matches!(self.format, Format::Iso(_));
        self.uuid.as_deref().filter(|_| is_iso)
    }
}
