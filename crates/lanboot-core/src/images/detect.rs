//! Recognising a medium.

use super::detection::{Detection, StockMenu};
use super::medium::Medium;
use super::{efi, families};
use crate::boot_config::{ReadSmall, file_names};
use crate::iso::{BootEntry, Platform};
use crate::media;
use crate::vfs::Tree;

/// Recognises a medium by content. `name` is what its image is called; `read` returns the bytes of a
/// small file, or `None` when the disk fails.
pub fn detect(medium: &media::Medium, name: &str, read: ReadSmall<'_>) -> Detection {
    let tree = &medium.tree;
    let efi_archs = efi::archs(tree);
    // The file system in a disc's boot image is not looked into; that of a drive is the tree.
    let has_program = !medium.format.is_drive() || !efi_archs.is_empty();
    let efi_boot = has_program && medium.boot.iter().any(is_efi);
    let found = families::detect(Medium {
        tree,
        name,
        label: &medium.label,
        date: medium.date(),
        read,
    });
    let found = found.unwrap_or_else(|| Detection {
        warnings: vec![no_kernel(efi_boot).into()],
        ..Detection::default()
    });
    Detection {
        format: Some(medium.format),
        efi_boot,
        efi_archs,
        pxelinux: found.pxelinux.filter(|folder| is_whole(tree, folder)),
        stock: found.stock.filter(|stock| is_whole(tree, folder_of(stock))),
        ..found
    }
}

/// Tests whether UEFI firmware can start this entry of the El Torito boot catalog.
fn is_efi(entry: &BootEntry) -> bool {
    let is_whole = !entry.content.is_empty() && entry.content.damage().is_none();
    entry.platform == Platform::Uefi && entry.bootable && is_whole
}

/// Tests whether no file in `folder` is damaged: a loader stops at the first of its modules that is,
/// and the host's are whole.
fn is_whole(tree: &Tree, folder: &str) -> bool {
    let mut names = file_names(tree, folder);
    names.all(|name| {
        let file = tree.file(&format!("{folder}/{name}"));
        file.is_none_or(|content| content.damage().is_none())
    })
}

fn folder_of(stock: &StockMenu) -> &str {
    let path = stock.loader.rsplit_once('/');
    path.map_or("", |(folder, _)| folder)
}

/// Returns the warning for a medium of no known family.
fn no_kernel(efi_boot: bool) -> &'static str {
    if efi_boot {
        "no kernel for the network was found on it; UEFI HTTP Boot can start the whole image as a \
         RAM disk, and nothing else can"
    } else {
        "no known way to boot it over the network was found; its files are served all the same"
    }
}
