//! SUSE's installer Agama: openSUSE Leap 16, SLES 16, and Agama's own images. Recognised by
//! `LiveOS/squashfs.img`, a kernel that the menus start from `boot/ARCH/loader`, and by what kiwi
//! calls the image. Its initramfs is dracut's with `dmsquash-live` and `livenet`: it downloads the
//! whole image by `root=live:`, so that the packages on an offline medium (`install`) are there.
//!
//! Read in Agama (`live/src/agama-installer.kiwi`: `dmsquash`, `fix_bootconfig.x86_64`: the menu)
//! and in dracut (`modules.d/*livenet`).

use std::sync::Arc;

use crate::boot_config::MenuEntry;
use crate::images::arguments::NetworkArgs;
use crate::images::detection::Detection;
use crate::images::downloaded::Downloaded;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::{Medium, file_bytes};
use crate::images::own_menu::{Choice, Common};

/// Agama.
pub(super) static FAMILY: Family = Family {
    name: "Agama",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// The live system.
const ROOT: &str = "LiveOS/squashfs.img";

/// Keys of arguments that are never inherited: where the live system is.
const DECIDED_HERE: [&str; 6] = [
    "root",
    "iso-scan/filename",
    "ip",
    "BOOTIF",
    "rd.live.dir",
    "rd.live.squashimg",
];

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 6] = ["nomodeset", "ide", "apm", "edd", "noresume", "3"];

/// Recognises an image of Agama's.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    tree.file(ROOT)?;
    let config = medium.menus();
    let is_labelled = is_of_agama(medium.label);
    let is_usable = |entry: &MenuEntry| {
        let is_loaders = entry.kernel.starts_with("boot/") && entry.kernel.contains("/loader/");
        is_loaders && entry.argument("mediacheck").is_none()
    };
    let is_named = |entry: &&MenuEntry| {
        let is_installer = entry.title.starts_with("Install ") || is_of_agama(&entry.title);
        is_usable(entry) && (is_labelled || is_installer)
    };
    config.entries.iter().find(is_named)?;
    let choice = Choice {
        is_usable: &is_usable,
        mode: &|entry| match entry.argument("rescue") {
            Some(_) => "rescue",
            None => "",
        },
        variants: &VARIANTS,
    };
    let pairs = choice.pairs(tree, config);
    let common = Common {
        medium,
        // The image is downloaded as it is.
        root: Some((ROOT.to_owned(), file_bytes(tree))),
        source: Arc::new(Downloaded {
            argument: "root=live:",
            network: Some(NetworkArgs::Dhcp),
            name: "Agama's",
        }),
        decided_here: &DECIDED_HERE,
        notes: Vec::new(),
    };
    (!pairs.is_empty()).then(|| Detection {
        family: Some("Agama"),
        evidence: vec![Evidence::Title],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

fn is_of_agama(name: &str) -> bool {
    name.to_ascii_lowercase().contains("agama")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Transport;
    use crate::images::golden::{detected, line};
    use crate::testing::{linux, medium, tree};

    /// `boot/grub2/grub.cfg`, as `fix_bootconfig.x86_64` writes it for an image with this name.
    fn menu(name: &str) -> String {
        format!(
            "# kiwi generated one time grub2 config file\nset btrfs_relative_path=\"y\"\n\
             search --file --set=root /boot/0xebe87947\nset default=0\n\
             if [ -n \"$extra_cmdline\" ]; then\n  submenu \"Bootable snapshot $snapshot_num\" {{\n\
             menuentry \"If OK, run snapper rollback and reboot.\" {{ true; }}\n  }}\nfi\n\
             if [ -n \"${{iso_path}}\" ]; then\n    isoboot=\"iso-scan/filename=${{iso_path}}\"\nfi\n\
             set timeout=10\nterminal_input console\nterminal_output gfxterm\n\
             menuentry \"{name}\" --class os --unrestricted {{\n    set gfxpayload=keep\n\
             echo Loading kernel...\n\
             linux ($root)/boot/x86_64/loader/linux ${{extra_cmdline}} ${{isoboot}}\n\
             echo Loading initrd...\n    initrd ($root)/boot/x86_64/loader/initrd\n}}\n\
             menuentry \"Failsafe -- {name}\" --class os --unrestricted {{\n\
             linux ($root)/boot/x86_64/loader/linux ${{extra_cmdline}} ${{isoboot}}   ide=nodma \
             apm=off noresume edd=off nomodeset 3\n    initrd ($root)/boot/x86_64/loader/initrd\n}}\n\
             menuentry \"Mediacheck\" --class os --unrestricted {{\n\
             linux ($root)/boot/x86_64/loader/linux mediacheck=1 plymouth.enable=0 ${{isoboot}}\n\
             initrd ($root)/boot/x86_64/loader/initrd\n}}\n"
        )
    }

    fn files(menu: &str) -> [(&str, &str); 5] {
        [
            ("LiveOS/squashfs.img", "rrrr"),
            ("boot/grub2/grub.cfg", menu),
            ("boot/x86_64/loader/initrd", "i"),
            ("boot/x86_64/loader/linux", "k"),
            ("install/repodata/repomd.xml", "pp"),
        ]
    }

    #[test]
    fn the_whole_image_is_downloaded_so_that_its_packages_are_there() {
        for name in ["Install Leap 16.0", "agama-installer"] {
            let menu = menu(name);
            let found = detected(&files(&menu));
            assert_eq!(found.family_name(), "Agama");
            let [entry] = &found.entries[..] else {
                panic!("{:?}", found.entries)
            };
            assert_eq!(
                line(
                    entry,
                    Transport::Http,
                    "inst.auto=http://192.168.0.1/p.json"
                ),
                "root=live:http://192.168.0.1/iso/disc.iso ip=dhcp BOOTIF=01-${netX/mac:hexhyp} \
                 inst.auto=http://192.168.0.1/p.json"
            );
            assert_eq!(linux(entry).kernel, "boot/x86_64/loader/linux");
            assert!(entry.needs_whole_image());
            assert_eq!(entry.root_bytes, (4 + menu.len() + 1 + 1 + 2) as u64);
            assert_eq!(
                entry.check(Transport::Nfs, "").unwrap_err().to_string(),
                "its initramfs (Agama's) fetches the root over HTTP only"
            );
        }
    }

    #[test]
    fn another_live_image_of_kiwis_is_not_claimed() {
        let menu = menu("openSUSE Tumbleweed KDE Live");
        let tree = tree(&files(&menu));
        assert!(detect(medium(&tree, "disc", "openSUSE_Live")).is_none());
        assert!(detect(medium(&tree, "disc", "agama")).is_some());
    }
}
