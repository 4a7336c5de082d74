//! Joins initramfs files into one.
//!
//! The kernel skips zeros between archives, takes a compressed one at any offset, and one that is not
//! compressed at a multiple of four only (`unpack_to_rootfs` in Linux `init/initramfs.c`); elsewhere it
//! says `invalid magic at start of compressed archive`. GRUB, PXELINUX and newer iPXE fill up to a multiple of
//! four; iPXE of 2019, on UEFI machines, leaves the files to the kernel's EFI stub, which joins them as
//! they are. Media with several files of their own start there all the same, because
//! those that come first are microcode, of whole blocks of 512 bytes as `cpio` and `bsdcpio` write them,
//! and the last one is compressed.

use super::padding;
use crate::vfs::{Content, Piece, Source};

/// Most zeros between two archives.
pub const MAX_GAP: u64 = END_OF_LZ4 + 3;

/// Bytes of the block length that ends an archive of `lz4 -l`: the kernel reads blocks up to one of
/// length zero or to the end of its input, and the format has no other end (`unlz4` in Linux
/// `lib/decompress_unlz4.c`, since 5.13).
const END_OF_LZ4: u64 = 4;

/// Joins archives in this order, with zeros between them.
pub fn join<'a>(archives: impl IntoIterator<Item = &'a Content>) -> Content {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut len = 0u64;
    for archive in archives {
        if len > 0 {
            let gap = END_OF_LZ4 + padding(len);
            pieces.push(Piece {
                source: Source::Zero,
                len: gap,
            });
            len = len.saturating_add(gap);
        }
        pieces.extend_from_slice(archive.pieces());
        len = len.saturating_add(archive.len());
    }
    Content::new(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    #[test]
    fn every_archive_after_the_first_begins_at_a_multiple_of_four() {
        for (first, joined) in [
            ("", "0707"),
            ("a", "a\0\0\0\0\0\0\x000707"),
            ("abc", "abc\0\0\0\0\x000707"),
            ("abcd", "abcd\0\0\0\x000707"),
        ] {
            let archives = [first, "0707"].map(|text| Content::memory(text.as_bytes()));
            let all = join(&archives);
            assert_eq!(read(&all).unwrap(), joined.as_bytes(), "{first}");
            assert!(all.len() <= first.len() as u64 + MAX_GAP + 4);
        }
        let three = ["a", "b", "c"].map(|text| Content::memory(text.as_bytes()));
        assert_eq!(join(&three).len(), 17);
        assert_eq!(join(&three[..1]).len(), 1, "nothing is added to one alone");
    }
}
