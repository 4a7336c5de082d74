//! File systems made by mtools, read by `fat::read`, compared with the files they were made from.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lanboot_core::fat::{self, FatKind, Volume};
use lanboot_core::vfs::{Content, ImageId, Kind, NodeId, Source, Tree};

const IMAGE: ImageId = ImageId(7);

/// A folder of its own for one test, removed at its end.
struct Bench(PathBuf);

impl Bench {
    fn new(test: &str) -> Self {
        let at = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fat-{test}"));
        let _ = fs::remove_dir_all(&at);
        fs::create_dir_all(at.join("src")).unwrap();
        Self(at)
    }

    fn image(&self) -> PathBuf {
        self.0.join("image")
    }

    /// Makes a file system of `kib` KiB with these options of `mformat`.
    fn format(&self, kib: u32, options: &[&str]) {
        let image = fs::File::create(self.image()).unwrap();
        image.set_len(u64::from(kib) * 1024).unwrap();
        let sectors = (kib * 2).to_string();
        let mut arguments = vec!["-T", &sectors, "-v", "MY STICK"];
        arguments.extend(options);
        self.run("mformat", &arguments);
    }

    /// Runs a program of mtools on the image.
    fn run(&self, program: &str, arguments: &[&str]) {
        let out = Command::new(program)
            .arg("-i")
            .arg(self.image())
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap_or_else(|e| {
                panic!("{program} cannot be run ({e}); install it: apt-get install mtools")
            });
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{program}: {said}");
    }

    fn copy(&self, name: &str, bytes: &[u8], to: &str) {
        let from = self.0.join("src").join(name);
        fs::write(&from, bytes).unwrap();
        self.run("mcopy", &["-o", from.to_str().unwrap(), to]);
    }

    fn read(&self) -> (Vec<u8>, Volume) {
        let image = fs::read(self.image()).unwrap();
        let volume = fat::read(IMAGE, &image, 0..image.len() as u64).unwrap();
        assert_eq!(volume.len, image.len() as u64);
        (image, volume)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn bytes(image: &[u8], content: &Content) -> Vec<u8> {
    let pieces = content.pieces().iter().map(|piece| match piece.source {
        Source::Image { offset, .. } => {
            let from = usize::try_from(offset).unwrap();
            &image[from..from + usize::try_from(piece.len).unwrap()]
        }
        _ => panic!("{piece:?}"),
    });
    pieces.collect::<Vec<_>>().concat()
}

/// Every file of a tree by its path.
fn files(image: &[u8], tree: &Tree) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![(String::new(), Tree::ROOT)];
    while let Some((path, id)) = todo.pop() {
        for (name, child) in tree.entries(id) {
            let path = format!("{path}/{}", String::from_utf8_lossy(name));
            match &tree.node(*child).unwrap().kind {
                Kind::File(content) => {
                    found.insert(path, bytes(image, content));
                }
                Kind::Directory(_) => todo.push((path, *child)),
                Kind::Symlink(_) => panic!("FAT has no links: {path}"),
            }
        }
    }
    found
}

/// Bytes that differ from place to place.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| byte()).collect()
}

#[test]
fn every_kind_is_read_as_mtools_wrote_it() {
    for (test, kib, options, kind) in [
        ("12", 1440, &["-c", "1"][..], FatKind::Fat12),
        ("16", 32 * 1024, &["-c", "4"], FatKind::Fat16),
        ("32", 64 * 1024, &["-F", "-c", "1"], FatKind::Fat32),
    ] {
        let bench = Bench::new(test);
        bench.format(kib, options);
        bench.run("mmd", &["::/EFI", "::/EFI/BOOT", "::/many"]);
        let mut expected = BTreeMap::new();
        let mut put = |name: &str, path: &str, contents: Vec<u8>| {
            bench.copy(name, &contents, &format!("::{path}"));
            expected.insert(path.to_owned(), contents);
        };
        put("a", "/EFI/BOOT/BOOTX64.EFI", noise(100_000));
        put("b", "/vmlinuz", noise(3));
        put("c", "/a rather long name, with ünïcode.conf", noise(513));
        put("d", "/empty", Vec::new());
        // A folder of several clusters, and a file around the hole of one that is deleted.
        for n in 0..60 {
            let name = format!("/many/file number {n} of sixty.cfg");
            put("e", &name, noise(n));
        }
        put("f", "/hole", noise(30_000));
        put("g", "/behind", noise(2048));
        bench.run("mdel", &["::/hole"]);
        let fragmented = noise(200_000);
        bench.copy("h", &fragmented, "::/fragmented.img");
        expected.remove("/hole");
        expected.insert("/fragmented.img".into(), fragmented);
        let (image, volume) = bench.read();
        assert_eq!(volume.kind, kind);
        assert_eq!(volume.label, "MY STICK");
        assert_eq!(volume.warnings, [""; 0]);
        let found = files(&image, &volume.tree);
        assert!(found == expected, "FAT{test}: {:?}", found.keys());
        let dates = (0..u32::try_from(volume.tree.len()).unwrap())
            .filter_map(|n| volume.tree.node(NodeId(n)))
            .filter(|node| matches!(node.kind, Kind::File(_)));
        for node in dates {
            assert!(node.meta.modified > 1_700_000_000, "{:?}", node.meta);
        }
    }
}

#[test]
fn mkfs_fat_makes_the_same() {
    let bench = Bench::new("mkfs");
    let image = fs::File::create(bench.image()).unwrap();
    image.set_len(8 << 20).unwrap();
    let out = Command::new("mkfs.fat")
        .args(["-n", "ESP", "-i", "ABCD1234", "-S", "1024"])
        .arg(bench.image())
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .unwrap_or_else(|e| {
            panic!("mkfs.fat cannot be run ({e}); install it: apt-get install dosfstools")
        });
    assert!(out.status.success(), "{out:?}");
    bench.copy("a", b"default arch\n", "::/loader.conf");
    let (image, volume) = bench.read();
    assert_eq!(
        (volume.label.as_str(), volume.uuid.as_str()),
        ("ESP", "ABCD-1234")
    );
    let expected = BTreeMap::from([("/loader.conf".to_owned(), b"default arch\n".to_vec())]);
    assert_eq!(files(&image, &volume.tree), expected);
}
