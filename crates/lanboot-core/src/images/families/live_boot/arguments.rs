//! The kernel arguments of a medium that are inherited.

use crate::images::arguments::inherited;

/// Arguments that say where the root comes from or where changes are kept: decided here, never
/// inherited (`9990-cmdline-old`). `live-media-path` follows from the root's folder. With
/// `verify-checksums` the machine restarts after the check (`0030-verify-checksums`); `toram` makes a
/// second copy of what came over HTTP and copies the whole medium over NFS.
const DECIDED_HERE: [&str; 36] = [
    "fetch",
    "httpfs",
    "ftpfs",
    "netboot",
    "nfsroot",
    "nfsopts",
    "nfsoverlay",
    "iscsi",
    "findiso",
    "fromiso",
    "isofrom",
    "iso-scan/filename",
    "live-media",
    "bootfrom",
    "live-media-path",
    "live-media-offset",
    "live-media-timeout",
    "plainroot",
    "root",
    "ip",
    "BOOTIF",
    "ethdevice",
    "live-netdev",
    "toram",
    "todisk",
    "persistence",
    "persistent",
    "persistence-encryption",
    "persistence-label",
    "persistence-media",
    "persistence-path",
    "persistence-storage",
    "verify-checksums",
    "live-boot.verify-checksums",
    "initrd",
    "BOOT_IMAGE",
];

/// Returns the arguments of the medium's own menu that are inherited.
pub(super) fn inherited_from(menu: &[String]) -> Vec<String> {
    let words = menu.iter().filter(|word| {
        let key = word.split('=').next().unwrap_or(word);
        !DECIDED_HERE.contains(&key)
    });
    inherited(words.cloned())
}
