//! The menu for iPXE.

use std::fmt::Write as _;

use super::{MAX_HELP, Menu, line, url, url_path, way};
use crate::catalog::{Catalog, Cpu, Entry, Image, Memory, Server, Signed, Spelling, Transport};

/// The script for `server` and a machine with so much `memory`.
pub fn ipxe(catalog: &Catalog, menu: &Menu, server: &Server, memory: Memory) -> String {
    let mut out = String::from("#!ipxe\n# Made by lanboot.\n");
    let has_root = catalog.entries().any(|(_, entry)| entry.root.is_some());
    let is_choosing = has_root && server.transports().count() > 1;
    if is_choosing && memory == Memory::Unasked {
        ask_for_memory(&mut out, server);
    }
    choose_start(&mut out, menu);
    if menu.timeout.is_some_and(|t| t.is_zero()) {
        out.push_str("goto ${start}\n");
    }
    out.push_str("\n:menu\nmenu lanboot - ${netX/mac} ${netX/ip}\n");
    let is_mixed = is_mixed(catalog);
    for (_, entry) in catalog.entries() {
        item_of(&mut out, entry, is_mixed, &label(&entry.id), &entry.title);
    }
    if is_choosing {
        item(&mut out, "ways", "Other ways for the root to travel ...");
    }
    item(&mut out, "local", "Boot from the local disk");
    item(&mut out, "shell", "iPXE shell");
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
        ways(&mut out, catalog, server);
    }
    for (image, entry) in catalog.entries() {
        let planned = menu.plan(image, entry, server, memory).transport;
        let _ = write!(out, "\n:{}\n", label(&entry.id));
        start(&mut out, image, entry, menu, server, planned);
        let ways = server
            .transports()
            .filter(|_| is_choosing && entry.root.is_some());
        for transport in ways {
            let _ = write!(out, "\n:{}\n", way_label(&entry.id, transport));
            start(&mut out, image, entry, menu, server, transport);
        }
    }
    if catalog
        .entries()
        .any(|(_, entry)| entry.signed == Signed::No)
    {
        out.push_str(UNSIGNED);
    }
    out.push_str(
        "\n:failed\necho lanboot: this did not start; the reason stands above.\n\
         prompt --timeout 30000 Press a key for the menu ||\ngoto menu\n\
         \n:shell\nshell\ngoto menu\n\
         \n:local\nexit\n",
    );
    out
}

/// What a machine with Secure Boot on reads instead of the firmware's refusal.
const UNSIGNED: &str = "\n:unsigned\n\
    echo Secure Boot is on, and nobody has signed the kernel of this entry for it.\n\
    echo Switch Secure Boot off in the firmware setup, or choose another entry.\n\
    prompt Press a key for the menu ||\ngoto menu\n";

/// Whether there are entries for x86 and for arm64 in one menu.
fn is_mixed(catalog: &Catalog) -> bool {
    let is_arm = |(_, entry): (_, &Entry)| entry.cpu == Cpu::Aarch64;
    catalog.entries().any(is_arm) && !catalog.entries().all(is_arm)
}

/// Comes again with what iPXE knows of the machine's memory. The answer to that has no such line,
/// so this cannot go round and round.
fn ask_for_memory(out: &mut String, server: &Server) {
    let _ = writeln!(
        out,
        "chain --replace {}/boot.ipxe?{} ||",
        server.http_origin(),
        Memory::query()
    );
}

/// The menu of every entry by every open door.
fn ways(out: &mut String, catalog: &Catalog, server: &Server) {
    out.push_str("\n:ways\nmenu How shall the root travel?\n");
    let is_mixed = is_mixed(catalog);
    for (_, entry) in catalog.entries().filter(|(_, e)| e.root.is_some()) {
        for transport in server.transports() {
            let title = format!("{} - {}", entry.title, way(transport));
            let label = way_label(&entry.id, transport);
            item_of(out, entry, is_mixed, &label, &title);
        }
    }
    item(out, "menu", "Back");
    out.push_str("choose picked || goto menu\ngoto ${picked}\n");
}

fn item(out: &mut String, label: &str, title: &str) {
    let _ = writeln!(out, "item {label} {}", line(title, MAX_HELP));
}

/// An item that only machines see that can start `entry`.
fn item_of(out: &mut String, entry: &Entry, is_mixed: bool, label: &str, title: &str) {
    let (before, after) = match (is_mixed, entry.cpu) {
        (false, _) => ("", ""),
        (true, Cpu::Aarch64) => ("iseq ${buildarch} arm64 && ", " ||"),
        // iPXE for BIOS calls itself i386 on every machine.
        (true, Cpu::X86_64 | Cpu::I686) => ("iseq ${buildarch} arm64 || ", ""),
    };
    let title = line(title, MAX_HELP);
    let _ = writeln!(out, "{before}item {label} {title}{after}");
}

/// The label of an entry that travels one certain way; no entry's own label begins like this.
fn way_label(id: &str, transport: Transport) -> String {
    format!("{transport}-{id}")
}

/// An entry's script label; the prefix keeps an image called `shell` apart from the shell.
fn label(id: &str) -> String {
    format!("entry-{id}")
}

/// Sets `start` to what begins unattended. iPXE asks the processor only where the answer matters
/// (bit 29 of the extended features is long mode).
fn choose_start(out: &mut String, menu: &Menu) {
    let _ = match (&menu.boot.x86_64, &menu.boot.i686) {
        (Some(wide), Some(narrow)) if wide != narrow => writeln!(
            out,
            "cpuid --ext 29 && set start {} || set start {}",
            label(wide),
            label(narrow)
        ),
        (Some(entry), _) => writeln!(out, "set start {}", label(entry)),
        (None, _) => writeln!(out, "set start local"),
    };
    let arm = menu.boot.aarch64.as_ref();
    let start = arm.map_or_else(|| "local".to_owned(), |entry| label(entry));
    let _ = writeln!(out, "iseq ${{buildarch}} arm64 && set start {start} ||");
}

fn start(
    out: &mut String,
    image: &Image,
    entry: &Entry,
    menu: &Menu,
    server: &Server,
    transport: Transport,
) {
    let place = image.at(server);
    let arguments = entry.command_line(transport, place, Spelling::Ipxe, &menu.append);
    load(out, image, entry, server, &arguments, "");
}

/// The commands that load and start `entry` with these arguments. `prefix` begins the script's
/// labels `failed` and `unsigned`.
pub(crate) fn load(
    out: &mut String,
    image: &Image,
    entry: &Entry,
    server: &Server,
    arguments: &str,
    prefix: &str,
) {
    let url = |path: &str| url(server, image, path);
    // UEFI kernels before 5.7 find their initramfs by these names; BIOS does not mind them.
    let names: String = entry
        .initrd
        .iter()
        .map(|path| {
            format!(
                " initrd={}",
                url_path(path.rsplit('/').next().unwrap_or(path))
            )
        })
        .collect();
    // debian-installer hands on to the installed system what stands behind `---`.
    let (before, after) = match entry.root {
        Some(_) => ("", names.as_str()),
        None => (names.as_str(), ""),
    };
    let arguments = format!("{before} {arguments}{after}");
    if entry.signed == Signed::No {
        let _ = writeln!(
            out,
            "iseq ${{efi/SecureBoot}} 01 && goto {prefix}unsigned ||"
        );
    }
    // `imgfree` drops what an earlier try left, and this script: newer iPXE would append it to
    // the initramfs (ipxe issue 1723).
    let _ = write!(
        out,
        "imgfree\nkernel {} {} || goto {prefix}failed\n",
        url(&entry.kernel),
        arguments.trim()
    );
    for path in &entry.initrd {
        let _ = writeln!(out, "initrd {} || goto {prefix}failed", url(path));
    }
    // iPXE 2.0 behind its own shim starts the kernel of a vendor through that vendor's shim. Older
    // ones know neither the variable nor the command.
    let shim = image
        .shims
        .iter()
        .find(|shim| entry.cpu.runs_on(shim.arch) && shim.trusts(&entry.signed));
    if let Some(shim) = shim {
        let _ = writeln!(
            out,
            "iseq ${{efi/SecureBoot}} 01 && shim {} ||",
            url(&shim.from)
        );
    }
    let _ = writeln!(out, "boot || goto {prefix}failed");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::{catalog, chain, image, installer, server};
    use crate::catalog::{BootChoice, MenuKind, Transports};
    use crate::machine::Arch;
    use std::sync::Arc;
    use std::time::Duration;

    fn only_http() -> Server {
        Server {
            http: "10.0.0.1:8080".parse().unwrap(),
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

    /// The lines of one label.
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
            text.contains("cpuid --ext 29 && set start entry-dual-x86_64 || "),
            "{text}"
        );
        assert!(
            !text.contains("memsize"),
            "there is nothing to choose: {text}"
        );
    }

    #[test]
    fn a_machine_is_asked_for_its_memory_once() {
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
    fn every_open_door_is_a_way_in_the_menu() {
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
                text.contains(&format!("\nitem {label} dual (i686) - ")),
                "{text}"
            );
            assert!(section(&text, label).contains(argument), "{text}");
        }
    }

    /// An unsigned image for x86, an installer for each kind of processor.
    fn mixed() -> Catalog {
        let by = || Signed::By(vec!["Debian".into()]);
        let mut deb = installer("deb", Cpu::X86_64, by());
        deb.shims = vec![chain(Arch::X64Uefi, "Debian", false).shim];
        Catalog::new(vec![
            Arc::new(image("dual", &[Cpu::X86_64])),
            Arc::new(deb),
            Arc::new(installer("arm", Cpu::Aarch64, by())),
        ])
    }

    #[test]
    fn machines_see_what_their_processor_can_start() {
        let text = text(&mixed(), None, &server(), Memory::Unknown);
        for line in [
            "set start entry-dual-x86_64",
            "iseq ${buildarch} arm64 && set start entry-arm-aarch64 ||",
            "iseq ${buildarch} arm64 || item entry-dual-x86_64 dual (x86_64)",
            "iseq ${buildarch} arm64 && item entry-arm-aarch64 arm (aarch64) ||",
            "iseq ${buildarch} arm64 || item nfs-dual-x86_64 dual (x86_64) - read over NFS, little memory",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
        }
        assert!(!text.contains("nfs-deb"), "it has no root: {text}");
        let only = Catalog::new(vec![Arc::new(image("dual", &[Cpu::X86_64]))]);
        let text = self::text(&only, None, &server(), Memory::Unknown);
        assert!(
            text.contains("\niseq ${buildarch} arm64 && set start local ||\n"),
            "{text}"
        );
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
    fn an_image_may_be_called_like_a_label_of_the_script() {
        let catalog = Catalog::new(vec![Arc::new(image("shell", &[Cpu::X86_64]))]);
        let text = text(&catalog, None, &server(), Memory::Unknown);
        assert_eq!(text.matches("\n:shell\n").count(), 1, "{text}");
        assert!(text.contains("set start entry-shell-x86_64\n"), "{text}");
    }
}
