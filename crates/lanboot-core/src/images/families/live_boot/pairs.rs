//! Kernels with the initramfs files, root and arguments that belong to them, out of a medium's
//! menus. live-build's menus start one pair in several ways (fail-safe, copied to memory, with
//! persistence, with a screen reader); a person who boots over the network wants one entry for each
//! pair, and one more for each mode that changes what the system does.

use super::layout::{self, LIVE, Root};
use crate::boot_config::{BootConfig, MenuEntry, ReadSmall, file_names};
use crate::images::menu_groups::{self, MAX_GROUPS};
use crate::vfs::Tree;

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

/// Arguments that make an entry one for a disk: what they ask for is not possible over the network.
const DISK_ONLY: [&str; 5] = [
    "persistence",
    "persistent",
    "todisk",
    "verify-checksums",
    "live-boot.verify-checksums",
];

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 15] = [
    "toram",
    "memtest",
    "noapic",
    "noapm",
    "nodma",
    "nomce",
    "nolapic",
    "nosmp",
    "nomodeset",
    "acpi",
    "console",
    "speakup.synth",
    "systemd.unit",
    "debug",
    "nofb",
];

/// Finds the pairs in a medium's menus, its default first.
pub(super) fn pairs(tree: &Tree, read: ReadSmall<'_>, config: &BootConfig) -> Vec<Pair> {
    let mut roots = Roots::default();
    let usable = config.entries.iter().filter(|entry| is_usable(tree, entry));
    let keyed = usable.filter_map(|entry| {
        let root = roots.of(tree, read, entry)?;
        Some(((root, mode(entry)), entry))
    });
    let groups = menu_groups::plainest(keyed, rank).into_iter();
    groups
        .map(|((root, mode), entry)| Pair {
            kernel: entry.kernel.clone(),
            initrd: entry.initrds.clone(),
            root,
            mode,
            arguments: entry.arguments.clone(),
        })
        .collect()
}

/// Tests whether an entry starts this medium with live-boot from files that exist.
fn is_usable(tree: &Tree, entry: &MenuEntry) -> bool {
    entry.argument("boot") == Some("live") && menu_groups::is_complete(tree, entry)
}

/// Orders the entries of one group, the plainest first.
fn rank(entry: &MenuEntry) -> (bool, bool, bool, bool, usize) {
    let has = |key: &&str| entry.argument(key).is_some();
    (
        DISK_ONLY.iter().any(&has),
        entry.is_loopback(),
        !entry.is_shown,
        !entry.is_default,
        VARIANTS.iter().filter(|key| has(key)).count(),
    )
}

/// Returns what an entry makes the system do besides running: leave the disks of the machine alone
/// (Kali's, Parrot's and grml's forensic mode), or run a program of Clonezilla's.
fn mode(entry: &MenuEntry) -> String {
    let has = |key: &&str| entry.argument(key).is_some();
    let forensic = ["forensic", "noautomount"].iter().any(has);
    let forensic = forensic.then_some("forensic");
    let program = entry.argument("ocs_live_run");
    let program = program.map(|value| value.trim_matches('"'));
    let modes: Vec<&str> = forensic.into_iter().chain(program).collect();
    modes.join("-")
}

/// The roots that entries of one medium name, each looked for once.
#[derive(Default)]
struct Roots {
    known: Vec<(String, String, Option<Root>)>,
}

impl Roots {
    /// Finds the root that an entry starts: in the folder it names, else in the only one there is.
    fn of(&mut self, tree: &Tree, read: ReadSmall<'_>, entry: &MenuEntry) -> Option<Root> {
        let named = entry.argument("live-media-path").unwrap_or_default();
        let folder = match named.trim_matches('/') {
            "" => LIVE,
            folder => folder,
        };
        let module = entry.argument("module").filter(|name| !name.is_empty());
        let module = module.unwrap_or("filesystem");
        let mut known = self.known.iter();
        if let Some((_, _, root)) = known.find(|(f, m, _)| f == folder && m == module) {
            return root.clone();
        }
        let root = layout::root(tree, read, folder, module).or_else(|| {
            let folders = layout::folders(tree);
            let roots = folders
                .iter()
                .filter_map(|f| layout::root(tree, read, f, module));
            match &roots.collect::<Vec<_>>()[..] {
                [root] => Some(root.clone()),
                _ => None,
            }
        });
        self.known
            .push((folder.into(), module.into(), root.clone()));
        root
    }
}

/// Returns the pairs by the names live-build and grml-live have always used, where no menu names
/// them: the last resort. `vmlinuz-X` belongs to `initrd.img-X`, and a lone kernel to a lone
/// initramfs.
pub(super) fn conventional(tree: &Tree, read: ReadSmall<'_>) -> Vec<Pair> {
    let folders = layout::folders(tree);
    let roots = folders
        .iter()
        .filter_map(|f| layout::root(tree, read, f, "filesystem"));
    let roots: Vec<Root> = roots.collect();
    let [root] = &roots[..] else {
        // Without a menu nothing says which kernel starts which of several.
        return Vec::new();
    };
    let names = || file_names(tree, LIVE);
    let kernels: Vec<&str> = names().filter(|name| name.starts_with("vmlinuz")).collect();
    let initrds: Vec<&str> = names().filter(|name| name.starts_with("initrd")).collect();
    let fits = |kernel: &str| {
        let suffix = kernel.strip_prefix("vmlinuz").unwrap_or_default();
        let wanted = [
            format!("initrd.img{suffix}"),
            format!("initrd{suffix}.img"),
            format!("initrd{suffix}"),
            format!("initrd{suffix}.gz"),
        ];
        let mut same = wanted
            .iter()
            .filter_map(|name| initrds.iter().find(|n| *n == name));
        let lone = || match (&kernels[..], &initrds[..]) {
            ([_], [initrd]) => Some(initrd),
            _ => None,
        };
        same.next().or_else(lone)
    };
    let pair = |kernel: &&str| {
        Some(Pair {
            kernel: format!("{LIVE}/{kernel}"),
            initrd: vec![format!("{LIVE}/{}", fits(kernel)?)],
            root: root.clone(),
            mode: String::new(),
            arguments: ["boot=live", "components"].map(str::to_owned).to_vec(),
        })
    };
    kernels.iter().filter_map(pair).take(MAX_GROUPS).collect()
}
