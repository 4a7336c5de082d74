//! The plan for one machine: the loader that fits its firmware, the operator's choice and what is
//! installed.

mod loader_choice;
mod no_loader;
mod offer;
mod pick;

pub use loader_choice::LoaderChoice;
pub use no_loader::NoLoader;
pub use offer::{Offer, Offers, offer, usual_loader};
pub use pick::{pxelinux_image, shim_grub};

/// The menu that machines see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MenuKind {
    /// The one made here, with every image.
    #[default]
    Generated,
    /// The default image's own, untouched.
    Stock,
}
