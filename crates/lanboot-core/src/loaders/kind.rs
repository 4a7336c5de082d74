//! The kinds of boot loaders an operator can ask for.

use std::fmt;

/// The loader a machine is to load first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoaderKind {
    /// The most widely working loader: for BIOS iPXE, else PXELINUX; for UEFI a loader that also
    /// starts with Secure Boot on, else iPXE.
    #[default]
    Auto,
    /// iPXE on top of the firmware's own network driver, behind its own signed shim where there is
    /// one.
    Ipxe,
    /// iPXE with its own drivers.
    IpxeNative,
    /// PXELINUX, also for a ROM that is iPXE.
    Pxelinux,
    /// shim and GRUB.
    Grub,
    /// The whole image as a RAM disk, by UEFI HTTP Boot.
    Iso,
}

impl LoaderKind {
    /// Every way.
    pub const ALL: [Self; 6] = [
        Self::Auto,
        Self::Ipxe,
        Self::IpxeNative,
        Self::Pxelinux,
        Self::Grub,
        Self::Iso,
    ];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ipxe => "ipxe",
            Self::IpxeNative => "ipxe-native",
            Self::Pxelinux => "pxelinux",
            Self::Grub => "grub",
            Self::Iso => "iso",
        }
    }
}

impl fmt::Display for LoaderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
