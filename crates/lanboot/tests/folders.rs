//! Folders and archives served like an image: what is recognised, what a change does to readers of the
//! old files, and what is never opened.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lanboot::images::library::{ImageLibrary, open_one};
use lanboot::images::open_folder::NotOpened;
use lanboot::images::open_images::{Changed, OpenImages, Unavailable};
use lanboot_core::catalog::{Image, Transport};
use lanboot_core::storage::ReadAt as _;
use lanboot_core::vfs::{Damage, ImageId, Source};

const MENU: &str = "menuentry 'Install' {\nlinux /debian-installer/amd64/linux quiet\n\
    initrd /debian-installer/amd64/initrd.gz\n}\n";

/// Makes a tree laid out as Debian's to boot from the network.
fn netboot(folder: &Path) {
    for (path, text) in [
        ("debian-installer/amd64/linux", "kernel"),
        ("debian-installer/amd64/initrd.gz", "initramfs"),
        ("debian-installer/amd64/grub/grub.cfg", MENU),
        ("version.info", "Debian 12"),
    ] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    symlink("debian-installer/amd64/linux", folder.join("linux")).unwrap();
}

/// Returns the open image that the file at `path` is a piece of.
fn piece(image: &Image, path: &str) -> ImageId {
    let content = image.tree.file(path).unwrap();
    match content.pieces()[0].source {
        Source::Image { image, offset: 0 } => image,
        ref other => panic!("{other:?}"),
    }
}

fn text(open_images: &OpenImages, image: &Image, path: &str) -> String {
    let content = image.tree.file(path).unwrap();
    let mut bytes = Vec::new();
    for piece in content.pieces() {
        let Source::Image { image, offset } = piece.source else {
            panic!("{piece:?}")
        };
        let mut part = vec![0; usize::try_from(piece.len).unwrap()];
        let image_file = open_images.open(image).unwrap();
        assert_eq!(image_file.read_at(&mut part, offset).unwrap(), part.len());
        bytes.extend(part);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_unpacked_tree_is_one_image() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("debian 12");
    netboot(&tree);
    let open_images = Arc::new(OpenImages::default());
    for named in [folder.path(), tree.as_path()] {
        let mut library = ImageLibrary::new(vec![named.to_owned()], Arc::clone(&open_images));
        let scan = library.scan(None);
        assert!(
            scan.faults.is_empty() && scan.warnings.is_empty(),
            "{scan:?}"
        );
        let [image] = scan.catalog.images() else {
            panic!("{scan:?}")
        };
        assert_eq!(
            (image.name.as_str(), image.label.as_str()),
            ("debian-12", "debian 12")
        );
        assert_eq!(image.found.family_name(), "debian-installer");
        assert_eq!(image.found.format.unwrap().to_string(), "folder");
        for path in ["linux", "debian-installer/amd64/linux"] {
            assert_eq!(text(&open_images, image, path), "kernel");
        }
        let entry = &image.found.entries[0];
        assert_eq!(entry.check(Transport::Http, ""), Ok(()));
        assert_eq!(image.whole().damage(), Some(Damage::NoDisk));
        assert!(!library.scan(None).changed);
    }
    let said = open_one(folder.path()).unwrap_err().to_string();
    assert!(
        said.contains("is a folder, and not one with the files of an image"),
        "{said}"
    );
}

#[test]
fn a_change_gives_a_new_identity_and_ends_readers_of_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    netboot(folder.path());
    let open_images = Arc::new(OpenImages::default());
    let mut library = ImageLibrary::new(vec![folder.path().to_owned()], Arc::clone(&open_images));
    let first = Arc::clone(&library.scan(None).catalog.images()[0]);
    let again = ImageLibrary::new(vec![folder.path().to_owned()], Arc::default()).scan(None);
    assert_eq!(
        again.catalog.images()[0].identity,
        first.identity,
        "after a restart"
    );
    let kernel = piece(&first, "linux");
    let initrd = piece(&first, "debian-installer/amd64/initrd.gz");
    let (reading, beside) = (
        open_images.open(kernel).unwrap(),
        open_images.open(initrd).unwrap(),
    );
    // Written over in place: the reader has the file open.
    std::fs::write(folder.path().join("debian-installer/amd64/linux"), "KERNEL").unwrap();
    assert_eq!(reading.check(), Err(Changed::Overwritten));
    assert_eq!(beside.check(), Ok(()), "the other file is as it was");
    let changed = Unavailable::NotOpened(NotOpened::Changed);
    assert_eq!(open_images.open(kernel).unwrap_err(), changed);
    let scan = library.scan(None);
    let second = &scan.catalog.images()[0];
    assert!(scan.changed && second.identity != first.identity && second.version != first.version);
    assert_eq!(text(&open_images, second, "linux"), "KERNEL");
    assert!(
        open_images.open(initrd).is_err(),
        "nobody has it as a disk: it is closed"
    );
    // Replaced by a file of the same length and time.
    let path = folder.path().join("debian-installer/amd64/linux");
    let times = std::fs::metadata(&path).unwrap().modified().unwrap();
    let new = folder.path().join("new");
    std::fs::write(&new, "Kernel").unwrap();
    std::fs::File::open(&new)
        .unwrap()
        .set_modified(times)
        .unwrap();
    let kernel = piece(second, "linux");
    std::fs::rename(&new, &path).unwrap();
    assert_eq!(
        text(&open_images, second, "linux"),
        "KERNEL",
        "the old file is still open"
    );
    assert!(open_images.open(kernel).is_ok());
    let scan = library.scan(None);
    assert_eq!(
        text(&open_images, &scan.catalog.images()[0], "linux"),
        "Kernel"
    );
    assert_ne!(scan.catalog.images()[0].identity, second.identity);
}

/// Machines that mounted the old tree go on, except for what was changed.
#[test]
fn a_tree_that_machines_have_mounted_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    netboot(folder.path());
    let open_images = Arc::new(OpenImages::default());
    let mut library = ImageLibrary::new(vec![folder.path().to_owned()], Arc::clone(&open_images));
    let first = Arc::clone(&library.scan(None).catalog.images()[0]);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    open_images.get(first.id).unwrap().note_streamed(now);
    std::fs::write(folder.path().join("new"), "n").unwrap();
    let scan = library.scan(None);
    assert_ne!(scan.catalog.images()[0].identity, first.identity);
    assert!(scan.catalog.of_identity(first.identity).is_some());
    assert_eq!(text(&open_images, &first, "linux"), "kernel");
}

#[test]
fn nothing_outside_and_nothing_private_is_served() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    netboot(folder.path());
    let at = |name: &str| folder.path().join(name);
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path().join("secret"), at("secret")).unwrap();
    symlink(outside.path(), at("outside")).unwrap();
    symlink("../../../../etc/passwd", at("passwd")).unwrap();
    symlink(at("version.info"), at("absolute")).unwrap();
    symlink("loop", at("loop")).unwrap();
    nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    std::fs::write(at("key"), "key").unwrap();
    std::fs::set_permissions(at("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let image = open_one(folder.path()).unwrap();
    for path in [
        "secret",
        "outside/secret",
        "passwd",
        "loop",
        "pipe",
        "socket",
    ] {
        assert!(image.tree.file(path).is_none(), "{path}");
    }
    assert!(
        image.tree.file("absolute").is_some(),
        "it leads to a file of the folder"
    );
    assert_eq!(
        image.tree.file("key").unwrap().damage(),
        Some(Damage::Private)
    );
    let warnings = image.found.warnings.join("\n");
    assert!(
        warnings.contains("1 files are not served, because not everybody"),
        "{warnings}"
    );
    assert!(warnings.contains("2 devices, pipes"), "{warnings}");
}

#[test]
fn many_files_need_few_descriptors() {
    const FILES: usize = 30_000;
    let folder = tempfile::tempdir().unwrap();
    netboot(folder.path());
    let pool = folder.path().join("pool");
    std::fs::create_dir(&pool).unwrap();
    for n in 0..FILES {
        std::fs::write(pool.join(n.to_string()), n.to_string()).unwrap();
    }
    let open_images = Arc::new(OpenImages::default());
    let mut library = ImageLibrary::new(vec![folder.path().to_owned()], Arc::clone(&open_images));
    let begun = Instant::now();
    let image = Arc::clone(&library.scan(None).catalog.images()[0]);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for n in 0..FILES {
        assert_eq!(
            text(&open_images, &image, &format!("pool/{n}")),
            n.to_string()
        );
    }
    let more = open().saturating_sub(before);
    assert!(
        more < 400,
        "{more} descriptors more, of this and other tests"
    );
}

fn tar(folder: &Path, archive: &Path, flags: &[&str]) {
    let mut command = Command::new("tar");
    command
        .arg("-C")
        .arg(folder)
        .args(flags)
        .arg("-cf")
        .arg(archive)
        .arg(".");
    assert!(
        command
            .status()
            .expect("tar is missing: apt-get install -y tar")
            .success()
    );
}

#[test]
fn an_archive_is_served_packed_and_plain() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    netboot(&tree);
    for (name, flags, served) in [
        ("netboot.tar", &[][..], true),
        ("netboot.tar.gz", &["-z"][..], true),
        ("netboot.tar.xz", &["-J"][..], false),
    ] {
        let path = folder.path().join(name);
        tar(&tree, &path, flags);
        let open_images = Arc::new(OpenImages::default());
        let mut library = ImageLibrary::new(vec![path.clone()], Arc::clone(&open_images));
        let scan = library.scan(None);
        if !served {
            let said = &scan.faults[0].text;
            assert!(
                said.ends_with(&format!("unpack it: tar xf {name}")),
                "{said}"
            );
            continue;
        }
        let image = &scan.catalog.images()[0];
        assert_eq!(
            (image.name.as_str(), image.label.as_str()),
            ("netboot", name)
        );
        assert_eq!(image.found.format.unwrap().to_string(), "tar archive");
        for path in ["linux", "debian-installer/amd64/linux"] {
            assert_eq!(text(&open_images, image, path), "kernel");
        }
        assert!(!library.scan(None).changed);
        let again = ImageLibrary::new(vec![path], Arc::default()).scan(None);
        assert_eq!(
            again.catalog.images()[0].identity,
            image.identity,
            "after a restart"
        );
    }
    let mut library = ImageLibrary::new(vec![folder.path().to_owned()], Arc::default());
    let names = library.scan(None);
    let names: Vec<&str> = names
        .catalog
        .images()
        .iter()
        .map(|i| i.name.as_str())
        .collect();
    assert_eq!(names.len(), 3, "the tree and two archives: {names:?}");
}

#[test]
fn archives_that_are_no_medium_or_damaged_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, source) = (folder.path().join("tree"), folder.path().join("source"));
    netboot(&tree);
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("main.c"), "int main;").unwrap();
    let at = |name: &str| folder.path().join(name);
    tar(&source, &at("source.tar.gz"), &["-z"]);
    tar(&source, &at("source.tar"), &[]);
    tar(&tree, &at("whole.tar.gz"), &["-z"]);
    tar(&tree, &at("whole.tar"), &[]);
    let packed = std::fs::read(at("whole.tar.gz")).unwrap();
    std::fs::write(at("cut.tar.gz"), &packed[..packed.len() - 20]).unwrap();
    let plain = std::fs::read(at("whole.tar")).unwrap();
    std::fs::write(at("cut.tar"), &plain[..4096]).unwrap();
    let mut bomb = std::fs::File::create(at("large.tar.gz")).unwrap();
    bomb.write_all(&packed[..packed.len() / 2]).unwrap();
    bomb.set_len(257 << 20).unwrap();
    for (name, expected) in [
        (
            "source.tar.gz",
            "is a tar archive compressed with gzip; unpack it: tar xf source.tar.gz",
        ),
        (
            "source.tar",
            "is a tar archive; unpack it: tar xf source.tar",
        ),
        (
            "cut.tar.gz",
            "is compressed with gzip and damaged or incomplete",
        ),
        (
            "cut.tar",
            "is an incomplete tar archive: it ends at byte 4096",
        ),
        (
            "large.tar.gz",
            "is compressed and has more than 256 MiB; it is a tar archive",
        ),
    ] {
        let said = format!("{:#}", open_one(&at(name)).unwrap_err());
        assert!(said.contains(expected), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
