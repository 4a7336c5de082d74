//! PXELINUX: for BIOS machines that boot by PXE.

use std::fmt;

use super::ipxe::AUTOEXEC;
use super::loader::{
    Available, BootRequest, GeneratedMenu, Loader, LoaderFile, LoaderOffer, PxelinuxModules, Served,
};
use super::no_loader::NoLoader;
use crate::machine::Arch;

/// Its folder.
const FOLDER: &str = "pxelinux";
/// Name of the configuration that PXELINUX asks for at last.
pub(crate) const DEFAULT: &str = "default";

/// PXELINUX, also for a ROM that is iPXE.
pub struct Pxelinux;

/// A file of PXELINUX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PxelinuxFile {
    /// The loader or one of its modules, by file name.
    Program(String),
    /// A configuration, by file name: PXELINUX asks for one of the machine's own first, and at last
    /// for `default`.
    Config(String),
}

impl Loader for Pxelinux {
    type File = PxelinuxFile;

    /// Returns true for BIOS machines that boot by PXE: PXELINUX goes on by it, and a firmware that
    /// booted over HTTP has none.
    fn supports(&self, request: &BootRequest) -> bool {
        request.arch == Arch::X86Bios && !request.http
    }

    fn replaces_ipxe(&self, arch: Arch) -> bool {
        arch == Arch::X86Bios
    }

    fn offer(
        &self,
        request: &BootRequest,
        available: &dyn Available,
    ) -> Result<LoaderOffer<PxelinuxFile>, NoLoader> {
        if request.http || !available.has_pxelinux() {
            return Err(NoLoader::NoBiosLoader);
        }
        Ok(LoaderOffer {
            file: PxelinuxFile::Program("lpxelinux.0".into()),
            config: Some("pxelinux.cfg/default"),
            folder: Some(FOLDER),
        })
    }
}

impl LoaderFile for PxelinuxFile {
    fn parse(names: &[&[u8]]) -> Option<Self> {
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).ok();
        match names {
            [b"pxelinux", name] => text(name).map(Self::Program),
            [b"pxelinux", b"pxelinux.cfg", name] if *name != AUTOEXEC.as_bytes() => {
                text(name).map(Self::Config)
            }
            _ => None,
        }
    }

    fn is_menu(&self) -> bool {
        matches!(self, Self::Config(_))
    }

    fn find<'a>(&self, available: &'a dyn Available) -> Option<Served<'a>> {
        match self {
            Self::Program(name) => available.pxelinux(name).map(Served::File),
            Self::Config(name) if name == DEFAULT => {
                let modules = modules(available);
                Some(Served::Menu(GeneratedMenu::Pxelinux(modules)))
            }
            Self::Config(_) => None,
        }
    }
}

/// Finds the parts that some entries need.
pub(crate) fn modules(available: &dyn Available) -> PxelinuxModules {
    let has = |name: &str| available.pxelinux(name).is_some();
    PxelinuxModules {
        detects_cpu: has("ifcpu64.c32"),
        starts_multiboot: has("mboot.c32"),
        has_memdisk: available.host().has_memdisk(),
    }
}

impl fmt::Display for PxelinuxFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(name) => write!(f, "{FOLDER}/{name}"),
            Self::Config(name) => write!(f, "{FOLDER}/pxelinux.cfg/{name}"),
        }
    }
}
