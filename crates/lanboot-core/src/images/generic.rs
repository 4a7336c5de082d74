//! The ways for a medium of no known family: as a disk, its EFI program alone, and the kernels of its
//! menus as they are there.

use super::cpu::{Cpu, Firmware};
use super::detection::Detection;
use super::efi;
use super::entry::{Entry, Note};
use super::entry_kind::{Disk, EntryKind, Linux, MenuLoader, Program, ProgramFile};
use super::kernel::kernel_cpu;
use super::medium::Medium;
use super::menu_groups::{is_complete, plainest};
use super::naming::{Naming, id_and_title, names};
use super::program_files::{first_of_each, uefi_of};
use super::standalone;
use super::test_boot::{TestBoot, TestKind};
use crate::pe;

/// Media that the tests make, with GRUB.
const MADE: &str = "made media with GRUB";
const DEBIAN: &str = "rescue media of Debian 12 and sid";

/// Boots of media of no known family.
pub(super) const BOOTS: &[TestBoot] = &[
    disk_boot("unknown-disk", MADE, Firmware::Bios64, MenuLoader::Ipxe),
    disk_boot(
        "unknown-memdisk",
        MADE,
        Firmware::Bios64,
        MenuLoader::Pxelinux,
    ),
    disk_boot("unknown-sanboot", MADE, Firmware::X64Uefi, MenuLoader::Ipxe),
    TestBoot::ram_disk("unknown-ram-disk", MADE, Firmware::X64Uefi),
    disk_boot("rescue-grub", MADE, Firmware::Bios64, MenuLoader::Ipxe),
    disk_boot(
        "rescue-grub-memdisk",
        MADE,
        Firmware::Bios64,
        MenuLoader::Pxelinux,
    ),
    disk_boot(
        "rescue-grub-uefi",
        MADE,
        Firmware::X64Uefi,
        MenuLoader::Ipxe,
    ),
    TestBoot::ram_disk("rescue-grub-ram-disk", MADE, Firmware::X64Uefi),
    disk_boot("raw-disk", MADE, Firmware::Bios64, MenuLoader::Ipxe),
    disk_boot(
        "raw-disk-memdisk",
        MADE,
        Firmware::Bios64,
        MenuLoader::Pxelinux,
    ),
    disk_boot("raw-disk-uefi", MADE, Firmware::X64Uefi, MenuLoader::Ipxe),
    TestBoot::ram_disk("raw-disk-ram-disk", MADE, Firmware::X64Uefi),
    disk_boot("rescue-debian", DEBIAN, Firmware::Bios64, MenuLoader::Ipxe),
    disk_boot("ipxe-iso", DEBIAN, Firmware::Bios64, MenuLoader::Ipxe),
    disk_boot("ipxe-iso-uefi", DEBIAN, Firmware::X64Uefi, MenuLoader::Ipxe),
    program_boot("unknown-chain", MADE, Firmware::X64Uefi, MenuLoader::Ipxe),
    program_boot(
        "inside-boot-image",
        MADE,
        Firmware::X64Uefi,
        MenuLoader::Ipxe,
    ),
    program_boot(
        "inside-boot-image-ia32",
        MADE,
        Firmware::X86Uefi,
        MenuLoader::Grub,
    ),
];

/// Describes the boot of a medium as a disk.
const fn disk_boot(
    case: &'static str,
    system: &'static str,
    firmware: Firmware,
    loader: MenuLoader,
) -> TestBoot {
    TestBoot::new(case, system, firmware, loader).kind(TestKind::Disk)
}

/// Describes the boot of its EFI program alone.
const fn program_boot(
    case: &'static str,
    system: &'static str,
    firmware: Firmware,
    loader: MenuLoader,
) -> TestBoot {
    TestBoot::new(case, system, firmware, loader).kind(TestKind::Program)
}

/// The firmware that finds a boot program on the medium.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boots {
    /// It has a boot image for BIOS.
    pub(super) bios: bool,
    /// It has a boot image for UEFI.
    pub(super) uefi: bool,
}

/// Finds the generic ways to start a medium; the best one comes first.
pub(super) fn detect(medium: Medium<'_>, boots: Boots) -> Detection {
    let mut entries: Vec<Entry> = Vec::new();
    entries.extend(disk(medium, boots));
    entries.extend(program(medium));
    entries.extend(kernels(medium));
    let warning = match entries.is_empty() {
        true => {
            "no known way to boot it over the network was found; its files are served all the same"
        }
        false => {
            "no known family of media: it starts by the generic ways, each with its limits (see the \
             notes of its entries)"
        }
    };
    // What was left out may be what it starts by.
    let limits = medium.menus().limits.iter().map(ToString::to_string);
    Detection {
        entries,
        boots: BOOTS,
        warnings: [warning.into()].into_iter().chain(limits).collect(),
        ..Detection::default()
    }
}

/// Returns the medium as a disk; `None` where no firmware finds a boot program on it.
pub(super) fn disk(medium: Medium<'_>, boots: Boots) -> Option<Entry> {
    let bios = [Firmware::Bios64, Firmware::Bios32];
    let archs = efi::archs(medium.tree);
    let has_program = |firmware: Firmware| {
        let mut archs = archs.iter().filter_map(|arch| Firmware::of(*arch));
        // Where the program is only inside the boot image, it may be for any.
        archs.any(|of| of == firmware) || efi::archs(medium.tree).is_empty()
    };
    let firmware = Firmware::ALL
        .into_iter()
        .filter(|firmware| match bios.contains(firmware) {
            true => boots.bios,
            false => boots.uefi && has_program(*firmware),
        });
    let firmware: Vec<Firmware> = firmware.collect();
    let first = *firmware.first()?;
    Some(Entry {
        notes: vec![Note::AsDisk],
        ..entry(medium, first, EntryKind::Disk(Disk { firmware }), &[])
    })
}

/// Returns the EFI program of the medium, or of its boot image, alone; `None` where there is none.
fn program(medium: Medium<'_>) -> Option<Entry> {
    let files = efi::programs(medium.tree).into_iter().filter_map(|path| {
        let firmware = uefi_of(medium.tree.file(&path)?, medium.read)?;
        Some(ProgramFile { firmware, path })
    });
    let files = first_of_each(&files.collect::<Vec<_>>());
    let first = files.first()?.firmware;
    let signed = files.iter().filter_map(|file| {
        let content = medium.tree.file(&file.path)?;
        Some(pe::signed(content, medium.read))
    });
    let signed = signed.min_by_key(|signed| signed.names().len());
    Some(Entry {
        notes: vec![Note::WithoutMedium],
        signed: signed.unwrap_or_default(),
        ..entry(
            medium,
            first,
            EntryKind::Program(Program { files }),
            &["efi"],
        )
    })
}

/// Returns the kernels of the medium's menus, each with the arguments it has there.
fn kernels(medium: Medium<'_>) -> Vec<Entry> {
    let menu = &medium.menus().entries;
    let complete = menu.iter().filter(|entry| is_complete(medium.tree, entry));
    let keyed = complete.filter_map(|entry| {
        let kernel = medium.tree.file(&entry.kernel)?;
        Some((kernel_cpu(kernel, medium.read)?, entry))
    });
    let found = plainest(keyed, |entry| entry.arguments.len());
    let namings: Vec<Naming<'_>> = found
        .iter()
        .map(|(cpu, entry)| Naming {
            cpu: *cpu,
            kernel: &entry.kernel,
            initrd: &entry.initrds,
            root: "",
            mode: "",
        })
        .collect();
    let named = found.iter().zip(names(&namings));
    let entries = named.filter_map(|((cpu, menu), name)| {
        let parts = ["kernel".to_owned()].into_iter().chain(name);
        let parts: Vec<String> = parts.collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let kind = EntryKind::Linux(Linux {
            kernel: menu.kernel.clone(),
            initrd: menu.initrds.clone(),
        });
        let sizes = menu
            .initrds
            .iter()
            .filter_map(|path| medium.tree.file(path));
        let firmware = Firmware::ALL.into_iter().find(|f| f.cpus().contains(cpu))?;
        Some(Entry {
            cpu: *cpu,
            inherited: menu.arguments.clone(),
            initrd_bytes: sizes
                .map(crate::vfs::Content::len)
                .fold(0, u64::saturating_add),
            notes: vec![Note::WithoutRoot],
            signed: pe::signed(medium.tree.file(&menu.kernel)?, medium.read),
            ..entry(medium, firmware, kind, &parts)
        })
    });
    entries.collect()
}

/// Makes an entry without a root, called the image's name and `parts`.
fn entry(medium: Medium<'_>, first: Firmware, kind: EntryKind, parts: &[&str]) -> Entry {
    let parts: Vec<String> = parts.iter().copied().map(str::to_owned).collect();
    let (id, _) = id_and_title(medium.name, &parts);
    let how = match kind {
        EntryKind::Disk(_) => "as a disk",
        EntryKind::Program(_) | EntryKind::Multiboot(_) => "its EFI program alone",
        EntryKind::Linux(_) => "its kernel, without its root",
    };
    let cpu = first.cpus().first().copied().unwrap_or(Cpu::X86_64);
    Entry {
        title: format!("{id} ({how})"),
        id,
        ..standalone::entry(medium, cpu, kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{linux, medium, program as efi_program, tree, tree_of};

    const ALL: Boots = Boots {
        bios: true,
        uefi: true,
    };

    #[test]
    fn a_medium_with_boot_images_starts_as_a_disk_and_by_its_program_alone() {
        let x64 = efi_program(0x8664, &[], &[]);
        let tree = tree_of(&[("EFI/BOOT/BOOTX64.EFI", x64), ("data", vec![1])]);
        let found = detect(medium(&tree, "odd", "ODD"), ALL);
        assert_eq!(found.family, None);
        let [disk, program] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!((disk.id.as_str(), program.id.as_str()), ("odd", "odd-efi"));
        let EntryKind::Disk(of) = &disk.kind else {
            panic!("{:?}", disk.kind)
        };
        let firmware = [Firmware::Bios64, Firmware::Bios32, Firmware::X64Uefi];
        assert_eq!(of.firmware, firmware);
        assert!(disk.is_last_resort() && program.is_last_resort());
        assert!(disk.needs_whole_image() && !program.needs_whole_image());
        assert!(!disk.is_unsigned() && program.is_unsigned());
    }

    #[test]
    fn a_medium_without_boot_images_is_files() {
        let tree = tree(&[("readme", "x")]);
        let none = Boots {
            bios: false,
            uefi: false,
        };
        let found = detect(medium(&tree, "files", "FILES"), none);
        assert!(found.entries.is_empty());
        assert!(found.warnings[0].contains("served all the same"));
    }

    #[test]
    fn kernels_of_its_menus_come_last_with_the_arguments_they_have_there() {
        let mut kernel = vec![0; 0x400];
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x236] = 1;
        let menu = b"label odd\nkernel /k/vmlinuz\nappend initrd=/k/initrd root=LABEL=${x} ro\n";
        let files = [
            ("isolinux/isolinux.cfg", menu.to_vec()),
            ("k/initrd", vec![1, 2]),
            ("k/vmlinuz", kernel),
        ];
        let tree = tree_of(&files);
        let found = detect(medium(&tree, "odd", "ODD"), ALL);
        let last = found.entries.last().unwrap();
        assert_eq!((last.id.as_str(), last.cpu), ("odd-kernel", Cpu::X86_64));
        assert_eq!(linux(last).initrd, ["k/initrd"]);
        assert_eq!(last.inherited, ["root=LABEL=${x}", "ro"]);
        assert_eq!(last.notes, [Note::WithoutRoot]);
    }
}
