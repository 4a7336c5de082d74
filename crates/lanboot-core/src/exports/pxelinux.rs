//! For PXELINUX: one label an entry, to be included in a menu there is.

use std::fmt::Write as _;

use super::menu_entries::{MenuEntry, menu_entries};
use super::{Export, Fragment, MAX_TITLE, comment, text};
use crate::catalog::{Dialect, Firmware};
use crate::images::{EntryKind, Linux};
use crate::loaders::Memdisk;
use crate::menus::{is_for_bios, multiboot_parts, overlay, transport_label, url};
use crate::route::Route;

/// Longest line of help, in bytes: a text screen's width.
const MAX_HELP: usize = 78;
/// Longest command line, in bytes: kernels cut them there on x86.
const MAX_ARGUMENTS: usize = 2047;

pub(super) fn fragment(from: &Export<'_>) -> Fragment {
    let mut fragment = Fragment::default();
    let (mut planned, mut others) = menu_entries(from, &mut fragment);
    // Whatever runs PXELINUX is an x86 PC.
    planned.retain(|menu_entry| is_for_bios(menu_entry.entry));
    others.retain(|menu_entry| is_for_bios(menu_entry.entry));
    let mut out = String::new();
    let address = from.address();
    comment(
        &mut out,
        "#",
        &[
            "PXELINUX: menu entries made by lanboot.",
            &format!("They load {} from {address}.", from.names()),
            "Save this as lanboot.cfg beside pxelinux.cfg/default and put there: INCLUDE lanboot.cfg",
            &from.run(),
            "Kernel and initramfs come by TFTP, which pxelinux.0 and lpxelinux.0 both speak. With",
            "lpxelinux.0 HTTP is faster: use the LINUX and INITRD lines that stand there as comments.",
            "SYSAPPEND tells the kernel which network card the machine booted from (2: BOOTIF=, 3: also",
            "the address it has), which before SYSLINUX 5.10 is called IPAPPEND.",
        ],
    );
    for menu_entry in &planned {
        let title = text(&menu_entry.image.ascii_title(menu_entry.entry), MAX_TITLE);
        label(&mut out, from, menu_entry, &menu_entry.entry.id, &title);
    }
    if !others.is_empty() {
        out.push_str(
            "\n# The same entries with other root transports, in a menu of their own.\n\
             MENU BEGIN lanboot-transports\nMENU LABEL Root transport (HTTP, NFS, NBD) ...\n\
             MENU TITLE Root transport (HTTP, NFS, NBD)\n",
        );
        for other in &others {
            let title = other.image.ascii_title(other.entry);
            let title = format!("{title} - {}", transport_label(other.transport));
            // No entry's own name has a slash.
            let name = format!("{}/{}", other.entry.id, other.transport);
            label(&mut out, from, other, &name, &text(&title, MAX_TITLE));
        }
        out.push_str("\nLABEL lanboot-back\nMENU LABEL Back\nMENU EXIT\nMENU END\n");
    }
    fragment.text = out;
    fragment
}

fn label(out: &mut String, from: &Export<'_>, menu_entry: &MenuEntry<'_>, name: &str, title: &str) {
    let entry = menu_entry.entry;
    let arguments = menu_entry.arguments(from, Dialect::Pxelinux).join(" ");
    // The medium's own words stand behind "Volume", so that none is read as ENDTEXT.
    let help = format!(
        "Volume {}",
        entry.help(menu_entry.transport, &from.menu.append)
    );
    let _ = write!(
        out,
        "\nLABEL {}\nMENU LABEL {title}\n",
        text(name, MAX_TITLE)
    );
    out.push_str(&match &entry.kind {
        EntryKind::Linux(linux) => linux_commands(from, menu_entry, linux, &arguments),
        EntryKind::Program(program) => {
            let files = [Firmware::Bios64, Firmware::Bios32];
            let file = files.into_iter().find_map(|of| program.file(of));
            let file = file.map_or_else(String::new, |file| path(from, menu_entry, file));
            with_arguments(format!("LINUX {file}\n"), &arguments)
        }
        EntryKind::Multiboot(multiboot) => {
            let file = |file: &str| path(from, menu_entry, file);
            let parts = multiboot_parts(multiboot, &arguments, file);
            format!("# It needs mboot.c32 and libcom32.c32 beside this loader.\nCOM32 mboot.c32\nAPPEND {parts}\n")
        }
        EntryKind::Disk(_) => {
            let image = Route::WholeImage(menu_entry.image.name.clone());
            let disk = image.url(&from.server.http);
            let memdisk = format!("{}::{}", from.address(), Route::Loader(Memdisk.into()));
            format!(
                "# With lpxelinux.0 only, and where {} has memdisk.\n\
                 LINUX {memdisk}\nINITRD {disk}\nAPPEND {}\n",
                from.address(),
                menu_entry.image.memdisk_words()
            )
        }
    });
    let _ = write!(out, "TEXT HELP\n{}\nENDTEXT\n", text(&help, MAX_HELP));
}

/// Returns one file of an image: over TFTP, or by a URL where only that can hold its name.
fn path(from: &Export<'_>, menu_entry: &MenuEntry<'_>, file: &str) -> String {
    match is_plain(file) {
        true => format!("{}::{}", from.address(), menu_entry.path(file)),
        false => url(from.server, menu_entry.image, file),
    }
}

/// Adds the line with the arguments, where there are any.
fn with_arguments(commands: String, arguments: &str) -> String {
    match arguments {
        "" => commands,
        _ => format!("{commands}APPEND {}\n", text_kept(arguments)),
    }
}

/// Returns the lines that start a Linux kernel.
fn linux_commands(
    from: &Export<'_>,
    menu_entry: &MenuEntry<'_>,
    linux: &Linux,
    arguments: &str,
) -> String {
    let http = |file: &str| url(from.server, menu_entry.image, file);
    let overlay = overlay(menu_entry.image, menu_entry.entry);
    let initrd = |file: &dyn Fn(&str) -> String, route: &dyn Fn(Route) -> String| {
        let files = linux.initrd.iter().map(|path| file(path));
        let files = overlay
            .clone()
            .map_or_else(|| files.collect(), |one| vec![route(one)]);
        match &files[..] {
            [] => String::new(),
            files => format!("INITRD {}\n", files.join(",")),
        }
    };
    let initrd_by_http = initrd(&http, &|route| route.url(&from.server.http));
    let files = [&linux.kernel].into_iter().chain(&linux.initrd);
    let mut out = String::new();
    if files.clone().all(|file| is_plain(file)) {
        let by_tftp = |path: String| format!("{}::{path}", from.address());
        let tftp = |file: &str| by_tftp(menu_entry.path(file));
        let _ = write!(
            out,
            "# LINUX {}\n{}LINUX {}\n{}",
            http(&linux.kernel),
            initrd_by_http.replacen("INITRD", "# INITRD", 1),
            tftp(&linux.kernel),
            initrd(&tftp, &|route| by_tftp(route.to_string())),
        );
    } else {
        let _ = write!(
            out,
            "# Its files have names that only URLs can hold: this entry needs lpxelinux.0.\n\
             LINUX {}\n{initrd_by_http}",
            http(&linux.kernel),
        );
    }
    let sysappend = match menu_entry.entry.sysappend() {
        0 => String::new(),
        mask => format!("SYSAPPEND {mask}\n"),
    };
    let _ = write!(out, "APPEND {}\n{sysappend}", text_kept(arguments));
    out
}

/// Returns whether a path can stand in a configuration as it is: blanks end it, commas part it.
fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|b| b.is_ascii_graphic() && !b",\\\"'#".contains(&b))
}

/// Arguments on one line; PXELINUX reads the rest of a line as it is.
fn text_kept(arguments: &str) -> String {
    crate::text::ascii(arguments, MAX_ARGUMENTS)
}
