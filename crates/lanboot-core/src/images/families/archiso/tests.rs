use super::*;
use crate::images::families;
use crate::images::{Dialect, MountSource, Refusal, Server, StockMenu, Transport};
use crate::net::Origin;
use crate::testing::{linux, medium, tree};
use crate::vfs::Identity;
use std::net::{IpAddr, Ipv4Addr};

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
    families::detect(medium(&tree(files), "disc", "ARCH_202611")).unwrap()
}

#[test]
fn a_medium_cannot_make_menus_long() {
    let files = |initrd: &str, append: &str| {
        let text = format!(
            "LABEL x\nLINUX /arch/boot/x86_64/vmlinuz\nINITRD {initrd}\n\
             APPEND archisobasedir=arch {append}\n"
        );
        let found = recognised(&[
            ("arch/boot/x86_64/initramfs.img", "i"),
            ("arch/boot/x86_64/vmlinuz", "k"),
            ("arch/x86_64/airootfs.sfs", "r"),
            ("syslinux/archiso_pxe.cfg", &text),
        ]);
        found.entries.into_iter().next().unwrap()
    };
    let one = "/arch/boot/x86_64/initramfs.img";
    let entry = files(one, &"quiet ".repeat(10_000));
    assert!(
        entry
            .inherited
            .iter()
            .map(|word| word.len() + 1)
            .sum::<usize>()
            < 2100
    );
    assert!(entry.inherited.len() > 300);
    let entry = files(&[one; 5000].join(","), "quiet");
    assert_eq!(linux(&entry).initrd.len(), 1, "the usual one instead");
}

const MODERN: &str = "LABEL arch_nbd\nLINUX ::/arch/boot/x86_64/vmlinuz-linux\n\
    INITRD ::/arch/boot/x86_64/initramfs-linux.img\n\
    APPEND archisobasedir=arch archisosearchuuid=2026-11-01 archiso_nbd_srv=${pxeserver} cms_verify=y\n\
    LABEL arch_http\nLINUX ::/arch/boot/x86_64/vmlinuz-linux\n\
    INITRD ::/arch/boot/x86_64/initramfs-linux.img\nSYSAPPEND 3\n\
    APPEND archisobasedir=arch archiso_http_srv=http://${pxeserver}/ cms_verify=y quiet\n";

fn modern() -> Vec<(&'static str, &'static str)> {
    vec![
        ("arch/boot/x86_64/initramfs-linux.img", "i"),
        ("arch/boot/x86_64/vmlinuz-linux", "k"),
        ("arch/x86_64/airootfs.sfs", "root"),
        ("boot/syslinux/archiso_pxe-linux.cfg", MODERN),
        ("boot/syslinux/ldlinux.c32", ""),
        ("boot/syslinux/libutil.c32", ""),
        ("boot/syslinux/lpxelinux.0", ""),
        ("boot/syslinux/menu.c32", ""),
        ("boot/syslinux/syslinux.cfg", ""),
    ]
}

#[test]
fn todays_medium_gives_its_own_kernel_and_rewritten_arguments() {
    let found = recognised(&modern());
    assert_eq!(found.family_name(), "archiso");
    let [entry] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!(entry.id, "disc");
    assert_eq!(linux(entry).kernel, "arch/boot/x86_64/vmlinuz-linux");
    assert_eq!(
        linux(entry).initrd,
        ["arch/boot/x86_64/initramfs-linux.img"]
    );
    let line = |s| entry.command_line(Transport::Http, source("disc"), s, "console=ttyS0");
    assert_eq!(
        line(Dialect::Ipxe),
        "archisobasedir=arch quiet archiso_http_srv=http://192.168.0.1/iso/disc/ ip=dhcp \
         BOOTIF=01-${netX/mac:hexhyp} net.ifnames=0 console=ttyS0"
    );
    assert_eq!(
        line(Dialect::Pxelinux),
        "archisobasedir=arch quiet archiso_http_srv=http://192.168.0.1/iso/disc/ ip=dhcp \
         net.ifnames=0 console=ttyS0"
    );
    assert_eq!(found.pxelinux.as_deref(), Some("boot/syslinux"));
    assert_eq!(
        found.stock,
        Some(StockMenu {
            loader: "boot/syslinux/lpxelinux.0".into(),
            config: "syslinux.cfg".into(),
            prefix: None
        })
    );
}

#[test]
fn a_signature_on_the_medium_and_only_that_asks_for_its_check() {
    let mut files = modern();
    files.push(("arch/x86_64/airootfs.sfs.cms.sig", "s"));
    let found = recognised(&files);
    let line = found.entries[0].command_line(Transport::Http, source("d"), Dialect::Shown, "");
    assert!(line.contains(" cms_verify=y "), "{line}");
}

#[test]
fn the_2013_medium_gives_both_processors() {
    let cfg = |cpu: &str| {
        format!(
            "LABEL arch_http_{cpu}\nLINUX boot/{cpu}/vmlinuz\nINITRD boot/{cpu}/archiso.img\n\
             APPEND archisobasedir=arch archiso_http_srv=http://${{pxeserver}}/ checksum=y\n"
        )
    };
    let (cfg32, cfg64) = (cfg("i686"), cfg("x86_64"));
    let found = recognised(&[
        ("arch/aitab", "root-image / x86_64 xz ext4 50%"),
        ("arch/boot/i686/archiso.img", "i"),
        ("arch/boot/i686/vmlinuz", "k"),
        ("arch/boot/syslinux/archiso.cfg", ""),
        ("arch/boot/syslinux/archiso_pxe32.cfg", &cfg32),
        ("arch/boot/syslinux/archiso_pxe64.cfg", &cfg64),
        ("arch/boot/syslinux/lpxelinux.0", ""),
        ("arch/boot/x86_64/archiso.img", "i"),
        ("arch/boot/x86_64/vmlinuz", "k"),
        ("arch/checksum.x86_64.md5", "m"),
        ("arch/i686/root-image.fs.sfs", "r"),
        ("arch/x86_64/root-image.fs.sfs", "r"),
    ]);
    let ids: Vec<&str> = found.entries.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["disc-x86_64", "disc-i686"]);
    let line = |at: usize| {
        found.entries[at].command_line(Transport::Http, source("disc"), Dialect::Pxelinux, "")
    };
    assert_eq!(
        line(0),
        "archisobasedir=arch archiso_http_srv=http://192.168.0.1/iso/disc/ checksum=y net.ifnames=0"
    );
    assert!(
        !line(1).contains("checksum"),
        "no checksum file for i686: {}",
        line(1)
    );
    assert_eq!(linux(&found.entries[1]).kernel, "arch/boot/i686/vmlinuz");
    assert_eq!(found.entries[1].sysappend(), 3);
    assert_eq!(found.stock.unwrap().prefix.as_deref(), Some("/arch/"));
}

#[test]
fn any_base_folder_works_and_a_lost_configuration_is_no_obstacle() {
    let found = recognised(&[
        ("sysresccd/boot/x86_64/initramfs-fallback.img", "f"),
        ("sysresccd/boot/x86_64/initramfs.img", "i"),
        ("sysresccd/boot/x86_64/vmlinuz", "k"),
        ("sysresccd/x86_64/airootfs.erofs", "root"),
    ]);
    assert_eq!(
        linux(&found.entries[0]).initrd,
        ["sysresccd/boot/x86_64/initramfs.img"]
    );
    assert_eq!(found.stock, None);
}

#[test]
fn an_arm64_medium_is_one_for_arm64_machines() {
    let found = recognised(&[
        ("arch/aarch64/airootfs.sfs", "root"),
        ("arch/boot/aarch64/Image", "k"),
        ("arch/boot/aarch64/initramfs-linux.img", "i"),
        ("arch/boot/x86_64/initramfs-linux.img", "i"),
        ("arch/boot/x86_64/vmlinuz-linux", "k"),
        ("arch/x86_64/airootfs.sfs", "root"),
    ]);
    let entries = found.entries.iter();
    let entries: Vec<_> = entries
        .map(|e| (e.id.as_str(), linux(e).kernel.as_str()))
        .collect();
    let expected = [
        ("disc-x86_64", "arch/boot/x86_64/vmlinuz-linux"),
        ("disc-aarch64", "arch/boot/aarch64/Image"),
    ];
    assert_eq!(entries, expected);
}

#[test]
fn a_medium_without_kernel_says_so_and_a_foreign_one_is_not_claimed() {
    let found = recognised(&[("arch/x86_64/airootfs.sfs", "root")]);
    assert!(found.entries.is_empty());
    assert_eq!(found.warnings.len(), 1);
    let foreign = tree(&[("casper/vmlinuz", "k"), ("casper/filesystem.squashfs", "r")]);
    assert!(detect(medium(&foreign, "u", "U")).is_none());
}

#[test]
fn a_hostile_medium_cannot_write_script_lines() {
    let cfg = "LABEL x\nLINUX arch/boot/x86_64/vmlinuz-linux\n\
        INITRD arch/boot/x86_64/initramfs-linux.img\n\
        APPEND archisobasedir=arch a=${net0/mac} || shell && b=\x1b[2J c=1\n";
    let mut files = modern();
    files[3].1 = cfg;
    let line = recognised(&files).entries[0].command_line(
        Transport::Http,
        source("disc"),
        Dialect::Pxelinux,
        "",
    );
    assert_eq!(
        line,
        "archisobasedir=arch shell c=1 archiso_http_srv=http://192.168.0.1/iso/disc/ ip=dhcp \
         net.ifnames=0"
    );
}

#[test]
fn copytoram_off_is_refused_over_http() {
    let entry = &recognised(&modern()).entries[0];
    assert_eq!(entry.check(Transport::Http, "quiet"), Ok(()));
    assert_eq!(
        entry.check(Transport::Http, "copytoram=n"),
        Err(Refusal::CopyToRamOff)
    );
    assert_eq!(
        entry.check(Transport::Http, "copytoram=n copytoram=y"),
        Ok(())
    );
}

#[test]
fn every_transport_has_its_arguments() {
    let mut files = modern();
    files.push((
        "arch/pkglist.x86_64.txt",
        "nano 8.7-1\nnbd 3.26.1-1\nncurses 6.5-4\n",
    ));
    let entry = recognised(&files).entries.remove(0);
    let line = |entry: &Entry, transport, append| {
        entry.command_line(transport, source("disc"), Dialect::Pxelinux, append)
    };
    assert_eq!(
        line(&entry, Transport::Nfs, ""),
        "archisobasedir=arch quiet archiso_nfs_srv=192.168.0.1:/iso/disc copytoram=n ip=dhcp \
         net.ifnames=0"
    );
    let nbd = format!(
        "archisobasedir=arch quiet archiso_nbd_srv=192.168.0.1 archiso_nbd_name=disc@{} ",
        "ab".repeat(16)
    );
    let rest = "ip=dhcp net.ifnames=0";
    assert_eq!(
        line(&entry, Transport::Nbd, ""),
        format!("{nbd}copytoram=n {rest}")
    );
    assert_eq!(
        line(&entry, Transport::Nbd, "copytoram=y"),
        format!("{nbd}{rest} copytoram=y")
    );
    // Of a client that may stay in the foreground.
    files.pop();
    files.push(("arch/pkglist.x86_64.txt", "nano 8.7-1\nnbd 3.27.0-1\n"));
    let entry = recognised(&files).entries.remove(0);
    assert_eq!(line(&entry, Transport::Nbd, ""), format!("{nbd}{rest}"));
    assert!(!entry.streams(Transport::Nbd, "") && entry.streams(Transport::Nfs, ""));
}

/// The command line over HTTP, without what it is over the network for every entry.
fn line(entry: &Entry) -> String {
    let line = entry.command_line(Transport::Http, source("disc"), Dialect::Pxelinux, "");
    let (own, _) = line.split_once(" archiso_http_srv=").unwrap();
    format!(
        "{} ({}): {} [{}] {own}",
        entry.id,
        entry.title,
        linux(entry).kernel,
        linux(entry).initrd.join(" ")
    )
}

/// The arguments that depend on the medium's files.
fn extra(entry: &Entry) -> Vec<String> {
    let line = entry.command_line(Transport::Http, source("disc"), Dialect::Pxelinux, "");
    let (_, after) = line.split_once(" ip=dhcp ").unwrap();
    let words = after.split(' ').take_while(|word| *word != "net.ifnames=0");
    words.map(str::to_owned).collect()
}

fn lines(files: &[(&str, &str)]) -> Vec<String> {
    recognised(files).entries.iter().map(line).collect()
}

/// Two kernels, microcode, menus for systemd-boot only.
const TWO_KERNELS: [(&str, &str); 10] = [
    ("arch/boot/amd-ucode.img", "u"),
    ("arch/boot/intel-ucode.img", "u"),
    ("arch/boot/x86_64/initramfs-linux-lts.img", "i"),
    ("arch/boot/x86_64/initramfs-linux.img", "i"),
    ("arch/boot/x86_64/vmlinuz-linux", "k"),
    ("arch/boot/x86_64/vmlinuz-linux-lts", "k"),
    ("arch/x86_64/airootfs.sfs", "root"),
    (
        "loader/entries/01-arch.conf",
        "title Arch Linux (x86_64, UEFI)\nsort-key 01\nlinux /arch/boot/x86_64/vmlinuz-linux\n\
         initrd /arch/boot/intel-ucode.img\ninitrd /arch/boot/amd-ucode.img\n\
         initrd /arch/boot/x86_64/initramfs-linux.img\n\
         options archisobasedir=arch archisolabel=ARCH_202611 cow_spacesize=10G\n",
    ),
    (
        "loader/entries/02-arch-lts.conf",
        "title Arch Linux LTS (x86_64, UEFI)\nsort-key 02\n\
         linux /arch/boot/x86_64/vmlinuz-linux-lts\ninitrd /arch/boot/intel-ucode.img\n\
         initrd /arch/boot/amd-ucode.img\ninitrd /arch/boot/x86_64/initramfs-linux-lts.img\n\
         options archisobasedir=arch archisolabel=ARCH_202611 cow_spacesize=4G nvidia_drm.modeset=1\n",
    ),
    (
        "loader/entries/03-arch-speech.conf",
        "title Arch Linux with speech\nsort-key 03\nlinux /arch/boot/x86_64/vmlinuz-linux\n\
         initrd /arch/boot/intel-ucode.img\ninitrd /arch/boot/amd-ucode.img\n\
         initrd /arch/boot/x86_64/initramfs-linux.img\n\
         options archisobasedir=arch archisolabel=ARCH_202611 cow_spacesize=10G accessibility=on\n",
    ),
];

fn two_kernels() -> [String; 2] {
    let folder = "arch/boot/x86_64";
    let microcode = "arch/boot/intel-ucode.img arch/boot/amd-ucode.img";
    [
        format!(
            "disc-linux (disc (linux)): {folder}/vmlinuz-linux \
             [{microcode} {folder}/initramfs-linux.img] archisobasedir=arch cow_spacesize=10G"
        ),
        format!(
            "disc-linux-lts (disc (linux-lts)): {folder}/vmlinuz-linux-lts \
             [{microcode} {folder}/initramfs-linux-lts.img] archisobasedir=arch cow_spacesize=4G \
             nvidia_drm.modeset=1"
        ),
    ]
}

#[test]
fn kernels_initramfs_and_arguments_of_systemd_boots_menus_belong_together() {
    assert_eq!(lines(&TWO_KERNELS), two_kernels());
    let mut files = TWO_KERNELS.to_vec();
    files.push(("loader/loader.conf", "default 02-*\n"));
    let [first, second] = two_kernels();
    assert_eq!(lines(&files), [second, first], "the medium's default first");
}

#[test]
fn the_same_out_of_a_grub_menu() {
    let menu = "if [ \"${grub_platform}\" == 'efi' ]; then\n  archiso_platform='UEFI'\nfi\n\
        default=archlinux\nset ucode='/arch/boot/intel-ucode.img /arch/boot/amd-ucode.img'\n\
        search --file --set=root /arch/x86_64/airootfs.sfs\n\
        submenu 'Advanced' {\n menuentry 'LTS' --id lts {\n\
        linux ($root)/arch/boot/x86_64/vmlinuz-linux-lts archisobasedir=arch \
        archisosearchuuid=2026-11-01 cow_spacesize=4G nvidia_drm.modeset=1\n\
        initrd $ucode /arch/boot/x86_64/initramfs-linux-lts.img\n }\n}\n\
        menuentry 'Speech' { linux /arch/boot/x86_64/vmlinuz-linux archisobasedir=arch accessibility=on\n\
        initrd $ucode /arch/boot/x86_64/initramfs-linux.img\n}\n\
        menuentry \"Arch Linux (${archiso_platform})\" --class arch --id 'archlinux' {\n\
        linux /arch/boot/x86_64/vmlinuz-linux archisobasedir=arch archisosearchuuid=2026-11-01 \
        cow_spacesize=10G\ninitrd $ucode /arch/boot/x86_64/initramfs-linux.img\n}\n";
    let mut files = TWO_KERNELS[..7].to_vec();
    files.push(("boot/grub/grub.cfg", menu));
    assert_eq!(lines(&files), two_kernels());
    // What starts an image inside another disk is the last resort.
    let loopback = "menuentry 'Arch' {\n\
        linux /arch/boot/x86_64/vmlinuz-linux archisobasedir=arch img_dev=UUID=${u} img_loop=\"${iso_path}\" x=1\n\
        initrd /arch/boot/x86_64/initramfs-linux.img\n}\n";
    files.push(("boot/grub/loopback.cfg", loopback));
    assert_eq!(lines(&files), two_kernels());
    files.remove(7);
    assert_eq!(
        lines(&files),
        [
            "disc (disc): arch/boot/x86_64/vmlinuz-linux [arch/boot/x86_64/initramfs-linux.img] \
          archisobasedir=arch x=1"
        ]
    );
}

#[test]
fn without_menus_names_are_paired() {
    let [first, second] = two_kernels();
    let bare = |line: &str| {
        let line = line.replace(
            "intel-ucode.img arch/boot/amd-ucode.img",
            "amd-ucode.img arch/boot/intel-ucode.img",
        );
        let (own, _) = line.split_once(" cow_spacesize").unwrap();
        own.to_owned()
    };
    assert_eq!(lines(&TWO_KERNELS[..7]), [bare(&first), bare(&second)]);
    let one = |initrd: &str, kernel: &str| {
        recognised(&[
            (format!("sysresccd/boot/x86_64/{initrd}").as_str(), "i"),
            (format!("sysresccd/boot/x86_64/{kernel}").as_str(), "k"),
            ("sysresccd/x86_64/airootfs.sfs", "root"),
        ])
        .entries
        .into_iter()
        .map(|entry| linux(&entry).initrd.join(" "))
        .collect::<Vec<_>>()
    };
    for initrd in [
        "sysresccd.img",
        "archiso.img",
        "initramfs.img",
        "initramfs-linux.img",
    ] {
        assert_eq!(
            one(initrd, "vmlinuz"),
            [format!("sysresccd/boot/x86_64/{initrd}")]
        );
    }
    assert!(one("initramfs-fallback.img", "vmlinuz").is_empty());
    let mut unpaired = TWO_KERNELS[..7].to_vec();
    unpaired.remove(3);
    let found = recognised(&unpaired).entries;
    assert_eq!(found.len(), 1, "no kernel gets another one's initramfs");
    assert_eq!(
        linux(&found[0]).kernel,
        "arch/boot/x86_64/vmlinuz-linux-lts"
    );
}

#[test]
fn systemrescue_is_found_by_its_own_menus() {
    let grub = "if [ -z \"$archiso_param\" ]; then\n\tarchiso_param=\"archisolabel=RESCUE1302\"\nfi\n\
        menuentry 'Boot using default options' {\n\tset gfxpayload=keep\n\
        \tlinux /sysresccd/boot/x86_64/vmlinuz archisobasedir=sysresccd $archiso_param iomem=relaxed\n\
        \tinitrd /sysresccd/boot/intel_ucode.img /sysresccd/boot/amd_ucode.img /sysresccd/boot/x86_64/sysresccd.img\n}\n\
        menuentry 'Copy to RAM' {\n\
        \tlinux /sysresccd/boot/x86_64/vmlinuz archisobasedir=sysresccd $archiso_param iomem=relaxed copytoram\n\
        \tinitrd /sysresccd/boot/intel_ucode.img /sysresccd/boot/amd_ucode.img /sysresccd/boot/x86_64/sysresccd.img\n}\n";
    let pxe = "LABEL http\nLINUX boot/x86_64/vmlinuz\n\
        INITRD boot/intel_ucode.img,boot/amd_ucode.img,boot/x86_64/sysresccd.img\n\
        APPEND archisobasedir=sysresccd archiso_http_srv=http://${pxeserver}/ checksum=y\nSYSAPPEND 3\n";
    let files = [
        ("boot/grub/grubsrcd.cfg", grub),
        ("sysresccd/boot/amd_ucode.img", "u"),
        ("sysresccd/boot/intel_ucode.img", "u"),
        ("sysresccd/boot/syslinux/sysresccd_pxe.cfg", pxe),
        ("sysresccd/boot/x86_64/sysresccd.img", "i"),
        ("sysresccd/boot/x86_64/vmlinuz", "k"),
        ("sysresccd/x86_64/airootfs.sfs", "root"),
        ("sysresccd/x86_64/airootfs.sha512", "sum"),
    ];
    let expected = "disc (disc): sysresccd/boot/x86_64/vmlinuz [sysresccd/boot/intel_ucode.img \
        sysresccd/boot/amd_ucode.img sysresccd/boot/x86_64/sysresccd.img] archisobasedir=sysresccd \
        iomem=relaxed";
    assert_eq!(lines(&files), [expected]);
    assert_eq!(
        extra(&recognised(&files).entries[0]),
        ["checksum=y"],
        "its menu for the network asks for it"
    );
    let mut files = files.to_vec();
    files.remove(3);
    assert_eq!(lines(&files), [expected]);
    assert!(extra(&recognised(&files).entries[0]).is_empty());
}

#[test]
fn a_menu_for_the_network_is_completed_by_that_for_disks() {
    let mut files = TWO_KERNELS.to_vec();
    files.push((
        "syslinux/archiso_pxe-linux.cfg",
        "LABEL arch_http\nLINUX ::/arch/boot/x86_64/vmlinuz-linux\n\
         INITRD ::/arch/boot/x86_64/initramfs-linux.img\n\
         APPEND archisobasedir=arch archiso_http_srv=http://${pxeserver}/ cow_spacesize=1G\n",
    ));
    let [first, second] = two_kernels();
    assert_eq!(lines(&files), [first.replace("10G", "1G"), second]);
}

#[test]
fn what_its_maker_chose_for_disks_does_not_bind_the_network() {
    let mut files = modern();
    files[3] = (
        "boot/syslinux/archiso_sys-linux.cfg",
        "LABEL arch\nLINUX /arch/boot/x86_64/vmlinuz-linux\nINITRD /arch/boot/x86_64/initramfs-linux.img\n\
         APPEND archisobasedir=arch archisosearchuuid=x copytoram=n cow_label=STICK cow_spacesize=10G \
         img_dev=/dev/sda root=live:CDLABEL=X findiso=/a.iso iso-scan/filename=/a.iso\n",
    );
    let entry = recognised(&files).entries.remove(0);
    assert!(
        line(&entry).ends_with("] archisobasedir=arch cow_spacesize=10G"),
        "{}",
        line(&entry)
    );
    assert_eq!(entry.check(Transport::Http, ""), Ok(()));
    assert_eq!(
        entry.check(Transport::Http, "copytoram=n"),
        Err(Refusal::CopyToRamOff)
    );
    let note = entry.notes[0].to_string();
    assert!(
        note.contains("its own menu (boot/syslinux/archiso_sys-linux.cfg)"),
        "{note}"
    );
    let refusal = Refusal::CopyToRamOff.to_string();
    assert!(refusal.contains("--append"), "{refusal}");
    assert!(recognised(&modern()).entries[0].notes.is_empty());
}

#[test]
fn what_no_package_brings_is_no_way_to_boot() {
    let with = |list: &'static str| {
        let mut files = modern();
        files.push(("arch/pkglist.x86_64.txt", list));
        recognised(&files)
    };
    let found = with("linux 6.12-1\nmkinitcpio-nfs-utils 0.3-8\n");
    let entry = &found.entries[0];
    assert_eq!(entry.check(Transport::Http, ""), Ok(()));
    assert_eq!(entry.check(Transport::Nfs, ""), Ok(()));
    let refusal = entry.check(Transport::Nbd, "").unwrap_err().to_string();
    assert!(
        refusal.contains("the package nbd is not in arch/pkglist.x86_64.txt"),
        "{refusal}"
    );
    assert_eq!(found.warnings, [refusal]);
    let image = crate::testing::image("disc", &[]);
    let asked = crate::plan::Transports {
        all: Some(Transport::Nbd),
        of: Vec::new(),
    };
    assert_eq!(asked.of(&image, entry), None, "for those that can");
    let named = crate::plan::Transports {
        all: None,
        of: vec![("disc".into(), Some(Transport::Nbd))],
    };
    assert_eq!(named.of(&image, entry), Some(Transport::Nbd));
    let found = with("linux 6.12-1\nnbd 3.26-1\n");
    assert_eq!((found.entries.len(), found.unreachable.len()), (0, 1));
    assert_eq!(
        found.warnings,
        [
            "disc is not offered: its initramfs cannot use the network: the package \
          mkinitcpio-nfs-utils is not in arch/pkglist.x86_64.txt"
        ]
    );
    let found = with("linux 6.12-1\nnbd 3.26-1\nmkinitcpio-nfs-utils 0.3-8\n");
    assert!(found.warnings.is_empty() && found.entries[0].lacks.is_empty());
}

#[test]
fn hooks_that_always_disconnect_nbd_get_a_copy() {
    let mut files = modern();
    files.push((
        "arch/pkglist.x86_64.txt",
        "core/linux-4.4.5-1\ncore/mkinitcpio-nfs-utils-0.3-4\nextra/nbd-3.13-1\n",
    ));
    files.push(("arch/x86_64/airootfs.md5", "sum"));
    let tree = tree(&files);
    let found = |label| {
        detect(medium(&tree, "disc", label))
            .unwrap()
            .entries
            .remove(0)
    };
    let line = |entry: &Entry, append| {
        entry.command_line(Transport::Nbd, source("disc"), Dialect::Shown, append)
    };
    let (old, new) = (found("ARCH_201604"), found("ARCH_201702"));
    assert!(
        line(&old, "").contains(" copytoram=y ip=<client>:"),
        "{}",
        line(&old, "")
    );
    assert!(!old.streams(Transport::Nbd, ""));
    assert_eq!(
        old.check(Transport::Nbd, "copytoram=n"),
        Err(Refusal::NbdDisconnects)
    );
    assert_eq!(old.check(Transport::Nfs, "copytoram=n"), Ok(()));
    for append in ["", "copytoram", "copytoram=auto", "copytoram=n copytoram=y"] {
        assert_eq!(old.check(Transport::Nbd, append), Ok(()), "{append}");
    }
    assert!(
        line(&new, "").contains(" copytoram=n ip=dhcp "),
        "{}",
        line(&new, "")
    );
    assert_eq!(new.check(Transport::Nbd, "copytoram=n"), Ok(()));
}

/// Returns what a boot fetches, `?` behind what this server's arguments do not make it fetch.
fn fetched(entry: &Entry, transport: Transport, append: &str) -> Vec<String> {
    let fetches = entry.fetches(transport, append).into_iter();
    let mark = |fetch: crate::images::Fetch| {
        let crate::images::Fetched::File(path) = fetch.file else {
            panic!("{fetch:?}")
        };
        match fetch.required {
            true => path,
            false => path + "?",
        }
    };
    fetches.map(mark).collect()
}

#[test]
fn a_boot_fetches_the_root_then_checksum_and_signatures_that_are_there_and_asked_for() {
    let mut files = modern();
    files.push(("arch/x86_64/airootfs.sha512", "sum"));
    files.push(("arch/x86_64/airootfs.sfs.cms.sig", "signature"));
    let found = recognised(&files);
    let entry = &found.entries[0];
    let (root, sum) = ("arch/x86_64/airootfs.sfs", "arch/x86_64/airootfs.sha512");
    let (sum_unasked, signature) = (format!("{sum}?"), format!("{root}.cms.sig"));
    let of = |append| fetched(entry, Transport::Http, append);
    assert_eq!(of(""), [root, &sum_unasked, &signature]);
    assert_eq!(of("checksum=y"), [root, sum, &signature]);
    assert_eq!(of("checksum"), [root, sum, &signature]);
    assert_eq!(of("checksums=y checksum=y checksum=n"), of(""));
    let unsigned = of("cms_verify=n");
    assert_eq!(unsigned, [root, &sum_unasked, &format!("{signature}?")]);
    for mounted in [Transport::Nfs, Transport::Nbd] {
        assert!(entry.fetches(mounted, "checksum=y").is_empty());
    }
}

#[test]
fn a_boot_of_2013_fetches_aitab_first_and_every_layer() {
    let found = recognised(&[
        ("arch/aitab", "root-image / x86_64 xz ext4 50%"),
        ("arch/any/usr-share.fs.sfs", "layer"),
        ("arch/boot/x86_64/archiso.img", "i"),
        ("arch/boot/x86_64/vmlinuz", "k"),
        ("arch/checksum.x86_64.md5", "sums"),
        ("arch/x86_64/lib-modules.fs.sfs", "layer"),
        ("arch/x86_64/root-image.fs.sfs", "root"),
    ]);
    assert_eq!(
        fetched(&found.entries[0], Transport::Http, "checksum=y"),
        [
            "arch/aitab",
            "arch/x86_64/root-image.fs.sfs",
            "arch/x86_64/lib-modules.fs.sfs",
            "arch/any/usr-share.fs.sfs",
            "arch/checksum.x86_64.md5",
        ]
    );
}
