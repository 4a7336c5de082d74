use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

use crate::images::families;
use crate::images::{Dialect, Fetched, MountSource, Refusal, Server, Transport};
use crate::initramfs::testing::cpio;
use crate::initramfs::{Contents, list};
use crate::net::Origin;
use crate::testing::{linux, medium, tree};
use crate::vfs::Identity;

const SERVER: Server = Server {
    http: Origin::http(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)), 80),
    nfs: true,
    nbd: true,
};

fn recognised(files: &[(&str, &str)]) -> Detection {
    families::detect(medium(&tree(files), "disc", "LIVE")).unwrap()
}

fn command_line(entry: &Entry, transport: Transport, append: &str) -> String {
    let source = MountSource {
        server: &SERVER,
        image: "disc",
        identity: Identity([0xab; 16]),
    };
    entry.command_line(transport, source, Dialect::Ipxe, append)
}

fn ipxe(entry: &Entry, transport: Transport) -> String {
    command_line(entry, transport, "")
}

/// Name, files and own arguments of every entry.
fn lines(found: &Detection) -> Vec<String> {
    let line = |entry: &Entry| {
        let files = linux(entry);
        format!(
            "{}: {} [{}] {} {}",
            entry.id,
            files.kernel,
            files.initrd.join(" "),
            entry.root.as_deref().unwrap_or("-"),
            entry.inherited.join(" ")
        )
    };
    found.entries.iter().map(line).collect()
}

/// A squashfs with this number of inodes.
fn squashfs(inodes: char) -> String {
    format!("hsqs{inodes}\0\0\0 and the rest")
}

/// A squashfs that holds a whole root: 100 inodes.
fn flat() -> String {
    squashfs('d')
}

/// The menus that lorax 28 writes for Fedora Workstation 40 (`live/config_files/x86`).
const ISOLINUX: &str = "default vesamenu.c32\ntimeout 600\nmenu title Fedora-Workstation-Live 40\n\
    label linux\n  menu label ^Start Fedora-Workstation-Live 40\n  kernel vmlinuz\n  append \
    initrd=initrd.img root=live:CDLABEL=Fedora-WS-Live-40-1-14  rd.live.image quiet rhgb\n\
    label check\n  menu label Test this ^media & start Fedora-Workstation-Live 40\n  menu default\n  \
    kernel vmlinuz\n  append initrd=initrd.img root=live:CDLABEL=Fedora-WS-Live-40-1-14  \
    rd.live.image rd.live.check quiet\n\
    menu begin ^Troubleshooting\n  menu title Troubleshooting\nlabel basic\n  kernel vmlinuz\n  append \
    initrd=initrd.img root=live:CDLABEL=Fedora-WS-Live-40-1-14  rd.live.image nomodeset quiet\n\
    label memtest\n  kernel memtest\nlabel local\n  localboot 0xffff\nmenu end\n";
const GRUB: &str = "set default=\"1\"\nfunction load_video {\n  insmod all_video\n}\nload_video\n\
    search --no-floppy --set=root -l 'Fedora-WS-Live-40-1-14'\n\
    menuentry 'Start Fedora-Workstation-Live 40' --class fedora {\n\
    \tlinuxefi /images/pxeboot/vmlinuz root=live:CDLABEL=Fedora-WS-Live-40-1-14  rd.live.image quiet \
    rhgb\n\tinitrdefi /images/pxeboot/initrd.img\n}\n\
    menuentry 'Test this media & start Fedora-Workstation-Live 40' --class fedora {\n\
    \tlinuxefi /images/pxeboot/vmlinuz root=live:CDLABEL=Fedora-WS-Live-40-1-14  rd.live.image \
    rd.live.check quiet\n\tinitrdefi /images/pxeboot/initrd.img\n}\n";

fn fedora(image: &str) -> Vec<(&str, &str)> {
    vec![
        ("EFI/BOOT/grub.cfg", GRUB),
        ("LiveOS/squashfs.img", image),
        ("images/pxeboot/initrd.img", "ii"),
        ("images/pxeboot/vmlinuz", "k"),
        ("isolinux/initrd.img", "ii"),
        ("isolinux/isolinux.cfg", ISOLINUX),
        ("isolinux/vmlinuz", "k"),
    ]
}

#[test]
fn fedora_is_one_entry_although_its_kernel_is_there_twice() {
    let image = flat();
    let found = recognised(&fedora(&image));
    assert_eq!(found.family_name(), "dracut live");
    assert_eq!(found.warnings, [""; 0]);
    let expected = "disc: isolinux/vmlinuz [isolinux/initrd.img] LiveOS/squashfs.img rd.live.image \
        quiet rhgb";
    assert_eq!(lines(&found), [expected]);
    let entry = &found.entries[0];
    assert_eq!((entry.title.as_str(), entry.cpu), ("disc", Cpu::X86_64));
    assert_eq!((entry.root_bytes, entry.initrd_bytes), (21, 2));
    assert_eq!(entry.sysappend(), 0);
    let fetched = entry.fetches(Transport::Http, "");
    assert_eq!(fetched.len(), 1);
    assert_eq!(fetched[0].file, Fetched::File("LiveOS/squashfs.img".into()));
    // A medium for UEFI only, and one without a menu.
    let mut uefi = fedora(&image);
    uefi.retain(|(path, _)| !path.starts_with("isolinux/"));
    let expected = "disc: images/pxeboot/vmlinuz [images/pxeboot/initrd.img] LiveOS/squashfs.img \
        rd.live.image quiet rhgb";
    assert_eq!(lines(&recognised(&uefi)), [expected]);
    uefi.retain(|(path, _)| !path.ends_with(".cfg"));
    assert_eq!(
        lines(&recognised(&uefi)),
        [expected.trim_end_matches(" quiet rhgb")]
    );
}

#[test]
fn each_transport_has_its_root() {
    let image = flat();
    let entry = &recognised(&fedora(&image)).entries[0];
    assert_eq!(
        ipxe(entry, Transport::Http),
        "rd.live.image quiet rhgb root=live:http://192.168.0.1/iso/disc/LiveOS/squashfs.img \
         rd.live.overlay.overlayfs=1 ip=dhcp"
    );
    assert_eq!(
        ipxe(entry, Transport::Nfs),
        "rd.live.image quiet rhgb root=live:nfs://192.168.0.1/iso/disc/LiveOS/squashfs.img \
         rd.live.overlay.overlayfs=1 ip=dhcp"
    );
    let pinned = "ab".repeat(16);
    assert_eq!(
        ipxe(entry, Transport::Nbd),
        format!(
            "rd.live.image quiet rhgb root=live:CDLABEL=Fedora-WS-Live-40-1-14 \
             netroot=nbd:192.168.0.1:disc@{pinned} rd.live.overlay.overlayfs=1 ip=dhcp"
        )
    );
    assert!(!entry.streams(Transport::Http, ""));
    assert!(entry.streams(Transport::Nfs, "") && entry.streams(Transport::Nbd, ""));
}

#[test]
fn a_server_at_an_ipv6_address_stands_in_brackets() {
    let image = flat();
    let entry = &recognised(&fedora(&image)).entries[0];
    let server = Server {
        http: Origin::http(IpAddr::V6(Ipv6Addr::LOCALHOST), 8080),
        ..SERVER
    };
    let source = MountSource {
        server: &server,
        image: "disc",
        identity: Identity([0xab; 16]),
    };
    let line = |transport| entry.command_line(transport, source, Dialect::Pxelinux, "");
    assert!(line(Transport::Http).contains("root=live:http://[::1]:8080/iso/disc/LiveOS/"));
    assert!(line(Transport::Nfs).contains("root=live:nfs://[::1]/iso/disc/LiveOS/"));
    assert!(line(Transport::Nbd).contains("netroot=nbd:[::1]:disc@"));
}

/// Fedora up to 39: the squashfs holds `LiveOS/rootfs.img`, which gets a device-mapper snapshot
/// unless the menu says otherwise.
#[test]
fn a_container_of_a_file_system_keeps_its_own_way_of_writing() {
    let nested = squashfs('\u{3}');
    let entry = &recognised(&fedora(&nested)).entries[0];
    assert!(!ipxe(entry, Transport::Http).contains("overlay"));
    let asks = GRUB.replace("rd.live.image", "rd.live.image rd.live.overlay.overlayfs=1");
    let mut files = fedora(&nested);
    files.retain(|(path, _)| path.starts_with("images/") || path.starts_with("LiveOS/"));
    files.push(("EFI/BOOT/grub.cfg", &asks));
    let entry = &recognised(&files).entries[0];
    let line = ipxe(entry, Transport::Http);
    assert_eq!(line.matches("rd.live.overlay.overlayfs=1").count(), 1);
    // A file system itself, without a squashfs around it.
    files.retain(|(path, _)| *path != "LiveOS/squashfs.img");
    files.push(("LiveOS/rootfs.img", "not hsqs"));
    let entry = &recognised(&files).entries[0];
    assert_eq!(entry.root.as_deref(), Some("LiveOS/rootfs.img"));
}

/// Fedora 42: the file is called like a squashfs and is an EROFS.
#[test]
fn an_erofs_is_looked_into() {
    let image = |inodes: u8| {
        let mut bytes = vec![0; 1024];
        bytes.extend([0xe2, 0xe1, 0xf5, 0xe0]);
        bytes.extend([0; 12]);
        bytes.extend([inodes, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    };
    let inodes = |bytes: Vec<u8>| layout::inodes(&Content::memory(bytes), &crate::testing::read);
    assert_eq!(inodes(image(100)), Some(100));
    assert_eq!(inodes(image(3)), Some(3));
    assert_eq!(inodes(image(100)[..1040].to_vec()), None);
}

#[test]
fn operators_arguments_decide_address_and_copy() {
    let image = flat();
    let entry = &recognised(&fedora(&image)).entries[0];
    let append = "ip=192.168.0.9::192.168.0.1:255.255.255.0:host:eth0:none rd.live.ram";
    let line = command_line(entry, Transport::Nfs, append);
    assert!(!line.contains("ip=dhcp"), "{line}");
    assert!(line.ends_with(append), "{line}");
    assert!(!entry.streams(Transport::Nfs, append));
    assert!(entry.streams(Transport::Nfs, "rd.live.ram=0"));
    let source = &entry.root_source;
    assert_eq!(source.copied_bytes(100, Transport::Http, ""), 100);
    assert_eq!(source.copied_bytes(100, Transport::Http, append), 200);
    assert_eq!(source.copied_bytes(100, Transport::Nfs, append), 100);
}

/// Void (void-mklive `isolinux/isolinux.cfg.in`, `grub/grub_void.cfg.in`).
#[test]
fn void_keeps_its_own_arguments() {
    let own = "root=live:CDLABEL=VOID_LIVE init=/sbin/init ro rd.luks=0 rd.md=0 rd.dm=0 loglevel=4 \
        vconsole.unicode=1 vconsole.keymap=us locale.LANG=en_US.UTF-8";
    let isolinux = format!(
        "UI vesamenu.c32\nTIMEOUT 100\nONTIMEOUT linux\nLABEL linux\nMENU LABEL Void Linux 6.12 \
         x86_64\nKERNEL /boot/vmlinuz\nAPPEND initrd=/boot/initrd {own}\nLABEL linuxram\nMENU LABEL \
         Void Linux (RAM)\nKERNEL /boot/vmlinuz\nAPPEND initrd=/boot/initrd {own} rd.live.ram\n"
    );
    let grub = format!(
        "menuentry \"Void Linux\" {{\n    linux (${{voidlive}})/boot/vmlinuz \\\n\t\t{own}\n    \
         initrd (${{voidlive}})/boot/initrd\n}}\n"
    );
    let nested = squashfs('\u{3}');
    let found = recognised(&[
        ("LiveOS/squashfs.img", &nested),
        ("boot/grub/grub.cfg", &grub),
        ("boot/initrd", "i"),
        ("boot/isolinux/isolinux.cfg", &isolinux),
        ("boot/vmlinuz", "k"),
    ]);
    let expected = "disc: boot/vmlinuz [boot/initrd] LiveOS/squashfs.img init=/sbin/init ro \
        rd.luks=0 rd.md=0 rd.dm=0 loglevel=4 vconsole.unicode=1 vconsole.keymap=us \
        locale.LANG=en_US.UTF-8";
    assert_eq!(lines(&found), [expected]);
}

/// Harvester (harvester-installer `package/harvester-os/iso/boot/grub2/grub.cfg`) and Kairos
/// (AuroraBoot): the image is at the top of the medium.
#[test]
fn an_image_elsewhere_is_named_where_the_medium_is_mounted() {
    let menu = "set linux=linux\nset initrd=initrd\nmenuentry \"Harvester Installer v1.4\" --class os \
        --unrestricted {\n    $linux ($root)/boot/kernel cdroot root=live:CDLABEL=COS_LIVE rd.live.dir=/ \
        rd.live.squashimg=rootfs.squashfs console=tty1 rd.cos.disable net.ifnames=1\n    \
        $initrd ($root)/boot/initrd\n}\n";
    let image = flat();
    let found = recognised(&[
        ("boot/grub2/grub.cfg", menu),
        ("boot/initrd", "i"),
        ("boot/kernel", "k"),
        ("rootfs.squashfs", &image),
    ]);
    let entry = &found.entries[0];
    assert_eq!(entry.notes, [Note::NotBooted]);
    assert_eq!(
        ipxe(entry, Transport::Http),
        "cdroot console=tty1 rd.cos.disable net.ifnames=1 \
         root=live:http://192.168.0.1/iso/disc/rootfs.squashfs rd.live.overlay.overlayfs=1 netboot \
         ip=dhcp"
    );
    assert!(
        ipxe(entry, Transport::Nbd)
            .contains(" rd.live.dir=/ rd.live.squashimg=rootfs.squashfs rd.live.overlay")
    );
}

/// An initramfs with these programs and modules, and none built into its kernel.
fn contents(files: &[&str]) -> Contents {
    let files = files.iter().map(|name| (*name, &b""[..]));
    let builtin = ("usr/lib/modules/6/modules.builtin", &b" \n"[..]);
    list(&cpio(&files.chain([builtin]).collect::<Vec<_>>())[..]).unwrap()
}

/// Void's and Universal Blue's initramfs have `dmsquash-live` without `livenet`.
#[test]
fn an_initramfs_without_livenet_is_not_offered() {
    let image = flat();
    let mut found = recognised(&fedora(&image));
    found.examine(|_| {
        Some(contents(&[
            "usr/sbin/dmsquash-live-root",
            "usr/lib/modules/6/e1000.ko.xz",
        ]))
    });
    assert!(found.entries.is_empty());
    let said = "disc is not offered: its initramfs cannot use the network: isolinux/initrd.img has \
        no program netroot";
    assert_eq!(found.warnings, [said]);
}

/// kiwi's own module finds the root of live media whose layout and menus are the same: it downloads the
/// image as it is (kiwi 11), or finds it on a network disk.
#[test]
fn kiwis_own_initramfs_gets_the_whole_image() {
    let image = flat();
    let kiwi = ["usr/sbin/kiwi-live-root", "usr/sbin/netroot", "m/e1000.ko"];
    let nbd = [
        "usr/sbin/nbdroot",
        "usr/bin/nbd-client",
        "m/nbd.ko",
        "m/isofs.ko",
    ];
    let http = ["usr/bin/curl", "m/brd.ko"];
    let examined = |files: &[&str]| {
        let mut found = recognised(&fedora(&image));
        found.examine(|_| Some(contents(files)));
        found
    };
    let found = examined(&[&kiwi[..], &nbd, &http].concat());
    let entry = &found.entries[0];
    let bytes = entry.root_source.copied_bytes(1, Transport::Http, "");
    assert_eq!(
        ipxe(entry, Transport::Http),
        format!(
            "rd.live.image quiet rhgb root=live:http://192.168.0.1/iso/disc.iso ramdisk_size={} \
             rd.neednet=1 ip=dhcp",
            bytes.div_ceil(1024)
        )
    );
    assert!(bytes > entry.root_bytes, "the whole image");
    assert_eq!(
        entry.fetches(Transport::Http, "")[0].file,
        Fetched::WholeImage
    );
    assert_eq!(
        entry.unsupported(Transport::Nfs),
        Some(Refusal::NfsUnsupported("kiwi's"))
    );
    let pinned = "ab".repeat(16);
    assert_eq!(
        ipxe(entry, Transport::Nbd),
        format!(
            "rd.live.image quiet rhgb root=live:CDLABEL=Fedora-WS-Live-40-1-14 \
             netroot=nbd:192.168.0.1:disc@{pinned} ip=dhcp"
        )
    );
    // kiwi up to 9 has no RAM disk to download to, and without dracut's `nbd` there is no way.
    let old = examined(&[&kiwi[..], &nbd].concat());
    assert!(old.entries[0].unsupported(Transport::Http).is_some());
    assert_eq!(old.entries[0].check(Transport::Nbd, ""), Ok(()));
    let none = examined(&kiwi);
    assert!(none.entries.is_empty());
    let said = "disc is not offered: its initramfs cannot fetch the root over HTTP: \
        isolinux/initrd.img has no kernel module brd";
    assert_eq!(none.warnings, [said]);
}

#[test]
fn a_medium_decides_neither_where_its_root_is_nor_the_lines_of_a_menu() {
    let menu = "label live\n\tmenu default\n\tlinux /vmlinuz\n\tinitrd /initrd.img\n\tappend \
        root=live:http://evil/x.img rd.live.image netroot=nbd:evil:x proxy=http://evil/ \
        live.updates=http://evil/x ip=frommedia BOOTIF=x initrd=x BOOT_IMAGE=x rd.live.ram \
        rd.live.overlay=/dev/sda rd.live.check iso-scan/filename=/a rd.neednet=0 \
        rd.kiwi.live.system=/dev/sda ok=1 ${net0/mac} \
        || && x=\x01y é #c ; last\n";
    let image = flat();
    let found = recognised(&[
        ("LiveOS/squashfs.img", &image),
        ("initrd.img", "i"),
        ("isolinux/live.cfg", menu),
        ("vmlinuz", "k"),
    ]);
    assert_eq!(
        found.entries[0].inherited,
        ["rd.live.image", "ok=1", "#c", ";", "last"]
    );
    // A root on a network has no label; that of the volume remains.
    assert!(ipxe(&found.entries[0], Transport::Nbd).contains("root=live:CDLABEL=LIVE "));
}

#[test]
fn a_volume_without_a_plain_label_is_no_network_disk() {
    let menu = "label live\n\tlinux /vmlinuz\n\tinitrd /initrd.img\n\tappend root=live:UUID=1-2 \
        rd.live.image\n";
    let image = flat();
    let files = [
        ("LiveOS/squashfs.img", image.as_str()),
        ("initrd.img", "i"),
        ("isolinux/live.cfg", menu),
        ("vmlinuz", "k"),
    ];
    for label in ["", "a b", "a'b", "$(id)", "${x}"] {
        let found = families::detect(medium(&tree(&files), "disc", label)).unwrap();
        let entry = &found.entries[0];
        assert_eq!(
            entry.check(Transport::Nbd, ""),
            Err(Refusal::NoDiskLabel),
            "{label}"
        );
        assert_eq!(entry.check(Transport::Http, ""), Ok(()));
    }
}

#[test]
fn names_that_a_command_line_cannot_carry_are_no_root() {
    for name in ["a b.img", "$(id).img", "ü.img"] {
        let menu = format!(
            "label live\n\tlinux /vmlinuz\n\tinitrd /initrd.img\n\tappend root=live:CDLABEL=L \
             rd.live.squashimg=\"{name}\"\n"
        );
        let path = format!("LiveOS/{name}");
        let files = [
            (path.as_str(), "hsqs"),
            ("initrd.img", "i"),
            ("isolinux/live.cfg", &menu),
            ("vmlinuz", "k"),
        ];
        assert!(families::detect(medium(&tree(&files), "disc", "L")).is_none());
    }
}

#[test]
fn other_media_are_not_claimed() {
    let installer = "label linux\n  kernel vmlinuz\n  append initrd=initrd.img \
        inst.stage2=hd:LABEL=CentOS\\x207\\x20x86_64 quiet\n";
    for files in [
        // CentOS 7: the installer is in a file of this name.
        &[
            (".treeinfo", "[general]\n"),
            ("LiveOS/squashfs.img", "hsqs"),
            ("images/pxeboot/initrd.img", "i"),
            ("images/pxeboot/vmlinuz", "k"),
            ("isolinux/initrd.img", "i"),
            ("isolinux/isolinux.cfg", installer),
            ("isolinux/vmlinuz", "k"),
        ][..],
        &[
            ("isolinux/isolinux.cfg", ISOLINUX),
            ("isolinux/initrd.img", "i"),
            ("isolinux/vmlinuz", "k"),
        ],
        &[
            ("isolinux/isolinux.cfg", ISOLINUX),
            ("LiveOS/squashfs.img", "hsqs"),
        ],
    ] {
        let found = detect(medium(&tree(files), "disc", "LIVE"));
        assert!(found.is_none(), "{files:?}");
    }
}

#[test]
fn a_medium_cannot_make_menus_long() {
    let label = |number: usize| {
        format!(
            "label l{number}\nlinux /vmlinuz\ninitrd /initrd.img\nappend root=live:CDLABEL=L \
             rd.live.squashimg={number}.img {}\n",
            "quiet ".repeat(900)
        )
    };
    let menu: String = (10..50).map(label).collect();
    let images: Vec<String> = (10..50).map(|n| format!("LiveOS/{n}.img")).collect();
    let mut files = vec![
        ("initrd.img", "i"),
        ("isolinux/live.cfg", menu.as_str()),
        ("vmlinuz", "k"),
    ];
    files.extend(images.iter().map(|path| (path.as_str(), "hsqs")));
    let found = recognised(&files);
    assert_eq!(found.entries.len(), 16);
    let bytes = |entry: &Entry| -> usize { entry.inherited.iter().map(|w| w.len() + 1).sum() };
    assert!(found.entries.iter().all(|entry| bytes(entry) <= 2048));
    assert_eq!(found.entries[3].id, "disc-13");
}
