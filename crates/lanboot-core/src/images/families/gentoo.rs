//! Gentoo's live media with an initramfs of genkernel. Recognised by `image.squashfs` and a menu that
//! names it (`loop=/image.squashfs`). Newer media have an initramfs of dracut, and are of its family.
//!
//! The initramfs looks for a disk with the medium, and takes the squashfs from its own root folder
//! where it is there (`linuxrc`). The recipe is netboot.xyz's. Read in catalyst
//! (`targets/support/iso-bootloader-setup.sh`, `bootloader-setup.sh`) and genkernel
//! (`defaults/linuxrc`).

use std::sync::Arc;

use crate::images::detection::Detection;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::in_memory::{InMemory, RAMFS};
use crate::images::medium::Medium;
use crate::images::overlay::{Overlay, OverlayBody, OverlayFile};
use crate::images::own_menu::{Choice, Common};

/// Gentoo's live media.
pub(super) static FAMILY: Family = Family {
    name: "Gentoo",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// The file with the system, on the medium and in the initramfs.
const IMAGE: &str = "image.squashfs";

/// Recognises a medium of Gentoo.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    tree.file(IMAGE)?;
    let config = medium.menus();
    let choice = Choice {
        is_usable: &|entry| {
            let names = |path: &str| path.trim_start_matches('/') == IMAGE;
            entry.argument("loop").is_some_and(names) && entry.argument("cdroot").is_some()
        },
        mode: &|_| "",
        variants: &["docache", "console", "vga", "nomodeset"],
    };
    let pairs = choice.pairs(tree, config);
    let file = OverlayFile {
        path: IMAGE.into(),
        is_executable: false,
        body: OverlayBody::File(IMAGE.into()),
    };
    let common = Common {
        medium,
        root: None,
        source: Arc::new(InMemory {
            overlay: Overlay::new(vec![file], tree, 0),
            words: ["ip=dhcp", RAMFS, "init=/linuxrc", "cdroot=1"]
                .map(str::to_owned)
                .to_vec(),
        }),
        decided_here: &["root", "init", "cdroot", "ip", "docache", "isoboot"],
        notes: Vec::new(),
    };
    Some(Detection {
        family: Some("Gentoo"),
        evidence: vec![Evidence::Menu],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
    .filter(|found| !found.entries.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::images::Transport;
    use crate::images::golden::{detected, line};

    /// `boot/grub/grub.cfg` as catalyst writes it, for a kernel that is not the distribution's.
    const MENU: &str = "set default=0\nset gfxpayload=keep\nset timeout=10\ninsmod all_video\n\n\
        menuentry 'Boot LiveCD (kernel: gentoo)' --class gnu-linux --class os {\n\
        \tlinux /boot/gentoo dokeymap looptype=squashfs loop=/image.squashfs cdroot\n\
        \tinitrd /boot/gentoo.igz\n}\n\n\
        menuentry 'Boot LiveCD (kernel: gentoo) (cached)' --class gnu-linux --class os {\n\
        \tlinux /boot/gentoo dokeymap looptype=squashfs loop=/image.squashfs cdroot docache\n\
        \tinitrd /boot/gentoo.igz\n}\n";

    #[test]
    fn the_squashfs_is_put_where_linuxrc_looks() {
        let found = detected(&[
            ("boot/gentoo", "k"),
            ("boot/gentoo.igz", "i"),
            ("boot/grub/grub.cfg", MENU),
            ("image.squashfs", "12345678"),
        ]);
        assert_eq!(found.family_name(), "Gentoo");
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!(
            line(entry, Transport::Http, "nodhcp"),
            "dokeymap looptype=squashfs loop=/image.squashfs ip=dhcp root=/dev/ram0 init=/linuxrc \
             cdroot=1 nodhcp"
        );
        let overlay = entry.overlay().unwrap();
        assert_eq!(
            overlay.medium_files().collect::<Vec<_>>(),
            ["image.squashfs"]
        );
        // Damage of that file is damage of the entry.
        assert!(entry.files().any(|path| path == "image.squashfs"));
    }
}
