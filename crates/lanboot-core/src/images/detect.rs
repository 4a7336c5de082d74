//! Recognising a medium.

use super::detection::{Detection, StockMenu};
use super::medium::Medium;
use super::{efi, families};
use crate::boot_config::{ReadSmall, file_names};
use crate::iso::{self, Platform};
use crate::vfs::Tree;

/// Recognises a medium by content. `name` is what its image is called; `read` returns the bytes of a
/// small file, or `None` when the disk fails.
pub fn detect(medium: &iso::Medium, name: &str, read: ReadSmall<'_>) -> Detection {
    let tree = &medium.tree;
    let efi_boot = medium.boot.iter().any(is_efi);
    let found = families::detect(Medium {
        tree,
        name,
        label: &medium.label,
        date: medium.uuid.as_deref(),
        read,
    });
    let found = found.unwrap_or_else(|| Detection {
        warnings: vec![no_kernel(efi_boot).into()],
        ..Detection::default()
    });
    Detection {
        efi_boot,
        efi_archs: efi::archs(tree),
        pxelinux: found.pxelinux.filter(|folder| is_whole(tree, folder)),
        stock: found.stock.filter(|stock| is_whole(tree, folder_of(stock))),
        ..found
    }
}

/// Tests whether UEFI firmware can start this entry of the El Torito boot catalog.
fn is_efi(entry: &iso::BootEntry) -> bool {
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
