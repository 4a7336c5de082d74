//! The menu for GRUB, in two files.
//!
//! GRUB behind a signed shim is what UEFI machines get, because nobody can ask whether Secure Boot
//! is on. GRUB itself knows (`$lockdown`). Where it is on, the first file asks for the second one,
//! `locked.cfg`: that request tells this server, and the menu in it names what the firmware will not
//! start. Where it is off, the first file is the menu. iPXE has a better one, but is never started
//! from here: GRUB keeps the network card, and iPXE then finds none or hangs.
//!
//! Only commands that signed GRUBs have built in are used, because with Secure Boot on they load no
//! modules: no `http` in Debian's, no `read` anywhere. What is not written here is in single
//! quotes or escaped in double ones; no title and no argument can end its string.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::{MAX_HELP, Menu, incomplete_title, transport_label, unreachable, url_path};
use crate::catalog::{
    Catalog, Cpu, Dialect, Entry, Firmware, Image, Incomplete, Loaders, Memory, Server, Shim,
    Signed, Transport, chain, secure_names,
};
use crate::machine::Arch;
use crate::text::{ascii, printable};

/// What GRUB calls the processors it can be built for, with UEFI (`$grub_cpu`).
const CPUS: [(Arch, &str); 6] = [
    (Arch::X64Uefi, "x86_64"),
    (Arch::X86Uefi, "i386"),
    (Arch::Arm64Uefi, "arm64"),
    (Arch::Arm32Uefi, "arm"),
    (Arch::Riscv64Uefi, "riscv64"),
    (Arch::Loong64Uefi, "loongarch64"),
];
/// Longest argument, in bytes: kernels cut their command line at 2048 on x86.
const MAX_WORD: usize = 2048;
/// GRUB's own names for what only it knows; every other `$` is an ordinary character.
const KNOWN: [&str; 2] = ["${net_default_mac}", "${net_default_ip}"];

/// What both files are made from.
#[derive(Clone, Copy, Debug)]
pub struct Grub<'a> {
    /// The images.
    pub catalog: &'a Catalog,
    /// The loaders.
    pub loaders: &'a Loaders,
    /// What the operator decided.
    pub menu: &'a Menu,
    /// Our doors as the machine reaches them.
    pub server: &'a Server,
    /// The mask of the machine's network.
    pub netmask: Ipv4Addr,
}

/// Where a menu stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock<'a> {
    /// Any kernel starts.
    Off,
    /// Only what this shim trusts; `None` when it is not one of ours.
    On(Option<&'a Shim>),
}

impl Grub<'_> {
    /// `grub.cfg`.
    pub fn first(&self) -> String {
        let mut out = String::from("# Made by lanboot for whoever asks.\n");
        let address = self.server.http.ip();
        let _ = writeln!(out, "set lanboot=tftp,{address}\nset lanboot_secure=secure");
        // Before 2.12 GRUB cannot be told a port.
        if self.server.http.port() == 80 {
            let _ = writeln!(
                out,
                "if [ \"$root\" = \"http,{address}\" ]; then\n\
                 set lanboot=http,{address}\nset lanboot_secure=secure-http\nfi"
            );
            for (_, cpu) in CPUS.iter().filter(|(arch, _)| self.has_http(*arch)) {
                let _ = writeln!(
                    out,
                    "if [ \"$grub_cpu\" = \"{cpu}\" ]; then source (http,{address})/{HTTP_TEST}; fi"
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
        // An empty branch would be a mistake in GRUB's language.
        out.push_str("true\nfi\n");
        self.menu(&mut out, Lock::Off);
        out
    }

    /// `locked.cfg`: the menu of machines that came through this shim with Secure Boot on.
    pub fn locked(&self, shim: Option<&Shim>) -> String {
        let mut out = String::from("# Made by lanboot: Secure Boot is on.\n");
        self.menu(&mut out, Lock::On(shim));
        out
    }

    /// What the journal says of a machine of this kind that asked for [`Self::locked`].
    pub fn locked_warning(&self, arch: Arch, shim: Option<&Shim>) -> String {
        let entries = self.catalog.entries().map(|(_, entry)| entry);
        let fitting: Vec<&Entry> = entries.filter(|entry| entry.cpu.runs_on(arch)).collect();
        if fitting.is_empty() {
            return format!("Secure Boot is on; no image served is for {arch} machines");
        }
        let refused: Vec<&str> = fitting
            .iter()
            .filter(|entry| !trusts(shim, entry))
            .map(|entry| entry.id.as_str())
            .collect();
        if refused.is_empty() {
            return "Secure Boot is on; every kernel served is signed for it".into();
        }
        format!(
            "Secure Boot is on, and it refuses the kernel of {}: nobody it trusts has signed it; \
             to start it, switch Secure Boot off in the firmware or enrol the key of its maker",
            refused.join(", ")
        )
    }

    fn has_http(&self, arch: Arch) -> bool {
        let boot = &self.menu.boot;
        chain(self.catalog, self.loaders, boot, arch, false).is_some_and(|chain| chain.grub.http)
    }

    fn menu(&self, out: &mut String, lock: Lock<'_>) {
        if let Some(timeout) = self.menu.timeout {
            // Whole seconds; less than one is no reason to skip the menu.
            let seconds = timeout.as_millis().div_ceil(1000);
            let _ = writeln!(out, "set timeout={seconds}");
        }
        let _ = writeln!(out, "set default={LOCAL}");
        self.defaults(out);
        for cpu in Cpu::ALL {
            self.of_cpu(out, cpu, lock);
        }
        for (_, entry, why) in self.catalog.incomplete_entries() {
            let _ = writeln!(out, "if {}; then", grub_starts(entry.cpu));
            incomplete(out, entry, &id(&entry.id), &why);
            out.push_str("fi\n");
        }
        self.unreachable(out);
        self.nothing(out);
        if lock != Lock::Off {
            out.push_str("menuentry 'Firmware setup' --id lanboot-setup { fwsetup }\n");
        }
        let _ = writeln!(
            out,
            "menuentry 'Boot from the local disk' --id {LOCAL} {{ exit }}"
        );
    }

    /// What starts when nobody presses a key.
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
            // A GRUB for BIOS has its modules: nothing locks it.
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
        ] {
            set(&[test], start(firmware));
        }
    }

    /// The entries to which no root can travel: choosing one says why.
    fn unreachable(&self, out: &mut String) {
        for (entry, sentence) in unreachable(self.catalog) {
            let _ = writeln!(
                out,
                "if {}; then menuentry {} --id {} {{ echo {}; sleep --interruptible 30; }}; fi",
                grub_starts(entry.cpu),
                quoted(&format!("{} (not offered)", entry.title)),
                quoted(&id(&entry.id)),
                quoted(&printable(sentence.as_bytes(), 4 * MAX_HELP)),
            );
        }
    }

    /// What a machine reads that can start none of the entries. It goes on by itself.
    fn nothing(&self, out: &mut String) {
        let has = |cpu: &Cpu| self.catalog.entries().any(|(_, entry)| entry.cpu == *cpu);
        let cpus: Vec<&str> = Cpu::ALL
            .iter()
            .filter(|c| has(c))
            .map(|c| c.name())
            .collect();
        let whole = self.catalog.about_whole_images();
        let served = match (cpus.as_slice(), whole) {
            ([], Some(whole)) => format!("{whole}."),
            ([], None) => "No image served here has an entry that can be started.".into(),
            (cpus, _) => format!("The images served here are for {}.", cpus.join(" and ")),
        };
        let _ = write!(
            out,
            "if [ \"$lanboot_fits\" != \"y\" ]; then\nset default={NOTHING}\n\
             menuentry 'Nothing here is for this machine' --id '{NOTHING}' {{\n\
             echo \"This machine starts kernels for $grub_cpu.\"\necho {}\n\
             echo 'Press Esc to go on without the network.'\nsleep --interruptible 30\nexit\n}}\nfi\n",
            quoted(&served)
        );
    }

    /// The entries for one processor, shown only where they can start.
    fn of_cpu(&self, out: &mut String, cpu: Cpu, lock: Lock<'_>) {
        let entries = || self.catalog.entries().filter(|(_, entry)| entry.cpu == cpu);
        if entries().next().is_none() {
            return;
        }
        let _ = writeln!(out, "if {}; then\nset lanboot_fits=y", grub_starts(cpu));
        for (image, entry) in entries() {
            if lock.refuses(entry) {
                refused(out, image, entry, &id(&entry.id));
                continue;
            }
            // GRUB does not tell how much memory there is.
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
            out.push_str("submenu 'Other ways for the root to travel ...' {\n");
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

    /// An entry that reads its files from the device in `$lanboot`.
    pub(crate) fn entry(
        &self,
        out: &mut String,
        title: &str,
        id: &str,
        image: &Image,
        entry: &Entry,
        transport: Transport,
    ) {
        let netmask = self.netmask;
        let source = image.at(self.server);
        let dialect = Dialect::Grub { netmask };
        let line = entry.command_line(transport, source, dialect, &self.menu.append);
        let file = |path: &String| self.file(image, path);
        let initrd: Vec<String> = entry.initrd.iter().map(file).collect();
        let arguments: Vec<String> = arguments(&line).iter().map(|word| argument(word)).collect();
        let _ = writeln!(
            out,
            "menuentry {} --id {} {{\necho {}\nif linux {} {}; then initrd {}; fi\n}}",
            shown(title, MAX_HELP),
            quoted(id),
            shown(&format!("Loading {title} ..."), MAX_HELP),
            file(&entry.kernel),
            arguments.join(" "),
            initrd.join(" "),
        );
    }

    /// A file of an image. Over HTTP GRUB sends a path as it is written, and over TFTP too, so
    /// one that would have to be encoded for HTTP goes over TFTP.
    fn file(&self, image: &Image, path: &str) -> String {
        if url_path(path) == path {
            return format!("($lanboot)/iso/{}/{path}", image.name);
        }
        let address = self.server.http.ip();
        let path = ascii(path, MAX_WORD);
        quoted(&format!("(tftp,{address})/iso/{}/{path}", image.name))
    }
}

/// The file a GRUB with the module `http` can source.
const HTTP_TEST: &str = "loader/secure/http.cfg";
/// Name of the second file.
pub(crate) const LOCKED: &str = "locked.cfg";
/// The entry that leaves the network.
const LOCAL: &str = "lanboot-local";
/// The entry that says why there are no others.
const NOTHING: &str = "lanboot-nothing";

/// The test whether this GRUB starts kernels for `cpu`. One for BIOS is 32-bit and starts both
/// kinds of x86.
pub(crate) fn grub_starts(cpu: Cpu) -> &'static str {
    match cpu {
        Cpu::X86_64 => "[ \"$grub_cpu\" = \"x86_64\" -o \"$grub_platform\" = \"pc\" ]",
        Cpu::I686 => "[ \"$grub_cpu\" = \"i386\" ]",
        Cpu::Aarch64 => "[ \"$grub_cpu\" = \"arm64\" ]",
    }
}

/// The file that a GRUB with the module `http` can source, and others cannot.
pub fn grub_http(server: &Server) -> String {
    format!("set lanboot=http,{}\n", server.http.ip())
}

/// `grub.cfg` for a GRUB that was started from a disk: what firmware knew of the network is lost to
/// it, so it asks DHCP again (`net_bootp` in every version), and then fetches [`Grub::first`].
pub fn grub_disk(server: &Server) -> String {
    let address = server.http.ip();
    let menu = format!("source (tftp,{address})/grub/grub.cfg");
    format!(
        "# Made by lanboot.\nnet_bootp\n{menu}\n\
         menuentry 'No menu came from {address}: try again' {{\nnet_bootp\n\
         configfile (tftp,{address})/grub/grub.cfg\n}}\n\
         menuentry 'Boot from the local disk' --id {LOCAL} {{ exit }}\n"
    )
}

impl Lock<'_> {
    fn refuses(self, entry: &Entry) -> bool {
        match self {
            Self::Off => false,
            Self::On(shim) => !trusts(shim, entry),
        }
    }
}

/// Whether firmware with Secure Boot on refuses the kernel behind any shim.
pub(crate) fn is_refused(entry: &Entry) -> bool {
    Lock::On(None).refuses(entry)
}

/// A shim that is not known is believed to trust whatever is signed.
fn trusts(shim: Option<&Shim>, entry: &Entry) -> bool {
    match shim {
        Some(shim) => shim.trusts(&entry.signed),
        None => entry.signed != Signed::No,
    }
}

/// An entry that says why it will not start and never tries. It waits until Esc is pressed, also
/// where the menu was to start it at once, and leaves a menu that waits.
pub(crate) fn refused(out: &mut String, image: &Image, entry: &Entry, id: &str) {
    let title = image.title(entry);
    let by = match entry.signed.names().first() {
        Some(name) => format!(
            "It is signed by {}, whom this shim does not know.",
            quiet(name)
        ),
        None => "Nobody has signed it.".into(),
    };
    let _ = write!(
        out,
        "menuentry {} --id {} {{\nset timeout=-1\n",
        shown(&format!("{title} - needs Secure Boot off"), MAX_HELP),
        quoted(id),
    );
    for text in [
        "",
        &format!("Secure Boot is on, and the firmware refuses the kernel of {title}."),
        &by,
        "Switch Secure Boot off in the firmware setup, or enrol the key of its maker,",
        "and start this machine again.",
        "",
        "Press Esc for the menu.",
    ] {
        let _ = writeln!(out, "echo {}", shown(text, MAX_HELP * 2));
    }
    out.push_str("sleep --interruptible 3600\n}\n");
}

/// Writes an entry that says what is missing of it and never tries; as [`refused`] it waits for Esc.
fn incomplete(out: &mut String, entry: &Entry, id: &str, why: &Incomplete) {
    let title = incomplete_title(entry, why);
    let _ = write!(
        out,
        "menuentry {} --id {} {{\nset timeout=-1\n",
        quoted(&title),
        quoted(id)
    );
    for text in [
        "",
        &format!("{} cannot start:", ascii(&entry.title, 40)),
        &ascii(&why.to_string(), MAX_WORD),
        "Copy or download the image again on the server.",
        "",
        "Press Esc for the menu.",
    ] {
        let _ = writeln!(out, "echo {}", quoted(text));
    }
    out.push_str("sleep --interruptible 3600\n}\n");
}

/// A signer's name as part of a sentence on one line.
fn quiet(name: &str) -> String {
    ascii(name, 36)
}

/// An entry's name in the menu; the prefix keeps it apart from ours.
fn id(entry: &str) -> String {
    format!("entry-{entry}")
}

/// Words for people, in whatever script: GRUB reads UTF-8 and puts `?` where a terminal (text mode,
/// a serial line) cannot show a letter.
fn shown(text: &str, limit: usize) -> String {
    let text = printable(text.as_bytes(), limit);
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A word that GRUB takes as it stands. Inside single quotes nothing is special but their end.
fn quoted(text: &str) -> String {
    format!("'{}'", ascii(text, MAX_WORD).replace('\'', "'\\''"))
}

/// A kernel argument: [`KNOWN`] variables are expanded, everything else stays as it is.
fn argument(word: &str) -> String {
    let word = ascii(word, MAX_WORD);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word;
    }
    let mut out = String::from("\"");
    let mut rest = word.as_str();
    while let Some(letter) = rest.chars().next() {
        if let Some(known) = KNOWN.iter().find(|known| rest.starts_with(**known)) {
            out.push_str(known);
            rest = rest.get(known.len()..).unwrap_or_default();
            continue;
        }
        if matches!(letter, '"' | '\\' | '$') {
            out.push('\\');
        }
        out.push(letter);
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
    }
    out.push('"');
    out
}

/// The words of a kernel command line, without the double quotes that the kernel would take off:
/// GRUB writes them again around a word with a space in it.
fn arguments(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests;
