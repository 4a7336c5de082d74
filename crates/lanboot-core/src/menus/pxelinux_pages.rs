//! The menu for PXELINUX where one file would be too large: `menu.c32` starts itself again with the
//! file of a further page, and an entry is a configuration of its own (`CONFIG`) that starts at
//! once. What starts unattended is written out on the first page.
//!
//! A letter leads to the first entry that begins with it (`^`).

use std::fmt::Write as _;

use super::outline::{FIRST, Page, outline};
use super::pxelinux::{choices, default_entry, head, is_for_bios, label, one_file, starts};
use super::{MAX_HELP, MAX_PAGE, Menu, incomplete_title, line, transport_label};
use crate::catalog::{Catalog, Cpu, Entry, Firmware, Image, Server};
use crate::loaders::PxelinuxModules;
use crate::plan::Memory;
use crate::route::{MenuPart, MenuReader, PartKind, Route};

/// The menu for one machine.
#[derive(Clone, Copy, Debug)]
pub struct PxelinuxPages<'a> {
    /// The images.
    pub catalog: &'a Catalog,
    /// The operator's settings.
    pub menu: &'a Menu,
    /// The server as the machine reaches it.
    pub server: &'a Server,
    /// The modules in the loader's folder.
    pub modules: PxelinuxModules,
}

/// Returns the first configuration for a PXELINUX with these modules.
pub fn pxelinux(
    catalog: &Catalog,
    menu: &Menu,
    server: &Server,
    modules: PxelinuxModules,
) -> String {
    let pages = PxelinuxPages {
        catalog,
        menu,
        server,
        modules,
    };
    pages.first()
}

impl PxelinuxPages<'_> {
    /// Returns the first file: the whole menu where it is small and has no folders, else its first
    /// page.
    pub fn first(&self) -> String {
        let first = outline(self.catalog, &self.menu.boot);
        if first.links().next().is_none() {
            let config = one_file(self.catalog, self.menu, self.server, self.modules);
            if config.len() <= MAX_PAGE {
                return config;
            }
        }
        self.page(&first, None, PartKind::Page, true)
    }

    /// Returns a part of the menu; `None` when there is no page or entry of this name.
    pub fn part(&self, kind: PartKind, name: &str) -> Option<String> {
        let first = outline(self.catalog, &self.menu.boot);
        if let PartKind::Page | PartKind::TransportsPage = kind {
            let (page, parent) = first.find(name)?;
            return Some(self.page(page, parent, kind, false));
        }
        let page = first.of_entry(name)?;
        let (image, entry) = page.entries().find(|(_, entry)| entry.id == name)?;
        Some(match kind {
            PartKind::Boot => {
                let mut out = head(None);
                let _ = writeln!(out, "DEFAULT {}", entry.id);
                self.entry(&mut out, image, entry);
                out
            }
            _ => self.transports(image, entry, page),
        })
    }

    /// Returns a page. With `counts_down` it starts the default entry by itself.
    fn page(
        &self,
        page: &Page<'_>,
        parent: Option<&Page<'_>>,
        kind: PartKind,
        counts_down: bool,
    ) -> String {
        let is_main = kind == PartKind::Page && page.id == FIRST;
        let mut out = head(Some(&heading(page, kind)));
        if is_main {
            let menu = Menu {
                timeout: if counts_down { self.menu.timeout } else { None },
                ..self.menu.clone()
            };
            out = super::pxelinux::begin(&menu);
            default_entry(&mut out, self.catalog, &menu, self.modules);
        }
        let mut letters = Letters::default();
        self.items(&mut out, page, kind, &mut letters);
        if kind == PartKind::Page {
            unavailable(&mut out, page);
        }
        match (is_main, parent) {
            (true, _) => {
                let is_choosing = self.server.transports().count() > 1;
                if is_choosing && is_for_any(page.rooted.iter()) {
                    let title = "Root transport (HTTP, NFS, NBD) ...";
                    self.link(
                        &mut out,
                        "transports",
                        title,
                        PartKind::TransportsPage,
                        FIRST,
                    );
                }
                let title = "Boot from the local disk";
                let _ = write!(
                    out,
                    "\nLABEL lanboot-local\nMENU LABEL {title}\nLOCALBOOT 0\n"
                );
            }
            (false, Some(parent)) => self.link(&mut out, "back", "Back", kind, &parent.id),
            (false, None) => self.link(&mut out, "back", "Back", PartKind::Page, FIRST),
        }
        out
    }

    /// Writes the entries of a page and the pages it leads to.
    fn items(&self, out: &mut String, page: &Page<'_>, kind: PartKind, letters: &mut Letters) {
        let is_default = |id: &str| {
            let of = [Firmware::Bios64, Firmware::Bios32];
            let is_first = kind == PartKind::Page && page.id == FIRST;
            is_first
                && of
                    .iter()
                    .any(|firmware| self.menu.boot.of(*firmware) == Some(id))
        };
        let entries = page.entries();
        let entries = entries.filter(|(image, entry)| starts(image, entry, self.modules));
        for (n, (image, entry)) in entries.enumerate() {
            if is_default(&entry.id) {
                self.entry(out, image, entry);
                continue;
            }
            let title = letters.marked(&image.ascii_title(entry));
            match kind {
                PartKind::TransportsPage if entry.root.is_none() => {}
                PartKind::TransportsPage => {
                    let name = format!("entry-{n}");
                    self.link(out, &name, &title, PartKind::Transports, &entry.id);
                }
                _ => {
                    let url = self.url(PartKind::Boot, &entry.id);
                    let _ = write!(
                        out,
                        "\nLABEL lanboot-entry-{n}\nMENU LABEL {}\nCONFIG {url}\n",
                        line(&title, MAX_HELP)
                    );
                }
            }
        }
        for (n, link) in page.links().enumerate() {
            let cpus = match kind {
                PartKind::TransportsPage => &link.rooted,
                _ => &link.cpus,
            };
            let has_others = link.has_others && kind == PartKind::Page;
            if has_others || is_for_any(cpus.iter()) {
                let title = letters.marked(&link.link.ascii);
                self.link(out, &format!("page-{n}"), &title, kind, &link.id);
            }
        }
    }

    /// Writes an entry with everything, over the transport planned for it.
    fn entry(&self, out: &mut String, image: &Image, entry: &Entry) {
        // PXELINUX does not report the amount of memory.
        let planned = self.menu.plan(image, entry, self.server, Memory::Unknown);
        let title = image.ascii_title(entry);
        let (menu, server) = (self.menu, self.server);
        label(
            out,
            &entry.id,
            &title,
            image,
            entry,
            menu,
            server,
            planned.transport,
        );
    }

    /// Returns the menu of one entry by each of its root transports.
    fn transports(&self, image: &Image, entry: &Entry, page: &Page<'_>) -> String {
        let mut out = head(Some(&image.ascii_title(entry)));
        let (menu, server) = (self.menu, self.server);
        for (name, transport) in choices(menu, entry, server) {
            let title = transport_label(transport);
            label(
                &mut out, &name, title, image, entry, menu, server, transport,
            );
        }
        self.link(&mut out, "back", "Back", PartKind::TransportsPage, &page.id);
        out
    }

    /// Writes an item that leads to another page.
    fn link(&self, out: &mut String, name: &str, title: &str, kind: PartKind, page: &str) {
        let (title, url) = (line(title, MAX_HELP), self.url(kind, page));
        let _ = write!(
            out,
            "\nLABEL lanboot-{name}\nMENU LABEL {title}\nKERNEL menu.c32\nAPPEND {url}\n"
        );
    }

    fn url(&self, kind: PartKind, name: &str) -> String {
        let part = MenuPart {
            reader: MenuReader::Pxelinux,
            kind,
            name: name.to_owned(),
        };
        Route::MenuPart(part).url(&self.server.http)
    }
}

fn heading(page: &Page<'_>, kind: PartKind) -> String {
    match (kind, page.title.ascii.as_str()) {
        (PartKind::TransportsPage, "") => "Root transport (HTTP, NFS, NBD)".into(),
        (PartKind::TransportsPage, title) => format!("Root transport - {title}"),
        (_, title) => format!("lanboot - {title}"),
    }
}

/// Tests whether a BIOS machine can start kernels for one of these.
fn is_for_any<'a>(mut cpus: impl Iterator<Item = &'a Cpu>) -> bool {
    cpus.any(|cpu| *cpu != Cpu::Aarch64)
}

/// Writes the entries that cannot be chosen, each with its reason.
fn unavailable(out: &mut String, page: &Page<'_>) {
    let not_offered = page.not_offered().filter(|(entry, _)| is_for_bios(entry));
    for (n, (entry, sentence)) in not_offered.enumerate() {
        let _ = write!(
            out,
            "\nLABEL lanboot-not-{n}\nMENU LABEL {} (not offered)\nMENU DISABLE\nLOCALBOOT 0\n\
             TEXT HELP\n{}\nENDTEXT\n",
            line(&entry.title, 40),
            line(sentence, MAX_HELP),
        );
    }
    let incomplete = page.incomplete().filter(|(_, entry, _)| is_for_bios(entry));
    for (n, (_, entry, why)) in incomplete.enumerate() {
        let title = incomplete_title(entry, why);
        let _ = write!(
            out,
            "\nLABEL lanboot-cut-{n}\nMENU LABEL {title}\nMENU DISABLE\n"
        );
    }
}

/// Letters that lead to an item already.
#[derive(Default)]
struct Letters(Vec<char>);

impl Letters {
    /// Marks the first letter of a title that leads to nothing yet.
    fn marked(&mut self, title: &str) -> String {
        let letter = title
            .chars()
            .next()
            .map(|letter| letter.to_ascii_lowercase());
        match letter.filter(|l| l.is_ascii_alphanumeric() && !self.0.contains(l)) {
            Some(letter) => {
                self.0.push(letter);
                format!("^{title}")
            }
            None => title.to_owned(),
        }
    }
}
