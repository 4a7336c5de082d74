//! A medium's own GRUB for firmware for which nobody signs anything, so that there is no shim before it:
//! Debian's for 64-bit RISC-V (`bootnetriscv64.efi`), built to look for its menu and modules in its own
//! folder at the root of the server it came from.
//!
//! It is preferred over iPXE: boards of this kind have U-Boot, which leaves interrupts off, and iPXE 2.0
//! waits for one whenever it waits for a key (`wfi` in its `cpu_nap`).

use crate::catalog::{Catalog, Image};
use crate::machine::Arch;

/// The firmware it is for.
const ARCH: Arch = Arch::Riscv64Uefi;
/// The folder with GRUB, its menu and its modules.
const FOLDER: &str = "debian-installer/riscv64/";
/// GRUB itself.
const PROGRAM: &str = "debian-installer/riscv64/bootnetriscv64.efi";

/// Returns the path, from the root, of the GRUB for firmware of this kind, and the image that has it.
pub fn bare_grub(catalog: &Catalog, arch: Arch) -> Option<(&Image, &'static str)> {
    let image = image(catalog).filter(|_| arch == ARCH)?;
    Some((image, PROGRAM))
}

/// Returns the image with the file that such a GRUB, or what started it, asks for by this path from the
/// root; `None` for other files.
pub fn bare_grub_image<'a>(catalog: &'a Catalog, path: &[u8]) -> Option<&'a Image> {
    let is_its_own = path.starts_with(FOLDER.as_bytes());
    image(catalog).filter(|_| is_its_own)
}

/// Tests whether a file of an image is such a GRUB.
pub fn is_bare_grub(path: &str) -> bool {
    path == PROGRAM
}

/// Returns the image whose GRUB it is: the default one, else the first that has it.
fn image(catalog: &Catalog) -> Option<&Image> {
    let has_it = |image: &&Image| image.tree.file(PROGRAM).is_some();
    let own = catalog.default_image().map(AsRef::as_ref).into_iter();
    let all = catalog.images().iter().map(AsRef::as_ref);
    own.chain(all).find(has_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Cpu;
    use crate::testing::{image, tree};
    use std::sync::Arc;

    #[test]
    fn it_is_the_default_images_or_the_first_that_has_one() {
        let named = |name: &str, files: &[(&str, &str)]| {
            let mut image = image(name, &[Cpu::Riscv64]);
            image.tree = Arc::new(tree(files));
            Arc::new(image)
        };
        let own = [(PROGRAM, "g"), ("debian-installer/riscv64/linux", "k")];
        let catalog = Catalog::new(vec![
            named("pc", &[("debian-installer/amd64/linux", "k")]),
            named("one", &own),
            named("two", &own),
        ]);
        let found = bare_grub(&catalog, Arch::Riscv64Uefi);
        let found = found.map(|(image, path)| (image.name.as_str(), path));
        assert_eq!(found, Some(("one", PROGRAM)));
        for arch in [Arch::X64Uefi, Arch::Arm64Uefi, Arch::Riscv64Http] {
            assert!(bare_grub(&catalog, arch).is_none(), "{arch}");
        }
        let of = |path: &[u8]| bare_grub_image(&catalog, path).map(|image| image.name.as_str());
        let module = b"debian-installer/riscv64/grub/riscv64-efi/test.mod";
        assert_eq!(of(module), Some("one"));
        assert_eq!(of(b"debian-installer/amd64/linux"), None);
        assert!(is_bare_grub(PROGRAM) && !is_bare_grub("debian-installer/riscv64/linux"));
        let without = Catalog::new(vec![named(
            "pc",
            &[("debian-installer/riscv64/linux", "k")],
        )]);
        assert!(bare_grub(&without, Arch::Riscv64Uefi).is_none());
    }
}
