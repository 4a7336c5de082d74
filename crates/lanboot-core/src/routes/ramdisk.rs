//! A small disk as one file: FAT16 (Microsoft's FAT specification, 2000), made for firmware that
//! takes a disk image by UEFI HTTP Boot and starts `EFI/BOOT` on it.
//!
//! Only what such a disk needs: it is written once and read by firmware, shim and GRUB. Every file
//! is one run of clusters, and its bytes stay where they are, in memory or in an image.

use std::collections::BTreeMap;

use crate::vfs::{Content, Piece, Source};

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Sectors of a cluster.
const CLUSTER_SECTORS: u8 = 4;
/// Bytes of a cluster.
const CLUSTER: u64 = SECTOR * CLUSTER_SECTORS as u64;
/// With fewer clusters it would be FAT12. A few more than the specification's 4085, because some
/// drivers count wrong by a few.
const MIN_CLUSTERS: u64 = 4200;
/// With more it would be FAT32.
const MAX_CLUSTERS: u64 = 65_000;
/// Entries of the root directory, the usual number.
const ROOT_ENTRIES: u64 = 512;
/// Bytes of a directory entry.
const ENTRY: usize = 32;
/// Marks the last cluster of a file.
const END_OF_CHAIN: u16 = 0xffff;

/// The content of a directory, by name.
#[derive(Default)]
struct Directory {
    entries: BTreeMap<String, Node>,
}

enum Node {
    Directory(Directory),
    File(Content),
}

/// A disk with these files, by their paths; `None` when they do not fit on one. Names are ASCII,
/// and no folder has names that differ only behind their sixth letter.
pub(super) fn fat(files: Vec<(String, Content)>) -> Option<Content> {
    let mut root = Directory::default();
    for (path, content) in files {
        root.add(&path, content)?;
    }
    let mut volume = Volume {
        table: vec![0xfff8, END_OF_CHAIN],
        data: Vec::new(),
    };
    let root = volume.directory(&root, None)?;
    if root.len() as u64 > ROOT_ENTRIES * ENTRY as u64 {
        return None;
    }
    let used = volume.table.len() as u64;
    let clusters = used.max(MIN_CLUSTERS);
    if clusters > MAX_CLUSTERS {
        return None;
    }
    let table_sectors = ((clusters + 2) * 2).div_ceil(SECTOR);
    let mut table: Vec<u8> = volume.table.iter().flat_map(|c| c.to_le_bytes()).collect();
    table.resize(usize::try_from(table_sectors * SECTOR).ok()?, 0);
    let mut pieces = vec![
        memory(boot_sector(clusters, table_sectors)?),
        memory(table.clone()),
        memory(table),
    ];
    pieces.extend(padded(root, ROOT_ENTRIES * ENTRY as u64));
    pieces.extend(volume.data);
    // Two numbers of the table have no cluster.
    let rest = (clusters + 2).saturating_sub(used) * CLUSTER;
    pieces.push(zeros(rest));
    Some(Content::new(pieces))
}

impl Directory {
    /// Puts a file in, with the folders on the way.
    fn add(&mut self, path: &str, content: Content) -> Option<()> {
        let names = path.split('/').filter(|name| !name.is_empty());
        let names: Vec<&str> = names.collect();
        let (file, folders) = names.split_last()?;
        let mut at = self;
        for name in folders {
            let new = || Node::Directory(Self::default());
            let name = at.known(name);
            at = match at.entries.entry(name).or_insert_with(new) {
                Node::Directory(folder) => folder,
                Node::File(_) => return None,
            };
        }
        let file = at.known(file);
        at.entries.insert(file, Node::File(content));
        Some(())
    }

    /// Returns the name as it exists already: FAT ignores the case of letters.
    fn known(&self, name: &str) -> String {
        let same = self.entries.keys().find(|k| k.eq_ignore_ascii_case(name));
        same.cloned().unwrap_or_else(|| name.to_owned())
    }
}

/// The clusters given out so far, and what is in them.
struct Volume {
    table: Vec<u16>,
    data: Vec<Piece>,
}

impl Volume {
    /// A run of clusters for `len` bytes; 0 for none. What goes into it is pushed next.
    fn run(&mut self, len: u64) -> Option<u16> {
        let count = len.div_ceil(CLUSTER);
        if count == 0 {
            return Some(0);
        }
        let first = u16::try_from(self.table.len()).ok()?;
        let last = u16::try_from(u64::from(first) + count - 1).ok()?;
        self.table.extend((first..last).map(|cluster| cluster + 1));
        self.table.push(END_OF_CHAIN);
        Some(first)
    }

    /// Writes what is in `directory` and returns its own entries. `own` is its first cluster and
    /// its parent's, which all but the root write down.
    fn directory(&mut self, directory: &Directory, own: Option<(u16, u16)>) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        if let Some((own, parent)) = own {
            out.extend(entry(*b".          ", DIRECTORY, own, 0));
            out.extend(entry(*b"..         ", DIRECTORY, parent, 0));
        }
        let mut taken: Vec<[u8; 11]> = Vec::new();
        for (name, node) in &directory.entries {
            let short = short_name(name, &taken)?;
            taken.push(short);
            out.extend(long_entries(name, &short));
            match node {
                Node::File(content) => {
                    let len = u32::try_from(content.len()).ok()?;
                    let first = self.run(content.len())?;
                    self.data.extend(content.all().pieces());
                    self.data.push(zeros(padding(content.len())));
                    out.extend(entry(short, ARCHIVE, first, len));
                }
                Node::Directory(inside) => {
                    // Its own run comes before those of what is in it.
                    let len = inside.wire_len();
                    let first = self.run(len)?;
                    let at = self.data.len();
                    let bytes =
                        self.directory(inside, Some((first, own.map_or(0, |(own, _)| own))))?;
                    let padded = padded(bytes, len.div_ceil(CLUSTER) * CLUSTER);
                    self.data.splice(at..at, padded);
                    out.extend(entry(short, DIRECTORY, first, 0));
                }
            }
        }
        Some(out)
    }
}

impl Directory {
    /// Bytes of its entries, the two for itself and its parent among them.
    fn wire_len(&self) -> u64 {
        let entries = |name: &String| 1 + name.chars().count().div_ceil(LONG_CHARS);
        let count: usize = self.entries.keys().map(entries).sum();
        ((count + 2) * ENTRY) as u64
    }
}

const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
/// Attributes of an entry that holds a part of a long name.
const LONG_NAME: u8 = 0x0f;
/// Characters of a long name in one entry.
const LONG_CHARS: usize = 13;

/// A directory entry. Its date is the first day FAT knows.
fn entry(name: [u8; 11], attributes: u8, first: u16, len: u32) -> Vec<u8> {
    const FIRST_DAY: u16 = 0x21;
    let mut out = name.to_vec();
    out.push(attributes);
    out.extend([0; 12]);
    out.extend(FIRST_DAY.to_le_bytes());
    out.extend(first.to_le_bytes());
    out.extend(len.to_le_bytes());
    out
}

/// Eight letters and three, in upper case. One that does not fit is cut after six and numbered.
fn short_name(name: &str, taken: &[[u8; 11]]) -> Option<[u8; 11]> {
    let upper = name.to_ascii_uppercase();
    let (stem, suffix) = upper.rsplit_once('.').unwrap_or((&upper, ""));
    let plain = |text: &str| -> Vec<u8> {
        text.bytes()
            .filter(|b| b.is_ascii_alphanumeric() || *b == b'-')
            .collect()
    };
    let (stem, suffix) = (plain(stem), plain(suffix));
    let is_whole = stem.len() <= 8 && suffix.len() <= 3;
    let numbered = (1..=9u8).map(|n| {
        let cut = stem.iter().copied().take(6);
        cut.chain([b'~', b'0' + n]).collect::<Vec<u8>>()
    });
    let stems = is_whole.then(|| stem.clone()).into_iter().chain(numbered);
    let mut shorts = stems.map(|stem| {
        let mut short = [b' '; 11];
        let (of_stem, of_suffix) = short.split_at_mut(8);
        of_stem
            .iter_mut()
            .zip(stem)
            .for_each(|(to, from)| *to = from);
        of_suffix
            .iter_mut()
            .zip(&suffix)
            .for_each(|(to, from)| *to = *from);
        short
    });
    shorts.find(|short| !taken.contains(short))
}

/// The entries before a file's own that hold its name, the last part first.
fn long_entries(name: &str, short: &[u8; 11]) -> Vec<u8> {
    const LAST: u8 = 0x40;
    let sum = short
        .iter()
        .fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let letters: Vec<u16> = name.encode_utf16().collect();
    let count = letters.len().div_ceil(LONG_CHARS);
    let mut out = Vec::new();
    for (n, part) in letters.chunks(LONG_CHARS).enumerate().rev() {
        // The end is marked by a NUL, and the rest filled.
        let fill = [0].into_iter().chain(std::iter::repeat(0xffff));
        let part: Vec<u16> = part.iter().copied().chain(fill).take(LONG_CHARS).collect();
        let mut bytes = part.iter().flat_map(|letter| letter.to_le_bytes());
        let number = u8::try_from(n + 1).unwrap_or(LAST - 1);
        out.push(if n + 1 == count {
            number | LAST
        } else {
            number
        });
        out.extend(bytes.by_ref().take(10));
        out.extend([LONG_NAME, 0, sum]);
        out.extend(bytes.by_ref().take(12));
        out.extend([0, 0]);
        out.extend(bytes);
    }
    out
}

/// The first sector.
fn boot_sector(clusters: u64, table_sectors: u64) -> Option<Vec<u8>> {
    let root_sectors = ROOT_ENTRIES * ENTRY as u64 / SECTOR;
    let sectors = 1 + 2 * table_sectors + root_sectors + clusters * u64::from(CLUSTER_SECTORS);
    let short = u16::try_from(sectors).unwrap_or(0);
    let long = if short == 0 {
        u32::try_from(sectors).ok()?
    } else {
        0
    };
    let mut out = vec![0xeb, 0x3c, 0x90];
    out.extend_from_slice(b"lanboot ");
    out.extend(u16::try_from(SECTOR).ok()?.to_le_bytes());
    out.push(CLUSTER_SECTORS);
    out.extend(1u16.to_le_bytes());
    out.push(2);
    out.extend(u16::try_from(ROOT_ENTRIES).ok()?.to_le_bytes());
    out.extend(short.to_le_bytes());
    // A fixed disk; then the shape of one, which nobody asks for any more.
    out.push(0xf8);
    out.extend(u16::try_from(table_sectors).ok()?.to_le_bytes());
    out.extend(63u16.to_le_bytes());
    out.extend(255u16.to_le_bytes());
    out.extend(0u32.to_le_bytes());
    out.extend(long.to_le_bytes());
    out.extend([0x80, 0, 0x29]);
    out.extend_from_slice(b"LANB");
    out.extend_from_slice(b"NO NAME    FAT16   ");
    out.resize(510, 0);
    out.extend([0x55, 0xaa]);
    Some(out)
}

fn padding(len: u64) -> u64 {
    len.next_multiple_of(CLUSTER) - len
}

/// `bytes` and zeros up to `len`.
fn padded(bytes: Vec<u8>, len: u64) -> [Piece; 2] {
    let rest = len.saturating_sub(bytes.len() as u64);
    [memory(bytes), zeros(rest)]
}

fn memory(bytes: Vec<u8>) -> Piece {
    Piece {
        len: bytes.len() as u64,
        source: Source::Memory {
            bytes: bytes.into(),
            offset: 0,
        },
    }
}

fn zeros(len: u64) -> Piece {
    Piece {
        source: Source::Zero,
        len,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &Content) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in content.pieces() {
            match piece.memory() {
                Some(memory) => out.extend_from_slice(memory),
                None => out.resize(out.len() + usize::try_from(piece.len).unwrap(), 0),
            }
        }
        out
    }

    /// A text that is nowhere else on the disk.
    fn noise(seed: u8, len: usize) -> Vec<u8> {
        (0..len)
            .map(|n| u8::try_from(n * 7 % 251).unwrap() ^ seed)
            .collect()
    }

    fn files() -> Vec<(String, Vec<u8>)> {
        [
            ("EFI/BOOT/BOOTX64.EFI", 1_000_001),
            ("EFI/BOOT/grubx64.efi", 4_000_000),
            ("efi/boot/mmaa64.efi", 2048),
            ("EFI/debian/grub.cfg", 10),
            ("debian-installer/amd64/grub/grub.cfg", 0),
            ("grub/grub.cfg", 2049),
        ]
        .iter()
        .enumerate()
        .map(|(n, (path, len))| ((*path).to_owned(), noise(u8::try_from(n).unwrap(), *len)))
        .collect()
    }

    fn disk() -> Vec<u8> {
        let content = |(path, bytes): (String, Vec<u8>)| (path, Content::memory(bytes));
        bytes(&fat(files().into_iter().map(content).collect()).unwrap())
    }

    #[test]
    fn names_are_cut_and_numbered_where_they_do_not_fit() {
        let short = |name: &str, taken: &[[u8; 11]]| short_name(name, taken).unwrap();
        assert_eq!(&short("grub.cfg", &[]), b"GRUB    CFG");
        assert_eq!(&short("BOOTAA64.EFI", &[]), b"BOOTAA64EFI");
        let first = short("debian-installer", &[]);
        assert_eq!(&first, b"DEBIAN~1   ");
        assert_eq!(&short("debian-installed", &[first]), b"DEBIAN~2   ");
    }

    #[test]
    fn what_is_too_much_is_no_disk() {
        let huge = Content::in_image(crate::vfs::ImageId(1), 0, 200 << 20);
        assert_eq!(fat(vec![("a".into(), huge)]), None);
        let (file, inside) = (Content::memory(*b"x"), Content::memory(*b"y"));
        assert_eq!(fat(vec![("a".into(), file), ("A/b".into(), inside)]), None);
    }

    #[test]
    fn a_disk_is_as_long_as_it_says() {
        let disk = disk();
        let sectors = u64::from(u16::from_le_bytes([disk[19], disk[20]]));
        assert_eq!(disk.len() as u64, sectors * SECTOR);
        assert_eq!(&disk[510..512], &[0x55, 0xaa]);
        let empty = bytes(&fat(Vec::new()).unwrap());
        assert_eq!(empty.len(), disk.len(), "both are the smallest there is");
    }

    /// Every file by its short names, read through the table as a driver would.
    fn walk(disk: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let word = |at: usize| usize::from(u16::from_le_bytes([disk[at], disk[at + 1]]));
        let table_at = 512;
        let root_at = table_at + 2 * word(22) * 512;
        let data_at = root_at + word(17) * ENTRY;
        let cluster = usize::from(disk[13]) * 512;
        let chain = |first: usize| {
            let next = |at: &usize| {
                let next = word(table_at + at * 2);
                (next != 0xffff).then_some(next)
            };
            let run = std::iter::successors((first != 0).then_some(first), next);
            let at = |number: usize| data_at + (number - 2) * cluster;
            run.flat_map(|n| disk[at(n)..at(n) + cluster].to_vec())
                .collect::<Vec<u8>>()
        };
        let mut found = BTreeMap::new();
        let mut pending = vec![(String::new(), disk[root_at..data_at].to_vec())];
        while let Some((path, directory)) = pending.pop() {
            for entry in directory.chunks(ENTRY).take_while(|e| e[0] != 0) {
                if entry[11] == LONG_NAME || entry[0] == b'.' {
                    continue;
                }
                let name = String::from_utf8(entry[..11].to_vec()).unwrap();
                let name = format!("{path}/{}.{}", name[..8].trim(), name[8..].trim());
                let first = usize::from(u16::from_le_bytes([entry[26], entry[27]]));
                let mut content = chain(first);
                if entry[11] == DIRECTORY {
                    pending.push((name.trim_end_matches('.').to_owned(), content));
                } else {
                    let len = u32::from_le_bytes(entry[28..32].try_into().unwrap());
                    content.truncate(usize::try_from(len).unwrap());
                    found.insert(name, content);
                }
            }
        }
        found
    }

    #[test]
    fn every_file_is_found_through_the_table() {
        let found = walk(&disk());
        let names = [
            "/EFI/BOOT/BOOTX64.EFI",
            "/EFI/BOOT/GRUBX64.EFI",
            "/EFI/BOOT/MMAA64.EFI",
            "/EFI/DEBIAN/GRUB.CFG",
            "/DEBIAN~1/AMD64/GRUB/GRUB.CFG",
            "/GRUB/GRUB.CFG",
        ];
        assert_eq!(found.len(), names.len(), "{:?}", found.keys());
        for (name, (_, want)) in names.iter().zip(files()) {
            assert!(found.get(*name) == Some(&want), "{name}");
        }
    }
}
