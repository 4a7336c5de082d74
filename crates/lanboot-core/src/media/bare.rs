//! Files that a loader starts as they are, without a medium: EFI programs, Linux kernels, and programs
//! that BIOS loaders start like one.
//!
//! Recognised by the signatures that loaders look for: the header of the x86 boot protocol (Linux,
//! `Documentation/arch/x86/boot.rst`) and that of EFI programs, whose subsystem says what they are for
//! (Microsoft's PE/COFF specification; UEFI 2.10 §2.1.1).

use std::fmt;

use super::format::{Bare, Format};
use super::medium::Medium;
use crate::boot_config::{MAX_FILE_BYTES, ReadSmall};
use crate::pe::{self, Subsystem};
use crate::storage::{Disk, ReadAt};
use crate::vfs::{Content, ImageId, Kind, Meta, Piece, Source, Tree, TreeBuilder};

/// Length of the header of the x86 boot protocol with the code before it, in bytes.
const BOOT_HEADER: u64 = 0x240;
/// Unit of the length of the program in that header, in bytes; the file may lack the rest of the last.
const PARAGRAPH: u64 = 16;
/// Longest version in that header, in bytes. Linux has its builder and date there, too.
const MAX_VERSION: u64 = 256;

/// Reason a program cannot be started by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBare {
    /// A part of UEFI firmware.
    Driver,
    /// A program for Windows.
    ForWindows,
    /// A part of one: its headers describe more bytes than there are.
    Incomplete,
}

impl fmt::Display for NotBare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Driver => "is an EFI driver, which no loader starts by itself",
            Self::ForWindows => "is a Windows program, not an image",
            Self::Incomplete => "is a program that is cut short; copy it again",
        })
    }
}

/// Reads a file that a loader starts as it is; `None` for any other file.
pub(super) fn read(image: ImageId, source: &dyn ReadAt) -> Option<Result<Medium, NotBare>> {
    let content = Content::new(Piece::of_image(image, 0, source.len(), source.len()));
    let read = |content: &Content| read_small(source, content);
    let header = BootHeader::parse(&content, &read);
    let program = pe::Program::parse(&content, &read);
    let subsystem = program.as_ref().map(pe::Program::subsystem);
    let ends = [
        header.as_ref().map(|h| h.end),
        program.as_ref().map(pe::Program::end),
    ];
    let is_cut = ends.into_iter().flatten().any(|end| end > source.len());
    let bare = match (&header, subsystem) {
        (_, Some(Subsystem::Driver)) => return Some(Err(NotBare::Driver)),
        (None, Some(Subsystem::Other)) => return Some(Err(NotBare::ForWindows)),
        (Some(_), _) | (_, Some(_)) if is_cut => return Some(Err(NotBare::Incomplete)),
        (Some(header), _) if is_linux(&header.version) => Bare::Kernel,
        (_, Some(_)) if is_efi_kernel(&content, &read) => Bare::Kernel,
        (Some(_), None) => Bare::Bios,
        (Some(_), Some(_)) => Bare::BiosAndEfi,
        (None, Some(_)) => Bare::Efi,
        (None, None) => return None,
    };
    let name: &[u8] = match bare {
        Bare::Kernel => b"vmlinuz",
        Bare::Bios => b"program.bin",
        Bare::Efi | Bare::BiosAndEfi => b"program.efi",
    };
    let mut tree = TreeBuilder::new(Meta::default());
    let file = Kind::File(content);
    let _ = tree.add(Tree::ROOT, name, file, Meta::default());
    let version = header.map(|header| header.version);
    let version = version.filter(|version| !version.is_empty());
    let label = version.map(|version| {
        let names_itself = !version.starts_with(|c: char| c.is_ascii_digit());
        match names_itself {
            true => version,
            false => format!("{bare} {version}"),
        }
    });
    Some(Ok(Medium {
        format: Format::Bare(bare),
        label: label.unwrap_or_else(|| bare.to_string()),
        uuid: None,
        len: source.len(),
        tree: tree.build(),
        boot: Vec::new(),
        warnings: Vec::new(),
    }))
}

/// The header of the x86 boot protocol.
struct BootHeader {
    /// Its version; empty for none.
    version: String,
    /// Least length of a whole file in bytes.
    end: u64,
}

impl BootHeader {
    /// Parses the header of a file; `None` where it has none.
    fn parse(content: &Content, read: ReadSmall<'_>) -> Option<Self> {
        let head = pe::bytes(content, 0, BOOT_HEADER, read)?;
        if head.get(0x1fe..0x200)? != b"\x55\xaa" || head.get(0x202..0x206)? != b"HdrS" {
            return None;
        }
        let at = 0x200 + u64::from(pe::u16_at(&head, 0x20e)?);
        let left = content.len().saturating_sub(at).min(MAX_VERSION);
        let version = pe::bytes(content, at, left, read).filter(|_| at > 0x200);
        let version = version.unwrap_or_default();
        let version = version.split(|byte| *byte == 0).next().unwrap_or_default();
        // The boot sector, its setup sectors (four where it says none), and the program.
        let setup = match *head.get(0x1f1)? {
            0 => 4,
            count => u64::from(count),
        };
        let program = u64::from(pe::u32_at(&head, 0x1f4)?) * PARAGRAPH;
        Some(Self {
            version: crate::text::printable(version, 256),
            end: ((setup + 1) * 512 + program).saturating_sub(PARAGRAPH - 1),
        })
    }
}

/// Tests whether a boot header's version is that of a Linux kernel: the release, then the builder in
/// brackets (`6.1.0-37-amd64 (root@host) #1 …`).
fn is_linux(version: &str) -> bool {
    let starts = version.starts_with(|c: char| c.is_ascii_digit());
    let builder = version.split_once(" (").map(|(_, rest)| rest);
    starts && builder.is_some_and(|builder| builder.contains('@'))
}

/// Tests whether an EFI program is a Linux kernel of another processor than x86: by the mark of arm64's
/// and of riscv64's images (`Documentation/arch/{arm64/booting,riscv/boot-image-header}.rst`), or that
/// of a packed one (`zboot-header.S`).
fn is_efi_kernel(content: &Content, read: ReadSmall<'_>) -> bool {
    let head = pe::bytes(content, 0, 0x40, read).unwrap_or_default();
    let has = |at: usize, mark: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(mark));
    has(0x38, b"ARM\x64") || has(0x38, b"RSC\x05") || has(4, b"zimg")
}

/// Reads pieces of `source`, as far as they are small.
fn read_small(source: &dyn ReadAt, content: &Content) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if content.len() > MAX_FILE_BYTES {
        return None;
    }
    let mut disk = Disk::new(source, 1);
    for piece in content.pieces() {
        let Source::Image { offset, .. } = piece.source else {
            return None;
        };
        let at = bytes.len();
        bytes.resize(at + usize::try_from(piece.len).ok()?, 0);
        disk.read(offset, bytes.get_mut(at..)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::program;

    const IMAGE: ImageId = ImageId(3);

    /// An EFI program of this subsystem.
    fn efi(machine: u16, subsystem: u16) -> Vec<u8> {
        let mut bytes = program(machine, &[(b".text", vec![1; 0x600])], &[]);
        bytes[0x58 + 68..0x58 + 70].copy_from_slice(&subsystem.to_le_bytes());
        bytes
    }

    /// The header of a `bzImage` with this version over `bytes`.
    fn bios(mut bytes: Vec<u8>, version: &[u8]) -> Vec<u8> {
        bytes.resize(bytes.len().max(0x800), 0);
        bytes[0x1f1] = 3;
        bytes[0x1f4..0x1f8].fill(0);
        bytes[0x1fe..0x200].copy_from_slice(b"\x55\xaa");
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x20e..0x210].copy_from_slice(&[0x60, 4]);
        bytes[0x660..0x660 + version.len()].copy_from_slice(version);
        bytes
    }

    fn found(bytes: &Vec<u8>) -> Result<(Bare, String, String), NotBare> {
        let medium = read(IMAGE, bytes).unwrap()?;
        let Format::Bare(bare) = medium.format else {
            panic!("{:?}", medium.format)
        };
        let (name, id) = &medium.tree.entries(Tree::ROOT)[0];
        let Kind::File(content) = &medium.tree.node(*id).unwrap().kind else {
            panic!("{name:?}")
        };
        assert_eq!(content.len(), bytes.len() as u64);
        let name = String::from_utf8(name.to_vec()).unwrap();
        Ok((bare, name, medium.label))
    }

    #[test]
    fn each_program_is_a_medium_with_one_file() {
        let linux = b"6.1.0-37-amd64 (kernel@example.org) #1 SMP\0";
        let memtest = b"Memtest86+ v6.10\0";
        let of = |bytes: &Vec<u8>| {
            let (bare, name, label) = found(bytes).unwrap();
            format!("{bare}, {name}, {label}")
        };
        assert_eq!(
            of(&efi(0x8664, 10)),
            "EFI program, program.efi, EFI program"
        );
        assert_eq!(
            of(&bios(Vec::new(), memtest)),
            "program for BIOS, program.bin, Memtest86+ v6.10"
        );
        assert_eq!(
            of(&bios(efi(0x14c, 10), memtest)),
            "program for BIOS and UEFI, program.efi, Memtest86+ v6.10"
        );
        // iPXE's version begins like a kernel's.
        assert_eq!(
            of(&bios(Vec::new(), b"1.21.1+git (g000)\0")),
            "program for BIOS, program.bin, program for BIOS 1.21.1+git (g000)"
        );
        let kernel = of(&bios(efi(0x8664, 10), linux));
        assert!(kernel.starts_with("Linux kernel, vmlinuz, Linux kernel 6.1.0-37-amd64"));
        let mut packed = efi(0xaa64, 10);
        packed[4..8].copy_from_slice(b"zimg");
        assert_eq!(of(&packed), "Linux kernel, vmlinuz, Linux kernel");
    }

    #[test]
    fn programs_of_other_kinds_are_refused() {
        assert_eq!(found(&efi(0x8664, 11)), Err(NotBare::Driver));
        assert_eq!(found(&efi(0x8664, 3)), Err(NotBare::ForWindows));
        let mut cut = efi(0x8664, 10);
        cut.truncate(0x300);
        assert_eq!(found(&cut), Err(NotBare::Incomplete));
        let mut bzimage = bios(Vec::new(), b"x\0");
        // 0x200 and 3 * 0x200 bytes, and a paragraph that may lack 15 bytes.
        bzimage[0x1f1] = 3;
        bzimage[0x1f4] = 1;
        assert_eq!(found(&bzimage), Err(NotBare::Incomplete));
        bzimage.push(0);
        assert!(found(&bzimage).is_ok());
        for bytes in [Vec::new(), vec![0; 4096], b"MZ".to_vec()] {
            assert!(read(IMAGE, &bytes).is_none());
        }
        // A header without a boot sector's mark.
        let mut no_mark = bios(Vec::new(), b"x\0");
        no_mark[0x1fe] = 0;
        assert!(read(IMAGE, &no_mark).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            at in 0usize..0x700, noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64),
        ) {
            let mut bytes = bios(efi(0x8664, 10), b"6.1 (a@b)\0");
            for (to, from) in bytes.iter_mut().skip(at).zip(&noise) { *to = *from; }
            let _ = read(IMAGE, &bytes);
        }
    }
}
