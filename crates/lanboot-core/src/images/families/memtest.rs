//! memtest86+ from version 6 on: one program, built as a Linux `bzImage` for BIOS and as an EFI
//! program, for 64-bit and for 32-bit processors; from version 8 on one file is both. Its CDs hold the
//! first in a floppy image that is the program from its first byte on.
//!
//! Recognised by the version in the boot header. Facts from memtest86plus (`boot/x86/setup.S`; its
//! options, `nomch` or `console=ttyS0,115200`, in `app/config.c`), and from Debian's packages of
//! versions 6.10 and 8.10 (names in `/boot`; CDs with `boot/floppy.img` and `EFI/BOOT/bootx64.efi`).

use crate::boot_config::ReadSmall;
use crate::images::cpu::Firmware;
use crate::images::detection::Detection;
use crate::images::entry_kind::{MenuLoader, ProgramFile};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::{Medium, file_bytes, file_paths};
use crate::images::program_files::{BootHeader, entry, first_of_each, uefi_of};
use crate::images::test_boot::{TestBoot, TestKind};
use crate::vfs::Content;

/// memtest86+.
pub(super) static FAMILY: Family = Family {
    name: "memtest86+",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: BOOTS,
};

const OF_6: &str = "memtest86+ 6.10";
const OF_8: &str = "memtest86+ 8.10";

/// Boots of Debian's CDs and files.
const BOOTS: &[TestBoot] = {
    use crate::images::cpu::Firmware::{Bios32, Bios64, X64Uefi, X86Uefi};
    use crate::images::entry_kind::MenuLoader::{Grub, Ipxe, Pxelinux};
    &[
        boot("memtest", OF_6, Bios64, Ipxe),
        boot("memtest-pxelinux", OF_6, Bios64, Pxelinux),
        boot("memtest-uefi", OF_6, X64Uefi, Ipxe),
        boot("memtest-ia32-bios", OF_6, Bios32, Ipxe),
        boot("memtest-ia32-uefi", OF_6, X86Uefi, Grub),
        boot("memtest-files", OF_6, Bios64, Ipxe),
        boot("memtest-files-efi", OF_6, Bios64, Ipxe),
        boot("memtest-files-uefi", OF_6, X64Uefi, Ipxe),
        boot("memtest-files-grub", OF_6, X64Uefi, Grub),
        boot("memtest-ia32-file", OF_6, Bios32, Pxelinux),
        boot("memtest-ia32-efi", OF_6, X86Uefi, Grub),
        boot("memtest-8", OF_8, Bios64, Ipxe),
        boot("memtest-8-uefi", OF_8, X64Uefi, Ipxe),
        boot("memtest-files-8", OF_8, Bios64, Pxelinux),
        TestBoot::ram_disk("whole-image", OF_6, X64Uefi),
    ]
};

/// Describes the boot of a program.
const fn boot(
    case: &'static str,
    version: &'static str,
    firmware: Firmware,
    loader: MenuLoader,
) -> TestBoot {
    TestBoot::new(case, version, firmware, loader).kind(TestKind::Program)
}

/// Largest medium that is taken for one of memtest86+ only, in bytes: its CDs have up to 7 MiB, those
/// of a system with memtest86+ beside it hundreds.
const MAX_MEDIUM: u64 = 32 << 20;
/// Most files looked at.
const MAX_FILES: usize = 64;
/// Beginning of the version in its boot header.
const VERSION: &str = "Memtest86+";

/// Recognises a medium with nothing but memtest86+.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    if file_bytes(medium.tree) > MAX_MEDIUM {
        return None;
    }
    let paths = file_paths(medium.tree, MAX_FILES);
    let found = paths.into_iter().flat_map(|path| {
        let content = medium.tree.file(&path);
        let firmware = content.map(|content| firmware_of(content, medium.read));
        let files = firmware.unwrap_or_default().into_iter();
        files.map(move |firmware| ProgramFile {
            firmware,
            path: path.clone(),
        })
    });
    let mut found: Vec<ProgramFile> = found.collect();
    // Before version 8 the EFI program is a second file, and the plain one is for BIOS.
    found.sort_by_key(|file| file.firmware.is_bios() && file.path.ends_with(".efi"));
    Some(Detection {
        family: Some("memtest86+"),
        evidence: vec![Evidence::Program],
        entries: vec![entry(medium, first_of_each(&found))?],
        ..Detection::default()
    })
}

/// Lists the firmware that starts a file of memtest86+; none for any other file.
fn firmware_of(content: &Content, read: ReadSmall<'_>) -> Vec<Firmware> {
    let header = BootHeader::parse(content, read);
    let Some(header) = header.filter(|header| header.version.starts_with(VERSION)) else {
        return Vec::new();
    };
    let bios = match header.is_wide {
        true => Firmware::Bios64,
        false => Firmware::Bios32,
    };
    [bios].into_iter().chain(uefi_of(content, read)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::EntryKind;
    use crate::testing::{medium, program, tree_of};

    /// The header of memtest86+ over these bytes.
    fn memtest(mut bytes: Vec<u8>, is_wide: bool) -> Vec<u8> {
        bytes.resize(0x1000, 0);
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x20e..0x210].copy_from_slice(&[0x60, 2]);
        bytes[0x460..0x471].copy_from_slice(b"Memtest86+ v6.10\0");
        bytes[0x236] = u8::from(is_wide);
        bytes
    }

    fn found(files: &[(&str, Vec<u8>)]) -> Option<Vec<(Firmware, String)>> {
        let found = detect(medium(&tree_of(files), "memtest", "MT86PLUS"))?;
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!((entry.id.as_str(), &entry.root), ("memtest", &None));
        let EntryKind::Program(program) = &entry.kind else {
            panic!("{:?}", entry.kind)
        };
        let files = program.files.iter();
        Some(
            files
                .map(|file| (file.firmware, file.path.clone()))
                .collect(),
        )
    }

    #[test]
    fn a_cd_of_version_6_and_its_plain_files() {
        let x64 = || memtest(program(0x8664, &[], &[]), true);
        let cd = [
            ("EFI/BOOT/bootx64.efi", x64()),
            ("boot/floppy.img", memtest(vec![0xea], true)),
        ];
        let expected = [
            (Firmware::Bios64, "boot/floppy.img".to_owned()),
            (Firmware::X64Uefi, "EFI/BOOT/bootx64.efi".to_owned()),
        ];
        assert_eq!(found(&cd).unwrap(), expected);
        let plain = [
            ("memtest86+ia32.bin", memtest(vec![0xea], false)),
            (
                "memtest86+ia32.efi",
                memtest(program(0x14c, &[], &[]), false),
            ),
            ("memtest86+x64.bin", memtest(vec![0xea], true)),
            ("memtest86+x64.efi", x64()),
        ];
        let expected = [
            (Firmware::Bios64, "memtest86+x64.bin".to_owned()),
            (Firmware::Bios32, "memtest86+ia32.bin".to_owned()),
            (Firmware::X64Uefi, "memtest86+x64.efi".to_owned()),
            (Firmware::X86Uefi, "memtest86+ia32.efi".to_owned()),
        ];
        assert_eq!(found(&plain).unwrap(), expected);
    }

    #[test]
    fn from_version_8_on_one_file_is_for_both() {
        let files = [("mt86+x64", memtest(program(0x8664, &[], &[]), true))];
        let file = || "mt86+x64".to_owned();
        let expected = [(Firmware::Bios64, file()), (Firmware::X64Uefi, file())];
        assert_eq!(found(&files).unwrap(), expected);
    }

    #[test]
    fn other_media_are_not_claimed() {
        let mut linux = memtest(vec![0xea], true);
        linux[0x460..0x465].copy_from_slice(b"6.1.0");
        assert_eq!(found(&[("vmlinuz", linux)]), None);
        assert_eq!(found(&[("floppy.img", vec![0; 64])]), None);
        let system = [
            ("memtest", memtest(vec![0xea], true)),
            ("root.img", vec![0; (32 << 20) + 1]),
        ];
        assert_eq!(found(&system), None);
    }
}
