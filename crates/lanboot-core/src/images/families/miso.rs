//! The miso family: Manjaro, Garuda before it took dracut, Artix' early images. Recognised by
//! `BASE/CPU/rootfs.sfs`. Its hooks are archiso's of 2016 with four squashfs files, of which all that
//! exist are layers of the root.
//!
//! Read in garuda-tools (`initcpio/hooks/miso`, `miso_pxe_common`, `miso_pxe_http`, `miso_pxe_nfs`,
//! `miso_pxe_nbd`; `data/dracut`: its later initramfs, which knows disks only) and manjaro-tools
//! (`data/grub/kernels.cfg`: the menu).

use std::sync::Arc;

use crate::boot_config::{MenuEntry, file_names};
use crate::images::arguments::NetworkArgs;
use crate::images::detection::Detection;
use crate::images::entry::{Boot, Entry, Examiner, Fetch, Fetched, Refusal, RootSource};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::lack::{self, Lack, Part};
use crate::images::medium::Medium;
use crate::images::own_menu::{Choice, Common, Pair};
use crate::images::transport::Transport;
use crate::initramfs::Contents;
use crate::vfs::{Content, Kind, Tree};

/// Manjaro and kin.
pub(super) static FAMILY: Family = Family {
    name: "miso",
    detect,
    // Both are named by arguments.
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// Names of the layers, the uppermost first, in the order the hook fetches them.
const LAYERS: [&str; 4] = ["livefs", "mhwdfs", "desktopfs", "rootfs"];
/// The processors there have been images for.
const CPUS: [&str; 2] = ["x86_64", "i686"];
/// Most folders at the top of a medium that are looked at.
const MAX_FOLDERS: usize = 64;

/// Keys of arguments that are never inherited: where the root comes from, and where changes are kept.
const DECIDED_HERE: [&str; 17] = [
    "misobasedir",
    "misolabel",
    "misodevice",
    "miso_http_srv",
    "miso_nfs_srv",
    "miso_nbd_srv",
    "miso_nbd_name",
    "img_dev",
    "img_loop",
    "cow_device",
    "cow_label",
    "copytoram",
    "root",
    "ip",
    "BOOTIF",
    "net.ifnames",
    "fromhd",
];

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 3] = ["nomodeset", "nonfree", "fromhd"];

/// Arguments where no menu can be read: the choice of free graphics drivers, which the hooks of
/// `mhwd-live` read.
const CONVENTIONAL: [&str; 4] = [
    "driver=free",
    "nouveau.modeset=1",
    "i915.modeset=1",
    "radeon.modeset=1",
];

/// Recognises a medium of the miso family.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    let (base, cpu) = base(tree)?;
    let folder = format!("{base}/{cpu}");
    let config = medium.menus();
    let choice = Choice {
        is_usable: &|entry: &MenuEntry| entry.argument("misobasedir").is_some(),
        mode: &|entry| match entry.argument("driver") {
            Some("nonfree") => "nonfree",
            _ => "",
        },
        variants: &VARIANTS,
    };
    let mut pairs = choice.pairs(tree, config);
    if pairs.is_empty() {
        pairs = conventional(tree, &cpu).into_iter().collect();
    }
    let there = LAYERS.map(|name| format!("{folder}/{name}.sfs"));
    let layers: Vec<String> = there
        .into_iter()
        .filter(|p| tree.file(p).is_some())
        .collect();
    let sizes = layers.iter().filter_map(|path| tree.file(path));
    let bytes = sizes.map(Content::len).fold(0, u64::saturating_add);
    let common = Common {
        medium,
        root: Some((format!("{folder}/rootfs.sfs"), bytes)),
        source: Arc::new(Miso { base, layers }),
        decided_here: &DECIDED_HERE,
        notes: Vec::new(),
    };
    (!pairs.is_empty()).then(|| Detection {
        family: Some("miso"),
        evidence: vec![Evidence::Mark],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// Finds the folder with the root, and the processor it is for.
fn base(tree: &Tree) -> Option<(String, String)> {
    let folders = tree.entries(Tree::ROOT).iter().filter_map(|(name, id)| {
        let is_folder = matches!(tree.node(*id)?.kind, Kind::Directory(_));
        std::str::from_utf8(name).ok().filter(|_| is_folder)
    });
    let plain = folders.filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    plain.take(MAX_FOLDERS).find_map(|base| {
        let root = |cpu: &&str| tree.file(&format!("{base}/{cpu}/rootfs.sfs")).is_some();
        let cpu = CPUS.into_iter().find(root)?;
        Some((base.to_owned(), cpu.to_owned()))
    })
}

/// Returns the pair by the names manjaro-tools has always used, where no menu names it: its menus
/// build their arguments in loops.
fn conventional(tree: &Tree, cpu: &str) -> Option<Pair> {
    let files: Vec<&str> = file_names(tree, "boot").collect();
    let find = |name: String| files.iter().find(|file| **file == name);
    let kernel = find(format!("vmlinuz-{cpu}"))?;
    let initrd = find(format!("initramfs-{cpu}.img"))?;
    let microcode = ["intel_ucode.img", "amd_ucode.img"].into_iter();
    let microcode = microcode.filter(|name| files.contains(name));
    let initrd = microcode.chain([*initrd]);
    Some(Pair {
        kernel: format!("boot/{kernel}"),
        initrd: initrd.map(|name| format!("boot/{name}")).collect(),
        arguments: CONVENTIONAL.map(str::to_owned).into(),
        mode: String::new(),
    })
}

/// An initramfs with miso's hooks.
#[derive(Clone, Debug)]
struct Miso {
    /// The folder the hooks look into.
    base: String,
    /// Paths of the layers, in the order they are fetched.
    layers: Vec<String>,
}

impl RootSource for Miso {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let (server, image) = (boot.source.server, boot.source.image);
        let (address, host) = (server.http.host, server.http.url_host());
        let mut words = entry.inherited.clone();
        words.push(format!("misobasedir={}", self.base));
        match boot.transport {
            // The hook concatenates, so the slash at the end is part of the contract.
            Transport::Http => words.push(format!("miso_http_srv={}/iso/{image}/", server.http)),
            Transport::Nfs => words.push(format!("miso_nfs_srv={host}:/iso/{image}")),
            Transport::Nbd => {
                let name = boot.source.identity.pinned_name(image);
                words.extend([
                    format!("miso_nbd_srv={address}"),
                    format!("miso_nbd_name={name}"),
                ]);
            }
        }
        if self.streams(boot.transport, boot.append) && copies(boot.append).is_none() {
            words.push("copytoram=n".to_owned());
        }
        words.extend(NetworkArgs::Dhcp.words(boot.dialect, address));
        words.push("net.ifnames=0".to_owned());
        words.extend(boot.append.split_whitespace().map(str::to_owned));
        words
    }

    fn check(&self, transport: Transport, append: &str) -> Result<(), Refusal> {
        match (transport, copies(append)) {
            (Transport::Http, Some(false)) => Err(Refusal::CopyToRamOff),
            _ => Ok(()),
        }
    }

    /// Over NFS the hook copies unless an argument forbids it. Over NBD nothing is known of its
    /// `nbd-client`, which stays in the foreground since nbd 3.27: the root is copied.
    fn streams(&self, transport: Transport, append: &str) -> bool {
        match transport {
            Transport::Http => false,
            Transport::Nfs => copies(append) != Some(true),
            Transport::Nbd => copies(append) == Some(false),
        }
    }

    fn is_proven(&self, transport: Transport) -> bool {
        transport != Transport::Nbd
    }

    fn fetches(&self, _entry: &Entry, _root: &str, _append: &str) -> Vec<Fetch> {
        let files = self.layers.iter();
        let fetches = files.map(|path| Fetch {
            file: Fetched::File(path.clone()),
            required: true,
        });
        fetches.collect()
    }

    /// Over HTTP what is downloaded stays beside the copy the system starts from.
    fn copied_bytes(&self, root_bytes: u64, transport: Transport, _append: &str) -> u64 {
        match transport {
            Transport::Http => root_bytes.saturating_mul(2),
            Transport::Nfs | Transport::Nbd => root_bytes,
        }
    }

    fn sysappend(&self) -> u32 {
        NetworkArgs::Dhcp.sysappend()
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(lacks)
    }
}

/// Returns whether `append` asks for a copy of the root in memory; `None` where it says nothing.
fn copies(append: &str) -> Option<bool> {
    let mut words = append.split_whitespace().rev();
    words.find_map(|word| match word.strip_prefix("copytoram")? {
        "" => Some(true),
        value => value.strip_prefix('=').map(|value| value != "n"),
    })
}

/// Returns what the initramfs at `path` lacks. One without any hook of mkinitcpio's is dracut's.
fn lacks(contents: &Contents, path: &str) -> Vec<Lack> {
    let hook = |name: &str| {
        let has = contents.has_hook(name) == Some(true);
        (!has).then(|| format!("hook {name}"))
    };
    let program = |name: &str| (!contents.has_program(name)).then(|| format!("program {name}"));
    let missing = [
        (
            Part::NetworkHook,
            hook("miso_pxe_common").or_else(|| program("ipconfig")),
        ),
        (
            Part::Http,
            hook("miso_pxe_http").or_else(|| program("curl")),
        ),
        (
            Part::Nfs,
            hook("miso_pxe_nfs").or_else(|| program("nfsmount")),
        ),
        (
            Part::Nbd,
            hook("miso_pxe_nbd").or_else(|| program("nbd-client")),
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

    /// The files of manjaro-xfce-21.3-minimal.iso; its menus build their arguments in loops.
    const MANJARO: [(&str, &str); 9] = [
        ("boot/amd_ucode.img", "a"),
        ("boot/grub/kernels.cfg", KERNELS),
        ("boot/initramfs-x86_64.img", "iii"),
        ("boot/intel_ucode.img", "n"),
        ("boot/vmlinuz-x86_64", "k"),
        ("manjaro/x86_64/desktopfs.sfs", "dd"),
        ("manjaro/x86_64/livefs.sfs", "l"),
        ("manjaro/x86_64/mhwdfs.sfs", "mmm"),
        ("manjaro/x86_64/rootfs.sfs", "rrrr"),
    ];
    /// `data/grub/kernels.cfg` of manjaro-tools.
    const KERNELS: &str = "if cpuid -l; then\nhavekernel=\"Y\"\ntitle=\"\"\n\
        for kopt in x86_64 $kopts  misobasedir=manjaro misolabel=M213 nouveau.modeset=1 \
        i915.modeset=1 radeon.modeset=1; do\n if [ -n \"$title\" ] ; then\n\
        \x20 title=\"$title $kopt\";\n else\n  title=\"$kopt\";\n fi;\ndone\n\
        menuentry \"From CD/DVD/ISO: Manjaro-x86_64 \" --class=Manjaro-x86_64 \"$title\" {\n\
        linux /boot/vmlinuz-$2\ninitrd /boot/initramfs-x86_64.img\n}\nfi\n";

    #[test]
    fn manjaros_layers_are_fetched_or_mounted() {
        let found = detected(&MANJARO);
        assert_eq!(found.family_name(), "miso");
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!(
            linux(entry).initrd,
            [
                "boot/intel_ucode.img",
                "boot/amd_ucode.img",
                "boot/initramfs-x86_64.img"
            ]
        );
        let own = "driver=free nouveau.modeset=1 i915.modeset=1 radeon.modeset=1 \
                   misobasedir=manjaro";
        let network = "ip=dhcp BOOTIF=01-${netX/mac:hexhyp} net.ifnames=0";
        assert_eq!(
            line(entry, Transport::Http, "lang=de_DE"),
            format!("{own} miso_http_srv=http://192.168.0.1/iso/disc/ {network} lang=de_DE")
        );
        assert_eq!(
            line(entry, Transport::Nfs, ""),
            format!("{own} miso_nfs_srv=192.168.0.1:/iso/disc copytoram=n {network}")
        );
        assert_eq!(
            line(entry, Transport::Nbd, ""),
            format!(
                "{own} miso_nbd_srv=192.168.0.1 miso_nbd_name=disc@{} {network}",
                "0".repeat(32)
            )
        );
        let fetched: Vec<Fetched> = entry
            .fetches(Transport::Http, "")
            .into_iter()
            .map(|fetch| fetch.file)
            .collect();
        let layers = ["livefs", "mhwdfs", "desktopfs", "rootfs"];
        let layers = layers.map(|name| Fetched::File(format!("manjaro/x86_64/{name}.sfs")));
        assert_eq!(fetched, layers);
        assert_eq!(entry.root_bytes, 2 + 1 + 3 + 4);
        assert!(entry.streams(Transport::Nfs, "") && !entry.streams(Transport::Nbd, ""));
        assert!(!entry.streams(Transport::Nfs, "copytoram"));
        assert_eq!(
            entry.check(Transport::Http, "copytoram=n"),
            Err(Refusal::CopyToRamOff)
        );
        assert!(!entry.is_proven(Transport::Nbd));
    }

    #[test]
    fn a_menu_that_names_its_arguments_counts() {
        let menu = "menuentry \"Boot with open source drivers\" {\n\
            linux /boot/vmlinuz-x86_64 misobasedir=garuda misolabel=GARUDA quiet driver=free\n\
            initrd /boot/intel_ucode.img /boot/initramfs-x86_64.img\n}\n\
            menuentry \"Boot with proprietary drivers\" {\n\
            linux /boot/vmlinuz-x86_64 misobasedir=garuda misolabel=GARUDA quiet driver=nonfree\n\
            initrd /boot/intel_ucode.img /boot/initramfs-x86_64.img\n}\n";
        let found = detected(&[
            ("boot/grub/grub.cfg", menu),
            ("boot/initramfs-x86_64.img", "i"),
            ("boot/intel_ucode.img", "n"),
            ("boot/vmlinuz-x86_64", "k"),
            ("garuda/x86_64/rootfs.sfs", "r"),
        ]);
        let ids: Vec<&str> = found.entries.iter().map(|e| e.id.as_str()).collect();
        assert_eq!(ids, ["disc", "disc-nonfree"]);
        assert_eq!(
            line(&found.entries[1], Transport::Http, ""),
            "quiet driver=nonfree misobasedir=garuda miso_http_srv=http://192.168.0.1/iso/disc/ \
             ip=dhcp BOOTIF=01-${netX/mac:hexhyp} net.ifnames=0"
        );
    }

    #[test]
    fn an_initramfs_of_dracuts_cannot_use_the_network() {
        let sentences = |files: &[&str]| -> Vec<String> {
            let files: Vec<(&str, &[u8])> = files.iter().map(|name| (*name, &b""[..])).collect();
            let contents = list(&cpio(&files)[..]).unwrap();
            let lacks = lacks(&contents, "boot/initramfs-x86_64.img");
            lacks.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            sentences(&[
                "usr/bin/sh",
                "usr/lib/dracut/hooks/cmdline/30-parse-miso.sh"
            ])[0],
            "its initramfs cannot use the network: boot/initramfs-x86_64.img has no hook \
             miso_pxe_common"
        );
        let whole = [
            "hooks/miso_pxe_common",
            "hooks/miso_pxe_http",
            "hooks/miso_pxe_nbd",
            "hooks/miso_pxe_nfs",
            "usr/bin/curl",
            "usr/bin/ipconfig",
            "usr/bin/nbd-client",
            "usr/bin/nfsmount",
        ];
        assert_eq!(sentences(&whole), [""; 0]);
        assert_eq!(
            sentences(&[&whole[..4], &whole[5..]].concat()),
            [
                "its initramfs cannot fetch the root over HTTP: boot/initramfs-x86_64.img has no \
                 program curl"
            ]
        );
    }

    #[test]
    fn without_root_or_kernel_it_is_none() {
        for missing in ["manjaro/x86_64/rootfs.sfs", "boot/vmlinuz-x86_64"] {
            let files = MANJARO.iter().filter(|(path, _)| *path != missing);
            let tree = tree(&files.copied().collect::<Vec<_>>());
            assert!(detect(medium(&tree, "disc", "X")).is_none(), "{missing}");
        }
    }
}
