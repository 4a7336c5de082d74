//! Files as pieces of images. This module knows no protocol and no image format.

mod content;
mod path;
mod tree;

pub use content::{Content, Damage, Identity, ImageId, Missing, Piece, Slice, Source};
pub use path::{Path, PathError};
pub use tree::{
    Found, Kind, MAX_NAME_BYTES, MAX_NODES, MAX_SYMLINKS, Meta, Node, NodeId, Tree, TreeBuilder,
    TreeError,
};

use crate::diagnostic::Diagnostic;

/// A file to serve: its contents and a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The bytes.
    pub content: Content,
    /// Last modification, in seconds since 1970 UTC; `None` for generated files.
    pub modified: Option<i64>,
    /// Distinguishes this version of the file from any other at the same path.
    pub version: u64,
    /// Warning to log when it is read: the reason it was generated like this.
    pub warning: Option<Diagnostic>,
}
