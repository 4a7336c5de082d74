//! Initramfs files: cpio archives inside nothing, gzip, xz and zstd.

use lanboot_core::initramfs;

/// Lists an initramfs.
pub fn run(data: &[u8]) {
    if let Ok(contents) = initramfs::list(data) {
        let _ = (contents.has_program("udhcpc"), contents.has_hook("archiso"));
        let _ = contents.has_module("virtio-net");
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let archive = cpio(&[
        ("bin/busybox", b"x"),
        ("hooks/archiso", b"run"),
        ("lib/modules/6/kernel/virtio_net.ko.zst", b""),
        (
            "lib/modules/6/modules.builtin",
            b"kernel/fs/isofs/isofs.ko\n",
        ),
        (
            "lib/modules/6/modules.builtin.modinfo",
            b"loop.license=GPL\0",
        ),
    ]);
    let microcode = cpio(&[("kernel/x86/microcode/GenuineIntel.bin", b"abc")]);
    let padded = [&microcode[..], &[0; 512]].concat();
    let packed = [gzip(&archive), zstd(&archive), xz()];
    let mut seeds = vec![archive.clone(), [microcode, archive].concat()];
    for packed in packed {
        seeds.push([&padded[..], &packed].concat());
        seeds.push(packed);
    }
    seeds
}

/// Returns a `newc` archive of these files.
pub(super) fn cpio(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, data) in files.iter().chain(&[("TRAILER!!!", &b""[..])]) {
        out.extend_from_slice(b"070701");
        let (size, name_size) = (data.len(), name.len() + 1);
        for number in [1, 0o100_644, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0] {
            out.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        for bytes in [name.as_bytes(), data] {
            out.extend_from_slice(bytes);
            let end = out.len() + usize::from(bytes.len() + 1 == name_size);
            out.resize(end.next_multiple_of(4), 0);
        }
    }
    out
}

/// Packs as stored blocks (RFC 1951 §3.2.4) in a gzip member; its checksum is wrong.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("seeds are short");
    let head: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    let size = u32::from(len).to_le_bytes();
    [
        head,
        &len.to_le_bytes(),
        &(!len).to_le_bytes(),
        bytes,
        &[0; 4],
        &size,
    ]
    .concat()
}

/// Packs as one raw block (RFC 8878 §3.1.1.2) in a frame without a checksum.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).expect("seeds are short");
    let block = (len << 3 | 1).to_le_bytes();
    // A single segment whose size stands in four bytes.
    let head: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    [head, &len.to_le_bytes(), &block[..3], bytes].concat()
}

/// Returns the head of an xz stream and of a block, and nothing behind them.
fn xz() -> Vec<u8> {
    let head: &[u8] = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46";
    let block: &[u8] = &[2, 0, 0x21, 1, 0x16, 0, 0, 0, 0x74, 0x2f, 0xe5, 0xa3];
    [head, block, &[1, 0, 0, b'0', 0]].concat()
}
