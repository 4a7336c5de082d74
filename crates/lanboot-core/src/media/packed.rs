//! Files that hold an image and are none: compressed ones, archives, virtual disks.

use std::fmt;
use std::io::Read;

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// Bytes at the start of a file that show its kind.
pub(super) const HEAD: usize = 64 << 10;
/// Place and text of the mark of a tar archive.
const TAR_AT: usize = 257;
const TAR: &[u8] = b"ustar";
/// Most memory for unpacking the start of an xz stream, in KiB.
const XZ_MEMORY_KIB: u32 = 128 << 10;
/// Marks at the start of files, and what such files are.
const MARKS: [(&[u8], Kind); 18] = [
    (b"\x1f\x8b", Kind::Compressed("gzip", "gzip -dk")),
    (b"\xfd7zXZ\0", Kind::Compressed("xz", "xz -dk")),
    (b"\x28\xb5\x2f\xfd", Kind::Compressed("zstd", "zstd -d")),
    (b"BZh", Kind::Compressed("bzip2", "bzip2 -dk")),
    (b"\x04\x22\x4d\x18", Kind::Compressed("lz4", "lz4 -d")),
    (b"LZIP", Kind::Compressed("lzip", "lzip -dk")),
    (b"PK\x03\x04", Kind::Archive("zip", "unzip")),
    (b"7z\xbc\xaf\x27\x1c", Kind::Archive("7z", "7z x")),
    (b"Rar!\x1a\x07", Kind::Archive("rar", "unrar x")),
    (b"QFI\xfb", Kind::Disk("qcow2")),
    (b"KDMV", Kind::Disk("vmdk")),
    (b"# Disk DescriptorFile", Kind::Disk("vmdk")),
    (b"conectix", Kind::Disk("vpc")),
    (b"vhdxfile", Kind::Disk("vhdx")),
    (b"<<< ", Kind::Disk("vdi")),
    (b"MSWIM\0\0\0", Kind::Windows),
    (b"hsqs", Kind::FileSystem("squashfs")),
    (b"070701", Kind::Initramfs),
];

/// A file that holds an image, or part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    kind: Kind,
    /// True if there is a tar archive in it.
    is_tar: bool,
}

/// Kind of a file that is no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// By the name of the compression and the program that unpacks it.
    Compressed(&'static str, &'static str),
    /// By the name of the format and the program that unpacks it.
    Archive(&'static str, &'static str),
    /// A virtual disk by the name that qemu-img has for its format.
    Disk(&'static str),
    /// Windows' own format of installed files.
    Windows,
    /// A file system that a live medium has its root in.
    FileSystem(&'static str),
    Initramfs,
}

impl Packed {
    /// Recognises a file by the first [`HEAD`] bytes of it; `None` if it is of none of these kinds.
    pub(super) fn recognise(head: &[u8]) -> Option<Self> {
        if is_tar(head) {
            let kind = Kind::Archive("tar", "tar xf");
            return Some(Self { kind, is_tar: true });
        }
        let found = MARKS.iter().find(|(mark, _)| head.starts_with(mark));
        let kind = found?.1;
        let is_tar = matches!(kind, Kind::Compressed(name, _) if holds_tar(name, head));
        Some(Self { kind, is_tar })
    }

    /// Tests whether it is a tar archive that is not compressed.
    pub(super) fn is_plain_tar(self) -> bool {
        self.is_tar && matches!(self.kind, Kind::Archive(..))
    }

    /// Tests whether it is a tar archive compressed with gzip, which [`super::unpack`] unpacks.
    pub fn is_gzipped_tar(self) -> bool {
        self.is_tar && matches!(self.kind, Kind::Compressed("gzip", _))
    }

    /// Returns a clause that follows the file's name and says how to make an image of the file
    /// `name`.
    pub fn advice(&self, name: &str) -> String {
        let name = quoted(name);
        match self.kind {
            Kind::Compressed(format, _) if self.is_tar => {
                format!("is a tar archive compressed with {format}; unpack it: tar xf {name}")
            }
            Kind::Compressed(format, command) => format!(
                "is compressed with {format}, and a part of it cannot be served without \
                 unpacking all of it; unpack it first: {command} {name}"
            ),
            Kind::Archive(format, command) => {
                format!("is a {format} archive; unpack it: {command} {name}")
            }
            Kind::Disk(format) => {
                format!(
                    "is a virtual disk ({self}); convert it: qemu-img convert -f {format} -O raw {name} {name}.img"
                )
            }
            Kind::Windows => {
                "is a Windows image (WIM), not a medium; name the ISO image that it is \
                              on"
                .into()
            }
            Kind::FileSystem(format) => {
                format!("is a {format} file system without a kernel; name the image that it is on")
            }
            Kind::Initramfs => "is an initramfs; name the image or the folder that it is in".into(),
        }
    }
}

impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Compressed(name, _) | Kind::Archive(name, _) | Kind::FileSystem(name) => name,
            Kind::Disk("vpc") => "VHD",
            Kind::Disk(name) => name,
            Kind::Windows => "WIM",
            Kind::Initramfs => "cpio",
        })
    }
}

fn is_tar(head: &[u8]) -> bool {
    head.get(TAR_AT..).is_some_and(|rest| rest.starts_with(TAR))
}

/// Returns whether a tar archive is in what begins with `head`, as far as that can be unpacked here.
fn holds_tar(format: &str, head: &[u8]) -> bool {
    let mut start = [0; TAR_AT + TAR.len()];
    let read = match format {
        "gzip" => GzDecoder::new(head).read_exact(&mut start).ok(),
        "xz" => XzReader::new_mem_limit(head, false, XZ_MEMORY_KIB)
            .read_exact(&mut start)
            .ok(),
        "zstd" => StreamingDecoder::new(head)
            .ok()
            .and_then(|mut reader| reader.read_exact(&mut start).ok()),
        _ => None,
    };
    read.is_some() && is_tar(&start)
}

/// Quotes a file name for a shell where it needs that.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+/".contains(c);
    let is_option = name.starts_with('-');
    if !name.is_empty() && !is_option && name.chars().all(is_plain) {
        return name.to_owned();
    }
    let prefix = if is_option { "./" } else { "" };
    format!("'{prefix}{}'", name.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn advice(head: &[u8], name: &str) -> String {
        Packed::recognise(head).unwrap().advice(name)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn tar() -> Vec<u8> {
        let mut tar = vec![0; 512];
        tar[TAR_AT..TAR_AT + TAR.len()].copy_from_slice(TAR);
        tar
    }

    #[test]
    fn each_kind_says_how_to_unpack_it() {
        let said = advice(b"\xfd7zXZ\0\0", "arch.iso.xz");
        assert!(
            said.ends_with("unpack it first: xz -dk arch.iso.xz"),
            "{said}"
        );
        let said = advice(b"QFI\xfb\0\0\0\x03", "a.qcow2");
        let expected = "is a virtual disk (qcow2); convert it: qemu-img convert -f qcow2 -O raw \
                        a.qcow2 a.qcow2.img";
        assert_eq!(said, expected);
        assert_eq!(
            advice(&tar(), "netboot.tar"),
            "is a tar archive; unpack it: tar xf netboot.tar"
        );
        assert_eq!(Packed::recognise(b"\xebX\x90mkfs.fat"), None);
        assert_eq!(Packed::recognise(b""), None);
    }

    #[test]
    fn a_compressed_archive_is_unpacked_as_one() {
        let said = advice(&gzip(&tar()), "netboot.tar.gz");
        let expected = "is a tar archive compressed with gzip; unpack it: tar xf netboot.tar.gz";
        assert_eq!(said, expected);
        let said = advice(&gzip(&[7; 4096]), "disk.img.gz");
        assert!(said.ends_with("gzip -dk disk.img.gz"), "{said}");
    }

    #[test]
    fn names_are_quoted_for_a_shell() {
        for (name, expected) in [
            ("a.iso", "a.iso"),
            ("a b;$(reboot)", "'a b;$(reboot)'"),
            ("it's", r"'it'\''s'"),
            ("-rf", "'./-rf'"),
        ] {
            assert_eq!(quoted(name), expected);
        }
    }
}
