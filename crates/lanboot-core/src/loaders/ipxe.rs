//! The builds of iPXE that are served, and iPXE behind its own signed shim.

use super::shim_grub::Shim;
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
    /// The other one, for machines that request it by name.
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
    /// Returns the program of this build, where the name asked for has one; of the other ones that
    /// which is started.
    pub fn program(&self, build: Option<&str>) -> &Content {
        let other = self.other.as_ref();
        let named = other.filter(|other| build == Some(other.kind));
        &named.unwrap_or(&self.build).content
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

impl Ipxe {
    /// Returns the build for this firmware, with drivers of its own (`native`) or on top of the
    /// firmware's.
    pub fn of(arch: Arch, native: bool) -> Option<Self> {
        let fits = |build: &Self| build.arch == arch && build.native == native;
        IPXE.into_iter().find(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_build_of_ipxe_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = IPXE.iter().map(|build| build.name).collect();
        assert_eq!(names.len(), IPXE.len());
        assert_eq!(
            Ipxe::of(Arch::X64Uefi, false).map(|build| build.name),
            Some("snponly-x86_64.efi")
        );
        assert_eq!(
            Ipxe::of(Arch::X86Bios, true).map(|build| build.name),
            Some("ipxe.pxe")
        );
        assert_eq!(Ipxe::of(Arch::Other(2), true), None);
    }
}
