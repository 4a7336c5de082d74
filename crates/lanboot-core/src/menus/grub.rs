//! The menu for GRUB, in two files.
//!
//! UEFI machines get GRUB behind a signed shim, because a server cannot find out whether Secure
//! Boot is on. GRUB knows (`$lockdown`). If it is on, the first file sources the second one,
//! `locked.cfg`: that request informs the server, and its menu names what the firmware will not
//! start. If it is off, the first file is the menu. iPXE has a better menu, but is never started
//! from GRUB: GRUB keeps the network card, and iPXE then finds none or hangs.
//!
//! Only commands built into signed GRUBs are used, because with Secure Boot on they load no
//! modules: there is no `http` in Debian's, and no `read` in any. Text from outside is in single
//! quotes or escaped in double quotes; no title and no argument can end its string.

pub(super) mod explanations;
mod kinds;
pub(super) mod quoting;

use std::fmt::Write as _;
use std::net::IpAddr;

pub(crate) use self::explanations::refused;
use self::explanations::{incomplete, not_offered};
use self::kinds::{
    firmware_of, is_kernel, linux_commands, multiboot_commands, on_firmware, program_commands,
};
use self::quoting::{MAX_WORD, argument, arguments, quoted, shown};

use super::{MAX_HELP, Menu, overlay, transport_label, unreachable, url_path};
use crate::catalog::{Catalog, Cpu, Dialect, Entry, Firmware, Image, Server, Transport};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::images::{EntryKind, Linux};
use crate::loaders::{GrubHttpTest, LOCKED, Loaders, Memdisk, Shim, secure_names};
use crate::machine::Arch;
use crate::pe::Signed;
use crate::plan::{Memory, shim_grub};
use crate::route::Route;
use crate::text::ascii;

/// GRUB's names for the processors it can be built for, with UEFI (`$grub_cpu`).
const CPUS: [(Arch, &str); 6] = [
    (Arch::X64Uefi, "x86_64"),
    (Arch::X86Uefi, "i386"),
    (Arch::Arm64Uefi, "arm64"),
    (Arch::Arm32Uefi, "arm"),
    (Arch::Riscv64Uefi, "riscv64"),
    (Arch::Loong64Uefi, "loongarch64"),
];

/// Input of both files.
#[derive(Clone, Copy, Debug)]
pub struct Grub<'a> {
    /// The images.
    pub catalog: &'a Catalog,
    /// The loaders.
    pub loaders: &'a Loaders,
    /// The operator's menu settings.
    pub menu: &'a Menu,
    /// Addresses of the server as seen by the machine.
    pub server: &'a Server,
    /// The mask of the machine's network.
    pub netmask: IpAddr,
}

/// Secure Boot state a menu is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock<'a> {
    /// Any kernel starts.
    Off,
    /// Only kernels trusted by this shim; `None` if it is not one of ours.
    On(Option<&'a Shim>),
}

impl Grub<'_> {
    /// Begins the menu of machines with Secure Boot on.
    pub(super) const LOCKED_PRELUDE: &'static str = "# Made by lanboot: Secure Boot is on.\n";

    /// Returns `grub.cfg`, whatever its size.
    pub(crate) fn first(&self) -> String {
        let mut out = self.prelude();
        self.menu(&mut out, Lock::Off);
        out
    }

    /// Returns the beginning of `grub.cfg`: the device its files come from, and where a machine with
    /// Secure Boot on goes.
    pub(super) fn prelude(&self) -> String {
        let mut out = String::from("# Made by lanboot.\n");
        let address = self.server.http.url_host();
        let _ = writeln!(out, "set lanboot=tftp,{address}\nset lanboot_secure=secure");
        // GRUB before 2.12 does not accept a port.
        if self.server.http.has_default_port() {
            let _ = writeln!(
                out,
                "if [ \"$root\" = \"http,{address}\" ]; then\n\
                 set lanboot=http,{address}\nset lanboot_secure=secure-http\nfi"
            );
            let test = Route::Loader(GrubHttpTest.into());
            for (_, cpu) in CPUS.iter().filter(|(arch, _)| self.has_http(*arch)) {
                let _ = writeln!(
                    out,
                    "if [ \"$grub_cpu\" = \"{cpu}\" ]; then source (http,{address})/{test}; fi"
                );
            }
        }
        out.push_str("export lanboot\nif [ \"$lockdown\" = \"y\" ]; then\n");
        for (arch, cpu) in CPUS {
            if let Some((folder, _)) = secure_names(arch) {
                let _ = writeln!(
                    out,
                    "if [ \"$grub_cpu\" = \"{cpu}\" ]; then \
                     configfile ($lanboot)/loader/$lanboot_secure/{folder}/{LOCKED}; fi"
                );
            }
        }
        // An empty branch would be a syntax error in GRUB.
        out.push_str("true\nfi\n");
        out
    }

    /// Returns `locked.cfg`, whatever its size: the menu of machines that came through this shim
    /// with Secure Boot on.
    pub(crate) fn locked(&self, shim: Option<&Shim>) -> String {
        let mut out = String::from(Self::LOCKED_PRELUDE);
        self.menu(&mut out, Lock::On(shim));
        out
    }

    /// Returns the warning to log for a machine of this kind that requested its menu.
    pub fn locked_warning(&self, arch: Arch, shim: Option<&Shim>) -> Diagnostic {
        let entries = self.catalog.entries().map(|(_, entry)| entry);
        let fitting: Vec<&Entry> = entries.filter(|entry| entry.runs_on(arch)).collect();
        if fitting.is_empty() {
            let text = format!("Secure Boot is on; no image served is for {arch} machines");
            return DiagnosticCode::SecureBootNoImage.with(text);
        }
        let refused = fitting.iter().filter(|entry| !trusts(shim, entry));
        let refused: Vec<&str> = refused.map(|entry| entry.id.as_str()).collect();
        if refused.is_empty() {
            return DiagnosticCode::SecureBootOn
                .with("Secure Boot is on; every kernel served is signed for it");
        }
        DiagnosticCode::SecureBootRejectsKernel.with(format!(
            "Secure Boot is on and rejects the kernel of {}: it is not signed by a trusted key; \
             to start it, switch Secure Boot off in the firmware or enrol the key of its vendor",
            refused.join(", ")
        ))
    }

    fn has_http(&self, arch: Arch) -> bool {
        let boot = &self.menu.boot;
        shim_grub(self.catalog, self.loaders, boot, arch, false).is_some_and(|pair| pair.grub.http)
    }

    fn menu(&self, out: &mut String, lock: Lock<'_>) {
        self.begin(out);
        for cpu in Cpu::ALL {
            self.of_cpu(out, cpu, lock);
        }
        self.others(out, lock);
        for (_, entry, why) in self.catalog.incomplete_entries() {
            let _ = writeln!(out, "if {}; then", grub_starts(entry));
            incomplete(out, entry, &id(&entry.id), &why);
            out.push_str("fi\n");
        }
        self.unreachable(out);
        self.end(out, lock);
    }

    /// Writes what starts by itself, and when.
    pub(super) fn begin(&self, out: &mut String) {
        if let Some(timeout) = self.menu.timeout {
            // Whole seconds, rounded up: less than one must not skip the menu.
            let seconds = timeout.as_millis().div_ceil(1000);
            let _ = writeln!(out, "set timeout={seconds}");
        }
        let _ = writeln!(out, "set default={LOCAL}");
        self.defaults(out);
    }

    /// Writes the items that a menu has besides the images.
    pub(super) fn end(&self, out: &mut String, lock: Lock<'_>) {
        self.nothing(out);
        if lock != Lock::Off {
            out.push_str("menuentry 'Firmware setup' --id lanboot-setup { fwsetup }\n");
        }
        let _ = writeln!(
            out,
            "menuentry 'Boot from the local disk' --id {LOCAL} {{ exit }}"
        );
    }

    /// Sets the default entries.
    fn defaults(&self, out: &mut String) {
        let start = |firmware| {
            let (_, entry) = self.menu.boot.entry(self.catalog, firmware)?;
            Some(quoted(&id(&entry.id)))
        };
        let mut set = |tests: &[&str], start: Option<String>| {
            let Some(start) = start else { return };
            let ifs: String = tests
                .iter()
                .map(|test| format!("if {test}; then "))
                .collect();
            let _ = writeln!(
                out,
                "{ifs}set default={start}{}",
                "; fi".repeat(tests.len())
            );
        };
        let (wide, narrow) = (start(Firmware::Bios64), start(Firmware::Bios32));
        let is_bios = "[ \"$grub_platform\" = \"pc\" ]";
        if wide != narrow && narrow.is_some() {
            set(&[is_bios], narrow);
            // A GRUB for BIOS can load modules: nothing locks it.
            set(&[is_bios, "cpuid -l"], wide);
        } else {
            set(&[is_bios], wide);
        }
        for (firmware, test) in [
            (Firmware::X64Uefi, "[ \"$grub_cpu\" = \"x86_64\" ]"),
            (
                Firmware::X86Uefi,
                "[ \"$grub_cpu\" = \"i386\" -a \"$grub_platform\" != \"pc\" ]",
            ),
            (Firmware::Arm64Uefi, "[ \"$grub_cpu\" = \"arm64\" ]"),
            (Firmware::Riscv64Uefi, "[ \"$grub_cpu\" = \"riscv64\" ]"),
        ] {
            set(&[test], start(firmware));
        }
    }

    /// Writes the entries without a usable root transport; choosing one shows the reason.
    fn unreachable(&self, out: &mut String) {
        for (entry, sentence) in unreachable(self.catalog) {
            let _ = writeln!(
                out,
                "if {}; then menuentry {} --id {} {{ {}; }}; fi",
                grub_starts(entry),
                quoted(&format!("{} (not offered)", entry.title)),
                quoted(&id(&entry.id)),
                not_offered(&sentence),
            );
        }
    }

    /// Writes the message for machines that can start none of the entries; it continues by itself.
    fn nothing(&self, out: &mut String) {
        let kernels = || self.catalog.entries().filter(|(_, entry)| is_kernel(entry));
        let has = |cpu: &Cpu| kernels().any(|(_, entry)| entry.cpu == *cpu);
        let has_others = self.others_started().next().is_some();
        let cpus: Vec<&str> = Cpu::ALL
            .iter()
            .filter(|c| has(c))
            .map(|c| c.name())
            .collect();
        let whole = self.catalog.about_whole_images();
        let served = match (cpus.as_slice(), whole) {
            ([], Some(whole)) => format!("{whole}."),
            ([], None) if has_others => "No image served here is for a machine like this.".into(),
            ([], None) => "No image served here has an entry that can be started.".into(),
            (cpus, _) => format!("The images served here are for {}.", cpus.join(" and ")),
        };
        let _ = write!(
            out,
            "if [ \"$lanboot_fits\" != \"y\" ]; then\nset default={NOTHING}\n\
             menuentry 'No image for this machine' --id '{NOTHING}' {{\n\
             echo \"This machine starts kernels for $grub_cpu.\"\necho {}\n\
             echo 'Press Esc to go on without the network.'\nsleep --interruptible 30\nexit\n}}\nfi\n",
            quoted(&served)
        );
    }

    /// Writes the entries for one processor, shown only where they can start.
    fn of_cpu(&self, out: &mut String, cpu: Cpu, lock: Lock<'_>) {
        let is_of = |entry: &Entry| is_kernel(entry) && entry.cpu == cpu;
        let entries = || self.catalog.entries().filter(|(_, entry)| is_of(entry));
        if entries().next().is_none() {
            return;
        }
        let _ = writeln!(out, "if {}; then\nset lanboot_fits=y", starts_kernels(cpu));
        for (image, entry) in entries() {
            if lock.refuses(entry) {
                refused(out, image, entry, &id(&entry.id));
                continue;
            }
            // GRUB does not report the amount of memory.
            let planned = self.menu.plan(image, entry, self.server, Memory::Unknown);
            self.entry(
                out,
                &image.title(entry),
                &id(&entry.id),
                image,
                entry,
                planned.transport,
            );
        }
        let is_choice = |(_, entry): &(_, &Entry)| entry.root.is_some() && !lock.refuses(entry);
        if self.server.transports().count() > 1 && entries().any(|found| is_choice(&found)) {
            out.push_str("submenu 'Root transport (HTTP, NFS, NBD) ...' {\n");
            for (image, entry) in entries().filter(is_choice) {
                for transport in self.menu.transports(entry, self.server) {
                    let title = format!("{} - {}", image.title(entry), transport_label(transport));
                    let id = format!("{transport}-{}", entry.id);
                    self.entry(out, &title, &id, image, entry, transport);
                }
            }
            out.push_str("}\n");
        }
        out.push_str("fi\n");
    }

    /// Lists the entries that are no Linux kernels, and that GRUB starts on some machine.
    fn others_started(&self) -> impl Iterator<Item = (&Image, &Entry)> {
        let all = self.catalog.entries();
        let all = all.map(|(image, entry)| (image.as_ref(), entry));
        all.filter(|(image, entry)| !is_kernel(entry) && self.starts(image, entry))
    }

    /// Tests whether GRUB starts `entry` on some machine.
    pub(crate) fn starts(&self, image: &Image, entry: &Entry) -> bool {
        let has_loader = match entry.kind {
            EntryKind::Linux(_) | EntryKind::Program(_) | EntryKind::Multiboot(_) => true,
            EntryKind::Disk(_) => self.loaders.has_memdisk() && image.fits_memdisk(),
        };
        has_loader && firmware_of(entry).next().is_some()
    }

    /// Writes the entries that are no Linux kernels, each shown only where it can start.
    fn others(&self, out: &mut String, lock: Lock<'_>) {
        for (image, entry) in self.others_started() {
            let test = grub_starts(entry);
            let _ = writeln!(out, "if {test}; then\nset lanboot_fits=y");
            let id = id(&entry.id);
            match lock.refuses(entry) {
                true => refused(out, image, entry, &id),
                false => self.entry(out, &image.title(entry), &id, image, entry, Transport::Http),
            }
            out.push_str("fi\n");
        }
    }

    /// Writes an entry that reads its files from the device in `$lanboot`.
    pub(crate) fn entry(
        &self,
        out: &mut String,
        title: &str,
        id: &str,
        image: &Image,
        entry: &Entry,
        transport: Transport,
    ) {
        let _ = writeln!(
            out,
            "menuentry {} --id {} {{",
            shown(title, MAX_HELP),
            quoted(id),
        );
        self.body(out, title, image, entry, transport);
        out.push_str("}\n");
    }

    /// Writes the commands of an entry.
    pub(super) fn body(
        &self,
        out: &mut String,
        title: &str,
        image: &Image,
        entry: &Entry,
        transport: Transport,
    ) {
        let netmask = self.netmask;
        let source = image.at(self.server);
        let dialect = Dialect::Grub { netmask };
        let line = entry.command_line(transport, source, dialect, &self.menu.append);
        let arguments: Vec<String> = arguments(&line).iter().map(|word| argument(word)).collect();
        let _ = write!(
            out,
            "echo {}\n{}",
            shown(&format!("Loading {title} ..."), MAX_HELP),
            self.commands(image, entry, &arguments.join(" ")),
        );
    }

    /// Returns the commands that load `entry` with these arguments, which are quoted.
    fn commands(&self, image: &Image, entry: &Entry, arguments: &str) -> String {
        let file = |path: &String| self.file(image, path);
        match &entry.kind {
            EntryKind::Linux(Linux { kernel, initrd }) => {
                let initrd: Vec<String> = match overlay(image, entry) {
                    Some(route) => vec![format!("($lanboot)/{route}")],
                    None => initrd.iter().map(file).collect(),
                };
                linux_commands(&file(kernel), &initrd, arguments)
            }
            EntryKind::Program(program) => program_commands(program, arguments, file),
            EntryKind::Multiboot(multiboot) => multiboot_commands(multiboot, arguments, file),
            EntryKind::Disk(_) => {
                let memdisk = Route::Loader(Memdisk.into());
                let disk = Route::WholeImage(image.name.clone());
                let words = image.memdisk_words();
                format!(
                    "if linux16 ($lanboot)/{memdisk} {words}; then initrd16 ($lanboot)/{disk}; fi\n"
                )
            }
        }
    }

    /// Returns GRUB's path of a file in an image. GRUB sends paths unencoded, so one that would
    /// need encoding for HTTP goes over TFTP.
    fn file(&self, image: &Image, path: &str) -> String {
        if url_path(path) == path {
            return format!("($lanboot)/{}", Route::of_image(&image.name, path));
        }
        let address = self.server.http.url_host();
        let path = ascii(path, MAX_WORD);
        let route = Route::of_image(&image.name, &path);
        quoted(&format!("(tftp,{address})/{route}"))
    }
}

/// Entry that leaves the network.
const LOCAL: &str = "lanboot-local";
/// Entry that explains why there are no others.
const NOTHING: &str = "lanboot-nothing";

/// Returns the test whether this GRUB starts `entry`.
pub(crate) fn grub_starts(entry: &Entry) -> String {
    if is_kernel(entry) {
        return starts_kernels(entry.cpu).to_owned();
    }
    let mut tests: Vec<&str> = firmware_of(entry).map(on_firmware).collect();
    tests.dedup();
    match tests.is_empty() {
        true => "false".into(),
        false => format!("[ {} ]", tests.join(" -o ")),
    }
}

/// Returns the test whether this GRUB starts kernels for `cpu`. A GRUB for BIOS is 32-bit and
/// starts both kinds of x86.
pub(super) fn starts_kernels(cpu: Cpu) -> &'static str {
    match cpu {
        Cpu::X86_64 => "[ \"$grub_cpu\" = \"x86_64\" -o \"$grub_platform\" = \"pc\" ]",
        Cpu::I686 => "[ \"$grub_cpu\" = \"i386\" ]",
        Cpu::Aarch64 => "[ \"$grub_cpu\" = \"arm64\" ]",
        Cpu::Riscv64 => "[ \"$grub_cpu\" = \"riscv64\" ]",
    }
}

/// Returns the file that only a GRUB with the module `http` can source.
pub fn grub_http(server: &Server) -> String {
    format!("set lanboot=http,{}\n", server.http.url_host())
}

/// Returns `grub.cfg` for a GRUB started from a disk: it does not have the firmware's network
/// configuration, so it runs DHCP again (`net_bootp` in every version), and then fetches
/// the first page.
pub fn grub_disk(server: &Server) -> String {
    let address = server.http.url_host();
    let menu = format!("source (tftp,{address})/grub/grub.cfg");
    format!(
        "# Made by lanboot.\nnet_bootp\n{menu}\n\
         menuentry 'No menu came from {address}: try again' {{\nnet_bootp\n\
         configfile (tftp,{address})/grub/grub.cfg\n}}\n\
         menuentry 'Boot from the local disk' --id {LOCAL} {{ exit }}\n"
    )
}

impl Lock<'_> {
    /// Returns whether firmware rejects the kernel of an entry.
    pub(super) fn refuses(self, entry: &Entry) -> bool {
        match self {
            Self::Off => false,
            Self::On(shim) => !trusts(shim, entry),
        }
    }
}

/// Returns whether firmware with Secure Boot on rejects the kernel behind any shim.
pub(crate) fn is_refused(entry: &Entry) -> bool {
    Lock::On(None).refuses(entry)
}

/// Returns whether a shim may trust what `entry` starts: an unknown one any signature, and any one that
/// of a program (a unified kernel image), whose key the machine's owner may have enrolled.
fn trusts(shim: Option<&Shim>, entry: &Entry) -> bool {
    let is_signed = entry.signed != Signed::No;
    let is_program = matches!(entry.kind, EntryKind::Program(_));
    shim.map_or(is_signed, |shim| {
        shim.trusts(&entry.signed) || (is_program && is_signed)
    })
}

/// Returns an entry's id in the menu; the prefix separates it from built-in entries.
pub(super) fn id(entry: &str) -> String {
    format!("entry-{entry}")
}

#[cfg(test)]
mod tests;
