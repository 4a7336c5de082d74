//! Kernels with the initramfs files, root and arguments that belong to them, out of a medium's
//! menus. A menu starts one pair in several ways (a check of the medium, basic graphics, copied to
//! memory); a person who boots over the network wants one entry for each.

use super::layout::{self, Root};
use crate::boot_config::{BootConfig, MenuEntry};
use crate::images::medium::Medium;
use crate::images::menu_groups;
use crate::vfs::{Content, Tree};

/// A kernel with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) kernel: String,
    /// In order.
    pub(super) initrd: Vec<String>,
    pub(super) root: Root,
    /// Mode of the system besides running; empty for the plain one.
    pub(super) mode: String,
    pub(super) arguments: Vec<String>,
}

/// Arguments that make an entry one for a disk.
const DISK_ONLY: [&str; 6] = [
    "rd.live.check",
    "check",
    "rd.live.overlay",
    "rd.live.overlay.reset",
    "rd.overlay.reset",
    "iso-scan/filename",
];

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 13] = [
    "nomodeset",
    "vga",
    "xdriver",
    "inst.xdriver",
    "rd.live.ram",
    "live.accessibility",
    "console",
    "systemd.unit",
    "debug",
    "rd.debug",
    "rd.break",
    "single",
    "nouveau.modeset",
];

/// Arguments that make the system do something else, each with the word for it.
const MODES: [(&str, &str); 3] = [
    ("install-mode", "install"),
    ("interactive-install", "interactive"),
    ("kairos.remote_recovery_mode", "recovery"),
];

/// Kernels and initramfs files at usual places, where no menu names them: lorax's two and kiwi's.
const USUAL: [(&str, &str); 4] = [
    ("images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"),
    ("isolinux/vmlinuz", "isolinux/initrd.img"),
    ("isolinux/vmlinuz0", "isolinux/initrd0.img"),
    ("boot/x86_64/loader/linux", "boot/x86_64/loader/initrd"),
];
/// Files of an installer, which starts from something else than the image of a live system.
const INSTALLER: [&str; 3] = [".treeinfo", "images/install.img", "media.1/media"];

/// Finds the pairs in a medium's menus, its default first.
pub(super) fn pairs(medium: Medium<'_>, config: &BootConfig) -> Vec<Pair> {
    let usable = config
        .entries
        .iter()
        .filter(|entry| is_usable(medium.tree, entry));
    let keyed = usable.filter_map(|entry| {
        let root = layout::root(medium, entry)?;
        Some(((root, mode(entry)), entry))
    });
    let mut pairs: Vec<Pair> = Vec::new();
    for ((root, mode), entry) in menu_groups::plainest(keyed, rank) {
        let pair = Pair {
            kernel: entry.kernel.clone(),
            initrd: entry.initrds.clone(),
            root,
            mode,
            arguments: entry.arguments.clone(),
        };
        // lorax puts the same two files into `isolinux` and into `images/pxeboot`.
        if !pairs.iter().any(|known| is_same(medium.tree, known, &pair)) {
            pairs.push(pair);
        }
    }
    pairs
}

/// Tests whether an entry starts this medium with dmsquash-live from files that exist.
fn is_usable(tree: &Tree, entry: &MenuEntry) -> bool {
    let root = entry.argument("root").unwrap_or_default();
    let image = ["rd.live.image", "liveimg"];
    let is_live = root.starts_with("live:") || image.iter().any(|k| entry.argument(k).is_some());
    is_live && menu_groups::is_complete(tree, entry)
}

/// Orders the entries of one group, the plainest first.
fn rank(entry: &MenuEntry) -> (bool, bool, usize, bool, bool) {
    let has = |key: &&str| entry.argument(key).is_some();
    (
        DISK_ONLY.iter().any(&has),
        entry.is_loopback(),
        VARIANTS.iter().filter(|key| has(key)).count(),
        !entry.is_shown,
        !entry.is_default,
    )
}

/// Returns what an entry makes the system do besides running.
fn mode(entry: &MenuEntry) -> String {
    let found = MODES
        .iter()
        .filter(|(key, _)| entry.argument(key).is_some());
    let words: Vec<&str> = found.map(|(_, word)| *word).collect();
    words.join("-")
}

/// Tests whether two pairs are the same files at different places: nothing else has a kernel and an
/// initramfs of the same sizes.
fn is_same(tree: &Tree, one: &Pair, other: &Pair) -> bool {
    let sizes = |pair: &Pair| -> Vec<Option<u64>> {
        let files = [&pair.kernel].into_iter().chain(&pair.initrd);
        files
            .map(|path| tree.file(path).map(Content::len))
            .collect()
    };
    let key = |pair: &Pair| (pair.root.path.clone(), pair.mode.clone());
    key(one) == key(other) && sizes(one) == sizes(other)
}

/// Returns the pair at a usual place, where no menu names one: the last resort.
pub(super) fn conventional(medium: Medium<'_>) -> Option<Pair> {
    let has = |path: &&str| medium.tree.file(path).is_some();
    if INSTALLER.iter().any(has) {
        return None;
    }
    let root = layout::usual_root(medium)?;
    let (kernel, initrd) = USUAL.iter().find(|(k, i)| has(k) && has(i))?;
    Some(Pair {
        kernel: (*kernel).to_owned(),
        initrd: vec![(*initrd).to_owned()],
        root,
        mode: String::new(),
        arguments: vec!["rd.live.image".to_owned()],
    })
}
