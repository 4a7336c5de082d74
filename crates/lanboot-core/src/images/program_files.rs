//! Programs that start without a kernel: which firmware each file is for, and the entry of them.

use super::cpu::{Cpu, Firmware};
use super::entry::Entry;
use super::entry_kind::{EntryKind, Program, ProgramFile};
use super::medium::Medium;
use super::standalone;
use crate::boot_config::ReadSmall;
use crate::pe::{self, Signed};
use crate::vfs::Content;

/// Longest version in a boot header that is read, in bytes.
const MAX_VERSION: u64 = 64;

/// The header by which a BIOS loader starts a program (Linux, `Documentation/arch/x86/boot.rst`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BootHeader {
    /// The version it states, `Memtest86+ v6.10`; empty for none.
    pub(super) version: String,
    /// True if its program is for 64-bit processors.
    pub(super) is_wide: bool,
}

impl BootHeader {
    /// Parses the header of a file; `None` where it has none.
    pub(super) fn parse(content: &Content, read: ReadSmall<'_>) -> Option<Self> {
        let head = pe::bytes(content, 0, 0x240, read)?;
        if head.get(0x202..0x206)? != b"HdrS" {
            return None;
        }
        let at = u64::from(pe::u16_at(&head, 0x20e)?);
        let version = || {
            let left = content.len().checked_sub(at + 0x200)?;
            pe::bytes(content, at + 0x200, left.min(MAX_VERSION), read)
        };
        let version = version().filter(|_| at > 0).unwrap_or_default();
        let version = version.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(Self {
            version: crate::text::printable(version, 64),
            is_wide: *head.get(0x236)? & 1 == 1,
        })
    }
}

/// Returns the UEFI firmware that starts a program; `None` for what is none, and for firmware of
/// other kinds.
pub(super) fn uefi_of(content: &Content, read: ReadSmall<'_>) -> Option<Firmware> {
    let arch = pe::Program::parse(content, read)?.arch()?;
    Firmware::of(arch).filter(|firmware| !firmware.is_bios())
}

/// Keeps the first file for each firmware, in the order of [`Firmware::ALL`].
pub(super) fn first_of_each(files: &[ProgramFile]) -> Vec<ProgramFile> {
    let of = |firmware: Firmware| files.iter().find(|file| file.firmware == firmware);
    Firmware::ALL.into_iter().filter_map(of).cloned().collect()
}

/// Makes the entry of a medium that is one program; `None` without files.
pub(super) fn entry(medium: Medium<'_>, files: Vec<ProgramFile>) -> Option<Entry> {
    let first = files.first()?.firmware;
    let cpu = first.cpus().first().copied().unwrap_or(Cpu::X86_64);
    Some(Entry {
        signed: signed(medium, &files),
        ..standalone::entry(medium, cpu, EntryKind::Program(Program { files }))
    })
}

/// Returns the signers of the UEFI programs among `files`: nobody where one is not signed.
fn signed(medium: Medium<'_>, files: &[ProgramFile]) -> Signed {
    let uefi = files.iter().filter(|file| !file.firmware.is_bios());
    let contents = uefi.filter_map(|file| medium.tree.file(&file.path));
    let signed = contents.map(|content| pe::signed(content, medium.read));
    let least = signed.min_by_key(|signed| signed.names().len());
    least.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{program, read};

    #[test]
    fn a_boot_header_says_its_version_and_its_processor() {
        let mut bytes = vec![0; 0x500];
        let header = |bytes: &[u8]| BootHeader::parse(&Content::memory(bytes.to_vec()), &read);
        assert_eq!(header(&bytes), None);
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        assert_eq!(header(&bytes).unwrap().version, "");
        bytes[0x20e..0x210].copy_from_slice(&[0x60, 2]);
        bytes[0x460..0x468].copy_from_slice(b"Mem\x1b v1\0");
        bytes[0x236] = 9;
        let found = header(&bytes).unwrap();
        assert_eq!((&*found.version, found.is_wide), ("Mem\\x1b v1", true));
        // What it says is behind the end.
        bytes[0x20e..0x210].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(header(&bytes).unwrap().version, "");
        assert_eq!(header(&bytes[..0x210]), None);
    }

    #[test]
    fn a_program_says_its_firmware() {
        let of = |machine| uefi_of(&Content::memory(program(machine, &[], &[])), &read);
        assert_eq!(of(0x8664), Some(Firmware::X64Uefi));
        assert_eq!(of(0x14c), Some(Firmware::X86Uefi));
        assert_eq!(of(0xaa64), Some(Firmware::Arm64Uefi));
        assert_eq!(of(0x1234), None);
    }
}
