//! The programs found on this host.

use std::collections::BTreeMap;

use super::shim_grub::ShimGrub;
use super::signed_ipxe::SignedIpxe;
use crate::machine::Arch;
use crate::vfs::Content;

/// The name of memdisk in the folder `loader`.
pub(super) const MEMDISK: &str = "memdisk";

/// The loaders there are, besides those on the media.
#[derive(Clone, Debug, Default)]
pub struct Loaders {
    /// Programs by their names in the folder `loader`: see [`super::Program`].
    pub programs: BTreeMap<&'static str, Content>,
    /// The host's `lpxelinux.0` with its modules, by file name.
    pub pxelinux: BTreeMap<String, Content>,
    /// Loaders that also start with Secure Boot on, best first.
    pub shim_grubs: Vec<ShimGrub>,
    /// iPXE behind its own signed shim.
    pub signed_ipxe: Vec<SignedIpxe>,
}

impl Loaders {
    /// Tests whether the host has memdisk.
    pub fn has_memdisk(&self) -> bool {
        self.programs.contains_key(MEMDISK)
    }

    /// Returns iPXE behind its own shim for this firmware.
    pub fn signed_ipxe(&self, arch: Arch) -> Option<&SignedIpxe> {
        self.signed_ipxe.iter().find(|signed| signed.arch == arch)
    }
}
