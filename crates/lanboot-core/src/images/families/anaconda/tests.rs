use super::*;
use crate::images::golden::{detected, line};
use crate::initramfs::list;
use crate::initramfs::testing::cpio;
use crate::testing::{linux, medium, tree};

/// `.treeinfo` of AlmaLinux 9.1's DVD, as productmd writes it.
const TREEINFO: &str = "[checksums]\nimages/efiboot.img = sha256:adff\n\
    images/install.img = sha256:af4b\n\n[general]\n\
    ; WARNING.0 = This section provides compatibility with pre-productmd treeinfos.\narch = x86_64\n\
    family = AlmaLinux\nname = AlmaLinux 9\npackagedir = AppStream/Packages\n\
    platforms = x86_64,xen\nrepository = AppStream\nvariants = AppStream,BaseOS\nversion = 9\n\n\
    [images-x86_64]\ninitrd = images/pxeboot/initrd.img\nkernel = images/pxeboot/vmlinuz\n\n\
    [stage2]\nmainimage = images/install.img\n\n[variant-BaseOS]\npackages = BaseOS/Packages\n\
    repository = BaseOS\n";
const LABEL: &str = "inst.stage2=hd:LABEL=AlmaLinux-9-1-x86_64-dvd";

/// lorax' menus (`config_files/x86`).
fn isolinux() -> String {
    format!(
        "default vesamenu.c32\ntimeout 600\nlabel linux\n  menu label ^Install AlmaLinux 9.1\n  \
         kernel vmlinuz\n  append initrd=initrd.img {LABEL} quiet\nlabel check\n  menu label Test this \
         ^media & install AlmaLinux 9.1\n  menu default\n  kernel vmlinuz\n  append \
         initrd=initrd.img {LABEL} rd.live.check quiet\nmenu begin ^Troubleshooting\nlabel text\n  \
         kernel vmlinuz\n  append initrd=initrd.img {LABEL} inst.text quiet\nlabel rescue\n  kernel \
         vmlinuz\n  append initrd=initrd.img {LABEL} inst.rescue quiet\nlabel local\n  localboot \
         0xffff\nmenu end\n"
    )
}

fn grub() -> String {
    format!(
        "set default=\"1\"\nsearch --no-floppy --set=root -l 'AlmaLinux-9-1-x86_64-dvd'\n\
         menuentry 'Install AlmaLinux 9.1' --class red {{\n\tlinuxefi /images/pxeboot/vmlinuz {LABEL} \
         quiet\n\tinitrdefi /images/pxeboot/initrd.img\n}}\n\
         menuentry 'Test this media & install AlmaLinux 9.1' {{\n\tlinuxefi /images/pxeboot/vmlinuz \
         {LABEL} rd.live.check quiet\n\tinitrdefi /images/pxeboot/initrd.img\n}}\n\
         submenu 'Troubleshooting -->' {{\n\tmenuentry 'Rescue a AlmaLinux system' {{\n\t\tlinuxefi \
         /images/pxeboot/vmlinuz {LABEL} inst.rescue quiet\n\t\tinitrdefi \
         /images/pxeboot/initrd.img\n\t}}\n}}\n"
    )
}

fn dvd<'a>(isolinux: &'a str, grub: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (".treeinfo", TREEINFO),
        ("AppStream/repodata/repomd.xml", "x"),
        ("BaseOS/repodata/repomd.xml", "x"),
        ("EFI/BOOT/grub.cfg", grub),
        ("images/install.img", "stage2"),
        ("images/pxeboot/initrd.img", "ii"),
        ("images/pxeboot/vmlinuz", "k"),
        ("isolinux/initrd.img", "ii"),
        ("isolinux/isolinux.cfg", isolinux),
        ("isolinux/vmlinuz", "k"),
    ]
}

#[test]
fn the_installer_of_a_dvd_takes_its_packages_from_it() {
    let (isolinux, grub) = (isolinux(), grub());
    let found = detected(&dvd(&isolinux, &grub));
    assert_eq!(found.family_name(), "anaconda");
    let ids: Vec<&str> = found.entries.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["disc", "disc-rescue"]);
    let [install, rescue] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!(
        line(install, Transport::Http, ""),
        "quiet inst.repo=http://192.168.0.1/iso/disc ip=dhcp BOOTIF=01-${netX/mac:hexhyp}"
    );
    assert_eq!(
        line(
            install,
            Transport::Nfs,
            "inst.ks=http://192.168.0.1/a.ks inst.text"
        ),
        "quiet inst.repo=nfs:192.168.0.1:/iso/disc ip=dhcp BOOTIF=01-${netX/mac:hexhyp} \
         inst.ks=http://192.168.0.1/a.ks inst.text"
    );
    assert!(line(rescue, Transport::Http, "").starts_with("inst.rescue quiet inst.repo="));
    assert_eq!(linux(install).kernel, "isolinux/vmlinuz");
    assert_eq!(
        (install.root.as_deref(), install.root_bytes),
        (Some("images/install.img"), 6)
    );
    assert!(install.streams(Transport::Nfs, "") && !install.streams(Transport::Http, ""));
    assert_eq!(
        install.check(Transport::Nbd, ""),
        Err(Refusal::NbdUnsupported("anaconda"))
    );
    let fetched: Vec<Fetched> = install
        .fetches(Transport::Http, "")
        .into_iter()
        .map(|fetch| fetch.file)
        .collect();
    let file = |path: &str| Fetched::File(path.to_owned());
    assert_eq!(fetched, [file(".treeinfo"), file("images/install.img")]);
}

/// Fedora's and RHEL's `boot.iso`: the packages are on a mirror.
#[test]
fn a_medium_without_packages_brings_the_installer_only() {
    let (isolinux, grub) = (isolinux(), grub());
    let mut files = dvd(&isolinux, &grub);
    files.retain(|(path, _)| !path.contains("repodata") && !path.starts_with("isolinux/"));
    let found = detected(&files);
    assert_eq!(
        line(
            &found.entries[0],
            Transport::Http,
            "ip=192.168.0.9::::::none"
        ),
        "quiet inst.stage2=http://192.168.0.1/iso/disc BOOTIF=01-${netX/mac:hexhyp} \
         ip=192.168.0.9::::::none"
    );
    assert_eq!(
        line(&found.entries[0], Transport::Nfs, ""),
        "quiet inst.stage2=nfs:192.168.0.1:/iso/disc ip=dhcp BOOTIF=01-${netX/mac:hexhyp}"
    );
}

/// CentOS 7: the installer is in `LiveOS`, the packages are at the top.
#[test]
fn the_image_of_before_2018_is_in_another_folder() {
    let menu = "label linux\n  menu label ^Install CentOS 7\n  kernel vmlinuz\n  append \
        initrd=initrd.img inst.stage2=hd:LABEL=CentOS\\x207\\x20x86_64 quiet\n";
    let found = detected(&[
        (".treeinfo", "[general]\nname = CentOS-7\nfamily = CentOS\n"),
        ("LiveOS/squashfs.img", "hsqs"),
        ("isolinux/initrd.img", "i"),
        ("isolinux/isolinux.cfg", menu),
        ("isolinux/vmlinuz", "k"),
        ("repodata/repomd.xml", "x"),
    ]);
    assert_eq!(found.family_name(), "anaconda");
    let entry = &found.entries[0];
    assert_eq!(entry.root.as_deref(), Some("LiveOS/squashfs.img"));
    assert!(line(entry, Transport::Http, "").contains(" inst.repo=http://"));
}

#[test]
fn a_kickstart_file_of_the_medium_is_fetched_from_here() {
    let menu = format!(
        "label linux\n  kernel vmlinuz\n  append initrd=initrd.img {LABEL} \
         inst.ks=hd:LABEL=AlmaLinux-9-1-x86_64-dvd:/ks/a.cfg\nlabel other\n  kernel vmlinuz\n  append \
         initrd=initrd.img {LABEL} inst.ks=cdrom:/missing.cfg inst.rescue\n"
    );
    let mut files = dvd(&menu, "");
    files.push(("ks/a.cfg", "text\n"));
    let found = detected(&files);
    let of = |id: &str| found.entries.iter().find(|e| e.id == id).unwrap();
    let kickstart = of("disc-kickstart");
    assert_eq!(
        line(kickstart, Transport::Http, ""),
        "inst.ks=http://192.168.0.1/iso/disc/ks/a.cfg inst.repo=http://192.168.0.1/iso/disc ip=dhcp \
         BOOTIF=01-${netX/mac:hexhyp}"
    );
    assert!(
        line(kickstart, Transport::Nfs, "")
            .starts_with("inst.ks=nfs:192.168.0.1:/iso/disc/ks/a.cfg inst.repo=nfs:")
    );
    assert!(!line(of("disc-rescue"), Transport::Http, "").contains("inst.ks"));
}

#[test]
fn a_treeinfo_that_is_none_costs_nothing() {
    let (isolinux, grub) = (isolinux(), grub());
    let huge = "mainimage = images/other.img\n".repeat(20_000);
    for text in [
        huge.as_str(),
        "\0\0[[[=",
        "[stage2]\nmainimage = ../../etc/passwd\n",
    ] {
        let mut files = dvd(&isolinux, &grub);
        files[0] = (".treeinfo", text);
        let found = detected(&files);
        assert_eq!(
            found.entries[0].root.as_deref(),
            Some("images/install.img"),
            "{}",
            text.len()
        );
    }
}

#[test]
fn what_its_initramfs_lacks_is_said() {
    let (isolinux, grub) = (isolinux(), grub());
    let mut found = detected(&dvd(&isolinux, &grub));
    let programs = [
        "usr/bin/curl",
        "usr/sbin/dmsquash-live-root",
        "usr/sbin/livenetroot",
        "usr/sbin/netroot",
    ];
    let archive = cpio(&programs.map(|name| (name, &b""[..])));
    found.examine(|_| list(&archive[..]).ok());
    let entry = &found.entries[0];
    assert_eq!(entry.check(Transport::Http, ""), Ok(()));
    assert!(matches!(
        entry.check(Transport::Nfs, ""),
        Err(Refusal::Lacks(_))
    ));
    assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
}

#[test]
fn other_media_are_not_claimed() {
    let live = "label linux\n  kernel vmlinuz\n  append initrd=initrd.img root=live:CDLABEL=X \
        rd.live.image\n";
    for files in [
        &[
            ("LiveOS/squashfs.img", "hsqs"),
            ("isolinux/initrd.img", "i"),
            ("isolinux/isolinux.cfg", live),
            ("isolinux/vmlinuz", "k"),
        ][..],
        &[(".treeinfo", TREEINFO), ("images/install.img", "i")],
    ] {
        assert!(detect(medium(&tree(files), "disc", "L")).is_none());
    }
}
