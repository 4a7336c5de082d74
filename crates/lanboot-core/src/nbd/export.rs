//! Disks as seen by a client, and how they are found.

use crate::vfs::{Content, Piece, Source};

/// Block size in bytes; every export is a whole number of blocks. Linux uses this sector size for
/// network disks by default. Padding to more would move the end of the disk, and with it the second
/// partition table of hybrid images.
pub const BLOCK_BYTES: u64 = 512;

/// One disk that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Canonical name, which may differ from the requested one.
    pub name: String,
    /// One-line description for listings.
    pub description: String,
    /// Contents: a whole number of blocks.
    content: Content,
}

impl Export {
    /// Creates an export of `content`, padded with zeros to a whole block.
    pub fn new(name: String, description: String, content: Content) -> Self {
        let rest = content.len() % BLOCK_BYTES;
        let content = if rest == 0 {
            content
        } else {
            let padding = Piece {
                source: Source::Zero,
                len: BLOCK_BYTES - rest,
            };
            let pieces = content.pieces().iter().cloned();
            Content::new(pieces.chain([padding]))
        };
        Self {
            name,
            description,
            content,
        }
    }

    /// Returns the contents, with padding.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Returns the size in bytes, with padding.
    pub fn size(&self) -> u64 {
        self.content.len()
    }
}

/// The disks available at one moment.
pub trait Exports {
    /// Finds the disk requested as `name`, which came from the network; the empty name requests the
    /// default one.
    fn find(&self, name: &[u8]) -> Option<Export>;

    /// Tests whether `name` requests an image that is no disk: a folder or an archive.
    fn is_without_disk(&self, _name: &[u8]) -> bool {
        false
    }

    /// Returns the names to show in a listing.
    fn names(&self) -> Vec<String>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::ImageId;

    #[test]
    fn an_export_is_padded_to_a_whole_block() {
        for (len, size) in [(0, 0), (1, 512), (511, 512), (512, 512), (2049, 2560)] {
            let content = Content::in_image(ImageId(1), 0, len);
            let export = Export::new(String::new(), String::new(), content);
            assert_eq!(export.size(), size, "{len}");
            let padding = export.content().slice(len..size).first();
            assert!(padding.is_none_or(|p| p.source == Source::Zero && p.len == size - len));
        }
    }
}
