//! Network boot loaders: their kinds, the programs found on a host or a medium, and the names that
//! firmware, shim and iPXE ask for them by.

mod ipxe;
mod kind;
mod secure_arch;
mod shim_grub;
mod shim_names;

pub use ipxe::{IPXE, Ipxe, SignedBuild, SignedIpxe};
pub use kind::LoaderKind;
pub use secure_arch::{SecureArch, secure_names};
pub use shim_grub::{Authorities, Grub, Shim, ShimGrub};
pub(crate) use shim_names::{Wanted, wanted};
pub use shim_names::{ipxe_build, is_garbled, is_shim_name};

use std::collections::BTreeMap;

use crate::machine::Arch;
use crate::vfs::Content;

/// The loaders there are, besides those on the media.
#[derive(Clone, Debug, Default)]
pub struct Loaders {
    /// iPXE for every kind of firmware, by its name in the folder `loader`: see [`Ipxe`].
    pub ipxe: BTreeMap<&'static str, Content>,
    /// The host's `lpxelinux.0` with its modules, by file name.
    pub pxelinux: BTreeMap<String, Content>,
    /// Loaders that also start with Secure Boot on, best first.
    pub shim_grubs: Vec<ShimGrub>,
    /// iPXE behind its own signed shim.
    pub signed_ipxe: Vec<SignedIpxe>,
}

impl Loaders {
    /// iPXE behind its own shim for this firmware.
    pub fn signed_ipxe(&self, arch: Arch) -> Option<&SignedIpxe> {
        self.signed_ipxe.iter().find(|signed| signed.arch == arch)
    }
}
