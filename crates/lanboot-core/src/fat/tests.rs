//! File systems made byte by byte: what no tool would write. Those that mtools writes are read in
//! `tests/fat_mtools.rs`.

use super::*;
use crate::vfs::{Content, Damage, ImageId, Source};

const IMAGE: ImageId = ImageId(3);
/// Clusters of 512 bytes behind the boot sector, the table and the root directory.
const CLUSTERS: usize = 64;
const DATA: usize = 3 * 512;

/// A FAT12 file system.
#[derive(Clone)]
struct Fat {
    bytes: Vec<u8>,
    entries: usize,
}

impl Fat {
    fn new() -> Self {
        let mut bytes = vec![0; DATA + CLUSTERS * 512];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(11, &512u16.to_le_bytes());
        put(13, &[1, 1, 0, 1, 16, 0, 67, 0, 0xf8, 1, 0]);
        put(38, b"\x29\x34\x12\xcd\xabESP        ");
        Self { bytes, entries: 0 }
    }

    /// Records which cluster follows which.
    fn chain(mut self, links: &[(usize, u16)]) -> Self {
        for &(cluster, next) in links {
            let at = 512 + cluster + cluster / 2;
            let pair = u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]);
            let pair = match cluster % 2 {
                0 => pair & 0xf000 | next,
                _ => pair & 0xf | next << 4,
            };
            self.bytes[at..at + 2].copy_from_slice(&pair.to_le_bytes());
        }
        self
    }

    /// Adds an entry to the root directory.
    fn entry(mut self, name: &[u8; 11], attributes: u8, first: u16, len: u32) -> Self {
        let at = 1024 + self.entries * 32;
        self.bytes[at..at + 32].copy_from_slice(&entry(name, attributes, first, len));
        self.entries += 1;
        self
    }

    fn put(mut self, cluster: usize, bytes: &[u8]) -> Self {
        let at = DATA + (cluster - 2) * 512;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn read(&self) -> Volume {
        read(IMAGE, &self.bytes, 0..self.bytes.len()).unwrap()
    }
}

fn entry(name: &[u8; 11], attributes: u8, first: u16, len: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..11].copy_from_slice(name);
    bytes[11] = attributes;
    bytes[26..28].copy_from_slice(&first.to_le_bytes());
    bytes[28..].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// Reads with a range of `usize`.
fn read(
    image: ImageId,
    bytes: &Vec<u8>,
    range: std::ops::Range<usize>,
) -> Result<Volume, FatError> {
    super::read(image, bytes, range.start as u64..range.end as u64)
}

fn bytes(fat: &[u8], content: &Content) -> Vec<u8> {
    let pieces = content.pieces().iter();
    pieces
        .flat_map(|piece| match piece.source {
            Source::Image { image, offset } => {
                assert_eq!(image, IMAGE);
                let from = usize::try_from(offset).unwrap();
                fat[from..from + usize::try_from(piece.len).unwrap()].to_vec()
            }
            _ => panic!("{piece:?}"),
        })
        .collect()
}

const END: u16 = 0xfff;

#[test]
fn a_file_in_several_runs_is_read_in_order() {
    let fat = Fat::new()
        .entry(b"KERNEL  BIN", 0x20, 5, 1200)
        .chain(&[(5, 6), (6, 3), (3, END)])
        .put(5, &[1; 512])
        .put(6, &[2; 512])
        .put(3, &[3; 512]);
    let volume = fat.read();
    assert_eq!(volume.kind, FatKind::Fat12);
    assert_eq!(
        (volume.label.as_str(), volume.uuid.as_str()),
        ("ESP", "ABCD-1234")
    );
    assert_eq!(volume.warnings, [""; 0]);
    let content = volume.tree.file("KERNEL.BIN").unwrap();
    assert_eq!(content.pieces().len(), 2);
    let expected = [vec![1; 512], vec![2; 512], vec![3; 176]].concat();
    assert_eq!(bytes(&fat.bytes, content), expected);
}

#[test]
fn it_may_lie_anywhere_in_the_image() {
    let fat = Fat::new()
        .entry(b"A          ", 0, 2, 3)
        .chain(&[(2, END)])
        .put(2, b"abc");
    let image = [vec![9; 700], fat.bytes.clone()].concat();
    let volume = read(IMAGE, &image, 700..image.len()).unwrap();
    assert_eq!(bytes(&image, volume.tree.file("A").unwrap()), b"abc");
    assert!(matches!(
        read(IMAGE, &image, 0..image.len()),
        Err(FatError::NotFat { at: 0 })
    ));
}

#[test]
fn damaged_chains_are_missing_bytes() {
    for (links, len, warned) in [
        // It ends too soon, leads to a free cluster, past the last one, or back to itself.
        (&[(5, END)][..], 1200, true),
        (&[(5, 6)], 1200, true),
        (&[(5, 0x300)], 1200, true),
        (&[(5, 6), (6, 5)], 1200, true),
        // Longer than its length says.
        (&[(5, 6), (6, 7), (7, END)], 600, false),
    ] {
        let fat = Fat::new().entry(b"A          ", 0, 5, len).chain(links);
        let volume = fat.read();
        let content = volume.tree.file("A").unwrap();
        assert_eq!(content.len(), u64::from(len));
        assert_eq!(
            content.damage(),
            warned.then_some(Damage::Unlocated),
            "{links:?}"
        );
        assert_eq!(volume.warnings.len(), usize::from(warned), "{links:?}");
    }
}

#[test]
fn files_that_share_a_cluster_are_both_damaged() {
    let fat = Fat::new()
        .entry(b"A          ", 0, 5, 1024)
        .entry(b"B          ", 0, 8, 1024)
        .entry(b"C          ", 0, 9, 512)
        .chain(&[(5, 6), (6, END), (8, 6), (9, END)]);
    let tree = fat.read().tree;
    let damage = |name: &str| tree.file(name).unwrap().damage();
    assert_eq!(damage("A"), Some(Damage::Unlocated));
    assert_eq!(damage("B"), Some(Damage::Unlocated));
    assert_eq!(damage("C"), None);
}

#[test]
fn folders_that_lead_back_are_read_once() {
    let mut inside = entry(b"LOOP       ", 0x10, 4, 0).to_vec();
    inside.extend(entry(b"..         ", 0x10, 0, 0));
    let fat = Fat::new()
        .entry(b"EFI        ", 0x10, 4, 0)
        .chain(&[(4, END)])
        .put(4, &inside);
    let volume = fat.read();
    assert!(volume.tree.is_directory("EFI/LOOP"));
    assert!(!volume.tree.is_directory("EFI/LOOP/LOOP"));
    assert_eq!(volume.warnings.len(), 1, "{:?}", volume.warnings);
}

#[test]
fn what_lies_past_the_end_is_missing() {
    let fat = Fat::new()
        .entry(b"A          ", 0, 5, 1024)
        .chain(&[(5, 6), (6, END)]);
    let mut cut = fat.bytes.clone();
    cut.truncate(DATA + 4 * 512 - 100);
    let volume = read(IMAGE, &cut, 0..cut.len()).unwrap();
    assert_eq!(volume.len, fat.bytes.len() as u64);
    let damage = volume.tree.file("A").unwrap().damage();
    let expected = Damage::Incomplete {
        present: 412,
        recorded: 1024,
    };
    assert_eq!(damage, Some(expected));
    cut.truncate(1000);
    let refused = read(IMAGE, &cut, 0..cut.len());
    assert!(matches!(refused, Err(FatError::CutShort { at: 0 })));
    let empty = Vec::new();
    assert!(empty.is_empty() && read(IMAGE, &empty, 0..0).is_err());
}

#[test]
fn long_names_need_every_part_and_the_right_checksum() {
    let short = b"LOADER~1CON";
    let sum = short
        .iter()
        .fold(0u8, |sum, b| sum.rotate_right(1).wrapping_add(*b));
    let part = |order: u8, text: &str, sum: u8| {
        let mut units: Vec<u16> = text.encode_utf16().collect();
        units.push(0);
        units.resize(13, 0xffff);
        let mut bytes = [0; 32];
        bytes[0] = order;
        bytes[11] = 0x0f;
        bytes[13] = sum;
        let places = (1..11).chain(14..26).chain(28..32).step_by(2);
        for (at, unit) in places.zip(&units) {
            bytes[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        bytes
    };
    let name = |parts: &[[u8; 32]]| {
        let mut entries = directory::Entries::default();
        for part in parts {
            assert_eq!(entries.next(part), None);
        }
        match entries.next(&entry(short, 0x20, 5, 1)) {
            Some(directory::Entry::Node(node)) => node.name,
            other => panic!("{other:?}"),
        }
    };
    let (last, first) = (part(0x42, "nf", sum), part(1, "loader-名-éx.c", sum));
    assert_eq!(name(&[last, first]), "loader-名-éx.cnf");
    for wrong in [
        &[first][..],
        &[last],
        &[first, last],
        &[part(0x42, "nf", sum ^ 1), first],
        &[last, part(1, "loader-名-éx.c", sum ^ 1)],
        &[part(0x40, "", sum)],
        &[part(0x7f, "x", sum)],
    ] {
        assert_eq!(name(wrong), "LOADER~1.CON");
    }
}

#[test]
fn other_boot_sectors_are_not_fat() {
    let mut fat = Fat::new();
    for (at, value) in [
        (12, 3),
        (13, 3),
        (14, 0),
        (16, 0),
        (16, 3),
        (21, 0),
        (19, 2),
    ] {
        let before = std::mem::replace(&mut fat.bytes[at], value);
        let refused = read(IMAGE, &fat.bytes, 0..fat.bytes.len());
        assert!(matches!(refused, Err(FatError::NotFat { .. })), "{at}");
        fat.bytes[at] = before;
    }
    assert!(fat.read().tree.is_empty());
}
