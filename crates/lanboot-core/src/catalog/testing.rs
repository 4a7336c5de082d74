//! A small catalog for the tests of this crate.

use std::sync::Arc;

use super::entry::{Finds, NetworkForm};
use super::{Catalog, Cpu, Entry, Family, Image, Server, Signed};
use crate::vfs::{Content, Identity, ImageId, Kind, Meta, Tree, TreeBuilder};

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
        id: ImageId(7),
        size: 4096,
        identity: identity(name),
        version: 1,
        label: "DUAL".into(),
        uuid: None,
        tree: Arc::new(tree.build()),
        family: Family::Archiso {
            base: "arch".into(),
            aitab: true,
        },
        entries: cpus.iter().map(|&cpu| entry(name, cpu)).collect(),
        stock: None,
        pxelinux: Some("syslinux".into()),
        shims: Vec::new(),
        chains: Vec::new(),
        efi_boot: false,
        warnings: Vec::new(),
    }
}

fn entry(name: &str, cpu: Cpu) -> Entry {
    Entry {
        id: format!("{name}-{cpu}"),
        title: format!("{name} ({cpu})"),
        volume: "DUAL".into(),
        cpu,
        kernel: "arch/vmlinuz".into(),
        initrd: vec!["arch/early img".into(), "arch/initramfs.img".into()],
        kept: vec!["archisobasedir=arch".into()],
        added: Vec::new(),
        network: NetworkForm::Dhcp,
        finds: Finds::Archiso,
        root: Some(format!("arch/{cpu}/airootfs.sfs")),
        root_bytes: 300 << 20,
        initrd_bytes: 20 << 20,
        http_copies: 2,
        nbd_streams: false,
        signed: Signed::No,
    }
}

/// One like debian-installer's: all is in its initramfs.
pub(crate) fn installer(name: &str, cpu: Cpu, signed: Signed) -> Image {
    let entry = Entry {
        kept: ["vga=788", "---", "quiet"].map(String::from).to_vec(),
        network: NetworkForm::Own,
        finds: Finds::Itself,
        root: None,
        root_bytes: 0,
        signed,
        ..entry(name, cpu)
    };
    Image {
        family: Family::DebianInstaller,
        entries: vec![entry],
        ..image(name, &[])
    }
}

/// An entry of the 2013 layout.
pub(crate) fn literal(name: &str) -> Entry {
    Entry {
        network: NetworkForm::Literal,
        ..entry(name, Cpu::X86_64)
    }
}

/// Adds an argument of the medium's own, unchecked.
pub(crate) fn keep(entry: &mut Entry, word: &str) {
    entry.kept.push(word.to_owned());
}

pub(crate) use super::secure::tests::chain;

/// Another identity for every name.
fn identity(name: &str) -> Identity {
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(name.bytes())
        .for_each(|(to, from)| *to = from);
    Identity(bytes)
}

/// Every door open.
pub(crate) fn server() -> Server {
    Server {
        http: "10.0.0.1:80".parse().unwrap(),
        nfs: true,
        nbd: true,
    }
}
