//! The dracut live family: Fedora's spins, Void, Universal Blue, Harvester, Kairos and others whose
//! initramfs has dracut's module `dmsquash-live`. Recognised by what is on the medium: a menu that
//! starts a kernel with `root=live:…` or `rd.live.image`, and the image of the root that this entry
//! names. Kernel, initramfs and arguments come from those menus as pairs; where the root comes from
//! is rewritten for the network.
//!
//! Read in dracut 059 (Debian 12), 106 (Debian 13) and 112: `dmsquash-live`, `livenet`, `url-lib`,
//! `overlayfs`, `nbd`, `nfs`, `net-lib`. Menus as lorax (`live/config_files/x86`), void-mklive,
//! kiwi, elemental and AuroraBoot write them. kiwi's own live module instead of `dmsquash-live` has the
//! same menus and another way to its root ([`kiwi`]).

mod arguments;
mod kiwi;
mod layout;
mod pairs;
mod root_source;

use std::sync::Arc;

use crate::images::cpu::Cpu;
use crate::images::detection::Detection;
use crate::images::entry::{Entry, EntryKind, Linux, Note};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::kernel::kernel_cpu;
use crate::images::medium::{Medium, Whole, file_bytes};
use crate::images::naming::{self, Naming};
use crate::images::test_boot::TestBoot;
use crate::pe;
use crate::vfs::Content;
use pairs::Pair;
use root_source::DracutLive;

/// Fedora live, and what is built like it.
pub(super) static FAMILY: Family = Family {
    name: "dracut live",
    detect,
    // `root=` and `netroot=` name the image, and without them there is none.
    mount_paths: &[],
    disk_names: &[],
    boots: BOOTS,
};

const OF_12: &str = "Debian 12 with dracut 059";
const OF_SID: &str = "Debian sid with dracut 112";
const OF_KIWI: &str = "Debian sid with kiwi 11";

/// Boots of live systems made of Debian's packages.
const BOOTS: &[TestBoot] = {
    use crate::images::cpu::Firmware::{Bios64, X64Uefi};
    use crate::images::entry_kind::MenuLoader::Ipxe;
    use crate::images::transport::Transport::{Http, Nbd, Nfs};
    &[
        TestBoot::over("dracut-059", OF_12, Bios64, Ipxe, Http),
        TestBoot::over("dracut-059-nfs", OF_12, Bios64, Ipxe, Nfs),
        TestBoot::over("dracut-059-nbd", OF_12, Bios64, Ipxe, Nbd),
        TestBoot::over("dracut-059-uefi", OF_12, X64Uefi, Ipxe, Http),
        TestBoot::over("dracut-059-uefi-nfs", OF_12, X64Uefi, Ipxe, Nfs),
        TestBoot::over("dracut-sid", OF_SID, Bios64, Ipxe, Http),
        TestBoot::over("dracut-sid-uefi", OF_SID, X64Uefi, Ipxe, Http),
        TestBoot::over("dracut-sid-uefi-nfs", OF_SID, X64Uefi, Ipxe, Nfs),
        TestBoot::over("kiwi", OF_KIWI, Bios64, Ipxe, Http),
        TestBoot::over("kiwi-uefi-nbd", OF_KIWI, X64Uefi, Ipxe, Nbd),
    ]
};

/// Recognises a medium that boots with dracut's `dmsquash-live`.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let config = medium.menus();
    let mut pairs = pairs::pairs(medium, config);
    let shown_by = match pairs.is_empty() {
        true => Evidence::Names,
        false => Evidence::Menu,
    };
    if pairs.is_empty() {
        pairs = pairs::conventional(medium).into_iter().collect();
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
    Some(Detection {
        family: Some("dracut live"),
        evidence: vec![shown_by],
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

/// Returns the processor of a pair's kernel, x86-64 where its headers do not say; `None` where it is
/// one that is not known here.
fn cpu_of(medium: Medium<'_>, pair: &Pair) -> Option<Cpu> {
    let kernel = medium.tree.file(&pair.kernel)?;
    kernel_cpu(kernel, medium.read).or_else(|| {
        let is_other = pe::Program::parse(kernel, medium.read).is_some();
        (!is_other).then_some(Cpu::X86_64)
    })
}

/// Where kiwi puts kernel and initramfs: `boot/x86_64/loader/linux`.
const KIWI_FOLDER: &str = "/loader/";

/// Returns the entry of one pair; `parts` follow the image's name in its own.
fn entry(medium: Medium<'_>, (pair, cpu): (&Pair, Cpu), parts: &[String]) -> Entry {
    let tree = medium.tree;
    let kernel = tree.file(&pair.kernel);
    let signed = kernel.map(|kernel| pe::signed(kernel, medium.read));
    let files = pair.initrd.iter().filter_map(|path| tree.file(path));
    let (id, title) = naming::id_and_title(medium.name, parts);
    let menu = arguments::Menu::of(&pair.arguments);
    let notes = menu.is_container.then_some(Note::NotBooted);
    Entry {
        id,
        title,
        volume: medium.label.to_owned(),
        cpu,
        inherited: arguments::inherited_from(&pair.arguments),
        notes: notes.into_iter().collect(),
        kind: EntryKind::Linux(Linux {
            kernel: pair.kernel.clone(),
            initrd: pair.initrd.clone(),
        }),
        root_source: Arc::new(DracutLive {
            disk: arguments::disk(&pair.arguments, medium.label),
            place: pair.root.place(),
            overlay: menu.overlay || pair.root.is_flat,
            is_container: menu.is_container,
            image_bytes: match medium.whole {
                Whole::Disc(bytes) => bytes,
                // Its files are part of the image; of a folder there is none, and none is offered.
                Whole::Drive | Whole::Files => file_bytes(medium.tree),
            },
            has_kiwi_layout: pair.kernel.contains(KIWI_FOLDER),
        }),
        root: Some(pair.root.path.clone()),
        root_bytes: pair.root.bytes,
        initrd_bytes: files.map(Content::len).sum(),
        lacks: Vec::new(),
        signed: signed.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
