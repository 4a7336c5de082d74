use std::net::{IpAddr, Ipv6Addr};

use super::*;

use crate::images::families;
use crate::images::golden::{SERVER, detected};
use crate::images::{Dialect, MountSource, Server};
use crate::initramfs::list;
use crate::initramfs::testing::cpio;
use crate::net::Origin;
use crate::testing::{linux, medium, tree};
use crate::vfs::Identity;

/// A menu of ISOLINUX, with an entry for repairs that is another way into the same system.
const MENU: &str = "default linux\nlabel linux\n  kernel vmlinuz\n  append initrd=initrd.img \
    root=LABEL=SYSTEM ro rootflags=norock quiet\nlabel emergency\n  kernel vmlinuz\n  append \
    initrd=initrd.img root=LABEL=SYSTEM ro systemd.unit=emergency.target\n";

const FILES: [(&str, &str); 5] = [
    ("boot/grub/grub.cfg", ""),
    ("isolinux/initrd.img", "ii"),
    ("isolinux/isolinux.cfg", MENU),
    ("isolinux/vmlinuz", "k"),
    ("usr/lib/systemd/systemd", "s"),
];

/// The files that count in an initramfs of dracut 059 with its modules nfs and nbd.
const INITRAMFS: [&str; 10] = [
    "usr/sbin/mount.nfs",
    "usr/sbin/nbd-client",
    "usr/sbin/nbdroot",
    "usr/sbin/netroot",
    "usr/sbin/nfsroot",
    "usr/lib/modules/6.1/kernel/drivers/block/nbd.ko",
    "usr/lib/modules/6.1/kernel/drivers/net/virtio_net.ko",
    "usr/lib/modules/6.1/kernel/fs/isofs/isofs.ko",
    "usr/lib/modules/6.1/kernel/fs/nfs/nfs.ko",
    "usr/lib/systemd/systemd-volatile-root",
];
const OVERLAY: &str = "usr/lib/modules/6.1/kernel/fs/overlayfs/overlay.ko";

/// The contents of an initramfs with these files.
fn contents(files: &[&str]) -> Contents {
    let builtin = (
        "usr/lib/modules/6.1/modules.builtin",
        &b"x/libnvdimm.ko\nx/nd_pmem.ko\nx/nfit.ko\n"[..],
    );
    let files = files.iter().map(|name| (*name, &b""[..])).chain([builtin]);
    list(&cpio(&files.collect::<Vec<_>>())[..]).unwrap()
}

fn with_menu(menu: &str) -> Option<Detection> {
    let mut files = FILES.to_vec();
    files[2].1 = menu;
    families::detect(medium(&tree(&files), "disc", "SYSTEM"))
}

fn line_of(entry: &Entry, server: &Server, transport: Transport, append: &str) -> String {
    let source = MountSource {
        server,
        image: "disc",
        identity: Identity([0xab; 16]),
    };
    entry.command_line(
        transport,
        source,
        Dialect::Grub {
            netmask: SERVER.http.host,
        },
        append,
    )
}

const NAME: &str = "disc@abababababababababababababababab";

#[test]
fn the_medium_is_mounted_or_attached_as_the_root() {
    let found = detected(&FILES);
    assert_eq!(found.family_name(), "dracut root");
    assert_eq!(found.entries.len(), 1);
    let entry = &found.entries[0];
    assert!(entry.needs_contents() && entry.contains_whole_image());
    assert_eq!((entry.id.as_str(), entry.sysappend()), ("disc", 0));
    assert_eq!(entry.root.as_deref(), Some("usr/lib/systemd/systemd"));
    assert_eq!(linux(entry).initrd, ["isolinux/initrd.img"]);
    assert_eq!(entry.inherited, ["quiet"]);
    let nfs = "quiet root=nfs:192.168.0.1:/iso/disc:ro,vers=3 ro";
    let expected = format!("{nfs} ip=dhcp");
    assert_eq!(line_of(entry, &SERVER, Transport::Nfs, ""), expected);
    let nbd = format!("quiet root=nbd:192.168.0.1:{NAME}:iso9660:ro ro");
    let expected = format!("{nbd} ip=dhcp");
    assert_eq!(line_of(entry, &SERVER, Transport::Nbd, ""), expected);
    // Addresses of version 6 are in brackets in both notations.
    let server = Server {
        http: Origin::http(IpAddr::V6(Ipv6Addr::LOCALHOST), 80),
        ..SERVER
    };
    let expected = "quiet root=nfs:[::1]:/iso/disc:ro,vers=3 ro ip=[fd00::2]:::64::eth0:off";
    let own = "ip=[fd00::2]:::64::eth0:off";
    assert_eq!(line_of(entry, &server, Transport::Nfs, own), expected);
    let expected = format!("quiet root=nbd:[::1]:{NAME}:iso9660:ro ro ip=dhcp");
    assert_eq!(line_of(entry, &server, Transport::Nbd, ""), expected);

    for transport in [Transport::Nfs, Transport::Nbd] {
        assert_eq!(entry.check(transport, ""), Ok(()));
    }
    assert_eq!(
        entry.check(Transport::Http, "").unwrap_err().to_string(),
        "its root is the medium itself, which its initramfs (dracut's) does not copy into memory; \
         use NFS or NBD"
    );
}

#[test]
fn changes_go_to_memory_where_the_initramfs_can_do_that() {
    let lines = |more: &[&str]| {
        let mut found = detected(&FILES);
        found.examine(|_| Some(contents(&[&INITRAMFS, more].concat())));
        let entry = &found.entries[0];
        assert_eq!(entry.lacks, []);
        [Transport::Nfs, Transport::Nbd].map(|transport| {
            let line = line_of(entry, &SERVER, transport, "rootovl=0");
            let (_, after) = line.split_once(" ro ").unwrap();
            after.to_owned()
        })
    };
    let expected = |nfs: &str, nbd: &str| {
        // The last of two counts.
        [nfs, nbd].map(|own| format!("{own} ip=dhcp rootovl=0").trim_start().to_owned())
    };
    let volatile = "systemd.volatile=overlay";
    assert_eq!(lines(&[OVERLAY]), expected("", volatile));
    let root = "usr/lib/dracut/hooks/pre-pivot/10-overlay-mount.sh";
    assert_eq!(lines(&[OVERLAY, root]), expected("rootovl", volatile));
    // Of 112 for both, of 106 without a root over the network.
    let overlay = "var/lib/dracut/hooks/pre-pivot/00-prepare-overlayfs.sh";
    let expected_of_112 = expected("rd.overlay=1", volatile);
    assert_eq!(lines(&[OVERLAY, overlay]), expected_of_112);
    let earlier = "var/lib/dracut/hooks/pre-pivot/10-mount-overlayfs.sh";
    assert_eq!(lines(&[OVERLAY, earlier]), expected("", volatile));
    // Without the kernel's module nothing of it works.
    assert_eq!(lines(&[root]), expected("", ""));
}

#[test]
fn what_an_initramfs_lacks_is_not_offered() {
    let sentences = |left_out: &[&str]| {
        let mut files = INITRAMFS.to_vec();
        files.retain(|file| !left_out.iter().any(|name| file.ends_with(name)));
        let mut found = detected(&FILES);
        found.examine(|_| Some(contents(&files)));
        (found.entries.len(), found.warnings)
    };
    assert_eq!(sentences(&[]), (1, vec![]));
    let one = |text: &str| (1, vec![format!("its initramfs {text}")]);
    assert_eq!(
        sentences(&["nbd-client"]),
        one("cannot attach the root over NBD: isolinux/initrd.img has no program nbd-client")
    );
    assert_eq!(
        sentences(&["/nfs.ko"]),
        one("cannot mount the root over NFS: isolinux/initrd.img has no kernel module nfs")
    );
    // Nothing of dracut's network modules is there: another tool made it, or nobody asked for them.
    let (entries, warnings) = sentences(&["nfsroot", "nbdroot", "netroot"]);
    assert_eq!(entries, 0);
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("disc is not offered: "),
        "{warnings:?}"
    );
}

#[test]
fn only_a_root_that_is_a_volume_with_a_system_counts() {
    let menu = |root: &str| format!("label l\nkernel vmlinuz\nappend initrd=initrd.img {root}\n");
    for root in [
        "root=UUID=2026-11-01-12-00-00-00",
        "root=CDLABEL=SYSTEM",
        "root=/dev/disk/by-label/SYSTEM",
        "root=block:LABEL=SYSTEM",
    ] {
        assert!(with_menu(&menu(root)).is_some(), "{root}");
    }
    for root in [
        "",
        "root=/dev/sda1",
        "root=live:CDLABEL=SYSTEM",
        "root=LABEL=SYSTEM rd.live.image",
        "root=LABEL=SYSTEM boot=live",
    ] {
        let found = with_menu(&menu(root));
        let family = found.as_ref().map(Detection::family_name);
        assert_ne!(family, Some("dracut root"), "{root}");
    }
    for missing in [1, 3, 4] {
        let mut files = FILES.to_vec();
        files.remove(missing);
        assert!(detect(medium(&tree(&files), "disc", "X")).is_none());
    }
}

#[test]
fn a_medium_that_says_where_changes_go_keeps_its_word() {
    for own in ["systemd.volatile=state", "rd.overlay=1", "rootovl"] {
        let menu = format!(
            "label l\nkernel vmlinuz\nappend initrd=initrd.img root=LABEL=SYSTEM rw {own}\n"
        );
        let mut found = with_menu(&menu).unwrap();
        let mut whole = INITRAMFS.to_vec();
        whole.push(OVERLAY);
        found.examine(|_| Some(contents(&whole)));
        let line = line_of(&found.entries[0], &SERVER, Transport::Nfs, "");
        assert_eq!(
            line,
            format!("{own} root=nfs:192.168.0.1:/iso/disc:ro,vers=3 ro ip=dhcp")
        );
    }
}
