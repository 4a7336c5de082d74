//! iPXE behind its own signed shim: for firmware with Secure Boot.

use std::fmt;

use super::loader::{Available, BootRequest, Loader, LoaderFile, LoaderOffer, Served};
use super::no_loader::NoLoader;
use super::secure_arch::SecureArch;
use super::shim_grub::Shim;
use super::shim_names::{Wanted, ipxe_build, wanted};

/// iPXE behind its own shim.
pub struct IpxeBehindShim;

/// A file beside iPXE's own shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIpxeFile {
    /// The firmware.
    pub arch: SecureArch,
    /// The file.
    pub part: IpxePart,
}

/// A file of iPXE behind its own shim. A build is `snponly` or `ipxe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpxePart {
    /// The shim, under the name that leads to this build.
    Shim(&'static str),
    /// iPXE: this build, or the one that is offered where the name says nothing.
    Program(Option<&'static str>),
}

impl Loader for IpxeBehindShim {
    type File = SignedIpxeFile;

    fn supports(&self, request: &BootRequest) -> bool {
        SecureArch::of(request.arch).is_some()
    }

    fn offer(
        &self,
        request: &BootRequest,
        available: &dyn Available,
    ) -> Result<LoaderOffer<SignedIpxeFile>, NoLoader> {
        let none = || NoLoader::NoShimGrub(request.arch);
        let arch = SecureArch::of(request.arch).ok_or_else(none)?;
        let signed = available.host().signed_ipxe(request.arch);
        let part = IpxePart::Shim(signed.ok_or_else(none)?.build.kind);
        Ok(LoaderOffer::new(SignedIpxeFile { arch, part }))
    }
}

impl LoaderFile for SignedIpxeFile {
    fn parse(names: &[&[u8]]) -> Option<Self> {
        let [b"secure-ipxe", folder, file] = names else {
            return None;
        };
        let arch = SecureArch::of_folder(folder)?;
        let part = match wanted(file, arch.arch()) {
            Wanted::Shim if file.to_ascii_lowercase().starts_with(b"ipxe") => {
                IpxePart::Shim("ipxe")
            }
            Wanted::Shim => IpxePart::Shim("snponly"),
            Wanted::SecondStage => IpxePart::Program(ipxe_build(file).map(|(build, _)| build)),
            Wanted::Other => return None,
        };
        Some(Self { arch, part })
    }

    fn is_menu(&self) -> bool {
        false
    }

    fn find<'a>(&self, available: &'a dyn Available) -> Option<Served<'a>> {
        let signed = available.host().signed_ipxe(self.arch.arch())?;
        Some(Served::Program(match self.part {
            IpxePart::Shim(_) => &signed.shim.content,
            IpxePart::Program(build) => signed.program(build),
        }))
    }

    fn shim<'a>(&self, available: &'a dyn Available) -> Option<&'a Shim> {
        let signed = available.host().signed_ipxe(self.arch.arch())?;
        matches!(self.part, IpxePart::Shim(_)).then_some(&signed.shim)
    }
}

impl fmt::Display for SignedIpxeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folder, suffix) = (self.arch.folder(), self.arch.suffix());
        write!(f, "secure-ipxe/{folder}/")?;
        match self.part {
            IpxePart::Shim(build) => write!(f, "{build}-shim{suffix}.efi"),
            IpxePart::Program(Some(build)) => write!(f, "{build}{suffix}.efi"),
            // What a shim of a vendor would start.
            IpxePart::Program(None) => write!(f, "grub{suffix}.efi"),
        }
    }
}
