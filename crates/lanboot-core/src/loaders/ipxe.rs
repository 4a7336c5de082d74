//! The builds of iPXE that are served, and iPXE behind its own signed shim.

use super::shim_grub::{Shim, secure_names};
use super::shim_names::{Wanted, ipxe_build, wanted};
use crate::machine::Arch;
use crate::vfs::Content;

/// iPXE's own signed shim and the signed builds of iPXE that it starts (iPXE 2.0). It finds one by
/// taking `-shim` and the architecture out of its own name, or asks for `ipxe.efi`, beside itself or
/// at the root of TFTP (ipxe/ipxe#1684): each name is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIpxe {
    /// The firmware it runs on.
    pub arch: Arch,
    /// The shim.
    pub shim: Shim,
    /// The build that is started.
    pub build: SignedBuild,
    /// The other one, for whoever asks for it by name.
    pub other: Option<SignedBuild>,
}

/// A signed build of iPXE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBuild {
    /// `snponly` or `ipxe`.
    pub kind: &'static str,
    /// The program.
    pub content: Content,
}

impl SignedIpxe {
    /// The name its shim is offered under, which leads to the build that is to be started.
    pub fn shim_name(&self) -> String {
        let (_, suffix) = secure_names(self.arch).unwrap_or_default();
        format!("{}-shim{suffix}.efi", self.build.kind)
    }

    /// The file beside the shim for a request of this name.
    pub fn file(&self, name: &[u8]) -> Option<&Content> {
        match wanted(name, self.arch) {
            Wanted::Shim => Some(&self.shim.content),
            Wanted::SecondStage => {
                let kind = ipxe_build(name).map(|(kind, _)| kind);
                let other = self.other.as_ref();
                let named = other.filter(|other| kind == Some(other.kind));
                Some(&named.unwrap_or(&self.build).content)
            }
            Wanted::Other => None,
        }
    }
}

/// A build of iPXE: for which firmware, with which driver, and its name in the folder `loader`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipxe {
    /// The firmware it runs on.
    pub arch: Arch,
    /// With drivers of its own; else on top of the firmware's driver, so that it works with every
    /// card the firmware can boot from.
    pub native: bool,
    /// Its name in the folder `loader`.
    pub name: &'static str,
}

/// Every build of iPXE that can be served.
pub const IPXE: [Ipxe; 14] = {
    const fn build(arch: Arch, native: bool, name: &'static str) -> Ipxe {
        Ipxe { arch, native, name }
    }
    [
        build(Arch::X86Bios, false, "undionly.kpxe"),
        build(Arch::X86Bios, true, "ipxe.pxe"),
        build(Arch::X64Uefi, false, "snponly-x86_64.efi"),
        build(Arch::X64Uefi, true, "ipxe-x86_64.efi"),
        build(Arch::X86Uefi, false, "snponly-i386.efi"),
        build(Arch::X86Uefi, true, "ipxe-i386.efi"),
        build(Arch::Arm64Uefi, false, "snponly-arm64.efi"),
        build(Arch::Arm64Uefi, true, "ipxe-arm64.efi"),
        build(Arch::Arm32Uefi, false, "snponly-arm32.efi"),
        build(Arch::Arm32Uefi, true, "ipxe-arm32.efi"),
        build(Arch::Riscv64Uefi, false, "snponly-riscv64.efi"),
        build(Arch::Riscv64Uefi, true, "ipxe-riscv64.efi"),
        build(Arch::Loong64Uefi, false, "snponly-loong64.efi"),
        build(Arch::Loong64Uefi, true, "ipxe-loong64.efi"),
    ]
};

/// The name under which iPXE for this firmware is served, with drivers of its own (`native`) or on
/// top of the firmware's.
pub fn ipxe_loader(arch: Arch, native: bool) -> Option<&'static str> {
    let fits = |build: &&Ipxe| build.arch == arch && build.native == native;
    IPXE.iter().find(fits).map(|build| build.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_build_of_ipxe_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = IPXE.iter().map(|build| build.name).collect();
        assert_eq!(names.len(), IPXE.len());
        assert_eq!(
            ipxe_loader(Arch::X64Uefi, false),
            Some("snponly-x86_64.efi")
        );
        assert_eq!(ipxe_loader(Arch::X86Bios, true), Some("ipxe.pxe"));
        assert_eq!(ipxe_loader(Arch::Other(2), true), None);
    }
}
