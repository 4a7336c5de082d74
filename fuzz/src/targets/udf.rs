//! UDF file systems: descriptors, partitions, file entries, directories. Sectors are 512 bytes long.

use lanboot_core::udf;
use lanboot_core::vfs::ImageId;

use super::iso::check;

/// Bytes of a sector, and the first one that `data` fills: the anchor.
const SECTOR: usize = 512;
const FIRST: usize = 256;
/// First sector of the partition.
const START: u32 = 262;

/// Reads an image whose sectors from the anchor on are `data`, once as it is and once with the tags of
/// all descriptors mended, which nearly no damage would get past.
pub fn run(data: &[u8]) {
    for is_mended in [false, true] {
        let mut image = vec![0; FIRST * SECTOR];
        image.extend_from_slice(data);
        if is_mended {
            image.chunks_exact_mut(SECTOR).for_each(mend);
        }
        if let Ok(volume) = udf::read(ImageId(1), &image) {
            check(&volume.tree);
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    vec![image()]
}

/// Makes the tag at the start of a sector cover nothing, with the right checksum.
fn mend(sector: &mut [u8]) {
    if sector.iter().take(16).all(|byte| *byte == 0) {
        return;
    }
    sector[8..12].fill(0);
    sector[4] = 0;
    sector[4] = sector[..16]
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
}

/// Returns an image without its first 256 sectors: anchor, descriptors, and a partition with a file in
/// two extents and one in its entry.
fn image() -> Vec<u8> {
    let mut image = vec![0; 40 * SECTOR];
    let mut put = |sector: u32, id: u16, location: u32, fields: &[(usize, &[u8])]| {
        let at = (sector as usize - FIRST) * SECTOR;
        let bytes = &mut image[at..at + SECTOR];
        bytes[..2].copy_from_slice(&id.to_le_bytes());
        bytes[12..16].copy_from_slice(&location.to_le_bytes());
        for (at, field) in fields {
            bytes[*at..*at + field.len()].copy_from_slice(field);
        }
        mend(bytes);
    };
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    put(256, 2, 256, &[(16, &words(&[4 * 512, 257]))]);
    put(257, 5, 257, &[(188, &words(&[START, 30]))]);
    let volume: [(usize, &[u8]); 7] = [
        (84, b"\x08DISC"),
        (212, &[0, 2, 0, 0]),
        (217, b"*OSTA UDF Compliant"),
        (240, &[1, 2]),
        (248, &words(&[512, 0])),
        (264, &words(&[6, 1])),
        (440, &[1, 6, 1, 0, 0, 0]),
    ];
    put(258, 6, 258, &volume);
    put(259, 8, 259, &[]);
    put(START, 256, 0, &[(400, &words(&[512, 1]))]);
    let names = [name("a", 0, 2), name("d", 2, 3), name("b", 0, 4)].concat();
    let entry = |kind: u8, flags: u8, len: usize, data: &[u8]| {
        let mut bytes = vec![0; 160];
        bytes[4] = 4;
        bytes[11] = kind;
        bytes[18] = flags;
        bytes[40] = u8::try_from(len).expect("a short file");
        bytes[156] = u8::try_from(data.len()).expect("few descriptors");
        bytes.extend_from_slice(data);
        bytes
    };
    put(
        START + 1,
        261,
        1,
        &[(16, &entry(4, 3, names.len(), &names))],
    );
    put(START + 2, 261, 2, &[(16, &entry(5, 3, 5, b"bytes"))]);
    put(START + 3, 261, 3, &[(16, &entry(4, 3, 0, b""))]);
    let extents = words(&[100, 10, 100, 12]);
    put(START + 4, 261, 4, &[(16, &entry(5, 0, 200, &extents))]);
    image
}

/// Returns a name in a directory. Its tag covers nothing.
fn name(name: &str, flags: u8, block: u8) -> Vec<u8> {
    let mut bytes = vec![0; 38];
    bytes[..2].copy_from_slice(&257u16.to_le_bytes());
    bytes[18..20].copy_from_slice(&[flags, 2]);
    bytes[21] = 2;
    bytes[24] = block;
    bytes.push(8);
    bytes.extend_from_slice(name.as_bytes());
    bytes[4] = bytes[..16]
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
