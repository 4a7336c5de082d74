//! Menus of many images: every page can be reached and is small, and every entry starts from one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::super::Routes;
use super::{PEER, routes, text};
use crate::catalog::{Catalog, Cpu, Image};
use crate::loaders::Loaders;
use crate::machine::Arch;
use crate::pe::Signed;
use crate::plan::BootChoice;
use crate::testing::{cut_image, image, installer, shim_grub, without_ram_disk};

/// Size a file of a menu may have.
const MAX: usize = 16 * 1024;

/// Returns routes to these images, with a shim and GRUB.
fn of(images: Vec<Image>, boot: Option<&str>) -> Routes {
    let catalog = Catalog::new(images.into_iter().map(Arc::new).collect());
    let choice = BootChoice::resolve(&catalog, boot).unwrap();
    let mut routes = routes(catalog);
    routes.menu.boot = choice;
    routes.menu.timeout = Some(Duration::from_secs(5));
    routes.loaders = Arc::new(Loaders {
        shim_grubs: vec![shim_grub(Arch::X64Uefi, "Debian", false)],
        ..Loaders::clone(&routes.loaders)
    });
    routes
}

/// Number of images: their pages are two levels deep.
const COUNT: usize = 200;

/// Returns a folder of images with the longest names there can be, of every standing.
fn many() -> Vec<Image> {
    let name = |n: usize| format!("{n:04}-{}", "x".repeat(59));
    let by = || Signed::By(vec!["Debian".into()]);
    let images = (0..COUNT).map(|n| match n % 5 {
        0 => image(&name(n), &[Cpu::X86_64, Cpu::I686]),
        1 => cut_image(&name(n), &[Cpu::X86_64]),
        2 => without_ram_disk(&name(n), &[]),
        3 => installer(&name(n), Cpu::X86_64, by()),
        _ => image(&name(n), &[Cpu::Aarch64]),
    });
    images.collect()
}

/// Returns the paths of the parts that a file of a menu leads to.
fn leads_to(path: &str, text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let ends = |c: char| c.is_whitespace() || ";?".contains(c);
    for (at, _) in text.match_indices("loader/menu/") {
        let rest = text[at..].split(ends).next().unwrap();
        found.insert(rest.to_owned());
    }
    // iPXE's pages put the label of an item behind one URL.
    found.remove("loader/menu/ipxe/${picked}");
    if path.contains("ipxe") {
        let labels = text
            .lines()
            .filter_map(|line| line.split_once("item ")?.1.split(' ').next());
        let parts = labels.filter(|label| label.contains('/'));
        found.extend(parts.map(|label| format!("loader/menu/ipxe/{label}")));
    }
    found
}

/// Follows every link from `first` and returns all files by path. Of what starts single entries only
/// a sample is opened; the others are there, empty.
fn crawl(routes: &Routes, first: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut queue = VecDeque::from([first.to_owned()]);
    while let Some(path) = queue.pop_front() {
        if files.contains_key(&path) {
            continue;
        }
        let is_of_entry = path.contains("/boot/") || path.contains("/transports/");
        if is_of_entry && files.len() > 30 && files.len() % 17 != 0 {
            files.insert(path, String::new());
            continue;
        }
        let found = text(routes, &path).unwrap_or_else(|| panic!("{path} leads nowhere"));
        queue.extend(leads_to(&path, &found));
        files.insert(path, found);
    }
    files
}

const MENUS: [&str; 4] = [
    "boot.ipxe",
    "loader/pxelinux/pxelinux.cfg/default",
    "grub/grub.cfg",
    "loader/secure/x86_64/locked.cfg",
];

#[test]
fn every_page_of_many_images_is_small_and_leads_to_every_entry() {
    let routes = of(many(), None);
    for first in MENUS {
        let files = crawl(&routes, first);
        let largest = files.iter().max_by_key(|(_, text)| text.len()).unwrap();
        assert!(
            largest.1.len() <= MAX,
            "{} has {}",
            largest.0,
            largest.1.len()
        );
        let reached = |kind: &str, id: &str| {
            let end = format!("/{kind}/{id}");
            files.keys().any(|path| path.ends_with(&end))
        };
        for (_, entry) in routes.catalog.entries() {
            let is_elsewhere = entry.cpu == Cpu::Aarch64 && first.contains("pxelinux");
            // What starts unattended may be written out on the first page.
            let is_default = files[first].contains(&format!("LABEL {}\n", entry.id));
            let is_there = reached("boot", &entry.id) || is_default;
            assert_ne!(is_there, is_elsewhere, "{first}: {}", entry.id);
            let is_chosen = entry.root.is_some() && !is_elsewhere && !first.contains("locked");
            assert_eq!(
                reached("transports", &entry.id),
                is_chosen,
                "{first}: {}",
                entry.id
            );
        }
        for (_, entry, _) in routes.catalog.incomplete_entries() {
            let in_menu = files.values().any(|text| text.contains(" - incomplete: "));
            assert!(
                in_menu && !text_starts(&files, &entry.id),
                "{first}: {}",
                entry.id
            );
        }
    }
}

/// Tests whether some file loads a kernel for a damaged entry.
fn text_starts(files: &BTreeMap<String, String>, id: &str) -> bool {
    let image = id.rsplit_once('-').map_or(id, |(image, _)| image);
    files
        .values()
        .any(|text| text.contains(&format!("/iso/{image}/")))
}

#[test]
fn a_small_menu_stays_one_file_and_folders_make_pages() {
    let few = of(
        vec![image("a", &[Cpu::X86_64]), image("b", &[Cpu::X86_64])],
        None,
    );
    for first in MENUS {
        assert_eq!(crawl(&few, first).len(), 1, "{first}");
    }
    let nested = Image {
        folder: vec!["linux".into(), "\u{7edf}\u{4fe1} || shell".into()],
        ..image("b", &[Cpu::X86_64])
    };
    let folders = of(vec![image("a", &[Cpu::X86_64]), nested], None);
    for first in MENUS {
        let files = crawl(&folders, first);
        let links = [
            "item page/linux linux/ ||",
            "MENU LABEL ^linux/\n",
            "submenu 'linux/' ",
        ];
        assert!(
            links.iter().any(|link| files[first].contains(link)),
            "{first}: {}",
            files[first]
        );
        assert!(!files[first].contains("/boot/b-x86_64"), "{first}");
        let inner = files
            .keys()
            .find(|path| path.ends_with("/page/linux-shell"));
        let inner = inner.unwrap_or_else(|| panic!("{first}: {:?}", files.keys()));
        assert!(
            files[inner].contains("/b-x86_64"),
            "{first}: {}",
            files[inner]
        );
        // GRUB gets it in quotation marks.
        for (path, text) in files
            .iter()
            .filter(|(path, _)| !path.contains("grub") && !path.contains("secure"))
        {
            assert!(
                !text.contains("|| shell/") && !text.contains("|| shell\n"),
                "{path}: {text}"
            );
        }
    }
}

#[test]
fn the_default_is_on_the_first_page_wherever_its_image_is() {
    let mut images: Vec<Image> = (0..100)
        .map(|n| image(&format!("i{n}"), &[Cpu::X86_64]))
        .collect();
    images[77].folder = vec!["deep".into(), "down".into()];
    let routes = of(images, Some("i77"));
    let ipxe = text(&routes, MENUS[0]).unwrap();
    assert!(ipxe.contains("&& set start boot/i77-x86_64 ||\n"), "{ipxe}");
    assert!(
        ipxe.contains("&& item boot/i77-x86_64 i77 (x86_64) ||\n"),
        "{ipxe}"
    );
    assert!(ipxe.contains("choose --timeout 5000 --default ${start} picked || goto shell\n"));
    let pxelinux = text(&routes, MENUS[1]).unwrap();
    assert!(
        pxelinux.contains("TIMEOUT 50\nDEFAULT i77-x86_64\n"),
        "{pxelinux}"
    );
    assert!(
        pxelinux
            .contains("LABEL i77-x86_64\nMENU LABEL i77 (x86_64)\nLINUX http://10.0.0.1/iso/i77/")
    );
    let grub = text(&routes, MENUS[2]).unwrap();
    assert!(grub.contains("set timeout=5\n") && grub.contains("set default='entry-i77-x86_64'"));
    let entry = "menuentry 'i77 (x86_64)' --id 'entry-i77-x86_64' { source \
        ($lanboot)/loader/menu/grub/boot/i77-x86_64; }; fi\n";
    assert!(grub.contains(entry), "{grub}");
    // A first page that somebody comes back to does not count down again, nor any other.
    for first in MENUS {
        for (path, text) in crawl(&routes, first)
            .iter()
            .filter(|(path, _)| *path != first)
        {
            let counts = ["--timeout 5000", "TIMEOUT", "timeout=5"];
            assert!(
                !counts.iter().any(|word| text.contains(word)),
                "{path}: {text}"
            );
        }
    }
}

#[test]
fn a_menu_that_does_not_wait_starts_the_default() {
    let mut routes = of(many(), None);
    routes.menu.timeout = Some(Duration::ZERO);
    let ipxe = text(&routes, "boot.ipxe").unwrap();
    assert!(ipxe.contains("set picked ${start}\ngoto start\n"), "{ipxe}");
    let pxelinux = text(&routes, MENUS[1]).unwrap();
    assert!(
        !pxelinux.contains("UI ") && !pxelinux.contains("TIMEOUT"),
        "{pxelinux}"
    );
    let back = text(&routes, "loader/menu/ipxe/page/first").unwrap();
    assert!(!back.contains("goto start\n\n:menu"), "{back}");
}

#[test]
fn the_memory_that_is_known_is_known_to_every_page() {
    let routes = of(many(), None);
    let at = |path: &str, query: &str| {
        let file = routes.find(path.as_bytes(), query.as_bytes(), PEER)?;
        let bytes = file.content.pieces()[0].memory()?.to_vec();
        String::from_utf8(bytes).ok()
    };
    let asked = at("boot.ipxe", "").unwrap();
    assert!(asked.contains("/boot.ipxe?memory=${memsize}&"), "{asked}");
    let known = at("boot.ipxe", "memory=256").unwrap();
    assert!(
        known.contains("/loader/menu/ipxe/${picked}?memory=256 ||"),
        "{known}"
    );
    let id = routes
        .menu
        .boot
        .of(crate::catalog::Firmware::Bios64)
        .unwrap();
    let path = format!("loader/menu/ipxe/boot/{id}");
    let small = at(&path, "memory=256").unwrap();
    assert!(small.contains(" archiso_nfs_srv="), "{small}");
    let large = at(&path, "memory=4096").unwrap();
    assert!(large.contains(" archiso_http_srv="), "{large}");
    for path in [
        "loader/menu/ipxe/boot/none",
        "loader/menu/grub/page/none",
        "loader/menu/x/page/first",
    ] {
        assert_eq!(at(path, ""), None, "{path}");
    }
}
