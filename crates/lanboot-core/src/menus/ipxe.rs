//! The menu for iPXE.

use std::fmt::Write as _;

use super::cpu_filter::{by_firmware, where_kernels_start};
use super::{
    CpuFilter, MAX_HELP, Menu, incomplete_title, initramfs_urls, line, transport_label,
    unreachable, url, where_it_starts,
};
use crate::catalog::{Catalog, Cpu, Dialect, Entry, Image, Server, Transport};
use crate::images::{EntryKind, Linux, MenuLoader, Multiboot, without_placeholder};
use crate::plan::Memory;
use crate::route::Route;

/// Returns the script for `server` and a machine with this `memory`, whatever its size.
pub(super) fn one_script(
    catalog: &Catalog,
    menu: &Menu,
    server: &Server,
    memory: Memory,
) -> String {
    let mut out = String::from("#!ipxe\n# Made by lanboot.\n");
    let is_choosing = is_choosing(catalog, server);
    if is_choosing && memory == Memory::Unasked {
        ask_for_memory(&mut out, server);
    }
    let fit = CpuFilter::new(catalog);
    fit.ask(&mut out, "nothing");
    out.push_str("set start local\n");
    CpuFilter::choose(&mut out, |firmware| {
        let (_, entry) = menu.boot.entry(catalog, firmware)?;
        let starts = entry.starts_by(MenuLoader::Ipxe, firmware);
        starts.then(|| label(&entry.id))
    });
    if menu.timeout.is_some_and(|t| t.is_zero()) {
        out.push_str("goto ${start}\n");
    }
    items(&mut out, catalog, is_choosing);
    let timeout = match menu.timeout {
        Some(timeout) if !timeout.is_zero() => format!("--timeout {} ", timeout.as_millis()),
        _ => String::new(),
    };
    let _ = writeln!(
        out,
        "choose {timeout}--default ${{start}} picked || goto shell"
    );
    out.push_str("goto ${picked}\n");
    if is_choosing {
        transport_menu(&mut out, catalog, menu, server);
    }
    entries(&mut out, catalog, menu, server, memory, is_choosing);
    if catalog.entries().any(|(_, entry)| entry.is_unsigned()) {
        out.push_str(UNSIGNED);
    }
    out.push_str("\n:nothing\n");
    fit.nothing(&mut out);
    out.push_str(ENDS);
    out.push_str(LOCAL);
    out
}

/// Last part of the script: what its other labels do.
const ENDS: &str = "prompt --timeout 30000 Press a key to go on without the network ||\nexit 1\n\
    \n:failed\necho lanboot: this did not start; see the reason above.\n\
    prompt --timeout 30000 Press a key for the menu ||\ngoto menu\n\
    \n:shell\nshell\ngoto menu\n";

/// Boots the local disk. Some BIOSes hang or start over when iPXE exits to them, so there it starts the
/// first disk itself, and exits where that has no boot sector. UEFI goes on with its boot order only
/// after a program that failed (UEFI 2.10 §3.1.1): after `exit` EDK2 shows its setup.
pub(super) const LOCAL: &str = "\n:local\n\
    iseq ${platform} pcbios && sanboot --no-describe --drive 0x80 ||\nexit 1\n";

/// Writes the menu up to its question.
fn items(out: &mut String, catalog: &Catalog, is_choosing: bool) {
    out.push_str("\n:menu\nmenu lanboot - ${netX/mac} ${netX/ip}\n");
    for (image, entry) in catalog.entries() {
        item_of(out, entry, &label(&entry.id), &image.ascii_title(entry));
    }
    for (entry, sentence) in unreachable(catalog) {
        for part in lines(&sentence) {
            where_it_starts(out, entry, &format!("item --gap {part}"));
        }
    }
    for (_, entry, why) in catalog.incomplete_entries() {
        // A gap cannot be chosen.
        let title = incomplete_title(entry, &why);
        where_it_starts(out, entry, &format!("item --gap {title}"));
    }
    if is_choosing {
        let rooted: Vec<Cpu> = with_root(catalog).map(|(_, entry)| entry.cpu).collect();
        for cpu in Cpu::ALL.into_iter().filter(|cpu| rooted.contains(cpu)) {
            where_kernels_start(out, cpu, "set lanboot-transports yes");
        }
        let title = "Root transport (HTTP, NFS, NBD) ...";
        let _ = writeln!(
            out,
            "isset ${{lanboot-transports}} && item transports {title} ||"
        );
    }
    item(out, "local", "Boot from the local disk");
    item(out, "shell", "iPXE shell");
}

/// Writes the label of each entry, and with a choice of root transports those of each of them.
fn entries(
    out: &mut String,
    catalog: &Catalog,
    menu: &Menu,
    server: &Server,
    memory: Memory,
    is_choosing: bool,
) {
    for (image, entry) in catalog.entries() {
        let planned = menu.plan(image, entry, server, memory).transport;
        let _ = write!(out, "\n:{}\n", label(&entry.id));
        start(out, image, entry, menu, server, planned);
        let transports = menu.transports(entry, server).filter(|_| is_choosing);
        for transport in transports {
            let _ = write!(out, "\n:{}\n", transport_entry_label(&entry.id, transport));
            start(out, image, entry, menu, server, transport);
        }
    }
}

/// Returns whether a machine can choose between root transports.
pub(super) fn is_choosing(catalog: &Catalog, server: &Server) -> bool {
    with_root(catalog).next().is_some() && server.transports().count() > 1
}

/// Message on a machine with Secure Boot, instead of the firmware's error.
pub(super) const UNSIGNED: &str = "\n:unsigned\n\
    echo Secure Boot is on, and the kernel of this entry is not signed.\n\
    echo Switch Secure Boot off in the firmware setup, or choose another entry.\n\
    prompt Press a key for the menu ||\ngoto menu\n";

/// Returns the entries with a choice of root transports.
fn with_root(catalog: &Catalog) -> impl Iterator<Item = (&std::sync::Arc<Image>, &Entry)> {
    catalog.entries().filter(|(_, entry)| entry.root.is_some())
}

/// Requests the script again with the machine's memory as reported by iPXE. The response has no
/// such line, so this cannot loop.
pub(super) fn ask_for_memory(out: &mut String, server: &Server) {
    let _ = writeln!(
        out,
        "chain --replace {}?{} ||",
        Route::IpxeMenu.url(&server.http),
        Memory::query()
    );
}

/// Writes the menu of every entry by every available root transport.
fn transport_menu(out: &mut String, catalog: &Catalog, menu: &Menu, server: &Server) {
    out.push_str("\n:transports\nmenu Root transport (HTTP, NFS, NBD)\n");
    for (image, entry) in with_root(catalog) {
        for transport in menu.transports(entry, server) {
            let title = format!(
                "{} - {}",
                image.ascii_title(entry),
                transport_label(transport)
            );
            let label = transport_entry_label(&entry.id, transport);
            item_of(out, entry, &label, &title);
        }
    }
    item(out, "menu", "Back");
    out.push_str("choose picked || goto menu\ngoto ${picked}\n");
}

/// Writes an item shown on every machine.
pub(super) fn item(out: &mut String, label: &str, title: &str) {
    let _ = writeln!(out, "item {label} {}", line(title, MAX_HELP));
}

/// Splits a sentence into at most four lines that fit on a text screen.
fn lines(sentence: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in line(sentence, 4 * MAX_HELP).split(' ') {
        match lines.last_mut() {
            Some(last) if last.len() + 1 + word.len() <= MAX_HELP => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(line(word, MAX_HELP)),
        }
    }
    // A leading hyphen would begin an option.
    lines
        .iter_mut()
        .for_each(|line| *line = line.replace("--", "- -"));
    lines
}

/// Writes an item shown only on machines that can start `entry`.
fn item_of(out: &mut String, entry: &Entry, label: &str, title: &str) {
    let title = line(title, MAX_HELP);
    where_it_starts(out, entry, &format!("item {label} {title}"));
}

/// Returns the label of an entry with one root transport; no entry's own label begins like this.
fn transport_entry_label(id: &str, transport: Transport) -> String {
    format!("{transport}-{id}")
}

/// Returns an entry's script label; the prefix separates an image called `shell` from the shell.
fn label(id: &str) -> String {
    format!("entry-{id}")
}

/// Writes the commands that start an entry whose root comes by `transport`.
pub(super) fn start(
    out: &mut String,
    image: &Image,
    entry: &Entry,
    menu: &Menu,
    server: &Server,
    transport: Transport,
) {
    let source = image.at(server);
    let arguments = entry.command_line(transport, source, Dialect::Ipxe, &menu.append);
    // The comment in the script lists what is left out.
    let _left_out = load(out, image, entry, server, &arguments, "");
}

/// Writes the commands that load and start `entry` with these arguments. `prefix` begins the
/// script's labels `failed` and `unsigned`. Returns the words left out because iPXE would not pass
/// them on to the kernel.
pub(crate) fn load(
    out: &mut String,
    image: &Image,
    entry: &Entry,
    server: &Server,
    arguments: &str,
    prefix: &str,
) -> Option<String> {
    let (arguments, left_out) = safe_arguments(out, arguments);
    let url = |path: &str| url(server, image, path);
    if entry.is_unsigned() {
        let _ = writeln!(
            out,
            "iseq ${{efi/SecureBoot}} 01 && goto {prefix}unsigned ||"
        );
    }
    // `imgfree` drops images of an earlier attempt, and this script: newer iPXE would append it to
    // the initramfs (ipxe issue 1723).
    out.push_str("imgfree\n");
    match &entry.kind {
        EntryKind::Linux(Linux { kernel, initrd }) => {
            let initrd = initramfs_urls(server, image, entry, initrd);
            load_linux(out, entry, &url(kernel), &initrd, &arguments, prefix);
            vendor_shim(out, image, entry, server);
        }
        EntryKind::Program(program) => {
            by_firmware(out, "lanboot-program", |firmware| {
                program.file(firmware).map(url)
            });
            let command = format!("kernel ${{lanboot-program}} {arguments}");
            let _ = writeln!(out, "{} || goto {prefix}failed", command.trim());
            vendor_shim(out, image, entry, server);
        }
        EntryKind::Multiboot(multiboot) => {
            load_multiboot(out, multiboot, &arguments, prefix, url);
        }
        EntryKind::Disk(_) => {
            let disk = Route::WholeImage(image.name.clone()).url(&server.http);
            let _ = writeln!(out, "sanboot --no-describe {disk} || goto {prefix}failed");
            return left_out;
        }
    }
    let _ = writeln!(out, "boot || goto {prefix}failed");
    left_out
}

/// Writes the commands that load a Linux kernel and its initramfs.
fn load_linux(
    out: &mut String,
    entry: &Entry,
    kernel: &str,
    initrd: &[String],
    arguments: &str,
    prefix: &str,
) {
    // UEFI kernels before 5.7 find their initramfs by these names; BIOS ignores them.
    let names = initrd.iter().filter_map(|url| url.rsplit('/').next());
    let names: String = names.map(|name| format!(" initrd={name}")).collect();
    let (before, after) = match entry.loader_words_go_first() {
        true => (names.as_str(), ""),
        false => ("", names.as_str()),
    };
    let arguments = format!("{before} {arguments}{after}");
    let _ = writeln!(
        out,
        "kernel {kernel} {} || goto {prefix}failed",
        arguments.trim()
    );
    for file in initrd {
        let _ = writeln!(out, "initrd {file} || goto {prefix}failed");
    }
}

/// Writes the commands that load a multiboot kernel and its modules.
fn load_multiboot(
    out: &mut String,
    multiboot: &Multiboot,
    arguments: &str,
    prefix: &str,
    url: impl Fn(&str) -> String,
) {
    let arguments = without_placeholder(arguments);
    let kernel = format!("kernel {} {arguments}", url(&multiboot.kernel));
    let _ = writeln!(out, "{} || goto {prefix}failed", kernel.trim_end());
    for module in &multiboot.modules {
        // A word that iPXE would not pass on is left out, as of the kernel.
        let safe = module.arguments.iter().filter(|word| is_safe(word));
        let words: Vec<&str> = safe.map(String::as_str).collect();
        let words = words.join(" ");
        let words = without_placeholder(&words);
        let command = format!("module {} {words}", url(&module.path));
        let _ = writeln!(out, "{} || goto {prefix}failed", command.trim_end());
    }
}

/// Returns the words of `arguments` that iPXE passes on, and those it would not, which a comment in
/// the script lists.
fn safe_arguments(out: &mut String, arguments: &str) -> (String, Option<String>) {
    let (safe, unsafe_ones): (Vec<&str>, Vec<&str>) =
        arguments.split(' ').partition(|word| is_safe(word));
    let left_out = (!unsafe_ones.is_empty()).then(|| {
        let words = line(&unsafe_ones.join(" "), MAX_COMMENT);
        words.replace('\\', "/")
    });
    if let Some(words) = &left_out {
        let _ = writeln!(
            out,
            "# Left out, because iPXE would take them for its own: {words} ."
        );
    }
    (safe.join(" "), left_out)
}

/// Writes the command that starts a vendor's kernel through that vendor's shim: iPXE 2.0 behind its
/// own shim needs it with Secure Boot on. Older versions know neither the variable nor the command.
fn vendor_shim(out: &mut String, image: &Image, entry: &Entry, server: &Server) {
    let shim = image
        .loaders
        .shims
        .iter()
        .find(|shim| entry.runs_on(shim.arch) && shim.trusts(&entry.signed));
    if let Some(shim) = shim {
        let _ = writeln!(
            out,
            "iseq ${{efi/SecureBoot}} 01 && shim {} ||",
            url(server, image, &shim.from)
        );
    }
}

/// Longest list of words in a comment, in bytes.
const MAX_COMMENT: usize = 160;

/// Returns whether iPXE passes a word on unchanged. It has no quotes: `||`, `&&` and in newer
/// versions `;` separate commands, `${` begins a setting, `#` at the start of a word ends the line,
/// and `\` at its end joins the next line to it.
fn is_safe(word: &str) -> bool {
    /// Words the iPXE dialect itself inserts.
    const OURS: [&str; 2] = [
        "BOOTIF=01-${netX/mac:hexhyp}",
        "ip=${netX/ip}:${next-server}:${netX/gateway}:${netX/netmask}",
    ];
    OURS.contains(&word)
        || (word.bytes().all(|b| b.is_ascii_graphic())
            && !["||", "&&", ";"].contains(&word)
            && !word.contains("${")
            && !word.starts_with('#')
            && !word.ends_with('\\'))
}

#[cfg(test)]
mod tests {
    use super::one_script as ipxe;
    use super::*;
    use crate::machine::Arch;
    use crate::menus::cpu_filter::testing::Ipxe;
    use crate::net::Origin;
    use crate::pe::Signed;
    use crate::plan::{BootChoice, MenuKind, Transports};
    use crate::testing::{catalog, image, installer, keep, server, shim_grub};
    use std::sync::Arc;
    use std::time::Duration;

    fn only_http() -> Server {
        Server {
            http: Origin::http([10, 0, 0, 1].into(), 8080),
            nfs: false,
            nbd: false,
        }
    }

    fn text(
        catalog: &Catalog,
        timeout: Option<Duration>,
        server: &Server,
        memory: Memory,
    ) -> String {
        let menu = Menu {
            timeout,
            boot: BootChoice::resolve(catalog, None).unwrap(),
            append: "console=ttyS0".into(),
            transports: Transports::default(),
            kind: MenuKind::Generated,
        };
        ipxe(catalog, &menu, server, memory)
    }

    /// Returns the lines of one label.
    fn section<'a>(text: &'a str, label: &str) -> &'a str {
        let begin = text.split_once(&format!("\n:{label}\n")).unwrap().1;
        begin.split("\n\n").next().unwrap()
    }

    #[test]
    fn an_entry_loads_kernel_and_initramfs_over_http() {
        let timeout = Some(Duration::from_secs(3));
        let text = text(&catalog(), timeout, &only_http(), Memory::Unasked);
        let expected = "iseq ${efi/SecureBoot} 01 && goto unsigned ||\nimgfree\n\
            kernel http://10.0.0.1:8080/iso/dual/arch/vmlinuz archisobasedir=arch \
            archiso_http_srv=http://10.0.0.1:8080/iso/dual/ ip=dhcp BOOTIF=01-${netX/mac:hexhyp} \
            net.ifnames=0 console=ttyS0 initrd=early%20img initrd=initramfs.img || goto failed\n\
            initrd http://10.0.0.1:8080/iso/dual/arch/early%20img || goto failed\n\
            initrd http://10.0.0.1:8080/iso/dual/arch/initramfs.img || goto failed\n\
            boot || goto failed";
        assert_eq!(section(&text, "entry-dual-x86_64"), expected);
        assert!(
            text.contains("choose --timeout 3000 --default ${start} picked"),
            "{text}"
        );
        assert!(
            !text.contains("memsize"),
            "there is nothing to choose: {text}"
        );
    }

    #[test]
    fn memory_is_queried_once() {
        let text = |memory| text(&catalog(), None, &server(), memory);
        let asks = "\nchain --replace http://10.0.0.1/boot.ipxe?memory=${memsize}&modules=\
            ${smbios/0.17.12.2:hexraw}-${smbios/1.17.12.2:hexraw}-";
        assert!(text(Memory::Unasked).contains(asks));
        for memory in [Memory::Unknown, Memory::Mib(64)] {
            assert!(!text(memory).contains("memsize"));
        }
        let small = text(Memory::Mib(256));
        assert!(
            section(&small, "entry-dual-x86_64").contains(" archiso_nfs_srv=10.0.0.1:/iso/dual ")
        );
        let large = text(Memory::Mib(4096));
        assert!(section(&large, "entry-dual-x86_64").contains(" archiso_http_srv="));
    }

    #[test]
    fn every_service_is_in_the_transport_menu() {
        let text = text(&catalog(), None, &server(), Memory::Unknown);
        for (label, argument) in [
            (
                "http-dual-i686",
                " archiso_http_srv=http://10.0.0.1/iso/dual/ ",
            ),
            (
                "nfs-dual-i686",
                " archiso_nfs_srv=10.0.0.1:/iso/dual copytoram=n ",
            ),
            (
                "nbd-dual-i686",
                " archiso_nbd_srv=10.0.0.1 archiso_nbd_name=dual@",
            ),
        ] {
            assert!(
                text.contains(&format!(" && item {label} dual (i686) - ")),
                "{text}"
            );
            assert!(section(&text, label).contains(argument), "{text}");
        }
    }

    /// Returns a catalog of an unsigned image for x86 and an installer for each kind of processor.
    fn mixed() -> Catalog {
        let by = || Signed::By(vec!["Debian".into()]);
        let mut deb = installer("deb", Cpu::X86_64, by());
        deb.loaders.shims = vec![shim_grub(Arch::X64Uefi, "Debian", false).shim];
        Catalog::new(vec![
            Arc::new(image("dual", &[Cpu::X86_64])),
            Arc::new(deb),
            Arc::new(installer("arm", Cpu::Aarch64, by())),
        ])
    }

    /// `${platform}`, `${buildarch}`, and whether the processor has long mode, if iPXE can detect
    /// it.
    const BIOS: Ipxe = Ipxe("pcbios", "i386", Some(true));
    const BIOS32: Ipxe = Ipxe("pcbios", "i386", Some(false));
    const X64: Ipxe = Ipxe("efi", "x86_64", Some(true));
    const X86: Ipxe = Ipxe("efi", "i386", Some(true));
    const ARM64: Ipxe = Ipxe("efi", "arm64", None);

    #[test]
    fn entries_and_default_match_the_machine() {
        let text = text(&mixed(), None, &server(), Memory::Unknown);
        let (dual, deb, arm) = ("entry-dual-x86_64", "entry-deb-x86_64", "entry-arm-aarch64");
        for (ipxe, entries, start) in [
            (BIOS, &[dual, deb][..], dual),
            (X64, &[dual, deb], dual),
            (ARM64, &[arm], arm),
            // Builds for 64-bit BIOS, without `cpuid`, and too old for `${platform}`.
            (Ipxe("pcbios", "x86_64", Some(true)), &[dual, deb], dual),
            (Ipxe("pcbios", "i386", None), &[dual, deb], dual),
            (Ipxe("", "", None), &[dual, deb], dual),
        ] {
            let mut expected = entries.to_vec();
            if entries.contains(&dual) {
                expected.push("transports");
            }
            expected.extend(["local", "shell"]);
            let seen = ipxe.run(&text);
            assert_eq!(seen.items, expected, "{ipxe:?}");
            assert_eq!(seen.start, start, "{ipxe:?}");
        }
        for (ipxe, starts) in [
            (BIOS32, "i686"),
            (X86, "i686"),
            (Ipxe("efi", "arm32", None), "arm32"),
            (Ipxe("efi", "riscv64", None), "riscv64"),
            (Ipxe("sbi", "riscv64", None), "riscv64"),
            (Ipxe("efi", "loong64", None), "loong64"),
        ] {
            let seen = ipxe.run(&text);
            let says = format!(
                "lanboot: this machine starts kernels for {starts}, and the images served here \
                 are for x86_64 and aarch64."
            );
            assert_eq!(
                (seen.says.as_slice(), seen.end),
                (&[says][..], "exit"),
                "{ipxe:?}"
            );
            assert!(seen.items.is_empty(), "{:?}", seen.items);
        }
    }

    #[test]
    fn a_32_bit_kernel_is_for_bios_and_32_bit_uefi() {
        let text = text(&catalog(), None, &only_http(), Memory::Unknown);
        let (wide, narrow) = ("entry-dual-x86_64", "entry-dual-i686");
        for (ipxe, entries, start) in [
            (BIOS, &[wide, narrow][..], wide),
            (BIOS32, &[narrow], narrow),
            (X64, &[wide], wide),
            (X86, &[narrow], narrow),
        ] {
            let seen = ipxe.run(&text);
            let expected: Vec<&str> = entries.iter().copied().chain(["local", "shell"]).collect();
            assert_eq!(
                (seen.items, seen.start.as_str()),
                (expected.clone(), start),
                "{ipxe:?}"
            );
        }
        let arm = ARM64.run(&text);
        assert!(arm.says[0].contains(" for aarch64, and "), "{:?}", arm.says);
        let at_once = self::text(
            &catalog(),
            Some(Duration::ZERO),
            &only_http(),
            Memory::Unknown,
        );
        assert_eq!(X64.run(&at_once).end, wide);
        assert_eq!(ARM64.run(&at_once).end, "exit");
        let empty = self::text(&Catalog::default(), None, &only_http(), Memory::Unknown);
        assert!(X64.run(&empty).says[0].contains("no image served here"));
        let whole = crate::testing::whole_image("memtest", &[]);
        let whole = Catalog::new(vec![Arc::new(whole)]);
        let whole = self::text(&whole, None, &only_http(), Memory::Unknown);
        let said = X64.run(&whole).says.concat();
        let expected = "lanboot: memtest starts only as a whole, by UEFI HTTP Boot.";
        assert_eq!(said, expected);
    }

    #[test]
    fn the_default_can_start_on_the_machine() {
        let images = [image("old", &[Cpu::I686]), image("new", &[Cpu::X86_64])];
        let catalog = Catalog::new(images.map(Arc::new).to_vec());
        let script = |boot| {
            let menu = Menu {
                timeout: None,
                boot: BootChoice::resolve(&catalog, boot).unwrap(),
                append: String::new(),
                transports: Transports::default(),
                kind: MenuKind::Generated,
            };
            ipxe(&catalog, &menu, &server(), Memory::Unknown)
        };
        for (boot, machine, start) in [
            (None, BIOS, "entry-old-i686"),
            (None, X64, "entry-new-x86_64"),
            (Some("old"), X64, "local"),
            (Some("new"), BIOS32, "local"),
            (Some("new"), BIOS, "entry-new-x86_64"),
        ] {
            let script = script(boot);
            let seen = machine.run(&script);
            assert_eq!(seen.start, start, "{boot:?} on {machine:?}");
            assert!(seen.items.contains(&start), "{:?}", seen.items);
        }
    }

    #[test]
    fn with_secure_boot_a_kernel_starts_through_its_vendors_shim_or_not_at_all() {
        let text = text(&mixed(), None, &server(), Memory::Unknown);
        let signed = section(&text, "entry-deb-x86_64");
        let expected = "imgfree\n\
            kernel http://10.0.0.1/iso/deb/arch/vmlinuz initrd=early%20img initrd=initramfs.img \
            vga=788 console=ttyS0 --- quiet || goto failed\n\
            initrd http://10.0.0.1/iso/deb/arch/early%20img || goto failed\n\
            initrd http://10.0.0.1/iso/deb/arch/initramfs.img || goto failed\n\
            iseq ${efi/SecureBoot} 01 && shim http://10.0.0.1/iso/deb/shim ||\n\
            boot || goto failed";
        assert_eq!(signed, expected);
        let unsigned = section(&text, "entry-dual-x86_64");
        assert!(unsigned.starts_with("iseq ${efi/SecureBoot} 01 && goto unsigned ||\n"));
        assert!(
            !section(&text, "entry-arm-aarch64").contains("shim"),
            "{text}"
        );
        assert!(
            section(&text, "unsigned").contains("Secure Boot is on"),
            "{text}"
        );
    }

    #[test]
    fn every_goto_has_its_label() {
        let text = text(&mixed(), Some(Duration::ZERO), &server(), Memory::Unasked);
        assert!(text.contains("\ngoto ${start}\n"), "{text}");
        let labels: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix(':')).collect();
        let items = text
            .lines()
            .filter_map(|l| l.split_once("item ")?.1.split(' ').next());
        let gotos = text
            .split("goto ")
            .skip(1)
            .filter_map(|l| l.split_whitespace().next());
        for target in items.chain(gotos).filter(|t| !t.starts_with('$')) {
            assert!(labels.contains(&target), "{target} has no label in {text}");
        }
    }

    #[test]
    fn arguments_cannot_end_the_kernel_line() {
        let mut image = image("odd", &[Cpu::X86_64]);
        let entry = &mut image.found.entries[0];
        for word in ["#debug", ";", "a#b", "x=\\", "$(id)"] {
            keep(entry, word);
        }
        let catalog = Catalog::new(vec![Arc::new(image)]);
        let menu = Menu {
            timeout: None,
            boot: BootChoice::first(&catalog),
            append: "|| shell && b ${net0/ip} #".into(),
            transports: Transports::default(),
            kind: MenuKind::Generated,
        };
        let text = ipxe(&catalog, &menu, &only_http(), Memory::Unknown);
        let entry = section(&text, "entry-odd-x86_64");
        let expected = "imgfree\nkernel http://10.0.0.1:8080/iso/odd/arch/vmlinuz \
            archisobasedir=arch a#b $(id) archiso_http_srv=http://10.0.0.1:8080/iso/odd/ ip=dhcp \
            BOOTIF=01-${netX/mac:hexhyp} net.ifnames=0 shell b initrd=early%20img \
            initrd=initramfs.img || goto failed\n";
        assert!(entry.contains(expected), "{entry}");
        let said = "# Left out, because iPXE would take them for its own: #debug ; x=/ || && $ {net0/ip} # .\n";
        assert!(entry.contains(said), "{entry}");
    }

    #[test]
    fn image_names_do_not_clash_with_script_labels() {
        let catalog = Catalog::new(vec![Arc::new(image("shell", &[Cpu::X86_64]))]);
        let text = text(&catalog, None, &server(), Memory::Unknown);
        assert_eq!(text.matches("\n:shell\n").count(), 1, "{text}");
        assert!(
            text.contains(" && set start entry-shell-x86_64 ||\n"),
            "{text}"
        );
    }
}
