//! Catalogs, images of each kind of entry, and the server.

use std::sync::Arc;

use crate::catalog::{
    Catalog, Cpu, Detection, Entry, Image, Lack, MediumLoaders, Part, Server, ShownBy,
};
use crate::images::entry::{Boot, RootSource};
use crate::images::families::{Archiso, Casper, DebianInstaller, NbdRoot};
use crate::images::{
    Disk, EntryKind, Firmware, Linux, Module, Multiboot, MultibootVersion, NetworkArgs, Overlay,
    OverlayBody, OverlayFile, Program, ProgramFile, Standalone,
};
use crate::machine::Arch;
use crate::net::Origin;
use crate::pe::Signed;
use crate::vfs::{Content, Identity, ImageId, Kind, Meta, Piece, Tree, TreeBuilder};

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
