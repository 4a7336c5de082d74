//! No family takes another one's media.

use std::cell::Cell;

use super::*;
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
