//! The programs a machine can be offered: those of the host and those on the images.

use super::boot_choice::BootChoice;
use super::pick::{pxelinux_image, shim_grub};
use crate::catalog::Catalog;
use crate::loaders::{Available, Loaders, ShimGrub};
use crate::machine::Arch;
use crate::vfs::File;

/// The programs of the host and of the images.
#[derive(Clone, Copy, Debug)]
pub struct Programs<'a> {
    /// The images.
    pub catalog: &'a Catalog,
    /// The loaders of the host.
    pub loaders: &'a Loaders,
    /// The entry that starts when nobody presses a key: a shim has to trust its kernel.
    pub boot: &'a BootChoice,
}

impl Available for Programs<'_> {
    fn host(&self) -> &Loaders {
        self.loaders
    }

    fn shim_grub(&self, arch: Arch, http: bool) -> Option<&ShimGrub> {
        shim_grub(self.catalog, self.loaders, self.boot, arch, http)
    }

    fn has_pxelinux(&self) -> bool {
        pxelinux_image(self.catalog).is_some() || !self.loaders.pxelinux.is_empty()
    }

    fn pxelinux(&self, name: &str) -> Option<File> {
        match pxelinux_image(self.catalog) {
            Some(image) => {
                let folder = image.found.pxelinux.as_deref()?;
                image.file(format!("{folder}/{name}").as_bytes())
            }
            None => self
                .loaders
                .pxelinux
                .get(name)
                .cloned()
                .map(File::in_memory),
        }
    }
}
