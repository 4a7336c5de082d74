//! iPXE's own signed shim with the builds of iPXE it starts, as found on the host.

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
