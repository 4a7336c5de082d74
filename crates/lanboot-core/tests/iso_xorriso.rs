//! Images made by xorriso, read by `iso::read`, compared with the directory they were made from.
//! Every byte of every file is read through the extents that servers hand to `sendfile`.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use lanboot_core::iso::{self, Medium, Naming, Platform, ReadAt};
use lanboot_core::vfs::{Content, ImageId, Kind, Meta, NodeId, Source, Tree};

mod cpu;

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

/// A directory of its own for one test, removed at the end of it.
struct Bench(PathBuf);

impl Bench {
    fn new(test: &str) -> Self {
        let at = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("iso-{test}"));
        let _ = fs::remove_dir_all(&at);
        fs::create_dir_all(at.join("src")).unwrap();
        Self(at)
    }

    fn source(&self) -> PathBuf {
        self.0.join("src")
    }

    fn image(&self) -> PathBuf {
        self.0.join("image.iso")
    }

    fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.source().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        symlink(target, self.source().join(path)).unwrap();
    }

    /// Builds the image with the options of `mkisofs`. What xorriso prints goes to standard
    /// output, so zeros can become holes.
    fn build(&self, options: &[&str]) {
        let mut xorriso = Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet"])
            .args(options)
            .args(["-o", "-"])
            .arg(self.source())
            .env("LC_ALL", "C.UTF-8")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| {
                panic!("xorriso cannot be run ({e}); install it: apt-get install xorriso")
            });
        let mut from = xorriso.stdout.take().unwrap();
        let mut to = File::create(self.image()).unwrap();
        let mut buf = vec![0; 1 << 20];
        let mut len = 0;
        loop {
            let n = from.read(&mut buf).unwrap();
            if n == 0 {
                break;
            }
            if is_zero(&buf[..n]) {
                to.seek(SeekFrom::Current(n as i64)).unwrap();
            } else {
                to.write_all(&buf[..n]).unwrap();
            }
            len += n as u64;
        }
        to.set_len(len).unwrap();
        let out = xorriso.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "xorriso failed: {said}");
    }

    fn read(&self) -> (Medium, Disk) {
        let disk = Disk(File::open(self.image()).unwrap());
        let medium = iso::read(IMAGE, &disk).unwrap();
        (medium, disk)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    // Blocks compare fast without optimisation too.
    let (blocks, tail) = bytes.as_chunks::<4096>();
    tail.iter().all(|&b| b == 0) && blocks.iter().all(|block| block == &[0; 4096])
}

/// Every node of a tree by its path.
fn paths(tree: &Tree) -> BTreeMap<Vec<u8>, NodeId> {
    let mut all = BTreeMap::new();
    let mut todo = vec![(Vec::new(), Tree::ROOT)];
    while let Some((path, id)) = todo.pop() {
        for (name, child) in tree.entries(id) {
            let path = [&path, b"/".as_slice(), name].concat();
            todo.push((path.clone(), *child));
            all.insert(path, *child);
        }
    }
    all
}

/// Every file below a directory by its path.
fn files(root: &Path) -> BTreeMap<Vec<u8>, PathBuf> {
    let mut all = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                todo.push(path.clone());
            }
            let name = path.strip_prefix(root).unwrap().as_os_str();
            let name = [b"/", name.as_encoded_bytes()].concat();
            all.insert(name, path);
        }
    }
    all
}

/// Reads `content` through its pieces and compares it with a file, byte for byte.
fn assert_same_bytes(content: &Content, disk: &Disk, file: &Path) {
    let file = File::open(file).unwrap();
    assert_eq!(content.len(), file.metadata().unwrap().len());
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut at = 0;
    for piece in content.pieces() {
        let Source::Image { image, offset } = piece.source else {
            panic!("a piece that is not on disk: {piece:?}");
        };
        assert_eq!(image, IMAGE);
        let mut done = 0;
        while done < piece.len {
            let n = usize::try_from((piece.len - done).min(1 << 20)).unwrap();
            disk.0.read_exact_at(&mut ours[..n], offset + done).unwrap();
            file.read_exact_at(&mut theirs[..n], at).unwrap();
            assert!(ours[..n] == theirs[..n], "bytes differ from {at} on");
            done += n as u64;
            at += n as u64;
        }
    }
}

/// The tree equals the directory, in everything Rock Ridge records. `added` are paths that only
/// the image has.
fn assert_same(medium: &Medium, disk: &Disk, root: &Path, added: &[&str]) {
    let ours = paths(&medium.tree);
    let theirs = files(root);
    let extra: BTreeSet<Vec<u8>> = added.iter().map(|p| p.as_bytes().to_vec()).collect();
    let shown = |keys: Vec<&Vec<u8>>| -> Vec<String> {
        keys.into_iter()
            .map(|k| String::from_utf8_lossy(k).into_owned())
            .collect()
    };
    let names: Vec<_> = ours.keys().filter(|k| !extra.contains(*k)).collect();
    assert_eq!(shown(names), shown(theirs.keys().collect()));
    for (path, file) in &theirs {
        let node = medium.tree.node(ours[path]).unwrap();
        let real = fs::symlink_metadata(file).unwrap();
        match &node.kind {
            Kind::Directory(_) => assert!(real.is_dir(), "{file:?}"),
            Kind::Symlink(text) => assert_eq!(
                text.as_ref(),
                fs::read_link(file).unwrap().as_os_str().as_encoded_bytes()
            ),
            Kind::File(content) => {
                assert!(real.is_file(), "{file:?}");
                assert_same_bytes(content, disk, file);
                assert_eq!(u64::from(node.meta.links), real.nlink(), "{file:?}");
            }
        }
        let meta = Meta {
            mode: real.mode() & 0o7777,
            uid: real.uid(),
            gid: real.gid(),
            modified: real.mtime(),
            links: node.meta.links,
        };
        assert_eq!(node.meta, meta, "{file:?}");
    }
}

/// Files of awkward sizes, names and modes.
fn awkward(bench: &Bench) {
    for len in [0usize, 1, 2047, 2048, 2049, 70_000] {
        let bytes: Vec<u8> = (0..len)
            .map(|n| u8::try_from((n * 7 + len) % 251).unwrap())
            .collect();
        bench.put(format!("sizes/{len}.bin"), &bytes);
    }
    bench.put("MixedCase.Txt", b"case");
    bench.put("mixedcase.txt2", b"no case");
    bench.put("dots/a.", b"trailing dot");
    bench.put("dots/.hidden", b"leading dot");
    bench.put("dots/semi;colon", b"semicolon");
    bench.put("dots/semi;1", b"looks like a version");
    bench.put("spaces/a file with spaces", b"spaces");
    bench.put("utf8/grüße-世界-🥾", "grüße".as_bytes());
    bench.put(format!("long/{}", "n".repeat(200)), b"200");
    bench.put(format!("long/{}", "m".repeat(255)), b"255");
    bench.put(
        format!("long/{}/file", "d".repeat(240)),
        b"in a long directory",
    );
    bench.put("1/2/3/4/5/6/7/8/9/10/11/12/deep", b"deep");
    bench.put("1/2/3/4/5/6/7/8/9/other/deep", b"deep too");
    fs::create_dir_all(bench.source().join("empty")).unwrap();
    bench.link("relative", "sizes/1.bin");
    bench.link("1/up", "../sizes/../MixedCase.Txt");
    bench.link("absolute", "/sizes/2049.bin");
    bench.link("dangling", "no/such/file");
    bench.link("long/far", &format!("{}end", "x/".repeat(480)));
    bench.link("long/wide", &["w".repeat(250), "v".repeat(250)].join("/"));
    fs::hard_link(
        bench.source().join("sizes/2049.bin"),
        bench.source().join("hard"),
    )
    .unwrap();
    for (path, mode) in [
        ("sizes/1.bin", 0o400),
        ("sizes/2047.bin", 0o4755),
        ("sizes/2048.bin", 0o666),
        ("empty", 0o1777),
    ] {
        fs::set_permissions(bench.source().join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    for n in 0..500 {
        bench.put(format!("many/file-number-{n:04}"), n.to_string().as_bytes());
    }
}

#[test]
fn rock_ridge_beside_joliet_equals_the_directory() {
    let bench = Bench::new("rr-joliet");
    awkward(&bench);
    bench.build(&[
        "-R",
        "-J",
        "-joliet-long",
        "-iso-level",
        "3",
        "-full-iso9660-filenames",
        "-V",
        "ARCH_202603",
        "--modification-date=2026030112345600",
    ]);
    let (medium, disk) = bench.read();
    assert_eq!(medium.naming, Naming::RockRidge);
    assert_eq!(medium.label, "ARCH_202603");
    assert_eq!(medium.uuid.as_deref(), Some("2026-03-01-12-34-56-00"));
    assert_eq!(medium.warnings, Vec::<String>::new());
    assert!(medium.boot.is_empty());
    assert_same(&medium, &disk, &bench.source(), &[]);
    assert!(
        medium
            .tree
            .file("absolute")
            .is_some_and(|c| c.len() == 2049)
    );
    assert!(medium.tree.file("1/up").is_some_and(|c| c.len() == 4));
}

#[test]
fn rock_ridge_alone_equals_the_directory_with_and_without_relocation() {
    for (test, options, moves) in [
        ("rr-deep", &["-R", "-D"][..], false),
        (
            "rr-short-names",
            &["-R", "-D", "-iso-level", "1"][..],
            false,
        ),
        ("rr-moved", &["-R", "-rr_reloc_dir", "rr_moved"][..], true),
        ("rr-moved-hidden", &["-R", "-hide-rr-moved"][..], true),
        ("rr-moved-to-root", &["-R", "-rr_reloc_dir", "/"][..], true),
        (
            "rr-moved-to-a-folder",
            &["-R", "-rr_reloc_dir", "many"][..],
            true,
        ),
    ] {
        let bench = Bench::new(test);
        awkward(&bench);
        bench.build(options);
        let image = fs::read(bench.image()).unwrap();
        let relocates = |signature: &[u8]| image.windows(4).any(|bytes| bytes == signature);
        assert_eq!(relocates(b"CL\x0c\x01"), moves, "{test}");
        assert_eq!(relocates(b"RE\x04\x01"), moves, "{test}");
        let (medium, disk) = bench.read();
        assert_eq!(medium.naming, Naming::RockRidge, "{test}");
        assert_eq!(medium.warnings, Vec::<String>::new(), "{test}");
        assert_same(&medium, &disk, &bench.source(), &[]);
    }
}

#[test]
fn joliet_alone_gives_its_long_names() {
    let bench = Bench::new("joliet");
    bench.put("sizes/2049.bin", &[7; 2049]);
    bench.put("sizes/empty", b"");
    bench.put("MixedCase and spaces.txt", b"x");
    bench.put("utf8/grüße-世界", b"y");
    bench.put("utf8/🥾", b"beyond the basic plane");
    bench.put(format!("long/{}", "n".repeat(100)), b"100");
    bench.put("1/2/3/4/5/6/7/8/9/10/11/12/deep", b"deep");
    bench.build(&["--norock", "-J", "-joliet-long", "-input-charset", "utf-8"]);
    let (medium, disk) = bench.read();
    assert_eq!(medium.naming, Naming::Joliet);
    assert_eq!(medium.warnings, Vec::<String>::new());
    let ours = paths(&medium.tree);
    let theirs = files(&bench.source());
    let boot = "/utf8/🥾".as_bytes();
    for (path, file) in &theirs {
        let shown = String::from_utf8_lossy(path);
        // UCS-2 has no such character; what stands there is up to the writer.
        if path == boot {
            continue;
        }
        let id = ours
            .get(path)
            .unwrap_or_else(|| panic!("{shown} is missing"));
        let node = medium.tree.node(*id).unwrap();
        if let Kind::File(content) = &node.kind {
            assert_same_bytes(content, &disk, file);
        }
        let mtime = fs::metadata(file).unwrap().mtime();
        assert_eq!(node.meta.modified, mtime, "{shown}");
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn plain_level_1_names_keep_their_case_and_lose_their_version() {
    let bench = Bench::new("plain");
    bench.put("readme", b"no extension");
    bench.put("boot/kernel.img", &[3; 5000]);
    bench.put("boot/averylongname.config", b"cut");
    bench.build(&["--norock", "-iso-level", "1"]);
    let (medium, disk) = bench.read();
    assert_eq!(medium.naming, Naming::Plain);
    assert_eq!(medium.warnings, Vec::<String>::new());
    let ours: Vec<_> = paths(&medium.tree)
        .into_keys()
        .map(|k| String::from_utf8(k).unwrap())
        .collect();
    let expected = ["/BOOT", "/BOOT/AVERYLON.CON", "/BOOT/KERNEL.IMG", "/README"];
    assert_eq!(ours, expected);
    for (ours, theirs) in [
        ("README", "readme"),
        ("BOOT/KERNEL.IMG", "boot/kernel.img"),
        ("BOOT/AVERYLON.CON", "boot/averylongname.config"),
    ] {
        let content = medium.tree.file(ours).unwrap();
        assert_same_bytes(content, &disk, &bench.source().join(theirs));
    }
}

#[test]
fn a_file_over_4_gib_is_one_file_and_one_piece() {
    const LEN: u64 = (4 << 30) + 12_345;
    let bench = Bench::new("huge");
    bench.put("huge", b"start");
    let huge = File::options()
        .write(true)
        .open(bench.source().join("huge"))
        .unwrap();
    huge.set_len(LEN).unwrap();
    for at in [(4 << 30) - 2050, (4 << 30) - 3, LEN - 7] {
        huge.write_all_at(b"marked!", at).unwrap();
    }
    bench.put("small", b"after it");
    bench.build(&["-R", "-J", "-iso-level", "3"]);
    let (medium, disk) = bench.read();
    assert_eq!(medium.warnings, Vec::<String>::new());
    assert_same(&medium, &disk, &bench.source(), &[]);
    let content = medium.tree.file("huge").unwrap();
    assert_eq!(content.len(), LEN);
    assert_eq!(content.pieces().len(), 1, "{:?}", content.pieces());
}

#[test]
fn boot_entries_are_the_whole_boot_images() {
    let bench = Bench::new("el-torito");
    bench.put("boot/bios.img", &[1; 30_001]);
    bench.put("boot/efi.img", &[2; 70_000]);
    bench.build(&[
        "-R",
        "-c",
        "boot/boot.cat",
        "-b",
        "boot/bios.img",
        "-no-emul-boot",
        "-boot-load-size",
        "4",
        "-eltorito-alt-boot",
        "-e",
        "boot/efi.img",
        "-no-emul-boot",
    ]);
    let (medium, disk) = bench.read();
    assert_eq!(medium.warnings, Vec::<String>::new());
    assert_same(&medium, &disk, &bench.source(), &["/boot/boot.cat"]);
    let [bios, efi] = medium.boot.as_slice() else {
        panic!("{:?}", medium.boot);
    };
    assert_eq!((bios.platform, bios.bootable), (Platform::Bios, true));
    assert_same_bytes(&bios.content, &disk, &bench.source().join("boot/bios.img"));
    assert_eq!((efi.platform, efi.bootable), (Platform::Uefi, true));
    assert_same_bytes(&efi.content, &disk, &bench.source().join("boot/efi.img"));
}

#[test]
fn an_appended_uefi_partition_is_as_long_as_its_file_system_says() {
    // As mkarchiso does it: the partition is no file of the tree, and over 32 MiB long.
    const LEN: u32 = 40 << 20;
    let bench = Bench::new("appended");
    bench.put("readme", b"x");
    let partition = bench.0.join("efiboot.img");
    let mut boot = [0; 512];
    boot[..3].copy_from_slice(&[0xeb, 0x3c, 0x90]);
    boot[11..13].copy_from_slice(&512u16.to_le_bytes());
    boot[13] = 4;
    boot[16] = 2;
    boot[32..36].copy_from_slice(&(LEN / 512).to_le_bytes());
    boot[510..].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&partition, boot).unwrap();
    let file = File::options().write(true).open(&partition).unwrap();
    file.set_len(u64::from(LEN)).unwrap();
    file.write_all_at(b"end", u64::from(LEN) - 3).unwrap();
    bench.build(&[
        "-R",
        "-partition_offset",
        "16",
        "-append_partition",
        "2",
        "0xef",
        partition.to_str().unwrap(),
        "-e",
        "--interval:appended_partition_2:all::",
        "-no-emul-boot",
    ]);
    let (medium, disk) = bench.read();
    assert_eq!(medium.warnings, Vec::<String>::new());
    let [efi] = medium.boot.as_slice() else {
        panic!("{:?}", medium.boot);
    };
    assert_eq!((efi.platform, efi.bootable), (Platform::Uefi, true));
    assert_same_bytes(&efi.content, &disk, &partition);
}

/// The paths xorriso finds on an image.
fn seen_by_xorriso(image: &Path) -> BTreeSet<String> {
    let out = Command::new("xorriso")
        .arg("-indev")
        .arg(image)
        .args(["-find", "/", "--"])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let lines = text
        .lines()
        .filter_map(|l| l.strip_prefix("'")?.strip_suffix("'"));
    lines.filter(|l| *l != "/").map(str::to_owned).collect()
}

/// Returns where the record with this ISO name is in the image: its own directory's, not the `.` of
/// it.
fn record_of(image: &[u8], name: &[u8]) -> usize {
    let mut at = image.windows(name.len()).enumerate();
    let found = at.find(|(at, bytes)| *bytes == name && image[at - 1] as usize == name.len());
    found.unwrap().0 - 33
}

#[test]
fn directories_that_are_recorded_oddly_are_what_xorriso_sees() {
    type Patch = fn(&mut Vec<u8>);
    const ROOT: usize = 16 * 2048 + 156;
    fn put(image: &mut [u8], at: usize, n: u32) {
        image[at..at + 4].copy_from_slice(&n.to_le_bytes());
        image[at + 4..at + 8].copy_from_slice(&n.to_be_bytes());
    }
    let bench = Bench::new("odd-directories");
    bench.put("alpha/one", b"1");
    bench.put("beta/two", b"2");
    for n in 0..60 {
        bench.put(format!("many/file-with-a-long-name-{n}"), b"x");
    }
    bench.build(&["-R"]);
    let whole = fs::read(bench.image()).unwrap();
    let patches: [(&str, Patch); 7] = [
        ("as it was", |_| ()),
        ("the root's record says 68 bytes", |i| i[ROOT] = 68),
        ("the root's record says 0 bytes", |i| i[ROOT] = 0),
        ("the root is said to have no sector", |i| {
            put(i, ROOT + 10, 0)
        }),
        ("two records of one directory", |image| {
            let (alpha, beta) = (record_of(image, b"ALPHA"), record_of(image, b"BETA"));
            let (from, to) = (alpha + 2..alpha + 18, beta + 2..beta + 18);
            let extent = image[from].to_vec();
            image[to].copy_from_slice(&extent);
        }),
        ("a directory longer than its record says", |image| {
            let many = record_of(image, b"MANY");
            put(image, many + 10, 2048);
        }),
        ("numbers that differ in their two orders", |image| {
            let many = record_of(image, b"MANY");
            image[many + 6..many + 10].copy_from_slice(&[0xff; 4]);
            image[many + 14..many + 18].copy_from_slice(&[0; 4]);
        }),
    ];
    for (what, patch) in patches {
        let mut image = whole.clone();
        patch(&mut image);
        let file = bench.0.join("patched.iso");
        fs::write(&file, &image).unwrap();
        let ours = iso::read(IMAGE, &image).unwrap();
        let ours: BTreeSet<String> = paths(&ours.tree)
            .into_keys()
            .map(|path| {
                format!(
                    "/{}",
                    String::from_utf8_lossy(&path).trim_start_matches('/')
                )
            })
            .filter(|path| path != "/")
            .collect();
        let theirs = seen_by_xorriso(&file);
        assert!(theirs.len() > 3, "{what}: {theirs:?}");
        assert_eq!(ours, theirs, "{what}");
    }
}

#[test]
fn every_truncation_is_an_error_or_a_warning() {
    let bench = Bench::new("truncated");
    for n in 0..60 {
        bench.put(format!("d{n}/file"), &vec![1; 3000]);
    }
    bench.build(&["-R", "-J"]);
    let whole = fs::read(bench.image()).unwrap();
    let used = iso::read(IMAGE, &whole).unwrap();
    assert_eq!(used.warnings, Vec::<String>::new());
    let end = last_byte(&used.tree);
    let mut errors = BTreeSet::new();
    for len in (0..whole.len()).step_by(1024) {
        let image = whole[..len].to_vec();
        match iso::read(IMAGE, &image) {
            Ok(medium) if (len as u64) < end => {
                assert!(
                    medium
                        .warnings
                        .iter()
                        .any(|w| { w.contains("is cut short") || w.contains("is incomplete") }),
                    "{len}: {:?}",
                    medium.warnings
                );
                assert!(last_byte(&medium.tree) <= len as u64);
            }
            Ok(_) => {}
            Err(error) => {
                errors.insert(error.to_string());
            }
        }
    }
    println!("{errors:#?}");
    assert!(
        errors
            .iter()
            .any(|e| e.starts_with("is cut short: the root directory at byte "))
    );
}

fn last_byte(tree: &Tree) -> u64 {
    paths(tree)
        .values()
        .filter_map(|id| match &tree.node(*id)?.kind {
            Kind::File(content) => content.pieces().last().map(|piece| match piece.source {
                Source::Image { offset, .. } => offset + piece.len,
                _ => 0,
            }),
            _ => None,
        })
        .max()
        .unwrap_or(0)
}

#[test]
fn bytes_flipped_anywhere_in_the_metadata_do_no_harm() {
    let bench = Bench::new("flipped");
    awkward(&bench);
    bench.build(&[
        "-R",
        "-J",
        "-joliet-long",
        "-b",
        "sizes/70000.bin",
        "-no-emul-boot",
    ]);
    let whole = fs::read(bench.image()).unwrap();
    let clean = iso::read(IMAGE, &whole).unwrap();
    assert_eq!(clean.warnings, Vec::<String>::new());
    // The directories are between the descriptors and the first file.
    let first = paths(&clean.tree)
        .values()
        .filter_map(|id| match &clean.tree.node(*id)?.kind {
            Kind::File(content) => content.pieces().first().map(|piece| match piece.source {
                Source::Image { offset, .. } => offset,
                _ => 0,
            }),
            _ => None,
        })
        .min()
        .unwrap();
    let first = usize::try_from(first).unwrap();
    let mut random = 0x1234_5678_9abc_def0_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    let started = Instant::now();
    let (mut read, mut refused, mut worst) = (0, 0, 0.0f64);
    for _ in 0..300 {
        let mut image = whole.clone();
        for _ in 0..=next(12) {
            let at = 32_768 + next(first - 32_768);
            image[at] = [0, 1, 0x7f, 0x80, 0xff, image[at] ^ 1, image[at] ^ 0x10][next(7)];
        }
        let before = cpu::seconds();
        match iso::read(IMAGE, &image) {
            Ok(medium) => {
                read += 1;
                assert!(last_byte(&medium.tree) <= image.len() as u64);
            }
            Err(_) => refused += 1,
        }
        worst = worst.max(cpu::seconds() - before);
    }
    println!(
        "{read} read, {refused} refused, worst {worst:.3} s, all {:?}",
        started.elapsed()
    );
    assert!(worst < 2.0, "one image took {worst} s");
    assert!(read > refused);
}
