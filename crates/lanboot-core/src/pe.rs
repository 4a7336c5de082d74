//! Properties of a UEFI program, read without running it (Microsoft's PE/COFF specification): its
//! processor, its sections, and who signed it. Linux kernels with an EFI stub are such programs.
//!
//! Nothing is verified here, because only the firmware knows what it trusts. A name found in a
//! signature is shown to people and used to match two programs.

use crate::boot_config::{MAX_FILE_BYTES, ReadSmall};
use crate::machine::Arch;
use crate::text::printable;
use crate::vfs::Content;

/// Bytes of the headers that are read; section tables end well before.
const HEADER_BYTES: u64 = 8 * 1024;
/// Most sections looked at. UEFI programs have about ten.
const MAX_SECTIONS: u16 = 64;
/// Largest certificate table read, in bytes: shim's, signed twice, takes 20 KiB.
const MAX_SIGNATURE: u64 = 128 * 1024;
/// Most names kept of one signature or key store.
const MAX_NAMES: usize = 32;
/// Longest name kept, in bytes.
const MAX_NAME: usize = 64;

/// The signers of a program for Secure Boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Signed {
    /// Nobody.
    #[default]
    No,
    /// The names in its signatures: signers and those who vouch for them.
    By(Vec<String>),
}

impl Signed {
    /// The names; none when it is not signed.
    pub fn names(&self) -> &[String] {
        match self {
            Self::No => &[],
            Self::By(names) => names,
        }
    }
}

/// The use of a program, by the subsystem in its headers (UEFI 2.10 §2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subsystem {
    /// An application: what firmware and loaders start.
    Application,
    /// A driver of the firmware.
    Driver,
    /// A program for an operating system.
    Other,
}

/// The headers of one program.
pub(crate) struct Program<'a> {
    content: &'a Content,
    read: ReadSmall<'a>,
    machine: u16,
    subsystem: u16,
    /// Offset and length of the certificate table.
    security: (u64, u64),
    sections: Vec<Section>,
}

struct Section {
    name: Vec<u8>,
    offset: u64,
    len: u64,
}

impl<'a> Program<'a> {
    /// `None` when it is no UEFI program, or the disk fails.
    pub(crate) fn parse(content: &'a Content, read: ReadSmall<'a>) -> Option<Self> {
        let head = bytes(content, 0, HEADER_BYTES.min(content.len()), read)?;
        if head.get(..2)? != b"MZ" {
            return None;
        }
        let pe = usize::try_from(u32_at(&head, 0x3c)?).ok()?;
        if head.get(pe..pe.checked_add(4)?)? != b"PE\0\0" {
            return None;
        }
        let machine = u16_at(&head, pe + 4)?;
        let count = u16_at(&head, pe + 6)?.min(MAX_SECTIONS);
        let optional = pe + 24;
        let sections_at = optional + usize::from(u16_at(&head, pe + 20)?);
        // Data directory 4 is the certificate table; PE32 and PE32+ keep it at different places.
        let directory = match u16_at(&head, optional)? {
            0x20b => optional + 112 + 4 * 8,
            0x10b => optional + 96 + 4 * 8,
            _ => return None,
        };
        let subsystem = u16_at(&head, optional + 68)?;
        let word = |at| Some(u64::from(u32_at(&head, at)?));
        let security = (word(directory)?, word(directory + 4)?);
        // Behind the symbols, 18 bytes each, stand the names that are longer than eight bytes.
        let (symbols, symbol_count) = (word(pe + 12)?, word(pe + 16)?);
        let strings = symbols + symbol_count * 18;
        let section = |n: u16| {
            let at = sections_at + usize::from(n) * 40;
            let short = head.get(at..)?.first_chunk::<8>()?;
            let name = match long_name(short).filter(|_| symbols != 0) {
                Some(offset) => name_at(content, strings + offset, read),
                None => until_nul(short),
            };
            let (len, offset) = (word(at + 16)?, word(at + 20)?);
            Some(Section { name, offset, len })
        };
        Some(Self {
            content,
            read,
            machine,
            subsystem,
            security,
            sections: (0..count).map_while(section).collect(),
        })
    }

    /// The firmware it runs on.
    pub(crate) fn arch(&self) -> Option<Arch> {
        match self.machine {
            0x014c => Some(Arch::X86Uefi),
            0x8664 => Some(Arch::X64Uefi),
            0x01c2 | 0x01c0 => Some(Arch::Arm32Uefi),
            0xaa64 => Some(Arch::Arm64Uefi),
            0x5064 => Some(Arch::Riscv64Uefi),
            0x6264 => Some(Arch::Loong64Uefi),
            _ => None,
        }
    }

    /// Returns what it is for.
    pub(crate) fn subsystem(&self) -> Subsystem {
        match self.subsystem {
            10 => Subsystem::Application,
            11..=13 => Subsystem::Driver,
            _ => Subsystem::Other,
        }
    }

    /// Returns the least length in bytes of a file with all of its sections and its signature.
    pub(crate) fn end(&self) -> u64 {
        let sections = self.sections.iter().filter(|section| section.len > 0);
        let ends = sections.map(|section| section.offset + section.len);
        ends.chain([self.security.0 + self.security.1])
            .max()
            .unwrap_or(0)
    }

    /// The bytes of a section, if it is there and not longer than `limit`.
    pub(crate) fn section(&self, name: &[u8], limit: u64) -> Option<Vec<u8>> {
        let section = self.sections.iter().find(|section| section.name == name)?;
        if section.len > limit {
            return None;
        }
        bytes(self.content, section.offset, section.len, self.read)
    }

    /// Returns the size of a section in bytes; `None` where there is none.
    pub(crate) fn section_bytes(&self, name: &[u8]) -> Option<u64> {
        let section = self.sections.iter().find(|section| section.name == name)?;
        Some(section.len)
    }

    /// Returns the number of profiles of a unified kernel image: each begins with a section
    /// `.profile` (UAPI.5), and without one there is only what all profiles have.
    pub(crate) fn profiles(&self) -> usize {
        self.profile_starts().count()
    }

    /// Returns the bytes of a section as profile number `profile` has it, its own or else that of
    /// all, if it is there and not longer than `limit`.
    pub(crate) fn section_of(&self, profile: usize, name: &[u8], limit: u64) -> Option<Vec<u8>> {
        let starts: Vec<usize> = self.profile_starts().collect();
        let of = |from: usize, to: usize| {
            let mut sections = self.sections.get(from..to)?.iter();
            sections.find(|section| section.name == name)
        };
        let all = self.sections.len();
        let common = of(0, starts.first().copied().unwrap_or(all));
        let own = starts.get(profile).copied();
        let next = starts.get(profile + 1).copied().unwrap_or(all);
        let section = own.and_then(|from| of(from, next)).or(common)?;
        if section.len > limit {
            return None;
        }
        bytes(self.content, section.offset, section.len, self.read)
    }

    fn profile_starts(&self) -> impl Iterator<Item = usize> + '_ {
        let sections = self.sections.iter().enumerate();
        let starts = sections.filter(|(_, section)| section.name == b".profile");
        starts.map(|(at, _)| at)
    }

    /// Returns who signed it.
    pub(crate) fn signed(&self) -> Signed {
        let (at, len) = self.security;
        if at == 0 || len == 0 || len > MAX_SIGNATURE {
            return Signed::No;
        }
        match bytes(self.content, at, len, self.read) {
            Some(table) => Signed::By(common_names(&table)),
            None => Signed::No,
        }
    }
}

/// The firmware that a UEFI program held in memory runs on; `None` when it is no such program.
pub fn efi_arch(content: &Content) -> Option<Arch> {
    Program::parse(content, &|_| None)?.arch()
}

/// Returns who signed the program `content`; nobody when it is none.
pub(crate) fn signed(content: &Content, read: ReadSmall<'_>) -> Signed {
    Program::parse(content, read).map_or(Signed::No, |program| program.signed())
}

/// The common names (X.520, OID 2.5.4.3) of every certificate in `der`, each once.
pub(crate) fn common_names(der: &[u8]) -> Vec<String> {
    const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    let mut names: Vec<String> = Vec::new();
    for (at, _) in der
        .windows(COMMON_NAME.len())
        .enumerate()
        .filter(|(_, w)| *w == COMMON_NAME)
    {
        let value = der.get(at + COMMON_NAME.len()..).unwrap_or_default();
        // A string in the short form: tag, length below 128, bytes.
        let Some((&[tag, len], text)) = value.split_first_chunk::<2>() else {
            continue;
        };
        let is_text = matches!(tag, 0x0c | 0x13 | 0x14 | 0x16);
        let Some(text) = text
            .get(..usize::from(len))
            .filter(|_| is_text && len < 0x80)
        else {
            continue;
        };
        let name = printable(text, MAX_NAME);
        if !names.contains(&name) && names.len() < MAX_NAMES {
            names.push(name);
        }
    }
    names
}

/// The number in `/123`, which stands where a name of more than eight bytes should.
fn long_name(short: &[u8; 8]) -> Option<u64> {
    let digits = until_nul(short.strip_prefix(b"/")?);
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// Up to [`MAX_NAME`] bytes at `offset`, to a NUL; empty when they cannot be read.
fn name_at(content: &Content, offset: u64, read: ReadSmall<'_>) -> Vec<u8> {
    let len = content.len().saturating_sub(offset).min(MAX_NAME as u64);
    until_nul(&bytes(content, offset, len, read).unwrap_or_default())
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|b| *b != 0).collect()
}

/// `len` bytes at `offset`; `None` when there are fewer or the disk fails.
pub(crate) fn bytes(
    content: &Content,
    offset: u64,
    len: u64,
    read: ReadSmall<'_>,
) -> Option<Vec<u8>> {
    let end = offset.checked_add(len)?;
    if end > content.len() {
        return None;
    }
    let mut out = Vec::new();
    let mut slice = content.slice(offset..end);
    while let Some(mut piece) = slice.first() {
        piece.len = piece.len.min(MAX_FILE_BYTES);
        slice.advance(piece.len);
        match piece.memory() {
            Some(memory) => out.extend_from_slice(memory),
            None => out.extend(read(&Content::new([piece]))?),
        }
    }
    (out.len() as u64 == len).then_some(out)
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*field))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{no_disk, program};
    use proptest::prelude::*;

    #[test]
    fn a_signed_kernel_names_who_vouches_for_it() {
        let kernel = Content::memory(program(
            0xaa64,
            &[],
            &["Debian Secure Boot CA", "Signer", "Signer"],
        ));
        let names = vec!["Debian Secure Boot CA".to_owned(), "Signer".to_owned()];
        assert_eq!(signed(&kernel, &no_disk), Signed::By(names));
        let program = Program::parse(&kernel, &no_disk).unwrap();
        assert_eq!(program.arch(), Some(Arch::Arm64Uefi));
    }

    #[test]
    fn what_is_unsigned_or_no_program_is_signed_by_nobody() {
        for bytes in [
            program(0x8664, &[], &[]),
            b"MZ".to_vec(),
            b"\x1f\x8b gzip".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(signed(&Content::memory(bytes), &no_disk), Signed::No);
        }
        let on_a_broken_disk = Content::in_image(crate::vfs::ImageId(1), 0, 5000);
        assert_eq!(signed(&on_a_broken_disk, &no_disk), Signed::No);
    }

    #[test]
    fn a_section_is_found_by_its_whole_name() {
        let bytes = program(
            0x8664,
            &[
                (b".text", vec![1]),
                (b"mods", vec![2, 3]),
                (b".vendor_cert", vec![4]),
            ],
            &[],
        );
        let content = Content::memory(bytes);
        let program = Program::parse(&content, &no_disk).unwrap();
        assert_eq!(program.section(b"mods", 10), Some(vec![2, 3]));
        assert_eq!(program.section(b"mods", 1), None);
        assert_eq!(program.section(b"mod", 10), None);
        assert_eq!(program.section(b".vendor_cert", 10), Some(vec![4]));
    }

    #[test]
    fn a_profile_has_its_own_sections_and_those_of_all() {
        let bytes = program(
            0x8664,
            &[
                (b".linux", vec![1; 5]),
                (b".cmdline", b"all".to_vec()),
                (b".profile", b"ID=main".to_vec()),
                (b".profile", b"ID=reset".to_vec()),
                (b".cmdline", b"reset".to_vec()),
            ],
            &[],
        );
        let content = Content::memory(bytes);
        let uki = Program::parse(&content, &no_disk).unwrap();
        assert_eq!((uki.profiles(), uki.section_bytes(b".linux")), (2, Some(5)));
        let of = |profile, name: &[u8]| uki.section_of(profile, name, 10);
        assert_eq!(of(0, b".cmdline"), Some(b"all".to_vec()));
        assert_eq!(of(1, b".cmdline"), Some(b"reset".to_vec()));
        assert_eq!(of(1, b".profile"), Some(b"ID=reset".to_vec()));
        assert_eq!(of(2, b".cmdline"), Some(b"all".to_vec()));
        assert_eq!(uki.section_of(1, b".cmdline", 4), None);
        assert_eq!(of(0, b".initrd"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            at in 0usize..400, noise in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = signed(&Content::memory(bytes), &no_disk);
            let mut nearly = program(0x8664, &[(b"mods", vec![0; 64])], &["x"]);
            for (to, from) in nearly.iter_mut().skip(at).zip(&noise) { *to = *from; }
            let nearly = Content::memory(nearly);
            let _ = signed(&nearly, &no_disk);
            if let Some(program) = Program::parse(&nearly, &no_disk) {
                let _ = program.section(b"mods", 1 << 20);
            }
        }
    }
}
