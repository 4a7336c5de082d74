//! Every path a machine can ask for: generated menus, loaders, the images and what is in them.

use std::net::IpAddr;

use crate::vfs::File;

/// What can be asked for; immutable, replaced whole.
#[derive(Clone, Debug, Default)]
pub struct Site {}

impl Site {
    /// The file at `path` (and `query`, without its `?`) as `peer` gets to see it.
    pub fn find(&self, path: &[u8], query: &[u8], peer: IpAddr) -> Option<File> {
        let _ = (path, query, peer);
        None
    }
}
