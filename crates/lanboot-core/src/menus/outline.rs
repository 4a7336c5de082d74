//! The pages of a menu: which entries and further pages each of them lists.
//!
//! A folder of images is a page. One with more than [`MAX_ITEMS`] is divided into pages of
//! neighbours, named by the first and the last of each, so that no page is longer than a loader can
//! show and fetch at once, and the first one comes as fast for a thousand images as for one.

use std::collections::{BTreeMap, BTreeSet};

use super::cpu_filter::is_kernel;
use super::not_offered;
use crate::catalog::{Catalog, Cpu, Entry, Firmware, Image, Incomplete, newest_first, plain};
use crate::plan::BootChoice;

/// Most items of one page.
const MAX_ITEMS: usize = 40;
/// Longest part of a page's name that a folder gives it, in bytes.
const MAX_SLUG: usize = 40;
/// Longest title of one of the two entries that name a page, in characters.
const MAX_END: usize = 32;
/// Name of the first page.
pub(crate) const FIRST: &str = "first";
/// Begins the names of the pages it is divided into.
const ALL: &str = "all";

/// A page of a menu.
#[derive(Clone, Debug)]
pub(crate) struct Page<'a> {
    /// Its name in paths: ASCII letters, digits, `-`, `_` and `.`.
    pub(crate) id: String,
    /// Its title on itself; empty for the first one.
    pub(crate) title: Title,
    /// Its title on the page that leads to it.
    pub(crate) link: Title,
    /// The processors of the kernels on it and below it, also of those that cannot start.
    pub(crate) cpus: BTreeSet<Cpu>,
    /// True if there is an entry on it or below it that is no kernel: where such one starts does not
    /// follow from the processor.
    pub(crate) has_others: bool,
    /// The processors of those among them that can start and have a root.
    pub(crate) rooted: BTreeSet<Cpu>,
    items: Vec<Item<'a>>,
    /// Number of the items that start unattended and are listed on a page below it too.
    defaults: usize,
}

/// A title of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Title {
    /// For a menu that shows any script.
    pub(crate) shown: String,
    /// ASCII, without a sign that a menu's language could take for its own.
    pub(crate) ascii: String,
}

/// An item of a page.
#[derive(Clone, Debug)]
enum Item<'a> {
    Page(Page<'a>),
    Entry(&'a Image, &'a Entry),
    Incomplete(&'a Image, &'a Entry, Incomplete),
    NotOffered(&'a Entry, String),
}

/// Parts that pages are divided into.
#[derive(Clone, Debug)]
struct Unit<'a> {
    item: Item<'a>,
    /// The image it belongs to: all of one are on one page where they fit.
    image: Option<&'a str>,
}

/// A folder with its images and the folders in it.
#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Self>,
    images: Vec<&'a Image>,
}

/// Divides the images of `catalog` into pages and returns the first one. What `boot` starts
/// unattended is on it, wherever its image is.
pub(crate) fn outline<'a>(catalog: &'a Catalog, boot: &BootChoice) -> Page<'a> {
    let mut root = Folder::default();
    for image in catalog.images() {
        let mut at = &mut root;
        for name in &image.folder {
            at = at.folders.entry(name.as_str()).or_default();
        }
        at.images.push(image);
    }
    let mut names = BTreeSet::from([FIRST.to_owned(), ALL.to_owned()]);
    let units = units(&root, "", &Title::default(), &mut names);
    let mut first = Page::new(FIRST.into(), Title::default(), Title::default());
    first.fill(units, ALL, MAX_ITEMS - Firmware::ALL.len());
    first.add_defaults(catalog, boot);
    first
}

/// Lists what a folder holds: the folders in it, then its images. `slug` and `path` are the name
/// and the title of its page; `names` are the page names taken.
fn units<'a>(
    folder: &Folder<'a>,
    slug: &str,
    path: &Title,
    names: &mut BTreeSet<String>,
) -> Vec<Unit<'a>> {
    let mut inside: Vec<_> = folder.folders.iter().collect();
    inside.sort_by(|(one, _), (other, _)| newest_first(one, other));
    let mut all = Vec::new();
    for (name, inside) in inside {
        let own = slug_of(name);
        let id = free_name(&joined(slug, "-", &own), names);
        let name = Title {
            shown: (*name).to_owned(),
            ascii: plain(name).unwrap_or(own),
        };
        let title = path.joined("/", &name);
        let units = units(inside, &id, &title, names);
        let link = Title {
            shown: format!("{}/", name.shown),
            ascii: format!("{}/", name.ascii),
        };
        let mut page = Page::new(id.clone(), title, link);
        page.fill(units, &id, MAX_ITEMS);
        all.push(Unit {
            item: Item::Page(page),
            image: None,
        });
    }
    all.extend(folder.images.iter().flat_map(|image| units_of(image)));
    all
}

/// Lists the items of an image.
fn units_of(image: &Image) -> impl Iterator<Item = Unit<'_>> {
    let entries = image.found.entries.iter();
    let entries = entries.map(|entry| match image.incomplete(entry) {
        Some(why) => Item::Incomplete(image, entry, why),
        None => Item::Entry(image, entry),
    });
    let not_offered = not_offered(image);
    let not_offered = not_offered.map(|(entry, sentence)| Item::NotOffered(entry, sentence));
    entries.chain(not_offered).map(|item| Unit {
        item,
        image: Some(&image.name),
    })
}

impl<'a> Page<'a> {
    fn new(id: String, title: Title, link: Title) -> Self {
        Self {
            id,
            title,
            link,
            cpus: BTreeSet::new(),
            has_others: false,
            rooted: BTreeSet::new(),
            items: Vec::new(),
            defaults: 0,
        }
    }

    /// Lists `units`: itself where there are at most `most`, else on pages below it, whose names
    /// begin with `base`.
    fn fill(&mut self, units: Vec<Unit<'a>>, base: &str, most: usize) {
        for unit in &units {
            let (cpus, rooted) = unit.item.cpus();
            self.cpus.extend(cpus);
            self.rooted.extend(rooted);
            self.has_others |= unit.item.has_others();
        }
        if units.len() <= most {
            self.items.extend(units.into_iter().map(|unit| unit.item));
            return;
        }
        // Folders stay where they are, unless they alone are too many.
        let folders = units.iter().take_while(|unit| unit.image.is_none()).count();
        let kept = if folders <= most / 2 { folders } else { 0 };
        let (kept, divisible) = units.split_at(kept);
        self.items.extend(kept.iter().map(|unit| unit.item.clone()));
        let most = most - kept.len();
        let mut size = MAX_ITEMS;
        let mut parts = divided(divisible, size);
        while parts.len() > most {
            size = size.saturating_mul(MAX_ITEMS);
            parts = divided(divisible, size);
        }
        for (n, part) in parts.into_iter().enumerate() {
            let [first, last] = [part.first(), part.last()].map(|unit| unit.map(Unit::end));
            let link = first
                .unwrap_or_default()
                .joined(" ... ", &last.unwrap_or_default());
            let id = format!("{base}.{}", n + 1);
            let title = self.title.joined(": ", &link);
            let mut page = Page::new(id.clone(), title, link);
            page.fill(part.to_vec(), &id, MAX_ITEMS);
            self.items.push(Item::Page(page));
        }
    }

    /// Lists first what starts unattended and is on no page but others.
    fn add_defaults(&mut self, catalog: &'a Catalog, boot: &BootChoice) {
        let mut missing: Vec<(&Image, &Entry)> = Vec::new();
        for firmware in Firmware::ALL {
            if let Some((image, entry)) = boot.entry(catalog, firmware) {
                let mut listed = self.entries().chain(missing.iter().copied());
                if !listed.any(|(_, other)| other.id == entry.id) {
                    missing.push((image, entry));
                }
            }
        }
        self.defaults = missing.len();
        let items = missing
            .into_iter()
            .map(|(image, entry)| Item::Entry(image, entry));
        self.items.splice(..0, items);
    }

    /// Returns the page of this name, and the page that leads to it.
    pub(crate) fn find(&self, id: &str) -> Option<(&Self, Option<&Self>)> {
        if self.id == id {
            return Some((self, None));
        }
        self.links().find_map(|page| {
            let (found, parent) = page.find(id)?;
            Some((found, Some(parent.unwrap_or(self))))
        })
    }

    /// Returns the page an entry is listed on.
    pub(crate) fn of_entry(&self, id: &str) -> Option<&Self> {
        let mut own = self.entries().skip(self.defaults);
        if own.any(|(_, entry)| entry.id == id) {
            return Some(self);
        }
        self.links().find_map(|page| page.of_entry(id))
    }

    /// Lists the entries on it that can start.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a Image, &'a Entry)> {
        self.items.iter().filter_map(|item| match item {
            Item::Entry(image, entry) => Some((*image, *entry)),
            _ => None,
        })
    }

    /// Lists the entries of damaged images.
    pub(crate) fn incomplete(&self) -> impl Iterator<Item = (&'a Image, &'a Entry, &Incomplete)> {
        self.items.iter().filter_map(|item| match item {
            Item::Incomplete(image, entry, why) => Some((*image, *entry, why)),
            _ => None,
        })
    }

    /// Lists the entries without a usable root transport, each with an explanation.
    pub(crate) fn not_offered(&self) -> impl Iterator<Item = (&'a Entry, &str)> {
        self.items.iter().filter_map(|item| match item {
            Item::NotOffered(entry, sentence) => Some((*entry, sentence.as_str())),
            _ => None,
        })
    }

    /// Lists the pages it leads to.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Self> {
        self.items.iter().filter_map(|item| match item {
            Item::Page(page) => Some(page),
            _ => None,
        })
    }
}

impl Item<'_> {
    /// Tests whether there is an entry that is no kernel.
    fn has_others(&self) -> bool {
        match self {
            Item::Page(page) => page.has_others,
            Item::Entry(_, entry) | Item::Incomplete(_, entry, _) | Item::NotOffered(entry, _) => {
                !is_kernel(entry)
            }
        }
    }

    /// Returns the processors it is for, and of those the ones it can start on with a root.
    fn cpus(&self) -> (Vec<Cpu>, Vec<Cpu>) {
        match self {
            Item::Page(page) => {
                let all = |cpus: &BTreeSet<Cpu>| cpus.iter().copied().collect();
                (all(&page.cpus), all(&page.rooted))
            }
            Item::Entry(_, entry) => {
                let rooted = entry.root.is_some().then_some(entry.cpu);
                (vec![entry.cpu], rooted.into_iter().collect())
            }
            Item::Incomplete(_, entry, _) | Item::NotOffered(entry, _) => {
                (vec![entry.cpu], Vec::new())
            }
        }
    }
}

impl Unit<'_> {
    /// Returns what names a page that begins or ends with it.
    fn end(&self) -> Title {
        let title = match &self.item {
            Item::Page(page) => page.link.clone(),
            Item::Entry(image, entry) | Item::Incomplete(image, entry, _) => Title {
                shown: image.title(entry),
                ascii: image.ascii_title(entry),
            },
            Item::NotOffered(entry, _) => Title {
                shown: entry.title.clone(),
                ascii: entry.title.clone(),
            },
        };
        Title {
            shown: short(&title.shown),
            ascii: short(&title.ascii),
        }
    }
}

impl Title {
    fn joined(&self, separator: &str, name: &Self) -> Self {
        Self {
            shown: joined(&self.shown, separator, &name.shown),
            ascii: joined(&self.ascii, separator, &name.ascii),
        }
    }
}

/// Shortens a title to [`MAX_END`] characters.
fn short(title: &str) -> String {
    let mut short: String = title.chars().take(MAX_END).collect();
    if short.len() < title.len() {
        short.push('~');
    }
    short
}

/// Divides `units` into parts of at most `size`, between images where each fits.
fn divided<'u, 'a>(units: &'u [Unit<'a>], size: usize) -> Vec<&'u [Unit<'a>]> {
    let mut parts = Vec::new();
    let mut rest = units;
    while rest.len() > size {
        let is_border = |at: &usize| {
            let image = |at: usize| rest.get(at).and_then(|unit| unit.image);
            image(*at).is_none() || image(at.saturating_sub(1)) != image(*at)
        };
        let at = (1..=size).rev().find(is_border).unwrap_or(size);
        let (part, more) = rest.split_at(at);
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts
}

fn joined(before: &str, separator: &str, name: &str) -> String {
    match before {
        "" => name.to_owned(),
        before => format!("{before}{separator}{name}"),
    }
}

/// Returns a folder's name as part of a path: its words in plain letters, `folder` where there are
/// none.
fn slug_of(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    match words.join("-") {
        slug if slug.is_empty() => "folder".into(),
        slug => slug,
    }
}

/// Returns this name, at most [`MAX_SLUG`] long and numbered where it is taken, and takes it.
fn free_name(wanted: &str, names: &mut BTreeSet<String>) -> String {
    let wanted = wanted.get(..MAX_SLUG).unwrap_or(wanted);
    let mut name = wanted.to_owned();
    let mut n = 1;
    while !names.insert(name.clone()) {
        n += 1;
        name = format!("{wanted}-{n}");
    }
    name
}

#[cfg(test)]
mod tests;
