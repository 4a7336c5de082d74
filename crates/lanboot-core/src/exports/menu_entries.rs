//! Every entry over every transport its root can use, for menus.

use super::{Export, Fragment};
use crate::catalog::{Dialect, Entry, Image, Transport};
use crate::plan::{Memory, NoLoader};
use crate::route::Route;

/// One entry over one transport.
#[derive(Clone, Debug)]
pub(super) struct MenuEntry<'a> {
    pub(super) image: &'a Image,
    pub(super) entry: &'a Entry,
    pub(super) transport: Transport,
}

/// Returns the entries over the transports planned for them, then over the other transports. An
/// entry is left out over a transport it cannot use with the operator's arguments; if no transport
/// is left, there is a warning.
pub(super) fn menu_entries<'a>(
    from: &Export<'a>,
    fragment: &mut Fragment,
) -> (Vec<MenuEntry<'a>>, Vec<MenuEntry<'a>>) {
    let (mut planned, mut others) = (Vec::new(), Vec::new());
    let whole = from.catalog.about_whole_images();
    if let Some(whole) = whole {
        let warning = format!("{whole}: no menu can start it");
        fragment.warnings.push(warning);
    } else if from.catalog.starts().next().is_none() {
        let warning = format!("nothing will start: {}", NoLoader::nothing(from.catalog));
        fragment.warnings.push(warning);
    }
    let silent = from.catalog.images().iter();
    for entry in silent.flat_map(|image| &image.found.unreachable) {
        if let Some(why) = entry.why_unreachable() {
            let warning = format!("{} is not offered: {why}", entry.id);
            fragment.warnings.push(warning);
        }
    }
    let menu = from.menu;
    for (image, entry) in from.catalog.entries() {
        // A menu that is written once cannot know the machine's memory.
        let first = menu
            .plan(image, entry, from.server, Memory::Unknown)
            .transport;
        match entry.check(first, &menu.append) {
            Ok(()) => planned.push(MenuEntry {
                image,
                entry,
                transport: first,
            }),
            Err(why) => fragment.warnings.push(format!("{}: {why}", entry.id)),
        }
        let rest = from.server.transports().filter(|t| *t != first);
        others.extend(
            rest.filter(|t| entry.check(*t, &menu.append).is_ok())
                .map(|transport| MenuEntry {
                    image,
                    entry,
                    transport,
                }),
        );
    }
    (planned, others)
}

impl MenuEntry<'_> {
    /// The kernel's arguments, a word each.
    pub(super) fn arguments(&self, from: &Export<'_>, dialect: Dialect) -> Vec<String> {
        let source = self.image.at(from.server);
        let line = self
            .entry
            .command_line(self.transport, source, dialect, &from.menu.append);
        line.split(' ').map(str::to_owned).collect()
    }

    /// Returns the path of one of the image's files on this server, before any encoding.
    pub(super) fn path(&self, file: &str) -> String {
        Route::of_image(&self.image.name, file).to_string()
    }
}
