//! The interface of a kind of loader: the firmware it is for, the offer for a machine, and its files.

use std::fmt;

use super::found::Loaders;
use super::no_loader::NoLoader;
use super::secure_arch::SecureArch;
use super::shim_grub::{Shim, ShimGrub};
use crate::machine::Arch;
use crate::vfs::{Content, File};

/// A request of firmware for a loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootRequest {
    /// The programs that the firmware runs.
    pub arch: Arch,
    /// It boots over HTTP, and takes a URL.
    pub http: bool,
    /// Another server gives the addresses, and the answer that does so names another one as the
    /// server with the files (`siaddr`).
    pub proxy: bool,
}

/// The programs there are: those of the host and those on the media.
pub trait Available {
    /// Returns the programs of the host.
    fn host(&self) -> &Loaders;

    /// Returns the pair of shim and GRUB for this firmware, over HTTP or over TFTP.
    fn shim_grub(&self, arch: Arch, http: bool) -> Option<&ShimGrub>;

    /// Returns whether there is a PXELINUX.
    fn has_pxelinux(&self) -> bool;

    /// Returns a file of PXELINUX: from a medium, else from the host. They are never mixed, because
    /// loader and modules must be of one version.
    fn pxelinux(&self, name: &str) -> Option<File>;
}

/// A kind of loader that can be offered.
pub trait Loader {
    /// A file of it.
    type File;

    /// Returns whether such firmware can use it, whatever is installed.
    fn supports(&self, request: &BootRequest) -> bool;

    /// Returns whether machines that run iPXE already get it too, where it was asked for.
    fn replaces_ipxe(&self, _arch: Arch) -> bool {
        false
    }

    /// Returns the offer for such firmware.
    ///
    /// # Errors
    /// Returns the reason where none of its programs fits.
    fn offer(
        &self,
        request: &BootRequest,
        available: &dyn Available,
    ) -> Result<LoaderOffer<Self::File>, NoLoader>;
}

/// A loader's offer for one kind of firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderOffer<F> {
    /// The file that the firmware loads.
    pub file: F,
    /// Its configuration file, relative to its folder, for a loader that reads option 209.
    pub config: Option<&'static str>,
    /// Its folder below `loader`, for a loader that reads option 210.
    pub folder: Option<&'static str>,
}

impl<F> LoaderOffer<F> {
    /// Returns the offer of a loader that finds everything else by itself.
    pub fn new(file: F) -> Self {
        Self {
            file,
            config: None,
            folder: None,
        }
    }
}

/// A file of a kind of loader. Displays as the path that is given out for it, below `loader`.
pub trait LoaderFile: fmt::Display {
    /// Parses the names behind `loader` as a machine sends them. Many paths are one file.
    fn parse(names: &[&[u8]]) -> Option<Self>
    where
        Self: Sized;

    /// Returns the programs to look for on the host, besides those found by content.
    fn programs() -> &'static [Program]
    where
        Self: Sized,
    {
        &[]
    }

    /// Returns whether it is a menu or script; else it is a program.
    fn is_menu(&self) -> bool;

    /// Returns the file as it is served, if there is one.
    fn find<'a>(&self, available: &'a dyn Available) -> Option<Served<'a>>;

    /// Returns the shim that this file is.
    fn shim<'a>(&self, _available: &'a dyn Available) -> Option<&'a Shim> {
        None
    }
}

/// A program that is served under one name and looked for under others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name in the folder `loader`.
    pub name: &'static str,
    /// The firmware it runs on.
    pub arch: Arch,
    /// The paths at which distributions install it, best first.
    pub paths: &'static [&'static str],
}

/// The bytes behind a loader's file.
#[derive(Clone, Debug)]
pub enum Served<'a> {
    /// A program of the host or of an image.
    Program(&'a Content),
    /// A file with a version of its own.
    File(File),
    /// A menu that is generated for the machine.
    Menu(GeneratedMenu<'a>),
}

/// A menu or script, by the loader that reads it.
#[derive(Clone, Copy, Debug)]
pub enum GeneratedMenu<'a> {
    /// PXELINUX', with these modules.
    Pxelinux(PxelinuxModules),
    /// GRUB's.
    Grub,
    /// GRUB's on machines with Secure Boot on, which came through this shim.
    GrubLocked {
        /// The firmware.
        arch: SecureArch,
        /// Shim came over HTTP.
        http: bool,
        /// The shim, where it is one of ours.
        shim: Option<&'a Shim>,
    },
    /// The file that only a GRUB with the module `http` can source.
    GrubHttpTest,
    /// A disk with this pair and a menu on it, for HTTP Boot.
    GrubDisk(&'a ShimGrub),
}

/// The parts of PXELINUX that some entries need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PxelinuxModules {
    /// `ifcpu64.c32`, which recognises 32-bit processors.
    pub detects_cpu: bool,
    /// `mboot.c32` with its libraries, which starts multiboot kernels.
    pub starts_multiboot: bool,
    /// memdisk, which the host has or not.
    pub has_memdisk: bool,
}
