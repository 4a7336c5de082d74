//! Paths that loaders derive from where they think they are: menus, and the next program at the
//! root, where shim looks when its DHCP answer had no file name in the header.

use super::file_path::FilePath;
use crate::loaders::{AUTOEXEC, GRUB_CFG, SecureArch, ipxe_build, is_garbled, is_grub_cfg};
use crate::machine::Arch;

/// The meaning of a path outside the folders `loader` and `iso`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// iPXE's own script.
    Autoexec,
    /// `grub.cfg` in a folder that GRUBs are built to look in.
    GrubMenu {
        /// It is one for a single machine (`grub.cfg-01-52-54-…`, `grub.cfg-0A000001`), which GRUB
        /// asks for before the one for all.
        for_one: bool,
    },
    /// A list of GRUB's modules. An image has those of its own GRUB, which need not be the one that
    /// asks; without them it uses what it has built in, and that is enough. A GRUB that nobody signed
    /// has little built in, and is that of its folder.
    GrubModuleList,
    /// The program a shim at the root starts.
    SecondStage(SecondStage),
}

/// The program a shim at the root starts. Which machine asks is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondStage {
    /// iPXE behind its own shim, for this firmware where the name says so.
    Ipxe(Option<Arch>),
    /// GRUB.
    Grub(SecureArch),
    /// shim's program to enrol keys.
    MokManager(SecureArch),
    /// A name that is no file name: shim was handed something else than its own.
    Garbled,
}

impl FilePath {
    /// Returns the meaning of this path, of the root, to a loader; `None` when it is a file like
    /// others.
    pub fn derived(&self) -> Option<Derived> {
        let names = self.names();
        let (file, folder) = names.split_last()?;
        let in_grub_folder = is_grub_folder(folder);
        match (*file, folder) {
            (file, _) if file == AUTOEXEC.as_bytes() => Some(Derived::Autoexec),
            (file, _) if is_grub_cfg(file) && in_grub_folder => Some(Derived::GrubMenu {
                for_one: file.len() > GRUB_CFG.len(),
            }),
            (file, [folder @ .., build])
                if is_grub_folder(folder)
                    && build.ends_with(b"-efi")
                    && *build != UNSIGNED
                    && file.ends_with(b".lst") =>
            {
                Some(Derived::GrubModuleList)
            }
            (file, []) => second_stage(file).map(Derived::SecondStage),
            _ => None,
        }
    }

    /// Returns the `grub.cfg` that GRUB asks for when there is none of this name.
    pub fn menu_for_all(&self) -> Self {
        let mut names = self.names();
        names.pop();
        names.push(GRUB_CFG);
        Self::of(&names)
    }
}

fn second_stage(file: &[u8]) -> Option<SecondStage> {
    if let Some((_, arch)) = ipxe_build(file) {
        return Some(SecondStage::Ipxe(arch));
    }
    if is_garbled(file) {
        return Some(SecondStage::Garbled);
    }
    let is =
        |stem: &str, arch: &SecureArch| file == format!("{stem}{}.efi", arch.suffix()).as_bytes();
    let mut archs = SecureArch::ALL.into_iter();
    archs.find_map(|arch| {
        let grub = is("grub", &arch).then_some(SecondStage::Grub(arch));
        grub.or_else(|| is("mm", &arch).then_some(SecondStage::MokManager(arch)))
    })
}

/// The modules of GRUB for 64-bit RISC-V, where nobody signs one.
const UNSIGNED: &[u8] = b"riscv64-efi";

/// Returns whether GRUBs are built to look in this folder.
fn is_grub_folder(folder: &[&[u8]]) -> bool {
    match folder {
        [] | [b"grub" | b"grub2"] | [b"boot", b"grub" | b"grub2"] => true,
        [b"debian-installer", _, b"grub"] => true,
        [efi, _] if efi.eq_ignore_ascii_case(b"efi") => true,
        _ => false,
    }
}
