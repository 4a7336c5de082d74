//! A disk as a machine gets to see it, and where disks are found.

use crate::vfs::{Content, Piece, Source};

/// Every export is a whole number of these, in bytes. It is the sector size Linux gives a network
/// disk when it is told none. Padding to more would move the end of the disk, and with it the
/// second partition table of hybrid images.
pub const BLOCK_BYTES: u64 = 512;
/// Longest name of an export, in bytes ("Values": a string is at most 4096 bytes).
pub const MAX_NAME_BYTES: usize = 4096;

/// One disk that can be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its own name, which may be another one than it was asked for by.
    pub name: String,
    /// One line for people who list exports.
    pub description: String,
    /// Its bytes: a whole number of blocks.
    content: Content,
}

impl Export {
    /// An export of `content`, padded with zeros to a whole block.
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

    /// Its bytes, with the padding.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Its size in bytes, with the padding.
    pub fn size(&self) -> u64 {
        self.content.len()
    }
}

/// The disks there are, at one moment.
pub trait Exports {
    /// The disk asked for as `name`, which came from the network; the empty name asks for the
    /// default one.
    fn find(&self, name: &[u8]) -> Option<Export>;

    /// The names to show to who asks for a list.
    fn names(&self) -> Vec<String>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::ImageId;

    #[test]
    fn an_export_is_padded_to_a_whole_block() {
        for (len, size) in [(0, 0), (1, 512), (511, 512), (512, 512), (2049, 2560)] {
            let content = Content::disk(ImageId(1), 0, len);
            let export = Export::new(String::new(), String::new(), content);
            assert_eq!(export.size(), size, "{len}");
            let padding = export.content().slice(len..size).first();
            assert!(padding.is_none_or(|p| p.source == Source::Zero && p.len == size - len));
        }
    }
}
