//! UEFI firmware that can start a medium as a disk.

use crate::machine::Arch;
use crate::media::BOOT_IMAGE_FOLDER;
use crate::vfs::{NodeId, Tree};

/// The names firmware gives the program it starts from a disk (UEFI 2.10 §3.5.1.1).
const DEFAULT_PROGRAMS: [(&str, Arch); 6] = [
    ("bootx64.efi", Arch::X64Uefi),
    ("bootia32.efi", Arch::X86Uefi),
    ("bootaa64.efi", Arch::Arm64Uefi),
    ("bootarm.efi", Arch::Arm32Uefi),
    ("bootriscv64.efi", Arch::Riscv64Uefi),
    ("bootloongarch64.efi", Arch::Loong64Uefi),
];

/// Lists the firmware a medium has a program for in `EFI/BOOT`, in either case, of its own or of its
/// boot image; empty where the boot image cannot be read.
pub(super) fn archs(tree: &Tree) -> Vec<Arch> {
    let names = boot_names(tree);
    let has = |name: &str| names.iter().any(|path| names_equal(last(path), name));
    let archs = DEFAULT_PROGRAMS.iter().filter(|(name, _)| has(name));
    archs.map(|(_, arch)| *arch).collect()
}

/// Lists the paths of these programs.
pub(super) fn programs(tree: &Tree) -> Vec<String> {
    let mut paths = boot_names(tree);
    let is_default = |path: &str| {
        let mut names = DEFAULT_PROGRAMS.iter();
        names.any(|(name, _)| names_equal(last(path), name))
    };
    paths.retain(|path| is_default(path));
    paths
}

/// Lists the paths of everything in `EFI/BOOT`: that of the medium, and that of its boot image where
/// it has none.
fn boot_names(tree: &Tree) -> Vec<String> {
    let own = names_below(tree, Tree::ROOT, "");
    let inside = tree.lookup(Tree::ROOT, BOOT_IMAGE_FOLDER.as_bytes());
    match inside {
        Some(id) if own.is_empty() => names_below(tree, id, &format!("{BOOT_IMAGE_FOLDER}/")),
        _ => own,
    }
}

/// Lists the paths of everything in the `EFI/BOOT` of the folder `root`, whose path is `prefix`.
fn names_below(tree: &Tree, root: NodeId, prefix: &str) -> Vec<String> {
    let folder = |parent, name: &str| {
        let mut entries = tree.entries(parent).iter();
        let (found, id) = entries.find(|(found, _)| names_equal_bytes(found, name))?;
        Some((std::str::from_utf8(found).ok()?, *id))
    };
    let efi = folder(root, "efi");
    let boot = efi.and_then(|(efi, id)| Some((efi, folder(id, "boot")?)));
    let Some((efi, (boot, id))) = boot else {
        return Vec::new();
    };
    let names = tree.entries(id).iter();
    let names = names.filter_map(|(name, _)| std::str::from_utf8(name).ok());
    let names = names.map(|name| format!("{prefix}{efi}/{boot}/{name}"));
    names.collect()
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn names_equal(found: &str, name: &str) -> bool {
    names_equal_bytes(found.as_bytes(), name)
}

/// Compares names as FAT does.
fn names_equal_bytes(found: &[u8], name: &str) -> bool {
    found.eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tree;

    #[test]
    fn the_programs_on_a_medium_determine_which_firmware_starts_it() {
        let of = |files: &[(&str, &str)]| archs(&tree(files));
        assert_eq!(of(&[("EFI/BOOT/BOOTX64.EFI", "")]), [Arch::X64Uefi]);
        let both = of(&[("efi/boot/bootaa64.efi", ""), ("efi/boot/BOOTia32.EFI", "")]);
        assert_eq!(both, [Arch::X86Uefi, Arch::Arm64Uefi]);
        assert_eq!(of(&[("boot/bootx64.efi", "")]), []);
    }

    #[test]
    fn the_boot_image_counts_where_the_medium_has_no_program() {
        let inside = format!("{BOOT_IMAGE_FOLDER}/EFI/BOOT/BOOTAA64.EFI");
        let found = tree(&[(&inside, ""), ("EFI/other", "")]);
        assert_eq!(
            (archs(&found), programs(&found)),
            (vec![Arch::Arm64Uefi], vec![inside.clone()])
        );
        let both = tree(&[(&inside, ""), ("EFI/BOOT/BOOTX64.EFI", "")]);
        assert_eq!(archs(&both), [Arch::X64Uefi]);
    }
}
