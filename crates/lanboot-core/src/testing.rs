//! Builders for the tests of this crate.

mod images;
mod media;
mod programs;

pub(crate) use images::{
    catalog, cut_image, disk, downloaded, image, installer, keep, linux, literal, multiboot,
    overlaid, program_image, server, whole_image, without_ram_disk,
};
pub(crate) use media::{medium, no_disk, read, tree, tree_of};
pub(crate) use programs::{
    grub_file, grub_module, program, shim_file, shim_grub, shim_grub_without_proxy, shim_signed,
    signed_ipxe,
};
