//! Images made by genisoimage and mkudffs, read by `udf::read`, compared with the files they were made
//! from and with what GRUB's reader finds on them.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lanboot_core::storage::ReadAt;
use lanboot_core::udf::{self, Volume};
use lanboot_core::vfs::{Content, ImageId, Kind, Source, Tree};

const IMAGE: ImageId = ImageId(7);

struct Disk(File);

impl ReadAt for Disk {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn len(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }
}

/// A folder of its own for one test, removed at its end.
struct Bench(PathBuf);

impl Bench {
    fn new(test: &str) -> Self {
        let at = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("udf-{test}"));
        let _ = fs::remove_dir_all(&at);
        fs::create_dir_all(at.join("src")).unwrap();
        Self(at)
    }

    fn image(&self) -> PathBuf {
        self.0.join("image")
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join("src").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self) -> (Disk, Volume) {
        let disk = Disk(File::open(self.image()).unwrap());
        assert!(udf::is_udf(&disk));
        let volume = udf::read(IMAGE, &disk).unwrap();
        (disk, volume)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// Runs a program of a package, which must succeed.
fn run(program: &str, package: &str, arguments: &[&str]) -> Output {
    let out = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .unwrap_or_else(|e| {
            panic!("{program} cannot be run ({e}); install it: apt-get install {package}")
        });
    assert!(out.status.success(), "{program} {arguments:?}: {out:?}");
    out
}

fn bytes(disk: &Disk, content: &Content) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in content.pieces() {
        let at = bytes.len();
        bytes.resize(at + usize::try_from(piece.len).unwrap(), 0);
        match piece.source {
            Source::Image { offset, .. } => disk.0.read_exact_at(&mut bytes[at..], offset).unwrap(),
            Source::Zero => {}
            _ => panic!("{piece:?}"),
        }
    }
    bytes
}

/// Every file of a tree by its path.
fn files(disk: &Disk, tree: &Tree) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![(String::new(), Tree::ROOT)];
    while let Some((path, id)) = todo.pop() {
        for (name, child) in tree.entries(id) {
            let path = format!("{path}/{}", String::from_utf8_lossy(name));
            match &tree.node(*child).unwrap().kind {
                Kind::File(content) => {
                    found.insert(path, bytes(disk, content));
                }
                Kind::Directory(_) => todo.push((path, *child)),
                Kind::Symlink(target) => panic!("{path} -> {target:?}"),
            }
        }
    }
    found
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| byte()).collect()
}

#[test]
fn a_bridge_of_genisoimage_is_read_as_it_was_written() {
    let bench = Bench::new("bridge");
    let mut expected = BTreeMap::new();
    let mut put = |path: &str, contents: Vec<u8>| {
        bench.put(path, &contents);
        expected.insert(format!("/{path}"), contents);
    };
    put("bootmgr", noise(400_000));
    put("sources/boot.wim", noise(5_000_000));
    put("a/b/c/d/e/deep.txt", noise(10));
    put("empty", Vec::new());
    put("a rather long name, with ünïcode and 名.conf", noise(2049));
    for n in 0..300 {
        put(
            &format!("many/a file of a folder of many, number {n}"),
            noise(n),
        );
    }
    let image = bench.image();
    let source = bench.0.join("src");
    let (image, source) = (image.to_str().unwrap(), source.to_str().unwrap());
    let names = [
        "-quiet",
        "-udf",
        "-input-charset",
        "utf-8",
        "-allow-limited-size",
        "-V",
        "CCCOMA_X64",
    ];
    let arguments = [&names[..], &["-o", image, source]].concat();
    run("genisoimage", "genisoimage", &arguments);
    let (disk, volume) = bench.read();
    assert_eq!(
        (volume.label.as_str(), volume.revision.0),
        ("CCCOMA_X64", 0x0102)
    );
    assert_eq!(volume.warnings, [""; 0]);
    assert_eq!(volume.len, disk.len());
    let found = files(&disk, &volume.tree);
    assert!(found.keys().eq(expected.keys()), "{:?}", found.keys());
    assert!(found == expected, "contents differ");
    // A reader that nobody here wrote finds the same.
    for path in ["/bootmgr", "/a/b/c/d/e/deep.txt"] {
        let out = run(
            "grub-fstest",
            "grub-common",
            &[image, "cat", &format!("(loop0){path}")],
        );
        assert!(out.stdout == expected[path], "{path}");
    }
}

#[test]
fn every_volume_that_mkudffs_makes_is_read() {
    let bench = Bench::new("mkudffs");
    let image = bench.image();
    let mut made = 0;
    for media in ["hd", "dvd", "dvdram", "cdrw", "dvdrw", "cdr", "bdr"] {
        for (revision, number) in [
            ("1.02", 0x0102),
            ("1.50", 0x0150),
            ("2.01", 0x0201),
            ("2.50", 0x0250),
            ("2.60", 0x0260),
        ] {
            for block in ["512", "1024", "2048", "4096"] {
                // What mkudffs refuses, it says it cannot make.
                let is_disc = media != "hd";
                let needs = match media {
                    "hd" | "dvd" | "dvdram" => 0x0102..=0x0201,
                    "cdrw" | "dvdrw" => 0x0150..=0x0201,
                    "cdr" => 0x0150..=0x0260,
                    _ => 0x0250..=0x0260,
                };
                if is_disc && block != "2048" || !needs.contains(&number) {
                    continue;
                }
                File::create(&image).unwrap().set_len(20 << 20).unwrap();
                let name = "--label=Größe 名";
                let media_type = format!("--media-type={media}");
                let revision = format!("--udfrev={revision}");
                let arguments = ["--utf8", &media_type, &revision, "-b", block, name];
                let path = image.to_str().unwrap();
                let out = run("mkudffs", "udftools", &[&arguments[..], &[path]].concat());
                // A disc that is written once ends with its last table.
                let said = String::from_utf8(out.stdout).unwrap();
                let last = said.lines().find_map(|line| line.strip_prefix("vatblock="));
                if let Some(last) = last {
                    let blocks = last.parse::<u64>().unwrap() + 1;
                    let file = File::options().write(true).open(&image).unwrap();
                    file.set_len(blocks * block.parse::<u64>().unwrap())
                        .unwrap();
                }
                let (_, volume) = bench.read();
                let what = format!("{media} {revision} {block}");
                assert_eq!(volume.label, "Größe 名", "{what}");
                assert_eq!(volume.revision.0, number, "{what}");
                assert_eq!(volume.uuid.map_or(0, |uuid| uuid.len()), 16, "{what}");
                assert_eq!(volume.warnings, [""; 0], "{what}");
                assert!(volume.tree.len() <= 2, "{what}");
                made += 1;
            }
        }
    }
    assert_eq!(made, 3 * 4 + 2 * 3 + 2 * 2 + 4 + 2);
}
