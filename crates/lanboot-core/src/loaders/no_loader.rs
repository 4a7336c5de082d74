//! Reasons for offering a machine no loader.

use crate::machine::Arch;

/// The reason why a machine gets an address but nothing to boot, or not what it was to boot. Each
/// displays as a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLoader {
    /// An initramfs, an installed system, a phone: it did not ask.
    #[error("it did not ask for a boot file")]
    NotAsked,
    /// Nothing here can be booted.
    #[error("no image served has a bootable entry")]
    NothingToBoot,
    /// There would be something if it were whole.
    #[error("no image served is whole: {0}")]
    Incomplete(String),
    /// The firmware has no loader here.
    #[error("there is no loader for {0} machines; they can boot if their firmware is iPXE")]
    Firmware(Arch),
    /// There would be one if it were installed.
    #[error(
        "no loader for {0} machines was found on this host: lanboot doctor says which package \
         brings one; or put {1} into a folder and name it with --loaders"
    )]
    NoEfiLoader(Arch, &'static str),
    /// `--menu stock`, and the default image has none.
    #[error("--menu stock was asked for, but {0} carries no PXE menu")]
    NoStockMenu(String),
    /// Neither the host nor a medium has a BIOS loader.
    #[error(
        "no BIOS loader was found: not on an image (lpxelinux.0) nor on this host; \
         install the package ipxe or pxelinux with syslinux-common"
    )]
    NoBiosLoader,
    /// `--loader grub`, and there is none.
    #[error(
        "--loader grub was asked for, but there is no signed shim with a GRUB for the network for \
         {0} machines, neither on this host nor on an image; lanboot doctor names the packages"
    )]
    NoShimGrub(Arch),
    /// `--loader iso`, and firmware could not start the image.
    #[error("--loader iso was asked for, but {0} has no EFI boot image for {1} machines")]
    NoEfiImage(String, Arch),
    /// There are only whole images, and this machine starts none of them.
    #[error("{0}")]
    OnlyWhole(String),
    /// The firmware cannot do what was asked for it: the word for the loader, and the firmware.
    #[error("--loader {0} does not support {1} machines")]
    NotForThis(&'static str, Arch),
    /// RAM disks come by HTTP Boot.
    #[error("--loader iso works by UEFI HTTP Boot, and this machine boots by PXE")]
    NotByPxe,
    /// Another server gives the addresses, and this GRUB looks for its files there: its name, and
    /// where it was found.
    #[error(
        "{0} ({1}) would look for its files on the DHCP server that gives the addresses, and hang"
    )]
    GrubWithoutProxy(String, String),
    /// There is nothing else: why not GRUB, and why not iPXE.
    #[error("{0}; and {1}")]
    Neither(Box<Self>, Box<Self>),
}
