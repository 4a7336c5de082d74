//! The FAT file system in an El Torito boot image for UEFI, where its programs are nowhere else on the
//! medium: it becomes a folder of the medium's tree, so that loaders get them.

use super::medium::Medium;
use crate::fat;
use crate::iso::Platform;
use crate::storage::ReadAt;
use crate::vfs::{Content, ImageId, Kind, NodeId, Source, Tree};

/// Folder in the tree of a medium with the files of its boot image for UEFI. No medium has one of this
/// name; if it does, that stays and the boot image is not looked into.
pub const FOLDER: &str = "efi-boot-image";
/// Largest boot image that is looked into, in bytes: those of installers with their kernels have 1 GiB.
const MAX_BOOT_IMAGE: u64 = 4 << 30;

/// Adds the files of the medium's boot image for UEFI to its tree, if the medium has no `EFI/BOOT` of
/// its own. A boot image that is damaged or no FAT file system is left alone: firmware is given it
/// as it is.
pub(super) fn look_into(mut medium: Medium, image: ImageId, source: &dyn ReadAt) -> Medium {
    if has_efi_boot(&medium.tree) {
        return medium;
    }
    let mut boots = medium.boot.iter();
    let boot = boots.find(|boot| boot.platform == Platform::Uefi && boot.bootable);
    let Some(range) = boot.and_then(|boot| range(&boot.content)) else {
        return medium;
    };
    let volume = fat::read(image, source, range);
    if let Some(volume) = volume.ok().filter(|volume| has_efi_boot(&volume.tree)) {
        medium.tree = medium.tree.with_folder(FOLDER.as_bytes(), volume.tree);
    }
    medium
}

/// Returns the bytes of a boot image that lies in the image in one piece.
fn range(content: &Content) -> Option<std::ops::Range<u64>> {
    let [piece] = content.pieces() else {
        return None;
    };
    let Source::Image { offset, .. } = piece.source else {
        return None;
    };
    let end = offset.checked_add(piece.len)?;
    (piece.len <= MAX_BOOT_IMAGE).then_some(offset..end)
}

/// Tests whether there are files in `EFI/BOOT`, in either case.
fn has_efi_boot(tree: &Tree) -> bool {
    let below = |parent: NodeId, name: &str| {
        let mut entries = tree.entries(parent).iter();
        let found = entries.find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, id)| *id)
    };
    let boot = below(Tree::ROOT, "efi").and_then(|efi| below(efi, "boot"));
    let mut files = boot.iter().flat_map(|id| tree.entries(*id));
    files.any(|(_, id)| matches!(tree.node(*id).map(|node| &node.kind), Some(Kind::File(_))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::{BootEntry, Naming};
    use crate::media::format::Format;
    use crate::media::tests::stick;
    use crate::testing::tree;
    use crate::vfs::Piece;

    const IMAGE: ImageId = ImageId(5);
    const AT: u64 = 2048;

    /// A disc whose boot image is a FAT file system at [`AT`].
    fn disc(files: &[(&str, &str)], platform: Platform, disk: &[u8]) -> (Medium, Vec<u8>) {
        let image = [&vec![0; usize::try_from(AT).unwrap()], disk].concat();
        let piece = Piece::of_image(IMAGE, AT, disk.len() as u64, image.len() as u64);
        let boot = BootEntry {
            platform,
            bootable: true,
            content: Content::new(piece),
        };
        let medium = Medium {
            format: Format::Iso(Naming::RockRidge),
            label: String::new(),
            uuid: None,
            len: image.len() as u64,
            tree: tree(files),
            boot: vec![boot],
            warnings: Vec::new(),
        };
        (medium, image)
    }

    #[test]
    fn its_files_are_in_a_folder_where_the_medium_has_no_program() {
        let disk = stick(b"BOOTX64 EFI");
        let path = format!("{FOLDER}/EFI/BOOT/BOOTX64.EFI");
        let found = |files: &[(&str, &str)], platform, disk: &[u8]| {
            let (medium, image) = disc(files, platform, disk);
            let found = look_into(medium, IMAGE, &image);
            let content = found.tree.file(&path).cloned();
            content.map(|content| match content.pieces()[0].source {
                Source::Image { offset, .. } => (offset, content.len()),
                ref other => panic!("{other:?}"),
            })
        };
        let plain: &[(&str, &str)] = &[("linux", "k")];
        let inside = found(plain, Platform::Uefi, &disk);
        let (offset, len) = inside.unwrap();
        assert!(offset > AT && offset < AT + disk.len() as u64);
        assert_eq!(len, 9);
        assert_eq!(found(plain, Platform::Bios, &disk), None);
        assert_eq!(
            found(&[("efi/boot/x.efi", "")], Platform::Uefi, &disk),
            None
        );
        assert_eq!(found(&[(FOLDER, "own")], Platform::Uefi, &disk), None);
        // Another file system, and one without programs.
        assert_eq!(found(plain, Platform::Uefi, &[0; 4096]), None);
        let mut other = disk.clone();
        other[1024..1027].copy_from_slice(b"XYZ");
        assert_eq!(found(plain, Platform::Uefi, &other), None);
    }
}
