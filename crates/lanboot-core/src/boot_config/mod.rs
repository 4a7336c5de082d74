//! Reads the boot menus on a medium, for any of three bootloader families: SYSLINUX, GRUB, and
//! systemd-boot (Boot Loader Specification). The result is one list of typed entries, each with its
//! kernel, initramfs files and arguments.
//!
//! Nothing on a medium is executed. Every loop of a menu language is bounded by a constant named
//! here, and whatever a limit leaves out is reported as a [`Limit`].

mod files;
mod grub;
mod grub_expand;
mod grub_parser;
mod grub_test;
mod medium;
mod syslinux;
mod systemd_boot;

use std::fmt;

pub(crate) use files::file_names;
pub use files::{ReadSmall, find_file};
pub use medium::read;

/// Longest boot configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;
/// Most boot configuration files read from one medium, counting repeated includes.
pub const MAX_FILES: usize = 256;
/// Most bytes of boot configuration read from one medium.
pub const MAX_TOTAL_BYTES: usize = 4 << 20;
/// Most entries taken from one medium.
pub const MAX_ENTRIES: usize = 512;
/// Most initramfs files of one entry.
pub const MAX_INITRDS: usize = 64;
/// Most words in the arguments of one entry, and in one command of a menu.
pub const MAX_WORDS: usize = 1024;
/// Longest word after expansion of its variables, in bytes.
pub const MAX_WORD_BYTES: usize = 4096;
/// Longest command, and longest arguments of one entry, in bytes: kernels truncate theirs at 2048
/// on x86, GRUB at 4096.
pub const MAX_COMMAND_BYTES: usize = 8192;
/// Deepest chain of included files.
pub const MAX_INCLUDES: usize = 16;
/// Deepest nesting of blocks in a GRUB script, counting calls and includes.
pub const MAX_NESTING: usize = 48;
/// Most commands of GRUB scripts followed on one medium.
pub const MAX_STEPS: usize = 50_000;
/// Most bytes to which the variables in GRUB scripts are expanded on one medium.
pub const MAX_EXPANDED_BYTES: usize = 8 << 20;

/// Bootloader an entry was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SYSLINUX, ISOLINUX, PXELINUX, EXTLINUX.
    Syslinux,
    /// GRUB 2.
    Grub,
    /// systemd-boot: one file per entry, as in the Boot Loader Specification.
    SystemdBoot,
}

/// Kind of program an entry starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// A Linux kernel, or a program loaded like one.
    Linux,
    /// An EFI program.
    Efi,
    /// A multiboot kernel.
    Multiboot,
    /// A multiboot2 kernel.
    Multiboot2,
    /// A unified kernel image: kernel, initramfs and arguments in one EFI program.
    Uki,
}

/// One entry of a medium's own menus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuEntry {
    /// Displayed title; the identifier if the entry has none.
    pub title: String,
    /// Identifier within its menu: a label, an `--id`, a file name without `.conf`.
    pub id: String,
    /// Kind of program it starts.
    pub program: Program,
    /// Path of the kernel or program, relative to the medium's root. Spelled as on the medium if
    /// found there, else as in the menu.
    pub kernel: String,
    /// Paths of the initramfs files in order, spelled likewise.
    pub initrds: Vec<String>,
    /// Modules of a multiboot kernel, in order.
    pub modules: Vec<MenuModule>,
    /// Kernel arguments, one word each.
    pub arguments: Vec<String>,
    /// Processor architecture, if the menu names one.
    pub architecture: Option<String>,
    /// Bootloader of its menu.
    pub dialect: Dialect,
    /// Configuration file that defines it.
    pub file: String,
    /// Line in `file` where it begins, from 1.
    pub line: usize,
    /// True if its menu starts it by default.
    pub is_default: bool,
    /// True if its menu shows it to an x86-64 machine with UEFI; a condition may hide it.
    pub is_shown: bool,
}

/// A module of a multiboot kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuModule {
    /// Its path, spelled as a kernel's.
    pub path: String,
    /// Its arguments, one word each.
    pub arguments: Vec<String>,
}

impl MenuEntry {
    /// Tests whether its menu is one for an image inside another disk, which has no say in what the
    /// medium starts.
    pub fn is_loopback(&self) -> bool {
        self.file.ends_with("loopback.cfg")
    }

    /// Returns the last value of an argument `KEY=VALUE`; empty for the bare word.
    pub fn argument(&self, key: &str) -> Option<&str> {
        let mut words = self.arguments.iter().rev();
        words.find_map(|word| match word.strip_prefix(key)? {
            "" => Some(""),
            rest => rest.strip_prefix('='),
        })
    }
}

/// Entries of a medium's menus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootConfig {
    /// All entries: by bootloader (SYSLINUX, GRUB, systemd-boot) and menu, in menu order.
    pub entries: Vec<MenuEntry>,
    /// Limits that were hit, each once.
    pub limits: Vec<Limit>,
}

/// A limit that left something out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The file is longer than [`MAX_FILE_BYTES`].
    FileTooLong(String),
    /// The file could not be read.
    Unreadable(String),
    /// There are more files than [`MAX_FILES`] or more bytes than [`MAX_TOTAL_BYTES`], or a menu
    /// refers to more further menus.
    TooManyFiles,
    /// There are more entries than [`MAX_ENTRIES`].
    TooManyEntries,
    /// Includes are deeper than [`MAX_INCLUDES`], or blocks nest deeper than [`MAX_NESTING`], in
    /// this file.
    TooDeep(String),
    /// A GRUB script has more commands than [`MAX_STEPS`].
    TooManySteps,
    /// Variables of GRUB scripts expand to more bytes than [`MAX_EXPANDED_BYTES`].
    TooMuchText,
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
            Self::TooMuchText => write!(
                f,
                "its GRUB menus expand to more than {} MiB; the rest was left out",
                MAX_EXPANDED_BYTES >> 20
            ),
        }
    }
}

/// Returns the leading words that fit into [`MAX_COMMAND_BYTES`].
fn within_limit(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut bytes = 0;
    let fits = |word: &String| {
        bytes += word.len() + 1;
        bytes <= MAX_COMMAND_BYTES
    };
    words.take(MAX_WORDS).take_while(fits).collect()
}

#[cfg(test)]
mod tests;
