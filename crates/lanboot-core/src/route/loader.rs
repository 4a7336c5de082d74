//! The files of the folder `loader`.

use std::fmt;

use super::derived::is_grub_cfg;
use super::file_path::{AUTOEXEC, FilePath};
use super::file_use::Role;
use crate::loaders::{IPXE, Ipxe, SecureArch, Wanted, ipxe_build, wanted};
use crate::net::Origin;

/// Name of the menu for machines with Secure Boot on.
pub(crate) const LOCKED: &str = "locked.cfg";
/// Name of the disk with shim and GRUB.
const DISK: &str = "boot.img";

/// A file of the folder `loader`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoaderRoute {
    /// A build of iPXE.
    Ipxe(Ipxe),
    /// PXELINUX or one of its modules, by file name.
    Pxelinux(String),
    /// A configuration of PXELINUX, by file name: it asks for one of the machine's own first, and at
    /// last for `default`.
    PxelinuxConfig(String),
    /// The file that only a GRUB with the module `http` can source.
    GrubHttpTest,
    /// A file beside shim, of the pair of shim and GRUB for a kind of firmware.
    ShimGrub {
        /// The firmware.
        arch: SecureArch,
        /// The pair is the one for HTTP Boot, not that for PXE.
        http: bool,
        /// The file.
        part: ShimGrubPart,
    },
    /// A file beside iPXE's own shim.
    SignedIpxe {
        /// The firmware.
        arch: SecureArch,
        /// The file.
        part: IpxePart,
    },
    /// iPXE's own script, in this folder below `loader`.
    Autoexec(FilePath),
}

/// A file of a pair of shim and GRUB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShimGrubPart {
    /// The program that the firmware starts.
    Shim,
    /// The program that shim starts, by whatever name it asks for it.
    Grub,
    /// shim's program to enrol keys.
    MokManager,
    /// Both on a disk, for a GRUB that cannot read over HTTP.
    Disk,
    /// The menu, also one for a single machine.
    Menu,
    /// The menu for machines with Secure Boot on.
    LockedMenu,
}

/// A file of iPXE behind its own shim. A build is `snponly` or `ipxe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpxePart {
    /// The shim, under the name that leads to this build.
    Shim(&'static str),
    /// iPXE: this build, or the one that is offered where the name says nothing.
    Program(Option<&'static str>),
}

impl LoaderRoute {
    /// Returns the URL of the folder that PXELINUX takes its files from.
    pub fn pxelinux_folder(origin: &Origin) -> String {
        format!("{origin}/loader/pxelinux")
    }

    /// Parses the names behind `loader`.
    pub(super) fn parse(names: &[&[u8]]) -> Option<Self> {
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).ok();
        match names {
            [b"pxelinux", name] => text(name).map(Self::Pxelinux),
            [b"pxelinux", b"pxelinux.cfg", name] if *name != AUTOEXEC.as_bytes() => {
                text(name).map(Self::PxelinuxConfig)
            }
            [b"secure", b"http.cfg"] => Some(Self::GrubHttpTest),
            [b"secure", folder, file] => Self::beside_shim(folder, file, false),
            [b"secure-http", folder, file] => Self::beside_shim(folder, file, true),
            [b"secure-ipxe", folder, file] => Self::beside_ipxe_shim(folder, file),
            [name] if *name != AUTOEXEC.as_bytes() => {
                let mut builds = IPXE.into_iter();
                let build = builds.find(|build| build.name.as_bytes() == *name);
                build.map(Self::Ipxe)
            }
            [folder @ .., file] if *file == AUTOEXEC.as_bytes() => {
                Some(Self::Autoexec(FilePath::of(folder)))
            }
            _ => None,
        }
    }

    fn beside_shim(folder: &[u8], file: &[u8], http: bool) -> Option<Self> {
        let arch = SecureArch::of_folder(folder)?;
        let part = |part| Some(Self::ShimGrub { arch, http, part });
        let mok_manager = format!("mm{}.efi", arch.suffix());
        match wanted(file, arch.arch()) {
            _ if file == LOCKED.as_bytes() => part(ShimGrubPart::LockedMenu),
            _ if file == DISK.as_bytes() => part(ShimGrubPart::Disk),
            _ if file == mok_manager.as_bytes() => part(ShimGrubPart::MokManager),
            Wanted::Shim => part(ShimGrubPart::Shim),
            Wanted::SecondStage => part(ShimGrubPart::Grub),
            Wanted::Other if is_grub_cfg(file) => part(ShimGrubPart::Menu),
            Wanted::Other if file == AUTOEXEC.as_bytes() => {
                let parent: &[u8] = if http { b"secure-http" } else { b"secure" };
                Some(Self::Autoexec(FilePath::of(&[parent, folder])))
            }
            Wanted::Other => None,
        }
    }

    fn beside_ipxe_shim(folder: &[u8], file: &[u8]) -> Option<Self> {
        let arch = SecureArch::of_folder(folder)?;
        let part = |part| Some(Self::SignedIpxe { arch, part });
        match wanted(file, arch.arch()) {
            Wanted::Shim if file.to_ascii_lowercase().starts_with(b"ipxe") => {
                part(IpxePart::Shim("ipxe"))
            }
            Wanted::Shim => part(IpxePart::Shim("snponly")),
            Wanted::SecondStage => {
                let build = ipxe_build(file).map(|(build, _)| build);
                part(IpxePart::Program(build))
            }
            Wanted::Other if file == AUTOEXEC.as_bytes() => {
                Some(Self::Autoexec(FilePath::of(&[b"secure-ipxe", folder])))
            }
            Wanted::Other => None,
        }
    }

    /// Returns what the file is to a boot.
    pub(super) fn role(&self) -> Role {
        match self {
            Self::PxelinuxConfig(_) | Self::GrubHttpTest | Self::Autoexec(_) => Role::Menu,
            Self::ShimGrub { part, .. } => match part {
                ShimGrubPart::Menu | ShimGrubPart::LockedMenu => Role::Menu,
                ShimGrubPart::Shim
                | ShimGrubPart::Grub
                | ShimGrubPart::MokManager
                | ShimGrubPart::Disk => Role::Loader,
            },
            Self::Ipxe(_) | Self::Pxelinux(_) | Self::SignedIpxe { .. } => Role::Loader,
        }
    }
}

impl fmt::Display for LoaderRoute {
    /// The path below `loader`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipxe(build) => f.write_str(build.name),
            Self::Pxelinux(name) => write!(f, "pxelinux/{name}"),
            Self::PxelinuxConfig(name) => write!(f, "pxelinux/pxelinux.cfg/{name}"),
            Self::GrubHttpTest => f.write_str("secure/http.cfg"),
            Self::ShimGrub { arch, http, part } => {
                let parent = if *http { "secure-http" } else { "secure" };
                let (folder, suffix) = (arch.folder(), arch.suffix());
                write!(f, "{parent}/{folder}/")?;
                match part {
                    ShimGrubPart::Shim => write!(f, "shim{suffix}.efi"),
                    ShimGrubPart::Grub => write!(f, "grub{suffix}.efi"),
                    ShimGrubPart::MokManager => write!(f, "mm{suffix}.efi"),
                    ShimGrubPart::Disk => f.write_str(DISK),
                    ShimGrubPart::Menu => f.write_str("grub.cfg"),
                    ShimGrubPart::LockedMenu => f.write_str(LOCKED),
                }
            }
            Self::SignedIpxe { arch, part } => {
                let (folder, suffix) = (arch.folder(), arch.suffix());
                write!(f, "secure-ipxe/{folder}/")?;
                match part {
                    IpxePart::Shim(build) => write!(f, "{build}-shim{suffix}.efi"),
                    IpxePart::Program(Some(build)) => write!(f, "{build}{suffix}.efi"),
                    // What a shim of a vendor would start.
                    IpxePart::Program(None) => write!(f, "grub{suffix}.efi"),
                }
            }
            Self::Autoexec(folder) if folder.as_bytes().is_empty() => f.write_str(AUTOEXEC),
            Self::Autoexec(folder) => write!(f, "{folder}/{AUTOEXEC}"),
        }
    }
}
