use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::testing::{cpio, pad};
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

const MAIN: [(&str, &[u8]); 7] = [
    ("hooks/archiso", b"run_hook() {\n}\n"),
    ("./hooks/archiso_pxe_common", b"x"),
    ("usr/bin/ipconfig", b"elf"),
    ("usr/lib/modules/6.12/kernel/nd-pmem.ko.zst", b"ko"),
    ("usr/lib/modules/6.12/kernel/odd.konf", b""),
    (
        "usr/lib/modules/6.12/modules.builtin.modinfo",
        b"libnvdimm.license=GPL\0snd-pcm.file=x\0",
    ),
    ("usr/lib/firmware/nfit", b"no module"),
];

fn microcode() -> Vec<u8> {
    let mut early = cpio(&[("kernel/x86/microcode/GenuineIntel.bin", &[7; 5000])]);
    pad(&mut early, 512);
    early
}

fn check(contents: &Contents) {
    assert!(contents.has_program("ipconfig") && !contents.has_program("nbd-client"));
    assert_eq!(contents.has_hook("archiso_pxe_common"), Some(true));
    assert_eq!(contents.has_hook("archiso_pxe_nbd"), Some(false));
    for (module, has) in [
        ("nd_pmem", true),
        ("nd-pmem", true),
        ("libnvdimm", true),
        ("snd_pcm", true),
        ("nfit", false),
        ("odd", false),
    ] {
        assert_eq!(contents.has_module(module), Some(has), "{module}");
    }
}

#[test]
fn every_compression_is_listed_after_plain_microcode() {
    let main = cpio(&MAIN);
    for packed in [main.clone(), gzip(&main), zstd(&main), xz(&main)] {
        check(&list(&packed[..]).unwrap());
        let mut padded = packed.clone();
        padded.resize(padded.len() + 1000, 0);
        // Some kernels get a second archive after it.
        let more = gzip(&cpio(&[("bin/nbd-client", b"x")]));
        let both = list(&[&microcode()[..], &padded, &more].concat()[..]).unwrap();
        assert!(both.has_program("nbd-client") && both.has_program("ipconfig"));
        check(&list(&[&microcode()[..], &padded].concat()[..]).unwrap());
    }
}

#[test]
fn archives_continue_in_the_next_stream() {
    let main = cpio(&MAIN);
    let (front, back) = main.split_at(333);
    for pack in [gzip, zstd, xz] {
        check(&list(&[pack(front), pack(back)].concat()[..]).unwrap());
    }
}

#[test]
fn the_kernels_own_list_of_built_in_modules_counts() {
    let builtin: &[u8] = b"kernel/drivers/acpi/nfit/nfit.ko\nkernel/drivers/nvdimm/libnvdimm.ko\n";
    let contents = list(&cpio(&[("lib/modules/6/modules.builtin", builtin)])[..]).unwrap();
    assert_eq!(contents.has_module("nfit"), Some(true));
    assert_eq!(contents.has_module("nd_pmem"), Some(false));
    assert_eq!(
        contents.has_hook("archiso"),
        None,
        "no hooks at all: no conclusion"
    );
    let none = list(&cpio(&[("lib/modules/6/nfit.ko", b"x")])[..]).unwrap();
    assert_eq!(
        (none.has_module("nfit"), none.has_module("nbd")),
        (Some(true), None)
    );
}

#[test]
fn unlistable_input_is_an_error() {
    let main = cpio(&MAIN);
    let error = |bytes: &[u8]| list(bytes).unwrap_err().to_string();
    assert_eq!(
        error(b"hello, world"),
        "byte 0 is not the start of an archive"
    );
    assert_eq!(error(&main[..main.len() - 200]), "it is cut short");
    assert_eq!(
        error(b"\x02\x21\x4c\x18\0\0\0\0"),
        "it is compressed with lz4, which is not supported"
    );
    let packed = gzip(&main);
    assert!(list(&packed[..packed.len() / 2]).is_err());
    assert!(error(&gzip(b"not an archive")).contains("no archive"));
    let mut long = main.clone();
    long[94..102].copy_from_slice(b"FFFFFFFF");
    assert_eq!(error(&long), "its archive is damaged: a name is too long");
    assert_eq!(list(&b""[..]).unwrap(), Contents::default());
}

#[test]
fn decompression_bombs_are_rejected() {
    let mut huge = cpio(&[("a", b"")]);
    huge.truncate(112);
    // One file of almost 4 GiB, all zeros.
    huge[54..62].copy_from_slice(b"FFFFFFF0");
    let zeros = gzip(&vec![0; 1 << 20]);
    let bomb = [gzip(&huge), zeros].concat();
    assert_eq!(
        list(&bomb[..]).unwrap_err().to_string(),
        "it is too large to be listed"
    );
    let many: Vec<u8> = cpio(&[("a", b"")])[..112].repeat(MAX_FILES + 1);
    assert_eq!(
        list(&many[..]).unwrap_err().to_string(),
        "it is too large to be listed"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(
        head in prop_oneof![
            Just(&b"070701"[..]), Just(&b"\x1f\x8b\x08"[..]), Just(&b"\xfd7zXZ\0"[..]),
            Just(&b"\x28\xb5\x2f\xfd"[..]), Just(&b""[..]),
        ],
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let _ = list(&[head, &bytes].concat()[..]);
    }

    #[test]
    fn damaged_archives_do_not_panic(kind in 0..4usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let main = cpio(&MAIN);
        let mut packed = [main.clone(), gzip(&main), zstd(&main), xz(&main)][kind].clone();
        let at = at.index(packed.len());
        packed[at] = byte;
        let _ = list(&packed[..]);
    }
}
