//! A small catalog for the tests of this crate.

use std::sync::Arc;

use super::entry::NetworkForm;
use super::{Catalog, Cpu, Entry, Family, Image, Server};
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
        root: format!("arch/{cpu}/airootfs.sfs"),
        root_bytes: 300 << 20,
        initrd_bytes: 20 << 20,
        http_copies: 2,
        nbd_streams: false,
    }
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

/// Every door open.
pub(crate) fn server() -> Server {
    Server {
        http: "10.0.0.1:80".parse().unwrap(),
        nfs: true,
        nbd: true,
    }
}
