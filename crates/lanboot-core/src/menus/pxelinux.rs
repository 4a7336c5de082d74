//! The menu for PXELINUX: `menu.c32` with one label per entry; Tab edits the arguments.

use std::fmt::Write as _;

use super::{
    MAX_HELP, Menu, incomplete_title, initramfs_urls, line, transport_label, unreachable, url,
};
use crate::catalog::{Catalog, Cpu, Dialect, Entry, Firmware, Image, Server, Transport};
use crate::images::{EntryKind, Linux};
use crate::plan::Memory;

/// Returns the configuration for `server`. `detects_cpu`: the loader's folder has `ifcpu64.c32`.
pub fn pxelinux(catalog: &Catalog, menu: &Menu, server: &Server, detects_cpu: bool) -> String {
    let mut out = String::from("# Made by lanboot for this machine.\nPROMPT 0\n");
    let wait = menu.timeout.is_none_or(|t| !t.is_zero());
    if wait {
        out.push_str(
            "UI menu.c32\nMENU TITLE lanboot\nMENU TABMSG Press Tab to edit the arguments\n",
        );
    }
    // In tenths of a second; a TIMEOUT of 0 would wait indefinitely.
    if let Some(timeout) = menu.timeout.filter(|t| !t.is_zero()) {
        let _ = writeln!(
            out,
            "TIMEOUT {}",
            (timeout.as_millis() / 100).clamp(1, 35_996)
        );
    }
    default_entry(&mut out, catalog, menu, detects_cpu);
    for (image, entry) in entries(catalog) {
        // PXELINUX does not report the amount of memory.
        let planned = menu.plan(image, entry, server, Memory::Unknown).transport;
        let title = &image.ascii_title(entry);
        label(
            &mut out, &entry.id, title, image, entry, menu, server, planned,
        );
    }
    unavailable(&mut out, catalog);
    let has_root = |(_, entry): (_, &Entry)| entry.root.is_some();
    if server.transports().count() > 1 && wait && entries(catalog).any(has_root) {
        transport_menu(&mut out, catalog, menu, server);
    }
    out.push_str("\nLABEL lanboot-local\nMENU LABEL Boot from the local disk\nLOCALBOOT 0\n");
    out
}

/// Writes what starts by itself; where that depends on the processor, its label too.
fn default_entry(out: &mut String, catalog: &Catalog, menu: &Menu, detects_cpu: bool) {
    let starts = |firmware| menu.boot.of(firmware);
    let by_cpu = match (starts(Firmware::Bios64), starts(Firmware::Bios32)) {
        (Some(wide), Some(narrow)) if wide != narrow && detects_cpu => Some((wide, narrow)),
        _ => None,
    };
    match (by_cpu, starts(Firmware::Bios64)) {
        (Some(_), _) => out.push_str("DEFAULT lanboot-by-cpu\n"),
        (None, Some(entry)) => {
            let _ = writeln!(out, "DEFAULT {entry}");
        }
        (None, None) => out.push_str("DEFAULT lanboot-local\n"),
    }
    if let Some((wide, narrow)) = by_cpu {
        let image = |id| entries(catalog).find(|(_, entry)| entry.id == id);
        let names = [wide, narrow].map(|id| image(id).map_or(id, |(image, _)| &image.name));
        let name = match names {
            [wide, narrow] if wide == narrow => wide.to_owned(),
            [wide, narrow] => format!("{wide} or {narrow}"),
        };
        let _ = write!(
            out,
            "\nLABEL lanboot-by-cpu\nMENU LABEL {} (what fits the processor)\n\
             COM32 ifcpu64.c32\nAPPEND {wide} -- {narrow}\n",
            line(&name, MAX_HELP)
        );
    }
}

/// Writes the entries that cannot be chosen, each with its reason.
fn unavailable(out: &mut String, catalog: &Catalog) {
    let silent = unreachable(catalog).filter(|(entry, _)| entry.cpu != Cpu::Aarch64);
    for (entry, sentence) in silent {
        let _ = write!(
            out,
            "\nLABEL {}\nMENU LABEL {} (not offered)\nMENU DISABLE\nLOCALBOOT 0\n\
             TEXT HELP\n{}\nENDTEXT\n",
            entry.id,
            line(&entry.title, 40),
            line(&sentence, MAX_HELP),
        );
    }
    for (_, entry, why) in catalog.incomplete_entries() {
        if entry.cpu != Cpu::Aarch64 {
            let title = incomplete_title(entry, &why);
            let _ = write!(
                out,
                "\nLABEL {}\nMENU LABEL {title}\nMENU DISABLE\n",
                entry.id
            );
        }
    }
}

/// Returns the entries that the BIOS machines running PXELINUX can start.
fn entries(catalog: &Catalog) -> impl Iterator<Item = (&std::sync::Arc<Image>, &Entry)> {
    catalog
        .entries()
        .filter(|(_, entry)| entry.cpu != Cpu::Aarch64)
}

/// Writes a submenu with every entry by every available root transport.
fn transport_menu(out: &mut String, catalog: &Catalog, menu: &Menu, server: &Server) {
    out.push_str(
        "\nMENU BEGIN lanboot-transports\nMENU LABEL Root transport (HTTP, NFS, NBD) ...\n\
         MENU TITLE Root transport (HTTP, NFS, NBD)\n",
    );
    for (image, entry) in entries(catalog).filter(|(_, entry)| entry.root.is_some()) {
        for transport in menu.transports(entry, server) {
            let title = format!(
                "{} - {}",
                image.ascii_title(entry),
                transport_label(transport)
            );
            // No entry's own name has a slash.
            let name = format!("{}/{transport}", entry.id);
            label(out, &name, &title, image, entry, menu, server, transport);
        }
    }
    out.push_str("\nLABEL lanboot-back\nMENU LABEL Back\nMENU EXIT\nMENU END\n");
}

#[expect(
    clippy::too_many_arguments,
    reason = "a label is what all of these give"
)]
fn label(
    out: &mut String,
    name: &str,
    title: &str,
    image: &Image,
    entry: &Entry,
    menu: &Menu,
    server: &Server,
    transport: Transport,
) {
    let EntryKind::Linux(Linux { kernel, initrd }) = &entry.kind;
    let initrd = initramfs_urls(server, image, entry, initrd);
    let source = image.at(server);
    let arguments = entry.command_line(transport, source, Dialect::Pxelinux, &menu.append);
    // Never the first word of a line: a volume may be called ENDTEXT.
    let help = format!("Volume {}", entry.help(transport, &menu.append));
    let _ = write!(
        out,
        "\nLABEL {name}\nMENU LABEL {}\nLINUX {}\nINITRD {}\nAPPEND {}\nSYSAPPEND {}\n\
         TEXT HELP\n{}\nENDTEXT\n",
        line(title, MAX_HELP),
        url(server, image, kernel),
        initrd.join(","),
        line(&arguments, 2048),
        entry.sysappend(),
        line(&help, MAX_HELP),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{BootChoice, MenuKind, Transports};
    use crate::testing::{catalog, server};
    use std::time::Duration;

    fn menu(seconds: Option<u64>) -> Menu {
        Menu {
            timeout: seconds.map(Duration::from_secs),
            boot: BootChoice::resolve(&catalog(), None).unwrap(),
            append: "console=ttyS0".into(),
            transports: Transports::default(),
            kind: MenuKind::Generated,
        }
    }

    fn text(seconds: Option<u64>, cpu: bool) -> String {
        let server = server();
        pxelinux(&catalog(), &menu(seconds), &server, cpu)
    }

    #[test]
    fn an_entry_has_literal_urls_help_and_its_arguments() {
        let text = text(Some(5), false);
        let expected = "\nLABEL dual-x86_64\nMENU LABEL dual (x86_64)\n\
            LINUX http://10.0.0.1/iso/dual/arch/vmlinuz\n\
            INITRD http://10.0.0.1/iso/dual/arch/early%20img,http://10.0.0.1/iso/dual/arch/initramfs.img\n\
            APPEND archisobasedir=arch archiso_http_srv=http://10.0.0.1/iso/dual/ ip=dhcp \
            net.ifnames=0 console=ttyS0\nSYSAPPEND 2\nTEXT HELP\nVolume DUAL: the root (300 MiB) is copied into memory over HTTP.\nENDTEXT\n";
        assert!(text.contains(expected), "{text}");
        assert!(
            text.contains("\nTIMEOUT 50\nDEFAULT dual-x86_64\n"),
            "{text}"
        );
    }

    #[test]
    fn every_service_is_in_the_transport_submenu() {
        let text = text(Some(5), false);
        let submenu = text.split_once("\nMENU BEGIN ").unwrap().1;
        let submenu = submenu.split_once("\nMENU END\n").unwrap().0;
        for transport in ["http", "nfs", "nbd"] {
            assert!(
                submenu.contains(&format!("\nLABEL dual-i686/{transport}\n")),
                "{submenu}"
            );
        }
        assert!(
            submenu.contains(" archiso_nfs_srv=10.0.0.1:/iso/dual copytoram=n "),
            "{submenu}"
        );
    }

    #[test]
    fn the_processor_decides_where_the_module_exists() {
        let text = text(Some(5), true);
        assert!(text.contains("DEFAULT lanboot-by-cpu\n"), "{text}");
        assert!(
            text.contains("COM32 ifcpu64.c32\nAPPEND dual-x86_64 -- dual-i686\n"),
            "{text}"
        );
    }

    #[test]
    fn an_older_processor_may_start_another_image() {
        use crate::testing::image;
        let images = [image("new", &[Cpu::X86_64]), image("old", &[Cpu::I686])];
        let catalog = Catalog::new(images.map(std::sync::Arc::new).to_vec());
        let menu = Menu {
            boot: BootChoice::resolve(&catalog, None).unwrap(),
            ..menu(None)
        };
        let text = |detects_cpu| pxelinux(&catalog, &menu, &server(), detects_cpu);
        let by_cpu = "MENU LABEL new or old (what fits the processor)\n\
            COM32 ifcpu64.c32\nAPPEND new-x86_64 -- old-i686\n";
        assert!(text(true).contains(by_cpu), "{}", text(true));
        assert!(text(false).contains("DEFAULT new-x86_64\n"));
    }

    #[test]
    fn zero_starts_at_once_and_none_waits() {
        let at_once = text(Some(0), false);
        assert!(
            !at_once.contains("UI ") && !at_once.contains("TIMEOUT"),
            "{at_once}"
        );
        let for_ever = text(None, false);
        assert!(
            for_ever.contains("UI ") && !for_ever.contains("TIMEOUT"),
            "{for_ever}"
        );
    }
}
