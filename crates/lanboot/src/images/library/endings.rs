//! Names of images, and of programs that are started as they are, by which they are found in a folder;
//! what a file is, its content decides.

use std::path::Path;

/// Endings of images of discs and of drives.
const IMAGES: [&str; 3] = ["iso", "img", "raw"];
/// Endings of virtual disks; they are reported with how to convert them.
const VIRTUAL: [&str; 5] = ["qcow2", "vmdk", "vhd", "vhdx", "vdi"];
/// Endings that compressing an image adds; such files are reported with how to unpack them.
const COMPRESSED: [&str; 6] = ["gz", "xz", "zst", "bz2", "lz4", "lz"];
/// Endings of programs that are started as they are.
const PROGRAMS: [&str; 2] = ["efi", "lkrn"];
/// Beginnings of the names of other such programs: memtest86+'s in Debian's packages, in later ones and
/// as its makers build it.
const MEMTEST: [&str; 3] = ["memtest86+", "mt86+", "mt86plus"];
/// Folder of the programs that firmware and the systems on a disk start.
const FIRMWARE_FOLDER: &str = "efi";
/// Ending of a file that `lanboot get` and browsers are still downloading, and the one of what is kept beside it.
const UNFINISHED: [&str; 2] = [".part", ".part.json"];
/// Beginnings of the names of Linux kernels.
const KERNELS: [&str; 2] = ["vmlinuz", "bzImage"];
/// Endings of archives, and the word in the names of those that are trees to boot from the network.
const ARCHIVES: [&str; 3] = [".tar", ".tar.gz", ".tgz"];
const NETBOOT: &[u8] = b"netboot";
/// Beginnings of the names of files that end like images and never are any.
const INITRAMFS: [&str; 2] = ["initrd", "initramfs"];

fn ends(path: &Path, endings: &[&str]) -> bool {
    let extension = path.extension();
    extension.is_some_and(|e| endings.iter().any(|ending| e.eq_ignore_ascii_case(ending)))
}

fn begins(path: &Path, beginnings: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut beginnings = beginnings.iter();
    beginnings.any(|start| name.starts_with(start.as_bytes()))
}

/// Returns whether a file in a folder is called like a program that is started as it is.
pub(super) fn is_called_program(path: &Path) -> bool {
    let is_memtest = || begins(path, &MEMTEST) && !ends(path, &COMPRESSED);
    (ends(path, &PROGRAMS) || is_memtest()) && !is_unfinished(path)
}

/// Returns whether a file in a folder is called like a Linux kernel.
pub(super) fn is_called_kernel(path: &Path) -> bool {
    begins(path, &KERNELS) && !is_unfinished(path)
}

/// Returns whether a file is called like one that is still being downloaded.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    UNFINISHED
        .iter()
        .any(|ending| name.ends_with(ending.as_bytes()))
}

/// Returns whether a file in a folder is called like an initramfs.
pub(super) fn is_called_initramfs(path: &Path) -> bool {
    begins(path, &INITRAMFS)
}

/// Returns whether the programs in a folder of this name are those of a firmware or of a system, which
/// are parts of something.
pub(super) fn is_for_firmware(folder: &str) -> bool {
    folder.eq_ignore_ascii_case(FIRMWARE_FOLDER)
}

/// Returns whether a file in a folder is called like an image, also like one that has to be unpacked.
pub(super) fn is_called_image(path: &Path) -> bool {
    let is_packed = |path: &Path| {
        let inner = path.file_stem().map(Path::new);
        ends(path, &COMPRESSED) && inner.is_some_and(|inner| ends(inner, &IMAGES))
    };
    let is_image = ends(path, &IMAGES) || ends(path, &VIRTUAL) || is_packed(path);
    !is_called_initramfs(path) && (is_image || is_called_netboot(path))
}

/// Returns whether a file is called like an archive of a tree to boot from the network.
fn is_called_netboot(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let name = name.to_ascii_lowercase();
    let is_archive = ARCHIVES
        .iter()
        .any(|ending| name.ends_with(ending.as_bytes()));
    is_archive && name.windows(NETBOOT.len()).any(|part| part == NETBOOT)
}

/// Returns whether a file is called like an image of a disc.
pub(super) fn is_called_iso(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("iso"))
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
            "netboot.tar.gz",
            "ubuntu-24.04-netboot-amd64.tar",
            "Netboot.TGZ",
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

    #[test]
    fn programs_are_found_by_their_endings_and_memtest_by_its_name() {
        for name in [
            "a/shellx64.efi",
            "B.EFI",
            "ipxe.lkrn",
            "memtest86+x64.bin",
            "memtest86+ia32.efi",
            "mt86+x64",
            "mt86plus_6.20_64.grub.bin",
        ] {
            assert!(is_called_program(Path::new(name)), "{name}");
            assert!(!is_called_image(Path::new(name)), "{name}");
        }
        for name in ["efi", "a.bin", "vmlinuz", "memtest86", "mt86+x64.gz"] {
            assert!(!is_called_program(Path::new(name)), "{name}");
        }
        for name in [
            "a.iso",
            "memtest86+x64.bin",
            "vmlinuz-6.1",
            "x.efi",
            "netboot.tar.gz",
        ] {
            for ending in UNFINISHED {
                let name = format!("{name}{ending}");
                let path = Path::new(&name);
                assert!(!is_called_image(path) && !is_called_program(path), "{name}");
                assert!(!is_called_kernel(path), "{name}");
            }
        }
        assert!(is_called_kernel(Path::new("x/vmlinuz-6.1.0-37-amd64")));
        assert!(is_called_initramfs(Path::new("initrd.img-6.1.0-37-amd64")));
        assert!(is_for_firmware("EFI") && !is_for_firmware("efi-tools"));
    }
}
