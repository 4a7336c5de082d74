//! What becomes of an image that is replaced, removed or written over while machines have it as
//! their disk.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lanboot::images::library::ImageLibrary;
use lanboot::images::open_images::OpenImages;
use lanboot_core::catalog::{Catalog, Image};
use lanboot_core::events::Diagnostic;
use lanboot_core::iso::ReadAt as _;

/// Makes an image that holds `text`.
fn make(path: &Path, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file.txt"), text).unwrap();
    xorriso(path, folder.path());
}

fn xorriso(path: &Path, folder: &Path) {
    let output = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "-o"])
        .args([path, folder])
        .output()
        .expect("xorriso is missing: apt-get install -y xorriso");
    assert!(output.status.success(), "{output:?}");
}

/// Makes an archiso medium for UEFI without network in its initramfs, which holds `files` and the list
/// of the modules that are part of the kernel.
fn make_without_network(path: &Path, files: &[&str]) {
    let builtin = "usr/lib/modules/6.12/modules.builtin";
    let modules: Vec<&str> = files.iter().copied().chain([builtin]).collect();
    make_archiso_with(path, &cpio(&modules), "linux 6.12-1\n");
}

/// Makes an archiso medium for UEFI with this initramfs and list of packages.
fn make_archiso_with(path: &Path, initramfs: &[u8], packages: &str) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("arch/boot/x86_64/vmlinuz-linux", b"kernel");
    write("arch/boot/x86_64/initramfs-linux.img", initramfs);
    write("arch/x86_64/airootfs.sfs", b"root");
    write("arch/pkglist.x86_64.txt", packages.as_bytes());
    write(
        "loader/entries/01.conf",
        b"title Live\nlinux /arch/boot/x86_64/vmlinuz-linux\n\
          initrd /arch/boot/x86_64/initramfs-linux.img\noptions archisobasedir=arch\n",
    );
    write("efi.img", &[1; 4096]);
    let output = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "-eltorito-alt-boot"])
        .args(["-e", "efi.img", "-no-emul-boot", "-o"])
        .args([path, folder.path()])
        .output()
        .expect("xorriso is missing: apt-get install -y xorriso");
    assert!(output.status.success(), "{output:?}");
}

/// Builds an archive (`newc`) of files that hold one byte.
fn cpio(names: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names.iter().chain(&["TRAILER!!!"]) {
        let len = usize::from(*name != "TRAILER!!!");
        let numbers = [1, 0o100_644, 0, 0, 1, 0, len, 0, 0, 0, 0, name.len() + 1, 0];
        out.extend_from_slice(b"070701");
        for number in numbers {
            out.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(&b"x"[..len]);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

#[test]
fn a_whole_image_is_an_entry_only_if_its_system_finds_the_ram_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut library = ImageLibrary::new(vec![folder.path().to_owned()], Arc::default());
    make_without_network(
        &folder.path().join("able.iso"),
        &["nfit", "libnvdimm", "nd_pmem"]
            .map(|name| format!("usr/lib/modules/6.12/kernel/drivers/{name}.ko"))
            .each_ref()
            .map(String::as_str),
    );
    let scan = library.scan(None);
    let able = &scan.catalog.images()[0];
    assert!(able.found.entries.is_empty() && able.found.unreachable.len() == 1);
    assert!(able.is_whole_entry(), "{:?}", scan.warnings);
    // One that comes later is examined, too.
    make_without_network(&folder.path().join("unable.iso"), &[]);
    let scan = library.scan(None);
    let unable = &scan.catalog.images()[1];
    assert!(!unable.is_whole_entry() && unable.whole_image_lack().is_some());
    let warns = |warning: &&Diagnostic| {
        warning.text.contains("not offered either") && warning.text.contains("nfit")
    };
    assert_eq!(
        scan.warnings.iter().filter(warns).count(),
        1,
        "{:?}",
        scan.warnings
    );
    assert!(scan.catalog.images()[0].is_whole_entry());
}

/// Returns what `lanboot inspect` prints about an image.
fn inspect(path: &Path) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_lanboot"))
        .arg("inspect")
        .arg(path)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn inspect_says_what_can_start_and_why_the_rest_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let able = folder.path().join("统信 able.iso");
    make_without_network(
        &able,
        &["nfit", "libnvdimm", "nd_pmem"]
            .map(|name| format!("usr/lib/modules/6.12/kernel/drivers/{name}.ko"))
            .each_ref()
            .map(String::as_str),
    );
    let said = inspect(&able);
    assert!(said.contains("统信 able.iso"), "{said}");
    assert!(
        said.contains("UEFI HTTP Boot can take the whole image (--loader iso)"),
        "{said}"
    );
    assert!(
        said.contains(": the whole image\n    starts     on UEFI"),
        "{said}"
    );
    assert!(said.contains("\n  not offered "), "{said}");
    assert!(
        said.contains("initramfs-linux.img has no program ipconfig"),
        "{said}"
    );
    let unable = folder.path().join("unable.iso");
    make_without_network(&unable, &[]);
    let said = inspect(&unable);
    assert!(said.contains("not recommended (--loader iso): "), "{said}");
    assert!(said.contains("nfit"), "{said}");
    assert!(!said.contains(": the whole image\n"), "{said}");
}

#[test]
fn inspect_says_which_package_a_medium_lacks_for_a_transport() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.iso");
    // Nothing but the list of packages says what is in this initramfs.
    make_archiso_with(
        &path,
        b"sealed",
        "linux 6.12-1\nmkinitcpio-nfs-utils 0.3-8\n",
    );
    let said = inspect(&path);
    assert!(said.contains("\n  entry live: live\n"), "{said}");
    assert!(
        said.contains(
            "\n    nbd        its initramfs cannot attach the root over NBD: the package nbd is not \
             in arch/pkglist.x86_64.txt\n"
        ),
        "{said}"
    );
    assert!(said.contains("\n    http       archisobasedir="), "{said}");
    make_archiso_with(&path, b"sealed", "linux 6.12-1\nnbd 3.26-1\n");
    let said = inspect(&path);
    let lack = "live is not offered: its initramfs cannot use the network: the package \
                mkinitcpio-nfs-utils is not in arch/pkglist.x86_64.txt";
    assert!(said.contains("\n  not offered live: live\n"), "{said}");
    assert!(said.contains(lack), "{said}");
}

struct Fixture {
    folder: tempfile::TempDir,
    open_images: Arc<OpenImages>,
    library: ImageLibrary,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("a.iso"), "old");
        let open_images = Arc::new(OpenImages::default());
        let library = ImageLibrary::new(vec![folder.path().to_owned()], Arc::clone(&open_images));
        Self {
            folder,
            open_images,
            library,
        }
    }

    fn scan(&mut self) -> Catalog {
        self.library.scan(None).catalog
    }

    /// The first scan, with a machine that has the image as its disk.
    fn streamed(&mut self) -> Arc<Image> {
        let image = Arc::clone(&self.scan().images()[0]);
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        self.open_images.get(image.id).unwrap().note_streamed(now);
        image
    }
}

#[test]
fn an_image_that_is_replaced_is_kept_for_those_who_stream_it() {
    let mut fixture = Fixture::new();
    let old = fixture.streamed();
    let path = fixture.folder.path().join("a.iso");
    make(&path.with_extension("new"), "a newer text");
    std::fs::rename(path.with_extension("new"), &path).unwrap();
    let catalog = fixture.scan();
    let new = &catalog.images()[0];
    assert_ne!(new.identity, old.identity);
    assert_eq!(catalog.of_identity(old.identity).unwrap().id, old.id);
    let disk = fixture.open_images.get(old.id).unwrap();
    assert!(!disk.is_overwritten());
    let content = old.tree.file("file.txt").unwrap();
    let piece = &content.pieces()[0];
    let lanboot_core::vfs::Source::Image { offset, .. } = piece.source else {
        panic!("{piece:?}")
    };
    let mut bytes = [0; 3];
    assert_eq!(disk.read_at(&mut bytes, offset).unwrap(), 3);
    assert_eq!(&bytes, b"old");
    // A later look finds it still there.
    assert!(fixture.scan().of_identity(old.identity).is_some());
}

#[test]
fn an_image_nobody_streams_goes_with_its_file() {
    let mut fixture = Fixture::new();
    let old = Arc::clone(&fixture.scan().images()[0]);
    std::fs::remove_file(fixture.folder.path().join("a.iso")).unwrap();
    assert!(fixture.scan().of_identity(old.identity).is_none());
    assert!(fixture.open_images.get(old.id).is_none());
}

#[test]
fn one_that_is_removed_or_renamed_keeps_its_identity() {
    let mut fixture = Fixture::new();
    let old = fixture.streamed();
    let path = fixture.folder.path().join("a.iso");
    std::fs::rename(&path, path.with_file_name("b.iso")).unwrap();
    let catalog = fixture.scan();
    assert_eq!(catalog.images()[0].name, "b");
    assert_eq!(catalog.images()[0].identity, old.identity);
    std::fs::remove_file(path.with_file_name("b.iso")).unwrap();
    assert!(fixture.scan().of_identity(old.identity).is_some());
}

#[test]
fn a_restart_finds_the_same_identity() {
    let mut fixture = Fixture::new();
    let first = fixture.scan().images()[0].identity;
    let images = vec![fixture.folder.path().to_owned()];
    let mut again = ImageLibrary::new(images, Arc::default());
    assert_eq!(again.scan(None).catalog.images()[0].identity, first);
}

#[test]
fn one_that_is_written_over_is_an_error_and_never_another_images_bytes() {
    let mut fixture = Fixture::new();
    let old = fixture.streamed();
    let disk = fixture.open_images.get(old.id).unwrap();
    let path = fixture.folder.path().join("a.iso");
    make(&path.with_extension("new"), "a newer text");
    let new = std::fs::read(path.with_extension("new")).unwrap();
    // As cp does it: the same file, other bytes.
    std::fs::write(&path, new).unwrap();
    // A look while it is still fresh is enough.
    let scan = fixture.library.scan(Some(std::time::SystemTime::now()));
    assert!(disk.is_overwritten());
    assert_eq!(scan.warnings.len(), 1, "{:?}", scan.warnings);
    assert!(
        scan.warnings[0].text.contains("rename"),
        "{:?}",
        scan.warnings
    );
    let catalog = fixture.scan();
    assert_ne!(catalog.images()[0].identity, old.identity);
    assert!(catalog.of_identity(old.identity).is_none());
}

#[test]
fn one_that_was_renamed_away_and_is_written_over_then_is_no_longer_handed_out() {
    let mut fixture = Fixture::new();
    let old = fixture.streamed();
    let disk = fixture.open_images.get(old.id).unwrap();
    let path = fixture.folder.path().join("a.iso");
    let away = path.with_file_name("a.old");
    make(&path.with_extension("new"), "a newer text");
    std::fs::rename(&path, &away).unwrap();
    std::fs::rename(path.with_extension("new"), &path).unwrap();
    assert!(fixture.scan().of_identity(old.identity).is_some());
    std::fs::copy(&path, &away).unwrap();
    assert!(fixture.scan().of_identity(old.identity).is_none());
    assert!(disk.is_overwritten());
}

#[test]
fn a_new_date_alone_spoils_nothing() {
    let mut fixture = Fixture::new();
    let old = fixture.streamed();
    let file = std::fs::File::options()
        .write(true)
        .open(fixture.folder.path().join("a.iso"))
        .unwrap();
    let later = std::time::SystemTime::now() - Duration::from_secs(3600);
    file.set_modified(later).unwrap();
    let catalog = fixture.scan();
    assert!(catalog.of_identity(old.identity).is_some());
    assert!(!fixture.open_images.get(old.id).unwrap().is_overwritten());
}

/// Makes an image with archiso's files for these processors.
fn make_archiso(path: &Path, cpus: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    for cpu in cpus {
        for file in [
            format!("arch/{cpu}/airootfs.sfs"),
            format!("arch/boot/{cpu}/vmlinuz-linux"),
            format!("arch/boot/{cpu}/initramfs-linux.img"),
        ] {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, cpu).unwrap();
        }
    }
    xorriso(path, folder.path());
}

#[test]
fn images_whose_names_meet_are_numbered_and_keep_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    make_archiso(&at("arch.iso"), &["i686", "x86_64"]);
    make_archiso(&at("arch-i686.iso"), &["i686"]);
    let mut library = ImageLibrary::new(vec![folder.path().to_owned()], Arc::default());
    let names = |library: &mut ImageLibrary| -> Vec<String> {
        let catalog = library.scan(None).catalog;
        catalog
            .images()
            .iter()
            .map(|image| image.name.clone())
            .collect()
    };
    // One's entry would be the other one's name.
    for _ in 0..2 {
        assert_eq!(names(&mut library), ["arch-2", "arch-i686"]);
    }
    // A newcomer takes nobody's name, whatever the order.
    make(&at("\u{4e2d}.iso"), "one");
    assert_eq!(names(&mut library), ["arch-2", "arch-i686", "image"]);
    make(&at("\u{4e00}.iso"), "two");
    assert_eq!(
        names(&mut library),
        ["arch-2", "arch-i686", "image-2", "image"]
    );
    // One that is replaced keeps its name; one that is gone leaves it to nobody in this run.
    make(&at("new"), "three");
    std::fs::rename(at("new"), at("\u{4e2d}.iso")).unwrap();
    std::fs::remove_file(at("arch-i686.iso")).unwrap();
    assert_eq!(names(&mut library), ["arch-2", "image-2", "image"]);
    make(&at("\u{4e2d}\u{4e2d}.iso"), "four");
    assert_eq!(
        names(&mut library),
        ["arch-2", "image-2", "image", "image-3"]
    );
    // A start names them by their order.
    let mut again = ImageLibrary::new(vec![folder.path().to_owned()], Arc::default());
    assert_eq!(names(&mut again), ["arch", "image", "image-2", "image-3"]);
}

/// Their names are shown alike: a newline is written out, and so is a byte that is no UTF-8.
#[test]
fn files_whose_names_are_shown_alike_are_two_images_with_two_names() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut fixture = Fixture::new();
    for name in [&b"a\nb.iso"[..], b"a\\nb.iso", b"\xff.iso", b"\\xff.iso"] {
        let path = fixture
            .folder
            .path()
            .join(std::ffi::OsStr::from_bytes(name));
        make(&path, "old");
    }
    for _ in 0..2 {
        let catalog = fixture.scan();
        let names: std::collections::HashSet<&str> =
            catalog.images().iter().map(|image| &*image.name).collect();
        assert_eq!((catalog.images().len(), names.len()), (5, 5), "{names:?}");
    }
}
