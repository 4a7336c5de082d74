//! The casper family: Ubuntu and what is built like it (Mint, elementary, Pop!_OS, Zorin, KDE neon,
//! Rescuezilla). Recognised by what is on the medium: a squashfs in `casper`, beside a kernel with
//! its initramfs. Kernel, initramfs and arguments come from the medium's menus as pairs; where the
//! root comes from is rewritten for the network.
//!
//! casper reads the whole medium, so that an installer finds its packages: over HTTP it downloads
//! the image and mounts it, over NFS it mounts the medium (`scripts/casper`: `do_urlmount`,
//! `do_nfsmount`). It has nothing that attaches a network disk.

use std::sync::Arc;

use crate::boot_config::{BootConfig, MenuEntry, file_names};
use crate::images::arguments::{NetworkArgs, before_break, inherited};
use crate::images::cpu::Cpu;
use crate::images::detection::Detection;
use crate::images::entry::{Boot, Entry, Examiner, Fetch, Fetched, Refusal, RootSource};
use crate::images::entry_kind::{EntryKind, Linux};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::kernel::kernel_cpu;
use crate::images::lack::{self, Lack, Part};
use crate::images::medium::{Medium, file_bytes};
use crate::images::menu_groups;
use crate::images::naming::{self, Naming};
use crate::images::transport::Transport;
use crate::initramfs::Contents;
use crate::pe;
use crate::vfs::{Content, Tree};

/// Ubuntu, and what is built like it.
pub(super) static FAMILY: Family = Family {
    name: "casper",
    detect,
    // `nfsroot=` names the path, and without it there is none.
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// The folder with the kernel and the layers of the root.
const CASPER: &str = "casper";
/// Arguments that say where the root comes from or where changes are kept: decided here, never
/// inherited (`parse_cmdline`). With `cloud-config-url` another configuration than none would be
/// fetched, `toram` makes a second copy of what came over HTTP.
const DECIDED_HERE: [&str; 23] = [
    "boot",
    "url",
    "iso-url",
    "netboot",
    "nfsroot",
    "nfsopts",
    "live-media",
    "iso-scan/filename",
    "findiso",
    "fromiso",
    "root",
    "ramdisk_size",
    "cloud-config-url",
    "ip",
    "BOOTIF",
    "toram",
    "todisk",
    "persistent",
    "persistent-path",
    "uuid",
    "iso-chooser-menu",
    "initrd",
    "BOOT_IMAGE",
];

/// Arguments that make an entry a variant of the plain one: safe graphics, an installation for the
/// next owner, a check of the medium, a screen reader.
const VARIANTS: [&str; 9] = [
    "nomodeset",
    "oem-config/enable",
    "only-ubiquity",
    "integrity-check",
    "access",
    "acpi",
    "noapic",
    "persistent",
    "toram",
];

/// A kernel with what belongs to it.
struct Pair {
    kernel: String,
    initrd: Vec<String>,
    arguments: Vec<String>,
}

/// Recognises a medium that boots with casper.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    let root = first_layer(tree)?;
    let config = medium.menus();
    let mut pairs = pairs(tree, config);
    let evidence = match pairs.is_empty() {
        true => Evidence::Names,
        false => Evidence::Menu,
    };
    if pairs.is_empty() {
        pairs = conventional(tree);
    }
    let with_cpu = pairs.into_iter().filter_map(|pair| {
        let kernel = tree.file(&pair.kernel)?;
        Some((kernel_cpu(kernel, medium.read).unwrap_or(Cpu::X86_64), pair))
    });
    let pairs: Vec<(Cpu, Pair)> = with_cpu.collect();
    let names: Vec<Naming<'_>> = pairs
        .iter()
        .map(|(cpu, pair)| Naming {
            cpu: *cpu,
            kernel: &pair.kernel,
            initrd: &pair.initrd,
            root: &root,
            mode: "",
        })
        .collect();
    let names = naming::names(&names);
    let entries = pairs.iter().zip(names);
    let entries: Vec<Entry> = entries
        .map(|((cpu, pair), parts)| entry(medium, *cpu, pair, &root, &parts))
        .collect();
    (!entries.is_empty()).then(|| Detection {
        family: Some("casper"),
        evidence: vec![evidence],
        entries,
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// Returns the path of the first layer of the root in the order of their names.
fn first_layer(tree: &Tree) -> Option<String> {
    let mut names = file_names(tree, CASPER).filter(|name| name.ends_with(".squashfs"));
    names.next().map(|name| format!("{CASPER}/{name}"))
}

/// Finds the pairs in a medium's menus, its default first: of the entries that start the same kernel
/// with the same initramfs the plainest.
fn pairs(tree: &Tree, config: &BootConfig) -> Vec<Pair> {
    let usable = config.entries.iter().filter(|entry| is_usable(tree, entry));
    let groups = menu_groups::plainest(usable.map(|entry| ((), entry)), rank).into_iter();
    groups
        .map(|((), entry)| Pair {
            kernel: entry.kernel.clone(),
            initrd: entry.initrds.clone(),
            arguments: entry.arguments.clone(),
        })
        .collect()
}

/// Tests whether an entry starts this medium with casper from files that exist.
fn is_usable(tree: &Tree, entry: &MenuEntry) -> bool {
    let inside = entry.kernel.strip_prefix(CASPER);
    inside.is_some_and(|path| path.starts_with('/')) && menu_groups::is_complete(tree, entry)
}

/// Orders the entries of one pair, the plainest first.
fn rank(entry: &MenuEntry) -> (bool, usize, bool, bool) {
    let has = |key: &&&str| entry.argument(key).is_some();
    (
        entry.is_loopback(),
        VARIANTS.iter().filter(has).count(),
        !entry.is_shown,
        !entry.is_default,
    )
}

/// Returns the pairs by the names Ubuntu has always used, where no menu names them: the last resort.
fn conventional(tree: &Tree) -> Vec<Pair> {
    let names = || file_names(tree, CASPER);
    let kernels = names().filter(|name| name.starts_with("vmlinuz"));
    let initrds: Vec<&str> = names().filter(|name| name.starts_with("initrd")).collect();
    let (kernels, [initrd]) = (kernels.collect::<Vec<_>>(), &initrds[..]) else {
        return Vec::new();
    };
    let pair = |kernel: &&str| Pair {
        kernel: format!("{CASPER}/{kernel}"),
        initrd: vec![format!("{CASPER}/{initrd}")],
        arguments: Vec::new(),
    };
    match &kernels[..] {
        [kernel] => vec![pair(kernel)],
        _ => Vec::new(),
    }
}

/// Returns the entry of one pair; `parts` follow the image's name in its own.
fn entry(medium: Medium<'_>, cpu: Cpu, pair: &Pair, root: &str, parts: &[String]) -> Entry {
    let tree = medium.tree;
    let kernel = tree.file(&pair.kernel);
    let files = pair.initrd.iter().filter_map(|path| tree.file(path));
    let (id, title) = naming::id_and_title(medium.name, parts);
    let words = pair.arguments.iter().filter(|word| {
        let key = word.split('=').next().unwrap_or(word);
        !DECIDED_HERE.contains(&key)
    });
    Entry {
        id,
        title,
        volume: medium.label.to_owned(),
        cpu,
        inherited: inherited(words.cloned()),
        notes: Vec::new(),
        root_source: Arc::new(Casper),
        root: Some(root.to_owned()),
        // The whole medium is the root: it is downloaded, or mounted.
        root_bytes: file_bytes(tree),
        initrd_bytes: files.map(Content::len).sum(),
        lacks: Vec::new(),
        signed: kernel
            .map(|kernel| pe::signed(kernel, medium.read))
            .unwrap_or_default(),
        kind: EntryKind::Linux(Linux {
            kernel: pair.kernel.clone(),
            initrd: pair.initrd.clone(),
        }),
    }
}

/// An initramfs with casper's scripts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Casper;

impl RootSource for Casper {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let Boot {
            transport, append, ..
        } = *boot;
        let (server, image) = (boot.source.server, boot.source.image);
        let mut words = vec!["boot=casper".to_owned()];
        match transport {
            // With `root=` the kernel makes its first file system a ramfs, which may take all of
            // the memory; a tmpfs would end at half of it. The rest is as Ubuntu documents it:
            // without `cloud-config-url` cloud-init takes `url` for its configuration and downloads
            // the image again.
            Transport::Http => words.extend([
                format!("url={}/iso/{image}.iso", server.http),
                "root=/dev/ram0".to_owned(),
                "ramdisk_size=1500000".to_owned(),
                "cloud-config-url=/dev/null".to_owned(),
            ]),
            Transport::Nfs => words.extend([
                "netboot=nfs".to_owned(),
                format!("nfsroot={}:/iso/{image}", server.http.url_host()),
            ]),
            Transport::Nbd => {}
        }
        words.extend(NetworkArgs::Dhcp.words(boot.dialect, server.http.host));
        before_break(&entry.inherited, words, append)
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        (transport == Transport::Nbd).then_some(Refusal::NbdUnsupported("casper"))
    }

    /// `toram` copies the medium (`copy_live_to`).
    fn streams(&self, transport: Transport, append: &str) -> bool {
        transport == Transport::Nfs && !append.split_whitespace().any(|word| word == "toram")
    }

    fn fetches(&self, _entry: &Entry, _root: &str, _append: &str) -> Vec<Fetch> {
        vec![Fetch {
            file: Fetched::WholeImage,
            required: true,
        }]
    }

    fn copied_bytes(&self, root_bytes: u64, transport: Transport, append: &str) -> u64 {
        let copies = match (transport, self.streams(Transport::Nfs, append)) {
            (Transport::Http, false) => 2,
            _ => 1,
        };
        root_bytes.saturating_mul(copies)
    }

    fn sysappend(&self) -> u32 {
        NetworkArgs::Dhcp.sysappend()
    }

    fn loader_words_go_first(&self) -> bool {
        true
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(lacks)
    }
}

/// Returns what the initramfs at `path` lacks. Its network is configured by `ipconfig`, by
/// `dhclient` or, since Ubuntu 24.04, by `dhcpcd`.
fn lacks(contents: &Contents, path: &str) -> Vec<Lack> {
    let has_any = |names: &[&str]| names.iter().any(|name| contents.has_program(name));
    let missing = |part, names: &[&str]| {
        let is_missing = !has_any(names);
        (
            part,
            is_missing.then(|| format!("program {}", names.join(" or "))),
        )
    };
    let missing = [
        missing(Part::Ipconfig, &["ipconfig", "dhcpcd", "dhclient"]),
        missing(Part::Http, &["wget"]),
        missing(Part::Nfs, &["nfsmount"]),
    ];
    lack::in_initramfs(path, missing)
}

#[cfg(test)]
mod tests;
