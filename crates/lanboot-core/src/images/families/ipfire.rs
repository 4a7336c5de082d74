//! IPFire's installer. Recognised by its initramfs, `instroot`, beside the kernel its menu starts.
//! The installer is in there; the system it installs is in the image, which it downloads by an
//! argument.
//!
//! Read in ipfire-2.x (`src/installer/main.c`: `installer.download-url`, `config/syslinux`: the
//! menu).

use std::sync::Arc;

use crate::boot_config::MenuEntry;
use crate::images::detection::Detection;
use crate::images::downloaded::Downloaded;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::{Medium, file_bytes};
use crate::images::own_menu::{Choice, Common};

/// IPFire.
pub(super) static FAMILY: Family = Family {
    name: "IPFire",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// Name of the initramfs with the installer.
const INSTALLER: &str = "instroot";

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 2] = ["novga", "console"];

/// Recognises an image of IPFire's.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let config = medium.menus();
    let is_installer = |path: &String| path.rsplit('/').next() == Some(INSTALLER);
    let choice = Choice {
        is_usable: &|entry: &MenuEntry| entry.initrds.iter().any(is_installer),
        mode: &|entry| match entry.argument("installer.unattended") {
            Some(_) => "unattended",
            None => "",
        },
        variants: &VARIANTS,
    };
    let pairs = choice.pairs(medium.tree, config);
    let first = pairs.first()?;
    let common = Common {
        medium,
        // Shown where the root is named; what is downloaded is the image.
        root: Some((first.initrd.last()?.clone(), file_bytes(medium.tree))),
        source: Arc::new(Downloaded {
            argument: "installer.download-url=",
            network: None,
            name: "IPFire's installer",
        }),
        decided_here: &["installer.download-url"],
        notes: Vec::new(),
    };
    Some(Detection {
        family: Some("IPFire"),
        evidence: vec![Evidence::Names],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::golden::{detected, line};
    use crate::images::{Fetched, Transport};
    use crate::testing::{medium, tree};

    /// `config/syslinux/syslinux.cfg` of ipfire-2.x, which is `boot/isolinux/isolinux.cfg` there.
    const MENU: &str = "SERIAL 0 115200\n\nUI vesamenu.c32\nPROMPT 0\nDEFAULT installer\n\
        TIMEOUT 600\n\nMENU TITLE Welcome!\n\nLABEL installer\n\
        \tMENU LABEL Install IPFire VERSION\n\tTEXT HELP\n\
        Install the version of IPFire that is on this disk.\n\tENDTEXT\n\tKERNEL vmlinuz\n\
        \tINITRD instroot\n\tAPPEND vga=791\n\nMENU SEPARATOR\n\nMENU BEGIN other\n\
        \tMENU TITLE Other installation options\n\n\tLABEL novga\n\
        \t\tMENU LABEL Install IPFire (text mode)\n\t\tKERNEL vmlinuz\n\t\tINITRD instroot\n\
        \t\tAPPEND novga\n\n\tLABEL unattended\n\t\tMENU LABEL Unattended installation\n\
        \t\tKERNEL vmlinuz\n\t\tINITRD instroot\n\t\tAPPEND installer.unattended\nMENU END\n\n\
        LABEL netboot\n\tMENU LABEL boot.ipfire.org\n\tKERNEL netboot\n";

    #[test]
    fn the_installer_downloads_the_image() {
        let found = detected(&[
            ("boot/isolinux/instroot", "i"),
            ("boot/isolinux/isolinux.cfg", MENU),
            ("boot/isolinux/vmlinuz", "k"),
        ]);
        assert_eq!(found.family_name(), "IPFire");
        let [plain, unattended] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!(
            (plain.id.as_str(), unattended.id.as_str()),
            ("disc", "disc-unattended")
        );
        assert_eq!(
            line(plain, Transport::Http, "novga"),
            "vga=791 installer.download-url=http://192.168.0.1/iso/disc.iso novga"
        );
        assert_eq!(
            plain.fetches(Transport::Http, "")[0].file,
            Fetched::WholeImage
        );
        assert_eq!(
            plain.check(Transport::Nbd, "").unwrap_err().to_string(),
            "its initramfs (IPFire's installer) fetches the root over HTTP only"
        );
        let other = MENU.replace("instroot", "initrd");
        let tree = tree(&[
            ("boot/isolinux/initrd", "i"),
            ("boot/isolinux/isolinux.cfg", &other),
            ("boot/isolinux/vmlinuz", "k"),
        ]);
        assert!(detect(medium(&tree, "disc", "X")).is_none());
    }
}
