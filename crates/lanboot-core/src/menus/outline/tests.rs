use super::*;
use crate::testing::{cut_image, image};
use std::sync::Arc;

fn catalog(images: Vec<Image>) -> Catalog {
    Catalog::new(images.into_iter().map(Arc::new).collect())
}

fn in_folder(folder: &[&str], name: &str) -> Image {
    Image {
        folder: folder.iter().map(|name| (*name).to_owned()).collect(),
        ..image(name, &[Cpu::X86_64])
    }
}

fn first(catalog: &Catalog) -> Page<'_> {
    outline(catalog, &BootChoice::first(catalog))
}

fn ids(page: &Page<'_>) -> Vec<String> {
    let entries = page.entries().map(|(_, entry)| entry.id.clone());
    let links = page
        .links()
        .map(|page| format!("{}: {}", page.id, page.link.shown));
    entries.chain(links).collect()
}

/// Returns every page.
fn all<'p, 'a>(page: &'p Page<'a>) -> Vec<&'p Page<'a>> {
    let below = page.links().flat_map(|page| all(page));
    [page].into_iter().chain(below).collect()
}

#[test]
fn few_images_are_one_page() {
    let catalog = catalog(vec![
        image("dual", &[Cpu::X86_64, Cpu::I686]),
        cut_image("cut", &[Cpu::X86_64]),
    ]);
    let page = first(&catalog);
    assert_eq!(ids(&page), ["dual-x86_64", "dual-i686"]);
    assert_eq!(page.incomplete().count(), 1);
    assert_eq!(page.cpus, BTreeSet::from([Cpu::X86_64, Cpu::I686]));
}

#[test]
fn folders_are_pages_and_the_default_is_on_the_first() {
    let catalog = catalog(vec![
        in_folder(&["linux", "debian"], "a"),
        in_folder(&["linux"], "b"),
        in_folder(&["tools"], "c"),
        in_folder(&["linux.debian"], "d"),
        in_folder(&["linux-debian"], "e"),
        in_folder(&["first"], "f"),
        in_folder(&["\u{7edf}\u{4fe1}"], "g"),
        in_folder(&[], "h"),
    ]);
    let page = first(&catalog);
    let expected = [
        "a-x86_64",
        "h-x86_64",
        "first-2: first/",
        "linux: linux/",
        "linux-debian-2: linux-debian/",
        "linux-debian-3: linux.debian/",
        "tools: tools/",
        "folder: \u{7edf}\u{4fe1}/",
    ];
    assert_eq!(ids(&page), expected);
    let (linux, parent) = page.find("linux").unwrap();
    assert_eq!(ids(linux), ["b-x86_64", "linux-debian: debian/"]);
    assert_eq!(parent.unwrap().id, FIRST);
    let (debian, parent) = page.find("linux-debian").unwrap();
    assert_eq!(
        (debian.title.shown.as_str(), ids(debian)),
        ("linux/debian", vec!["a-x86_64".into()])
    );
    assert_eq!(parent.unwrap().id, "linux");
    assert_eq!(page.of_entry("a-x86_64").unwrap().id, "linux-debian");
    assert_eq!(page.of_entry("h-x86_64").unwrap().id, FIRST);
    assert!(page.of_entry("x").is_none() && page.find("x").is_none());
}

#[test]
fn many_images_are_divided_evenly_and_none_is_lost() {
    for count in [34, 35, 36, 40, 41, 1000, 1399, 1400, 4096] {
        let images = (0..count).map(|n| image(&format!("i{n:04}"), &[Cpu::X86_64, Cpu::I686]));
        let catalog = catalog(images.collect());
        let page = first(&catalog);
        let pages = all(&page);
        for page in &pages {
            assert!(
                page.items.len() <= MAX_ITEMS,
                "{}: {}",
                page.id,
                page.items.len()
            );
        }
        let mut listed: Vec<&str> = Vec::new();
        for page in &pages {
            listed.extend(
                page.entries()
                    .skip(page.defaults)
                    .map(|(_, entry)| entry.id.as_str()),
            );
        }
        let expected: Vec<&str> = catalog
            .entries()
            .map(|(_, entry)| entry.id.as_str())
            .collect();
        assert_eq!(listed, expected, "{count}");
        let names: BTreeSet<&str> = pages.iter().map(|page| page.id.as_str()).collect();
        assert_eq!(names.len(), pages.len(), "every name once");
        let (image, entry) = page.entries().next().unwrap();
        assert_eq!(image.title(entry), "i0000 (x86_64)");
    }
    let images = (0..1000).map(|n| image(&format!("i{n:04}"), &[Cpu::X86_64]));
    let catalog = catalog(images.collect());
    let page = first(&catalog);
    assert_eq!(page.links().count(), 25, "two levels are enough");
    let last = page.links().last().unwrap();
    assert_eq!(last.link.shown, "i0960 (x86_64) ... i0999 (x86_64)");
    assert_eq!(last.id, "all.25");
}

#[test]
fn an_image_stays_on_one_page() {
    let images =
        (0..30).map(|n| image(&format!("i{n:02}"), &[Cpu::X86_64, Cpu::I686, Cpu::Aarch64]));
    let catalog = catalog(images.collect());
    let page = first(&catalog);
    for link in page.links() {
        let names: Vec<&str> = link
            .entries()
            .map(|(image, _)| image.name.as_str())
            .collect();
        assert_eq!(names.len() % 3, 0, "{names:?}");
    }
}

#[test]
fn folders_stay_on_a_page_whose_images_are_divided() {
    let folder = |n: usize| format!("f{n:04}");
    for (folders, on_first) in [(3, 3), (17, 17), (100, 0)] {
        let inside = (0..folders).map(|n| in_folder(&[&folder(n)], &format!("in-{n}")));
        let images = (0..500).map(|n| image(&format!("i{n:04}"), &[Cpu::X86_64]));
        let catalog = catalog(inside.chain(images).collect());
        let page = first(&catalog);
        let links = page
            .links()
            .filter(|link| link.link.shown.ends_with('/') && !link.link.shown.contains(' '));
        assert_eq!(links.count(), on_first, "{folders}");
        for n in 0..folders {
            let (found, _) = page.find(&folder(n)).unwrap();
            assert_eq!(found.entries().count(), 1);
        }
        assert!(all(&page).iter().all(|page| page.items.len() <= MAX_ITEMS));
    }
}
