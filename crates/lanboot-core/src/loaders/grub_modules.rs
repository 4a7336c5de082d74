//! The modules in a GRUB: its section `mods` (GRUB's `kernel.h`, `struct grub_module_info32` and `64`)
//! holds them as ELF objects, so it is known whether it can load anything from a network. With Secure
//! Boot on it can load no further ones.

use crate::pe::{u16_at, u32_at, u64_at};

/// Most objects of one GRUB looked at, modules and others; signed ones have about a hundred and
/// fifty.
const MAX_OBJECTS: usize = 512;
/// Longest prefix of a GRUB, in bytes.
const MAX_PREFIX: usize = 128;

/// The text that only a GRUB with proxyDHCP support holds, in its module `efinet`: the debug
/// message of the lines that copy the server's address out of the proxy's offer.
///
/// The version number does not decide it. GRUB 2.06, 2.12 and 2.14 of the FSF have no such lines;
/// they are Red Hat's ("efinet: Add DHCP proxy support", rhboot/grub2 866ec5ed, June 2021, after
/// #82 and #87), in Fedora's and RHEL's 2.06 as in the 2.12 and 2.14 of Debian and Ubuntu, and not
/// in Debian 12's 2.06. A GRUB that learned it in another way counts as one that did not: iPXE is a
/// smaller loss than a machine that hangs.
const PROXY_SUPPORT: &[u8] = b"setting values from proxy offer";

/// The content of the section `mods`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Modules {
    /// The names of the modules.
    pub(super) names: Vec<String>,
    /// The folder that GRUB looks for `grub.cfg` in.
    pub(super) prefix: String,
    /// True if it takes the server from a proxy's offer.
    pub(super) has_proxy_support: bool,
}

impl Modules {
    /// Parses the section `mods` of a GRUB, which is a 32-bit program if `narrow`; `None` if it is no
    /// such section.
    pub(super) fn parse(section: &[u8], narrow: bool) -> Option<Self> {
        const MAGIC: u32 = 0x676d_696d;
        const ELF: u32 = 0;
        const PREFIX: u32 = 3;
        if u32_at(section, 0)? != MAGIC {
            return None;
        }
        let mut found = Self::default();
        let offset = match narrow {
            true => u64::from(u32_at(section, 4)?),
            false => u64_at(section, 8)?,
        };
        let mut rest = section.get(usize::try_from(offset).ok()?..)?;
        for _ in 0..MAX_OBJECTS {
            let (Some(kind), Some(size)) = (u32_at(rest, 0), u32_at(rest, 4)) else {
                break;
            };
            // The size counts the header. Behind the last object there is padding.
            let Some((object, after)) = usize::try_from(size)
                .ok()
                .filter(|size| *size >= 8)
                .and_then(|size| rest.split_at_checked(size))
            else {
                break;
            };
            let body = object.get(8..).unwrap_or_default();
            match kind {
                ELF => {
                    let name = module_name(body);
                    let is_efinet = name.as_deref() == Some("efinet");
                    found.has_proxy_support |= is_efinet && holds(body, PROXY_SUPPORT);
                    found.names.extend(name);
                }
                PREFIX => found.prefix = text(body, MAX_PREFIX),
                _ => {}
            }
            rest = after;
        }
        Some(found)
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// Offsets in an ELF object: of the table of sections, and of the size of a row, the number of rows and
/// the row of the names; in a row, of where the section is and how long it is.
struct ElfLayout {
    table: usize,
    counts: usize,
    start: usize,
    len: usize,
    word: fn(&[u8], usize) -> Option<u64>,
}

impl ElfLayout {
    /// Returns the layout of this object; `None` if it is none.
    fn of(elf: &[u8]) -> Option<Self> {
        match elf.get(..5)? {
            b"\x7fELF\x01" => Some(Self {
                table: 0x20,
                counts: 0x2e,
                start: 0x10,
                len: 0x14,
                word: |bytes, at| u32_at(bytes, at).map(u64::from),
            }),
            b"\x7fELF\x02" => Some(Self {
                table: 0x28,
                counts: 0x3a,
                start: 0x18,
                len: 0x20,
                word: u64_at,
            }),
            _ => None,
        }
    }
}

/// Returns what the section `.modname` of an ELF object says.
fn module_name(elf: &[u8]) -> Option<String> {
    let layout = ElfLayout::of(elf)?;
    let at = |offset: u64, n: usize, size: u16| {
        let table = usize::try_from(offset).ok()?;
        table.checked_add(n.checked_mul(usize::from(size))?)
    };
    let headers = (layout.word)(elf, layout.table)?;
    let count = |n: usize| u16_at(elf, layout.counts + 2 * n);
    let (size, count, names) = (count(0)?, count(1)?, count(2)?);
    let header = |n: u16| elf.get(at(headers, usize::from(n), size)?..);
    let section = |header: &[u8]| {
        let word = |at| usize::try_from((layout.word)(header, at)?).ok();
        let (start, len) = (word(layout.start)?, word(layout.len)?);
        elf.get(start..start.checked_add(len)?)
    };
    let strings = section(header(names)?)?;
    (0..count.min(256)).find_map(|n| {
        let header = header(n)?;
        let name = strings.get(usize::try_from(u32_at(header, 0)?).ok()?..)?;
        name.starts_with(b".modname\0")
            .then(|| section(header).map(|name| text(name, 64)))?
    })
}

/// Returns the text up to a NUL; empty when it is not plain.
pub(super) fn text(bytes: &[u8], limit: usize) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let text = bytes.get(..end.min(limit)).unwrap_or_default();
    match std::str::from_utf8(text) {
        Ok(text) if text.bytes().all(|b| b.is_ascii_graphic()) => text.to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::grub_module;

    /// A section `mods` with these objects: kind and content.
    fn section(narrow: bool, objects: &[(u32, &[u8])]) -> Vec<u8> {
        let mut section = 0x676d_696du32.to_le_bytes().to_vec();
        match narrow {
            true => section.extend([12, 0, 0, 0, 0, 0, 0, 1]),
            false => section.extend([0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
        }
        for (kind, body) in objects {
            section.extend(kind.to_le_bytes());
            section.extend(u32::try_from(body.len() + 8).unwrap().to_le_bytes());
            section.extend(*body);
        }
        section
    }

    #[test]
    fn modules_of_both_widths_have_their_names() {
        for narrow in [false, true] {
            let module = grub_module("efinet=setting values from proxy offer", narrow);
            let bytes = section(narrow, &[(0, &module), (3, b"/grub\0")]);
            let found = Modules::parse(&bytes, narrow).unwrap();
            assert_eq!(found.names, ["efinet"], "{narrow}");
            assert!(found.has_proxy_support && found.prefix == "/grub");
            assert_ne!(Modules::parse(&bytes, !narrow), Some(found));
        }
    }

    #[test]
    fn objects_count_whether_they_are_modules_with_a_name_or_not() {
        let mut objects = vec![(5, &b""[..]); MAX_OBJECTS];
        objects.push((3, b"/\0"));
        let bytes = section(false, &objects);
        assert_eq!(Modules::parse(&bytes, false), Some(Modules::default()));
    }

    #[test]
    fn a_module_cut_short_has_its_name_or_none() {
        for narrow in [false, true] {
            let module = grub_module("tftp", narrow);
            for len in 0..module.len() {
                let name = module_name(&module[..len]);
                assert!(name.is_none_or(|name| name == "tftp"), "{narrow} {len}");
            }
            assert_eq!(module_name(&module).as_deref(), Some("tftp"));
        }
    }
}
