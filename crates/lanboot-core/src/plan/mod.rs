//! The plan for one machine: the loader, the entry that starts unattended and the transport of its
//! root, by its firmware, the operator's choice and what is installed.

mod boot_choice;
mod loader_choice;
mod no_loader;
mod offer;
mod pick;
mod transport;
mod unknown_entry;

pub use boot_choice::{BootChoice, CannotBoot};
pub use loader_choice::LoaderChoice;
pub use no_loader::NoLoader;
pub use offer::{Offer, Offers, offer, usual_loader};
pub use pick::{pxelinux_image, shim_grub};
pub use transport::{Memory, RootTransport, TransportReason, Transports, root_transport};
pub use unknown_entry::UnknownEntry;

/// The menu that machines see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MenuKind {
    /// The one made here, with every image.
    #[default]
    Generated,
    /// The default image's own, untouched.
    Stock,
}
