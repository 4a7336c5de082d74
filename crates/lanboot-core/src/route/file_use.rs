//! Roles of files in a boot.

use crate::loaders::Authorities;

/// The role of a file in a boot, in the order a boot needs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Anything else.
    #[default]
    Other,
    /// The program that the firmware runs first, and its modules.
    Loader,
    /// A menu or script.
    Menu,
    /// The kernel.
    Kernel,
    /// The initramfs.
    Initramfs,
    /// The root file system.
    Root,
}

/// A file that a boot fetches from here after its initramfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its name, as [`FileUse::name`].
    pub name: String,
    /// True if the boot fails without it.
    pub required: bool,
}

/// The use of one file in a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileUse {
    /// Its role.
    pub role: Role,
    /// One name for it, by whatever path it was asked for: `IMAGE/PATH`.
    pub name: String,
    /// True if only a machine that boots asks for it. Anybody may look at a menu, download a root,
    /// mount an image or attach one as a disk.
    pub begins_boot: bool,
    /// For a root: all that the initramfs fetches, in order.
    pub expected: Vec<Expected>,
    /// For a shim: who signed it for firmware.
    pub shim: Option<Authorities>,
}

impl FileUse {
    /// Makes the use of a root that is mounted or attached: whatever else is needed is read through
    /// it.
    pub fn mounted() -> Self {
        Self {
            role: Role::Root,
            ..Self::default()
        }
    }
}
