//! Entries of media whose own menus give kernel, initramfs and arguments, so that their family only
//! says where the root comes from.

use std::sync::Arc;

use super::arguments::inherited;
use super::cpu::Cpu;
use super::entry::{Boot, Entry, EntryKind, Linux, Note, RootSource};
use super::kernel::kernel_cpu;
use super::medium::Medium;
use super::menu_groups;
use super::naming::{self, Naming};
use crate::boot_config::{BootConfig, MenuEntry};
use crate::pe;
use crate::vfs::{Content, Tree};

/// Words that loaders add by themselves.
const OF_LOADERS: [&str; 2] = ["initrd", "BOOT_IMAGE"];

/// A kernel with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// Path of the kernel.
    pub(super) kernel: String,
    /// Paths of the initramfs files, in order.
    pub(super) initrd: Vec<String>,
    /// Arguments of the menu.
    pub(super) arguments: Vec<String>,
    /// Mode of the system besides running; empty for the plain one.
    pub(super) mode: String,
}

/// Which entries of a menu belong to a family.
pub(super) struct Choice<'a> {
    /// Tests whether an entry, whose files exist, is one.
    pub(super) is_usable: &'a dyn Fn(&MenuEntry) -> bool,
    /// Returns what an entry does besides running; each mode is an entry of its own.
    pub(super) mode: &'a dyn Fn(&MenuEntry) -> &'static str,
    /// Arguments that make an entry a variant of the plain one.
    pub(super) variants: &'a [&'a str],
}

impl Choice<'_> {
    /// Finds the pairs in a medium's menus, its default first: of the entries that start the same
    /// kernel and initramfs in the same mode the plainest.
    pub(super) fn pairs(&self, tree: &Tree, config: &BootConfig) -> Vec<Pair> {
        let usable = config.entries.iter();
        let usable =
            usable.filter(|entry| menu_groups::is_complete(tree, entry) && (self.is_usable)(entry));
        let rank = |entry: &MenuEntry| {
            let has = |key: &&&str| entry.argument(key).is_some();
            (
                entry.is_loopback(),
                self.variants.iter().filter(has).count(),
                !entry.is_shown,
                !entry.is_default,
            )
        };
        let groups = menu_groups::plainest(usable.map(|entry| ((self.mode)(entry), entry)), rank);
        let pairs = groups.into_iter().map(|(mode, entry)| Pair {
            kernel: entry.kernel.clone(),
            initrd: entry.initrds.clone(),
            arguments: entry.arguments.clone(),
            mode: mode.to_owned(),
        });
        pairs.collect()
    }
}

/// Removes the pairs that are another one's files at a second place (lorax puts them into `isolinux`
/// and into `images/pxeboot`): nothing else has a kernel and an initramfs of the same sizes.
pub(super) fn without_copies(tree: &Tree, pairs: Vec<Pair>) -> Vec<Pair> {
    let sizes = |pair: &Pair| -> Vec<Option<u64>> {
        let files = [&pair.kernel].into_iter().chain(&pair.initrd);
        files
            .map(|path| tree.file(path).map(Content::len))
            .collect()
    };
    let mut kept: Vec<Pair> = Vec::new();
    for pair in pairs {
        let is_copy = |known: &Pair| known.mode == pair.mode && sizes(known) == sizes(&pair);
        if !kept.iter().any(is_copy) {
            kept.push(pair);
        }
    }
    kept
}

/// Properties that the entries of one medium have in common.
pub(super) struct Common<'a> {
    /// The medium.
    pub(super) medium: Medium<'a>,
    /// Path and size of the root; `None` where the initramfs is the whole system.
    pub(super) root: Option<(String, u64)>,
    /// The way the initramfs finds it.
    pub(super) source: Arc<dyn RootSource>,
    /// Keys of arguments that are never inherited.
    pub(super) decided_here: &'a [&'a str],
    /// Notes of every entry.
    pub(super) notes: Vec<Note>,
}

impl Common<'_> {
    /// Makes the entry of each pair.
    pub(super) fn entries(&self, pairs: &[Pair]) -> Vec<Entry> {
        let root = self.root.as_ref().map_or("", |(path, _)| path);
        let cpus: Vec<Cpu> = pairs.iter().map(|pair| self.cpu(pair)).collect();
        let names = pairs.iter().zip(&cpus).map(|(pair, cpu)| Naming {
            cpu: *cpu,
            kernel: &pair.kernel,
            initrd: &pair.initrd,
            root,
            mode: &pair.mode,
        });
        let names = naming::names(&names.collect::<Vec<_>>());
        let pairs = pairs.iter().zip(cpus).zip(names);
        let entries = pairs.map(|((pair, cpu), parts)| self.entry(pair, cpu, &parts));
        entries.collect()
    }

    /// Returns the processor of a pair's kernel, by its headers or its path, x86-64 where neither
    /// says it.
    fn cpu(&self, pair: &Pair) -> Cpu {
        let kernel = self.medium.tree.file(&pair.kernel);
        let by_headers = kernel.and_then(|kernel| kernel_cpu(kernel, self.medium.read));
        let path = pair.kernel.to_ascii_lowercase();
        let names = |words: &[&str]| words.iter().any(|word| path.contains(word));
        by_headers.unwrap_or_else(|| match () {
            () if names(&["aarch64", "arm64"]) => Cpu::Aarch64,
            () if names(&["i386", "i586", "i686"]) => Cpu::I686,
            () => Cpu::X86_64,
        })
    }

    fn entry(&self, pair: &Pair, cpu: Cpu, parts: &[String]) -> Entry {
        let Medium {
            tree, name, read, ..
        } = self.medium;
        let files = pair.initrd.iter().filter_map(|path| tree.file(path));
        let (id, title) = naming::id_and_title(name, parts);
        let words = pair.arguments.iter().filter(|word| {
            let key = word.split('=').next().unwrap_or(word);
            !self.decided_here.contains(&key) && !OF_LOADERS.contains(&key)
        });
        let signed = tree
            .file(&pair.kernel)
            .map(|kernel| pe::signed(kernel, read));
        Entry {
            id,
            title,
            volume: self.medium.label.to_owned(),
            cpu,
            inherited: inherited(words.cloned()),
            notes: self.notes.clone(),
            root_source: Arc::clone(&self.source),
            root: self.root.as_ref().map(|(path, _)| path.clone()),
            root_bytes: self.root.as_ref().map_or(0, |(_, bytes)| *bytes),
            initrd_bytes: files.map(Content::len).sum(),
            lacks: Vec::new(),
            signed: signed.unwrap_or_default(),
            kind: EntryKind::Linux(Linux {
                kernel: pair.kernel.clone(),
                initrd: pair.initrd.clone(),
            }),
        }
    }
}

/// An initramfs that is the whole system, and needs nothing from this server after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Initramfs;

impl RootSource for Initramfs {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let append = boot.append.split_whitespace().map(str::to_owned);
        entry.inherited.iter().cloned().chain(append).collect()
    }
}
