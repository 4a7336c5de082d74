//! Lists the programs, hooks and kernel modules in an initramfs, and writes further ones. An initramfs
//! is a sequence of cpio archives, each compressed or not (Linux
//! `Documentation/driver-api/early-userspace/buffer-format.rst`); microcode comes first,
//! uncompressed.
//!
//! Only names are kept, within limits. An initramfs that cannot be listed is an error, and no
//! conclusion is drawn from it.

mod archive;
mod join;
mod reader;
mod unpack;
mod writer;

pub use join::{MAX_GAP, join};
pub use reader::list;
pub use writer::{MAX_MEMBERS, Member, MemberKind, Unwritable, write};

use std::collections::BTreeSet;

/// Most bytes of an initramfs after unpacking: with firmware for all graphics cards it has about
/// 600 MB.
pub const MAX_UNPACKED: u64 = 2 << 30;
/// Most files of an initramfs.
pub const MAX_FILES: usize = 200_000;
/// Longest list of built-in modules read, in bytes.
const MAX_LIST_BYTES: u64 = 8 << 20;
/// Length of the header of an archive's entry in bytes: six letters and thirteen numbers of eight
/// digits.
const HEADER: usize = 110;
/// Most bytes of names kept.
const MAX_NAME_BYTES: usize = 8 << 20;

/// Contents of an initramfs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Names of the files in folders called `bin` and `sbin`, of systemd's programs and generators, and
    /// of dracut's scripts that run before the switch to the root.
    programs: BTreeSet<String>,
    /// Names of mkinitcpio's runtime hooks.
    hooks: BTreeSet<String>,
    /// Names of live-boot's scripts, in `lib/live/boot`.
    live_scripts: BTreeSet<String>,
    /// Names of kernel modules, loadable or built in, with `_` for `-`.
    modules: BTreeSet<String>,
    /// True if it lists the modules built into its kernel.
    lists_builtin: bool,
    files: usize,
    name_bytes: usize,
}

/// Reason an initramfs cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The compression is not supported.
    #[error("it is compressed with {0}, which is not supported")]
    Packing(&'static str),
    /// Neither an archive nor compressed data.
    #[error("byte {0} is not the start of an archive")]
    NoArchive(u64),
    /// A damaged header or name.
    #[error("its archive is damaged: {0}")]
    Damaged(&'static str),
    /// The data ends early.
    #[error("it is cut short")]
    CutShort,
    /// Larger than [`MAX_UNPACKED`], or more files than [`MAX_FILES`].
    #[error("it is too large to be listed")]
    TooLarge,
}

impl Contents {
    /// Returns whether it has a program of this name.
    pub fn has_program(&self, name: &str) -> bool {
        self.programs.contains(name)
    }

    /// Returns whether it has a hook of this name; `None` if it has no mkinitcpio hooks at all.
    pub fn has_hook(&self, name: &str) -> Option<bool> {
        (!self.hooks.is_empty()).then(|| self.hooks.contains(name))
    }

    /// Returns whether live-boot has a script whose name begins like this; `None` if it has none at
    /// all.
    pub fn has_live_script(&self, prefix: &str) -> Option<bool> {
        let mut names = self.live_scripts.iter();
        (!self.live_scripts.is_empty()).then(|| names.any(|name| name.starts_with(prefix)))
    }

    /// Returns whether its kernel has this module, loadable or built in; `None` if it does not list
    /// the built-in ones.
    pub fn has_module(&self, name: &str) -> Option<bool> {
        let has = self.modules.contains(&name.replace('-', "_"));
        (has || self.lists_builtin).then_some(has)
    }

    /// Records a file's name.
    fn add(&mut self, path: &str) -> Result<(), Error> {
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(Error::TooLarge);
        }
        let mut parts = path.rsplit('/');
        let (Some(name), Some(folder)) = (parts.next(), parts.next()) else {
            return Ok(());
        };
        let module = name
            .split_once(".ko")
            .filter(|(_, packed)| ["", ".zst", ".xz", ".gz"].contains(packed));
        let (set, name) = match (folder, module) {
            (_, Some((module, _))) => (&mut self.modules, module.replace('-', "_")),
            ("bin" | "sbin" | "systemd" | "system-generators" | "pre-pivot", None) => {
                (&mut self.programs, name.to_owned())
            }
            ("hooks", None) => (&mut self.hooks, name.to_owned()),
            ("boot", None) if parts.next() == Some("live") => {
                (&mut self.live_scripts, name.to_owned())
            }
            _ => return Ok(()),
        };
        self.name_bytes += name.len();
        if self.name_bytes > MAX_NAME_BYTES {
            return Err(Error::TooLarge);
        }
        set.insert(name);
        Ok(())
    }

    /// Records the modules built into the kernel.
    fn add_builtin(&mut self, list: &BuiltinList, text: &[u8]) {
        self.lists_builtin = true;
        let text = String::from_utf8_lossy(text);
        let name = |path: &str| {
            let file = path.rsplit('/').next().unwrap_or(path);
            let (name, _) = file.split_once(".ko").unwrap_or((file, ""));
            name.replace('-', "_")
        };
        let names: BTreeSet<String> = match list {
            BuiltinList::Paths => text.lines().map(|line| name(line.trim())).collect(),
            // `MODULE.KEY=VALUE`, each terminated by NUL.
            BuiltinList::Information => {
                let entries = text.split('\0').filter_map(|entry| entry.split_once('.'));
                entries
                    .map(|(module, _)| module.trim().replace('-', "_"))
                    .collect()
            }
        };
        self.modules.extend(names.into_iter().take(MAX_FILES));
    }
}

/// Returns the number of bytes up to the next multiple of four.
fn padding(len: u64) -> u64 {
    len.wrapping_neg() % 4
}

/// Lists of built-in modules: the kernel's own, and the one mkinitcpio leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BuiltinList {
    /// `modules.builtin`.
    Paths,
    /// `modules.builtin.modinfo`.
    Information,
}

impl BuiltinList {
    fn of(path: &str) -> Option<Self> {
        match path.rsplit('/').next()? {
            "modules.builtin" => Some(Self::Paths),
            "modules.builtin.modinfo" => Some(Self::Information),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
