//! The families of media that are recognised, one module each.

pub(crate) mod archiso;
pub(crate) mod debian_installer;
