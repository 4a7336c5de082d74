//! Folders of images: which files in a folder, and in the folders below it, are images.

use std::collections::HashSet;
use std::fs::{DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use lanboot_core::catalog::newest_first;
use lanboot_core::media::{MARKS, SYSTEM};
use lanboot_core::text;

use super::endings::{
    is_called_image, is_called_initramfs, is_called_iso, is_called_kernel, is_called_program,
    is_for_firmware,
};

/// Most folders one inside the other, below the one the operator named.
const MAX_DEPTH: usize = 8;
/// Most folders looked into below one that the operator named.
const MAX_FOLDERS: usize = 2048;
/// Most files called like images listed of one that the operator named.
const MAX_FILES: usize = 65_536;

/// The images of a folder that the operator named.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files called like images, those of each folder together, its own before those of folders in
    /// it: products by name, the newest version of each first.
    pub(super) images: Vec<FoundImage>,
    /// Folders below it that cannot be read, each with the reason.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
    /// True if some folders were not looked into, or some files not listed: there are too many.
    pub(super) is_cut: bool,
}

/// A file called like an image, or a folder that is a medium.
#[derive(Debug)]
pub(super) struct FoundImage {
    pub(super) path: PathBuf,
    /// The folders it is in, below the one the operator named, printable.
    pub(super) folder: Vec<String>,
}

/// Lists the images in `folder` and in the folders below it: all files called like one, so that
/// invalid ones are reported, and programs that are started as they are. Folders whose names begin with a dot are left out, and a folder that
/// links lead to twice is listed once.
///
/// # Errors
/// Returns the reason why `folder` itself cannot be read.
pub(super) fn images_below(folder: &Path) -> io::Result<Found> {
    let mut walk = Walk {
        found: Found::default(),
        seen: HashSet::new(),
    };
    let meta = std::fs::metadata(folder)?;
    walk.folder(folder, &meta, &[])?;
    Ok(walk.found)
}

struct Walk {
    found: Found,
    /// Device and inode of the folders looked into.
    seen: HashSet<(u64, u64)>,
}

impl Walk {
    fn folder(&mut self, path: &Path, meta: &Metadata, names: &[String]) -> io::Result<()> {
        if !self.seen.insert((meta.dev(), meta.ino())) {
            return Ok(());
        }
        let is_medium = is_medium(path);
        if is_medium {
            self.found.images.push(FoundImage {
                path: path.to_owned(),
                folder: names
                    .split_last()
                    .map_or(&[][..], |(_, above)| above)
                    .to_vec(),
            });
        }
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        let (mut kernels, mut has_initramfs) = (Vec::new(), false);
        let may_start = !names.iter().any(|name| is_for_firmware(name));
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let called = Path::new(&name);
            // The files of a medium are its own, but for images that somebody put there.
            if is_medium && !is_called_iso(called) {
                continue;
            }
            has_initramfs |= is_called_initramfs(called);
            if is_called_image(called) || (may_start && is_called_program(called)) {
                files.push((text::path(name.as_ref()), entry.path()));
            } else if is_called_kernel(called) {
                kernels.push((text::path(name.as_ref()), entry.path()));
            } else if let Some(meta) = folder_of(&entry) {
                folders.push((text::path(name.as_ref()), entry.path(), meta));
            }
            // A folder of other files costs no memory.
            let count = self.found.images.len() + files.len() + kernels.len();
            if count > MAX_FILES || folders.len() > MAX_FOLDERS {
                self.found.is_cut = true;
                break;
            }
        }
        // A kernel beside an initramfs is a part of a system.
        if !has_initramfs {
            files.append(&mut kernels);
        }
        files.sort_by(|(one, _), (other, _)| newest_first(one, other));
        let images = files.into_iter().map(|(_, path)| FoundImage {
            path,
            folder: names.to_vec(),
        });
        self.found.images.extend(images);
        folders.sort_by(|(one, ..), (other, ..)| newest_first(one, other));
        for (name, path, meta) in folders {
            if names.len() >= MAX_DEPTH || self.seen.len() >= MAX_FOLDERS {
                self.found.is_cut = true;
                break;
            }
            let below = [names, &[name]].concat();
            if let Err(error) = self.folder(&path, &meta, &below) {
                self.found.unreadable.push((path, error));
            }
        }
        Ok(())
    }
}

/// Tests whether a folder is a medium itself: a mounted or unpacked image, or a tree to boot from the
/// network. The top of the host's own files is none.
pub(super) fn is_medium(folder: &Path) -> bool {
    let has = |mark: &str| match mark.strip_suffix('/') {
        Some(below) => folder.join(below).is_dir(),
        None => folder.join(mark).is_file(),
    };
    let is_system = || SYSTEM.iter().all(|below| folder.join(below).is_dir());
    let is_top = || {
        folder
            .canonicalize()
            .is_ok_and(|place| place.parent().is_none())
    };
    MARKS.iter().any(|mark| has(mark)) && !is_system() && !is_top()
}

/// Returns the properties of a folder to look into; `None` for anything else. Other files are
/// distinguished by what the folder says of them, without a look at each.
fn folder_of(entry: &DirEntry) -> Option<Metadata> {
    let kind = entry.file_type().ok()?;
    let may_be_one = kind.is_dir() || kind.is_symlink();
    if !may_be_one || entry.file_name().as_bytes().starts_with(b".") {
        return None;
    }
    let meta = std::fs::metadata(entry.path()).ok()?;
    meta.is_dir().then_some(meta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn listed(folder: &Path) -> Vec<String> {
        let found = images_below(folder).unwrap();
        let images = found.images.iter();
        let shown = images.map(|image| {
            let file = text::path(image.path.file_name().unwrap().as_ref());
            [&image.folder[..], &[file]].concat().join("/")
        });
        shown.collect()
    }

    /// Makes a folder of empty files.
    fn folder_of(paths: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in paths {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    #[test]
    fn the_newest_is_first_and_folders_follow() {
        let folder = folder_of(&[
            "debian-12.iso",
            "debian-13.ISO",
            "arch-2026.11.iso",
            "notes.txt",
            "linux/b/x.iso",
            "linux/a-9.iso",
            "linux/a-10.iso",
            "tools/t.iso",
            ".hidden/h.iso",
            ".dot.iso",
            "empty/none.txt",
        ]);
        let expected = [
            "arch-2026.11.iso",
            "debian-13.ISO",
            "debian-12.iso",
            ".dot.iso",
            "linux/a-10.iso",
            "linux/a-9.iso",
            "linux/b/x.iso",
            "tools/t.iso",
        ];
        assert_eq!(listed(folder.path()), expected);
    }

    #[test]
    fn programs_and_kernels_by_themselves_are_listed_and_parts_of_systems_are_not() {
        let folder = folder_of(&[
            "EFI/debian/shimx64.efi",
            "EFI/disk.img",
            "debian/initrd.gz",
            "debian/vmlinuz",
            "kernels/vmlinuz-6.1",
            "memtest86+x64.bin",
            "shell.efi",
            "tool.bin",
        ]);
        let expected = [
            "memtest86+x64.bin",
            "shell.efi",
            "EFI/disk.img",
            "kernels/vmlinuz-6.1",
        ];
        assert_eq!(listed(folder.path()), expected);
    }

    #[test]
    fn a_folder_that_is_a_medium_is_one_image() {
        let folder = folder_of(&[
            "a.iso",
            "debian/netboot/debian-installer/amd64/linux",
            "debian/netboot/efi.img",
            "debian/netboot/beside.iso",
            "debian/b.iso",
            "live/c.iso",
            "system/boot/grub/grub.cfg",
            "system/etc/passwd",
            "system/usr/d.iso",
        ]);
        let expected = [
            "a.iso",
            "debian/b.iso",
            "debian/netboot",
            "debian/netboot/beside.iso",
            "live/c.iso",
            "system/usr/d.iso",
        ];
        assert_eq!(listed(folder.path()), expected);
        let own = images_below(&folder.path().join("debian/netboot")).unwrap();
        let own: Vec<_> = own.images.iter().map(|image| image.folder.len()).collect();
        assert_eq!(own, [0, 0], "itself and the image in it");
    }

    #[test]
    fn links_are_followed_and_loops_end() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("real")).unwrap();
        std::fs::write(at("real/x.iso"), b"").unwrap();
        symlink("real", at("a-link")).unwrap();
        symlink(folder.path(), at("real/up")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("/nowhere", at("nowhere")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(listed(folder.path()), ["a-link/x.iso"]);
    }

    #[test]
    fn deep_folders_and_many_of_them_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let mut path = folder.path().to_owned();
        for _ in 0..50 {
            path.push("d");
        }
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("deep.iso"), b"").unwrap();
        std::fs::write(folder.path().join("d/near.iso"), b"").unwrap();
        let found = images_below(folder.path()).unwrap();
        assert!(found.is_cut && found.images.len() == 1, "{found:?}");
        let wide = tempfile::tempdir().unwrap();
        for n in 0..MAX_FOLDERS + 10 {
            std::fs::create_dir(wide.path().join(n.to_string())).unwrap();
        }
        assert!(images_below(wide.path()).unwrap().is_cut);
    }

    #[test]
    fn a_hundred_thousand_other_files_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..100_000 {
            std::fs::File::create(folder.path().join(format!("{n}.jpg"))).unwrap();
        }
        std::fs::write(folder.path().join("one.iso"), b"").unwrap();
        let found = images_below(folder.path()).unwrap();
        assert_eq!((found.images.len(), found.is_cut), (1, false));
    }
}
