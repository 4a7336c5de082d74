//! The menu for iPXE where one script would be too large: every page is a script of its own, and so
//! is what starts an entry. Each replaces and frees the one before it.
//!
//! The first page is small whatever there is, and has what starts unattended; on further pages
//! nothing does. `Back` leads to a first page that does not count down again.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::cpu_filter::where_any_starts;
use super::ipxe::{LOCAL, UNSIGNED, ask_for_memory, is_choosing, item, one_script, start};
use super::outline::{FIRST, Page, outline};
use super::{
    CpuFilter, MAX_HELP, MAX_PAGE, Menu, incomplete_title, line, transport_label, where_it_starts,
};
use crate::catalog::{Catalog, Cpu, Entry, Image, Server};
use crate::images::MenuLoader;
use crate::plan::Memory;
use crate::route::{MenuReader, PartKind};

/// The menu for one machine.
#[derive(Clone, Copy, Debug)]
pub struct IpxePages<'a> {
    /// The images.
    pub catalog: &'a Catalog,
    /// The operator's settings.
    pub menu: &'a Menu,
    /// The server as the machine reaches it.
    pub server: &'a Server,
    /// The machine's memory.
    pub memory: Memory,
}

/// Returns the first script for iPXE.
pub fn ipxe(catalog: &Catalog, menu: &Menu, server: &Server, memory: Memory) -> String {
    let pages = IpxePages {
        catalog,
        menu,
        server,
        memory,
    };
    pages.first()
}

/// Ends the script of a page: what its labels do.
const PAGE_ENDS: &str = "\n:failed\necho lanboot: this did not start; see the reason above.\n\
    prompt --timeout 30000 Press a key for the menu ||\ngoto menu\n";

impl IpxePages<'_> {
    /// Returns the first script: the whole menu where it is small and has no folders, else its
    /// first page.
    pub fn first(&self) -> String {
        let first = outline(self.catalog, &self.menu.boot);
        if first.links().next().is_none() {
            let Self {
                catalog,
                menu,
                server,
                memory,
            } = *self;
            let script = one_script(catalog, menu, server, memory);
            if script.len() <= MAX_PAGE {
                return script;
            }
        }
        let mut out = String::from("#!ipxe\n# Made by lanboot.\n");
        if is_choosing(self.catalog, self.server) && self.memory == Memory::Unasked {
            ask_for_memory(&mut out, self.server);
        }
        self.page(&mut out, &first, None, PartKind::Page, true);
        out
    }

    /// Returns a part of the menu; `None` when there is no page or entry of this name.
    pub fn part(&self, kind: PartKind, name: &str) -> Option<String> {
        let first = outline(self.catalog, &self.menu.boot);
        let mut out = String::from("#!ipxe\n# Made by lanboot.\n");
        match kind {
            PartKind::Page | PartKind::TransportsPage => {
                let (page, parent) = first.find(name)?;
                self.page(&mut out, page, parent, kind, false);
            }
            PartKind::Boot => {
                let page = first.of_entry(name)?;
                let (image, entry) = page.entries().find(|(_, entry)| entry.id == name)?;
                let planned = self.menu.plan(image, entry, self.server, self.memory);
                start(
                    &mut out,
                    image,
                    entry,
                    self.menu,
                    self.server,
                    planned.transport,
                );
                self.entry_ends(&mut out, entry, PartKind::Page, page);
            }
            PartKind::Transports => {
                let page = first.of_entry(name)?;
                let (image, entry) = page.entries().find(|(_, entry)| entry.id == name)?;
                self.transports(&mut out, image, entry, page);
            }
        }
        Some(out)
    }

    /// Writes a page. With `counts_down` it starts the default entry by itself.
    fn page(
        &self,
        out: &mut String,
        page: &Page<'_>,
        parent: Option<&Page<'_>>,
        kind: PartKind,
        counts_down: bool,
    ) {
        let is_main = kind == PartKind::Page && page.id == FIRST;
        let timeout = self.menu.timeout.filter(|_| counts_down);
        let fit = CpuFilter::new(self.catalog);
        fit.ask(out, "nothing");
        if is_main {
            out.push_str("set start local\n");
            CpuFilter::choose(out, |firmware| {
                let (_, entry) = self.menu.boot.entry(self.catalog, firmware)?;
                let starts = entry.starts_by(MenuLoader::Ipxe, firmware);
                starts.then(|| format!("{}/{}", PartKind::Boot.word(), entry.id))
            });
        }
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            out.push_str("set picked ${start}\ngoto start\n");
        }
        out.push_str("\n:menu\n");
        self.heading(out, page, kind);
        self.items(out, page, kind);
        if is_main {
            self.main_items(out, page);
            let timeout = match timeout {
                Some(timeout) if !timeout.is_zero() => {
                    format!("--timeout {} ", timeout.as_millis())
                }
                _ => String::new(),
            };
            let _ = writeln!(
                out,
                "choose {timeout}--default ${{start}} picked || goto shell"
            );
        } else {
            let back = match parent {
                Some(parent) => format!("{}/{}", kind.word(), parent.id),
                None => format!("{}/{FIRST}", PartKind::Page.word()),
            };
            item(out, &back, "Back");
            let _ = writeln!(out, "choose picked || set picked {back}");
        }
        out.push_str("\n:start\n");
        if is_main {
            for label in ["local", "shell"] {
                let _ = writeln!(out, "iseq ${{picked}} {label} && goto {label} ||");
            }
        }
        let _ = writeln!(
            out,
            "chain --replace --autofree {} || goto failed",
            self.url("${picked}")
        );
        out.push_str(PAGE_ENDS);
        out.push_str("\n:nothing\n");
        fit.nothing(out);
        out.push_str(
            "prompt --timeout 30000 Press a key to go on without the network ||\nexit 1\n",
        );
        if is_main {
            out.push_str("\n:shell\nshell\ngoto menu\n");
            out.push_str(LOCAL);
        }
    }

    fn heading(&self, out: &mut String, page: &Page<'_>, kind: PartKind) {
        let title = line(&page.title.ascii, MAX_HELP);
        let _ = match (kind, title.as_str()) {
            (PartKind::Page, "") => writeln!(out, "menu lanboot - ${{netX/mac}} ${{netX/ip}}"),
            (PartKind::Page, title) => writeln!(out, "menu lanboot - {title}"),
            (_, "") => writeln!(out, "menu Root transport (HTTP, NFS, NBD)"),
            (_, title) => writeln!(out, "menu Root transport - {title}"),
        };
    }

    /// Writes the items of a page: further pages, entries, and why others cannot be chosen.
    fn items(&self, out: &mut String, page: &Page<'_>, kind: PartKind) {
        let (is_transports, leads) = match kind {
            PartKind::TransportsPage => (true, PartKind::Transports),
            _ => (false, PartKind::Boot),
        };
        for (image, entry) in page.entries() {
            if is_transports && entry.root.is_none() {
                continue;
            }
            let title = line(&image.ascii_title(entry), MAX_HELP);
            let command = format!("item {}/{} {title}", leads.word(), entry.id);
            where_it_starts(out, entry, &command);
        }
        for link in page.links() {
            let cpus: &BTreeSet<Cpu> = if is_transports {
                &link.rooted
            } else {
                &link.cpus
            };
            let command = format!(
                "item {}/{} {}",
                kind.word(),
                link.id,
                line(&link.link.ascii, MAX_HELP)
            );
            if link.has_others && !is_transports {
                let _ = writeln!(out, "{command}");
            } else {
                where_any_starts(out, cpus.iter().copied(), &command);
            }
        }
        if is_transports {
            return;
        }
        // A gap cannot be chosen; a leading hyphen would begin an option.
        for (entry, sentence) in page.not_offered() {
            let sentence = line(sentence, MAX_HELP).replace("--", "- -");
            where_it_starts(out, entry, &format!("item --gap {sentence}"));
        }
        for (_, entry, why) in page.incomplete() {
            let title = incomplete_title(entry, why);
            where_it_starts(out, entry, &format!("item --gap {title}"));
        }
    }

    /// Writes what only the first page has.
    fn main_items(&self, out: &mut String, first: &Page<'_>) {
        if is_choosing(self.catalog, self.server) {
            let title = "Root transport (HTTP, NFS, NBD) ...";
            let command = format!("item {}/{FIRST} {title}", PartKind::TransportsPage.word());
            where_any_starts(out, first.rooted.iter().copied(), &command);
        }
        item(out, "local", "Boot from the local disk");
        item(out, "shell", "iPXE shell");
    }

    /// Writes the menu of one entry by each of its root transports.
    fn transports(&self, out: &mut String, image: &Image, entry: &Entry, page: &Page<'_>) {
        let title = line(&image.ascii_title(entry), MAX_HELP);
        let _ = writeln!(out, "\n:again\nmenu Root transport - {title}");
        let back = format!("{}/{}", PartKind::TransportsPage.word(), page.id);
        let transports: Vec<_> = self.menu.transports(entry, self.server).collect();
        for transport in &transports {
            item(out, &transport.to_string(), transport_label(*transport));
        }
        item(out, "menu", "Back");
        out.push_str("choose picked || goto menu\ngoto ${picked}\n");
        for transport in transports {
            let _ = writeln!(out, "\n:{transport}");
            start(out, image, entry, self.menu, self.server, transport);
        }
        self.ends(out, entry, &back);
    }

    fn entry_ends(&self, out: &mut String, entry: &Entry, kind: PartKind, page: &Page<'_>) {
        self.ends(out, entry, &format!("{}/{}", kind.word(), page.id));
    }

    /// Writes what follows when an entry did not start: the page it was chosen on.
    fn ends(&self, out: &mut String, entry: &Entry, back: &str) {
        if entry.is_unsigned() {
            out.push_str(UNSIGNED);
        }
        out.push_str(PAGE_ENDS);
        let _ = writeln!(
            out,
            "\n:menu\nchain --replace --autofree {} || exit 1",
            self.url(back)
        );
    }

    /// Returns the URL of a part, which knows the machine's memory as this script does.
    fn url(&self, part: &str) -> String {
        let (http, query) = (&self.server.http, self.memory.known_query());
        format!("{http}/loader/menu/{}/{part}{query}", MenuReader::Ipxe)
    }
}
