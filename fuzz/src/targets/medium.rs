//! A whole medium: its files in, what it can boot and the menus for it out.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use lanboot_core::catalog::{Catalog, Image, MediumLoaders, detect};
use lanboot_core::iso::Naming;
use lanboot_core::loaders::Loaders;
use lanboot_core::media::{Format, Medium};
use lanboot_core::menus::Menu;
use lanboot_core::plan::{BootChoice, MenuKind, Transports};
use lanboot_core::routes::Routes;
use lanboot_core::vfs::{Identity, ImageId, Tree};
use lanboot_core::{initramfs, nbd, nfs};

use super::initramfs::cpio;
use super::input::{Input, part, read, tree};
use super::pe::program;

/// The machine that asks.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 77, 10));
/// Most files of a medium.
const MAX_FILES: usize = 40;

/// Takes the parts of `data` as paths and contents of a medium's files, recognises the medium, and
/// asks for its menus.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut files = Vec::new();
    while !input.is_empty() && files.len() < MAX_FILES {
        let path = std::str::from_utf8(input.part()).unwrap_or("x");
        files.push((path, input.part()));
    }
    let routes = routes(tree(files));
    for path in [
        "boot.ipxe",
        "loader/pxelinux/pxelinux.cfg/default",
        "grub/grub.cfg",
        "loader/secure/x86_64/grub.cfg",
        "",
    ] {
        let menu = routes.find(path.as_bytes(), b"", PEER);
        let text = menu
            .and_then(|file| read(&file.content))
            .unwrap_or_default();
        assert!(
            text.is_ascii() || path.is_empty(),
            "a menu that is not ASCII: {path}"
        );
    }
    for name in nbd::Exports::names(&routes) {
        assert!(
            nbd::Exports::find(&routes, name.as_bytes()).is_some(),
            "{name}"
        );
    }
    for path in nfs::Exports::paths(&routes) {
        assert!(
            nfs::Exports::folder(&routes, path.as_bytes()).is_ok(),
            "{path}"
        );
    }
}

/// Returns what is served when a medium with these files is the only one.
pub(super) fn routes(tree: Tree) -> Routes {
    let medium = Medium {
        label: "ARCH_202603".into(),
        uuid: Some("2026-03-01-12-34-56-00".into()),
        format: Format::Iso(Naming::RockRidge),
        len: 1 << 30,
        tree,
        boot: Vec::new(),
        warnings: Vec::new(),
    };
    let mut found = detect(&medium, "fuzz", &read);
    found.examine(|initrd| {
        let packed = read(medium.tree.file(initrd.last()?)?)?;
        initramfs::list(&packed[..]).ok()
    });
    let loaders = MediumLoaders::find(&medium.tree, &read);
    let image = Image {
        name: "fuzz".into(),
        file: "fuzz.iso".into(),
        folder: vec!["fuzz".into()],
        id: ImageId(1),
        size: medium.len,
        recorded_size: medium.len,
        version: 1,
        identity: Identity(*b"image of fuzzing"),
        label: medium.label,
        uuid: medium.uuid,
        tree: Arc::new(medium.tree),
        found,
        loaders,
    };
    let catalog = Catalog::new(vec![Arc::new(image)]);
    let boot = BootChoice::first(&catalog);
    Routes {
        catalog: Arc::new(catalog),
        loaders: Arc::new(Loaders::default()),
        menu: Menu {
            timeout: None,
            boot,
            append: String::new(),
            transports: Transports::default(),
            kind: MenuKind::Generated,
        },
        addresses: vec!["192.168.77.1/24".parse().unwrap()],
        subnets: Vec::new(),
        http_port: 80,
        nfs: true,
        nbd: true,
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let pack = |files: &[(&str, &[u8])]| {
        let parts = files.iter();
        parts
            .flat_map(|(path, bytes)| [part(path.as_bytes()), part(bytes)].concat())
            .collect()
    };
    let archive = cpio(&[("hooks/archiso_pxe_http", b"x"), ("bin/nbd-client", b"x")]);
    vec![
        pack(&archiso(&archive)),
        pack(&debian(&program(0x8664, &[], b"CA"))),
        Vec::new(),
    ]
}

/// Returns the files of a medium like those of archiso.
pub(super) fn archiso(initramfs: &[u8]) -> [(&str, &[u8]); 9] {
    let menu: &[u8] = b"LABEL arch\nMENU LABEL Arch\nLINUX /arch/boot/x86_64/vmlinuz-linux\n\
        INITRD /arch/boot/x86_64/initramfs-linux.img\n\
        APPEND archisobasedir=arch archisosearchuuid=2026-03-01-12-34-56-00\n";
    let grub: &[u8] = b"menuentry 'Arch' --id a {\nlinux /arch/boot/x86_64/vmlinuz-linux \
        archisobasedir=arch cow_spacesize=1G\ninitrd /arch/boot/x86_64/initramfs-linux.img\n}\n";
    [
        ("boot/syslinux/archiso_sys-linux.cfg", menu),
        ("boot/syslinux/lpxelinux.0", b"x"),
        ("boot/grub/grub.cfg", grub),
        ("arch/boot/x86_64/vmlinuz-linux", b"MZ"),
        ("arch/boot/x86_64/initramfs-linux.img", initramfs),
        ("arch/boot/amd-ucode.img", b"x"),
        ("arch/x86_64/airootfs.sfs", b"hsqs"),
        ("arch/x86_64/airootfs.sha512", b"x"),
        (
            "arch/pkglist.x86_64.txt",
            b"mkinitcpio-archiso 70-1\nlinux 6.12\nmkinitcpio-nfs-utils 0.3\n",
        ),
    ]
}

/// Returns the files of a medium like debian-installer's.
fn debian(kernel: &[u8]) -> [(&str, &[u8]); 6] {
    let grub: &[u8] = b"menuentry --hotkey=i 'Install' {\nlinux /debian-installer/amd64/linux \
        vga=788 --- quiet\ninitrd /debian-installer/amd64/initrd.gz\n}\n";
    [
        ("debian-installer/amd64/linux", kernel),
        ("debian-installer/amd64/initrd.gz", b"\x1f\x8b\x08"),
        ("debian-installer/amd64/grub/grub.cfg", grub),
        ("boot/grub/grub.cfg", grub),
        ("linux", kernel),
        (".disk/info", b"Debian GNU/Linux 13 amd64 NETINST"),
    ]
}
