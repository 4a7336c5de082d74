//! Reads every menu of a medium.

use super::files::{self, Files, file_names, find_file};
use super::{BootConfig, Limit, MAX_ENTRIES, ReadSmall, grub, syslinux, systemd_boot};
use crate::vfs::{Kind, Tree};

/// Folders searched for SYSLINUX configuration, newest archiso layout first.
const SYSLINUX_FOLDERS: [&str; 6] = [
    "boot/syslinux",
    "syslinux",
    "isolinux",
    "boot/isolinux",
    "boot/extlinux",
    "",
];

/// Reads all menus of a medium. `more_folders` are further folders with SYSLINUX files, whose paths
/// may also be relative to their parents.
pub fn read(tree: &Tree, read_small: ReadSmall<'_>, more_folders: &[String]) -> BootConfig {
    let mut files = Files::new(tree, read_small);
    let mut entries = Vec::new();
    let folders = SYSLINUX_FOLDERS.iter().map(|&folder| folder.to_owned());
    for folder in folders.chain(more_folders.iter().cloned()) {
        syslinux::read(&mut files, &folder, &mut entries);
    }
    for path in grub_menus(tree) {
        grub::read(&mut files, &path, &mut entries);
    }
    for folder in ["loader", "boot/loader"] {
        systemd_boot::read(&mut files, folder, &mut entries);
    }
    if entries.len() >= MAX_ENTRIES {
        entries.truncate(MAX_ENTRIES);
        files.limit(Limit::TooManyEntries);
    }
    for entry in &mut entries {
        let names = [&mut entry.kernel].into_iter().chain(&mut entry.initrds);
        names.for_each(|path| {
            if let Some(found) = find_file(tree, path) {
                *path = found;
            }
        });
    }
    BootConfig {
        entries,
        limits: files.limits,
    }
}

/// Lists the GRUB menus, the one GRUB starts with first.
fn grub_menus(tree: &Tree) -> Vec<String> {
    let mut paths = Vec::new();
    let is_menu = |name: &str| name.to_ascii_lowercase().ends_with(".cfg");
    let mut folders: Vec<String> = ["boot/grub", "boot/grub2", "grub", "grub2"]
        .map(str::to_owned)
        .into();
    // debian-installer's tree for network booting has one folder per architecture.
    for parent in ["EFI", "efi", "debian-installer"] {
        for name in folder_names(tree, parent) {
            folders.push(format!("{parent}/{name}"));
            folders.push(format!("{parent}/{name}/grub"));
        }
    }
    for folder in &folders {
        paths.push(format!("{folder}/grub.cfg"));
    }
    for folder in &folders {
        let more = file_names(tree, folder).filter(|name| is_menu(name));
        // loopback.cfg is for an image inside another disk: the last resort.
        let (loops, others): (Vec<&str>, Vec<&str>) =
            more.partition(|name| *name == "loopback.cfg");
        paths.extend(others.iter().map(|name| format!("{folder}/{name}")));
        paths.extend(loops.iter().map(|name| format!("{folder}/{name}")));
    }
    paths
}

/// Lists the names of the folders in `parent`, sorted.
fn folder_names<'a>(tree: &'a Tree, parent: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let id = files::folder(tree, parent);
    let entries = id.map_or(&[][..], |id| tree.entries(id));
    entries.iter().filter_map(|(name, id)| {
        let is_folder = matches!(tree.node(*id)?.kind, Kind::Directory(_));
        std::str::from_utf8(name).ok().filter(|_| is_folder)
    })
}
