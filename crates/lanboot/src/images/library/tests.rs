//! Tests of the image library.

use super::index::Recorded;
use super::*;

fn texts(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(|d| d.text.clone()).collect()
}

#[test]
fn faulty_files_are_reported_and_others_served() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.iso"), b"").unwrap();
    std::fs::write(folder.path().join("text.ISO"), b"not an image").unwrap();
    std::fs::write(folder.path().join("other.txt"), b"ignored").unwrap();
    let missing = folder.path().join("missing.iso");
    let written = vec![folder.path().to_path_buf(), missing];
    let mut library = ImageLibrary::new(written, Arc::default());
    let scan = library.scan(None);
    assert!(scan.catalog.images().is_empty());
    assert_eq!(scan.faults.len(), 3, "{:?}", scan.faults);
    assert!(scan.changed);
    let again = library.scan(None);
    assert_eq!((again.changed, again.faults.len()), (false, 3));
    std::fs::remove_file(folder.path().join("empty.iso")).unwrap();
    assert!(library.scan(None).changed);
}

#[test]
fn non_files_are_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
    link("/nowhere", "dangling.iso");
    link("loop.iso", "loop.iso");
    link("/dev/null", "device.iso");
    std::fs::create_dir(at("folder.iso")).unwrap();
    nix::unistd::mkfifo(&at("pipe.iso"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.iso")).unwrap();
    let mut library = ImageLibrary::new(vec![folder.path().to_path_buf()], Arc::default());
    let scan = library.scan(None);
    let expected = [
        (
            "dangling",
            "is a symbolic link to /nowhere, which does not exist",
        ),
        ("device", "is a character device, not an image file"),
        (
            "folder",
            "is a folder; to serve the images in it, name it by itself",
        ),
        ("loop", "is a symbolic link that leads back to itself"),
        ("pipe", "is a pipe, not an image file"),
        ("socket", "is a socket, not an image file"),
    ];
    let expected =
        expected.map(|(name, what)| format!("{}: {what}", text::path(&at(&format!("{name}.iso")))));
    assert_eq!(texts(&scan.faults), expected);
    assert_eq!(texts(&scan.new_faults), expected);
    link("/elsewhere", "later.iso");
    let again = library.scan(None);
    let [new] = &texts(&again.new_faults)[..] else {
        panic!("{:?}", again.new_faults)
    };
    assert!(
        new.contains("later.iso: is a symbolic link to /elsewhere"),
        "{new}"
    );
    for (name, what) in [
        ("pipe.iso", "is a pipe"),
        ("loop.iso", "leads back to itself"),
    ] {
        let error = format!("{:#}", open_one(&at(name)).unwrap_err());
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn unfinished_downloads_are_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.iso");
    let beside = folder.path().join("new.iso.aria2");
    std::fs::write(&path, b"reserved in full").unwrap();
    std::fs::write(&beside, b"").unwrap();
    let mut library = ImageLibrary::new(vec![folder.path().to_path_buf()], Arc::default());
    let said = |scan: Scan| texts(&scan.faults).concat();
    let fault = said(library.scan(None));
    let expected = "is still being downloaded: new.iso.aria2 is beside it";
    assert!(fault.ends_with(expected), "{fault}");
    assert!(open_one(&path).unwrap_err().to_string().ends_with(expected));
    std::fs::remove_file(beside).unwrap();
    // It is read, and is not an image.
    let fault = said(library.scan(None));
    assert!(fault.contains("is not an ISO 9660 image"), "{fault}");
}

#[test]
fn files_still_being_copied_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copied.iso");
    let mut library = ImageLibrary::new(vec![folder.path().to_path_buf()], Arc::default());
    library.scan(None);
    std::fs::write(&path, b"the first part").unwrap();
    let now = SystemTime::now();
    let faults = |scan: Scan| {
        scan.faults
            .iter()
            .filter(|fault| fault.text.contains("copied.iso"))
            .count()
    };
    assert_eq!(faults(library.scan(Some(now))), 0);
    assert_eq!(faults(library.scan(Some(now + SETTLE * 2))), 1);
}

#[test]
fn many_files_are_read_at_once_and_reported_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (10..90).map(|n| format!("n-{n}.iso")).collect();
    for name in &names {
        std::fs::write(folder.path().join(name), b"no image").unwrap();
    }
    let mut library = ImageLibrary::new(vec![folder.path().to_path_buf()], Arc::default());
    let said = texts(&library.scan(None).faults);
    assert_eq!(said.len(), names.len());
    // The newest version is first.
    for (said, name) in said.iter().zip(names.iter().rev()) {
        let is_of_it = said.contains(&format!("/{name}: "));
        assert!(is_of_it, "{said} is not of {name}");
    }
    assert!(!library.scan(None).changed);
}

/// Makes an image `a.iso` in `folder` whose `.disk/info` is this text, far from the first bytes.
fn iso(folder: &Path, info: &str) -> PathBuf {
    let tree = tempfile::tempdir().unwrap();
    std::fs::create_dir(tree.path().join(".disk")).unwrap();
    std::fs::write(tree.path().join(".disk/info"), info).unwrap();
    std::fs::write(tree.path().join("filler"), vec![0x5a; 1 << 20]).unwrap();
    let path = folder.join("a.iso");
    let output = std::process::Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-R", "--sort-weight", "0", "/"])
        .args(["--sort-weight", "-9", "/.disk/info", "-o"])
        .args([&path, tree.path()])
        .output()
        .expect("xorriso is missing: apt-get install -y xorriso");
    assert!(output.status.success(), "{output:?}");
    path
}

/// Scans `path` with `index` in a new library, as if the folder were slow; returns the product.
fn product(path: &Path, index: &Arc<IndexCache>) -> Option<String> {
    let library = ImageLibrary::new(vec![path.to_owned()], Arc::default());
    let mut library = ImageLibrary {
        worth: Duration::ZERO,
        settle: Duration::ZERO,
        ..library.with_index(Arc::clone(index))
    };
    let scan = library.scan(None);
    let [image] = scan.catalog.images() else {
        panic!("{:?}", scan.faults);
    };
    image.found.product.clone()
}

/// Returns the key and the record of `path`.
fn record(path: &Path, index: &IndexCache) -> ([u8; 16], Option<Recorded>) {
    let meta = std::fs::metadata(path).unwrap();
    let first_bytes = read::first_bytes(&ImageFile::open(path).unwrap()).unwrap();
    let key = index::key(path, &meta, first_bytes);
    (key, Recorded::get(index, &key))
}

#[test]
fn a_start_takes_what_an_earlier_one_read_of_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = iso(folder.path(), "Product 1");
    let index = Arc::new(IndexCache::open(&folder.path().join("state")));
    assert_eq!(product(&path, &index).unwrap(), "Product 1");
    let (key, kept) = record(&path, &index);
    let mut kept = kept.unwrap();
    // Only a record shows such a product.
    let pages = kept.pages.values_mut();
    let mut info: Vec<_> = pages.filter(|page| page.starts_with(b"Product")).collect();
    let [page] = &mut info[..] else {
        panic!("the file is not in the record");
    };
    page[8] = b'2';
    kept.put(&index, &key);
    assert_eq!(product(&path, &index).unwrap(), "Product 2");
    // Another time of the last write is another file.
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(product(&path, &index).unwrap(), "Product 1");
}

#[test]
fn a_file_that_was_cut_is_not_made_whole_by_what_was_kept_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = iso(folder.path(), "Product 1");
    let index = Arc::new(IndexCache::open(&folder.path().join("state")));
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    assert!(product(&path, &index).is_some());
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(600_000).unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(product(&path, &index), None, "its end is missing");
    // Nor by a record under its own key.
    let (key, kept) = record(&path, &index);
    let whole = Recorded {
        pages: (0..800).map(|n| (n, Box::new([b'P'; 2048]))).collect(),
        sampled: None,
    };
    assert!(kept.is_some());
    whole.put(&index, &key);
    assert_eq!(product(&path, &index), None);
}

#[test]
fn a_quick_image_and_one_written_to_a_moment_ago_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = iso(folder.path(), "Product 1");
    for (worth, settle) in [(WORTH * 1000, Duration::ZERO), (Duration::ZERO, SETTLE)] {
        let index = Arc::new(IndexCache::open(&folder.path().join("state")));
        let library = ImageLibrary::new(vec![path.clone()], Arc::default());
        let mut library = ImageLibrary {
            worth,
            settle,
            ..library.with_index(Arc::clone(&index))
        };
        assert_eq!(library.scan(None).catalog.images().len(), 1);
        assert_eq!(record(&path, &index).1, None);
    }
}
