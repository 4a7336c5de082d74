//! Network boot loaders: their kinds, the programs found on a host or a medium, and the names that
//! firmware, shim and iPXE ask for them by.
//!
//! A kind of loader is one module here and its rows in the two tables below: a [`Loader`] says which
//! firmware it is for and what that is offered, a [`LoaderFile`] says by which paths its files are
//! asked for and what is behind them. The plan, the routes and the search on the host go over the
//! tables.

mod found;
mod grub;
mod grub_modules;
mod ipxe;
mod ipxe_behind_shim;
mod loader;
mod memdisk;
mod no_loader;
mod pxelinux;
mod secure_arch;
mod shim_grub;
mod shim_names;
mod signed_ipxe;

pub use found::Loaders;
pub(crate) use grub::LOCKED;
pub use grub::{GrubBehindShim, GrubHttpTest, ShimGrubFile, ShimGrubPart};
pub(crate) use ipxe::AUTOEXEC;
pub use ipxe::{IPXE, Ipxe, IpxeLoader};
pub use ipxe_behind_shim::{IpxeBehindShim, IpxePart, SignedIpxeFile};
pub use loader::{
    Available, BootRequest, GeneratedMenu, Loader, LoaderFile, LoaderOffer, Program,
    PxelinuxModules, Served,
};
pub(crate) use memdisk::MAX_IMAGE as MEMDISK_MAX_IMAGE;
pub use memdisk::Memdisk;
pub use no_loader::NoLoader;
pub(crate) use pxelinux::{DEFAULT as PXELINUX_DEFAULT, modules as pxelinux_modules};
pub use pxelinux::{Pxelinux, PxelinuxFile};
pub use secure_arch::{SecureArch, secure_names};
pub use shim_grub::{Authorities, Grub, Shim, ShimGrub};
pub(crate) use shim_names::{GRUB_CFG, is_grub_cfg};
pub use shim_names::{ipxe_build, is_garbled, is_shim_name};
pub use signed_ipxe::{SignedBuild, SignedIpxe};

use std::fmt;

use crate::machine::Arch;

/// Declares the kinds an operator can ask for, each with its word on the command line and the loader
/// behind it; a kind without one is a choice among several, which the plan makes.
macro_rules! loader_kinds {
    ($($(#[$meta:meta])* $kind:ident = $name:literal $(=> $loader:expr)?;)*) => {
        /// The loader a machine is to load first.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum LoaderKind {
            $($(#[$meta])* $kind,)*
        }

        impl LoaderKind {
            /// Every kind.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// Returns the word for it on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// Returns the loader behind it; `None` for a choice among several.
            pub fn loader(self) -> Option<&'static dyn AnyLoader> {
                match self {
                    $(Self::$kind => loader_kinds!(@loader $($loader)?),)*
                }
            }
        }
    };
    (@loader) => { None };
    (@loader $loader:expr) => { Some(&$loader) };
}

loader_kinds! {
    /// The most widely working loader: for BIOS iPXE, else PXELINUX; for UEFI a loader that also
    /// starts with Secure Boot on, else iPXE.
    #[default]
    Auto = "auto";
    /// iPXE on top of the firmware's own network driver, behind its own signed shim where there is
    /// one.
    Ipxe = "ipxe";
    /// iPXE with its own drivers.
    IpxeNative = "ipxe-native" => IpxeLoader { native: true };
    /// PXELINUX, also for a ROM that is iPXE.
    Pxelinux = "pxelinux" => Pxelinux;
    /// shim and GRUB.
    Grub = "grub" => GrubBehindShim;
    /// The whole image as a RAM disk, by UEFI HTTP Boot.
    Iso = "iso";
}

/// Declares the files of the folder `loader`, by the kind of loader they belong to. Paths are parsed
/// by each in this order.
macro_rules! loader_routes {
    ($($(#[$meta:meta])* $name:ident($file:ty);)*) => {
        /// A file of the folder `loader`.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum LoaderRoute {
            $($(#[$meta])* $name($file),)*
        }

        impl LoaderRoute {
            /// Parses the names behind `loader`.
            pub(crate) fn parse(names: &[&[u8]]) -> Option<Self> {
                None$(.or_else(|| <$file>::parse(names).map(Self::$name)))*
            }

            /// Lists the programs to look for on the host.
            pub fn programs() -> impl Iterator<Item = &'static Program> {
                [$(<$file>::programs()),*].into_iter().flatten()
            }

            /// Returns the file.
            pub fn file(&self) -> &dyn LoaderFile {
                match self {
                    $(Self::$name(file) => file,)*
                }
            }
        }

        $(impl From<$file> for LoaderRoute {
            fn from(file: $file) -> Self {
                Self::$name(file)
            }
        })*
    };
}

loader_routes! {
    /// A build of iPXE.
    Ipxe(Ipxe);
    /// A file of PXELINUX.
    Pxelinux(PxelinuxFile);
    /// The file that only a GRUB with the module `http` can source.
    GrubHttpTest(GrubHttpTest);
    /// A file beside shim, of a pair of shim and GRUB.
    ShimGrub(ShimGrubFile);
    /// A file beside iPXE's own shim.
    SignedIpxe(SignedIpxeFile);
    /// SYSLINUX' memdisk.
    Memdisk(Memdisk);
}

/// Any [`Loader`], as the plan uses it.
pub trait AnyLoader {
    /// See [`Loader::supports`].
    fn supports(&self, request: &BootRequest) -> bool;

    /// See [`Loader::replaces_ipxe`].
    fn replaces_ipxe(&self, arch: Arch) -> bool;

    /// See [`Loader::offer`].
    ///
    /// # Errors
    /// Returns the reason where none of its programs fits.
    fn offer(
        &self,
        request: &BootRequest,
        available: &dyn Available,
    ) -> Result<LoaderOffer<LoaderRoute>, NoLoader>;
}

impl<L: Loader> AnyLoader for L
where
    LoaderRoute: From<L::File>,
{
    fn supports(&self, request: &BootRequest) -> bool {
        Loader::supports(self, request)
    }

    fn replaces_ipxe(&self, arch: Arch) -> bool {
        Loader::replaces_ipxe(self, arch)
    }

    fn offer(
        &self,
        request: &BootRequest,
        available: &dyn Available,
    ) -> Result<LoaderOffer<LoaderRoute>, NoLoader> {
        let offer = Loader::offer(self, request, available)?;
        Ok(LoaderOffer {
            file: offer.file.into(),
            config: offer.config,
            folder: offer.folder,
        })
    }
}

impl fmt::Display for LoaderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for LoaderRoute {
    /// Writes the path below `loader`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file().fmt(f)
    }
}
