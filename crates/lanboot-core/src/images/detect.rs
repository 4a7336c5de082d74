//! Recognising a medium.

use std::cell::OnceCell;

use super::detection::{Detection, StockMenu};
use super::generic::{self, Boots};
use super::medium::{Medium, Whole};
use super::{bare, efi, families, product};
use crate::boot_config::{ReadSmall, file_names};
use crate::iso::{BootEntry, Platform};
use crate::media::{self, Format};
use crate::vfs::Tree;

/// Recognises a medium by content. `name` is what its image is called; `read` returns the bytes of a
/// small file, or `None` when the disk fails.
pub fn detect(medium: &media::Medium, name: &str, read: ReadSmall<'_>) -> Detection {
    let tree = &medium.tree;
    let efi_archs = efi::archs(tree);
    // What is in a disc's boot image is not always known; the files of a drive are the tree.
    let has_program = !medium.format.is_drive() || !efi_archs.is_empty();
    let efi_boot = has_program && medium.boot.iter().any(is_efi);
    let seen = Medium {
        tree,
        name,
        label: &medium.label,
        date: medium.date(),
        whole: match medium.format {
            Format::Iso(_) | Format::Udf(_) => Whole::Disc(medium.len),
            Format::Disk(..) | Format::Bare(_) => Whole::Drive,
            Format::Folder | Format::Tar => Whole::Files,
        },
        read,
        menus_read: &OnceCell::new(),
    };
    let boots = Boots {
        bios: medium.boot.iter().any(is_bios),
        uefi: efi_boot,
    };
    let mut found = families::detect(seen).unwrap_or_else(|| match medium.format {
        Format::Bare(of) => bare::detect(seen, of),
        _ => generic::detect(seen, boots),
    });
    if found.as_disk {
        found.entries.extend(generic::disk(seen, boots));
    }
    found.note_untested();
    Detection {
        format: Some(medium.format),
        product: product::product(tree, read),
        efi_boot,
        efi_archs,
        pxelinux: found.pxelinux.filter(|folder| is_whole(tree, folder)),
        stock: found.stock.filter(|stock| is_whole(tree, folder_of(stock))),
        ..found
    }
}

/// Tests whether UEFI firmware can start this entry of the El Torito boot catalog.
fn is_efi(entry: &BootEntry) -> bool {
    entry.platform == Platform::Uefi && is_bootable(entry)
}

/// Tests whether a BIOS can start this entry of the El Torito boot catalog.
fn is_bios(entry: &BootEntry) -> bool {
    entry.platform == Platform::Bios && is_bootable(entry)
}

fn is_bootable(entry: &BootEntry) -> bool {
    entry.bootable && !entry.content.is_empty() && entry.content.damage().is_none()
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
