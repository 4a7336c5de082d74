//! Disk images partitioned by sfdisk and sgdisk, with a file system made by mtools, read by `media::read`.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lanboot_core::media::{self, Medium};
use lanboot_core::vfs::{ImageId, Source};

const IMAGE: ImageId = ImageId(7);
/// Offset of the partition with the file system, in MiB.
const AT_MIB: u64 = 3;
const PROGRAM: &[u8] = b"MZ a program for firmware";

struct Bench(PathBuf);

impl Bench {
    /// Makes a disk of 16 MiB with a file system at [`AT_MIB`].
    fn new(test: &str) -> Self {
        let at = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-{test}"));
        let _ = fs::remove_dir_all(&at);
        fs::create_dir_all(&at).unwrap();
        let bench = Self(at);
        let image = bench.image();
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let program = bench.0.join("program");
        fs::write(&program, PROGRAM).unwrap();
        let partition = format!("{}@@{AT_MIB}M", image.display());
        let mtools = |program: &str, arguments: &[&str]| {
            let arguments = [&["-i", &partition], arguments].concat();
            run(program, "mtools", &arguments, "");
        };
        mtools("mformat", &["-T", "16384", "-v", "ESP"]);
        mtools("mmd", &["::/EFI", "::/EFI/BOOT"]);
        mtools(
            "mcopy",
            &[program.to_str().unwrap(), "::/EFI/BOOT/BOOTX64.EFI"],
        );
        bench
    }

    fn image(&self) -> PathBuf {
        self.0.join("disk.img")
    }

    fn path(&self) -> String {
        self.image().to_str().unwrap().to_owned()
    }

    fn read(&self) -> Medium {
        let image = fs::read(self.image()).unwrap();
        let medium = media::read(IMAGE, &image).unwrap();
        let file = medium.tree.file("EFI/BOOT/BOOTX64.EFI").unwrap();
        let [piece] = file.pieces() else {
            panic!("{file:?}")
        };
        let Source::Image { offset, .. } = piece.source else {
            panic!("{piece:?}")
        };
        let from = usize::try_from(offset).unwrap();
        assert_eq!(&image[from..from + PROGRAM.len()], PROGRAM);
        assert_eq!(medium.boot.len(), 1);
        medium
    }

    fn overwrite(&self, at: u64, bytes: &[u8]) {
        let mut file = File::options().write(true).open(self.image()).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn run(program: &str, package: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| {
            panic!("{program} cannot be run ({e}); install it: apt-get install {package}")
        });
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{program} {arguments:?}: {out:?}");
}

#[test]
fn a_gpt_of_sgdisk_is_read_and_the_one_at_the_end_replaces_it() {
    let bench = Bench::new("gpt");
    let image = bench.path();
    let partitions = [
        "-a",
        "8",
        "-n",
        "1:2048:+1M",
        "-t",
        "1:8300",
        "-n",
        "2:6144:+8M",
        "-t",
        "2:ef00",
    ];
    run(
        "sgdisk",
        "gdisk",
        &[&partitions[..], &[&image]].concat(),
        "",
    );
    let medium = bench.read();
    assert_eq!(medium.format.to_string(), "raw disk, GPT, FAT12");
    assert_eq!((medium.label.as_str(), medium.len), ("ESP", 16 << 20));
    assert_eq!(medium.warnings, [""; 0]);
    bench.overwrite(512 + 20, &[0xff]);
    assert_eq!(bench.read().format.to_string(), "raw disk, GPT, FAT12");
    // Without any, the protective record has no partition with a file system at its start.
    bench.overwrite((16 << 20) - 512, &[0; 512]);
    let bytes = fs::read(bench.image()).unwrap();
    let refused = media::read(IMAGE, &bytes).unwrap_err().clause("disk.img");
    assert!(refused.contains("without a FAT file system"), "{refused}");
}

#[test]
fn an_mbr_of_sfdisk_is_read() {
    let bench = Bench::new("mbr");
    let script = "label: dos\nstart=2048,size=2048,type=83\nstart=6144,size=16384,type=ef\n";
    run("sfdisk", "fdisk", &["-q", &bench.path()], script);
    let medium = bench.read();
    assert_eq!(medium.format.to_string(), "raw disk, MBR, FAT12");
    // Cut within the partition, behind the program.
    let file = File::options().write(true).open(bench.image()).unwrap();
    file.set_len(5 << 20).unwrap();
    let medium = bench.read();
    assert_eq!(medium.len, (6144 + 16384) * 512);
    assert_eq!(medium.warnings.len(), 1, "{:?}", medium.warnings);
}

#[test]
fn a_logical_partition_of_sfdisk_is_read() {
    let bench = Bench::new("logical");
    let script = "label: dos\nstart=2048,size=30000,type=5\nstart=6144,size=16384,type=ef\n";
    run("sfdisk", "fdisk", &["-q", &bench.path()], script);
    assert_eq!(bench.read().format.to_string(), "raw disk, MBR, FAT12");
}
