//! UEFI firmware that can start a medium as a disk.

use crate::machine::Arch;
use crate::vfs::Tree;

/// The names firmware gives the program it starts from a disk (UEFI 2.10 §3.5.1.1).
const DEFAULT_PROGRAMS: [(&str, Arch); 6] = [
    ("bootx64.efi", Arch::X64Uefi),
    ("bootia32.efi", Arch::X86Uefi),
    ("bootaa64.efi", Arch::Arm64Uefi),
    ("bootarm.efi", Arch::Arm32Uefi),
    ("bootriscv64.efi", Arch::Riscv64Uefi),
    ("bootloongarch64.efi", Arch::Loong64Uefi),
];

/// Lists the firmware a medium has a program for in `EFI/BOOT`, in either case; empty where the
/// folder is only inside its boot image.
pub(super) fn archs(tree: &Tree) -> Vec<Arch> {
    let folder = |parent, name: &str| {
        let mut entries = tree.entries(parent).iter();
        let found = entries.find(|(found, _)| names_equal(found, name))?;
        Some(found.1)
    };
    let Some(boot) = folder(Tree::ROOT, "efi").and_then(|efi| folder(efi, "boot")) else {
        return Vec::new();
    };
    let has = |name: &str| {
        let mut entries = tree.entries(boot).iter();
        entries.any(|(found, _)| names_equal(found, name))
    };
    let archs = DEFAULT_PROGRAMS.iter().filter(|(name, _)| has(name));
    archs.map(|(_, arch)| *arch).collect()
}

/// Compares names as FAT does.
fn names_equal(found: &[u8], name: &str) -> bool {
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
}
