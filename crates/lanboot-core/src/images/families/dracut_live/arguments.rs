//! The kernel arguments of a medium: which are inherited, and what they say of its root.

use crate::images::arguments::inherited;

/// Arguments that say where the root comes from, where changes are kept or how the network is
/// configured: decided here, never inherited. With `rd.live.check` the medium is read to its end
/// first; `rd.live.ram` makes a second copy of what came over HTTP; `proxy` and `live.updates` would
/// send machines to another server; kiwi writes the image onto the disk in `rd.kiwi.live.system`.
const DECIDED_HERE: [&str; 42] = [
    "root",
    "netroot",
    "nfsroot",
    "rd.live.check",
    "check",
    "rd.live.dir",
    "live_dir",
    "rd.live.squashimg",
    "rd.live.ram",
    "live_ram",
    "rd.writable.fsimg",
    "writable_fsimg",
    "rd.overlay",
    "rd.overlay.reset",
    "rd.live.overlay",
    "overlay",
    "rd.live.overlay.overlayfs",
    "rd.live.overlay.reset",
    "reset_overlay",
    "iso-scan/filename",
    "live.updates",
    "mediacheck",
    "ramdisk_size",
    "rd.kiwi.live.curl_options",
    "rd.kiwi.live.pxe",
    "rd.kiwi.live.reset",
    "rd.kiwi.live.system",
    "proxy",
    "ip",
    "BOOTIF",
    "bootdev",
    "ifname",
    "nameserver",
    "rd.peerdns",
    "rd.route",
    "vlan",
    "bond",
    "team",
    "bridge",
    "rd.neednet",
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

/// Requests of a menu's arguments besides what is inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Menu {
    /// True if changes are to be kept in an overlay file system.
    pub(super) overlay: bool,
    /// True if it starts a system built from a container image (cOS, and so Harvester, Elemental and
    /// Kairos).
    pub(super) is_container: bool,
}

impl Menu {
    /// Reads the arguments of a menu.
    pub(super) fn of(menu: &[String]) -> Self {
        let is_on = |word: &String, key: &str| match word.strip_prefix(key) {
            Some("") => true,
            Some(value) => matches!(value, "=1" | "=yes" | "=true" | "=on"),
            None => false,
        };
        let has = |key: &str| menu.iter().any(|word| is_on(word, key));
        Self {
            overlay: has("rd.live.overlay.overlayfs") || has("rd.overlay"),
            is_container: has("rd.cos.disable"),
        }
    }
}

/// Returns the disk on which `dmsquash-live` looks for the root, as its menu or else the volume's
/// label names it; `None` where a kernel command line cannot carry the name. `/dev/nbd0` is no
/// name for it: that device exists before the disk is attached (`dmsquash-live-genrules.sh`).
pub(super) fn disk(menu: &[String], label: &str) -> Option<String> {
    const LABELS: [&str; 2] = ["CDLABEL=", "LABEL="];
    let root = menu
        .iter()
        .rev()
        .find_map(|word| word.strip_prefix("root="));
    let named = root.map(|root| root.strip_prefix("live:").unwrap_or(root));
    let named = named.filter(|root| LABELS.iter().any(|key| root.starts_with(key)));
    let of_volume = || (!label.is_empty()).then(|| format!("CDLABEL={label}"));
    let disk = named.map(str::to_owned).or_else(of_volume)?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"=._-+\\".contains(&b);
    disk.bytes().all(is_plain).then_some(disk)
}
