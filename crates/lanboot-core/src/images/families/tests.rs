//! No family takes another one's media.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::images::test_boot::{Boots, TestBoot};
use crate::images::{bare, generic};
use crate::testing::{self, medium, tree};
use crate::vfs::Content;

/// Files with their texts.
type Files = &'static [(&'static str, &'static str)];

/// One medium of each family: the name it is recognised by, and its files.
const MEDIA: [(&str, Files); 20] = [
    (
        "archiso",
        &[
            ("arch/boot/x86_64/initramfs-linux.img", "i"),
            ("arch/boot/x86_64/vmlinuz-linux", "k"),
            ("arch/x86_64/airootfs.sfs", "r"),
        ],
    ),
    (
        "debian-installer",
        &[
            ("debian-installer/amd64/initrd.gz", "i"),
            ("debian-installer/amd64/linux", "k"),
        ],
    ),
    (
        "casper",
        &[
            ("casper/filesystem.squashfs", "r"),
            ("casper/initrd", "i"),
            ("casper/vmlinuz", "k"),
        ],
    ),
    (
        "live-boot",
        &[
            ("live/filesystem.squashfs", "r"),
            ("live/initrd.img", "i"),
            ("live/vmlinuz", "k"),
        ],
    ),
    (
        "dracut live",
        &[
            ("LiveOS/squashfs.img", "r"),
            (
                "boot/grub2/grub.cfg",
                "menuentry 'Start Fedora' {\n\
                 linux /images/pxeboot/vmlinuz root=live:CDLABEL=F rd.live.image quiet\n\
                 initrd /images/pxeboot/initrd.img\n}\n",
            ),
            ("images/pxeboot/initrd.img", "i"),
            ("images/pxeboot/vmlinuz", "k"),
        ],
    ),
    (
        "miso",
        &[
            ("boot/initramfs-x86_64.img", "i"),
            ("boot/vmlinuz-x86_64", "k"),
            ("manjaro/x86_64/rootfs.sfs", "r"),
        ],
    ),
    (
        "linuxrc",
        &[
            (
                "EFI/BOOT/grub.cfg",
                "menuentry 'Installation' {\n linux /boot/x86_64/loader/linux splash=silent\n\
                 initrd /boot/x86_64/loader/initrd\n}\n",
            ),
            ("boot/x86_64/loader/initrd", "i"),
            ("boot/x86_64/loader/linux", "k"),
            ("boot/x86_64/root", "r"),
        ],
    ),
    (
        "Agama",
        &[
            ("LiveOS/squashfs.img", "r"),
            (
                "boot/grub2/grub.cfg",
                "menuentry \"Install Leap 16.0\" {\nlinux ($root)/boot/x86_64/loader/linux\n\
                 initrd ($root)/boot/x86_64/loader/initrd\n}\n",
            ),
            ("boot/x86_64/loader/initrd", "i"),
            ("boot/x86_64/loader/linux", "k"),
        ],
    ),
    (
        "IPFire",
        &[
            ("boot/isolinux/instroot", "i"),
            (
                "boot/isolinux/isolinux.cfg",
                "LABEL installer\nKERNEL vmlinuz\nINITRD instroot\nAPPEND vga=791\n",
            ),
            ("boot/isolinux/vmlinuz", "k"),
        ],
    ),
    (
        "Mageia",
        &[
            (
                "isolinux/isolinux.cfg",
                "label linux\nkernel x86_64/vmlinuz\nappend initrd=x86_64/all.rdz\n",
            ),
            ("isolinux/x86_64/all.rdz", "i"),
            ("isolinux/x86_64/vmlinuz", "k"),
            ("x86_64/install/stage2/mdkinst.sqfs", "s"),
        ],
    ),
    (
        "Talos",
        &[("initramfs-amd64.xz", "i"), ("vmlinuz-amd64", "k")],
    ),
    (
        "Flatcar",
        &[
            ("flatcar_production_pxe.vmlinuz", "k"),
            ("flatcar_production_pxe_image.cpio.gz", "i"),
        ],
    ),
    (
        "ShredOS",
        &[
            ("boot/bzImage", "k"),
            (
                "boot/grub/grub.cfg",
                "menuentry \"ShredOS\" {\nlinux /boot/bzImage console=tty3\n\
                 initrd /boot/initrd\n}\n",
            ),
            ("boot/initrd", "i"),
        ],
    ),
    ("Tiny Core", &[("core.gz", "i"), ("vmlinuz", "k")]),
    (
        "Slackware",
        &[
            ("isolinux/initrd.img", "i"),
            (
                "isolinux/isolinux.cfg",
                "label huge.s\nkernel /kernels/huge.s/bzImage\n\
                 append initrd=initrd.img SLACK_KERNEL=huge.s\n",
            ),
            ("kernels/huge.s/bzImage", "k"),
        ],
    ),
    (
        "4MLinux",
        &[
            ("boot/bzImage", "k"),
            (
                "boot/grub/grub.cfg",
                "menuentry \"4MLinux\" {\nlinux /boot/bzImage root=/dev/ram0\n\
                 initrd /boot/initrd.gz\n}\n",
            ),
            ("boot/initrd.gz", "i"),
        ],
    ),
    (
        "UKI (systemd.pull)",
        &[
            ("image.initrd", "i"),
            ("image.tar.xz", "r"),
            ("image.vmlinuz", "k"),
        ],
    ),
    (
        "Proxmox",
        &[
            (".cd-info", "PRODUCT='pve'\n"),
            (
                "boot/grub/grub.cfg",
                "menuentry 'Install Proxmox VE (Graphical)' {\n\
                 linux /boot/linux26 ro ramdisk_size=16777216 rw quiet\ninitrd /boot/initrd.img\n}\n",
            ),
            ("boot/initrd.img", "i"),
            ("boot/linux26", "k"),
        ],
    ),
    (
        "NixOS",
        &[
            (
                "EFI/boot/grub.cfg",
                "menuentry 'NixOS' {\nlinux /boot/bzImage init=/nix/store/a/init root=LABEL=nixos\n\
                 initrd /boot/initrd\n}\n",
            ),
            ("boot/bzImage", "k"),
            ("boot/initrd", "i"),
            ("nix-store.squashfs", "s"),
        ],
    ),
    (
        "Gentoo",
        &[
            ("boot/gentoo", "k"),
            ("boot/gentoo.igz", "i"),
            (
                "boot/grub/grub.cfg",
                "menuentry 'Boot LiveCD' {\n\
                 linux /boot/gentoo looptype=squashfs loop=/image.squashfs cdroot\n\
                 initrd /boot/gentoo.igz\n}\n",
            ),
            ("image.squashfs", "s"),
        ],
    ),
];

/// Media that a more general family would recognise, too: the order in [`FAMILIES`] decides.
const MORE_GENERAL: [(&str, &str); 1] = [("Agama", "dracut live")];

#[test]
fn each_medium_is_of_its_own_family_only() {
    for (name, files) in MEDIA {
        let tree = tree(files);
        let recognised = FAMILIES
            .iter()
            .filter_map(|family| (family.detect)(medium(&tree, "disc", "Label")))
            .map(|found| found.family_name().to_owned());
        let recognised: Vec<String> = recognised.collect();
        assert_eq!(recognised.first().map(String::as_str), Some(name));
        for other in &recognised[1..] {
            assert!(
                MORE_GENERAL.contains(&(name, other)),
                "a medium of {name} is recognised as {other}, too"
            );
        }
    }
}

#[test]
fn menus_are_read_once_for_all_families() {
    let menu = "menuentry 'A kernel' {\nlinux /kernel word\n}\n";
    let tree = tree(&[("boot/grub/grub.cfg", menu), ("kernel", "k")]);
    let times = Cell::new(0);
    let read = |content: &Content| {
        times.set(times.get() + u32::from(content.len() == menu.len() as u64));
        testing::read(content)
    };
    let medium = Medium {
        read: &read,
        ..medium(&tree, "disc", "Label")
    };
    assert!(detect(medium).is_none());
    assert_eq!(medium.menus().entries.len(), 1);
    assert_eq!(times.get(), 1);
}

#[test]
fn what_no_boot_shows_says_so_and_every_family_has_evidence() {
    for (name, files) in MEDIA {
        let tree = tree(files);
        let mut found = detect(medium(&tree, "disc", "Label")).unwrap();
        found.note_untested();
        assert!(found.sureness().is_some(), "{name}");
        for entry in &found.entries {
            let is_noted = entry.notes.contains(&Note::NotBooted);
            let tested = found.tested_of(entry);
            assert_eq!(is_noted, tested.is_empty(), "{name}: {tested:?}");
        }
    }
}

/// The boots by the names of their rows in the document.
fn boots() -> Vec<(&'static str, &'static [TestBoot])> {
    let families = FAMILIES.iter().map(|family| (family.name, family.boots));
    let others = [
        ("programs by themselves", bare::BOOTS),
        ("none", generic::BOOTS),
    ];
    families.chain(others).collect()
}

/// The table's rows: the name in bold letters, and the last cell.
fn rows() -> Vec<(&'static str, &'static str)> {
    const DOCUMENT: &str = include_str!("../../../../../docs/images.md");
    let row = |line: &'static str| {
        let name = line.strip_prefix("| **")?.split("**").next()?;
        let cell = line.strip_suffix(" |")?.rsplit(" | ").next()?;
        Some((name, cell))
    };
    DOCUMENT.lines().filter_map(row).collect()
}

#[test]
fn the_document_says_which_boots_there_are() {
    let rows = rows();
    let has_row = |name: &str| rows.iter().any(|(row, _)| *row == name);
    let mut expected: Vec<(&str, Vec<TestBoot>)> = Vec::new();
    for (name, boots) in boots() {
        expected.push((name, Vec::new()));
        for boot in boots {
            let own = boot.variant.filter(|variant| has_row(variant));
            let row = own.unwrap_or(name);
            match expected.iter_mut().find(|(known, _)| *known == row) {
                Some((_, of_row)) => of_row.push(*boot),
                None => expected.push((row, vec![*boot])),
            }
        }
    }
    let names = |all: &[(&'static str, &str)]| {
        let mut names: Vec<&'static str> = all.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    };
    let of_boots: Vec<(&str, &str)> = expected.iter().map(|(name, _)| (*name, "")).collect();
    assert_eq!(names(&rows), names(&of_boots));
    let mut wrong: Vec<String> = Vec::new();
    for (name, boots) in &expected {
        let (_, cell) = rows.iter().find(|(row, _)| row == name).unwrap();
        let said = Boots(boots).to_string();
        if !cell.starts_with(&said) {
            wrong.push(format!("{name} begins with: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_boot_is_a_case_of_the_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/boot");
    let folder = fs::read_dir(root.join("cases")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.chain([root.join("run")]).collect();
    let texts: Vec<String> = files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for boot in boots().iter().flat_map(|(_, boots)| *boots) {
        let defined = format!("\ncase_{}() ", boot.case);
        let is_there = texts.iter().any(|text| text.contains(&defined));
        assert!(is_there, "no case is called {}", boot.case);
    }
}
