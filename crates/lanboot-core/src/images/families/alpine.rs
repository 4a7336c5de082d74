//! Alpine Linux: its ISO images and its netboot archive. Recognised by a kernel with the initramfs
//! `initramfs-FLAVOUR` and the kernel's modules, `modloop-FLAVOUR`, in the same folder (`boot`).
//!
//! The initramfs makes the system in memory out of packages, from the repository that `alpine_repo=`
//! names; the modules come later, from `modloop=`, when the service of that name starts. Both may be
//! URLs, and `ip=dhcp` configures the network before. On ISO images the repository is `apks`; the
//! archive has none. The initramfs of ISO images has no driver of a real network card: the profiles for
//! them build in `virtio` and not `network`, and older ones not `af_packet` either, without which there is
//! no DHCP.
//!
//! Read in mkinitfs (`initramfs-init.in`, `mkinitfs-bootparam.7.in`, `features.d/network.modules`,
//! `features.d/virtio.modules`) and aports (`scripts/mkimg.base.sh`: `profile_base`, the menus).

use std::sync::Arc;

use crate::boot_config::{MenuEntry, file_names};
use crate::images::arguments::NetworkArgs;
use crate::images::detection::Detection;
use crate::images::entry::{Boot, Entry, Examiner, Note, Refusal, RootSource};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::lack::{self, Lack, Part};
use crate::images::medium::Medium;
use crate::images::own_menu::{Choice, Common, Pair};
use crate::images::transport::Transport;
use crate::initramfs::Contents;
use crate::vfs::{Content, Tree};

/// Alpine Linux.
pub(super) static FAMILY: Family = Family {
    name: "Alpine",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// The folder with the repository on ISO images.
const REPOSITORY: &str = "apks";
/// The folder with kernels where no menu names them.
const BOOT: &str = "boot";
/// Most files of that folder that are looked at.
const MAX_FILES: usize = 1024;

/// Keys of arguments that are never inherited.
const DECIDED_HERE: [&str; 5] = ["alpine_dev", "alpine_repo", "modloop", "ip", "BOOTIF"];

/// Arguments where no menu can be read, as in the menus of ISO images.
const CONVENTIONAL: [&str; 2] = ["modules=loop,squashfs", "quiet"];

/// Drivers of real network cards that the feature `network` brings, and of virtual ones besides virtio's
/// for kernels of the flavour `virt`.
const DRIVERS: [&str; 8] = [
    "e1000",
    "e1000e",
    "igb",
    "igc",
    "r8169",
    "tg3",
    "vmxnet3",
    "hv_netvsc",
];

/// Recognises a medium of Alpine's.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    let config = medium.menus();
    let choice = Choice {
        is_usable: &|entry: &MenuEntry| modloop(tree, &entry.initrds).is_some(),
        mode: &|_| "",
        variants: &["console", "single"],
    };
    let mut pairs = choice.pairs(tree, config);
    if pairs.is_empty() {
        pairs = conventional(tree);
    }
    let has_repository = tree.is_directory(REPOSITORY);
    let mut notes = Vec::new();
    notes.extend((!has_repository).then_some(Note::NeedsArgument("alpine_repo=http://…/main")));
    let common = Common {
        medium,
        root: None,
        source: Arc::new(Alpine { has_repository }),
        decided_here: &DECIDED_HERE,
        notes,
    };
    let mut entries = common.entries(&pairs);
    for (entry, pair) in entries.iter_mut().zip(&pairs) {
        // Each kernel has modules of its own.
        entry.root = modloop(tree, &pair.initrd);
        let file = entry.root.as_ref().and_then(|path| tree.file(path));
        entry.root_bytes = file.map_or(0, Content::len);
    }
    (!entries.is_empty()).then(|| Detection {
        family: Some("Alpine"),
        evidence: vec![Evidence::Mark],
        entries,
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// Returns the path of the modules that belong to an initramfs; `None` where there are none.
fn modloop(tree: &Tree, initrd: &[String]) -> Option<String> {
    let (folder, name) = initrd.last()?.rsplit_once('/')?;
    let flavour = name.strip_prefix("initramfs-")?;
    let path = format!("{folder}/modloop-{flavour}");
    tree.file(&path).map(|_| path)
}

/// Lists the pairs of the netboot archive, which has no menu.
fn conventional(tree: &Tree) -> Vec<Pair> {
    let files = file_names(tree, BOOT).take(MAX_FILES);
    let flavours = files.filter_map(|name| name.strip_prefix("vmlinuz-"));
    let pairs = flavours.map(|flavour| Pair {
        kernel: format!("{BOOT}/vmlinuz-{flavour}"),
        initrd: vec![format!("{BOOT}/initramfs-{flavour}")],
        arguments: CONVENTIONAL.map(str::to_owned).into(),
        mode: String::new(),
    });
    let is_whole = |pair: &Pair| {
        let mut files = pair.initrd.iter();
        files.all(|path| tree.file(path).is_some()) && modloop(tree, &pair.initrd).is_some()
    };
    pairs.filter(is_whole).collect()
}

/// An initramfs of mkinitfs'.
#[derive(Clone, Copy, Debug)]
struct Alpine {
    /// True if the medium has packages.
    has_repository: bool,
}

impl RootSource for Alpine {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let server = &boot.source.server.http;
        let base = format!("{server}/iso/{}", boot.source.image);
        let append = boot.append.split_whitespace();
        let is_own = |key: &str| append.clone().any(|word| word.starts_with(key));
        let mut words = entry.inherited.clone();
        words.extend(NetworkArgs::Dhcp.words(boot.dialect, server.host));
        if self.has_repository && !is_own("alpine_repo=") {
            words.push(format!("alpine_repo={base}/{REPOSITORY}"));
        }
        let modloop = entry.root.as_ref().filter(|_| !is_own("modloop="));
        words.extend(modloop.map(|path| format!("modloop={base}/{path}")));
        words.extend(append.map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        (transport != Transport::Http).then_some(Refusal::OnlyHttp("Alpine's"))
    }

    fn sysappend(&self) -> u32 {
        NetworkArgs::Dhcp.sysappend()
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(lacks)
    }
}

/// Returns what the initramfs at `path` lacks. One that has no modules at all shows nothing: they may be
/// built into its kernel.
fn lacks(contents: &Contents, path: &str) -> Vec<Lack> {
    let has = |name: &str| contents.has_module(name) == Some(true);
    // `mkinitfs` puts both into every initramfs that starts from `modloop`.
    let shows_modules = has("squashfs") || has("loop");
    let missing =
        |name: &str| (shows_modules && !has(name)).then(|| format!("kernel module {name}"));
    let no_driver = shows_modules && !DRIVERS.iter().any(|driver| has(driver));
    let driver = no_driver.then(|| "network driver besides virtio's".to_owned());
    let missing = [
        (Part::NetworkDriver, missing("af_packet").or(driver)),
        (
            Part::RamDisk,
            ["nfit", "nd_pmem"].into_iter().find_map(missing),
        ),
    ];
    lack::in_initramfs(path, missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::golden::{detected, line};
    use crate::initramfs::list;
    use crate::initramfs::testing::cpio;
    use crate::testing::{linux, medium, tree};

    /// `boot/syslinux/syslinux.cfg` and `boot/grub/grub.cfg` as `mkimg.base.sh` writes them.
    const SYSLINUX: &str = "TIMEOUT 10\nPROMPT 1\nDEFAULT lts\n\nLABEL lts\n\
        MENU LABEL Linux lts\nKERNEL /boot/vmlinuz-lts\nINITRD /boot/initramfs-lts\n\
        FDTDIR /boot/dtbs-lts\nAPPEND modules=loop,squashfs,sd-mod,usb-storage quiet \n";
    const GRUB: &str = "set timeout=1\nmenuentry \"Linux lts\" {\n\
        linux\t/boot/vmlinuz-lts modules=loop,squashfs,sd-mod,usb-storage quiet \n\
        initrd\t/boot/initramfs-lts\n}\n";
    /// Files of alpine-standard-3.20.
    const ISO: [(&str, &str); 8] = [
        (".alpine-release", "alpine-std 3.20.0 240522"),
        ("apks/.boot_repository", ""),
        ("apks/x86_64/APKINDEX.tar.gz", "a"),
        ("boot/grub/grub.cfg", GRUB),
        ("boot/initramfs-lts", "i"),
        ("boot/modloop-lts", "mmmm"),
        ("boot/syslinux/syslinux.cfg", SYSLINUX),
        ("boot/vmlinuz-lts", "k"),
    ];
    const NETWORK: &str = "ip=dhcp BOOTIF=01-${netX/mac:hexhyp}";

    #[test]
    fn packages_and_modules_of_an_iso_come_from_here() {
        let found = detected(&ISO);
        assert_eq!(found.family_name(), "Alpine");
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!(linux(entry).initrd, ["boot/initramfs-lts"]);
        assert_eq!((entry.id.as_str(), entry.root_bytes), ("disc", 4));
        let own = format!("modules=loop,squashfs,sd-mod,usb-storage quiet {NETWORK}");
        let base = "http://192.168.0.1/iso/disc";
        let modloop = format!("modloop={base}/boot/modloop-lts");
        assert_eq!(
            line(entry, Transport::Http, "apkovl=http://a/b.apkovl.tar.gz"),
            format!("{own} alpine_repo={base}/apks {modloop} apkovl=http://a/b.apkovl.tar.gz")
        );
        assert_eq!(
            line(entry, Transport::Http, "alpine_repo=http://a/main"),
            format!("{own} {modloop} alpine_repo=http://a/main")
        );
        let refusal = entry.check(Transport::Nfs, "").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "its initramfs (Alpine's) fetches the root over HTTP only"
        );
        assert_eq!(entry.notes, []);
    }

    #[test]
    fn each_kernel_of_the_netboot_archive_has_its_own_modules() {
        let found = detected(&[
            ("boot/initramfs-lts", "i"),
            ("boot/initramfs-virt", "i"),
            ("boot/modloop-lts", "mm"),
            ("boot/modloop-virt", "m"),
            ("boot/vmlinuz-lts", "k"),
            ("boot/vmlinuz-virt", "k"),
            ("boot/vmlinuz-without", "k"),
        ]);
        let shown: Vec<String> = found
            .entries
            .iter()
            .map(|entry| line(entry, Transport::Http, ""))
            .collect();
        let expected = ["lts", "virt"].map(|flavour| {
            format!(
                "modules=loop,squashfs quiet {NETWORK} \
                 modloop=http://192.168.0.1/iso/disc/boot/modloop-{flavour}"
            )
        });
        assert_eq!(shown, expected);
        let note = found.entries[0].notes[0].to_string();
        let said = "what it starts from is not on the medium: name it with --append \
            alpine_repo=http://…/main";
        assert_eq!(note, said);
    }

    #[test]
    fn its_modules_show_whether_an_initramfs_can_use_the_network() {
        let sentences = |modules: &[&str]| -> Vec<String> {
            let paths: Vec<String> = modules
                .iter()
                .map(|name| format!("lib/modules/6.6.31-0-lts/kernel/{name}.ko.gz"))
                .collect();
            let files: Vec<(&str, &[u8])> =
                paths.iter().map(|path| (path.as_str(), &b""[..])).collect();
            let contents = list(&cpio(&files)[..]).unwrap();
            let lacks = lacks(&contents, "boot/initramfs-lts");
            lacks.iter().map(ToString::to_string).collect()
        };
        let iso = ["loop", "squashfs", "virtio_net", "nfit", "nd_pmem"];
        let cannot = "its initramfs cannot use the network: boot/initramfs-lts has no";
        assert_eq!(
            sentences(&iso),
            [format!("{cannot} kernel module af_packet")]
        );
        let with = |more: &[&'static str]| sentences(&[&iso, more].concat());
        assert_eq!(
            with(&["af_packet"]),
            [format!("{cannot} network driver besides virtio's")]
        );
        assert_eq!(with(&["af_packet", "e1000e"]), [""; 0]);
        assert_eq!(sentences(&[]), [""; 0]);
    }

    #[test]
    fn an_initramfs_without_modules_beside_it_is_not_alpines() {
        for left_out in ["boot/modloop-lts", "boot/initramfs-lts", "boot/vmlinuz-lts"] {
            let files: Vec<(&str, &str)> = ISO
                .into_iter()
                .filter(|(path, _)| *path != left_out)
                .collect();
            assert!(
                detect(medium(&tree(&files), "disc", "X")).is_none(),
                "{left_out}"
            );
        }
    }
}
