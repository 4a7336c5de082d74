//! The archiso family, recognised by what is on the medium: any base folder that holds
//! `<cpu>/airootfs.sfs` or `.erofs` (since 2014), or `aitab` beside `<cpu>/root-image.fs.sfs`
//! (2012 to 2014). Kernel, initramfs and arguments come from the medium's own PXE configuration;
//! where the root comes from is rewritten for the network.

mod arguments;
mod evidence;
mod generation;
mod layout;
mod packages;
mod pairs;
mod root_source;

use std::sync::Arc;

use crate::boot_config::{self, BootConfig};
use crate::images::detection::Detection;
use crate::images::entry::{Entry, Note};
use crate::images::entry_kind::{EntryKind, Linux};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::images::test_boot::TestBoot;
use crate::pe;
use crate::vfs::Content;
use generation::{Generation, Signs};
use layout::{Layout, Root};
use packages::Packages;
use pairs::Pair;
pub(crate) use root_source::Archiso;
#[cfg(test)]
pub(crate) use root_source::NbdRoot;

/// archiso: Arch Linux, SystemRescue and many others.
pub(super) static FAMILY: Family = Family {
    name: "archiso",
    detect,
    // Where archiso mounts its medium, and what the medium's own menu asks for.
    mount_paths: &["/run/archiso/bootmnt"],
    // What the hook `archiso_pxe_nbd` asks for unless the command line says otherwise.
    disk_names: &["archiso"],
    boots: BOOTS,
};

/// The name of media in the layout of 2013.
const OF_2013: &str = "archiso (2013 layout)";
/// Media in the layouts of archiso's releases, whose hooks are rewritten for the tests.
const MADE: &str = "made media";

/// Boots of media in both layouts.
const BOOTS: &[TestBoot] = {
    use crate::images::cpu::Firmware::{Arm64Uefi, Bios32, Bios64, X64Uefi};
    use crate::images::entry_kind::MenuLoader::{Grub, Ipxe, Pxelinux};
    use crate::images::transport::Transport::{Http, Nbd, Nfs};
    &[
        TestBoot::over("ipxe", MADE, Bios64, Ipxe, Http),
        TestBoot::over("lpxelinux", MADE, Bios64, Pxelinux, Http),
        TestBoot::over("nfs", MADE, Bios64, Ipxe, Nfs),
        TestBoot::over("nbd", MADE, Bios64, Ipxe, Nbd),
        TestBoot::over("uefi", MADE, X64Uefi, Ipxe, Http),
        TestBoot::over("uefi-nfs", MADE, X64Uefi, Ipxe, Nfs),
        TestBoot::over("uefi-nbd", MADE, X64Uefi, Ipxe, Nbd),
        TestBoot::over("uefi-grub", MADE, X64Uefi, Grub, Http),
        TestBoot::over("uefi-grub-nfs", MADE, X64Uefi, Grub, Nfs),
        TestBoot::over("http-boot", MADE, X64Uefi, Ipxe, Http),
        TestBoot::ram_disk("http-boot-iso", MADE, X64Uefi),
        TestBoot::over("uefi-only", MADE, X64Uefi, Ipxe, Http),
        TestBoot::over("arm64", MADE, Arm64Uefi, Ipxe, Http),
        TestBoot::over("arch-2013", MADE, Bios64, Pxelinux, Http).of(OF_2013),
        TestBoot::over("arch-2013-ipxe", MADE, Bios64, Ipxe, Http).of(OF_2013),
        TestBoot::over("nfs-2013", MADE, Bios64, Pxelinux, Nfs).of(OF_2013),
        TestBoot::over("nbd-2013", MADE, Bios64, Pxelinux, Nbd).of(OF_2013),
        TestBoot::over("arch-2013-i686", MADE, Bios32, Pxelinux, Http).of(OF_2013),
    ]
};

/// Recognises a medium that archiso made.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    let layout = Layout::find(tree)?;
    let config = boot_config::read(
        tree,
        medium.read,
        &[format!("{}/boot/syslinux", layout.base)],
    );
    let mut found = Detection {
        family: Some(match layout.aitab {
            true => "archiso (2013 layout)",
            false => "archiso",
        }),
        evidence: vec![Evidence::Mark],
        stock: layout.stock(tree),
        pxelinux: layout.pxelinux(tree),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    };
    for root in &layout.roots {
        let entries = entries(medium, &layout, root, &config);
        if entries.is_empty() {
            found.warnings.push(format!(
                "there is a root file system for {} but no kernel with its initramfs",
                root.cpu
            ));
        }
        found.entries.extend(entries);
    }
    Some(found)
}

/// Returns an entry for each kernel that starts this root.
fn entries(medium: Medium<'_>, layout: &Layout, root: &Root, config: &BootConfig) -> Vec<Entry> {
    let mut pairs = pairs::pairs(layout, medium.tree, root.cpu, config);
    if pairs.is_empty() {
        pairs = pairs::conventional(layout, medium.tree, root.cpu);
    }
    let packages = Packages::read(medium.tree, &layout.base, root.cpu, medium.read);
    let generation = Generation::of(&Signs {
        tree: medium.tree,
        aitab: layout.aitab,
        root_folder: root.image.rsplit_once('/').map_or("", |(folder, _)| folder),
        packages: &packages,
        label: medium.label,
        date: medium.date,
    });
    let hooks = Hooks {
        generation,
        packages,
    };
    let suffixes = pairs::suffixes(&pairs);
    let named = pairs.into_iter().zip(suffixes);
    named
        .map(|(pair, suffix)| {
            // What distinguishes it from the medium's other entries.
            let cpu = (layout.roots.len() > 1).then(|| root.cpu.name());
            let suffix = Some(suffix.as_str()).filter(|suffix| !suffix.is_empty());
            let parts: Vec<&str> = [cpu, suffix].into_iter().flatten().collect();
            entry(medium, layout, root, &hooks, pair, &parts)
        })
        .collect()
}

/// The known facts about the hooks in a medium's initramfs files.
struct Hooks {
    generation: Option<Generation>,
    packages: Packages,
}

/// Returns the entry of one pair; `parts` follow the image's name in its own.
fn entry(
    medium: Medium<'_>,
    layout: &Layout,
    root: &Root,
    hooks: &Hooks,
    pair: Pair,
    parts: &[&str],
) -> Entry {
    let Medium {
        tree, name, read, ..
    } = medium;
    let Hooks {
        generation,
        packages,
    } = hooks;
    let signed = tree
        .file(&pair.kernel)
        .map(|kernel| pe::signed(kernel, read));
    let files = pair.initrd.iter().filter_map(|path| tree.file(path));
    let initrd_bytes = files.map(Content::len).sum();
    let (id, title) = match parts {
        [] => (name.to_owned(), name.to_owned()),
        parts => (
            format!("{name}-{}", parts.join("-")),
            format!("{name} ({})", parts.join(", ")),
        ),
    };
    let root_source = Archiso {
        network: Generation::network(*generation),
        extra: arguments::extra(layout, tree, root, &pair.arguments),
        companions: layout.companions(tree, root),
        layer_folders: layout.layer_folders(),
        http_copies: Generation::http_copies(*generation),
        nbd_root: packages.nbd_root(Generation::keeps_nbd(*generation)),
    };
    Entry {
        id,
        title,
        volume: medium.label.to_owned(),
        cpu: root.cpu,
        inherited: arguments::inherited_from(&layout.base, &pair.arguments),
        notes: notes(&pair),
        kind: EntryKind::Linux(Linux {
            kernel: pair.kernel,
            initrd: pair.initrd,
        }),
        root_source: Arc::new(root_source),
        root: Some(root.image.clone()),
        root_bytes: root.bytes,
        initrd_bytes,
        lacks: packages.lacks(),
        signed: signed.unwrap_or_default(),
    }
}

/// Returns what a person should know of the medium's own arguments.
fn notes(pair: &Pair) -> Vec<Note> {
    let mut words = pair.arguments.iter().rev();
    let last = words.find_map(|word| word.strip_prefix("copytoram"));
    let is_off = last.is_some_and(|value| ["=n", "=no", "=0"].contains(&value));
    let menu = pair.menu.clone().unwrap_or_default();
    is_off
        .then_some(Note::CopyToRamOverridden { menu })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests;
