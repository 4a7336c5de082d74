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

impl File {
    /// Makes a file that is only in memory: its version is a hash of its bytes.
    pub fn in_memory(content: Content) -> Self {
        Self {
            version: version_of(&content),
            content,
            modified: None,
            warning: None,
        }
    }
}

/// Returns a hash of what is in memory, eight bytes at a time in four lanes. It is made anew for every
/// request, and a signed GRUB has 4 MiB: byte by byte that took 4 ms.
fn version_of(content: &Content) -> u64 {
    // 2^64 divided by the golden ratio. A product alone never lets a high bit change a low one.
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let mixed = (hash ^ word).wrapping_mul(ODD);
        mixed ^ mixed >> 32
    };
    let mut lanes = [1, 2, 3, 4];
    let mut rest = mix(1, content.len());
    for memory in content.pieces().iter().filter_map(|piece| piece.memory()) {
        let mut blocks = memory.chunks_exact(32);
        for block in blocks.by_ref() {
            for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
                let word = word
                    .first_chunk()
                    .map_or(0, |word| u64::from_le_bytes(*word));
                *lane = mix(*lane, word);
            }
        }
        let bytes = blocks.remainder().iter();
        rest = bytes.fold(rest, |rest, byte| mix(rest, u64::from(*byte)));
    }
    lanes.into_iter().fold(rest, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_more_or_another_one_anywhere_is_another_version() {
        let version = |bytes: &[u8]| version_of(&Content::memory(bytes.to_vec()));
        let mut seen = std::collections::BTreeSet::new();
        let mut bytes = vec![0u8; 101];
        assert!(seen.insert(version(&bytes)) && seen.insert(version(&bytes[1..])));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                assert!(seen.insert(version(&bytes)), "byte {at}, bit {bit}");
                bytes[at] ^= 1 << bit;
            }
        }
    }
}
