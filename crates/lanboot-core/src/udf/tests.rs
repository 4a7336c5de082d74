//! File systems made byte by byte: structures that no tool at hand writes with contents, and damage.
//! Those of genisoimage and mkudffs are read in `tests/udf_tools.rs`.

#![allow(clippy::cast_possible_truncation)] // Sectors of a small image.

use super::*;
use crate::vfs::{Content, Damage, ImageId, Kind, Meta, NodeId, Source};

const IMAGE: ImageId = ImageId(5);
const BLOCK: usize = 2048;
/// First sector and number of blocks of the partition.
const START: usize = 300;
const BLOCKS: usize = 60;
/// Sector of the main sequence of descriptors, and of the reserve.
const MAIN: usize = 32;
const RESERVE: usize = 64;

/// Kind of the partition that the file set is in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    Physical,
    Sparable,
    Virtual,
    Metadata,
}

/// An image. Blocks of the file set's partition are written by their number there.
#[derive(Clone)]
struct Disc {
    bytes: Vec<u8>,
    kept: Kept,
}

/// Returns a descriptor with a valid tag.
fn tagged(identifier: u16, location: u32, body: &[u8]) -> Vec<u8> {
    let mut tag = Vec::new();
    tag.extend(identifier.to_le_bytes());
    tag.extend([3, 0, 0, 0, 1, 0]);
    tag.extend(tag::crc(body).to_le_bytes());
    tag.extend(u16::try_from(body.len()).unwrap().to_le_bytes());
    tag.extend(location.to_le_bytes());
    tag[4] = tag.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [tag, body.to_vec()].concat()
}

/// Returns zeros with these fields at their offsets from the start of the descriptor.
fn body(len: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (at, field) in fields {
        bytes[*at..*at + field.len()].copy_from_slice(field);
    }
    bytes[16..].to_vec()
}

fn long(len: u32, block: u32, partition: u16) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes[4..8].copy_from_slice(&block.to_le_bytes());
    bytes[8..10].copy_from_slice(&partition.to_le_bytes());
    bytes
}

fn short(len: u32, block: u32) -> [u8; 8] {
    let bytes = long(len, block, 0);
    *bytes.first_chunk().unwrap()
}

fn extended(len: u32, block: u32, partition: u16) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes[12..16].copy_from_slice(&block.to_le_bytes());
    bytes[16..18].copy_from_slice(&partition.to_le_bytes());
    bytes
}

/// Returns a file entry; `kind` is the file type, `flags` the kind of its descriptors.
fn entry(block: u32, kind: u8, len: u64, flags: u8, descriptors: &[u8]) -> Vec<u8> {
    let mut bytes = body(
        176,
        &[
            (20, &4u16.to_le_bytes()),
            (27, &[kind]),
            (34, &[flags]),
            (36, &[0xff; 8]),
            (44, &0b11111_10101_01100u32.to_le_bytes()),
            (48, &[1]),
            (56, &len.to_le_bytes()),
            (84, &[0, 0x10, 0xea, 7, 3, 1, 10, 20, 30]),
            (
                172,
                &u32::try_from(descriptors.len()).unwrap().to_le_bytes(),
            ),
        ],
    );
    bytes.extend(descriptors);
    tagged(tag::FILE_ENTRY, block, &bytes)
}

/// Returns a name in a directory.
fn name(name: &str, flags: u8, icb: (u16, u32)) -> Vec<u8> {
    let name = [b"\x08", name.as_bytes()].concat();
    let mut bytes = body(
        38,
        &[
            (18, &[flags, u8::try_from(name.len()).unwrap()]),
            (20, &long(2048, icb.1, icb.0)),
        ],
    );
    bytes.extend(name);
    let mut bytes = tagged(tag::FILE_IDENTIFIER, 0, &bytes);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

impl Disc {
    /// Makes a volume whose root directory has these names.
    fn new(kept: Kept, names: &[Vec<u8>]) -> Self {
        let mut disc = Self {
            bytes: vec![0; (START + BLOCKS) * BLOCK],
            kept,
        };
        disc.sector(17, b"\0NSR02\x01");
        let extent = |at: usize| {
            [(16 * BLOCK) as u32, at as u32]
                .map(u32::to_le_bytes)
                .concat()
        };
        let anchor = body(512, &[(16, &extent(MAIN)), (24, &extent(RESERVE))]);
        disc.tagged(256, tag::ANCHOR, &anchor);
        for at in [MAIN, RESERVE] {
            disc.descriptors(at);
        }
        match kept {
            Kept::Sparable => {
                let table = body(
                    72,
                    &[
                        (17, b"*UDF Sparing Table"),
                        (48, &[2]),
                        (56, &[[4u32, 280], [u32::MAX, 284]].concat().map_le()),
                    ],
                );
                disc.tagged(100, tag::SPARING_TABLE, &table);
            }
            Kept::Virtual => {
                let table: Vec<u8> = (0..30u32).flat_map(|n| (49 - n).to_le_bytes()).collect();
                let table = [&[152, 0][..], &[0; 150], &table].concat();
                let last = BLOCKS - 1;
                let icb = entry(last as u32, 248, table.len() as u64, 3, &table);
                disc.sector(START + last, &icb);
            }
            Kept::Metadata => {
                // The first entry is damaged: its mirror counts.
                let runs = [short(4 * 2048, 44), short(20 * 2048, 20)].concat();
                let icb = entry(55, 251, 24 * 2048, 0, &runs);
                disc.sector(START + 55, &icb);
            }
            Kept::Physical => {}
        }
        let reference = disc.reference();
        let set = body(512, &[(400, &long(2048, 1, reference))]);
        disc.put(0, &tagged(tag::FILE_SET, 0, &set));
        let names = [&[name("", 0x0a, (reference, 1))], names].concat().concat();
        disc.put(1, &entry(1, 4, names.len() as u64, 3, &names));
        disc
    }

    fn descriptors(&mut self, at: usize) {
        let mut set = b"\x080123456789ABCDEFrest".to_vec();
        set.resize(127, 0);
        set.push(21);
        self.tagged(at, tag::PRIMARY_VOLUME, &body(512, &[(72, &set)]));
        let sectors = [START as u32, BLOCKS as u32].map_le();
        self.tagged(at + 1, tag::PARTITION, &body(512, &[(188, &sectors)]));
        let mut label = b"\x08DISC".to_vec();
        label.resize(127, 0);
        label.push(5);
        let (maps, count) = self.maps();
        let volume = body(
            440 + maps.len(),
            &[
                (84, &label),
                (212, &[0, 8, 0, 0]),
                (217, b"*OSTA UDF Compliant"),
                (240, &[0x50, 0x02]),
                (248, &long(2048, 0, self.reference())),
                (264, &[maps.len() as u32, count].map_le()),
                (440, &maps),
            ],
        );
        self.tagged(at + 2, tag::LOGICAL_VOLUME, &volume);
        self.tagged(at + 3, tag::TERMINATING, &body(512, &[]));
    }

    fn maps(&self) -> (Vec<u8>, u32) {
        let physical = vec![1, 6, 1, 0, 0, 0];
        let mut special = vec![0; 64];
        special[..2].copy_from_slice(&[2, 64]);
        let mut put = |at: usize, field: &[u8]| {
            special[at..at + field.len()].copy_from_slice(field);
        };
        match self.kept {
            Kept::Physical => return (physical, 1),
            Kept::Sparable => {
                put(5, b"*UDF Sparable Partition");
                put(40, &[4, 0, 2, 0]);
                put(44, &[2048u32, 99, 100].map_le());
                return (special, 1);
            }
            Kept::Virtual => put(5, b"*UDF Virtual Partition"),
            Kept::Metadata => {
                put(5, b"*UDF Metadata Partition");
                put(40, &[54u32, 55].map_le());
            }
        }
        ([physical, special].concat(), 2)
    }

    /// Returns the partition reference of the file set.
    fn reference(&self) -> u16 {
        match self.kept {
            Kept::Physical | Kept::Sparable => 0,
            Kept::Virtual | Kept::Metadata => 1,
        }
    }

    /// Writes a block of the file set's partition.
    fn put(&mut self, block: usize, bytes: &[u8]) -> &mut Self {
        let sector = match (self.kept, block) {
            (Kept::Sparable, 4..8) => 280 + block - 4,
            (Kept::Virtual, _) => START + 49 - block,
            (Kept::Metadata, 0..4) => START + 44 + block,
            (Kept::Metadata, _) => START + 20 + block - 4,
            _ => START + block,
        };
        self.sector(sector, bytes)
    }

    fn tagged(&mut self, sector: usize, identifier: u16, body: &[u8]) {
        self.sector(sector, &tagged(identifier, sector as u32, body));
    }

    fn sector(&mut self, sector: usize, bytes: &[u8]) -> &mut Self {
        let at = sector * BLOCK;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn read(&self) -> Volume {
        read(IMAGE, &self.bytes).unwrap()
    }

    fn refused(&self) -> String {
        read(IMAGE, &self.bytes).unwrap_err().to_string()
    }

    fn content(&self, content: &Content) -> Vec<u8> {
        let pieces = content.pieces().iter();
        pieces
            .flat_map(|piece| match piece.source {
                Source::Image { image, offset } => {
                    assert_eq!(image, IMAGE);
                    let from = usize::try_from(offset).unwrap();
                    self.bytes[from..from + usize::try_from(piece.len).unwrap()].to_vec()
                }
                Source::Zero => vec![0; usize::try_from(piece.len).unwrap()],
                _ => panic!("{piece:?}"),
            })
            .collect()
    }
}

trait Words {
    fn map_le(self) -> Vec<u8>;
}

impl<T: AsRef<[u32]>> Words for T {
    fn map_le(self) -> Vec<u8> {
        let words = self.as_ref().iter();
        words.flat_map(|word| word.to_le_bytes()).collect()
    }
}

const EVERY: [Kept; 4] = [
    Kept::Physical,
    Kept::Sparable,
    Kept::Virtual,
    Kept::Metadata,
];

#[test]
fn files_are_read_from_every_kind_of_partition() {
    for kept in EVERY {
        let reference = Disc::new(kept, &[]).reference();
        let at = |block| (reference, block);
        let names = [
            name("embedded", 0, at(2)),
            name("folder", 2, at(3)),
            name("deleted", 4, at(2)),
        ];
        let mut disc = Disc::new(kept, &names);
        disc.put(2, &entry(2, 5, 5, 3, b"bytes"));
        // A folder with its names in a block of its own, and a file of two blocks.
        let names = [
            name("", 0x0a, at(1)),
            name("file", 0, at(6)),
            name("link", 0, at(7)),
        ]
        .concat();
        let len = u32::try_from(names.len()).unwrap();
        disc.put(3, &entry(3, 4, u64::from(len), 0, &short(len, 5)));
        disc.put(5, &names);
        let runs = [long(2048, 8, reference), long(100, 10, reference)].concat();
        disc.put(6, &entry(6, 5, 2148, 1, &runs));
        disc.put(7, &entry(7, 12, 13, 3, b"\x03\0\0\0\x05\x05\0\0\x08embe"));
        disc.put(8, &[8; 2048]).put(10, &[10; 100]);
        let volume = disc.read();
        assert_eq!(volume.label, "DISC", "{kept:?}");
        assert_eq!(volume.revision.to_string(), "2.50");
        assert_eq!(volume.uuid.as_deref(), Some("0123456789abcdef"));
        assert_eq!(volume.warnings, [""; 0], "{kept:?}");
        let tree = &volume.tree;
        assert_eq!(tree.entries(Tree::ROOT).len(), 2);
        assert_eq!(disc.content(tree.file("embedded").unwrap()), b"bytes");
        let expected = [vec![8; 2048], vec![10; 100]].concat();
        assert_eq!(
            disc.content(tree.file("folder/file").unwrap()),
            expected,
            "{kept:?}"
        );
        let folder = tree.lookup(Tree::ROOT, b"folder").unwrap();
        let link = tree.lookup(folder, b"link").unwrap();
        let expected = Kind::Symlink(b"../embe"[..].into());
        assert_eq!(tree.node(link).unwrap().kind, expected);
        let meta = tree.node(folder).unwrap().meta;
        let expected = Meta {
            mode: 0o754,
            modified: 1_772_360_430,
            ..Meta::default()
        };
        assert_eq!(meta, expected);
    }
}

/// Reads a file of the root directory with this entry at block 2, and what is said of it.
fn of_entry(icb: &[u8]) -> (Disc, Content, Vec<String>) {
    let mut disc = Disc::new(Kept::Physical, &[name("file", 0, (0, 2))]);
    disc.put(2, icb);
    for block in 10..40 {
        disc.put(block, &[u8::try_from(block).unwrap(); 2048]);
    }
    let volume = disc.read();
    let content = volume.tree.file("file").unwrap().clone();
    (disc, content, volume.warnings)
}

#[test]
fn descriptors_of_every_kind_are_followed() {
    let runs = [[2048, 10], [2048, 12], [50, 14]];
    let expected = [vec![10; 2048], vec![12; 2048], vec![14; 50]].concat();
    let all: [(u8, Vec<u8>); 3] = [
        (
            0,
            runs.iter().flat_map(|[len, at]| short(*len, *at)).collect(),
        ),
        (
            1,
            runs.iter()
                .flat_map(|[len, at]| long(*len, *at, 0))
                .collect(),
        ),
        (
            2,
            runs.iter()
                .flat_map(|[len, at]| extended(*len, *at, 0))
                .collect(),
        ),
    ];
    for (flags, descriptors) in all {
        let (disc, content, said) = of_entry(&entry(2, 5, 4146, flags, &descriptors));
        assert_eq!(disc.content(&content), expected);
        assert_eq!(said, [""; 0]);
    }
}

#[test]
fn what_is_not_recorded_is_zeros_and_the_last_extent_may_be_longer() {
    let runs = [
        short(2048, 10),
        short(1 << 30 | 2048, 11),
        short(2 << 30 | 2048, 0),
        short(4096, 12),
    ];
    let (disc, content, said) = of_entry(&entry(2, 5, 3 * 2048 + 1, 0, &runs.concat()));
    let expected = [vec![10; 2048], vec![0; 4096], vec![12; 1]].concat();
    assert_eq!(disc.content(&content), expected);
    assert_eq!(said, [""; 0]);
}

#[test]
fn descriptors_continue_in_further_blocks_and_loops_end() {
    let runs = [short(2048, 10), short(3 << 30 | 2048, 3)].concat();
    let icb = entry(2, 5, 4096, 0, &runs);
    let mut disc = Disc::new(Kept::Physical, &[name("file", 0, (0, 2))]);
    disc.put(2, &icb);
    let block = |descriptors: &[u8]| {
        let len = u32::try_from(descriptors.len()).unwrap().to_le_bytes();
        let bytes = body(24, &[(20, &len)]);
        tagged(
            tag::ALLOCATION_EXTENT,
            3,
            &[bytes, descriptors.to_vec()].concat(),
        )
    };
    disc.put(3, &block(&short(2048, 12)));
    disc.put(10, &[10; 2048]).put(12, &[12; 2048]);
    let volume = disc.read();
    let content = volume.tree.file("file").unwrap();
    assert_eq!(disc.content(content), [[10; 2048], [12; 2048]].concat());
    // A block of descriptors that continues in itself.
    disc.put(3, &block(&short(3 << 30 | 2048, 3)));
    let volume = disc.read();
    let content = volume.tree.file("file").unwrap();
    assert_eq!(
        (content.len(), content.damage()),
        (4096, Some(Damage::Unlocated))
    );
}

#[test]
fn damaged_files_are_missing_bytes() {
    for (icb, what) in [
        // Its extents end too soon, and lead out of the partition.
        (entry(2, 5, 5000, 0, &short(2048, 10)), Damage::Unlocated),
        (entry(2, 5, 5000, 0, &short(5000, 59)), Damage::Unlocated),
        (entry(2, 5, 5000, 1, &long(5000, 10, 7)), Damage::Unlocated),
        (
            entry(2, 5, u64::MAX, 0, &short(2048, 10)),
            Damage::Unlocated,
        ),
        (entry(2, 5, 9, 3, b"short"), Damage::Unlocated),
    ] {
        let (_, content, said) = of_entry(&icb);
        assert_eq!(content.damage(), Some(what));
        assert_eq!(said.len(), 1, "{said:?}");
    }
}

#[test]
fn an_entry_without_a_valid_tag_is_left_out() {
    for damage in [0, 4, 8, 12, 60] {
        let mut icb = entry(2, 5, 5, 3, b"bytes");
        icb[damage] ^= 1;
        let mut disc = Disc::new(
            Kept::Physical,
            &[name("file", 0, (0, 2)), name("x", 0, (0, 99))],
        );
        disc.put(2, &icb);
        let volume = disc.read();
        assert!(volume.tree.is_empty());
        let expected = [
            "is damaged: '/file' has no valid file entry",
            "is damaged: '/x' is recorded outside its partition",
        ];
        assert_eq!(volume.warnings, expected);
    }
}

#[test]
fn folders_that_lead_back_are_read_once() {
    let names = [
        name("loop", 2, (0, 1)),
        name("a", 2, (0, 2)),
        name("b", 2, (0, 2)),
    ];
    let mut disc = Disc::new(Kept::Physical, &names);
    let inside = name("up", 2, (0, 1));
    disc.put(2, &entry(2, 4, inside.len() as u64, 3, &inside));
    let volume = disc.read();
    assert_eq!(volume.tree.len(), 5);
    assert_eq!(volume.warnings.len(), 3, "{:?}", volume.warnings);
}

#[test]
fn a_replaced_entry_is_the_newest() {
    let mut old = entry(2, 5, 3, 3, b"old")[16..].to_vec();
    old[4..6].copy_from_slice(&4096u16.to_le_bytes());
    let mut disc = Disc::new(Kept::Physical, &[name("file", 0, (0, 2))]);
    disc.put(2, &tagged(tag::FILE_ENTRY, 2, &old));
    assert_eq!(disc.content(disc.read().tree.file("file").unwrap()), b"old");
    let indirect = body(52, &[(36, &long(2048, 6, 0))]);
    disc.put(3, &tagged(tag::INDIRECT_ENTRY, 3, &indirect));
    disc.put(6, &entry(6, 5, 3, 3, b"new"));
    assert_eq!(disc.content(disc.read().tree.file("file").unwrap()), b"new");
    // One that replaces itself.
    let indirect = body(52, &[(36, &long(2048, 2, 0))]);
    disc.put(3, &tagged(tag::INDIRECT_ENTRY, 3, &indirect));
    assert!(disc.read().tree.file("file").is_some());
}

#[test]
fn the_reserve_counts_when_the_main_sequence_is_damaged() {
    let mut disc = Disc::new(Kept::Physical, &[]);
    for sector in MAIN..MAIN + 4 {
        disc.sector(sector, &[0; 16]);
    }
    assert_eq!(disc.read().label, "DISC");
    for sector in RESERVE..RESERVE + 4 {
        disc.sector(sector, &[0; 16]);
    }
    let refused = disc.refused();
    let expected = "holds a damaged UDF file system: the logical volume descriptor cannot be found";
    assert_eq!(refused, expected);
    disc.sector(256, &[0; 16]);
    assert!(disc.refused().contains("no anchor"));
}

#[test]
fn every_kind_of_partition_needs_its_structures() {
    for (kept, sector) in [
        (Kept::Virtual, START + BLOCKS - 1),
        (Kept::Metadata, START + 55),
        (Kept::Physical, START),
        (Kept::Physical, START + 1),
    ] {
        let mut disc = Disc::new(kept, &[]);
        assert_eq!(disc.read().warnings, [""; 0]);
        disc.sector(sector, &[0; 16]);
        assert!(disc.refused().starts_with("holds a damaged"), "{kept:?}");
    }
}

#[test]
fn an_image_cut_short_says_so() {
    let icb = entry(2, 5, 4096, 0, &short(4096, 50));
    let mut disc = Disc::new(Kept::Physical, &[name("file", 0, (0, 2))]);
    disc.put(2, &icb);
    assert_eq!(disc.read().warnings, [""; 0]);
    disc.bytes.truncate((START + 51) * BLOCK);
    let volume = disc.read();
    let expected = Damage::Incomplete {
        present: 2048,
        recorded: 4096,
    };
    assert_eq!(volume.tree.file("file").unwrap().damage(), Some(expected));
    assert_eq!(volume.len, ((START + BLOCKS) * BLOCK) as u64);
    assert_eq!(volume.warnings.len(), 2, "{:?}", volume.warnings);
    assert!(volume.tree.node(NodeId(1)).is_some());
}

#[test]
fn a_file_system_says_that_it_is_one() {
    let mut disc = Disc::new(Kept::Physical, &[]);
    assert!(is_udf(&disc.bytes));
    disc.sector(17, &[0; 16]);
    assert!(!is_udf(&disc.bytes));
    assert!(!is_udf(&Vec::new()));
}
