//! System Use entries (SUSP 1.12) and the Rock Ridge ones among them (RRIP 1.12).

use super::date;
use super::record::Record;
use super::storage::{Extent, Storage, u32_le};

/// Most continuation areas followed for one record, as in Linux; bounds loops.
const MAX_AREAS: usize = 32;
/// Longest link text kept, in bytes: `PATH_MAX` on Linux.
const MAX_LINK_BYTES: usize = 4096;
/// Longest name kept, in bytes: one more than a tree accepts, so that the tree rejects it.
const MAX_NAME_BYTES: usize = crate::vfs::MAX_NAME_BYTES + 1;
/// Bytes of CD-XA data before the entries on mixed-mode discs.
const XA: usize = 14;

/// File types in `PX` (POSIX `st_mode`).
const TYPE_MASK: u32 = 0o170_000;
const TYPE_REGULAR: u32 = 0o100_000;
const TYPE_LINK: u32 = 0o120_000;
const TYPE_DIRECTORY: u32 = 0o040_000;

/// `PX`: POSIX attributes (RRIP §4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Posix {
    pub(super) mode: u32,
    pub(super) links: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Attributes given by the entries of one record.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) posix: Option<Posix>,
    /// `NM` (§4.1.4): the name.
    pub(super) name: Option<Vec<u8>>,
    /// `SL` (§4.1.3): the link target, joined by slashes.
    pub(super) link: Option<Vec<u8>>,
    /// `CL` (§4.1.5.1): block of the relocated directory that belongs here.
    pub(super) child: Option<u32>,
    /// `RE` (§4.1.5.3): true for a relocated directory.
    pub(super) relocated: bool,
    /// `TF` (§4.1.6): modification, seconds since 1970 UTC.
    pub(super) modified: Option<i64>,
    /// `ZF` (zisofs): unpacked length of compressed contents, in bytes.
    pub(super) zisofs: Option<u64>,
    /// True if an entry is specific to Rock Ridge, or an `ER` or `RR` announces it.
    pub(super) rock_ridge: bool,
    /// True if an entry is malformed; earlier entries count.
    pub(super) damaged: bool,
    name_done: bool,
    link_done: bool,
    /// True if the next link component continues the last one.
    component_open: bool,
}

/// Returns the bytes to skip in every System Use Area if `area`, that of the root's own record,
/// starts with `SP` (SUSP §5.3).
pub(super) fn announced(area: &[u8]) -> Option<usize> {
    [area, area.get(XA..).unwrap_or_default()]
        .into_iter()
        .find_map(|area| match area {
            [b'S', b'P', _, 1, 0xbe, 0xef, skip, ..] => Some(usize::from(*skip)),
            _ => None,
        })
}

/// Reads the entries of `record` and of the continuation areas they lead to.
pub(super) fn read(
    storage: &mut Storage<'_>,
    record: &Record<'_>,
    skip: usize,
    block_size: u64,
) -> Attributes {
    let mut attributes = Attributes::default();
    let mut next = attributes.feed(record.system_use_from(skip), block_size);
    for _ in 0..MAX_AREAS {
        let Some(area) = next else {
            return attributes;
        };
        match storage.continuation(area) {
            Ok(bytes) => next = attributes.feed(bytes, block_size),
            Err(_) => break,
        }
    }
    attributes.damaged |= next.is_some();
    attributes
}

impl Attributes {
    /// Parses one area and returns the next one, if any.
    fn feed(&mut self, mut area: &[u8], block_size: u64) -> Option<Extent> {
        let mut next = None;
        while let &[a, b, len, _version, ..] = area {
            if a == 0 {
                // Padding.
                break;
            }
            let Some((entry, rest)) = area.split_at_checked(usize::from(len)) else {
                self.damaged = true;
                break;
            };
            let Some(data) = entry.get(4..) else {
                self.damaged = true;
                break;
            };
            area = rest;
            match &[a, b] {
                b"CE" if data.len() >= 24 => {
                    next = Some(Extent {
                        at: u64::from(u32_le(data, 0)) * block_size + u64::from(u32_le(data, 8)),
                        len: u64::from(u32_le(data, 16)),
                    });
                }
                b"ST" => break,
                b"RR" | b"ER" => self.rock_ridge = true,
                b"PX" if data.len() >= 32 => {
                    self.rock_ridge = true;
                    self.posix = Some(Posix {
                        mode: u32_le(data, 0),
                        links: u32_le(data, 8),
                        uid: u32_le(data, 16),
                        gid: u32_le(data, 24),
                    });
                }
                b"NM" => self.name_part(data),
                b"SL" => self.link_part(data),
                b"CL" if data.len() >= 8 => self.child = Some(u32_le(data, 0)),
                b"RE" => self.relocated = true,
                b"TF" => self.times(data),
                // Algorithm, header size, block size, then the length. Version 2 (zisofs2) writes
                // 64 bits of it in one byte order and has an algorithm name of its own.
                b"ZF" if data.starts_with(b"PZ") => {
                    self.zisofs = Some(
                        data.get(4..)
                            .and_then(|b| b.first_chunk())
                            .map_or(0, |b| u64::from_le_bytes(*b)),
                    );
                }
                b"ZF" => self.zisofs = Some(u64::from(u32_le(data, 4))),
                _ => {}
            }
        }
        next
    }

    fn name_part(&mut self, data: &[u8]) {
        const CONTINUE: u8 = 1;
        /// Flags: the name is `.` or `..`; their records have no other.
        const DOTS: u8 = 2 | 4;
        let Some((&flags, part)) = data.split_first() else {
            self.damaged = true;
            return;
        };
        if self.name_done || flags & DOTS != 0 {
            return;
        }
        let name = self.name.get_or_insert_default();
        name.extend_from_slice(part);
        name.truncate(MAX_NAME_BYTES);
        self.name_done = flags & CONTINUE == 0;
    }

    fn link_part(&mut self, data: &[u8]) {
        const CONTINUE: u8 = 1;
        const CURRENT: u8 = 2;
        const PARENT: u8 = 4;
        const ROOT: u8 = 8;
        let Some((&entry_flags, mut rest)) = data.split_first() else {
            self.damaged = true;
            return;
        };
        if self.link_done {
            return;
        }
        let link = self.link.get_or_insert_default();
        while let &[flags, len, ref tail @ ..] = rest {
            let Some((text, after)) = tail.split_at_checked(usize::from(len)) else {
                self.damaged = true;
                break;
            };
            rest = after;
            let goes_on = std::mem::replace(&mut self.component_open, flags & CONTINUE != 0);
            if !goes_on && link.last().is_some_and(|&b| b != b'/') {
                link.push(b'/');
            }
            if flags & ROOT != 0 {
                // Only the first component can be the root; later ones add no slash.
                if link.is_empty() {
                    link.push(b'/');
                }
            } else if flags & CURRENT != 0 {
                link.push(b'.');
            } else if flags & PARENT != 0 {
                link.extend_from_slice(b"..");
            } else {
                link.extend_from_slice(text);
            }
        }
        // Keeps one byte over the limit, so that the text is recognised as too long.
        link.truncate(MAX_LINK_BYTES + 1);
        self.link_done = entry_flags & CONTINUE == 0;
    }

    fn times(&mut self, data: &[u8]) {
        const CREATION: u8 = 1;
        const MODIFY: u8 = 2;
        const LONG_FORM: u8 = 0x80;
        let Some((&flags, stamps)) = data.split_first() else {
            self.damaged = true;
            return;
        };
        if flags & MODIFY == 0 {
            return;
        }
        let long = flags & LONG_FORM != 0;
        let size = if long { 17 } else { 7 };
        // Timestamps are in the order of the flag bits.
        let at = if flags & CREATION != 0 { size } else { 0 };
        let stamp = stamps.get(at..).unwrap_or_default();
        let modified = if long {
            date::long(stamp)
        } else {
            date::short(stamp)
        };
        self.modified = modified.or(self.modified);
    }

    /// Returns the link's text; `None` if it is not a link or cannot be followed.
    pub(super) fn usable_link(&self) -> Option<&[u8]> {
        self.link
            .as_deref()
            .filter(|text| !text.is_empty() && text.len() <= MAX_LINK_BYTES && !text.contains(&0))
    }

    /// Returns whether this is a symbolic link.
    pub(super) fn is_link(&self) -> bool {
        match self.posix {
            Some(posix) => posix.mode & TYPE_MASK == TYPE_LINK,
            None => self.link.is_some(),
        }
    }

    /// Returns whether this is a device file, a pipe or a socket.
    pub(super) fn is_special(&self) -> bool {
        self.posix.is_some_and(|posix| {
            let kind = posix.mode & TYPE_MASK;
            !matches!(kind, 0 | TYPE_REGULAR | TYPE_LINK | TYPE_DIRECTORY)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(signature: &[u8; 2], data: &[u8]) -> Vec<u8> {
        let len = u8::try_from(4 + data.len()).unwrap();
        [signature.as_slice(), &[len, 1], data].concat()
    }

    fn link(components: &[u8]) -> Option<Vec<u8>> {
        let mut attributes = Attributes::default();
        attributes.feed(&entry(b"SL", components), 2048);
        attributes.link
    }

    #[test]
    fn link_components_are_joined_by_slashes() {
        assert_eq!(
            link(b"\0\x08\0\0\x03usr\0\x03lib"),
            Some(b"/usr/lib".to_vec())
        );
        assert_eq!(link(b"\0\x04\0\x04\0\0\x01x"), Some(b"../../x".to_vec()));
        assert_eq!(link(b"\0\x02\0\x01\x01a\0\x01b"), Some(b"./ab".to_vec()));
        assert_eq!(link(b"\0\x08\0"), Some(b"/".to_vec()));
    }

    #[test]
    fn components_and_links_continue_in_the_next_entry() {
        let mut attributes = Attributes::default();
        let mut area = entry(b"SL", b"\x01\0\x01a\x01\x02bc");
        area.extend(entry(b"SL", b"\0\0\x01d\0\x01e"));
        area.extend(entry(b"SL", b"\0\0\x05later"));
        attributes.feed(&area, 2048);
        assert_eq!(attributes.link.as_deref(), Some(&b"a/bcd/e"[..]));
        assert!(!attributes.damaged);
    }

    #[test]
    fn names_continue_in_the_next_entry() {
        let mut attributes = Attributes::default();
        let mut area = entry(b"NM", b"\x01long");
        area.extend(entry(b"NM", b"\0name"));
        area.extend(entry(b"NM", b"\0other"));
        attributes.feed(&area, 2048);
        assert_eq!(attributes.name.as_deref(), Some(&b"longname"[..]));
    }

    #[test]
    fn the_modification_time_comes_after_the_creation_time() {
        let mut attributes = Attributes::default();
        let stamps = [&[3][..], &[70, 1, 1, 0, 0, 0, 0], &[70, 1, 1, 0, 0, 9, 0]].concat();
        attributes.feed(&entry(b"TF", &stamps), 2048);
        assert_eq!(attributes.modified, Some(9));
        attributes.feed(&entry(b"TF", b"\x821970010100000700\0"), 2048);
        assert_eq!(attributes.modified, Some(7));
    }

    #[test]
    fn entries_longer_than_their_area_are_damage() {
        let mut attributes = Attributes::default();
        attributes.feed(b"NM\xff\x01\0name", 2048);
        assert!(attributes.damaged);
        assert_eq!(attributes.name, None);
        let mut attributes = Attributes::default();
        attributes.feed(b"NM\x02\x01\0name", 2048);
        assert!(attributes.damaged);
    }
}
