//! NixOS's installers. Recognised by `nix-store.squashfs` and a menu that starts a system of the store
//! (`init=/nix/store/…`).
//!
//! The menu says `root=LABEL=…`: stage 1 makes of that the link `/dev/root`, which it mounts as
//! `/iso`, and the store is a file there. Any path can be behind the link; `findiso=` makes it one of a
//! file, too. So the image is put into the initramfs, and `root=` names it. Read in nixpkgs
//! (`nixos/modules/installer/cd-dvd/iso-image.nix`, `nixos/modules/system/boot/stage-1-init.sh`).
//! Where systemd is stage 1 the menu names no root: the medium is mounted by its label, which a file has
//! not.

use std::sync::Arc;

use crate::images::detection::Detection;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::in_memory::InMemory;
use crate::images::medium::Medium;
use crate::images::overlay::{NoOverlay, Overlay};
use crate::images::own_menu::{Choice, Common};

/// NixOS's installers.
pub(super) static FAMILY: Family = Family {
    name: "NixOS",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// The file with the system.
const STORE: &str = "nix-store.squashfs";
/// Path of the image in the initramfs.
const IN_INITRAMFS: &str = "nixos.iso";

/// Recognises a medium of NixOS.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    tree.file(STORE)?;
    let config = medium.menus();
    let choice = Choice {
        is_usable: &|entry| {
            let init = entry.argument("init");
            init.is_some_and(|init| init.starts_with("/nix/store/"))
        },
        mode: &|_| "",
        variants: &[
            "nomodeset",
            "copytoram",
            "debug",
            "console",
            "video",
            "fbcon",
            "systemd.mask",
            "vt.default_red",
        ],
    };
    let pairs = choice.pairs(tree, config);
    let names_root = pairs.iter().flat_map(|pair| &pair.arguments);
    let names_root = names_root
        .clone()
        .any(|word| word.starts_with("root=LABEL="));
    let common = Common {
        medium,
        root: None,
        source: Arc::new(InMemory {
            overlay: match names_root {
                true => Overlay::of_image(IN_INITRAMFS, medium),
                false => Err(NoOverlay::ByLabel),
            },
            words: vec![format!("root=/{IN_INITRAMFS}")],
        }),
        decided_here: &["root", "findiso", "copytoram"],
        notes: Vec::new(),
    };
    Some(Detection {
        family: Some("NixOS"),
        evidence: vec![Evidence::Menu],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
    .filter(|found| !found.entries.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Transport;
    use crate::images::golden::{detected, line};

    const INIT: &str = "init=/nix/store/5a…-nixos-system-nixos-24.11/init";

    /// `isolinux/isolinux.cfg` as `iso-image.nix` writes it.
    fn menu(own: &str) -> String {
        let init = INIT.replace('…', "b");
        format!(
            "SERIAL 0 115200\nTIMEOUT 100\nUI vesamenu.c32\nDEFAULT boot\n\n\
             LABEL boot\nMENU LABEL NixOS 24.11 Installer\nLINUX /boot/bzImage\n\
             APPEND {init} {own} nohibernate loglevel=4\nINITRD /boot/initrd\n\n\
             LABEL boot-nomodeset\nMENU LABEL NixOS 24.11 Installer (nomodeset)\n\
             LINUX /boot/bzImage\nAPPEND {init} {own} nohibernate loglevel=4 nomodeset\n\
             INITRD /boot/initrd\n\n\
             LABEL boot-copytoram\nMENU LABEL NixOS 24.11 Installer (copytoram)\n\
             LINUX /boot/bzImage\nAPPEND {init} {own} nohibernate loglevel=4 copytoram\n\
             INITRD /boot/initrd\n"
        )
    }

    fn found(own: &str) -> Detection {
        detected(&[
            ("boot/bzImage", "k"),
            ("boot/initrd", "i"),
            ("isolinux/isolinux.cfg", &menu(own)),
            ("nix-store.squashfs", "s"),
        ])
    }

    #[test]
    fn the_image_is_the_root_that_stage_1_looks_for() {
        let found = found("root=LABEL=nixos-24.11-x86_64 boot.shell_on_fail");
        assert_eq!(found.family_name(), "NixOS");
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        let init = INIT.replace('…', "b");
        let expected = format!("{init} boot.shell_on_fail nohibernate loglevel=4 root=/nixos.iso");
        assert_eq!(line(entry, Transport::Http, ""), expected);
        assert_eq!(entry.overlay().unwrap().files()[0].path, "nixos.iso");
    }

    #[test]
    fn where_systemd_mounts_by_label_it_is_not_offered() {
        let found = found("");
        assert!(found.entries.is_empty() && found.unreachable.len() == 1);
        let said = "disc is not offered: its initramfs needs files that cannot be added to it: its \
            systemd mounts a disk by its label, and no file in the initramfs has one";
        assert_eq!(found.warnings, [said]);
    }
}
