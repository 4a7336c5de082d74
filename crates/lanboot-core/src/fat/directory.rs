//! Entries of directories, with long names.

use super::geometry::ENTRY_BYTES;
use crate::storage::{calendar, u16_le, u32_le};

/// Attributes (FAT specification §6.2).
const VOLUME_LABEL: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const LONG_NAME: u8 = 0x0f;
/// First byte of an entry: none from here on, and one that was deleted.
const END: u8 = 0;
const DELETED: u8 = 0xe5;
/// Order byte of the last part of a long name, which comes first.
const LAST_PART: u8 = 0x40;
/// Most parts of a long name: 255 characters.
const MAX_PARTS: u8 = 20;
/// UTF-16 units of one part.
const PART_UNITS: usize = 13;
/// Lower-case base name and extension (Windows NT).
const LOWER_BASE: u8 = 0x08;
const LOWER_EXTENSION: u8 = 0x10;
/// Characters 0x80 to 0xff of code page 437, which short names are written in.
const CODE_PAGE_437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The kinds of entries of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The volume's label.
    Label(String),
    /// A file or directory.
    Node(Node),
}

/// A file or directory as its entry records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) is_directory: bool,
    /// First cluster; 0 for an empty file.
    pub(super) first: u32,
    /// Length in bytes; 0 for a directory.
    pub(super) len: u64,
    /// Last modification, in seconds since 1970 of an unknown time zone.
    pub(super) modified: i64,
}

/// Reads the entries of a directory from its bytes, in order.
#[derive(Debug, Default)]
pub(super) struct Entries {
    long: LongName,
    /// True once the entry was read after which there is none.
    pub(super) is_at_end: bool,
}

impl Entries {
    /// Reads the next 32 bytes; `None` if they are no entry of their own.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<Entry> {
        let &first = bytes
            .first()
            .filter(|_| bytes.len() as u64 == ENTRY_BYTES)?;
        let &attributes = bytes.get(11)?;
        if first == END {
            self.is_at_end = true;
            return None;
        }
        if first == DELETED {
            self.long = LongName::default();
            return None;
        }
        if attributes & 0x3f == LONG_NAME {
            self.long.part(bytes);
            return None;
        }
        let short = bytes.first_chunk::<11>()?;
        let long = std::mem::take(&mut self.long).finish(short);
        if attributes & VOLUME_LABEL != 0 {
            return Some(Entry::Label(label(short)));
        }
        if first == b'.' {
            // The directory itself and its parent; no other name starts so.
            return None;
        }
        let name = long.unwrap_or_else(|| short_name(short, bytes.get(12).copied().unwrap_or(0)));
        let is_directory = attributes & DIRECTORY != 0;
        let first = u32::from(u16_le(bytes, 20)) << 16 | u32::from(u16_le(bytes, 26));
        Some(Entry::Node(Node {
            name,
            is_directory,
            first,
            len: if is_directory {
                0
            } else {
                u64::from(u32_le(bytes, 28))
            },
            modified: modified(u16_le(bytes, 24), u16_le(bytes, 22)),
        }))
    }
}

/// Parts of a long name, collected from its end.
#[derive(Debug, Default)]
struct LongName {
    /// Units of the parts so far, the last part first.
    parts: Vec<[u16; PART_UNITS]>,
    /// Number that the next part must have; 0 when it is whole, or not begun.
    expected: u8,
    /// Checksum of the short name it belongs to.
    checksum: u8,
}

impl LongName {
    fn part(&mut self, bytes: &[u8]) {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let (order, checksum) = (byte(0), byte(13));
        let number = order & !LAST_PART;
        if order & LAST_PART != 0 && (1..=MAX_PARTS).contains(&number) {
            *self = Self {
                parts: Vec::new(),
                expected: number,
                checksum,
            };
        }
        if self.expected == 0 || number != self.expected || checksum != self.checksum {
            *self = Self::default();
            return;
        }
        self.expected -= 1;
        let mut units = [0; PART_UNITS];
        let places = (1..11).chain(14..26).chain(28..32).step_by(2);
        for (unit, at) in units.iter_mut().zip(places) {
            *unit = u16_le(bytes, at);
        }
        self.parts.push(units);
    }

    /// Returns the name if all parts of it were there and it belongs to this short name.
    fn finish(self, short: &[u8; 11]) -> Option<String> {
        if self.parts.is_empty() || self.expected != 0 || self.checksum != checksum(short) {
            return None;
        }
        let units = self.parts.iter().rev().flatten().copied();
        let units = units.take_while(|unit| *unit != 0);
        let name: String = char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        (!name.is_empty()).then_some(name)
    }
}

/// Computes the checksum of a short name (FAT specification §7.2).
fn checksum(short: &[u8; 11]) -> u8 {
    let sum = |sum: u8, byte: &u8| sum.rotate_right(1).wrapping_add(*byte);
    short.iter().fold(0, sum)
}

/// Formats `VMLINUZ    ` and `BOOTX64 EFI` as file names.
fn short_name(short: &[u8; 11], case: u8) -> String {
    let (base, extension) = short.split_at(8);
    // 0x05 stands for 0xe5, which would mean that the entry was deleted.
    let base: Vec<u8> = match base.split_first() {
        Some((5, rest)) => [&[0xe5], rest].concat(),
        _ => base.to_vec(),
    };
    let base = decoded(&base, case & LOWER_BASE != 0);
    match decoded(extension, case & LOWER_EXTENSION != 0) {
        extension if extension.is_empty() => base,
        extension => format!("{base}.{extension}"),
    }
}

fn label(short: &[u8; 11]) -> String {
    decoded(short, false)
}

/// Decodes padded text of code page 437.
pub(super) fn decoded(padded: &[u8], lower: bool) -> String {
    let end = padded.iter().rposition(|b| !matches!(b, b' ' | 0));
    let text = padded.get(..end.map_or(0, |last| last + 1));
    let characters = text.unwrap_or_default().iter().map(|&byte| match byte {
        0..=0x1f | 0x7f => '?',
        0x20..=0x7e => char::from(byte),
        0x80.. => {
            let nth = usize::from(byte - 0x80);
            CODE_PAGE_437.chars().nth(nth).unwrap_or('?')
        }
    });
    let text: String = characters.collect();
    if lower { text.to_lowercase() } else { text }
}

/// Converts a date and a time of day to seconds since 1970; 0 if it is no date.
fn modified(date: u16, time: u16) -> i64 {
    let field = |word: u16, shift: u16, bits: u16| i64::from(word >> shift & ((1 << bits) - 1));
    calendar::seconds(
        1980 + field(date, 9, 7),
        field(date, 5, 4),
        field(date, 0, 5),
        field(time, 11, 5),
        field(time, 5, 6),
        field(time, 0, 5) * 2,
    )
    .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_have_a_dot_and_their_case() {
        assert_eq!(short_name(b"BOOTX64 EFI", 0), "BOOTX64.EFI");
        assert_eq!(short_name(b"VMLINUZ    ", LOWER_BASE), "vmlinuz");
        assert_eq!(short_name(b"INITRD  IMG", LOWER_EXTENSION), "INITRD.img");
        assert_eq!(short_name(b"\x05\x84      X  ", 0), "σä.X");
        assert_eq!(CODE_PAGE_437.chars().count(), 128);
    }

    #[test]
    fn dates_are_seconds() {
        // date -u -d '2026-03-01 10:20:30' +%s
        let date = (2026 - 1980) << 9 | 3 << 5 | 1;
        assert_eq!(modified(date, 10 << 11 | 20 << 5 | 15), 1_772_360_430);
        assert_eq!(modified(0, 0), 0);
    }
}
