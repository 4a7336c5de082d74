//! A medium as families see it.

use crate::boot_config::ReadSmall;
use crate::vfs::Tree;

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
    /// Reads a small file.
    pub(crate) read: ReadSmall<'a>,
}
