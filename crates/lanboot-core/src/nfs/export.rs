//! Folders as seen by a client, and how they are found.

use crate::vfs::{Identity, ImageId, NodeId, Tree};

/// The exported folders.
pub trait Exports {
    /// Resolves the `path` of a mount, as sent by the machine.
    ///
    /// # Errors
    /// Fails if the path is not exported.
    fn folder(&self, path: &[u8]) -> Result<Found<'_>, NotExported>;

    /// Returns the exported paths, the most useful one first.
    fn paths(&self) -> Vec<String>;

    /// Returns the networks that may mount them, in exports(5) syntax.
    fn networks(&self) -> Vec<String>;

    /// Returns the image with this identity, including one that can no longer be mounted but is
    /// still in use.
    fn volume(&self, identity: Identity) -> Option<Volume<'_>>;
}

/// An image as a file system.
#[derive(Clone, Copy, Debug)]
pub struct Volume<'a> {
    /// Identity used in its handles.
    pub identity: Identity,
    /// Its number among the open images.
    pub image: ImageId,
    /// Its files.
    pub tree: &'a Tree,
    /// Size of the image file, in bytes.
    pub size: u64,
}

/// A folder that can be mounted.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The image that contains it.
    pub volume: Volume<'a>,
    /// The folder.
    pub node: NodeId,
}

/// Reason a path cannot be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotExported {
    /// No such path.
    NotFound,
    /// Not a folder.
    NotADirectory,
    /// It contains `..` or is too long.
    Forbidden,
}
