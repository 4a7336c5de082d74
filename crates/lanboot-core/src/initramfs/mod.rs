//! Lists what an initramfs holds: its programs, hooks and kernel modules. An initramfs is one or more
//! cpio archives, each packed or not, one after another (Linux `Documentation/driver-api/
//! early-userspace/buffer-format.rst`); microcode comes first, unpacked.
//!
//! Only names are kept, and everything is bounded. What cannot be listed is an error, and nothing
//! follows from it.

mod archive;
mod unpack;

use std::collections::BTreeSet;
use std::io::Read;

use archive::Listing;
use unpack::Input;

/// Most bytes of an initramfs once it is unpacked: with firmware for every graphics card they have
/// about 600 MB.
pub const MAX_UNPACKED: u64 = 2 << 30;
/// Most files of an initramfs.
pub const MAX_FILES: usize = 200_000;
/// Longest list of built-in modules that is read, in bytes.
const MAX_LIST_BYTES: u64 = 8 << 20;
/// Most bytes of names kept.
const MAX_NAME_BYTES: usize = 8 << 20;

/// What an initramfs holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Names of the files in folders called `bin` and `sbin`.
    programs: BTreeSet<String>,
    /// Names of mkinitcpio's hooks that run.
    hooks: BTreeSet<String>,
    /// Names of kernel modules, loadable or built in, with `_` for `-`.
    modules: BTreeSet<String>,
    /// Whether it says which modules are built into its kernel.
    lists_builtin: bool,
    files: usize,
    name_bytes: usize,
}

/// Why an initramfs cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is packed in a way that is not known here.
    #[error("it is packed as {0}, which cannot be unpacked here")]
    Packing(&'static str),
    /// It is neither an archive nor packed.
    #[error("byte {0} begins no archive")]
    NoArchive(u64),
    /// A header or name of an archive is damaged.
    #[error("its archive is damaged: {0}")]
    Damaged(&'static str),
    /// It is cut short.
    #[error("it is cut short")]
    CutShort,
    /// It is larger than [`MAX_UNPACKED`], or has more files than [`MAX_FILES`].
    #[error("it is too large to be listed")]
    TooLarge,
}

/// Lists an initramfs. Several files that one kernel gets are read one after another, as the kernel
/// does it.
pub fn list(initramfs: impl Read) -> Result<Contents, Error> {
    let mut listing = Listing::default();
    let mut input = Input::new(initramfs);
    let mut left = MAX_UNPACKED;
    loop {
        listing.read(&mut input, &mut left)?;
        let Some(packing) = input.packing()? else {
            let at = input.position();
            return match input.peek()?.first() {
                None => Ok(listing.contents),
                Some(_) => Err(Error::NoArchive(at)),
            };
        };
        let mut unpacked = Input::new(packing.unpack(input)?);
        listing.read(&mut unpacked, &mut left)?;
        if !unpacked.peek()?.is_empty() {
            return Err(Error::Damaged("something follows it that is no archive"));
        }
        input = unpacked.into_inner().into_inner().ok_or(Error::CutShort)?;
    }
}

impl Contents {
    /// Whether it has a program of this name.
    pub fn has_program(&self, name: &str) -> bool {
        self.programs.contains(name)
    }

    /// Whether it has a hook of this name; `None` when it has no hooks of mkinitcpio at all.
    pub fn has_hook(&self, name: &str) -> Option<bool> {
        (!self.hooks.is_empty()).then(|| self.hooks.contains(name))
    }

    /// Whether its kernel has this module, loadable or built in; `None` when it does not say which
    /// are built in.
    pub fn has_module(&self, name: &str) -> Option<bool> {
        let has = self.modules.contains(&name.replace('-', "_"));
        (has || self.lists_builtin).then_some(has)
    }

    /// Takes note of a file's name.
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
            ("bin" | "sbin", None) => (&mut self.programs, name.to_owned()),
            ("hooks", None) => (&mut self.hooks, name.to_owned()),
            _ => return Ok(()),
        };
        self.name_bytes += name.len();
        if self.name_bytes > MAX_NAME_BYTES {
            return Err(Error::TooLarge);
        }
        set.insert(name);
        Ok(())
    }

    /// Takes note of the modules that are built into the kernel.
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
            // `MODULE.KEY=VALUE`, each with a NUL at its end.
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

/// The lists of built-in modules: the kernel's own, and the one mkinitcpio leaves.
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
