//! Media that somebody made to waste time or memory, or to get words of theirs into a menu: each is read in
//! bounded work, and said to be what it is in one line. They are folders, which are read like images.
//!
//! One test in a process of its own: it counts the bytes that the process reads.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lanboot::images::library::{ImageLibrary, open_one};
use lanboot_core::catalog::Image;

/// Most bytes read of one such medium, and the longest time for it on a busy machine.
const MOST_BYTES: u64 = 16 << 20;
const LONGEST: Duration = Duration::from_secs(20);

struct Media(tempfile::TempDir);

impl Media {
    /// Makes a medium with these files.
    fn with(&self, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let root = self.0.path().join(name);
        for (path, bytes) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        root
    }
}

/// Returns the bytes this process has read so far, from files and everything else.
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

/// Reads a medium within the bounds.
fn read(path: &Path) -> Image {
    let (before, begun) = (bytes_read(), Instant::now());
    let image = open_one(path).unwrap();
    let (read, took) = (bytes_read() - before, begun.elapsed());
    assert!(read < MOST_BYTES, "{path:?}: {read} bytes read");
    assert!(took < LONGEST, "{path:?}: {took:?}");
    image
}

/// Runs the program on a medium and returns what it prints.
fn inspect(path: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanboot"));
    let begun = Instant::now();
    let output = command.arg("inspect").arg(path).output().unwrap();
    assert!(begun.elapsed() < LONGEST, "{path:?}: {:?}", begun.elapsed());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn is_noted(path: &Path, expected: &str) {
    let said = inspect(path);
    let notes = said.lines().filter(|line| line.contains(expected));
    assert_eq!(
        notes.count(),
        1,
        "{path:?}: one line with {expected}: {said}"
    );
}

#[test]
fn bad_media_cost_little_and_are_said_to_be_bad() {
    let media = Media(tempfile::tempdir().unwrap());
    menus_that_include_each_other(&media);
    a_script_of_ten_megabytes(&media);
    a_treeinfo_of_a_gigabyte(&media);
    names_with_signs_of_shells_and_scripts(&media);
    links_in_a_circle(&media);
    a_folder_of_other_files(&media);
}

fn menus_that_include_each_other(media: &Media) {
    let more = "configfile /boot/grub/grub.cfg\nsource /boot/grub/b.cfg\n".repeat(500);
    let path = media.with(
        "includes",
        &[
            ("boot/grub/grub.cfg", more.as_bytes()),
            ("boot/grub/b.cfg", more.as_bytes()),
            (
                "isolinux/isolinux.cfg",
                b"include isolinux.cfg\ninclude b.cfg\n",
            ),
            (
                "isolinux/b.cfg",
                &b"include isolinux.cfg\nmenu include b.cfg\n".repeat(500),
            ),
        ],
    );
    let image = read(&path);
    assert!(image.found.entries.is_empty());
    is_noted(&path, "no known way to boot it");
}

fn a_script_of_ten_megabytes(media: &Media) {
    let script = b"set a=\"${a}${a}x\"; menuentry \"$a\" { linux /k $a; initrd /i; }\n";
    let script = script.repeat((10 << 20) / script.len());
    let path = media.with(
        "script",
        &[("boot/grub/grub.cfg", &script), ("k", b"k"), ("i", b"i")],
    );
    read(&path);
    is_noted(
        &path,
        "boot/grub/grub.cfg is longer than 256 KiB and was not read",
    );
}

fn a_treeinfo_of_a_gigabyte(media: &Media) {
    let menu = b"menuentry 'Install' {\nlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=X\n\
                 initrd /images/pxeboot/initrd.img\n}\n";
    let path = media.with(
        "treeinfo",
        &[
            (".treeinfo", b"[general]\n"),
            ("EFI/BOOT/grub.cfg", menu),
            ("images/pxeboot/vmlinuz", b"k"),
            ("images/pxeboot/initrd.img", b"i"),
            ("images/install.img", b"r"),
        ],
    );
    let treeinfo = fs::OpenOptions::new()
        .write(true)
        .open(path.join(".treeinfo"));
    treeinfo.unwrap().set_len(1 << 30).unwrap();
    let image = read(&path);
    assert_eq!(image.found.product, None, "nothing of it is taken");
    assert!(inspect(&path).contains("family"));
}

/// Names of files and entries on a medium are data in every menu.
fn names_with_signs_of_shells_and_scripts(media: &Media) {
    const EVIL: &str = "a;reboot ${net0/ip} || shell \u{1b}[2J $(id) `id` 'x' \"y\" && exit";
    let menu = format!(
        "menuentry '{}' {{\nlinux /{EVIL}/linux one;two ${{x}} $(three) `four`\ninitrd /{EVIL}/initrd.gz\n}}\n",
        EVIL.replace('\'', "")
    );
    let path = media.with(
        EVIL,
        &[
            ("debian-installer/amd64/linux", b"k"),
            ("debian-installer/amd64/initrd.gz", b"i"),
            ("debian-installer/amd64/grub/grub.cfg", menu.as_bytes()),
            (&format!("{EVIL}/linux"), b"k"),
            (&format!("{EVIL}/initrd.gz"), b"i"),
        ],
    );
    let image = read(&path);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    assert!(
        image.names().all(|name| name.chars().all(is_plain)),
        "{}",
        image.name
    );
    assert!(!inspect(&path).contains('\u{1b}'));
}

fn links_in_a_circle(media: &Media) {
    let path = media.with("links", &[("boot/grub/grub.cfg", b"source /boot/grub/a\n")]);
    symlink("b", path.join("boot/grub/a")).unwrap();
    symlink("a", path.join("boot/grub/b")).unwrap();
    symlink("..", path.join("boot/up")).unwrap();
    read(&path);
    is_noted(&path, "no known way to boot it");
}

/// A hundred thousand files that are no images, in a folder that is none either.
fn a_folder_of_other_files(media: &Media) {
    let folder = media.0.path().join("photos");
    fs::create_dir(&folder).unwrap();
    for n in 0..100_000 {
        fs::File::create(folder.join(format!("{n}.jpg"))).unwrap();
    }
    let (before, begun) = (bytes_read(), Instant::now());
    let scan = ImageLibrary::new(vec![folder], Arc::default()).scan(None);
    assert!(bytes_read() - before < 1 << 20 && begun.elapsed() < LONGEST);
    let [said] = &scan.faults[..] else {
        panic!("{:?}", scan.faults)
    };
    assert!(
        said.text.contains("there is no image in it"),
        "{}",
        said.text
    );
}
