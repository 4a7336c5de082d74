//! Files as pieces of images. This room names no protocol and no image format.

mod content;
mod path;
mod tree;

pub use content::{Content, Damage, Identity, ImageId, Missing, Piece, Slice, Source};
pub use path::{Path, PathError};
pub use tree::{
    Found, Kind, MAX_NAME_BYTES, MAX_NODES, MAX_SYMLINKS, Meta, Node, NodeId, Tree, TreeBuilder,
    TreeError,
};

/// A file a door can hand out: what it holds, and what tells one version from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The bytes.
    pub content: Content,
    /// Last modification, in seconds since 1970 UTC; `None` for generated files.
    pub modified: Option<i64>,
    /// Distinguishes this version of the file from any other one at the same path.
    pub version: u64,
    /// What its reader's journal should say: why it was made like this.
    pub warning: Option<String>,
}
