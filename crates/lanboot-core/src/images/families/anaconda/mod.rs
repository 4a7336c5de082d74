//! The anaconda family: the installers of Fedora, RHEL, CentOS, Rocky, Alma, Oracle Linux and
//! openEuler. Recognised by the image of the installer (`images/install.img`, `LiveOS/squashfs.img`
//! or the one `.treeinfo` names), and a menu that starts a kernel with `inst.stage2=` or
//! `inst.repo=`. The installer takes its packages from the medium, so that it sees all of it.
//!
//! Read in anaconda (`dracut/parse-anaconda-repo.sh`, `anaconda-netroot.sh`, `anaconda-lib.sh`,
//! `docs/boot-options.rst`) and in lorax (`share/templates.d/99-generic/config_files/x86`: the
//! menus); `.treeinfo` as productmd writes it.

mod treeinfo;

use std::sync::Arc;

use crate::boot_config::MenuEntry;
use crate::images::arguments::NetworkArgs;
use crate::images::detection::Detection;
use crate::images::dracut_evidence;
use crate::images::entry::{Boot, Entry, Examiner, Fetch, Fetched, Refusal, RootSource};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::lack::{Lack, Part};
use crate::images::medium::Medium;
use crate::images::own_menu::{self, Choice, Common, Pair};
use crate::images::transport::Transport;
use crate::initramfs::Contents;
use crate::vfs::{Content, Tree};
use treeinfo::TreeInfo;

/// Fedora's installer, and those of its kin.
pub(super) static FAMILY: Family = Family {
    name: "anaconda",
    detect,
    // `inst.repo=` names the path, and without it there is none.
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// Images of the installer where `.treeinfo` names none, in the order in which it looks for them.
const IMAGES: [&str; 2] = ["images/install.img", "LiveOS/squashfs.img"];
/// Files that it fetches as well where they are, after the image.
const EXTRAS: [&str; 2] = ["images/updates.img", "images/product.img"];
/// Arguments that say where the installer is: with one of them an entry is one of the installer's.
const SOURCES: [&str; 5] = ["inst.stage2", "inst.repo", "stage2", "repo", "method"];
/// Prefixes of a kickstart file on the medium.
const ON_THE_MEDIUM: [&str; 2] = ["cdrom:", "hd:"];

/// Keys of arguments that are never inherited: where the installer and its packages are, and how the
/// network is configured. With `rd.live.check` the medium is looked for on a disk.
const DECIDED_HERE: [&str; 14] = [
    "inst.stage2",
    "inst.repo",
    "stage2",
    "repo",
    "method",
    "root",
    "rd.live.check",
    "iso-scan/filename",
    "ip",
    "BOOTIF",
    "ksdevice",
    "bootdev",
    "proxy",
    "inst.proxy",
];

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 7] = [
    "rd.live.check",
    "nomodeset",
    "inst.xdriver",
    "xdriver",
    "inst.text",
    "vga",
    "console",
];

/// Recognises an installation medium.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    let info = TreeInfo::read(medium);
    let image = image(tree, &info)?;
    let config = medium.menus();
    let is_usable = |entry: &MenuEntry| SOURCES.iter().any(|key| entry.argument(key).is_some());
    let choice = Choice {
        is_usable: &is_usable,
        mode: &mode,
        variants: &VARIANTS,
    };
    let pairs = own_menu::without_copies(tree, choice.pairs(tree, config));
    let pairs: Vec<Pair> = pairs
        .into_iter()
        .map(|pair| with_kickstart(tree, pair))
        .collect();
    let size = |path: &String| tree.file(path).map(Content::len);
    let extras = EXTRAS.iter().map(|path| (*path).to_owned());
    let common = Common {
        medium,
        root: Some((image.clone(), size(&image).unwrap_or(0))),
        source: Arc::new(Anaconda {
            has_packages: info.has_packages(tree),
            extras: extras.filter(|path| size(path).is_some()).collect(),
        }),
        decided_here: &DECIDED_HERE,
        notes: Vec::new(),
    };
    (!pairs.is_empty()).then(|| Detection {
        family: Some("anaconda"),
        evidence: vec![Evidence::Menu],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// Returns the path of the installer's image.
fn image(tree: &Tree, info: &TreeInfo) -> Option<String> {
    let named = info.value("stage2", "mainimage").into_iter();
    let mut paths = named.chain(IMAGES);
    let found = paths.find(|path| tree.file(path).is_some() && is_plain(path))?;
    Some(found.to_owned())
}

/// Returns what an entry does besides installing.
fn mode(entry: &MenuEntry) -> &'static str {
    let has = |key: &str| entry.argument(key).is_some();
    match () {
        () if has("inst.rescue") || has("rescue") => "rescue",
        () if entry.argument("fips") == Some("1") => "fips",
        () if has("inst.ks") || has("ks") => "kickstart",
        () => "",
    }
}

/// Names a kickstart file on the medium in one way: `inst.ks=cdrom:/PATH`. One that is not there
/// is left out.
fn with_kickstart(tree: &Tree, mut pair: Pair) -> Pair {
    pair.arguments = pair
        .arguments
        .into_iter()
        .filter_map(|word| {
            let value = ["inst.ks=", "ks="]
                .iter()
                .find_map(|key| word.strip_prefix(key));
            match value.filter(|v| ON_THE_MEDIUM.iter().any(|start| v.starts_with(start))) {
                Some(value) => {
                    let path = value.rsplit(':').next().unwrap_or_default();
                    let path = path.trim_start_matches('/');
                    let is_there = tree.file(path).is_some() && is_plain(path);
                    is_there.then(|| format!("{KICKSTART}{path}"))
                }
                None => Some(word),
            }
        })
        .collect();
    pair
}

/// A kickstart file on the medium.
const KICKSTART: &str = "inst.ks=cdrom:/";

/// Tests whether a path is the same in a URL, on a kernel command line and in a shell.
fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b))
}

/// An initramfs with anaconda's dracut module.
#[derive(Clone, Debug)]
struct Anaconda {
    /// True if the medium has packages; without them the installer alone comes from here
    /// (`inst.stage2=`), and asks for a mirror.
    has_packages: bool,
    /// Files that it fetches after its image.
    extras: Vec<String>,
}

impl RootSource for Anaconda {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let (server, image) = (boot.source.server, boot.source.image);
        let place = match boot.transport {
            Transport::Http => Some(format!("{}/iso/{image}", server.http)),
            // It mounts version 3 unless asked for another.
            Transport::Nfs => Some(format!("nfs:{}:/iso/{image}", server.http.url_host())),
            Transport::Nbd => None,
        };
        let place = place.unwrap_or_default();
        let kickstart = |word: &String| match word.strip_prefix(KICKSTART) {
            Some(path) => format!("inst.ks={place}/{path}"),
            None => word.clone(),
        };
        let mut words: Vec<String> = entry.inherited.iter().map(kickstart).collect();
        let key = match self.has_packages {
            true => "inst.repo",
            false => "inst.stage2",
        };
        words.push(format!("{key}={place}"));
        let own_address = boot
            .append
            .split_whitespace()
            .any(|word| word.starts_with("ip="));
        let network = NetworkArgs::Dhcp.words(boot.dialect, server.http.host);
        let network = network.into_iter();
        words.extend(network.filter(|word| !(own_address && word.starts_with("ip="))));
        words.extend(boot.append.split_whitespace().map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        (transport == Transport::Nbd).then_some(Refusal::NbdUnsupported("anaconda"))
    }

    fn fetches(&self, _entry: &Entry, root: &str, _append: &str) -> Vec<Fetch> {
        let fetch = |path: &str, required| Fetch {
            file: Fetched::File(path.to_owned()),
            required,
        };
        let root = [fetch(treeinfo::PATH, false), fetch(root, true)];
        let extras = self.extras.iter().map(|path| fetch(path, false));
        root.into_iter().chain(extras).collect()
    }

    fn sysappend(&self) -> u32 {
        NetworkArgs::Dhcp.sysappend()
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(lacks)
    }
}

/// Returns what the initramfs at `path` lacks. Its own hooks use those of dracut's `livenet` and
/// `nfs`.
fn lacks(contents: &Contents, path: &str) -> Vec<Lack> {
    let mut lacks = dracut_evidence::lacks(contents, path);
    lacks.retain(|lack| lack.part != Part::Nbd);
    lacks
}

#[cfg(test)]
mod tests;
