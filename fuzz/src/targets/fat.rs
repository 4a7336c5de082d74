//! FAT file systems: boot sector, table, directories, long names.

use lanboot_core::fat;
use lanboot_core::vfs::ImageId;

use super::iso::check;

/// Reads the file system that starts with the first byte of `data`.
pub fn run(data: &[u8]) {
    let image = data.to_vec();
    if let Ok(volume) = fat::read(ImageId(1), &image, 0..data.len() as u64) {
        check(&volume.tree);
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    vec![image(false), image(true)]
}

/// Returns a file system of clusters of 512 bytes: boot sector, table, root directory, a folder in
/// cluster 2 with a file in clusters 3 and 4.
pub(super) fn image(is_32: bool) -> Vec<u8> {
    let mut image = vec![0; 8 * 512];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xeb, 0x3c, 0x90]);
    put(510, &[0x55, 0xaa]);
    put(11, &512u16.to_le_bytes());
    let folder = entry(b"EFI        ", 0x10, 2, 0);
    if is_32 {
        put(13, &[1, 1, 0, 1, 0, 0, 8, 0, 0xf8, 0, 0]);
        put(36, &1u32.to_le_bytes());
        put(44, &5u32.to_le_bytes());
        for (cluster, next) in [
            (2, 0x0fff_ffffu32),
            (3, 4),
            (4, 0x0fff_ffff),
            (5, 0x0fff_ffff),
        ] {
            put(512 + cluster * 4, &next.to_le_bytes());
        }
        put(1024 + 3 * 512, &folder);
        put(1024, &names());
    } else {
        put(13, &[1, 1, 0, 1, 16, 0, 8, 0, 0xf8, 1, 0]);
        put(512, &[0xf8, 0xff, 0xff, 0xff, 0x4f, 0x00, 0xff, 0x0f]);
        put(1024, &folder);
        put(1536, &names());
    }
    image
}

/// Returns the entries of a file with a long name.
fn names() -> Vec<u8> {
    let short = b"LOADER~1CNF";
    let sum = short.iter();
    let sum = sum.fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let mut long = vec![0x41];
    for character in b"loade" {
        long.extend([*character, 0]);
    }
    long.extend([0x0f, 0, sum]);
    for character in b"r.conf" {
        long.extend([*character, 0]);
    }
    long.extend([0; 6]);
    [long, entry(short, 0x20, 3, 700)].concat()
}

fn entry(name: &[u8; 11], attributes: u8, first: u16, len: u32) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.push(attributes);
    bytes.resize(26, 0);
    bytes.extend(first.to_le_bytes());
    bytes.extend(len.to_le_bytes());
    bytes
}
