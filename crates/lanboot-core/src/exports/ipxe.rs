//! For iPXE: a menu that can be chained, or taken apart for one there is.

use std::fmt::Write as _;

use super::menu_entries::{MenuEntry, menu_entries};
use super::{Export, Fragment, MAX_TITLE, comment, text};
use crate::catalog::Dialect;
use crate::menus::{self, CpuFilter, line, transport_label, where_it_starts};
use crate::route::Route;

pub(super) fn fragment(from: &Export<'_>) -> Fragment {
    let mut fragment = Fragment::default();
    let (planned, others) = menu_entries(from, &mut fragment);
    let mut out = String::from("#!ipxe\n");
    heading(&mut out, from);
    let mut labels = Labels::default();
    let planned: Vec<_> = planned
        .iter()
        .map(|menu_entry| (labels.of(&menu_entry.entry.id), menu_entry))
        .collect();
    let others: Vec<_> = others
        .iter()
        .map(|menu_entry| {
            (
                labels.of(&format!("{}-{}", menu_entry.transport, menu_entry.entry.id)),
                menu_entry,
            )
        })
        .collect();
    out.push_str("\n# What this machine can start.\n");
    let fit = CpuFilter::new(from.catalog);
    fit.ask(&mut out, "lanboot-nothing");
    out.push_str("\n:lanboot-menu\nmenu lanboot\n");
    for (label, menu_entry) in &planned {
        item(
            &mut out,
            menu_entry,
            label,
            &menu_entry.image.ascii_title(menu_entry.entry),
        );
    }
    if !others.is_empty() {
        out.push_str("item --gap Root transport (HTTP, NFS, NBD)\n");
    }
    for (label, other) in &others {
        let title = other.image.ascii_title(other.entry);
        let title = format!("{title} - {}", transport_label(other.transport));
        item(&mut out, other, label, &title);
    }
    out.push_str(
        "item lanboot-back Back\nchoose lanboot-picked || goto lanboot-back\ngoto ${lanboot-picked}\n",
    );
    for (label, menu_entry) in planned.iter().chain(&others) {
        let _ = write!(out, "\n:{label}\n");
        start(&mut out, from, menu_entry, &mut fragment.warnings);
    }
    out.push_str("\n:lanboot-nothing\n");
    fit.nothing(&mut out);
    out.push_str(ENDS);
    fragment.text = out;
    fragment.warnings.dedup();
    fragment
}

/// Last part of the script: what its other labels do.
const ENDS: &str = "prompt --timeout 30000 Press a key to go back ||\ngoto lanboot-back\n\
    \n:lanboot-failed\necho lanboot: this did not start; see the reason above.\n\
    prompt --timeout 30000 Press a key for the menu ||\ngoto lanboot-menu\n\
    \n:lanboot-unsigned\n\
    echo lanboot: Secure Boot is on, and the kernel of this entry is not signed.\n\
    prompt --timeout 30000 Press a key for the menu ||\ngoto lanboot-menu\n\
    \n:lanboot-back\nexit 1\n";

/// Writes the comment that says what the script is and how it is used.
fn heading(out: &mut String, from: &Export<'_>) {
    let address = from.address();
    comment(
        out,
        "#",
        &[
            "iPXE: a menu made by lanboot.",
            &format!(
                "It loads {} from {address}.",
                from.names().replace("${", "$ {")
            ),
            "Save this as lanboot.ipxe and put into your own menu:",
            "  item lanboot lanboot",
            "  :lanboot",
            "  chain lanboot.ipxe || goto YOUR_MENU",
            "or copy what stands before its menu, its items and labels. A line that chains lanboot's own",
            &format!(
                "menu, which follows the images and knows the machine's memory, is shorter: chain {}",
                Route::IpxeMenu.url(&from.server.http)
            ),
            &from.run(),
        ],
    );
}

/// Labels, each of them once: no two entries' names differ only in what a label cannot hold.
#[derive(Default)]
struct Labels(Vec<String>);

impl Labels {
    fn of(&mut self, name: &str) -> String {
        let keep = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let name: String = name
            .chars()
            .map(|c| if keep(c) { c } else { '-' })
            .collect();
        let mut label = format!("{PREFIX}{name}");
        if self.0.contains(&label) || RESERVED.contains(&label.as_str()) {
            label = format!("{label}-{}", self.0.len());
        }
        self.0.push(label.clone());
        label
    }
}

/// Begins every label, so that none is one of the script this is put into.
const PREFIX: &str = "lanboot-";

/// The script's own labels.
const RESERVED: [&str; 6] = [
    "lanboot-menu",
    "lanboot-nothing",
    "lanboot-failed",
    "lanboot-unsigned",
    "lanboot-back",
    "lanboot-picked",
];

fn item(out: &mut String, menu_entry: &MenuEntry<'_>, label: &str, title: &str) {
    // `||`, `&&` and `;` part commands and `#` begins a comment, in a title as anywhere.
    let title = text(title, MAX_TITLE).replace(['|', '&', ';', '#'], "-");
    let item = format!("item {label} {}", line(&title, MAX_TITLE));
    where_it_starts(out, menu_entry.entry, &item);
}

fn start(
    out: &mut String,
    from: &Export<'_>,
    menu_entry: &MenuEntry<'_>,
    warnings: &mut Vec<String>,
) {
    let entry = menu_entry.entry;
    let arguments = menu_entry.arguments(from, Dialect::Ipxe).join(" ");
    let left_out = menus::load_by_ipxe(
        out,
        menu_entry.image,
        entry,
        from.server,
        &arguments,
        PREFIX,
    );
    warnings.extend(left_out.map(|words| format!("{}: iPXE cannot pass on: {words}", entry.id)));
}
