//! Reads the boot menus a medium carries, whichever bootloader they are for: SYSLINUX and its
//! relatives, GRUB, and systemd-boot (Boot Loader Specification). The result is one list of typed
//! entries in which kernel, initramfs files and arguments belong together.
//!
//! Nothing of a medium is executed. Every loop of a menu's language is bounded by a constant named
//! here, and what a limit cut off is reported as a [`Limit`].

mod files;
mod grub;
mod grub_parser;
mod grub_test;
mod syslinux;
mod systemd_boot;

use std::fmt;

use files::{Files, file_names};
pub use files::{MAX_FILE_BYTES, ReadSmall, find_file};

use crate::vfs::{Kind, Tree};

/// Most boot configuration files read from one medium, repeated includes counted.
pub const MAX_FILES: usize = 256;
/// Most bytes of boot configuration read from one medium.
pub const MAX_TOTAL_BYTES: usize = 4 << 20;
/// Most entries taken from one medium.
pub const MAX_ENTRIES: usize = 512;
/// Most initramfs files of one entry.
pub const MAX_INITRDS: usize = 64;
/// Most words of one entry's arguments, and of one command of a menu.
pub const MAX_WORDS: usize = 1024;
/// Most bytes of one word, once its variables are expanded.
pub const MAX_WORD_BYTES: usize = 4096;
/// Most bytes of one command or of one entry's arguments: kernels cut theirs at 2048 on x86, GRUB
/// at 4096.
pub const MAX_COMMAND_BYTES: usize = 8192;
/// Deepest chain of files that include each other.
pub const MAX_INCLUDES: usize = 16;
/// Deepest nesting of blocks in a GRUB script, calls and includes counted.
pub const MAX_NESTING: usize = 48;
/// Most commands of GRUB scripts that are followed on one medium.
pub const MAX_STEPS: usize = 50_000;

/// The bootloader an entry was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SYSLINUX, ISOLINUX, PXELINUX, EXTLINUX.
    Syslinux,
    /// GRUB 2.
    Grub,
    /// systemd-boot: one file for each entry, as the Boot Loader Specification has it.
    SystemdBoot,
}

/// What an entry starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// A Linux kernel, or what is loaded like one.
    Linux,
    /// An EFI program.
    Efi,
    /// A unified kernel image: kernel, initramfs and arguments in one EFI program.
    Uki,
}

/// One entry of a medium's own menus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuEntry {
    /// What a person reads; the identifier where the entry has no title.
    pub title: String,
    /// The name its menu knows it by: a label, an `--id`, a file name without `.conf`.
    pub id: String,
    /// What it starts.
    pub program: Program,
    /// Path of the kernel or program, relative to the medium's root. As the medium spells it where
    /// it was found there, else as the menu does.
    pub kernel: String,
    /// Paths of the initramfs files in order, likewise.
    pub initrds: Vec<String>,
    /// The kernel's arguments, a word each.
    pub arguments: Vec<String>,
    /// The processor, where the menu names one.
    pub architecture: Option<String>,
    /// Whose menu it is from.
    pub dialect: Dialect,
    /// The file it is written in.
    pub file: String,
    /// The line in `file` it begins at, from 1.
    pub line: usize,
    /// Whether its menu starts it by itself.
    pub is_default: bool,
    /// Whether its menu shows it to an x86-64 machine with UEFI: a condition may hide it.
    pub is_shown: bool,
}

impl MenuEntry {
    /// The last value of an argument `KEY=VALUE`; empty for the word alone.
    pub fn argument(&self, key: &str) -> Option<&str> {
        let mut words = self.arguments.iter().rev();
        words.find_map(|word| match word.strip_prefix(key)? {
            "" => Some(""),
            rest => rest.strip_prefix('='),
        })
    }
}

/// What a medium's menus say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootConfig {
    /// Every entry: by bootloader (SYSLINUX, GRUB, systemd-boot) and menu, in each in its order.
    pub entries: Vec<MenuEntry>,
    /// What was left out, each once.
    pub limits: Vec<Limit>,
}

/// A limit that cut something off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// This file is longer than [`MAX_FILE_BYTES`].
    FileTooLong(String),
    /// This file could not be read.
    Unreadable(String),
    /// There are more files than [`MAX_FILES`] or more bytes than [`MAX_TOTAL_BYTES`].
    TooManyFiles,
    /// There are more entries than [`MAX_ENTRIES`].
    TooManyEntries,
    /// Files include each other deeper than [`MAX_INCLUDES`], or blocks nest deeper than
    /// [`MAX_NESTING`]; this is the file.
    TooDeep(String),
    /// A GRUB script has more commands than [`MAX_STEPS`].
    TooManySteps,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileTooLong(file) => write!(
                f,
                "its menu {file} is longer than {} KiB and was not read",
                MAX_FILE_BYTES >> 10
            ),
            Self::Unreadable(file) => write!(f, "its menu {file} cannot be read"),
            Self::TooManyFiles => write!(
                f,
                "it has more than {MAX_FILES} boot menu files or {} MiB of them; the rest were not \
                 read",
                MAX_TOTAL_BYTES >> 20
            ),
            Self::TooManyEntries => write!(
                f,
                "its menus have more than {MAX_ENTRIES} entries; the rest were left out"
            ),
            Self::TooDeep(file) => write!(f, "its menu {file} is nested too deeply"),
            Self::TooManySteps => {
                write!(f, "its GRUB menus have more than {MAX_STEPS} commands")
            }
        }
    }
}

/// Folders in which SYSLINUX looks for its configuration, newest archiso layout first.
const SYSLINUX_FOLDERS: [&str; 6] = [
    "boot/syslinux",
    "syslinux",
    "isolinux",
    "boot/isolinux",
    "boot/extlinux",
    "",
];

/// Reads every menu of a medium. `more_folders` are further folders with SYSLINUX files, whose paths
/// are taken relative to their parents as well.
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

/// Where GRUB's menus lie, the one it starts with first.
fn grub_menus(tree: &Tree) -> Vec<String> {
    let mut paths = Vec::new();
    let is_menu = |name: &str| name.to_ascii_lowercase().ends_with(".cfg");
    let mut folders: Vec<String> = ["boot/grub", "boot/grub2", "grub", "grub2"]
        .map(str::to_owned)
        .into();
    // debian-installer's tree for network booting has one folder for each processor.
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
        // loopback.cfg is for an image inside another disk, and the last resort.
        let (loops, others): (Vec<&str>, Vec<&str>) =
            more.partition(|name| *name == "loopback.cfg");
        paths.extend(others.iter().map(|name| format!("{folder}/{name}")));
        paths.extend(loops.iter().map(|name| format!("{folder}/{name}")));
    }
    paths
}

/// The words that fit into [`MAX_COMMAND_BYTES`].
fn within_limit(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut bytes = 0;
    let fits = |word: &String| {
        bytes += word.len() + 1;
        bytes <= MAX_COMMAND_BYTES
    };
    words.take(MAX_WORDS).take_while(fits).collect()
}

/// Names of the folders in `parent`, sorted.
fn folder_names<'a>(tree: &'a Tree, parent: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let id = files::folder(tree, parent);
    let entries = id.map_or(&[][..], |id| tree.entries(id));
    entries.iter().filter_map(|(name, id)| {
        let is_folder = matches!(tree.node(*id)?.kind, Kind::Directory(_));
        std::str::from_utf8(name).ok().filter(|_| is_folder)
    })
}

#[cfg(test)]
mod tests;
