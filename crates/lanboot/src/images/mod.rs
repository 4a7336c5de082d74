//! Image files: the library that reads them into a catalog, and the table of open ones;
//! folders served like an image.

pub mod initramfs;
pub mod library;
pub mod open_folder;
pub mod open_images;
