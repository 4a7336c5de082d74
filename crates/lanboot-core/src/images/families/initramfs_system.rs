//! Media whose initramfs is the whole system, or the whole installer: nothing is fetched after it.
//! One row of [`SYSTEMS`] each. Kernel, initramfs and arguments come from the medium's own menus.
//!
//! Read in the projects' own sources: Talos (`pkg/imager/iso/grub.cfg`), Flatcar Container Linux
//! (`build_library/vm_image_util.sh`), ShredOS (`board/shredos/iso`), Tiny Core (its boot codes, and
//! `isolinux.cfg` of its images), Slackware (`isolinux/isolinux.cfg`), 4MLinux (netboot.xyz's menu).

use std::sync::Arc;

use crate::boot_config::MenuEntry;
use crate::images::detection::Detection;
use crate::images::entry::Note;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::images::own_menu::{Choice, Common, Initramfs, Pair};
use crate::vfs::Tree;

/// Media whose initramfs is everything.
pub(super) static FAMILY: Family = Family {
    name: "Talos, Flatcar, ShredOS, Tiny Core, Slackware, 4MLinux",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// A system that is in its initramfs.
struct System {
    family: &'static str,
    /// Tests whether a menu's entry starts it.
    starts: fn(&MenuEntry) -> bool,
    /// Mode of an entry besides running.
    mode: fn(&MenuEntry) -> &'static str,
    /// Arguments that name a disk, and are not inherited.
    of_disks: &'static [&'static str],
    /// Kernel, initramfs and arguments by the names its project publishes them under, for folders
    /// without a menu.
    published: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// Things on the medium that the started system does not see, or asks for.
    note: fn(Medium<'_>) -> Option<Note>,
}

/// Every one that is known.
const SYSTEMS: [System; 6] = [
    System {
        family: "Talos",
        starts: |entry| entry.argument("talos.platform").is_some(),
        mode: |entry| match entry.argument("talos.experimental.wipe") {
            Some(_) => "wipe",
            None => "",
        },
        of_disks: &[],
        // https://www.talos.dev: "kernel and initramfs" of a release, with the arguments of its page
        // about PXE.
        published: &[
            ("vmlinuz-amd64", "initramfs-amd64.xz", TALOS),
            ("vmlinuz-arm64", "initramfs-arm64.xz", TALOS),
        ],
        note: |_| None,
    },
    System {
        family: "Flatcar",
        starts: |entry| {
            let inside = |folder: &str| entry.kernel.starts_with(folder);
            (inside("flatcar/") || inside("coreos/")) && entry.argument("boot").is_none()
        },
        mode: |_| "",
        of_disks: &["root"],
        published: &[
            (
                "flatcar_production_pxe.vmlinuz",
                "flatcar_production_pxe_image.cpio.gz",
                &["flatcar.first_boot=1"],
            ),
            (
                "coreos_production_pxe.vmlinuz",
                "coreos_production_pxe_image.cpio.gz",
                &["coreos.first_boot=1"],
            ),
        ],
        note: |_| None,
    },
    System {
        family: "ShredOS",
        starts: |entry| entry.title.starts_with("ShredOS"),
        mode: |_| "",
        of_disks: &[],
        published: &[],
        note: |_| None,
    },
    System {
        family: "Tiny Core",
        starts: |entry| {
            let names = entry.initrds.iter().map(|path| name(path));
            let mut names = names.map(str::to_ascii_lowercase);
            names.any(|name| TINY_CORE.contains(&name.as_str()))
        },
        mode: |_| "",
        of_disks: &[
            "cde", "tce", "iso", "restore", "home", "opt", "local", "waitusb",
        ],
        published: &[
            ("vmlinuz64", "corepure64.gz", &[]),
            ("vmlinuz", "core.gz", &[]),
        ],
        note: |medium| {
            let has = medium.tree.is_directory("cde");
            has.then_some(Note::OnlyOnMedium(
                "its desktop and further extensions (cde)",
            ))
        },
    },
    System {
        family: "Slackware",
        starts: |entry| entry.argument("SLACK_KERNEL").is_some(),
        mode: |_| "",
        of_disks: &[],
        published: &[],
        note: |medium| {
            let mut folders = ["slackware64", "slackware"].into_iter();
            let folder = folders.find(|folder| medium.tree.is_directory(folder))?;
            Some(Note::AsksForPackages(format!(
                "/iso/{}/{folder}",
                medium.name
            )))
        },
    },
    System {
        family: "4MLinux",
        starts: |entry| {
            entry.title.contains("4MLinux") && entry.argument("root") == Some("/dev/ram0")
        },
        mode: |_| "",
        of_disks: &[],
        published: &[],
        note: |_| None,
    },
];

/// Arguments of Talos on bare metal (its page about PXE).
const TALOS: &[&str] = &[
    "talos.platform=metal",
    "slab_nomerge",
    "pti=on",
    "init_on_alloc=1",
    "consoleblank=0",
    "printk.devkmsg=on",
];

/// Names of Tiny Core's initramfs in its editions and over time.
const TINY_CORE: [&str; 5] = [
    "core.gz",
    "corepure64.gz",
    "microcore.gz",
    "microcore64.gz",
    "tinycore.gz",
];

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 6] = [
    "nomodeset",
    "acpi",
    "noapic",
    "console",
    "text",
    "superuser",
];

/// Recognises a medium whose initramfs is the system.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let config = medium.menus();
    let limits = || config.limits.iter().map(ToString::to_string).collect();
    SYSTEMS.iter().find_map(|system| {
        let choice = Choice {
            is_usable: &system.starts,
            mode: &system.mode,
            variants: &VARIANTS,
        };
        let mut pairs = choice.pairs(medium.tree, config);
        let mut shown_by = Evidence::Title;
        if pairs.is_empty() {
            shown_by = Evidence::Names;
            pairs = published(medium.tree, system);
        }
        let common = Common {
            medium,
            root: None,
            source: Arc::new(Initramfs),
            decided_here: system.of_disks,
            notes: (system.note)(medium).into_iter().collect(),
        };
        (!pairs.is_empty()).then(|| Detection {
            family: Some(system.family),
            evidence: vec![shown_by],
            entries: common.entries(&pairs),
            warnings: limits(),
            ..Detection::default()
        })
    })
}

/// Returns the pairs by the names their project publishes them under.
fn published(tree: &Tree, system: &System) -> Vec<Pair> {
    let there = system.published.iter().filter(|(kernel, initrd, _)| {
        let has = |path: &str| tree.file(path).is_some();
        has(kernel) && has(initrd)
    });
    let pairs = there.map(|(kernel, initrd, arguments)| Pair {
        kernel: (*kernel).to_owned(),
        initrd: vec![(*initrd).to_owned()],
        arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        mode: String::new(),
    });
    pairs.collect()
}

/// Returns the last name of a path.
fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
