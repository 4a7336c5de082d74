//! debian-installer's network images: a kernel and an initramfs that is the whole installer. It
//! fetches its packages from a mirror, so it needs no root from here.
//!
//! Recognised by `debian-installer/ARCH/{linux,initrd.gz}`, as in the netboot tree, or by `linux`
//! and `initrd.gz` beside `.disk`, as on `mini.iso`. The images for CDs keep theirs in
//! `install.*`: those look for their own disk and are left to other families.

use std::sync::Arc;

use crate::boot_config::{self, MenuEntry, ReadSmall};
use crate::images::arguments::{before_break, inherited};
use crate::images::cpu::Cpu;
use crate::images::detection::Detection;
use crate::images::entry::{Boot, Entry, RootSource};
use crate::images::entry_kind::{EntryKind, Linux};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::kernel::kernel_cpu;
use crate::images::medium::Medium;
use crate::images::test_boot::TestBoot;
use crate::pe;
use crate::vfs::Tree;

/// debian-installer's network images.
pub(super) static FAMILY: Family = Family {
    name: "debian-installer",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: BOOTS,
};

/// Boots of the netboot installers in Debian's packages, up to the first question.
const BOOTS: &[TestBoot] = {
    use crate::images::cpu::Firmware::{Arm64Uefi, Bios32, Bios64, Riscv64Uefi, X64Uefi, X86Uefi};
    use crate::images::entry_kind::MenuLoader::{Grub, Ipxe, Pxelinux};
    &[
        TestBoot::new("installer-12", OF_12, Bios64, Ipxe),
        TestBoot::new("installer-12-i386", OF_12, Bios32, Ipxe),
        TestBoot::new("installer-12-pc", OF_12, Bios32, Ipxe),
        TestBoot::new("installer-12-ia32", OF_12, X86Uefi, Grub),
        TestBoot::new("installer-12-ia32-secure", OF_12, X86Uefi, Grub).secure(),
        TestBoot::new("secure", OF_12, X64Uefi, Grub).secure(),
        TestBoot::new("secure-http", OF_12, X64Uefi, Grub).secure(),
        TestBoot::new("folder", OF_12, Bios64, Ipxe),
        TestBoot::new("tarball", OF_12, X64Uefi, Ipxe),
        TestBoot::new("installer-13", OF_13, Bios64, Ipxe),
        TestBoot::new("installer-13-pxelinux", OF_13, Bios64, Pxelinux),
        TestBoot::new("installer-13-uefi", OF_13, X64Uefi, Ipxe),
        TestBoot::new("installer-13-grub", OF_13, X64Uefi, Grub),
        TestBoot::new("installer-13-secure-2011", OF_13, X64Uefi, Grub).secure(),
        TestBoot::new("installer-13-secure-2023", OF_13, X64Uefi, Grub).secure(),
        TestBoot::new("installer-13-secure-both", OF_13, X64Uefi, Grub).secure(),
        TestBoot::new("installer-13-arm64", OF_13, Arm64Uefi, Grub),
        TestBoot::new("installer-13-riscv64", OF_13, Riscv64Uefi, Grub),
    ]
};
const OF_12: &str = "Debian 12";
const OF_13: &str = "Debian 13";

/// Debian's names of the processors.
const ARCHS: [(&str, Cpu); 4] = [
    ("amd64", Cpu::X86_64),
    ("i386", Cpu::I686),
    ("arm64", Cpu::Aarch64),
    ("riscv64", Cpu::Riscv64),
];
/// A kernel with its initramfs.
struct Found {
    cpu: Cpu,
    /// The folder, empty or with a slash at its end.
    folder: String,
}

/// Recognises a medium that debian-installer made.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let found = find(medium.tree, medium.read);
    let entries: Vec<Entry> = found
        .iter()
        .filter_map(|one| entry(medium, one, found.len()))
        .collect();
    (!entries.is_empty()).then(|| Detection {
        family: Some("debian-installer"),
        evidence: vec![match found.iter().any(|one| !one.folder.is_empty()) {
            true => Evidence::Mark,
            false => Evidence::Names,
        }],
        entries,
        ..Detection::default()
    })
}

fn find(tree: &Tree, read: ReadSmall<'_>) -> Vec<Found> {
    let has = |folder: &str| {
        let file = |name: &str| tree.file(&format!("{folder}{name}")).is_some();
        file("linux") && file("initrd.gz")
    };
    let in_tree = ARCHS.into_iter().map(|(arch, cpu)| Found {
        cpu,
        folder: format!("debian-installer/{arch}/"),
    });
    let mut found: Vec<Found> = in_tree.filter(|one| has(&one.folder)).collect();
    if found.is_empty() && tree.is_directory(".disk") && has("") {
        let cpu = tree
            .file("linux")
            .and_then(|kernel| kernel_cpu(kernel, read));
        found.extend(cpu.map(|cpu| Found {
            cpu,
            folder: String::new(),
        }));
    }
    found
}

fn entry(medium: Medium<'_>, found: &Found, count: usize) -> Option<Entry> {
    let Medium {
        tree, name, read, ..
    } = medium;
    let Found { cpu, folder } = found;
    let (kernel, initrd) = (format!("{folder}linux"), format!("{folder}initrd.gz"));
    let initrd_bytes = tree.file(&initrd)?.len();
    let menu = menu(tree, folder, read);
    // The plain installation; others are for experts, rescue and automation.
    let is_plain = |entry: &&MenuEntry| entry.id == "install" || entry.title == "Install";
    let fits = |entry: &&MenuEntry| entry.kernel == kernel && entry.initrds.contains(&initrd);
    let fitting = || menu.iter().filter(fits);
    let own = fitting().find(is_plain).or_else(|| fitting().next());
    let arguments = own.map(|entry| entry.arguments.clone());
    // The processor distinguishes entries only where there are several.
    let named = |suffix: String| match count {
        1 => name.to_owned(),
        _ => format!("{name}{suffix}"),
    };
    Some(Entry {
        id: named(format!("-{cpu}")),
        title: named(format!(" ({cpu})")),
        volume: medium.label.to_owned(),
        cpu: *cpu,
        inherited: inherited(arguments.unwrap_or_default().into_iter()),
        root_source: Arc::new(DebianInstaller),
        root: None,
        root_bytes: 0,
        initrd_bytes,
        lacks: Vec::new(),
        notes: Vec::new(),
        signed: pe::signed(tree.file(&kernel)?, read),
        kind: EntryKind::Linux(Linux {
            kernel,
            initrd: vec![initrd],
        }),
    })
}

/// Every entry of the medium's own menus, those for GRUB first: UEFI has no other.
fn menu(tree: &Tree, folder: &str, read: ReadSmall<'_>) -> Vec<MenuEntry> {
    let mut entries = boot_config::read(tree, read, &[format!("{folder}boot-screens")]).entries;
    entries.sort_by_key(|entry| entry.dialect != boot_config::Dialect::Grub);
    entries
}

/// The installer is its own root. It hands what stands behind `---` on to the system it installs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DebianInstaller;

impl RootSource for DebianInstaller {
    /// The operator's own arguments are for the installer, unless they have a `---` themselves.
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        before_break(&entry.inherited, Vec::new(), boot.append)
    }

    fn loader_words_go_first(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{Dialect, MountSource, Refusal, Server, Transport};
    use crate::net::Origin;
    use crate::pe::Signed;
    use crate::testing::{linux, medium, program, read, tree};
    use crate::vfs::{Content, Identity};

    const GRUB: &str = "menuentry 'Expert' {\nlinux /debian-installer/amd64/linux priority=low ---\n\
        initrd /debian-installer/amd64/initrd.gz\n}\n\
        menuentry 'Install' {\nlinux /debian-installer/amd64/linux vga=788 --- quiet ${x}\n\
        initrd /debian-installer/amd64/initrd.gz\n}\n";

    fn recognised(files: &[(&str, &str)]) -> Option<Detection> {
        detect(medium(&tree(files), "deb", "Debian"))
    }

    fn line(entry: &Entry, append: &str) -> String {
        let server = Server {
            http: Origin::http([10, 0, 0, 1].into(), 80),
            nfs: true,
            nbd: true,
        };
        let source = MountSource {
            server: &server,
            image: "deb",
            identity: Identity::default(),
        };
        entry.command_line(Transport::Http, source, Dialect::Ipxe, append)
    }

    #[test]
    fn the_netboot_tree_gives_an_entry_for_each_processor() {
        let found = recognised(&[
            ("debian-installer/amd64/grub/grub.cfg", GRUB),
            ("debian-installer/amd64/initrd.gz", "iiii"),
            ("debian-installer/amd64/linux", "k"),
            ("debian-installer/arm64/initrd.gz", "i"),
            ("debian-installer/arm64/linux", "k"),
        ])
        .unwrap();
        assert_eq!(found.family_name(), "debian-installer");
        let [amd64, arm64] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!((amd64.id.as_str(), amd64.cpu), ("deb-x86_64", Cpu::X86_64));
        assert_eq!(
            (arm64.id.as_str(), arm64.cpu),
            ("deb-aarch64", Cpu::Aarch64)
        );
        assert_eq!(linux(amd64).kernel, "debian-installer/amd64/linux");
        assert_eq!(linux(amd64).initrd, ["debian-installer/amd64/initrd.gz"]);
        assert_eq!((amd64.initrd_bytes, &amd64.root), (4, &None));
        assert_eq!(amd64.signed, Signed::No);
        assert_eq!(amd64.check(Transport::Nfs, ""), Err(Refusal::NoRoot));
        assert_eq!(amd64.check(Transport::Http, "copytoram=n"), Ok(()));
        assert_eq!(line(amd64, ""), "vga=788 --- quiet");
        assert_eq!(line(arm64, ""), "");
    }

    /// Debian 13's tree for RISC-V has a GRUB that is not signed, and no boot screens.
    #[test]
    fn a_tree_for_one_processor_has_the_images_own_name() {
        for (arch, cpu) in ARCHS {
            let folder = format!("debian-installer/{arch}");
            let (kernel, initrd) = (format!("{folder}/linux"), format!("{folder}/initrd.gz"));
            let mut found = recognised(&[(&initrd, "i"), (&kernel, "k")]).unwrap();
            found.boots = BOOTS;
            let [entry] = &found.entries[..] else {
                panic!("{:?}", found.entries)
            };
            assert_eq!((entry.id.as_str(), entry.cpu), ("deb", cpu));
            assert_eq!(linux(entry).kernel, kernel);
            assert!(!found.tested_of(entry).is_empty(), "{arch}");
        }
    }

    #[test]
    fn the_operators_arguments_are_the_installers_unless_they_say_otherwise() {
        let files = [
            ("debian-installer/amd64/grub/grub.cfg", GRUB),
            ("debian-installer/amd64/initrd.gz", "i"),
            ("debian-installer/amd64/linux", "k"),
        ];
        let entry = recognised(&files).unwrap().entries.remove(0);
        assert_eq!(
            line(&entry, "console=ttyS0 a"),
            "vga=788 console=ttyS0 a --- quiet"
        );
        assert_eq!(line(&entry, "a --- b"), "vga=788 a --- quiet b");
        assert_eq!(line(&entry, "--- b"), "vga=788 --- quiet b");
        let bare = recognised(&files[1..]).unwrap().entries.remove(0);
        assert_eq!(line(&bare, "a"), "a");
        assert_eq!(line(&bare, "a --- b"), "a --- b");
    }

    #[test]
    fn a_mini_iso_says_its_processor_by_its_kernel() {
        let mut bios = vec![0; 0x400];
        bios[0x202..0x206].copy_from_slice(b"HdrS");
        let kernel = |bytes: Vec<u8>| kernel_cpu(&Content::memory(bytes), &read);
        assert_eq!(kernel(bios.clone()), Some(Cpu::I686));
        bios[0x236] = 1;
        assert_eq!(kernel(bios.clone()), Some(Cpu::X86_64));
        assert_eq!(kernel(program(0xaa64, &[], &[])), Some(Cpu::Aarch64));
        assert_eq!(kernel(b"k".to_vec()), None);
        let text = String::from_utf8(bios).unwrap();
        let isolinux = "label install\nkernel linux\nappend vga=788 initrd=initrd.gz --- quiet\n";
        let found = recognised(&[
            (".disk/mini-info", "x"),
            ("initrd.gz", "i"),
            ("linux", &text),
            ("txt.cfg", isolinux),
        ]);
        let entry = found.unwrap().entries.remove(0);
        assert_eq!((entry.id.as_str(), entry.cpu), ("deb", Cpu::X86_64));
        assert_eq!(line(&entry, ""), "vga=788 --- quiet");
    }

    #[test]
    fn other_media_are_not_claimed() {
        assert!(
            recognised(&[("install.amd/vmlinuz", "k"), ("install.amd/initrd.gz", "i")]).is_none()
        );
        assert!(recognised(&[("linux", "k"), ("initrd.gz", "i")]).is_none());
        assert!(recognised(&[("debian-installer/amd64/linux", "k")]).is_none());
    }
}
