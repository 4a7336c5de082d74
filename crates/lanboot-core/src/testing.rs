//! Builders for the tests of this crate: catalogs, images, media, trees and UEFI programs.

use std::sync::Arc;

use crate::catalog::{
    Catalog, Cpu, Detection, Entry, Image, Lack, MediumLoaders, Part, Server, ShownBy,
};
use crate::images::entry::{Boot, RootSource};
use crate::images::families::{Archiso, Casper, DebianInstaller, NbdRoot};
use crate::images::medium::Medium;
use crate::images::{
    Disk, EntryKind, Firmware, Linux, Module, Multiboot, MultibootVersion, NetworkArgs, Overlay,
    OverlayBody, OverlayFile, Program, ProgramFile, Standalone,
};
use crate::loaders::{Grub, Shim, ShimGrub, SignedBuild, SignedIpxe};
use crate::machine::Arch;
use crate::net::Origin;
use crate::pe::Signed;
use crate::vfs::{
    Content, Identity, ImageId, Kind, Meta, NodeId, Piece, Source, Tree, TreeBuilder,
};

pub(crate) fn catalog() -> Catalog {
    Catalog::new(vec![Arc::new(image("dual", &[Cpu::X86_64, Cpu::I686]))])
}

pub(crate) fn image(name: &str, cpus: &[Cpu]) -> Image {
    let mut tree = TreeBuilder::new(Meta::default());
    let folder = Kind::Directory(Vec::new());
    let arch = tree
        .add(Tree::ROOT, b"arch", folder.clone(), Meta::default())
        .unwrap();
    let files = tree
        .add(Tree::ROOT, b"syslinux", folder, Meta::default())
        .unwrap();
    for (at, file) in [
        (arch, "vmlinuz"),
        (arch, "initramfs.img"),
        (files, "lpxelinux.0"),
        (files, "ifcpu64.c32"),
    ] {
        let kind = Kind::File(Content::memory(file.as_bytes()));
        tree.add(at, file.as_bytes(), kind, Meta::default())
            .unwrap();
    }
    Image {
        name: name.into(),
        file: format!("{name}.iso"),
        folder: Vec::new(),
        id: ImageId(7),
        size: 4096,
        recorded_size: 4096,
        identity: identity(name),
        version: 1,
        label: "DUAL".into(),
        uuid: None,
        tree: Arc::new(tree.build()),
        found: Detection {
            family: Some("archiso (2013 layout)"),
            entries: cpus.iter().map(|&cpu| entry(name, cpu)).collect(),
            pxelinux: Some("syslinux".into()),
            ..Detection::default()
        },
        loaders: MediumLoaders::default(),
    }
}

/// As [`image`], and the root of the first of these processors is cut short.
pub(crate) fn cut_image(name: &str, cpus: &[Cpu]) -> Image {
    let mut tree = TreeBuilder::new(Meta::default());
    let mut at = Tree::ROOT;
    let cpu = cpus.first().map_or("any", |cpu| cpu.name());
    for folder in ["arch", cpu] {
        let kind = Kind::Directory(Vec::new());
        at = tree
            .add(at, folder.as_bytes(), kind, Meta::default())
            .unwrap();
    }
    let root = Content::new(Piece::of_image(ImageId(7), 0, 3_000_000, 1_924_224));
    tree.add(at, b"airootfs.sfs", Kind::File(root), Meta::default())
        .unwrap();
    Image {
        tree: Arc::new(tree.build()),
        recorded_size: 8192,
        ..image(name, cpus)
    }
}

fn entry(name: &str, cpu: Cpu) -> Entry {
    Entry {
        id: format!("{name}-{cpu}"),
        title: format!("{name} ({cpu})"),
        volume: "DUAL".into(),
        cpu,
        kind: EntryKind::Linux(Linux {
            kernel: "arch/vmlinuz".into(),
            initrd: vec!["arch/early img".into(), "arch/initramfs.img".into()],
        }),
        inherited: vec!["archisobasedir=arch".into()],
        root_source: Arc::new(archiso(NetworkArgs::Dhcp)),
        root: Some(format!("arch/{cpu}/airootfs.sfs")),
        root_bytes: 300 << 20,
        initrd_bytes: 20 << 20,
        lacks: Vec::new(),
        notes: Vec::new(),
        signed: Signed::No,
    }
}

/// An initramfs with archiso's hooks.
fn archiso(network: NetworkArgs) -> Archiso {
    Archiso {
        network,
        extra: Vec::new(),
        companions: (Vec::new(), Vec::new()),
        layer_folders: vec!["arch/any".into()],
        http_copies: 2,
        nbd_root: NbdRoot::Unknown,
    }
}

/// The files of an entry with a Linux kernel.
pub(crate) fn linux(entry: &Entry) -> &Linux {
    match &entry.kind {
        EntryKind::Linux(linux) => linux,
        other => panic!("{other:?} is no kernel"),
    }
}

/// One like debian-installer's: all is in its initramfs.
pub(crate) fn installer(name: &str, cpu: Cpu, signed: Signed) -> Image {
    let entry = Entry {
        inherited: ["vga=788", "---", "quiet"].map(String::from).to_vec(),
        root_source: Arc::new(DebianInstaller),
        root: None,
        root_bytes: 0,
        signed,
        ..entry(name, cpu)
    };
    let mut image = image(name, &[]);
    image.found.family = Some("debian-installer");
    image.found.entries = vec![entry];
    image
}

/// One whose initramfs gets files from this server, the image itself among them.
pub(crate) fn overlaid(name: &str) -> Image {
    let mut image = image(name, &[Cpu::X86_64]);
    let file = |path: &str, body| OverlayFile {
        path: path.into(),
        is_executable: false,
        body,
    };
    let files = vec![
        file("medium.iso", OverlayBody::WholeImage),
        file("conf/param", OverlayBody::Text("IP=dhcp\n".into())),
    ];
    let overlay = Overlay::new(files, &image.tree, image.recorded_size).unwrap();
    for entry in &mut image.found.entries {
        entry.kind = EntryKind::Linux(Linux {
            kernel: "arch/vmlinuz".into(),
            initrd: vec!["arch/initramfs.img".into()],
        });
        entry.root_source = Arc::new(Overlaid(overlay.clone()));
        entry.root = None;
    }
    image
}

/// An initramfs that finds its system in its overlay.
#[derive(Debug)]
struct Overlaid(Overlay);

impl RootSource for Overlaid {
    fn arguments(&self, _entry: &Entry, _boot: &Boot<'_>) -> Vec<String> {
        Vec::new()
    }

    fn overlay(&self) -> Option<&Overlay> {
        Some(&self.0)
    }
}

/// One like Ubuntu's: its initramfs downloads the image as it is.
pub(crate) fn downloaded(name: &str) -> Image {
    let mut image = image(name, &[Cpu::X86_64]);
    for entry in &mut image.found.entries {
        entry.root_source = Arc::new(Casper);
    }
    image
}

/// One with an entry of this kind that has no root.
fn complete(name: &str, kind: EntryKind, inherited: &[&str]) -> Image {
    let entry = Entry {
        id: name.into(),
        title: name.into(),
        kind,
        inherited: inherited.iter().copied().map(String::from).collect(),
        root_source: Arc::new(Standalone),
        root: None,
        root_bytes: 0,
        initrd_bytes: 0,
        ..entry(name, Cpu::X86_64)
    };
    let mut image = image(name, &[]);
    image.found.family = Some("program");
    image.found.entries = vec![entry];
    image
}

/// One like memtest86+'s: a program for every firmware.
pub(crate) fn program_image(name: &str) -> Image {
    let files = [
        (Firmware::Bios64, "boot/m64.bin"),
        (Firmware::Bios32, "boot/m32.bin"),
        (Firmware::X64Uefi, "EFI/BOOT/m 64.efi"),
        (Firmware::X86Uefi, "EFI/BOOT/m32.efi"),
    ];
    let files = files.map(|(firmware, path)| ProgramFile {
        firmware,
        path: path.into(),
    });
    let kind = EntryKind::Program(Program {
        files: files.to_vec(),
    });
    complete(name, kind, &["nomch"])
}

/// One like Xen's.
pub(crate) fn multiboot(name: &str) -> Image {
    let module = |path: &str, arguments: &[&str]| Module {
        path: path.into(),
        arguments: arguments.iter().copied().map(String::from).collect(),
    };
    let kind = EntryKind::Multiboot(Multiboot {
        version: MultibootVersion::Two,
        kernel: "boot/xen".into(),
        modules: vec![
            module("boot/vmlinuz", &["console=hvc0", "${x}", "---"]),
            module("boot/initrd.img", &[]),
        ],
    });
    complete(name, kind, &["dom0_mem=1G"])
}

/// One of no family that starts as a disk with a BIOS and x64 UEFI.
pub(crate) fn disk(name: &str) -> Image {
    let kind = EntryKind::Disk(Disk {
        firmware: vec![Firmware::Bios64, Firmware::Bios32, Firmware::X64Uefi],
    });
    complete(name, kind, &[])
}

/// One without a kernel that firmware of these kinds starts as a whole, of every kind for none.
pub(crate) fn whole_image(name: &str, archs: &[Arch]) -> Image {
    let mut image = image(name, &[]);
    image.found = Detection {
        efi_boot: true,
        efi_archs: archs.to_vec(),
        ..Detection::default()
    };
    image
}

/// As [`whole_image`], with a kernel that cannot use the network and whose initramfs does not see a
/// RAM disk.
pub(crate) fn without_ram_disk(name: &str, archs: &[Arch]) -> Image {
    let lack = |part, missing: &str| Lack {
        part,
        missing: missing.into(),
        shown_by: ShownBy::Initramfs("arch/boot/initramfs".into()),
    };
    let mut image = whole_image(name, archs);
    image.found.unreachable = vec![Entry {
        lacks: vec![
            lack(Part::Ipconfig, "ipconfig"),
            lack(Part::RamDisk, "module nfit"),
        ],
        ..entry(name, Cpu::X86_64)
    }];
    image
}

/// An entry of the 2013 layout.
pub(crate) fn literal(name: &str) -> Entry {
    Entry {
        root_source: Arc::new(archiso(NetworkArgs::Literal)),
        ..entry(name, Cpu::X86_64)
    }
}

/// Adds an argument of the medium's own, unchecked.
pub(crate) fn keep(entry: &mut Entry, word: &str) {
    entry.inherited.push(word.to_owned());
}

/// Another identity for every name.
fn identity(name: &str) -> Identity {
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(name.bytes())
        .for_each(|(to, from)| *to = from);
    Identity(bytes)
}

/// Every service open.
pub(crate) fn server() -> Server {
    Server {
        http: Origin::http([10, 0, 0, 1].into(), 80),
        nfs: true,
        nbd: true,
    }
}

pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    tree_of(files)
}

/// As [`tree`], of bytes.
pub(crate) fn tree_of<B: AsRef<[u8]>>(files: &[(&str, B)]) -> Tree {
    let mut builder = TreeBuilder::new(Meta::default());
    let mut directories: std::collections::BTreeMap<String, NodeId> = Default::default();
    for (path, text) in files {
        let mut at = Tree::ROOT;
        let mut walked = String::new();
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        for part in directory.split('/').filter(|p| !p.is_empty()) {
            walked = format!("{walked}/{part}");
            at = *directories.entry(walked.clone()).or_insert_with(|| {
                let kind = Kind::Directory(Vec::new());
                builder
                    .add(at, part.as_bytes(), kind, Meta::default())
                    .unwrap()
            });
        }
        let kind = Kind::File(Content::memory(text.as_ref()));
        builder
            .add(at, name.as_bytes(), kind, Meta::default())
            .unwrap();
    }
    builder.build()
}

/// A medium with these files.
pub(crate) fn medium<'a>(tree: &'a Tree, name: &'a str, label: &'a str) -> Medium<'a> {
    Medium {
        tree,
        name,
        label,
        date: None,
        whole: crate::images::medium::Whole::Disc(4096),
        read: &read,
        // Kept to the end of the tests, as they keep trees of their own.
        menus_read: Box::leak(Box::default()),
    }
}

pub(crate) fn read(content: &Content) -> Option<Vec<u8>> {
    Some(
        content
            .pieces()
            .iter()
            .flat_map(|p| match p.source {
                Source::Zero => vec![0; usize::try_from(p.len).unwrap()],
                _ => p.memory().unwrap().to_vec(),
            })
            .collect(),
    )
}

pub(crate) fn no_disk(_: &Content) -> Option<Vec<u8>> {
    None
}

/// A name as it stands in a certificate.
pub(crate) fn common_name(name: &str) -> Vec<u8> {
    let len = u8::try_from(name.len()).unwrap();
    [
        &[0x30, 0x10, 0x06, 3, 0x55, 4, 3, 0x0c, len],
        name.as_bytes(),
    ]
    .concat()
}

/// A program with these sections, signed by these names.
pub(crate) fn program(machine: u16, sections: &[(&[u8], Vec<u8>)], names: &[&str]) -> Vec<u8> {
    let mut head = vec![0; 0x40];
    head[..2].copy_from_slice(b"MZ");
    head[0x3c] = 0x40;
    head.extend_from_slice(b"PE\0\0");
    head.extend(machine.to_le_bytes());
    head.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    head.resize(head.len() + 12, 0);
    head.extend([240, 0, 0, 0]);
    let optional = head.len();
    head.resize(optional + 240, 0);
    head[optional..optional + 2].copy_from_slice(&0x20bu16.to_le_bytes());
    let mut body = Vec::new();
    let mut strings = vec![0; 4];
    let body_at = head.len() + sections.len() * 40;
    for (name, bytes) in sections {
        let mut row = vec![0; 40];
        if name.len() <= 8 {
            row[..name.len()].copy_from_slice(name);
        } else {
            let short = format!("/{}", strings.len());
            row[..short.len()].copy_from_slice(short.as_bytes());
            strings.extend_from_slice(name);
            strings.push(0);
        }
        row[16..20].copy_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        let at = u32::try_from(body_at + body.len()).unwrap();
        row[20..24].copy_from_slice(&at.to_le_bytes());
        head.extend(row);
        body.extend_from_slice(bytes);
    }
    if !names.is_empty() {
        let table: Vec<u8> = names.iter().flat_map(|n| common_name(n)).collect();
        let at = u32::try_from(body_at + body.len()).unwrap();
        let field = optional + 112 + 32;
        head[field..field + 4].copy_from_slice(&at.to_le_bytes());
        let len = u32::try_from(table.len()).unwrap();
        head[field + 4..field + 8].copy_from_slice(&len.to_le_bytes());
        body.extend(table);
    }
    // No symbols: the names follow at once.
    let strings_at = u32::try_from(body_at + body.len()).unwrap();
    head[0x4c..0x50].copy_from_slice(&strings_at.to_le_bytes());
    [head, body, strings].concat()
}

const X64: u16 = 0x8664;

/// An ELF object with one section `.modname`, a 32-bit one if `narrow`. A name with a text behind `=`
/// has it among its bytes.
pub(crate) fn grub_module(name: &str, narrow: bool) -> Vec<u8> {
    let (name, said) = name.split_once('=').unwrap_or((name, ""));
    let strings = b"\0.modname\0";
    let word = |number: usize| match narrow {
        true => u32::try_from(number).unwrap().to_le_bytes().to_vec(),
        false => (number as u64).to_le_bytes().to_vec(),
    };
    // Offsets of the table of sections and of the numbers about it; size of a row and offset of where
    // its section is.
    let (class, table, counts, row, place) = match narrow {
        true => (1, 0x20, 0x2e, 0x28, 0x10),
        false => (2, 0x28, 0x3a, 0x40, 0x18),
    };
    let mut elf = vec![0; 0x40];
    elf[..5].copy_from_slice(&[0x7f, b'E', b'L', b'F', class]);
    elf.extend_from_slice(said.as_bytes());
    let names_at = elf.len();
    elf.extend_from_slice(strings);
    let name_at = elf.len();
    elf.extend_from_slice(name.as_bytes());
    elf.push(0);
    let headers = word(elf.len());
    for (title, at, len) in [
        (0u32, names_at, strings.len()),
        (1, name_at, name.len() + 1),
    ] {
        let mut header = vec![0; row];
        header[..4].copy_from_slice(&title.to_le_bytes());
        let both = [word(at), word(len)].concat();
        header[place..place + both.len()].copy_from_slice(&both);
        elf.extend(header);
    }
    elf[table..table + headers.len()].copy_from_slice(&headers);
    let row = u8::try_from(row).unwrap();
    elf[counts..counts + 6].copy_from_slice(&[row, 0, 2, 0, 0, 0]);
    elf
}

fn object(kind: u32, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&kind.to_le_bytes()[..], &size.to_le_bytes(), body].concat()
}

pub(crate) fn grub_file(machine: u16, modules: &[&str], prefix: &str, names: &[&str]) -> Vec<u8> {
    let mut section = 0x676d_696du32.to_le_bytes().to_vec();
    section.extend([0; 4]);
    section.extend(24u64.to_le_bytes());
    section.extend([0; 8]);
    for name in modules {
        section.extend(object(0, &grub_module(name, false)));
    }
    section.extend(object(3, format!("{prefix}\0").as_bytes()));
    section.extend([0; 100]);
    let sbat = b"sbat,1,SBAT Version,sbat,1,https://example\n\
        grub,5,Free Software Foundation,grub,2.06,https://example\n\
        grub.debian,5,Debian,grub2,2.06-13,https://example\n\0\0";
    let sections: [(&[u8], Vec<u8>); 2] = [(b"mods", section), (b".sbat", sbat.to_vec())];
    program(machine, &sections, names)
}

pub(crate) fn shim_file(machine: u16, allowed: &str, denied: &str) -> Vec<u8> {
    shim_signed(
        machine,
        allowed,
        denied,
        &["Microsoft Corporation UEFI CA 2011"],
    )
}

pub(crate) fn shim_signed(machine: u16, allowed: &str, denied: &str, by: &[&str]) -> Vec<u8> {
    let (allowed, denied) = (common_name(allowed), common_name(denied));
    let len = |part: &[u8]| u32::try_from(part.len()).unwrap();
    let mut table = Vec::new();
    for word in [len(&allowed), len(&denied), 16, 16 + len(&allowed)] {
        table.extend(word.to_le_bytes());
    }
    table.extend([allowed, denied].concat());
    program(machine, &[(b".vendor_cert", table)], by)
}

/// A module that takes the server from a proxy's offer.
pub(crate) const EFINET_PROXY: &str = "efinet=proxy offer receive\0setting values from proxy offer";

/// iPXE behind its own shim, with both of its builds.
pub(crate) fn signed_ipxe(arch: Arch) -> SignedIpxe {
    let build = |kind, content: &[u8]| SignedBuild {
        kind,
        content: Content::memory(content),
    };
    SignedIpxe {
        arch,
        shim: shim_grub(arch, "iPXE", false).shim,
        build: build("snponly", b"signed snponly"),
        other: Some(build("ipxe", b"signed ipxe")),
    }
}

/// A shim + GRUB pair whose GRUB boots beside another DHCP server.
pub(crate) fn shim_grub(arch: Arch, vendor: &str, http: bool) -> ShimGrub {
    chain_of(arch, vendor, http, EFINET_PROXY)
}

/// A shim + GRUB pair whose GRUB does not, as Debian 12's.
pub(crate) fn shim_grub_without_proxy(arch: Arch, vendor: &str, http: bool) -> ShimGrub {
    chain_of(arch, vendor, http, "efinet")
}

fn chain_of(arch: Arch, vendor: &str, http: bool, efinet: &str) -> ShimGrub {
    let machine = if arch == Arch::X64Uefi { X64 } else { 0xaa64 };
    let modules: &[&str] = if http {
        &[efinet, "tftp", "http"]
    } else {
        &[efinet, "tftp"]
    };
    let grub = Content::memory(grub_file(machine, modules, "/grub", &[vendor]));
    let shim = Content::memory(shim_file(machine, vendor, "Revoked"));
    let shim = Shim::parse(&shim, "shim", &no_disk).unwrap();
    let grub = Grub::parse(&grub, "grub", &no_disk).unwrap();
    ShimGrub::pair(&[shim], &[grub], &[]).remove(0)
}
