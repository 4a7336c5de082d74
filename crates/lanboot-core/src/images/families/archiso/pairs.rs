//! Kernels with the initramfs files and arguments that belong to them, out of a medium's menus.
//! Archiso's menus start one pair in many ways (from disk, over the network, with a screen reader,
//! copied to memory); a person who boots over the network wants one entry for each pair.

use super::layout::{Layout, is_plain_word};
use crate::boot_config::{BootConfig, MenuEntry, Program, file_names, find_file};
use crate::images::cpu::Cpu;
use crate::images::menu_groups::{MAX_GROUPS, MAX_INITRD};
use crate::vfs::Tree;

/// A kernel with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) kernel: String,
    /// In order, microcode first.
    pub(super) initrd: Vec<String>,
    pub(super) arguments: Vec<String>,
    /// The medium's menu that starts it from a disk, when there is one.
    pub(super) menu: Option<String>,
}

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 9] = [
    "accessibility",
    "copytoram",
    "nomodeset",
    "checksum",
    "verify",
    "console",
    "dostartx",
    "systemd.unit",
    "memtest",
];

/// The pairs for one processor, the medium's default first.
pub(super) fn pairs(layout: &Layout, tree: &Tree, cpu: Cpu, config: &BootConfig) -> Vec<Pair> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for entry in &config.entries {
        let Some(initrd) = usable(layout, tree, cpu, entry) else {
            continue;
        };
        let main: Vec<String> = main_files(&initrd).cloned().collect();
        let same = |group: &&mut Group<'_>| group.kernel == entry.kernel && group.main == main;
        match groups.iter_mut().find(same) {
            Some(group) => group.members.push((entry, initrd)),
            None => groups.push(Group {
                kernel: &entry.kernel,
                main,
                members: vec![(entry, initrd)],
            }),
        }
    }
    // A menu for the network and for disks inside disks has no say in what the medium starts.
    let is_default = |group: &Group<'_>| {
        let members = group.members.iter();
        members
            .into_iter()
            .any(|(e, _)| e.is_default && rank(e) == LOCAL)
    };
    if let Some(at) = groups.iter().position(is_default) {
        let default = groups.remove(at);
        groups.insert(0, default);
    }
    groups.truncate(MAX_GROUPS);
    groups.iter().map(Group::pair).collect()
}

/// The entries that start the same kernel with the same initramfs.
struct Group<'a> {
    kernel: &'a str,
    /// The initramfs files that are not microcode.
    main: Vec<String>,
    members: Vec<(&'a MenuEntry, Vec<String>)>,
}

impl Group<'_> {
    /// The plainest entry for the network, completed by the plainest for a disk: menus for the
    /// network are often left as archiso made them, while a maker's own arguments and microcode are
    /// in the others.
    fn pair(&self) -> Pair {
        let plainest = |wanted: fn(u8) -> bool| {
            let members = self.members.iter().filter(|(e, _)| wanted(rank(e)));
            members.min_by_key(|(e, _)| (rank(e), !e.is_shown, !e.is_default, variants(e)))
        };
        let network = plainest(|rank| rank < LOCAL);
        let local = plainest(|rank| rank == LOCAL);
        let last_resort = plainest(|_| true);
        let lists = [network, local].into_iter().flatten();
        // Of two as long, the one for the network.
        let initrd = lists
            .rev()
            .map(|(_, initrd)| initrd)
            .max_by_key(|initrd| initrd.len());
        let initrd = initrd.or_else(|| last_resort.map(|(_, initrd)| initrd));
        let chosen = [network, local].into_iter().flatten().collect::<Vec<_>>();
        let chosen = if chosen.is_empty() {
            last_resort.into_iter().collect()
        } else {
            chosen
        };
        let mut arguments: Vec<String> = Vec::new();
        for (entry, _) in &chosen {
            let key = |word: &str| word.split('=').next().unwrap_or(word).to_owned();
            let known: Vec<String> = arguments.iter().map(|word| key(word)).collect();
            let new = entry
                .arguments
                .iter()
                .filter(|word| !known.contains(&key(word)));
            // What makes the entry for a disk a variant is not meant for the network.
            let is_meant = |word: &&String| known.is_empty() || !VARIANTS.contains(&&*key(word));
            arguments.extend(new.filter(is_meant).cloned());
        }
        let menu = local.or(last_resort).map(|(entry, _)| entry.file.clone());
        Pair {
            kernel: self.kernel.to_owned(),
            initrd: initrd.cloned().unwrap_or_default(),
            arguments,
            menu,
        }
    }
}

/// The rank of an entry that starts from a disk.
const LOCAL: u8 = 2;

/// 0 for HTTP, 1 for other ways over the network, then [`LOCAL`], then what starts an image inside
/// another disk.
fn rank(entry: &MenuEntry) -> u8 {
    let has = |key| entry.argument(key).is_some();
    if has("archiso_http_srv") {
        0
    } else if has("archiso_nfs_srv") || has("archiso_nbd_srv") || entry.file.contains("pxe") {
        1
    } else if has("img_loop") || entry.is_loopback() {
        3
    } else {
        LOCAL
    }
}

fn variants(entry: &MenuEntry) -> usize {
    let is_variant = |key: &&&str| entry.argument(key).is_some();
    VARIANTS.iter().filter(is_variant).count()
}

/// The initramfs files of an entry that starts this medium on this processor, those that exist.
fn usable(layout: &Layout, tree: &Tree, cpu: Cpu, entry: &MenuEntry) -> Option<Vec<String>> {
    if entry.program != Program::Linux || tree.file(&entry.kernel).is_none() {
        return None;
    }
    let is_archiso = entry
        .arguments
        .iter()
        .any(|word| word.starts_with("archiso"));
    let base = entry.argument("archisobasedir").unwrap_or_default();
    // One that is not filled in says nothing.
    let is_other = !base.is_empty() && base != layout.base && is_plain_word(base);
    if !is_archiso || is_other {
        return None;
    }
    let names_cpu = |c: Cpu| {
        let parts = entry.kernel.split('/');
        parts.into_iter().any(|part| part == c.name())
            || entry.architecture.as_deref().and_then(efi_cpu) == Some(c)
    };
    let is_for_cpu =
        names_cpu(cpu) || (!Cpu::ALL.into_iter().any(names_cpu) && layout.roots.len() == 1);
    let all = &entry.initrds;
    if !is_for_cpu || all.len() > MAX_INITRD {
        return None;
    }
    let exists = |path: &&String| tree.file(path).is_some();
    let initrd: Vec<String> = all.iter().filter(exists).cloned().collect();
    // Microcode that is not there is left out; the rest belongs together.
    let is_whole = main_files(all).all(|path| tree.file(path).is_some());
    (is_whole && main_files(&initrd).next().is_some()).then_some(initrd)
}

/// The names systemd-boot has for processors.
fn efi_cpu(architecture: &str) -> Option<Cpu> {
    match architecture.to_ascii_lowercase().as_str() {
        "x64" => Some(Cpu::X86_64),
        "ia32" => Some(Cpu::I686),
        "aa64" => Some(Cpu::Aarch64),
        "riscv64" => Some(Cpu::Riscv64),
        _ => None,
    }
}

fn main_files(initrd: &[String]) -> impl Iterator<Item = &String> {
    initrd.iter().filter(|path| !is_microcode(path))
}

/// Returns whether a file holds nothing but microcode: `intel-ucode.img`, `amd_ucode.img`.
fn is_microcode(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.contains("ucode")
}

/// Returns the pairs by the names archiso and mkinitcpio have always used, when no menu names
/// them: the last resort. `vmlinuz-X` belongs to `initramfs-X.img`, and a lone kernel to a lone
/// initramfs.
pub(super) fn conventional(layout: &Layout, tree: &Tree, cpu: Cpu) -> Vec<Pair> {
    let base = &layout.base;
    let folders = [
        format!("{base}/boot/{cpu}"),
        format!("{base}/boot"),
        "boot".into(),
    ];
    let own = folders.iter().enumerate().find_map(|(at, folder)| {
        // Files that are for no certain processor are for the only one there is.
        let is_certain = at == 0 || layout.roots.len() == 1;
        let pairs = in_folder(layout, tree, folder);
        (is_certain && !pairs.is_empty()).then_some(pairs)
    });
    let mut pairs = own.unwrap_or_default();
    let microcode = folders.iter().find_map(|folder| {
        let files =
            file_names(tree, folder).filter(|name| is_microcode(name) && name.ends_with(".img"));
        let files: Vec<String> = files.map(|name| format!("{folder}/{name}")).collect();
        (!files.is_empty()).then_some(files)
    });
    let microcode = microcode.unwrap_or_default();
    for pair in &mut pairs {
        pair.initrd = [&microcode[..], &pair.initrd].concat();
        pair.initrd.truncate(MAX_INITRD);
    }
    pairs.truncate(MAX_GROUPS);
    pairs
}

fn in_folder(layout: &Layout, tree: &Tree, folder: &str) -> Vec<Pair> {
    let names = || file_names(tree, folder);
    // arm64 kernels that are not packed are called Image.
    let mut kernels: Vec<&str> = names().filter(|n| n.starts_with("vmlinuz")).collect();
    if kernels.is_empty() {
        kernels = names()
            .filter(|n| *n == "Image" || n.starts_with("Image-"))
            .collect();
    }
    kernels.sort_by_key(|name| name.len());
    let own = format!("{}.img", layout.base);
    let is_initramfs = |name: &&str| {
        let is_named =
            name.starts_with("initramfs") || ["archiso.img", own.as_str()].contains(name);
        is_named && !name.contains("fallback") && !is_microcode(name)
    };
    let initrds: Vec<&str> = names().filter(is_initramfs).collect();
    let fits = |kernel: &str| {
        let suffix = kernel
            .strip_prefix("vmlinuz")
            .or_else(|| kernel.strip_prefix("Image"));
        let suffix = suffix.unwrap_or_default();
        let wanted = [
            format!("initramfs{suffix}.img"),
            format!("initramfs{suffix}"),
        ];
        let same = initrds
            .iter()
            .find(|name| wanted.iter().any(|wanted| wanted == *name));
        // One of another name belongs to the only kernel there is.
        let lone = || match (&kernels[..], &initrds[..]) {
            ([_], [initrd, ..]) => Some(initrd),
            _ => None,
        };
        same.or_else(lone)
    };
    let pair = |kernel: &&str| {
        let initrd = fits(kernel)?;
        Some(Pair {
            kernel: find_file(tree, &format!("{folder}/{kernel}"))?,
            initrd: vec![format!("{folder}/{initrd}")],
            arguments: Vec::new(),
            menu: None,
        })
    };
    kernels.iter().filter_map(pair).collect()
}

/// Returns what distinguishes the pairs of one medium, a word each: the kernel's name without
/// `vmlinuz-`, then the initramfs'; numbers where neither does. Empty when there is one pair.
pub(super) fn suffixes(pairs: &[Pair]) -> Vec<String> {
    if pairs.len() < 2 {
        return pairs.iter().map(|_| String::new()).collect();
    }
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let kernels = pairs
        .iter()
        .map(|pair| word(&last(&pair.kernel), "vmlinuz-"));
    let initrds = pairs.iter().map(|pair| {
        let main = main_files(&pair.initrd).last().map(|path| last(path));
        word(&main.unwrap_or_default(), "initramfs-")
    });
    let (kernels, initrds): (Vec<String>, Vec<String>) = (kernels.collect(), initrds.collect());
    let is_distinct = |words: &[String]| {
        let mut sorted = words.to_vec();
        sorted.sort();
        sorted.dedup();
        sorted.len() == words.len()
    };
    if is_distinct(&kernels) {
        return kernels;
    }
    if is_distinct(&initrds) {
        return initrds;
    }
    (1..=pairs.len()).map(|n| n.to_string()).collect()
}

/// A file's name as part of an entry's: plain, and not long.
fn word(name: &str, prefix: &str) -> String {
    const MAX: usize = 32;
    let name = name.strip_suffix(".img").unwrap_or(name);
    let name = name.strip_prefix(prefix).unwrap_or(name);
    let plain = name.chars().map(|c| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    });
    plain.take(MAX).collect()
}
