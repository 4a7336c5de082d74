//! Unified kernel images: kernel, initramfs and arguments in one EFI program (UAPI.5). Recognised by
//! the section `.linux` of programs in `EFI/Linux`, at the top of a medium or folder, and of those
//! that loader entries name by `uki` or `efi`. Each profile (`.profile`) is an entry.
//!
//! A loader starts the program as it is. systemd's stub takes the loader's arguments instead of its
//! own unless Secure Boot is on, and the number of a profile before them in any case
//! (`systemd-stub(7)`). Where its initramfs downloads the root (`rd.systemd.pull=`), that comes from
//! here.

mod program;
mod pull;

use std::sync::Arc;

use crate::boot_config::{BootConfig, file_names};
use crate::images::arguments::inherited;
use crate::images::cpu::{Cpu, Firmware};
use crate::images::detection::Detection;
use crate::images::entry::{Entry, Note};
use crate::images::entry_kind::MenuLoader;
use crate::images::entry_kind::{EntryKind, Program, ProgramFile};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::images::naming::{self, Naming};
use crate::images::own_menu::{Choice, Common, Pair};
use crate::images::test_boot::{TestBoot, TestKind};
use crate::images::transport::Transport;
use crate::vfs::Tree;
use program::{Profile, Uki};
use pull::Pulled;

/// Unified kernel images.
pub(super) static FAMILY: Family = Family {
    name: "UKI",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: BOOTS,
};

/// The name of media with a root that is downloaded.
const PULLS: &str = "UKI (systemd.pull)";
const SID: &str = "Debian sid with systemd 262";

/// Boots of a program of ukify's.
const BOOTS: &[TestBoot] = {
    use crate::images::entry_kind::MenuLoader::{Grub, Ipxe};
    &[
        pulls("uki", Ipxe),
        pulls("uki-http", Ipxe),
        pulls("uki-secure", Ipxe).secure(),
        pulls("uki-secure-grub", Grub).secure(),
        TestBoot::ram_disk("sd-boot-secure", SID, Firmware::X64Uefi).secure(),
    ]
};

/// Describes the boot of a program that downloads its root.
const fn pulls(case: &'static str, loader: MenuLoader) -> TestBoot {
    TestBoot::over(case, SID, Firmware::X64Uefi, loader, Transport::Http)
        .kind(TestKind::Program)
        .of(PULLS)
}

/// A profile with the image it is in.
type Start<'a> = (&'a Uki, &'a Profile);

/// Recognises a medium with unified kernel images.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let config = medium.menus();
    let ukis = program::find(medium, config);
    let starts = ukis
        .iter()
        .flat_map(|uki| uki.profiles.iter().map(move |profile| (uki, profile)));
    let starts: Vec<(Start<'_>, Cpu)> = starts
        .filter_map(|start| Some((start, cpu(start.0.firmware)?)))
        .collect();
    let names = starts.iter().map(|((uki, profile), cpu)| Naming {
        cpu: *cpu,
        kernel: &uki.path,
        initrd: &[],
        root: "",
        mode: &profile.id,
    });
    let names = naming::names(&names.collect::<Vec<_>>());
    let starts = starts.into_iter().zip(names);
    let mut entries: Vec<Entry> = starts
        .map(|((start, cpu), parts)| entry(medium, start, cpu, &parts))
        .collect();
    let mut shown_by = Evidence::Program;
    if entries.is_empty() {
        shown_by = Evidence::Menu;
        entries = kernels(medium, config);
    }
    let pulls = entries.iter().any(|entry| entry.root.is_some());
    (!entries.is_empty()).then(|| Detection {
        family: Some(if pulls { "UKI (systemd.pull)" } else { "UKI" }),
        evidence: vec![shown_by],
        entries,
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// Returns the processor of machines with this firmware.
fn cpu(firmware: Firmware) -> Option<Cpu> {
    firmware.cpus().first().copied()
}

/// Returns the entry of one profile; `parts` follow the image's name in its own.
fn entry(medium: Medium<'_>, (uki, profile): Start<'_>, cpu: Cpu, parts: &[String]) -> Entry {
    let (id, named) = naming::id_and_title(medium.name, parts);
    let pulled = Pulled::find(medium, &uki.path, &profile.arguments, profile.number);
    let root = pulled.root();
    let mut notes = vec![Note::OwnArgumentsWithSecureBoot];
    if root.is_none() && profile.arguments.iter().any(|word| is_on_disk(word)) {
        notes.push(Note::OnlyOnMedium(
            "its root, which a disk of the machine has to hold",
        ));
    }
    Entry {
        id,
        title: profile.title.clone().unwrap_or(named),
        volume: medium.label.to_owned(),
        cpu,
        kind: EntryKind::Program(Program {
            files: vec![ProgramFile {
                firmware: uki.firmware,
                path: uki.path.clone(),
            }],
        }),
        inherited: inherited(pulled.others.iter().cloned()),
        root: root.map(|(path, _)| path.to_owned()),
        root_bytes: root.map_or(0, |(_, bytes)| bytes),
        initrd_bytes: uki.initrd_bytes,
        root_source: Arc::new(pulled),
        lacks: Vec::new(),
        notes,
        signed: uki.signed.clone(),
    }
}

/// Makes the entries of kernels whose initramfs is a file of its own, where their menu's arguments
/// download a root, and of what mkosi writes into one folder: `X.vmlinuz`, `X.initrd` and the disk
/// image.
fn kernels(medium: Medium<'_>, config: &BootConfig) -> Vec<Entry> {
    let choice = Choice {
        is_usable: &|entry| entry.argument("rd.systemd.pull").is_some(),
        mode: &|_| "",
        variants: &["nomodeset", "systemd.unit"],
    };
    let mut pairs = choice.pairs(medium.tree, config);
    if pairs.is_empty() {
        pairs.extend(of_mkosi(medium.tree));
    }
    let Some(first) = pairs.first() else {
        return Vec::new();
    };
    let pulled = Pulled::find(medium, &first.kernel, &first.arguments, None);
    let Some((path, bytes)) = pulled.root() else {
        return Vec::new();
    };
    let common = Common {
        medium,
        root: Some((path.to_owned(), bytes)),
        decided_here: pulled.decides(),
        source: Arc::new(pulled),
        notes: Vec::new(),
    };
    common.entries(&pairs)
}

/// Finds kernel and initramfs by the names mkosi gives them.
fn of_mkosi(tree: &Tree) -> Option<Pair> {
    let mut names = file_names(tree, "").filter_map(|name| name.strip_suffix(".vmlinuz"));
    let stem = names.find(|stem| tree.file(&format!("{stem}.initrd")).is_some())?;
    Some(Pair {
        kernel: format!("{stem}.vmlinuz"),
        initrd: vec![format!("{stem}.initrd")],
        arguments: Vec::new(),
        mode: String::new(),
    })
}

/// Tests whether an argument names a root on a disk.
fn is_on_disk(word: &str) -> bool {
    let root = word.strip_prefix("root=").unwrap_or_default();
    let disks = ["UUID=", "PARTUUID=", "LABEL=", "PARTLABEL=", "/dev/", "ID="];
    disks.iter().any(|prefix| root.starts_with(prefix))
}

#[cfg(test)]
mod tests;
