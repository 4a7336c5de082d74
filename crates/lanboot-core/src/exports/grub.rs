//! For GRUB 2: one `menuentry` an entry.

use std::fmt::Write as _;

use super::menu_entries::{MenuEntry, menu_entries};
use super::{Export, Fragment, comment};
use crate::menus::{Grub, grub_starts, is_refused, refused, transport_label};

pub(super) fn fragment(from: &Export<'_>) -> Fragment {
    let mut fragment = Fragment::default();
    let (mut planned, mut others) = menu_entries(from, &mut fragment);
    let mut out = String::new();
    heading(&mut out, from);
    device(&mut out, from);
    let grub = Grub {
        catalog: from.catalog,
        loaders: from.loaders,
        menu: from.menu,
        server: from.server,
        netmask: from.netmask,
    };
    // What GRUB never starts is in the menus of other loaders.
    planned.retain(|menu_entry| grub.starts(menu_entry.image, menu_entry.entry));
    for menu_entries in planned.chunk_by(start_together) {
        only_where(&mut out, menu_entries, |out| {
            for menu_entry in menu_entries {
                let entry = menu_entry.entry;
                let start = |out: &mut String| {
                    let (image, transport) = (menu_entry.image, menu_entry.transport);
                    grub.entry(out, &image.title(entry), &entry.id, image, entry, transport);
                };
                if is_refused(entry) {
                    out.push_str("if [ \"$lockdown\" = \"y\" ]; then\n");
                    refused(out, menu_entry.image, entry, &entry.id);
                    out.push_str("else\n");
                    start(out);
                    out.push_str("fi\n");
                } else {
                    start(out);
                }
            }
        });
    }
    for entry in planned.iter().map(|menu_entry| menu_entry.entry) {
        // Its initramfs wants the network's mask, and GRUB does not know it.
        if entry.sysappend() & 1 != 0 {
            fragment.warnings.push(format!(
                "{}: its entry holds the netmask {}, because GRUB cannot find it out",
                entry.id, from.netmask
            ));
        }
    }
    if !others.is_empty() {
        out.push_str("\n# The same entries with other root transports.");
    }
    others.sort_by_key(|menu_entry| menu_entry.entry.cpu);
    transport_menus(&mut out, &grub, &others);
    fragment.text = out;
    fragment
}

/// Writes the comment that says what the fragment is and how it is used.
fn heading(out: &mut String, from: &Export<'_>) {
    let address = from.server.http.url_host();
    comment(
        out,
        "#",
        &[
            "GRUB 2: menu entries made by lanboot.",
            &format!("They load {} from {address}.", from.names()),
            "Save this as lanboot.cfg beside grub.cfg and put there: source $prefix/lanboot.cfg",
            &from.run(),
            "A GRUB that came over the network has its network up. One from a disk needs before it:",
            "insmod efinet; insmod net; net_dhcp (before 2.06: net_bootp)",
        ],
    );
}

/// Writes the entries with other root transports, which are sorted by processor: a submenu for each.
fn transport_menus(out: &mut String, grub: &Grub<'_>, others: &[MenuEntry<'_>]) {
    for menu_entries in others.chunk_by(start_together) {
        only_where(out, menu_entries, |out| {
            let cpu = menu_entries
                .first()
                .map_or("", |menu_entry| menu_entry.entry.cpu.name());
            // A submenu without entries would be a dead end.
            let all = menu_entries
                .iter()
                .all(|menu_entry| is_refused(menu_entry.entry));
            unless_locked(out, all, |out| {
                let _ = writeln!(
                    out,
                    "submenu 'Root transport (HTTP, NFS, NBD) ...' --id lanboot-transports-{cpu} {{"
                );
                for other in menu_entries {
                    let entry = other.entry;
                    let title = format!(
                        "{} - {}",
                        other.image.title(entry),
                        transport_label(other.transport)
                    );
                    let id = format!("{}/{}", entry.id, other.transport);
                    unless_locked(out, !all && is_refused(entry), |out| {
                        grub.entry(out, &title, &id, other.image, entry, other.transport);
                    });
                }
                out.push_str("}\n");
            });
        });
    }
}

/// Tests whether the same machines start both.
fn start_together(one: &MenuEntry<'_>, other: &MenuEntry<'_>) -> bool {
    grub_starts(one.entry) == grub_starts(other.entry)
}

/// Writes what `write` writes, where GRUB starts kernels for the processor of `menu_entries`.
fn only_where(out: &mut String, menu_entries: &[MenuEntry<'_>], write: impl FnOnce(&mut String)) {
    let Some(first) = menu_entries.first() else {
        return;
    };
    let _ = writeln!(out, "\nif {}; then", grub_starts(first.entry));
    write(out);
    out.push_str("fi\n");
}

/// Writes what `write` writes; if `is_refused`, only where Secure Boot is off.
fn unless_locked(out: &mut String, is_refused: bool, write: impl FnOnce(&mut String)) {
    if !is_refused {
        return write(out);
    }
    out.push_str("if [ \"$lockdown\" != \"y\" ]; then\n");
    write(out);
    out.push_str("fi\n");
}

/// Sets the device all entries read from.
fn device(out: &mut String, from: &Export<'_>) {
    let address = from.server.http.url_host();
    if !from.server.http.has_default_port() {
        let _ = write!(
            out,
            "\n# Over TFTP, because not every GRUB supports a port in HTTP addresses.\n\
             set lanboot=tftp,{address}\nexport lanboot\n"
        );
        return;
    }
    let _ = write!(
        out,
        "\n# Over HTTP where this GRUB can; with Secure Boot on it can load no module for that.\n\
         set lanboot=tftp,{address}\n\
         if [ \"$lockdown\" != \"y\" ]; then\n    \
         if insmod http; then set lanboot=http,{address}; fi\nfi\nexport lanboot\n"
    );
}
