//! The menu for PXELINUX: `menu.c32` with one label per entry; Tab edits the arguments.

use std::fmt::Write as _;

use super::{
    MAX_HELP, Menu, incomplete_title, initramfs_urls, line, transport_label, unreachable, url,
};
use crate::catalog::{Catalog, Dialect, Entry, Firmware, Image, Server, Transport};
use crate::images::{EntryKind, Linux, MenuLoader, Multiboot, without_placeholder};
use crate::loaders::{Memdisk, PxelinuxModules};
use crate::plan::Memory;
use crate::route::Route;

/// Returns the configuration for `server` and a PXELINUX with these modules, whatever its size.
pub(super) fn one_file(
    catalog: &Catalog,
    menu: &Menu,
    server: &Server,
    modules: PxelinuxModules,
) -> String {
    let mut out = begin(menu);
    let wait = shows_menu(menu);
    default_entry(&mut out, catalog, menu, modules);
    for (image, entry) in entries(catalog, modules) {
        // PXELINUX does not report the amount of memory.
        let planned = menu.plan(image, entry, server, Memory::Unknown).transport;
        let title = &image.ascii_title(entry);
        label(
            &mut out, &entry.id, title, image, entry, menu, server, planned,
        );
    }
    unavailable(&mut out, catalog);
    let has_root = |(_, entry): (_, &Entry)| entry.root.is_some();
    if server.transports().count() > 1 && wait && entries(catalog, modules).any(has_root) {
        transport_menu(&mut out, catalog, menu, server, modules);
    }
    out.push_str("\nLABEL lanboot-local\nMENU LABEL Boot from the local disk\nLOCALBOOT 0\n");
    out
}

/// Begins a configuration that starts something by itself.
pub(super) fn begin(menu: &Menu) -> String {
    let mut out = head(shows_menu(menu).then_some("lanboot"));
    // In tenths of a second; a TIMEOUT of 0 would wait indefinitely.
    if let Some(timeout) = menu.timeout.filter(|t| !t.is_zero()) {
        let _ = writeln!(
            out,
            "TIMEOUT {}",
            (timeout.as_millis() / 100).clamp(1, 35_996)
        );
    }
    out
}

/// Begins a configuration: a menu with this title, or none.
pub(super) fn head(title: Option<&str>) -> String {
    let mut out = String::from("# Made by lanboot for this machine.\nPROMPT 0\n");
    if let Some(title) = title {
        let title = line(title, MAX_HELP);
        let _ = write!(
            out,
            "UI menu.c32\nMENU TITLE {title}\nMENU TABMSG Press Tab to edit the arguments\n"
        );
    }
    out
}

fn shows_menu(menu: &Menu) -> bool {
    menu.timeout.is_none_or(|timeout| !timeout.is_zero())
}

/// Writes what starts by itself; where that depends on the processor, its label too.
pub(super) fn default_entry(
    out: &mut String,
    catalog: &Catalog,
    menu: &Menu,
    modules: PxelinuxModules,
) {
    let starts = |firmware| {
        let (image, entry) = menu.boot.entry(catalog, firmware)?;
        starts(image, entry, modules).then_some(entry.id.as_str())
    };
    let by_cpu = match (starts(Firmware::Bios64), starts(Firmware::Bios32)) {
        (Some(wide), Some(narrow)) if wide != narrow && modules.detects_cpu => Some((wide, narrow)),
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
        let image = |id| entries(catalog, modules).find(|(_, entry)| entry.id == id);
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
    let silent = unreachable(catalog).filter(|(entry, _)| is_for_bios(entry));
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
        if is_for_bios(entry) {
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
fn entries(
    catalog: &Catalog,
    modules: PxelinuxModules,
) -> impl Iterator<Item = (&std::sync::Arc<Image>, &Entry)> {
    catalog
        .entries()
        .filter(move |(image, entry)| starts(image, entry, modules))
}

/// Tests whether PXELINUX starts `entry` on some machine.
pub(super) fn starts(image: &Image, entry: &Entry, modules: PxelinuxModules) -> bool {
    let has_module = match entry.kind {
        EntryKind::Linux(_) | EntryKind::Program(_) => true,
        EntryKind::Multiboot(_) => modules.starts_multiboot,
        EntryKind::Disk(_) => modules.has_memdisk && image.fits_memdisk(),
    };
    has_module && is_for_bios(entry)
}

/// Tests whether some BIOS machine starts `entry` by PXELINUX.
pub(crate) fn is_for_bios(entry: &Entry) -> bool {
    let mut all = Firmware::ALL.into_iter();
    all.any(|firmware| entry.starts_by(MenuLoader::Pxelinux, firmware))
}

/// Writes a submenu with every entry by every available root transport.
fn transport_menu(
    out: &mut String,
    catalog: &Catalog,
    menu: &Menu,
    server: &Server,
    modules: PxelinuxModules,
) {
    out.push_str(
        "\nMENU BEGIN lanboot-transports\nMENU LABEL Root transport (HTTP, NFS, NBD) ...\n\
         MENU TITLE Root transport (HTTP, NFS, NBD)\n",
    );
    let with_root = entries(catalog, modules).filter(|(_, entry)| entry.root.is_some());
    for (image, entry) in with_root {
        for (name, transport) in choices(menu, entry, server) {
            let title = format!(
                "{} - {}",
                image.ascii_title(entry),
                transport_label(transport)
            );
            label(out, &name, &title, image, entry, menu, server, transport);
        }
    }
    out.push_str("\nLABEL lanboot-back\nMENU LABEL Back\nMENU EXIT\nMENU END\n");
}

/// Lists the root transports of an entry, each with the name of its label.
pub(super) fn choices<'a>(
    menu: &'a Menu,
    entry: &'a Entry,
    server: &'a Server,
) -> impl Iterator<Item = (String, Transport)> + use<'a> {
    let transports = menu.transports(entry, server);
    // No entry's own name has a slash.
    transports.map(|transport| (format!("{}/{transport}", entry.id), transport))
}

/// Writes a label that starts an entry.
#[expect(
    clippy::too_many_arguments,
    reason = "a label is what all of these give"
)]
pub(super) fn label(
    out: &mut String,
    name: &str,
    title: &str,
    image: &Image,
    entry: &Entry,
    menu: &Menu,
    server: &Server,
    transport: Transport,
) {
    let source = image.at(server);
    let arguments = entry.command_line(transport, source, Dialect::Pxelinux, &menu.append);
    // Never the first word of a line: a volume may be called ENDTEXT.
    let help = format!("Volume {}", entry.help(transport, &menu.append));
    let text_help = line(&help, MAX_HELP);
    let write = |out: &mut String, name: &str, title: &str, commands: &str| {
        let _ = write!(
            out,
            "\nLABEL {name}\nMENU LABEL {}\n{commands}TEXT HELP\n{text_help}\nENDTEXT\n",
            line(title, MAX_HELP),
        );
    };
    if let EntryKind::Program(program) = &entry.kind {
        let of = |firmware| program.file(firmware);
        let (wide, narrow) = (of(Firmware::Bios64), of(Firmware::Bios32));
        let start = |path| program_commands(&url(server, image, path), &arguments);
        if let Some(path) = wide.or(narrow) {
            write(out, name, title, &start(path));
        }
        if let Some(path) = narrow.filter(|_| wide.is_some() && wide != narrow) {
            let title = format!("{title} - 32-bit processors");
            write(out, &format!("{name}/32"), &title, &start(path));
        }
        return;
    }
    write(
        out,
        name,
        title,
        &commands(image, entry, server, &arguments),
    );
}

/// Returns the lines that start a program.
fn program_commands(url: &str, arguments: &str) -> String {
    match arguments {
        "" => format!("LINUX {url}\n"),
        _ => format!("LINUX {url}\nAPPEND {}\n", line(arguments, MAX_ARGUMENTS)),
    }
}

/// Returns the lines that start an entry that is no program.
fn commands(image: &Image, entry: &Entry, server: &Server, arguments: &str) -> String {
    let url = |path: &str| url(server, image, path);
    match &entry.kind {
        EntryKind::Linux(Linux { kernel, initrd }) => {
            let initrd = initramfs_urls(server, image, entry, initrd);
            let initrd = match &initrd[..] {
                [] => String::new(),
                urls => format!("INITRD {}\n", urls.join(",")),
            };
            format!(
                "LINUX {}\n{initrd}APPEND {}\nSYSAPPEND {}\n",
                url(kernel),
                line(arguments, MAX_ARGUMENTS),
                entry.sysappend(),
            )
        }
        EntryKind::Program(_) => String::new(),
        EntryKind::Multiboot(multiboot) => {
            let parts = multiboot_parts(multiboot, arguments, url);
            format!("COM32 mboot.c32\nAPPEND {parts}\n")
        }
        EntryKind::Disk(_) => {
            let memdisk = Route::Loader(Memdisk.into()).url(&server.http);
            let disk = Route::WholeImage(image.name.clone()).url(&server.http);
            let words = image.memdisk_words();
            format!("LINUX {memdisk}\nINITRD {disk}\nAPPEND {words}\n")
        }
    }
}

/// Returns the arguments of `mboot.c32`: the kernel and each module with theirs, between `---`.
pub(crate) fn multiboot_parts(
    multiboot: &Multiboot,
    arguments: &str,
    file: impl Fn(&str) -> String,
) -> String {
    let arguments = without_placeholder(arguments);
    let kernel = format!("{} {arguments}", file(&multiboot.kernel));
    let modules = multiboot.modules.iter().map(|module| {
        // A word of dashes would end the module.
        let words = module.arguments.iter().filter(|word| *word != "---");
        let words: Vec<&str> = words.map(String::as_str).collect();
        let words = words.join(" ");
        format!("{} {}", file(&module.path), without_placeholder(&words))
    });
    let parts = [kernel].into_iter().chain(modules);
    let parts = parts.map(|part| line(part.trim_end(), MAX_ARGUMENTS));
    parts.collect::<Vec<_>>().join(" --- ")
}

/// Longest arguments, in bytes: kernels cut theirs there on x86.
const MAX_ARGUMENTS: usize = 2048;

#[cfg(test)]
mod tests {
    use super::one_file as pxelinux;
    use super::*;
    use crate::catalog::Cpu;
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

    fn modules(detects_cpu: bool) -> PxelinuxModules {
        PxelinuxModules {
            detects_cpu,
            ..PxelinuxModules::default()
        }
    }

    fn text(seconds: Option<u64>, cpu: bool) -> String {
        let server = server();
        pxelinux(&catalog(), &menu(seconds), &server, modules(cpu))
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
        let text = |detects_cpu| pxelinux(&catalog, &menu, &server(), modules(detects_cpu));
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
