//! Names of images, by which they are found in a folder; what a file is, its content decides.

use std::path::Path;

/// Endings of images of discs and of drives.
const IMAGES: [&str; 3] = ["iso", "img", "raw"];
/// Endings of virtual disks; they are reported with how to convert them.
const VIRTUAL: [&str; 5] = ["qcow2", "vmdk", "vhd", "vhdx", "vdi"];
/// Endings that compressing an image adds; such files are reported with how to unpack them.
const COMPRESSED: [&str; 6] = ["gz", "xz", "zst", "bz2", "lz4", "lz"];
/// Beginnings of the names of files that end like images and never are any.
const INITRAMFS: [&str; 2] = ["initrd", "initramfs"];

/// Returns whether a file in a folder is called like an image, also like one that has to be unpacked.
pub(super) fn is_called_image(path: &Path) -> bool {
    let ends = |path: &Path, endings: &[&str]| {
        let extension = path.extension();
        extension.is_some_and(|e| endings.iter().any(|ending| e.eq_ignore_ascii_case(ending)))
    };
    let is_packed = |path: &Path| {
        let inner = path.file_stem().map(Path::new);
        ends(path, &COMPRESSED) && inner.is_some_and(|inner| ends(inner, &IMAGES))
    };
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let is_initramfs = INITRAMFS
        .iter()
        .any(|start| name.starts_with(start.as_bytes()));
    !is_initramfs && (ends(path, &IMAGES) || ends(path, &VIRTUAL) || is_packed(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_by_their_endings() {
        for name in [
            "a.iso",
            "a.ISO",
            "disk.img",
            "b/disk.raw",
            "a.iso.xz",
            "d.img.GZ",
            "v.qcow2",
        ] {
            assert!(is_called_image(Path::new(name)), "{name}");
        }
        for name in [
            "a",
            "iso",
            "a.txt",
            "a.gz",
            "a.tar.gz",
            "initrd.img",
            "initramfs-linux.img",
        ] {
            assert!(!is_called_image(Path::new(name)), "{name}");
        }
    }
}
