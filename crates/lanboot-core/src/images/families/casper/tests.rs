use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::images::families;
use crate::images::{Dialect, MountSource, Server};
use crate::initramfs::list;
use crate::initramfs::testing::cpio;
use crate::net::Origin;
use crate::testing::{linux, medium, tree};
use crate::vfs::Identity;

const SERVER: Server = Server {
    http: Origin::http(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)), 80),
    nfs: true,
    nbd: true,
};

/// `boot/grub/grub.cfg` of ubuntu-24.04-live-server-amd64.iso.
const SERVER_MENU: &str = "set timeout=30\n\nloadfont unicode\n\n\
    set menu_color_normal=white/black\nset menu_color_highlight=black/light-gray\n\n\
    menuentry \"Try or Install Ubuntu Server\" {\n\tset gfxpayload=keep\n\
    \tlinux\t/casper/vmlinuz  ---\n\tinitrd\t/casper/initrd\n}\n\
    menuentry 'Ubuntu Server with the HWE kernel' {\n\tset gfxpayload=keep\n\
    \tlinux\t/casper/hwe-vmlinuz  ---\n\tinitrd\t/casper/hwe-initrd\n}\n\
    grub_platform\nif [ \"$grub_platform\" = \"efi\" ]; then\n\
    menuentry 'Boot from next volume' {\n\texit 1\n}\n\
    menuentry 'UEFI Firmware Settings' {\n\tfwsetup\n}\nelse\n\
    menuentry 'Test memory' {\n\tlinux16 /boot/memtest86+x64.bin\n}\nfi\n";

/// Of ubuntu-24.04-desktop-amd64.iso, with the entry of its `loopback.cfg`.
const DESKTOP_MENU: &str = "menuentry \"Ubuntu (safe graphics)\" {\n\tset gfxpayload=keep\n\
    \tlinux\t/casper/vmlinuz nomodeset  --- quiet splash\n\tinitrd\t/casper/initrd\n}\n\
    menuentry \"Try or Install Ubuntu\" {\n\tset gfxpayload=keep\n\
    \tlinux\t/casper/vmlinuz  --- quiet splash\n\tinitrd\t/casper/initrd\n}\n";
const DESKTOP_LOOPBACK: &str = "menuentry \"Try or Install Ubuntu\" {\n\
    \tlinux\t/casper/vmlinuz  iso-scan/filename=${iso_path} --- quiet splash\n\
    \tinitrd\t/casper/initrd\n}\n";

/// `isolinux/live.cfg` of linuxmint-21-cinnamon-64bit.iso.
const MINT_MENU: &str = "default vesamenu.c32\nlabel live\n  menu label Start Linux Mint\n\
    \x20 kernel /casper/vmlinuz\n  append  file=/cdrom/preseed/linuxmint.seed boot=casper \
    initrd=/casper/initrd.lz quiet splash --\nmenu default\n\
    label xforcevesa\n  menu label Start in compatibility mode\n  linux /casper/vmlinuz\n\
    \x20 append  file=/cdrom/preseed/linuxmint.seed boot=casper nomodeset \
    initrd=/casper/initrd.lz ramdisk_size=1048576 root=/dev/ram rw noapic noacpi nosplash irqpoll --\n";

fn detected(files: &[(&str, &str)]) -> Detection {
    families::detect(medium(&tree(files), "disc", "Ubuntu")).unwrap()
}

fn line(entry: &Entry, transport: Transport, append: &str) -> String {
    let source = MountSource {
        server: &SERVER,
        image: "disc",
        identity: Identity::default(),
    };
    entry.command_line(transport, source, Dialect::Ipxe, append)
}

const HTTP: &str = "boot=casper url=http://192.168.0.1/iso/disc.iso root=/dev/ram0 \
    ramdisk_size=1500000 cloud-config-url=/dev/null ip=dhcp BOOTIF=01-${netX/mac:hexhyp}";
const NFS: &str = "boot=casper netboot=nfs nfsroot=192.168.0.1:/iso/disc ip=dhcp \
    BOOTIF=01-${netX/mac:hexhyp}";

#[test]
fn ubuntu_server_has_an_entry_for_each_kernel() {
    let found = detected(&[
        ("boot/grub/grub.cfg", SERVER_MENU),
        ("boot/memtest86+x64.bin", "m"),
        ("casper/hwe-initrd", "ii"),
        ("casper/hwe-vmlinuz", "k"),
        ("casper/initrd", "iii"),
        ("casper/ubuntu-server-minimal.squashfs", "rrrr"),
        ("casper/ubuntu-server-minimal.ubuntu-server.squashfs", "rr"),
        ("casper/vmlinuz", "k"),
        ("pool/main/b/bash/bash.deb", "ppppp"),
    ]);
    assert_eq!(found.family_name(), "casper");
    let [general, hwe] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!(
        (general.id.as_str(), hwe.id.as_str()),
        ("disc-vmlinuz", "disc-hwe-vmlinuz")
    );
    assert_eq!(linux(general).initrd, ["casper/initrd"]);
    assert_eq!(linux(hwe).kernel, "casper/hwe-vmlinuz");
    assert_eq!(line(general, Transport::Http, ""), format!("{HTTP} ---"));
    assert_eq!(line(general, Transport::Nfs, ""), format!("{NFS} ---"));
    // The operator's own arguments are for the installer, unless they say otherwise.
    assert_eq!(
        line(general, Transport::Nfs, "autoinstall --- quiet"),
        format!("{NFS} autoinstall --- quiet")
    );
    let files = SERVER_MENU.len() + 1 + 2 + 1 + 3 + 4 + 2 + 1 + 5;
    assert_eq!(
        general.root_bytes, files as u64,
        "packages are on the medium, too"
    );
}

#[test]
fn of_the_entries_for_one_kernel_the_plainest_counts() {
    let found = detected(&[
        ("boot/grub/grub.cfg", DESKTOP_MENU),
        ("boot/grub/loopback.cfg", DESKTOP_LOOPBACK),
        ("casper/initrd", "i"),
        ("casper/minimal.squashfs", "r"),
        ("casper/vmlinuz", "k"),
    ]);
    let [entry] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!(entry.id, "disc");
    assert_eq!(
        line(entry, Transport::Http, ""),
        format!("{HTTP} --- quiet splash")
    );
}

#[test]
fn the_makers_own_arguments_are_inherited_but_for_the_root() {
    let found = detected(&[
        ("casper/filesystem.squashfs", "r"),
        ("casper/initrd.lz", "i"),
        ("casper/vmlinuz", "k"),
        ("isolinux/isolinux.cfg", MINT_MENU),
    ]);
    let [entry] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!(
        line(entry, Transport::Nfs, "console=ttyS0"),
        format!("file=/cdrom/preseed/linuxmint.seed quiet splash {NFS} console=ttyS0 --")
    );
}

#[test]
fn without_a_menu_the_names_count() {
    let files = [
        ("casper/filesystem.squashfs", "r"),
        ("casper/initrd.gz", "i"),
        ("casper/vmlinuz.efi", "k"),
    ];
    let found = detected(&files);
    assert_eq!(linux(&found.entries[0]).kernel, "casper/vmlinuz.efi");
    assert_eq!(line(&found.entries[0], Transport::Http, ""), HTTP);
    for missing in 0..3 {
        let mut files = files.to_vec();
        files.remove(missing);
        assert!(detect(medium(&tree(&files), "disc", "Ubuntu")).is_none());
    }
}

#[test]
fn the_medium_is_downloaded_or_mounted_and_never_a_network_disk() {
    let files = [
        ("casper/filesystem.squashfs", "r"),
        ("casper/initrd", "i"),
        ("casper/vmlinuz", "k"),
    ];
    let entry = detected(&files).entries.remove(0);
    let whole = Fetch {
        file: Fetched::WholeImage,
        required: true,
    };
    assert_eq!(entry.fetches(Transport::Http, ""), [whole]);
    assert_eq!(entry.fetches(Transport::Nfs, ""), []);
    let refused = entry.check(Transport::Nbd, "").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "its initramfs (casper) cannot attach the root over NBD; use HTTP or NFS"
    );
    assert!(entry.streams(Transport::Nfs, "") && !entry.streams(Transport::Nfs, "quiet toram"));
    assert!(!entry.streams(Transport::Http, ""));
    let copied = |transport, append| Casper.copied_bytes(100, transport, append);
    assert_eq!(copied(Transport::Http, ""), 100);
    assert_eq!(copied(Transport::Http, "toram"), 200);
    assert_eq!(copied(Transport::Nfs, "toram"), 100);
}

#[test]
fn what_an_initramfs_lacks_is_found_in_it() {
    let parts = |names: &[&str]| -> Vec<Part> {
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &b""[..])).collect();
        let contents = list(&cpio(&files)[..]).unwrap();
        lacks(&contents, "casper/initrd")
            .iter()
            .map(|lack| lack.part)
            .collect()
    };
    assert_eq!(
        parts(&["usr/bin/ipconfig", "usr/bin/wget", "usr/bin/nfsmount"]),
        []
    );
    assert_eq!(
        parts(&["usr/sbin/dhcpcd", "usr/bin/wget", "usr/bin/nfsmount"]),
        []
    );
    assert_eq!(parts(&["usr/bin/ipconfig", "usr/bin/wget"]), [Part::Nfs]);
    assert_eq!(
        parts(&["usr/bin/sh"]),
        [Part::Ipconfig, Part::Http, Part::Nfs]
    );
}
