//! Every path that a menu, an export or a DHCP offer names leads to a file.

use std::collections::BTreeSet;

use super::*;
use crate::exports::{Export, Format, export};
use crate::images::Cpu;
use crate::loaders::LoaderKind;
use crate::machine::{Arch, Mac, Machine, Stage};
use crate::nbd::Exports as _;
use crate::nfs::Exports as _;
use crate::pe::Signed;
use crate::plan::{LoaderChoice, Offers, offer};
use crate::testing::{
    disk, image, installer, multiboot, overlaid, program_image, shim_grub, signed_ipxe, tree,
    whole_image,
};

/// The image with every file that it says it has.
fn with_files(mut image: Image) -> Arc<Image> {
    let found = &image.found;
    let mut files = vec!["syslinux/lpxelinux.0", "syslinux/ifcpu64.c32"];
    for entry in &found.entries {
        files.extend(entry.files());
    }
    let files: BTreeSet<&str> = files.into_iter().collect();
    let files: Vec<(&str, &str)> = files.into_iter().map(|file| (file, "x")).collect();
    image.tree = Arc::new(tree(&files));
    Arc::new(image)
}

fn catalogs() -> Vec<Catalog> {
    let by = || Signed::By(vec!["Debian".into()]);
    let all = || {
        vec![
            with_files(image("dual", &[Cpu::X86_64, Cpu::I686])),
            with_files(installer("deb", Cpu::X86_64, by())),
            with_files(installer("arm", Cpu::Aarch64, Signed::No)),
            with_files(overlaid("tails")),
            Arc::new(whole_image("memtest", &[])),
            with_files(program_image("program")),
            with_files(multiboot("xen")),
            with_files(disk("unknown")),
        ]
    };
    let each = all().into_iter().map(|image| Catalog::new(vec![image]));
    each.chain([Catalog::new(all())]).collect()
}

/// Routes with every loader, with only some, and with a port of their own.
fn all_routes() -> Vec<Routes> {
    let archs = [Arch::X64Uefi, Arch::Arm64Uefi];
    let file = || Content::memory(*b"x");
    let pairs = |http| archs.map(|arch| shim_grub(arch, "Debian", http)).to_vec();
    let signed: Vec<_> = archs.map(signed_ipxe).to_vec();
    let plain = Loaders {
        programs: LoaderRoute::programs()
            .map(|of| (of.name, file()))
            .collect(),
        pxelinux: ["lpxelinux.0", "menu.c32"]
            .map(|name| (name.into(), file()))
            .into(),
        ..Loaders::default()
    };
    let with = |shim_grubs: Vec<_>, signed_ipxe: Vec<_>| Loaders {
        shim_grubs,
        signed_ipxe,
        ..plain.clone()
    };
    let loaders = [
        plain.clone(),
        with(pairs(false), Vec::new()),
        with(pairs(true), Vec::new()),
        with(pairs(false), signed.clone()),
        with(Vec::new(), signed),
    ];
    let mut all = Vec::new();
    for catalog in catalogs() {
        for loaders in &loaders {
            for http_port in [80, 8080] {
                let mut routes = routes(catalog.clone());
                routes.loaders = Arc::new(loaders.clone());
                routes.http_port = http_port;
                all.push(routes);
            }
        }
    }
    all
}

/// A `%`-encoded path as bytes.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| byte == b'%');
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(hex.unwrap_or(byte));
        rest = after.get(if hex.is_some() { 2 } else { 0 }..).unwrap();
    }
    out
}

/// Returns what stands in `text` behind each `start`, up to a byte that ends a word there.
fn behind<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(start).map(move |(at, _)| {
        let is_quoted = text[..at].ends_with('\'');
        let rest = &text[at + start.len()..];
        let ends = |c: char| match is_quoted {
            true => c == '\'',
            false => c.is_whitespace() || ",;'\"?|)".contains(c),
        };
        rest.split(ends).next().unwrap()
    })
}

/// The paths a text names: URLs, GRUB's and PXELINUX' own notation. A folder ends with a slash.
fn paths(routes: &Routes, text: &str) -> Vec<Vec<u8>> {
    let server = routes.server(PEER).unwrap();
    let address = server.http.url_host();
    let mut found: Vec<Vec<u8>> = Vec::new();
    found.extend(behind(text, &format!("{}/", server.http)).map(decoded));
    let devices = [
        "$lanboot".to_owned(),
        format!("tftp,{address}"),
        format!("http,{address}"),
    ];
    for device in devices {
        for path in behind(text, &format!("({device})/")) {
            for folder in ["secure", "secure-http"] {
                found.push(path.replace("$lanboot_secure", folder).into_bytes());
            }
        }
    }
    found.extend(behind(text, &format!("{address}::")).map(|path| path.as_bytes().to_vec()));
    found
}

fn check(routes: &Routes, text: &str, from: &str) -> usize {
    let paths = paths(routes, text);
    for path in paths.iter().filter(|path| !path.ends_with(b"/")) {
        let opened = routes.open(path, b"", PEER);
        let printed = String::from_utf8_lossy(path);
        let opened = opened.unwrap_or_else(|| panic!("{from}: {printed} leads nowhere in\n{text}"));
        assert_eq!(
            opened.route.to_bytes(),
            *path,
            "{from}: one name for one route"
        );
    }
    for path in behind(text, "_nfs_srv=10.0.0.1:") {
        assert!(routes.folder(path.as_bytes()).is_ok(), "{from}: {path}");
    }
    for name in behind(text, "archiso_nbd_name=") {
        let found = crate::nbd::Exports::find(routes, name.as_bytes());
        assert!(found.is_some(), "{from}: {name} of {:?}", routes.names());
    }
    paths.len()
}

#[test]
fn every_path_of_a_menu_leads_to_a_file() {
    for routes in all_routes() {
        let mut count = 0;
        for path in [
            "boot.ipxe",
            "loader/pxelinux/pxelinux.cfg/default",
            "grub/grub.cfg",
            "loader/secure/x86_64/locked.cfg",
            "loader/secure-http/arm64/locked.cfg",
            "autoexec.ipxe",
        ] {
            count += check(&routes, &text(&routes, path).unwrap(), path);
        }
        assert!(count > 2, "{:?}", routes.catalog.images().len());
    }
}

#[test]
fn every_path_of_an_export_leads_to_a_file() {
    for routes in all_routes() {
        let server = routes.server(PEER).unwrap();
        for format in Format::ALL {
            let from = Export {
                catalog: &routes.catalog,
                loaders: &routes.loaders,
                menu: &routes.menu,
                loader: &LoaderChoice::default(),
                server: &server,
                netmask: [255, 255, 0, 0].into(),
                flags: &[],
            };
            check(&routes, &export(format, &from).text, format.name());
        }
    }
}

#[test]
fn every_file_that_dhcp_offers_is_there() {
    let mut routes_offered = BTreeSet::new();
    for routes in all_routes() {
        let server = routes.server(PEER).unwrap();
        let origin = format!("{}/", server.http);
        let path = |text: &str| text.strip_prefix(&origin).unwrap_or(text).to_owned();
        let stages = [Stage::Firmware, Stage::HttpBoot, Stage::Ipxe];
        for (kind, stage) in LoaderKind::ALL
            .into_iter()
            .flat_map(|k| stages.map(|s| (k, s)))
        {
            for ((_, arch), proxy) in Arch::known().flat_map(|a| [(a, false), (a, true)]) {
                let machine = Machine {
                    mac: Mac([2; 6]),
                    arch: Some(arch),
                    stage,
                    uuid: None,
                };
                let offers = Offers {
                    catalog: &routes.catalog,
                    loaders: &routes.loaders,
                    choice: &LoaderChoice {
                        all: kind,
                        of: Vec::new(),
                    },
                    boot: &routes.menu.boot,
                    menu: MenuKind::Generated,
                    proxy,
                };
                let Ok(offered) = offer(&machine, &offers, &server) else {
                    continue;
                };
                let file = path(&offered.file);
                let opened = routes.open(file.as_bytes(), b"", PEER);
                let opened = opened.unwrap_or_else(|| panic!("{machine:?} {kind}: {file}"));
                assert_eq!(opened.route.to_string(), file, "one name for one route");
                if let (Some(prefix), Some(config)) = (&offered.prefix, &offered.config) {
                    let config = path(prefix) + config;
                    assert!(
                        routes.find(config.as_bytes(), b"", PEER).is_some(),
                        "{config}"
                    );
                }
                routes_offered.insert(file);
            }
        }
    }
    for file in [
        "boot.ipxe",
        "loader/undionly.kpxe",
        "loader/pxelinux/lpxelinux.0",
        "loader/secure/arm64/shimaa64.efi",
        "loader/secure-http/x86_64/boot.img",
        "loader/secure-ipxe/x86_64/snponly-shimx64.efi",
        "loader/ramdisk/memtest.iso",
    ] {
        assert!(
            routes_offered.contains(file),
            "{file} of {routes_offered:?}"
        );
    }
}
