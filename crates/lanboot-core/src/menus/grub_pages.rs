//! The menu for GRUB where one file would be too large: every page is a file that a `submenu`
//! sources, and so are the commands of an entry. What starts unattended is on the first page; GRUB
//! counts down only there, because a submenu does not see `timeout`. Esc leads back.
//!
//! There are no hot keys: GRUB starts an entry at the press of its key, where iPXE and PXELINUX go
//! to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::grub::explanations::{incomplete_body, not_offered, refused_body};
use super::grub::quoting::{quoted, shown};
use super::grub::{Grub, Lock, grub_starts, id, starts_kernels};
use super::outline::{FIRST, Page, outline};
use super::{MAX_HELP, MAX_PAGE, incomplete_title, transport_label};
use crate::catalog::{Cpu, Entry, Image};
use crate::loaders::{SecureArch, Shim};
use crate::plan::Memory;
use crate::route::{MenuPart, MenuReader, PartKind, Route};

/// Returns `grub.cfg`: the whole menu where it is small and has no folders, else its first page.
pub fn first_grub(grub: &Grub<'_>) -> String {
    let pages = Pages {
        grub,
        reader: MenuReader::Grub,
        lock: Lock::Off,
    };
    pages.first(grub.prelude(), || grub.first())
}

/// Returns `locked.cfg`, the menu of machines that came through this shim with Secure Boot on, or
/// its first page.
pub fn locked_grub(grub: &Grub<'_>, arch: SecureArch, http: bool, shim: Option<&Shim>) -> String {
    let pages = Pages {
        grub,
        reader: MenuReader::LockedGrub { arch, http },
        lock: Lock::On(shim),
    };
    let begin = String::from(Grub::LOCKED_PRELUDE);
    pages.first(begin, || grub.locked(shim))
}

/// Returns a part of the menu for a GRUB behind `shim`; `None` when there is no page or entry of
/// its name.
pub fn grub_part(grub: &Grub<'_>, part: &MenuPart, shim: Option<&Shim>) -> Option<String> {
    let lock = match part.reader {
        MenuReader::LockedGrub { .. } => Lock::On(shim),
        _ => Lock::Off,
    };
    let pages = Pages {
        grub,
        reader: part.reader,
        lock,
    };
    pages.part(part.kind, &part.name)
}

/// The menu for one machine.
struct Pages<'a> {
    grub: &'a Grub<'a>,
    reader: MenuReader,
    lock: Lock<'a>,
}

impl Pages<'_> {
    fn first(&self, mut out: String, whole: impl FnOnce() -> String) -> String {
        let grub = self.grub;
        let first = outline(grub.catalog, &grub.menu.boot);
        if first.links().next().is_none() {
            let menu = whole();
            if menu.len() <= MAX_PAGE {
                return menu;
            }
        }
        grub.begin(&mut out);
        let entries = grub.catalog.entries();
        let able = entries.filter(|(image, entry)| grub.starts(image, entry));
        let tests: BTreeSet<String> = able.map(|(_, entry)| grub_starts(entry)).collect();
        for test in tests {
            let _ = writeln!(out, "if {test}; then set lanboot_fits=y; fi");
        }
        self.items(&mut out, &first, PartKind::Page);
        if grub.server.transports().count() > 1 {
            let title = "Root transport (HTTP, NFS, NBD) ...";
            let test = Some(starts_any(&first.rooted));
            self.link(&mut out, test, title, PartKind::TransportsPage, FIRST);
        }
        grub.end(&mut out, self.lock);
        out
    }

    fn part(&self, kind: PartKind, name: &str) -> Option<String> {
        let grub = self.grub;
        let first = outline(grub.catalog, &grub.menu.boot);
        let mut out = String::from("# Made by lanboot.\n");
        match kind {
            PartKind::Page | PartKind::TransportsPage => {
                let (page, _) = first.find(name)?;
                self.items(&mut out, page, kind);
            }
            PartKind::Boot => self.boot(&mut out, name, &first)?,
            PartKind::Transports => {
                let (image, entry) = entry(&first, name)?;
                for transport in grub.menu.transports(entry, grub.server) {
                    let title = transport_label(transport);
                    let id = format!("{transport}-{}", entry.id);
                    grub.entry(&mut out, title, &id, image, entry, transport);
                }
            }
        }
        Some(out)
    }

    /// Writes what starts an entry, or says why it cannot.
    fn boot(&self, out: &mut String, name: &str, first: &Page<'_>) -> Option<()> {
        let grub = self.grub;
        if let Some((image, entry)) = entry(first, name) {
            if self.lock.refuses(entry) {
                refused_body(out, image, entry);
            } else {
                let planned = grub.menu.plan(image, entry, grub.server, Memory::Unknown);
                grub.body(out, &image.title(entry), image, entry, planned.transport);
            }
            return Some(());
        }
        let mut incomplete = grub.catalog.incomplete_entries();
        if let Some((_, entry, why)) = incomplete.find(|(_, entry, _)| entry.id == name) {
            incomplete_body(out, entry, &why);
            return Some(());
        }
        let mut others = super::unreachable(grub.catalog);
        let (_, sentence) = others.find(|(entry, _)| entry.id == name)?;
        let _ = writeln!(out, "{}", not_offered(&sentence));
        Some(())
    }

    /// Writes the items of a page: entries, further pages, and what cannot start.
    fn items(&self, out: &mut String, page: &Page<'_>, kind: PartKind) {
        let is_transports = kind == PartKind::TransportsPage;
        let able = |(image, entry): &(&Image, &Entry)| self.grub.starts(image, entry);
        for (image, entry) in page.entries().filter(able) {
            let title = image.title(entry);
            let refused = self.lock.refuses(entry);
            match (is_transports, refused) {
                (true, _) if entry.root.is_none() || refused => {}
                (true, _) => {
                    let test = Some(grub_starts(entry));
                    self.link(out, test, &title, PartKind::Transports, &entry.id);
                }
                (false, true) => {
                    self.entry(out, entry, &format!("{title} - needs Secure Boot off"));
                }
                (false, false) => self.entry(out, entry, &title),
            }
        }
        for link in page.links() {
            let cpus = if is_transports {
                &link.rooted
            } else {
                &link.cpus
            };
            if cpus.is_empty() && is_transports {
                continue;
            }
            let test = match link.has_others && !is_transports {
                true => None,
                false => Some(starts_any(cpus)),
            };
            self.link(out, test, &link.link.shown, kind, &link.id);
        }
        if is_transports {
            return;
        }
        for (_, entry, why) in page.incomplete() {
            self.entry(out, entry, &incomplete_title(entry, why));
        }
        for (entry, _) in page.not_offered() {
            self.entry(out, entry, &format!("{} (not offered)", entry.title));
        }
    }

    /// Writes an entry whose commands are in a file of their own.
    fn entry(&self, out: &mut String, entry: &Entry, title: &str) {
        let _ = writeln!(
            out,
            "if {}; then menuentry {} --id {} {{ source {}; }}; fi",
            grub_starts(entry),
            shown(title, MAX_HELP),
            quoted(&id(&entry.id)),
            self.path(PartKind::Boot, &entry.id),
        );
    }

    /// Writes a submenu in a file of its own, shown where `test` is true.
    fn link(
        &self,
        out: &mut String,
        test: Option<String>,
        title: &str,
        kind: PartKind,
        name: &str,
    ) {
        let submenu = format!(
            "submenu {} --id {} {{ source {}; }}",
            shown(title, MAX_HELP),
            quoted(&format!("{}-{name}", kind.word())),
            self.path(kind, name),
        );
        let _ = match test {
            Some(test) => writeln!(out, "if {test}; then {submenu}; fi"),
            None => writeln!(out, "{submenu}"),
        };
    }

    /// Returns GRUB's path of a part.
    fn path(&self, kind: PartKind, name: &str) -> String {
        let part = MenuPart {
            reader: self.reader,
            kind,
            name: name.to_owned(),
        };
        format!("($lanboot)/{}", Route::MenuPart(part))
    }
}

/// Returns the test whether GRUB starts kernels for one of `cpus`.
fn starts_any(cpus: &BTreeSet<Cpu>) -> String {
    let tests = cpus.iter().map(|cpu| starts_kernels(*cpu));
    let tests: Vec<&str> = tests
        .filter_map(|test| test.strip_prefix("[ ")?.strip_suffix(" ]"))
        .collect();
    match tests.is_empty() {
        true => "false".into(),
        false => format!("[ {} ]", tests.join(" -o ")),
    }
}

/// Returns an entry that can start.
fn entry<'a>(first: &Page<'a>, name: &str) -> Option<(&'a Image, &'a Entry)> {
    let page = first.of_entry(name)?;
    let mut entries = page.entries();
    entries.find(|(_, entry)| entry.id == name)
}
