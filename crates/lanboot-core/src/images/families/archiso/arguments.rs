//! The kernel arguments of a medium: which are inherited, and which follow from its files.

use super::layout::{Layout, Root};
use crate::images::arguments::inherited;
use crate::vfs::Tree;

/// Arguments that say where the root comes from or that depend on the medium's files: decided
/// here, never inherited. `archisosearchuuid` over HTTP makes the hook look for a disk and give up, and
/// so does a `cow_label` or `cow_device` of the maker's own stick. Whether the root is copied is
/// decided for each machine.
const DECIDED_HERE: [&str; 30] = [
    "archisobasedir",
    "archiso_http_srv",
    "archiso_nfs_srv",
    "archiso_nfs_opt",
    "archiso_nbd_srv",
    "archiso_nbd_name",
    "archisosearchuuid",
    "archisosearchfilename",
    "archisolabel",
    "archisodevice",
    "ip",
    "BOOTIF",
    "cms_verify",
    "verify",
    "checksum",
    "copytoram",
    "toram",
    "cow_label",
    "cow_device",
    "img_dev",
    "img_label",
    "img_loop",
    "img_flags",
    "findiso",
    "fromiso",
    "iso-scan/filename",
    "root",
    "initrd",
    "BOOT_IMAGE",
    "net.ifnames",
];

/// Returns the arguments of the medium's own menu that are inherited.
pub(super) fn inherited_from(base: &str, menu: &[String]) -> Vec<String> {
    let words = menu.iter().filter(|word| {
        let key = word.split('=').next().unwrap_or(word);
        !DECIDED_HERE.contains(&key)
    });
    let base = format!("archisobasedir={base}");
    [base]
        .into_iter()
        .chain(inherited(words.cloned()))
        .collect()
}

/// Returns the extra arguments that depend on the medium's files; `menu` are those of its own menu.
pub(super) fn extra(layout: &Layout, tree: &Tree, root: &Root, menu: &[String]) -> Vec<String> {
    let has = |suffix: &str| tree.file(&format!("{}{suffix}", root.image)).is_some();
    let asked = |key: &str| {
        let mut words = menu.iter();
        words.any(|word| word == key || word.strip_prefix(key) == Some("=y"))
    };
    let mut extra = Vec::new();
    // A missing signature drops the boot to a shell, so the flag follows the file.
    if has(".cms.sig") {
        extra.push("cms_verify=y".to_owned());
    }
    if asked("verify") && has(".sig") {
        extra.push("verify=y".to_owned());
    }
    if asked("checksum") && layout.has_checksum(tree, root) {
        extra.push("checksum=y".to_owned());
    }
    extra
}
