//! Debian's installation CDs and DVDs (netinst, DVD-1, Kali's and others' installers). Recognised by
//! `.disk/info` beside `dists` and `pool`, and a menu that starts a kernel in `install` or `install.*`.
//!
//! Their initramfs looks for the CD among disks (`cdrom-detect`), and has neither network nor the kernel
//! module `loop`, which is in a package of the medium. So it gets the image, that package, and a script
//! that runs before the installer's menu: it unpacks the package with the installer's own `udpkg` and
//! mounts the image at `/cdrom`. `cdrom-detect` takes what is mounted there as the CD, and leaves out
//! what it does after a search: to ask for `apt-cdrom-setup`, which the script therefore does.
//!
//! Read in the initramfs of Debian 12 (rootskel: `debian-installer-startup`; `udpkg`, `anna-install`), and
//! for `cdrom-detect` in a description of its `postinst` on the netinst CD of Debian 13.3; the package
//! itself could not be had.

use std::sync::Arc;

use crate::boot_config::{MenuEntry, file_names};
use crate::images::cpu::Firmware;
use crate::images::detection::Detection;
use crate::images::entry_kind::MenuLoader;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::in_memory::InMemory;
use crate::images::medium::{Medium, Whole};
use crate::images::overlay::{NoOverlay, Overlay, OverlayBody, OverlayFile};
use crate::images::own_menu::{Choice, Common};
use crate::images::test_boot::TestBoot;
use crate::vfs::{Path, Tree};

/// Debian's installation CDs.
pub(super) static FAMILY: Family = Family {
    name: "debian-installer (CD)",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: BOOTS,
};

/// Boots of a CD whose initramfs was made for them, up to the first question.
const BOOTS: &[TestBoot] = &[
    TestBoot::new("installer-cd", MADE, Firmware::Bios64, MenuLoader::Ipxe),
    TestBoot::new(
        "installer-cd-uefi",
        MADE,
        Firmware::X64Uefi,
        MenuLoader::Ipxe,
    ),
];
const MADE: &str = "Debian 12 with a made initramfs";

/// File with the medium's name.
const INFO: &str = ".disk/info";
/// The folders of the sources that kernels are built from.
const KERNEL_SOURCES: &str = "pool/main/l";
/// Beginning of the name of the package with the kernel module `loop`.
const LOOP_PACKAGE: &str = "loop-modules-";
/// Most such packages: one for each kernel on the medium.
const MAX_LOOP_PACKAGES: usize = 8;
/// Most folders of sources that are looked at.
const MAX_SOURCES: usize = 4096;

/// The script that mounts the image; its number puts it behind the first of the installer's own.
const SCRIPT: (&str, &str) = (
    "lib/debian-installer-startup.d/S02lanboot",
    "#!/bin/sh\n\
     # Made by lanboot: the CD is a file in this initramfs.\n\
     for package in /lanboot/*.udeb; do udpkg --unpack \"$package\"; done\n\
     depmod -a\n\
     modprobe loop\n\
     modprobe isofs\n\
     mkdir -p /cdrom\n\
     mount -t iso9660 -o loop,ro,exec /lanboot/medium.iso /cdrom && anna-install apt-cdrom-setup\n",
);

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 7] = [
    "auto",
    "priority",
    "rescue/enable",
    "theme",
    "speakup.synth",
    "desktop",
    "preseed/file",
];

/// Recognises an installation CD.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    tree.file(INFO)?;
    (tree.is_directory("dists") && tree.is_directory("pool")).then_some(())?;
    let config = medium.menus();
    let choice = Choice {
        is_usable: &|entry: &MenuEntry| {
            let folder = entry.kernel.split('/').next().unwrap_or_default();
            let is_installer = folder == "install" || folder.starts_with("install.");
            // The folder `xen` has a kernel for a virtual machine of Xen's.
            is_installer && !entry.kernel.contains("/xen/") && !entry.initrds.is_empty()
        },
        mode: &|_| "",
        variants: &VARIANTS,
    };
    let pairs = choice.pairs(tree, config);
    let common = Common {
        medium,
        root: None,
        source: Arc::new(InMemory {
            overlay: overlay(medium),
            // There is no drive to open at the end.
            words: vec!["cdrom-detect/eject=false".into()],
        }),
        decided_here: &["cdrom-detect/eject"],
        notes: Vec::new(),
    };
    (!pairs.is_empty()).then(|| Detection {
        family: Some("debian-installer (CD)"),
        evidence: vec![Evidence::Mark],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// Makes the overlay: the image, the packages with `loop`, and the script.
fn overlay(medium: Medium<'_>) -> Result<Overlay, NoOverlay> {
    let bytes = match medium.whole {
        Whole::Disc(bytes) => bytes,
        Whole::Drive => return Err(NoOverlay::Drive),
        Whole::Files => return Err(NoOverlay::Files),
    };
    let packages = loop_packages(medium.tree);
    if packages.is_empty() {
        return Err(NoOverlay::NoFile(format!("{LOOP_PACKAGE}*.udeb")));
    }
    let file = |path: String, body| OverlayFile {
        path,
        is_executable: false,
        body,
    };
    let packages = packages.into_iter().enumerate().map(|(at, path)| {
        let name = format!("lanboot/loop-{at}.udeb");
        file(name, OverlayBody::File(path))
    });
    let (path, text) = SCRIPT;
    let script = OverlayFile {
        path: path.into(),
        is_executable: true,
        body: OverlayBody::Text(text.into()),
    };
    let image = file("lanboot/medium.iso".into(), OverlayBody::WholeImage);
    Overlay::new(
        packages.chain([script, image]).collect(),
        medium.tree,
        bytes,
    )
}

/// Lists the packages with the kernel module `loop`, by their paths.
fn loop_packages(tree: &Tree) -> Vec<String> {
    let pool = Path::parse(KERNEL_SOURCES.as_bytes()).ok();
    let pool = pool.and_then(|path| tree.resolve(&path));
    let sources = pool.map_or(&[][..], |found| tree.entries(found.id));
    let sources = sources.iter().take(MAX_SOURCES);
    let names = sources.filter_map(|(name, _)| std::str::from_utf8(name).ok());
    let kernels = names.filter(|name| name.starts_with("linux"));
    let packages = kernels.flat_map(|source| {
        let folder = format!("{KERNEL_SOURCES}/{source}");
        let names: Vec<String> = file_names(tree, &folder)
            .filter(|name| name.starts_with(LOOP_PACKAGE) && name.ends_with(".udeb"))
            .map(|name| format!("{folder}/{name}"))
            .collect();
        names
    });
    packages.take(MAX_LOOP_PACKAGES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Transport;
    use crate::images::golden::{detected, line};
    use crate::images::medium::Medium;
    use crate::testing::{linux, medium, tree};

    /// `boot/grub/grub.cfg` of debian-12.11.0-amd64-netinst, without its colours and sounds.
    const GRUB: &str = "set theme=/boot/grub/theme/1\n\
        menuentry --hotkey=g 'Graphical install' {\n    set background_color=black\n\
        \x20   linux    /install.amd/vmlinuz vga=788 --- quiet \n\
        \x20   initrd   /install.amd/gtk/initrd.gz\n}\n\
        menuentry --hotkey=i 'Install' {\n    set background_color=black\n\
        \x20   linux    /install.amd/vmlinuz vga=788 --- quiet \n\
        \x20   initrd   /install.amd/initrd.gz\n}\n\
        submenu --hotkey=a 'Advanced options ...' {\n\
        menuentry '... Expert install' {\n\
        \x20   linux    /install.amd/vmlinuz priority=low vga=788 --- \n\
        \x20   initrd   /install.amd/initrd.gz\n}\n\
        menuentry '... Rescue mode' {\n\
        \x20   linux    /install.amd/vmlinuz vga=788 rescue/enable=true --- quiet \n\
        \x20   initrd   /install.amd/initrd.gz\n}\n}\n";
    const LOOP: &str =
        "pool/main/l/linux-signed-amd64/loop-modules-6.1.0-37-amd64-di_6.1.140-1_amd64.udeb";
    const NETINST: [(&str, &str); 7] = [
        (
            ".disk/info",
            "Debian GNU/Linux 12.11.0 \"Bookworm\" - Official amd64 NETINST",
        ),
        ("boot/grub/grub.cfg", GRUB),
        ("dists/bookworm/Release", "r"),
        ("install.amd/gtk/initrd.gz", "gg"),
        ("install.amd/initrd.gz", "i"),
        ("install.amd/vmlinuz", "k"),
        (LOOP, "u"),
    ];

    #[test]
    fn the_cd_is_mounted_before_its_installer_looks_for_it() {
        let found = detected(&NETINST);
        assert_eq!(found.family_name(), "debian-installer (CD)");
        let [graphical, text] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!(linux(graphical).initrd, ["install.amd/gtk/initrd.gz"]);
        assert_eq!(linux(text).initrd, ["install.amd/initrd.gz"]);
        assert_ne!(graphical.id, text.id);
        for entry in [graphical, text] {
            assert_eq!(
                line(entry, Transport::Http, "console=ttyS0"),
                "vga=788 cdrom-detect/eject=false console=ttyS0 --- quiet"
            );
            assert!(entry.loader_words_go_first());
            let overlay = entry.overlay().unwrap();
            assert_eq!(overlay.medium_files().collect::<Vec<_>>(), [LOOP]);
            let files = overlay.files().iter();
            let files: Vec<(&str, bool)> = files
                .map(|file| (&*file.path, file.is_executable))
                .collect();
            let script = "lib/debian-installer-startup.d/S02lanboot";
            let expected = [
                ("lanboot/loop-0.udeb", false),
                (script, true),
                ("lanboot/medium.iso", false),
            ];
            assert_eq!(files, expected);
            assert!(overlay.has_whole_image());
        }
    }

    #[test]
    fn without_what_mounts_the_image_it_is_not_offered() {
        let mut files = NETINST;
        files[6].0 = "pool/main/b/base-files/base-files_12.4_amd64.deb";
        let found = detected(&files);
        assert!(found.entries.is_empty() && found.unreachable.len() == 2);
        let said = "its initramfs needs files that cannot be added to it: loop-modules-*.udeb is not on \
            the medium";
        assert!(
            found.warnings.iter().all(|text| text.ends_with(said)),
            "{:?}",
            found.warnings
        );
        let files = tree(&NETINST);
        let unpacked = Medium {
            whole: Whole::Files,
            ..medium(&files, "disc", "Debian")
        };
        assert_eq!(overlay(unpacked), Err(NoOverlay::Files));
    }

    #[test]
    fn media_without_packages_are_not_claimed() {
        for left_out in [
            ".disk/info",
            "dists/bookworm/Release",
            LOOP,
            "boot/grub/grub.cfg",
        ] {
            let files: Vec<(&str, &str)> = NETINST
                .into_iter()
                .filter(|(path, _)| *path != left_out)
                .collect();
            let tree = tree(&files);
            assert!(detect(medium(&tree, "disc", "X")).is_none(), "{left_out}");
        }
    }
}
