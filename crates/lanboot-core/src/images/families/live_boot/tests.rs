use std::net::{IpAddr, Ipv4Addr};

use super::*;

use crate::catalog::{Catalog, Image};
use crate::images::entry::RootSource;
use crate::images::families;
use crate::images::medium::Whole;
use crate::images::{
    Cpu, Dialect, Fetched, Firmware, MenuLoader, MountSource, Refusal, Server, Transport,
};
use crate::initramfs::testing::cpio;
use crate::initramfs::{Contents, list};
use crate::menus::Menu;
use crate::net::Origin;
use crate::plan::{BootChoice, Memory, MenuKind, Transports};
use crate::testing::{linux, medium, tree};
use crate::vfs::{Identity, ImageId, Kind, Meta, Piece, TreeBuilder};

const SERVER: Server = Server {
    http: Origin::http(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)), 80),
    nfs: true,
    nbd: true,
};

fn source(image: &str) -> MountSource<'_> {
    MountSource {
        server: &SERVER,
        image,
        identity: Identity([0xab; 16]),
    }
}

fn recognised(files: &[(&str, &str)]) -> Detection {
    families::detect(medium(&tree(files), "disc", "LIVE")).unwrap()
}

fn ipxe(entry: &Entry, transport: Transport) -> String {
    entry.command_line(transport, source("disc"), Dialect::Ipxe, "")
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

/// The menus that live-build 20230502 writes for the official images of Debian 12
/// (`bootloaders/*`, `binary_syslinux`, `binary_grub_cfg`).
const DEBIAN_SYSLINUX: &str = "label live-amd64\n\tmenu label ^Live system (amd64)\n\tmenu default\n\
    \tlinux /live/vmlinuz-6.1.0-22-amd64\n\tinitrd /live/initrd.img-6.1.0-22-amd64\n\
    \tappend boot=live components quiet splash\n\n\
    label live-amd64-failsafe\n\tmenu label Live system (amd64 fail-safe mode)\n\
    \tlinux /live/vmlinuz-6.1.0-22-amd64\n\tinitrd /live/initrd.img-6.1.0-22-amd64\n\
    \tappend boot=live components memtest noapic noapm nodma nomce nolapic nosmp nosplash vga=788\n";
const DEBIAN_GRUB: &str = "source /boot/grub/config.cfg\n\n# Live boot\n\
    menuentry \"Live system (amd64)\" --hotkey=l {\n\
    \tlinux\t/live/vmlinuz-6.1.0-22-amd64 boot=live components quiet splash findiso=${iso_path}\n\
    \tinitrd\t/live/initrd.img-6.1.0-22-amd64\n}\n\
    menuentry \"Live system (amd64 fail-safe mode)\" {\n\
    \tlinux\t/live/vmlinuz-6.1.0-22-amd64 boot=live components memtest noapic nosmp vga=788\n\
    \tinitrd\t/live/initrd.img-6.1.0-22-amd64\n}\n\
    menuentry 'Start installer' --hotkey=i {\n\
    \tlinux\t/install/vmlinuz vga=788 --- quiet\n\tinitrd\t/install/initrd.gz\n}\n";
const DEBIAN: [(&str, &str); 11] = [
    (
        ".disk/info",
        "Official Debian GNU/Linux Live 12.6.0 standard",
    ),
    ("boot/grub/config.cfg", "set default=0\n"),
    ("boot/grub/grub.cfg", DEBIAN_GRUB),
    ("boot/grub/loopback.cfg", "source /boot/grub/grub.cfg\n"),
    ("install/initrd.gz", "i"),
    ("install/vmlinuz", "k"),
    (
        "isolinux/isolinux.cfg",
        "include menu.cfg\ndefault vesamenu.c32\nprompt 0\ntimeout 0\n",
    ),
    ("isolinux/live.cfg", DEBIAN_SYSLINUX),
    (
        "isolinux/menu.cfg",
        "menu title Boot menu\ninclude live.cfg\n",
    ),
    ("live/filesystem.squashfs", "root"),
    ("live/initrd.img-6.1.0-22-amd64", "ii"),
];
const DEBIAN_KERNEL: (&str, &str) = ("live/vmlinuz-6.1.0-22-amd64", "k");

fn debian() -> Vec<(&'static str, &'static str)> {
    [&DEBIAN[..], &[DEBIAN_KERNEL]].concat()
}

#[test]
fn debian_live_starts_with_its_own_pair_by_its_own_menu() {
    let found = recognised(&debian());
    assert_eq!(found.family_name(), "live-boot");
    assert_eq!(found.warnings, [""; 0]);
    let expected = "disc: live/vmlinuz-6.1.0-22-amd64 [live/initrd.img-6.1.0-22-amd64] \
        live/filesystem.squashfs boot=live components quiet splash";
    assert_eq!(lines(&found), [expected]);
    let entry = &found.entries[0];
    assert_eq!((entry.title.as_str(), entry.cpu), ("disc", Cpu::X86_64));
    assert_eq!((entry.root_bytes, entry.initrd_bytes), (4, 2));
    let fetched = entry.fetches(Transport::Http, "");
    assert_eq!(fetched.len(), 1);
    assert_eq!(
        fetched[0].file,
        Fetched::File("live/filesystem.squashfs".into())
    );
    // A medium for UEFI only gives the same.
    let mut uefi = debian();
    uefi.retain(|(path, _)| !path.starts_with("isolinux/"));
    assert_eq!(lines(&recognised(&uefi)), [expected]);
    // Without any menu the names of the files decide.
    uefi.retain(|(path, _)| !path.starts_with("boot/"));
    let expected = expected.replace(" quiet splash", "");
    assert_eq!(lines(&recognised(&uefi)), [expected]);
}

/// `fetch=`, `netboot=` and `nfsroot=`: `9990-cmdline-old`, `9990-netboot.sh`; `BOOTIF=`:
/// `9990-networking.sh`, which takes hyphens and colons; no `ip=`: `9990-netbase.sh`.
#[test]
fn the_command_line_of_each_transport_and_dialect() {
    let found = recognised(&debian());
    let entry = &found.entries[0];
    let netmask = IpAddr::V4(Ipv4Addr::new(255, 255, 255, 0));
    for (dialect, bootif) in [
        (Dialect::Ipxe, " BOOTIF=01-${netX/mac:hexhyp}"),
        (Dialect::Pxelinux, ""),
        (Dialect::Grub { netmask }, " BOOTIF=01-${net_default_mac}"),
        (Dialect::Shown, " BOOTIF=01-<mac>"),
    ] {
        let line = |transport| entry.command_line(transport, source("disc"), dialect, "a b=c");
        assert_eq!(
            line(Transport::Http),
            format!(
                "boot=live components quiet splash \
                 fetch=http://192.168.0.1/iso/disc/live/filesystem.squashfs{bootif} a b=c"
            )
        );
        assert_eq!(
            line(Transport::Nfs),
            format!(
                "boot=live components quiet splash netboot=nfs \
                 nfsroot=192.168.0.1:/iso/disc{bootif} a b=c"
            )
        );
    }
    // PXELINUX adds BOOTIF= itself.
    assert_eq!(entry.sysappend(), 2);
}

#[test]
fn http_copies_nfs_streams_and_nbd_is_refused() {
    let found = recognised(&debian());
    let entry = &found.entries[0];
    for append in ["", "toram", "quiet"] {
        assert_eq!(entry.check(Transport::Http, append), Ok(()));
        assert_eq!(entry.check(Transport::Nfs, append), Ok(()));
        let refused = entry.check(Transport::Nbd, append);
        assert_eq!(refused, Err(Refusal::NbdUnsupported("live-boot")));
    }
    let streams = |append| Transport::ALL.map(|transport| entry.streams(transport, append));
    assert_eq!(streams(""), [false, true, false]);
    assert_eq!(streams("toram"), [false, false, false]);
    assert_eq!(streams("toram=filesystem.squashfs"), [false, false, false]);
    assert_eq!(streams("notoram toramx"), [false, true, false]);
    // What is said for all images is not meant for this one.
    let asked = Transports {
        all: Some(Transport::Nbd),
        of: Vec::new(),
    };
    let image = crate::testing::image("disc", &[]);
    assert_eq!(asked.of(&image, entry), None);
    let asked = Transports {
        of: vec![("disc".into(), Some(Transport::Nbd))],
        ..asked
    };
    assert_eq!(asked.of(&image, entry), Some(Transport::Nbd));
}

/// `9990-mount-http.sh`: one file in a ramfs; `9990-toram-todisk.sh`: everything on the medium, or
/// one layer.
#[test]
fn memory_follows_what_is_copied() {
    const MIB: u64 = 1 << 20;
    let source = LiveBoot {
        folder: "live".into(),
        layers: 1,
        medium_bytes: 900 * MIB,
    };
    let bytes = |transport, append| source.copied_bytes(300 * MIB, transport, append) / MIB;
    for (transport, append, mib) in [
        (Transport::Http, "", 300),
        (Transport::Http, "toram", 600),
        (Transport::Nfs, "toram", 900),
        (Transport::Nfs, "toram=filesystem.squashfs", 300),
        (Transport::Nfs, "toram=filesystem.squashfs toram", 300),
    ] {
        assert_eq!(bytes(transport, append), mib, "{transport} {append}");
    }
    let files = debian();
    let all: usize = files.iter().map(|(_, text)| text.len()).sum();
    assert_eq!(file_bytes(&tree(&files)), all as u64);
}

/// Kali's menus (live-build-config, `kali-config/common/bootloaders`): its modes for disks are for
/// disks, the forensic one is an entry of its own.
#[test]
fn kali_has_its_forensic_mode_beside_the_plain_one() {
    let label = |name: &str, append: &str| {
        format!(
            "label {name}\n\tlinux /live/vmlinuz\n\tinitrd /live/initrd.img\n\
             \tappend boot=live components {append}\n"
        )
    };
    let menu = [
        label(
            "live-amd64",
            "quiet splash noeject findiso=${iso_path}\n\tmenu default",
        ),
        label(
            "live-amd64-failsafe",
            "memtest noapic noapm nodma nomce nolapic nomodeset nosmp vga=normal",
        ),
        label("live-forensic", "noswap noautomount"),
        label("live-persistence", "quiet splash noeject persistence"),
        label(
            "live-encrypted",
            "persistent=cryptsetup persistence-encryption=luks quiet splash noeject persistence",
        ),
    ];
    let found = recognised(&[
        ("isolinux/live.cfg", &menu.concat()),
        ("live/filesystem.squashfs", "root"),
        ("live/initrd.img", "i"),
        ("live/vmlinuz", "k"),
    ]);
    let files = "live/vmlinuz [live/initrd.img] live/filesystem.squashfs boot=live components";
    let expected = [
        format!("disc: {files} quiet splash noeject"),
        format!("disc-forensic: {files} noswap noautomount"),
    ];
    assert_eq!(lines(&found), expected);
    assert_eq!(found.entries[1].title, "disc (forensic)");
}

/// Clonezilla live (`syslinux/syslinux.cfg` of 3.1): resolutions, languages and a copy in memory are
/// variants; GParted's medium is laid out alike.
#[test]
fn clonezilla_and_gparted_have_one_entry_with_what_they_run() {
    let append = "initrd=/live/initrd.img boot=live union=overlay username=user config components \
        quiet loglevel=0 noswap edd=on nomodeset enforcing=0 noeject locales= keyboard-layouts= \
        ocs_live_run=\"ocs-live-general\" ocs_live_extra_param=\"\" ocs_live_batch=\"no\" vga=788 \
        net.ifnames=0 splash i915.blacklist=yes ip=";
    let menu = format!(
        "default vesamenu.c32\nlabel Clonezilla live\n  MENU DEFAULT\n  \
         MENU LABEL Clonezilla live (VGA 800x600)\n  kernel /live/vmlinuz\n  append {append}\n\
         label Clonezilla live (To RAM)\n  kernel /live/vmlinuz\n  append {append} toram=live,syslinux\n\
         label memtest\n  kernel /live/memtest\n"
    );
    let files = |marker| {
        [
            (marker, "3.1"),
            ("live/filesystem.squashfs", "root"),
            ("live/initrd.img", "i"),
            ("live/vmlinuz", "k"),
            ("syslinux/syslinux.cfg", menu.as_str()),
        ]
    };
    let found = recognised(&files("Clonezilla-Live-Version"));
    assert_eq!(found.family_name(), "live-boot (Clonezilla)");
    assert_eq!(
        ipxe(&found.entries[0], Transport::Http),
        "boot=live union=overlay username=user config components quiet loglevel=0 noswap edd=on \
         nomodeset enforcing=0 noeject locales= keyboard-layouts= \
         ocs_live_run=\"ocs-live-general\" ocs_live_extra_param=\"\" ocs_live_batch=\"no\" vga=788 \
         net.ifnames=0 splash i915.blacklist=yes \
         fetch=http://192.168.0.1/iso/disc/live/filesystem.squashfs BOOTIF=01-${netX/mac:hexhyp}"
    );
    assert_eq!(found.entries.len(), 1);
    let found = recognised(&files("GParted-Live-Version"));
    assert_eq!(found.family_name(), "live-boot (GParted)");
}

/// grml's dual medium (grml-live `templates/boot`): two kernels and two roots, each in a folder that
/// its menu names.
#[test]
fn grml_keeps_the_folder_of_each_root() {
    let menu = |bits: &str, rest: &str| {
        format!(
            "label grml{bits}-full\n  kernel /boot/grml{bits}full/vmlinuz\n  append \
             initrd=/boot/grml{bits}full/initrd.img boot=live bootid=grml2022 \
             live-media-path=/live/grml{bits}-full/ nomce net.ifnames=0 {rest}\n"
        )
    };
    let menus = [
        menu("64", ""),
        menu("32", ""),
        menu("64", "toram=grml64-full.squashfs"),
        menu("64", "forensic nofstab noraid read-only"),
    ];
    let found = recognised(&[
        ("boot/grml32full/initrd.img", "i"),
        ("boot/grml32full/vmlinuz", "k"),
        ("boot/grml64full/initrd.img", "i"),
        ("boot/grml64full/vmlinuz", "k"),
        ("boot/isolinux/grml.cfg", &menus.concat()),
        ("conf/bootid.txt", "grml2022"),
        ("live/grml32-full/grml32-full.squashfs", "r"),
        ("live/grml64-full/grml64-full.squashfs", "root"),
    ]);
    let line = |name: &str, bits: &str, rest: &str| {
        format!(
            "disc-{name}: boot/grml{bits}full/vmlinuz [boot/grml{bits}full/initrd.img] \
             live/grml{bits}-full/grml{bits}-full.squashfs boot=live bootid=grml2022 nomce \
             net.ifnames=0{rest}"
        )
    };
    let expected = [
        line("x86_64", "64", ""),
        line("i686", "32", ""),
        line(
            "x86_64-forensic",
            "64",
            " forensic nofstab noraid read-only",
        ),
    ];
    assert_eq!(lines(&found), expected);
    let entry = &found.entries[0];
    assert_eq!(
        ipxe(entry, Transport::Nfs),
        "boot=live bootid=grml2022 nomce net.ifnames=0 netboot=nfs nfsroot=192.168.0.1:/iso/disc \
         live-media-path=live/grml64-full BOOTIF=01-${netX/mac:hexhyp}"
    );
    assert!(ipxe(entry, Transport::Http).contains(
        " fetch=http://192.168.0.1/iso/disc/live/grml64-full/grml64-full.squashfs \
         live-media-path=live/grml64-full "
    ));
}

/// VyOS (vyos-build `data/live-build-config/bootloaders`): a console is a variant; its arguments
/// stay.
#[test]
fn vyos_keeps_its_own_arguments() {
    let menu = "label live-vga\n  menu label Live system (vyos) - KVM console\n  menu default\n  \
        linux /live/vmlinuz\n  initrd /live/initrd.img\n  append boot=live components hostname=vyos \
        username=live nopersistence noautologin nonetworking union=overlay console=ttyS0,115200 \
        console=tty0 net.ifnames=0 biosdevname=0\n\
        label live-serial\n  linux /live/vmlinuz\n  initrd /live/initrd.img\n  append boot=live \
        components console=tty0 console=ttyS0,115200\n";
    let found = recognised(&[
        ("isolinux/live.cfg", menu),
        ("live/filesystem.squashfs", "root"),
        ("live/initrd.img", "i"),
        ("live/vmlinuz", "k"),
    ]);
    let files = "live/vmlinuz [live/initrd.img] live/filesystem.squashfs";
    let expected = format!(
        "disc: {files} boot=live components hostname=vyos username=live nopersistence noautologin \
         nonetworking union=overlay console=ttyS0,115200 console=tty0 net.ifnames=0 biosdevname=0"
    );
    assert_eq!(lines(&found), [expected]);
}

const TAILS_MENU: &str = "label live\n  menu default\n  linux /live/vmlinuz\n  \
    initrd /live/initrd.img\n  append boot=live config nopersistence noprompt timezone=Etc/UTC \
    splash noautologin module=Tails slab_nomerge mce=0 FSUUID=1 quiet\n";
const TAILS_FILES: [(&str, &str); 5] = [
    ("isolinux/live.cfg", TAILS_MENU),
    ("live/Tails.module", "filesystem.squashfs\n"),
    ("live/filesystem.squashfs", "root"),
    ("live/initrd.img", "i"),
    ("live/vmlinuz", "k"),
];

#[test]
fn tails_gets_its_own_image_into_its_initramfs() {
    let mut found = recognised(&TAILS_FILES);
    assert_eq!(found.family_name(), "live-boot (Tails)");
    let line = "boot=live config nopersistence noprompt timezone=Etc/UTC splash noautologin \
        module=Tails slab_nomerge mce=0 FSUUID=1 quiet live-media=/medium.iso \
        live-media-offset=0 root=/dev/ram0";
    let check = |found: &Detection| {
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!(ipxe(entry, Transport::Http), line);
        let overlay = entry.overlay().unwrap();
        assert_eq!(overlay.files()[0].path, "medium.iso");
        assert!(overlay.bytes() > 4096 && entry.contains_whole_image());
        assert_eq!(entry.check(Transport::Http, ""), Ok(()));
        assert_eq!(entry.check(Transport::Nfs, ""), Err(Refusal::NoRoot));
        // The image is there twice for a moment: as it was loaded, and unpacked.
        let least = 2 * overlay.bytes();
        assert!(entry.copy_memory(Transport::Http, "") > least);
    };
    check(&found);
    let said = "its initramfs cannot use the network: media with live/Tails.module have no network \
        driver in it";
    assert_eq!(found.warnings, [said]);
    // A closer look at the initramfs changes nothing.
    found.examine(|_| Some(contents(&["bin/wget", "bin/ipconfig", "bin/nfsmount"])));
    check(&found);
    assert_eq!(found.warnings, [said]);
}

#[test]
fn tails_of_four_gib_is_not_offered() {
    let tree = tree(&TAILS_FILES);
    let large = Medium {
        whole: Whole::Disc(1 << 32),
        ..medium(&tree, "disc", "TAILS")
    };
    let found = families::detect(large).unwrap();
    assert!(found.entries.is_empty() && found.unreachable.len() == 1);
    let said = "disc is not offered: its initramfs needs files that cannot be added to it: \
        /medium.iso has 4294967296 bytes, and a file in an initramfs has less than 4 GiB";
    assert_eq!(found.warnings, [said]);
    let drive = Medium {
        whole: Whole::Drive,
        ..large
    };
    let said = "disc is not offered: its initramfs needs files that cannot be added to it: the image \
        is one of a drive, which cannot be mounted as a file";
    assert_eq!(families::detect(drive).unwrap().warnings, [said]);
    // The last that fits into a file is too large with the initramfs and the headers.
    let nearly = Medium {
        whole: Whole::Disc((1 << 32) - 100),
        ..large
    };
    let found = families::detect(nearly).unwrap();
    let said = "disc is not offered: its initramfs files have 4096 MiB together, and no loader \
        starts a kernel with 4 GiB or more";
    assert_eq!(found.warnings, [said]);
}

#[test]
fn what_bios_cannot_load_starts_with_uefi_only() {
    let tree = tree(&TAILS_FILES);
    let starts = |bytes: u64| {
        let large = Medium {
            whole: Whole::Disc(bytes),
            ..medium(&tree, "disc", "TAILS")
        };
        let found = families::detect(large).unwrap();
        let entry = &found.entries[0];
        let by = [
            (MenuLoader::Ipxe, Firmware::Bios64),
            (MenuLoader::Pxelinux, Firmware::Bios64),
            (MenuLoader::Grub, Firmware::Bios64),
            (MenuLoader::Grub, Firmware::X64Uefi),
            (MenuLoader::Ipxe, Firmware::X64Uefi),
        ];
        let by = by.map(|(loader, firmware)| entry.starts_by(loader, firmware));
        (by, found.warnings.join("; "))
    };
    assert_eq!(starts(700 << 20).0, [true; 5]);
    assert_eq!(starts(1 << 30).0, [true, true, false, true, true]);
    let (by, said) = starts(2 << 30);
    assert_eq!(by, [false, false, false, true, true]);
    let sentence = "disc starts only with UEFI: its initramfs files have 2048 MiB together, and BIOS \
        loads at most 1792 MiB";
    assert!(said.starts_with(sentence), "{said}");
}

/// An initramfs with these files, and no module in its kernel.
fn contents(files: &[&str]) -> Contents {
    let files = files.iter().map(|name| (*name, &b""[..]));
    let builtin = ("lib/modules/6/modules.builtin", &b" \n"[..]);
    list(&cpio(&files.chain([builtin]).collect::<Vec<_>>())[..]).unwrap()
}

#[test]
fn an_initramfs_without_wget_leaves_nfs() {
    let mut found = recognised(&debian());
    found.examine(|_| {
        Some(contents(&[
            "bin/ipconfig",
            "bin/nfsmount",
            "x/nfs.ko",
            "x/r8169.ko",
        ]))
    });
    let entry = &found.entries[0];
    assert!(matches!(
        entry.check(Transport::Http, ""),
        Err(Refusal::Lacks(_))
    ));
    assert_eq!(entry.check(Transport::Nfs, ""), Ok(()));
    assert!(found.warnings[0].contains("has no program wget"));
    let lack = found.ram_disk_lack().unwrap().to_string();
    assert!(lack.contains("nfit"), "{lack}");
}

/// `9990-overlay.sh` stacks every image in the folder, or those that `MODULE.module` lists;
/// `fetch=` brings one.
#[test]
fn a_root_in_several_layers_comes_over_nfs_only() {
    let mut files = debian();
    files.push(("live/zz-extra.squashfs", "more"));
    let found = recognised(&files);
    let entry = &found.entries[0];
    assert_eq!(entry.root_bytes, 8);
    let refused = entry.check(Transport::Http, "").unwrap_err();
    assert_eq!(refused, Refusal::SeveralLayers(2));
    assert!(refused.to_string().contains("in 2 files"), "{refused}");
    assert_eq!(entry.check(Transport::Nfs, ""), Ok(()));
    files.push((
        "live/filesystem.module",
        "filesystem.squashfs missing.squashfs\n",
    ));
    let entry = &recognised(&files).entries[0];
    assert_eq!(
        (entry.root_bytes, entry.check(Transport::Http, "")),
        (4, Ok(()))
    );
}

#[test]
fn several_kernels_are_several_entries_named_by_their_version() {
    let mut files = debian();
    let second = "label old\n\tlinux /live/vmlinuz-5.10.0-30-686-pae\n\
        \tinitrd /live/initrd.img-5.10.0-30-686-pae\n\tappend boot=live components\n\
        label rt\n\tlinux /live/vmlinuz-6.1.0-22-rt-amd64\n\
        \tinitrd /live/initrd.img-6.1.0-22-rt-amd64\n\tappend boot=live components\n";
    files.extend([
        ("isolinux/more.cfg", second),
        ("live/initrd.img-5.10.0-30-686-pae", "i"),
        ("live/initrd.img-6.1.0-22-rt-amd64", "i"),
        ("live/vmlinuz-5.10.0-30-686-pae", "k"),
        ("live/vmlinuz-6.1.0-22-rt-amd64", "k"),
    ]);
    let found = recognised(&files);
    let ids: Vec<&str> = found.entries.iter().map(|e| e.id.as_str()).collect();
    let expected = [
        "disc-x86_64-6.1.0-22-amd64",
        "disc-i686",
        "disc-x86_64-6.1.0-22-rt-amd64",
    ];
    assert_eq!(ids, expected);
}

#[test]
fn a_medium_decides_neither_where_its_root_is_nor_the_lines_of_a_menu() {
    let menu = "label live\n\tmenu default\n\tlinux /live/vmlinuz\n\tinitrd /live/initrd.img\n\
        \tappend boot=live fetch=http://evil/x.squashfs httpfs=x ftpfs=x netboot=cifs nfsroot=x \
        nfsopts=x findiso=/a fromiso=/dev/sda/a live-media=/dev/sda live-media-path=live ip=frommedia \
        BOOTIF=x initrd=x BOOT_IMAGE=x toram todisk=/dev/sda persistence root=/dev/sda \
        verify-checksums iscsi=1 ok=1 ${net0/mac} || && x=\x01y é #c ; last\n";
    let found = recognised(&[
        ("isolinux/live.cfg", menu),
        ("live/filesystem.squashfs", "root"),
        ("live/initrd.img", "i"),
        ("live/vmlinuz", "k"),
    ]);
    assert_eq!(
        found.entries[0].inherited,
        ["boot=live", "ok=1", "#c", ";", "last"]
    );
}

#[test]
fn names_that_a_command_line_cannot_carry_are_no_root() {
    for name in [
        "live/a b.squashfs",
        "live/$(id).squashfs",
        "live/ü.squashfs",
    ] {
        let files = [
            ("live/initrd.img", "i"),
            ("live/vmlinuz", "k"),
            (name, "root"),
        ];
        let found = families::detect(medium(&tree(&files), "disc", "LIVE"));
        assert!(found.is_none(), "{name}");
    }
}

#[test]
fn other_media_are_not_claimed() {
    let casper =
        "label live\n\tkernel /casper/vmlinuz\n\tappend boot=casper initrd=/casper/initrd quiet\n";
    for files in [
        &[
            ("casper/filesystem.squashfs", "r"),
            ("casper/initrd", "i"),
            ("casper/vmlinuz", "k"),
            ("isolinux/txt.cfg", casper),
        ][..],
        &[("live/vmlinuz", "k"), ("live/initrd.img", "i")],
        &[("live/filesystem.squashfs", "r"), ("live/vmlinuz", "k")],
        &[("boot/vmlinuz", "k"), ("LiveOS/squashfs.img", "r")],
    ] {
        let found = detect(medium(&tree(files), "disc", "LIVE"));
        assert!(found.is_none(), "{files:?}");
    }
}

#[test]
fn a_medium_cannot_make_menus_long() {
    let label = |number: usize| {
        format!(
            "label l{number}\nlinux /live/vmlinuz\ninitrd /live/initrd.img\n\
             append boot=live ocs_live_run={number} {}\n",
            "quiet ".repeat(900)
        )
    };
    let menu: String = (0..40).map(label).collect();
    let found = recognised(&[
        ("isolinux/live.cfg", &menu),
        ("live/filesystem.squashfs", "r"),
        ("live/initrd.img", "i"),
        ("live/vmlinuz", "k"),
    ]);
    assert_eq!(found.entries.len(), 16);
    let bytes = |entry: &Entry| {
        entry
            .inherited
            .iter()
            .map(|word| word.len() + 1)
            .sum::<usize>()
    };
    assert!(found.entries.iter().all(|entry| bytes(entry) <= 2048));
    assert_eq!(found.entries[3].id, "disc-3");
}

/// An image whose squashfs has `bytes` of its 3,000,000 bytes.
fn image(bytes: u64) -> Image {
    let mut tree = TreeBuilder::new(Meta::default());
    let folder = Kind::Directory(Vec::new());
    let live = tree.add(Tree::ROOT, b"live", folder, Meta::default());
    let live = live.unwrap();
    let root = Content::new(Piece::of_image(ImageId(7), 0, 3_000_000, bytes));
    for (name, content) in [
        ("filesystem.squashfs", root),
        ("initrd.img", Content::memory(&b"i"[..])),
        ("vmlinuz", Content::memory(&b"k"[..])),
    ] {
        let kind = Kind::File(content);
        tree.add(live, name.as_bytes(), kind, Meta::default())
            .unwrap();
    }
    let tree = tree.build();
    Image {
        found: families::detect(medium(&tree, "disc", "LIVE")).unwrap(),
        tree: Arc::new(tree),
        ..crate::testing::image("disc", &[])
    }
}

/// The script for iPXE with this image alone.
fn script(image: Image) -> String {
    let catalog = Catalog::new(vec![Arc::new(image)]);
    let menu = Menu {
        timeout: None,
        boot: BootChoice::first(&catalog),
        append: String::new(),
        transports: Transports::default(),
        kind: MenuKind::Generated,
    };
    crate::menus::ipxe(&catalog, &menu, &SERVER, Memory::Mib(4096))
}

#[test]
fn menus_offer_http_and_nfs() {
    let script = script(image(3_000_000));
    let kernel = "kernel http://192.168.0.1/iso/disc/live/vmlinuz boot=live components \
        fetch=http://192.168.0.1/iso/disc/live/filesystem.squashfs BOOTIF=01-${netX/mac:hexhyp} \
        initrd=initrd.img || goto failed\n";
    assert!(script.contains(kernel), "{script}");
    assert!(script.contains("\n:nfs-disc\n"), "{script}");
    assert!(!script.contains("nbd-disc"), "{script}");
}

#[test]
fn a_half_copied_image_does_not_start() {
    let cut = image(1_924_224);
    let said = cut.incomplete(&cut.found.entries[0]).unwrap().to_string();
    let expected = "incomplete: 1924224 of 3000000 bytes (live/filesystem.squashfs)";
    assert_eq!(said, expected);
    let script = script(cut);
    assert!(
        script.contains("item --gap disc - incomplete: 1924224 of 3000000 bytes"),
        "{script}"
    );
    assert!(!script.contains("/iso/disc/"), "{script}");
}
