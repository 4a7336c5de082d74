//! The plan for one machine: the loader, the entry that starts unattended and the transport of its
//! root, by its firmware, the operator's choice and what is installed.

mod bare_grub;
mod boot_choice;
mod loader_choice;
mod menu_kind;
mod nothing;
mod offer;
mod pick;
mod programs;
mod transport;
mod unknown_entry;

pub use bare_grub::{bare_grub, bare_grub_image, is_bare_grub};
pub use boot_choice::{BootChoice, CannotBoot};
pub use loader_choice::LoaderChoice;
pub use menu_kind::MenuKind;
pub use offer::{Offer, Offers, offer, usual_loader};
pub use pick::{pxelinux_image, shim_grub};
pub use programs::Programs;
pub use transport::{Memory, RootTransport, TransportReason, Transports, root_transport};
pub use unknown_entry::UnknownEntry;

pub use crate::loaders::NoLoader;
