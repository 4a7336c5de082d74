//! Media whose own file system is the root: an ISO 9660 with a system on it, file by file, whose menu
//! names it by the volume's label or number (`root=LABEL=…`) and whose initramfs is dracut's. The root
//! comes over NFS or from a network disk, by dracut's modules `nfs` and `nbd`; nothing in dracut copies
//! a medium like this.
//!
//! Changes go to memory where the initramfs has something that does that: systemd's
//! `systemd-volatile-root` for a disk, dracut's modules `overlay-root` and `overlayfs`. Where it has not, the
//! system starts with a root it cannot write to, as it does from the disc.
//!
//! Read in dracut 059 (Debian 12) and 112: `nbd` (`parse-nbdroot.sh`, `nbdroot.sh`,
//! `nbd-generator.sh`), `nfs` (`parse-nfsroot.sh`, `nfs-lib.sh`), `network` (`netroot.sh`),
//! `overlay-root`, `overlayfs`; in systemd 252 and 260: `fstab-generator.c`, `volatile-root.c`.

use std::sync::Arc;

use crate::boot_config::MenuEntry;
use crate::images::arguments::NetworkArgs;
use crate::images::detection::Detection;
use crate::images::dracut_evidence;
use crate::images::entry::{Boot, Entry, Examiner, Fetch, Fetched, Refusal, RootSource};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::{Medium, Whole, file_bytes};
use crate::images::own_menu::{self, Choice, Common};
use crate::images::test_boot::TestBoot;
use crate::images::transport::Transport;
use crate::initramfs::Contents;
use crate::vfs::Tree;

/// Systems that run from their medium.
pub(super) static FAMILY: Family = Family {
    name: "dracut root",
    detect,
    // `root=` names the medium, and without it there is none.
    mount_paths: &[],
    disk_names: &[],
    boots: BOOTS,
};

const OF_12: &str = "Debian 12 with dracut 059";
const OF_SID: &str = "Debian sid with dracut 112";

/// Boots of systems made of Debian's packages, up to their request for a login.
const BOOTS: &[TestBoot] = {
    use crate::images::cpu::Firmware::{Bios64, X64Uefi};
    use crate::images::entry_kind::MenuLoader::{Grub, Ipxe};
    use crate::images::transport::Transport::{Nbd, Nfs};
    &[
        TestBoot::over("medium-root-nbd", OF_12, Bios64, Ipxe, Nbd),
        TestBoot::over("medium-root-nfs", OF_12, Bios64, Ipxe, Nfs),
        TestBoot::over("medium-root-readonly", OF_12, Bios64, Ipxe, Nfs),
        TestBoot::over("medium-root-uefi-nfs", OF_12, X64Uefi, Ipxe, Nfs),
        TestBoot::over("medium-root-grub-nbd", OF_12, X64Uefi, Grub, Nbd),
        TestBoot::over("medium-root-sid-nbd", OF_SID, Bios64, Ipxe, Nbd),
        TestBoot::over("medium-root-sid-nfs", OF_SID, Bios64, Ipxe, Nfs),
    ]
};

/// The programs that a kernel or an initramfs starts as the first one of a system: systemd, and what
/// any other calls itself.
const INITS: [&str; 4] = [
    "usr/lib/systemd/systemd",
    "lib/systemd/systemd",
    "sbin/init",
    "usr/sbin/init",
];

/// Notations of a root that is a volume, found by its label or number.
const VOLUMES: [&str; 6] = [
    "LABEL=",
    "UUID=",
    "CDLABEL=",
    "block:",
    "/dev/disk/by-label/",
    "/dev/disk/by-uuid/",
];

/// Arguments with which an entry starts something else than the system on the medium.
const OTHERS: [&str; 3] = ["rd.live.image", "liveimg", "boot"];

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 8] = [
    "nomodeset",
    "vga",
    "console",
    "systemd.unit",
    "debug",
    "rd.debug",
    "rd.break",
    "single",
];

/// Arguments that say where the root comes from, how it is mounted or how the network is configured:
/// decided here, never inherited.
const DECIDED_HERE: [&str; 22] = [
    "root",
    "netroot",
    "nfsroot",
    "rootfstype",
    "rootflags",
    "rootdelay",
    "ro",
    "rw",
    "iso-scan/filename",
    "rd.live.overlay",
    "rd.overlay.reset",
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
    "rd.neednet",
];

/// Arguments by which a medium says itself where changes go.
const CHANGES: [&str; 4] = [
    "systemd.volatile",
    "rd.overlay",
    "rd.live.overlay.overlayfs",
    "rootovl",
];

/// Recognises a medium with a system on it that its menu starts.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let init = init(medium.tree)?;
    let config = medium.menus();
    let choice = Choice {
        is_usable: &is_usable,
        mode: &|_| "",
        variants: &VARIANTS,
    };
    let pairs = own_menu::without_copies(medium.tree, choice.pairs(medium.tree, config));
    if pairs.is_empty() {
        return None;
    }
    let bytes = match medium.whole {
        Whole::Disc(bytes) => bytes,
        Whole::Drive | Whole::Files => file_bytes(medium.tree),
    };
    let common = Common {
        medium,
        root: Some((init, bytes)),
        source: Arc::new(DracutMedium {
            over_nfs: None,
            over_nbd: None,
        }),
        decided_here: &DECIDED_HERE,
        notes: Vec::new(),
    };
    Some(Detection {
        family: Some("dracut root"),
        evidence: vec![Evidence::Menu],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// Returns the path of the program that a system on the medium begins with.
fn init(tree: &Tree) -> Option<String> {
    let mut there = INITS.into_iter().filter(|path| tree.file(path).is_some());
    there.next().map(str::to_owned)
}

/// Tests whether an entry starts a system whose root is the medium as a volume.
fn is_usable(entry: &MenuEntry) -> bool {
    let root = entry.argument("root").unwrap_or_default();
    VOLUMES.iter().any(|volume| root.starts_with(volume))
        && OTHERS.iter().all(|key| entry.argument(key).is_none())
}

/// An initramfs of dracut that mounts the medium as its root.
#[derive(Clone, Debug)]
struct DracutMedium {
    /// The argument with which it puts an overlay in memory above a root over NFS, if it can.
    over_nfs: Option<&'static str>,
    /// The same for a network disk.
    over_nbd: Option<&'static str>,
}

/// Configuration of the network, as of dracut's live media.
const NETWORK: NetworkArgs = NetworkArgs::EveryCard;

impl RootSource for DracutMedium {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let (server, image) = (boot.source.server, boot.source.image);
        let (address, host) = (server.http.host, server.http.url_host());
        let append = || boot.append.split_whitespace();
        let mut words = entry.inherited.clone();
        match boot.transport {
            // `nbd:HOST:NAME:TYPE:FLAGS`: what is no number is a name, at the standard port. Without a
            // type the generator leaves the mount's out.
            Transport::Nbd => {
                let name = boot.source.identity.pinned_name(image);
                words.push(format!("root=nbd:{host}:{name}:iso9660:ro"));
            }
            // `nfs:HOST:PATH:OPTIONS`; `nolock` is added there.
            Transport::Nfs => words.push(format!("root=nfs:{host}:/iso/{image}:ro,vers=3")),
            Transport::Http => {}
        }
        // Above the flags in `root=` for the disk, the mount and the started system.
        words.push("ro".to_owned());
        let own = |word: &str| CHANGES.contains(&word.split('=').next().unwrap_or(word));
        if !entry.inherited.iter().any(|word| own(word)) {
            let overlay = match boot.transport {
                Transport::Nfs => self.over_nfs,
                Transport::Nbd => self.over_nbd,
                Transport::Http => None,
            };
            words.extend(overlay.map(str::to_owned));
        }
        let own_address = append().any(|word| word.starts_with("ip="));
        let network = NETWORK.words(boot.dialect, address).into_iter();
        // `parse-ip-opts.sh` stops at `ip=dhcp` beside another `ip=`.
        words.extend(network.filter(|word| !(own_address && word.starts_with("ip="))));
        words.extend(append().map(str::to_owned));
        words
    }

    /// The medium is the root: without its last byte it is not whole.
    fn fetches(&self, _entry: &Entry, _root: &str, _append: &str) -> Vec<Fetch> {
        vec![Fetch {
            file: Fetched::WholeImage,
            required: true,
        }]
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        (transport == Transport::Http).then_some(Refusal::NoDownload("dracut's"))
    }

    fn sysappend(&self) -> u32 {
        NETWORK.sysappend()
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(dracut_evidence::lacks_for_medium)
    }

    /// Other initramfs take the same menus.
    fn needs_contents(&self) -> bool {
        true
    }

    fn with_contents(&self, contents: &Contents) -> Option<Arc<dyn RootSource>> {
        let overlay_over = |transport| dracut_evidence::overlay_argument(contents, transport);
        Some(Arc::new(Self {
            over_nfs: overlay_over(Transport::Nfs),
            over_nbd: overlay_over(Transport::Nbd),
        }))
    }
}

#[cfg(test)]
mod tests;
