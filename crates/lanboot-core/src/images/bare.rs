//! Files that are started as they are, without a medium: EFI programs, programs that BIOS loaders
//! start like a Linux kernel, and such kernels by themselves.

use super::cpu::Firmware;
use super::detection::Detection;
use super::entry::{Entry, Note};
use super::entry_kind::{EntryKind, Linux, MenuLoader, ProgramFile};
use super::evidence::Evidence;
use super::kernel::kernel_cpu;
use super::medium::{Medium, file_paths};
use super::program_files::{self, BootHeader, uefi_of};
use super::standalone;
use super::test_boot::{TestBoot, TestKind};
use crate::media::Bare;
use crate::pe;

/// Boots of programs by themselves; those of memtest86+ are in its family.
pub(super) const BOOTS: &[TestBoot] = &[
    TestBoot::new(
        "ipxe-lkrn",
        "ipxe.lkrn of Debian 12",
        Firmware::Bios64,
        MenuLoader::Pxelinux,
    )
    .kind(TestKind::Program),
    TestBoot::new(
        "kernel-alone",
        "a kernel of Debian 12",
        Firmware::Bios64,
        MenuLoader::Ipxe,
    ),
];

/// Finds the entry of a file that is started as it is.
pub(super) fn detect(medium: Medium<'_>, bare: Bare) -> Detection {
    let path = file_paths(medium.tree, 1).pop();
    let entry = path.and_then(|path| match bare {
        Bare::Kernel => kernel(medium, path),
        Bare::Bios | Bare::Efi | Bare::BiosAndEfi => program(medium, &path),
    });
    let warning = entry.is_none().then(|| {
        "it is for a processor whose machines no loader here starts; it is served as a file".into()
    });
    Detection {
        family: Some(match bare {
            Bare::Kernel => "Linux kernel",
            Bare::Bios => "program for BIOS",
            Bare::Efi => "EFI program",
            Bare::BiosAndEfi => "program for BIOS and UEFI",
        }),
        evidence: vec![Evidence::Program],
        boots: BOOTS,
        entries: entry.into_iter().collect(),
        warnings: warning.into_iter().collect(),
        ..Detection::default()
    }
}

/// Returns the entry of a program, with the firmware its headers say.
fn program(medium: Medium<'_>, path: &str) -> Option<Entry> {
    let content = medium.tree.file(path)?;
    let header = BootHeader::parse(content, medium.read);
    let bios = header.map(|header| match header.is_wide {
        true => Firmware::Bios64,
        false => Firmware::Bios32,
    });
    let firmware = bios.into_iter().chain(uefi_of(content, medium.read));
    let files = firmware.map(|firmware| ProgramFile {
        firmware,
        path: path.to_owned(),
    });
    program_files::entry(medium, files.collect())
}

/// Returns the entry of a kernel without an initramfs of its own file.
fn kernel(medium: Medium<'_>, path: String) -> Option<Entry> {
    let content = medium.tree.file(&path)?;
    let cpu = kernel_cpu(content, medium.read)?;
    let signed = pe::signed(content, medium.read);
    let kind = EntryKind::Linux(Linux {
        kernel: path,
        initrd: Vec::new(),
    });
    Some(Entry {
        signed,
        notes: vec![Note::KernelAlone],
        ..standalone::entry(medium, cpu, kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::entry_kind::MenuLoader;
    use crate::testing::{linux, medium, program as efi_program, tree_of};

    fn found(bare: Bare, name: &str, bytes: Vec<u8>) -> Detection {
        detect(medium(&tree_of(&[(name, bytes)]), "tool", "Tool v1"), bare)
    }

    /// The machines that start the only entry, each with the file.
    fn starts(found: &Detection) -> Vec<(Firmware, String)> {
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!((&*entry.id, &*entry.volume), ("tool", "Tool v1"));
        let all = Firmware::ALL.into_iter();
        let of = all.filter(|firmware| entry.starts_by(MenuLoader::Grub, *firmware));
        of.map(|firmware| {
            let EntryKind::Program(program) = &entry.kind else {
                return (firmware, linux(entry).kernel.clone());
            };
            (firmware, program.file(firmware).unwrap().to_owned())
        })
        .collect()
    }

    fn with_boot_header(mut bytes: Vec<u8>, is_wide: bool) -> Vec<u8> {
        bytes.resize(0x1000, 0);
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x236] = u8::from(is_wide);
        bytes
    }

    #[test]
    fn a_program_is_for_the_firmware_its_headers_say() {
        use Firmware::{Arm64Uefi, Bios32, Bios64, X64Uefi, X86Uefi};
        let efi = |machine| efi_program(machine, &[], &["Signer"]);
        let file = |firmware| (firmware, "program.efi".to_owned());
        let arm = found(Bare::Efi, "program.efi", efi(0xaa64));
        assert_eq!(starts(&arm), [file(Arm64Uefi)]);
        assert_eq!(arm.family_name(), "EFI program");
        assert_eq!(arm.entries[0].signed.names(), ["Signer"]);
        assert!(!arm.entries[0].is_last_resort());
        let both = with_boot_header(efi(0x14c), false);
        let both = found(Bare::BiosAndEfi, "program.efi", both);
        assert_eq!(starts(&both), [file(Bios64), file(Bios32), file(X86Uefi)]);
        let wide = found(
            Bare::BiosAndEfi,
            "program.efi",
            with_boot_header(efi(0x8664), true),
        );
        assert_eq!(starts(&wide), [file(Bios64), file(X64Uefi)]);
        let bios = with_boot_header(Vec::new(), false);
        let bios = found(Bare::Bios, "program.bin", bios);
        let machines: Vec<Firmware> = starts(&bios).into_iter().map(|(of, _)| of).collect();
        assert_eq!(machines, [Bios64, Bios32]);
    }

    #[test]
    fn a_kernel_by_itself_is_the_last_thing_to_start() {
        let kernel = with_boot_header(efi_program(0x8664, &[], &[]), true);
        let found = found(Bare::Kernel, "vmlinuz", kernel);
        let machines: Vec<Firmware> = starts(&found).into_iter().map(|(of, _)| of).collect();
        assert_eq!(machines, [Firmware::Bios64, Firmware::X64Uefi]);
        let entry = &found.entries[0];
        assert!(entry.is_last_resort() && linux(entry).initrd.is_empty());
        assert_eq!(entry.notes, [Note::KernelAlone]);
    }

    #[test]
    fn a_program_for_another_processor_is_a_file() {
        let found = found(Bare::Efi, "program.efi", efi_program(0x6264, &[], &[]));
        assert!(found.entries.is_empty() && found.warnings.len() == 1);
    }
}
