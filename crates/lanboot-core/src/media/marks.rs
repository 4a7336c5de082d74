//! Marks of a tree that is a medium: a mounted or unpacked image, or a tree to boot from the network,
//! rather than a folder that holds images or anything else.

use crate::vfs::{Path, Tree};

/// Paths, each of which makes a tree a medium. Those that end with a slash are folders.
///
/// A folder of images may have folders in it that are called like parts of media (`live`, `arch`,
/// `isolinux`), so these count only with a file in them.
pub const MARKS: [&str; 41] = [
    ".disk/info",
    ".disk/mini-info",
    ".treeinfo",
    ".cd-info",
    "debian-installer/",
    "install.amd/vmlinuz",
    "install.386/vmlinuz",
    "install.a64/vmlinuz",
    "casper/vmlinuz",
    "live/filesystem.squashfs",
    "live/vmlinuz",
    "LiveOS/squashfs.img",
    "LiveOS/rootfs.img",
    "images/pxeboot/",
    "arch/boot/",
    "nix-store.squashfs",
    "image.squashfs",
    "sources/boot.wim",
    "isolinux/isolinux.bin",
    "isolinux/isolinux.cfg",
    "syslinux/syslinux.cfg",
    "syslinux/isolinux.cfg",
    "boot/isolinux/isolinux.cfg",
    "boot/isolinux/isolinux.bin",
    "boot/syslinux/syslinux.cfg",
    "boot/grub/grub.cfg",
    "boot/grub/loopback.cfg",
    "boot/grub2/grub.cfg",
    "EFI/BOOT/",
    "efi/boot/",
    "EFI/Linux/",
    "loader/entries/",
    "pxelinux.cfg/",
    // Ubuntu's archive to boot from the network, and files of projects that publish no image for that.
    "amd64/pxelinux.cfg/",
    "amd64/grub/grub.cfg",
    "arm64/grub/grub.cfg",
    "ppc64el/pxelinux.cfg/",
    "vmlinuz-amd64",
    "vmlinuz-arm64",
    "flatcar_production_pxe.vmlinuz",
    "corepure64.gz",
];
/// Folders that an installed system has: such a tree is none, whatever its `boot` holds.
pub const SYSTEM: [&str; 2] = ["etc", "usr"];

/// Tests whether a tree is a medium.
pub(super) fn is_medium(tree: &Tree) -> bool {
    let is_system = SYSTEM.iter().all(|folder| tree.is_directory(folder));
    !is_system && MARKS.iter().any(|mark| has(tree, mark))
}

fn has(tree: &Tree, mark: &str) -> bool {
    match mark.strip_suffix('/') {
        Some(folder) => tree.is_directory(folder),
        None => Path::parse(mark.as_bytes()).is_ok_and(|path| tree.resolve(&path).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tree;

    #[test]
    fn a_medium_has_a_file_of_its_own_and_a_folder_of_images_none() {
        let files: [&[(&str, &str)]; 4] = [
            &[(".disk/info", "Debian")],
            &[("debian-installer/amd64/linux", "k")],
            &[("EFI/BOOT/BOOTX64.EFI", "p")],
            &[("amd64/pxelinux.cfg/default", "")],
        ];
        for files in files {
            assert!(is_medium(&tree(files)), "{files:?}");
        }
        let others: [&[(&str, &str)]; 4] = [
            &[],
            &[("live/debian.iso", "i"), ("arch/arch.iso", "i")],
            &[("isolinux/readme", "")],
            // An installed system has a GRUB too, and files that are nobody's business.
            &[
                ("boot/grub/grub.cfg", ""),
                ("etc/shadow", ""),
                ("usr/bin/sh", ""),
            ],
        ];
        for files in others {
            assert!(!is_medium(&tree(files)), "{files:?}");
        }
    }
}
