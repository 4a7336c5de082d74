//! Headers of members, and records of attributes.

use crate::vfs::Meta;

/// Bytes of a header; members begin at multiples of it.
pub(super) const BLOCK: usize = 512;
/// Place of the checksum in a header.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Type of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    File,
    HardLink,
    Symlink,
    Directory,
    /// A file without the zeros in it, in GNU's form.
    Sparse,
    /// GNU's record of the next member's path.
    LongName,
    /// GNU's record of the next member's target.
    LongLink,
    /// Attributes of the next member.
    Pax,
    /// Attributes of all members behind it.
    PaxGlobal,
    /// A device, a pipe, or something unknown.
    Other,
}

/// A member's header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: Type,
    pub(super) path: Vec<u8>,
    pub(super) link: Vec<u8>,
    /// Length of the body in bytes.
    pub(super) size: u64,
    pub(super) meta: Meta,
}

impl Header {
    /// Parses a block; `None` if it is no header, or its checksum is wrong.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Option<Self> {
        let stated = number(&block[CHECKSUM])?;
        let bytes = block.iter().enumerate();
        let counted: u64 = bytes
            .map(|(at, byte)| u64::from(if CHECKSUM.contains(&at) { b' ' } else { *byte }))
            .sum();
        if stated != counted {
            return None;
        }
        let name = text(&block[..100]);
        let is_posix = block[257..].starts_with(b"ustar\0");
        // GNU's header has other fields there.
        let prefix = if is_posix {
            text(&block[345..500])
        } else {
            b""
        };
        let path = match prefix {
            [] => name.to_vec(),
            prefix => [prefix, name].join(&b'/'),
        };
        let kind = match block[156] {
            b'0' | 0 | b'7' if name.ends_with(b"/") => Type::Directory,
            b'0' | 0 | b'7' => Type::File,
            b'1' => Type::HardLink,
            b'2' => Type::Symlink,
            b'5' => Type::Directory,
            b'S' => Type::Sparse,
            b'L' => Type::LongName,
            b'K' => Type::LongLink,
            b'x' => Type::Pax,
            b'g' => Type::PaxGlobal,
            _ => Type::Other,
        };
        let has_body = !matches!(kind, Type::HardLink | Type::Symlink | Type::Directory);
        let size = match has_body {
            true => number(&block[124..136])?,
            false => 0,
        };
        let small = |field| u32::try_from(number(field).unwrap_or(0)).unwrap_or(0);
        Some(Self {
            kind,
            path,
            link: text(&block[157..257]).to_vec(),
            size,
            meta: Meta {
                mode: small(&block[100..108]) & 0o7777,
                uid: small(&block[108..116]),
                gid: small(&block[116..124]),
                modified: number(&block[136..148])
                    .and_then(|seconds| i64::try_from(seconds).ok())
                    .unwrap_or(0),
                links: 1,
            },
        })
    }
}

/// Returns a field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    field.get(..end.unwrap_or(field.len())).unwrap_or_default()
}

/// Parses a number: octal digits, or GNU's binary form for large ones; `None` if it is neither.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        return rest.iter().try_fold(0u64, |sum, byte| {
            sum.checked_mul(256)?.checked_add(u64::from(*byte))
        });
    }
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0u64, |sum, digit| match digit {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Splits a record of attributes, `LENGTH KEY=VALUE\n` each; `None` if it is damaged.
pub(super) fn pax(mut record: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut pairs = Vec::new();
    while !record.is_empty() {
        let space = record.iter().position(|byte| *byte == b' ')?;
        let len = std::str::from_utf8(record.get(..space)?).ok()?;
        let len: usize = len.parse().ok()?;
        let line = record.get(space + 1..len)?.strip_suffix(b"\n")?;
        let equals = line.iter().position(|byte| *byte == b'=')?;
        pairs.push((line.get(..equals)?, line.get(equals + 1..)?));
        record = record.get(len..)?;
    }
    Some(pairs)
}
