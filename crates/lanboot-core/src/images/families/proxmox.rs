//! Proxmox's installers (Virtual Environment, Backup Server, Mail Gateway). Recognised by `.cd-info`
//! beside the kernel `boot/linux26`.
//!
//! The initramfs looks for a disk with the medium, unless it has `/proxmox.iso` itself: "useful for
//! PXE boot", says its `init` (initramfs of Proxmox VE 8 and 9), which mounts that file. So the image
//! is put there. Menus as in Proxmox VE 7 to 9; what they start besides the graphical installer is an
//! entry of its own. The recipe is that of pve-iso-2-pxe and of `proxmox-auto-install-assistant
//! prepare-iso --pxe`, which packs the initramfs anew for iPXE; here iPXE hands it on as it is.

use std::sync::Arc;

use crate::boot_config::MenuEntry;
use crate::images::detection::Detection;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::in_memory::InMemory;
use crate::images::medium::Medium;
use crate::images::overlay::Overlay;
use crate::images::own_menu::{Choice, Common};

/// Proxmox's installers.
pub(super) static FAMILY: Family = Family {
    name: "Proxmox",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// File with the product's name and version.
const INFO: &str = ".cd-info";
/// Path of the kernel.
const KERNEL: &str = "boot/linux26";
/// Path that the initramfs looks for.
const IN_INITRAMFS: &str = "proxmox.iso";

/// Recognises an installer of Proxmox's.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    tree.file(INFO).and_then(|_| tree.file(KERNEL))?;
    let config = medium.menus();
    let choice = Choice {
        is_usable: &|entry| entry.kernel == KERNEL,
        mode: &mode,
        variants: &["proxdebug", "nomodeset", "console", "splash"],
    };
    let pairs = choice.pairs(tree, config);
    let common = Common {
        medium,
        root: None,
        source: Arc::new(InMemory {
            overlay: Overlay::of_image(IN_INITRAMFS, medium),
            words: Vec::new(),
        }),
        decided_here: &[],
        notes: Vec::new(),
    };
    Some(Detection {
        family: Some("Proxmox"),
        evidence: vec![Evidence::Mark],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
    .filter(|found| !found.entries.is_empty())
}

/// Returns which installer an entry starts; empty for the graphical one.
fn mode(entry: &MenuEntry) -> &'static str {
    let has = |key| entry.argument(key).is_some();
    match () {
        () if has("proxmox-start-auto-installer") => "auto",
        () if has("proxtui") => "text",
        () => "",
    }
}

#[cfg(test)]
mod tests {
    use crate::images::Transport;
    use crate::images::golden::{detected, line};
    use crate::testing::linux;

    /// `boot/grub/grub.cfg` of Proxmox VE 9, without its themes.
    const MENU: &str = "set timeout=10\n\
        if [ -f auto-installer-mode.toml ]; then\n\
        menuentry 'Install Proxmox VE (Automated)' --class debian {\n\
        \tlinux /boot/linux26 ro ramdisk_size=16777216 rw quiet splash=silent proxmox-start-auto-installer\n\
        \tinitrd /boot/initrd.img\n}\nfi\n\
        menuentry 'Install Proxmox VE (Graphical)' --class debian {\n\
        \tlinux\t/boot/linux26 ro ramdisk_size=16777216 rw quiet splash=silent\n\
        \tinitrd\t/boot/initrd.img\n}\n\
        menuentry 'Install Proxmox VE (Terminal UI)' --class debian {\n\
        \tlinux\t/boot/linux26 ro ramdisk_size=16777216 rw quiet splash=silent proxtui\n\
        \tinitrd\t/boot/initrd.img\n}\n\
        submenu 'Advanced Options' {\n\
        menuentry 'Install Proxmox VE (Graphical, Debug Mode)' --class debian {\n\
        \tlinux\t/boot/linux26 ro ramdisk_size=16777216 rw quiet splash=verbose proxdebug\n\
        \tinitrd\t/boot/initrd.img\n}\n}\n";

    #[test]
    fn each_installer_is_an_entry_with_the_image_in_its_initramfs() {
        let found = detected(&[
            (".cd-info", "PRODUCTLONG='Proxmox VE'\nRELEASE='9.0'\n"),
            ("boot/grub/grub.cfg", MENU),
            ("boot/initrd.img", "i"),
            ("boot/linux26", "k"),
        ]);
        assert_eq!(found.family_name(), "Proxmox");
        let shown: Vec<String> = found
            .entries
            .iter()
            .filter(|entry| !entry.id.ends_with("-auto"))
            .map(|entry| format!("{}: {}", entry.id, line(entry, Transport::Http, "")))
            .collect();
        let plain = "ro ramdisk_size=16777216 rw quiet splash=silent";
        let text = format!("disc-text: {plain} proxtui");
        assert_eq!(shown, [format!("disc: {plain}"), text]);
        for entry in &found.entries {
            assert_eq!(linux(entry).initrd, ["boot/initrd.img"]);
            let overlay = entry.overlay().unwrap();
            let paths: Vec<&str> = overlay.files().iter().map(|file| &*file.path).collect();
            assert_eq!(paths, ["proxmox.iso"]);
            assert!(overlay.has_whole_image() && entry.root.is_none());
        }
    }
}
