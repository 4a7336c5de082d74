//! The live-boot family: Debian live and what is built like it (Kali, Parrot, LMDE, Devuan, grml,
//! GParted, Clonezilla, VyOS, Tails). Recognised by what is on the medium: a squashfs in `live` (or
//! in the folder its menus name with `live-media-path=`), and a kernel that its menus start with
//! `boot=live`. Kernel, initramfs and arguments come from those menus as pairs; where the root comes
//! from is rewritten for the network.
//!
//! Read in live-boot 20230131+deb12u1 (Debian 12) and 20250815 (Debian 13 and later), whose network
//! scripts are the same, in live-build 20230502 and in klibc 2.0.12.

mod arguments;
mod evidence;
mod layout;
mod pairs;
mod root_source;

use std::sync::Arc;

use crate::images::cpu::Cpu;
use crate::images::detection::Detection;
use crate::images::entry::{Entry, RootSource};
use crate::images::entry_kind::{EntryKind, Linux};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::in_memory::{InMemory, RAMFS};
use crate::images::kernel::kernel_cpu;
use crate::images::lack::{Lack, Part, ShownBy};
use crate::images::medium::{Medium, file_bytes};
use crate::images::naming::{self, Naming};
use crate::images::overlay::Overlay;
use crate::images::test_boot::TestBoot;
use crate::pe;
use crate::vfs::{Content, Tree};
use layout::Root;
use pairs::Pair;
use root_source::LiveBoot;

/// Debian live, and what is built like it.
pub(super) static FAMILY: Family = Family {
    name: "live-boot",
    detect,
    // `nfsroot=` names the path, and without it there is none.
    mount_paths: &[],
    disk_names: &[],
    boots: BOOTS,
};

/// The name of Tails' media.
const OF_TAILS: &str = "live-boot (Tails)";
const DEBIAN_12: &str = "Debian 12";
const DEBIAN_13: &str = "Debian 13";
const LIKE_TAILS: &str = "Debian 12 laid out as Tails";

/// Boots of live systems made of Debian's packages.
const BOOTS: &[TestBoot] = {
    use crate::images::cpu::Firmware::{Bios64, X64Uefi};
    use crate::images::entry_kind::MenuLoader::{Grub, Ipxe, Pxelinux};
    use crate::images::transport::Transport::{Http, Nfs};
    &[
        TestBoot::over("live", DEBIAN_12, Bios64, Ipxe, Http),
        TestBoot::over("live-nfs", DEBIAN_12, Bios64, Ipxe, Nfs),
        TestBoot::over("live-pxelinux", DEBIAN_12, Bios64, Pxelinux, Http),
        TestBoot::over("live-uefi", DEBIAN_12, X64Uefi, Ipxe, Http),
        TestBoot::over("live-uefi-nfs", DEBIAN_12, X64Uefi, Ipxe, Nfs),
        TestBoot::over("live-secure", DEBIAN_12, X64Uefi, Grub, Http).secure(),
        TestBoot::over("live-13", DEBIAN_13, Bios64, Ipxe, Http),
        TestBoot::over("live-13-nfs", DEBIAN_13, Bios64, Ipxe, Nfs),
        TestBoot::over("live-13-uefi", DEBIAN_13, X64Uefi, Ipxe, Http),
        TestBoot::over("live-13-uefi-nfs", DEBIAN_13, X64Uefi, Ipxe, Nfs),
        TestBoot::over("live-13-secure", DEBIAN_13, X64Uefi, Grub, Http).secure(),
        TestBoot::ram_disk("live-13-whole", DEBIAN_13, X64Uefi),
        TestBoot::new("overlay", LIKE_TAILS, Bios64, Ipxe).of(OF_TAILS),
        TestBoot::new("overlay-pxelinux", LIKE_TAILS, Bios64, Pxelinux).of(OF_TAILS),
        TestBoot::new("overlay-uefi", LIKE_TAILS, X64Uefi, Ipxe).of(OF_TAILS),
        TestBoot::new("overlay-secure", LIKE_TAILS, X64Uefi, Grub)
            .secure()
            .of(OF_TAILS),
    ]
};

/// Files that mark the media of one maker.
const VARIANTS: [(&str, &str); 3] = [
    (TAILS, "live-boot (Tails)"),
    ("Clonezilla-Live-Version", "live-boot (Clonezilla)"),
    ("GParted-Live-Version", "live-boot (GParted)"),
];

/// Tails leaves every network driver out of its initramfs. The image is put into it, and live-boot
/// mounts it like a disk (`check_dev` in `9990-misc-helpers.sh`).
const TAILS: &str = "live/Tails.module";

/// Recognises a medium that boots with live-boot.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    let has_live = tree.is_directory(layout::LIVE);
    let config = medium.menus();
    let mut pairs = pairs::pairs(tree, medium.read, config);
    let shown_by = match pairs.is_empty() {
        true => Evidence::Names,
        false => Evidence::Menu,
    };
    if pairs.is_empty() && has_live {
        pairs = pairs::conventional(tree, medium.read);
    }
    let known = pairs
        .iter()
        .filter_map(|pair| Some((pair, cpu_of(medium, pair)?)));
    let known: Vec<(&Pair, Cpu)> = known.collect();
    if known.is_empty() {
        return None;
    }
    let names: Vec<Naming<'_>> = known.iter().map(naming_of).collect();
    let names = naming::names(&names);
    let named = known.into_iter().zip(names);
    let variant = VARIANTS.iter().find(|(file, _)| tree.file(file).is_some());
    Some(Detection {
        family: Some(variant.map_or("live-boot", |(_, name)| name)),
        evidence: variant
            .map(|_| Evidence::Mark)
            .into_iter()
            .chain([shown_by])
            .collect(),
        entries: named
            .map(|(one, parts)| entry(medium, one, &parts))
            .collect(),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

fn naming_of<'a>((pair, cpu): &(&'a Pair, Cpu)) -> Naming<'a> {
    Naming {
        cpu: *cpu,
        kernel: &pair.kernel,
        initrd: &pair.initrd,
        root: &pair.root.path,
        mode: &pair.mode,
    }
}

/// The processor of a pair's kernel; `None` where it is one that is not known here.
fn cpu_of(medium: Medium<'_>, pair: &Pair) -> Option<Cpu> {
    let kernel = medium.tree.file(&pair.kernel)?;
    kernel_cpu(kernel, medium.read).or_else(|| {
        // A UEFI program names its processor, so that one is not known.
        let is_other = pe::Program::parse(kernel, medium.read).is_some();
        (!is_other).then(|| named_cpu(&pair.kernel))
    })
}

/// Returns the processor that a kernel's path names, x86-64 where it names none.
fn named_cpu(path: &str) -> Cpu {
    let path = path.to_ascii_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| path.contains(word));
    if names(&["arm64", "aarch64"]) {
        Cpu::Aarch64
    } else if names(&["686", "586", "486", "386", "grml32"]) && !names(&["x86_64"]) {
        Cpu::I686
    } else {
        Cpu::X86_64
    }
}

/// Returns the entry of one pair; `parts` follow the image's name in its own.
fn entry(medium: Medium<'_>, (pair, cpu): (&Pair, Cpu), parts: &[String]) -> Entry {
    let Medium {
        tree, name, read, ..
    } = medium;
    let signed = tree
        .file(&pair.kernel)
        .map(|kernel| pe::signed(kernel, read));
    let files = pair.initrd.iter().filter_map(|path| tree.file(path));
    let initrd_bytes = files.map(Content::len).sum();
    let (id, title) = naming::id_and_title(name, parts);
    let live_boot = LiveBoot {
        folder: pair.root.folder.clone(),
        layers: pair.root.layers,
        medium_bytes: file_bytes(tree),
    };
    let (root_source, root): (Arc<dyn RootSource>, _) = match tree.file(TAILS) {
        Some(_) => (Arc::new(in_memory(medium, &pair.root)), None),
        None => (Arc::new(live_boot), Some(pair.root.path.clone())),
    };
    Entry {
        id,
        title,
        volume: medium.label.to_owned(),
        cpu,
        inherited: arguments::inherited_from(&pair.arguments),
        notes: Vec::new(),
        kind: EntryKind::Linux(Linux {
            kernel: pair.kernel.clone(),
            initrd: pair.initrd.clone(),
        }),
        root_source,
        root_bytes: root.as_ref().map_or(0, |_| pair.root.bytes),
        root,
        initrd_bytes,
        lacks: lacks(tree),
        signed: signed.unwrap_or_default(),
    }
}

/// Path of the image in an initramfs that cannot use the network.
const IN_INITRAMFS: &str = "medium.iso";

/// Returns how an initramfs without network finds its system: in the image that is put into it.
fn in_memory(medium: Medium<'_>, root: &Root) -> InMemory {
    let mut words = vec![
        format!("live-media=/{IN_INITRAMFS}"),
        // Any offset makes live-boot load the module `loop`, without which it cannot mount a file.
        "live-media-offset=0".to_owned(),
        RAMFS.to_owned(),
    ];
    if root.folder != layout::LIVE {
        words.push(format!("live-media-path={}", root.folder));
    }
    InMemory {
        overlay: Overlay::of_image(IN_INITRAMFS, medium),
        words,
    }
}

/// Returns what is known of the initramfs before it is examined.
fn lacks(tree: &Tree) -> Vec<Lack> {
    let tails = tree.file(TAILS).map(|_| Lack {
        part: Part::NetworkDriver,
        missing: "network driver".into(),
        shown_by: ShownBy::Marker(TAILS.into()),
    });
    tails.into_iter().collect()
}

#[cfg(test)]
mod tests;
