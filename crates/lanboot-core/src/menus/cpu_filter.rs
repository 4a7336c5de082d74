//! Filters entries by the processor a machine has, evaluated by the iPXE that runs on it, so that
//! one script is right for every machine.
//!
//! `${platform}` and `${buildarch}` state the build of iPXE. With UEFI that is what the firmware
//! starts; with a BIOS the processor decides. iPXE too old to know them is a BIOS build.

use std::fmt::Write as _;

use super::{MAX_HELP, line};
use crate::catalog::{Catalog, Cpu, Entry, Firmware};
use crate::images::{EntryKind, MenuLoader};

/// Prefix of the settings used here.
const PREFIX: &str = "lanboot-";
/// Name, behind [`PREFIX`], of the setting that some entry without a kernel for a processor starts.
const OTHER: &str = "other";
/// Setting that holds the kind of machine.
const MACHINE: &str = "${lanboot-machine}";

/// Returns the value of [`MACHINE`] for each kind of firmware.
fn machine(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Bios64 => "bios",
        Firmware::Bios32 => "bios32",
        Firmware::X64Uefi => "efi/x86_64",
        Firmware::X86Uefi => "efi/i386",
        Firmware::Arm64Uefi => "efi/arm64",
        Firmware::Riscv64Uefi => "efi/riscv64",
    }
}

/// The machines a catalog has entries for.
pub(crate) struct CpuFilter {
    /// Processors of its kernels, each once.
    cpus: Vec<Cpu>,
    /// Firmware that starts one of its other entries.
    others: Vec<Firmware>,
    /// Note about images no loader can start.
    whole: Option<String>,
}

impl CpuFilter {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let entries = || catalog.entries().map(|(_, entry)| entry);
        let has = |cpu: &Cpu| entries().any(|e| is_kernel(e) && e.cpu == *cpu);
        let starts_other = |firmware: &Firmware| {
            let mut others = entries().filter(|entry| !is_kernel(entry));
            others.any(|entry| entry.starts_by(MenuLoader::Ipxe, *firmware))
        };
        Self {
            cpus: Cpu::ALL.into_iter().filter(has).collect(),
            others: Firmware::ALL.into_iter().filter(starts_other).collect(),
            whole: catalog
                .about_whole_images()
                .or_else(|| catalog.about_incomplete()),
        }
    }

    /// Determines the machine and the processors it starts kernels for, and goes to the label
    /// `nothing` if the catalog has no entry for them.
    pub(crate) fn ask(&self, out: &mut String, nothing: &str) {
        // `cpuid 0` is true on every processor, but fails if iPXE lacks the command; bit 29 of the
        // extended features is long mode.
        let _ = write!(
            out,
            "set lanboot-machine ${{platform}}/${{buildarch}}\n\
             isset ${{platform}} || set lanboot-machine bios\n\
             iseq ${{platform}} pcbios && set lanboot-machine bios ||\n\
             iseq {MACHINE} bios && cpuid 0 && set lanboot-machine bios32 ||\n\
             iseq {MACHINE} bios32 && cpuid --ext 29 && set lanboot-machine bios ||\n"
        );
        for cpu in &self.cpus {
            for firmware in Firmware::ALL {
                if firmware.cpus().contains(cpu) {
                    only(out, firmware, &format!("set {PREFIX}{cpu} yes"));
                }
            }
        }
        for firmware in &self.others {
            only(out, *firmware, &format!("set {PREFIX}{OTHER} yes"));
        }
        let cpus = self.cpus.iter().map(|cpu| cpu.name());
        let other = (!self.others.is_empty()).then_some(OTHER);
        let any: String = cpus
            .chain(other)
            .map(|name| format!("${{{PREFIX}{name}}}"))
            .collect();
        if any.is_empty() {
            let _ = writeln!(out, "goto {nothing}");
        } else {
            let _ = writeln!(out, "isset {any} || goto {nothing}");
        }
    }

    /// Sets `start` to the entry that boots unattended on this machine, if any.
    pub(crate) fn choose(out: &mut String, start: impl Fn(Firmware) -> Option<String>) {
        by_firmware(out, "start", start);
    }

    /// Writes the message for machines that can start none of the entries.
    pub(crate) fn nothing(&self, out: &mut String) {
        let names = |cpus: &[Cpu]| cpus.iter().map(|cpu| cpu.name()).collect::<Vec<_>>();
        if let Some(whole) = &self.whole {
            let _ = writeln!(out, "echo lanboot: {}.", line(whole, MAX_HELP * 2));
        }
        if self.cpus.is_empty() && self.whole.is_some() {
            return;
        }
        if self.cpus.is_empty() && !self.others.is_empty() {
            out.push_str("echo lanboot: no image served here starts on a machine like this one.\n");
            return;
        }
        if self.cpus.is_empty() {
            out.push_str("echo lanboot: no image served here has an entry that can be started.\n");
            return;
        }
        out.push_str("set lanboot-starts ${buildarch}\n");
        for firmware in Firmware::ALL {
            let starts = names(firmware.cpus()).join(" or ");
            only(out, firmware, &format!("set lanboot-starts {starts}"));
        }
        let _ = writeln!(
            out,
            "echo lanboot: this machine starts kernels for ${{lanboot-starts}}, and the images \
             served here are for {}.",
            names(&self.cpus).join(" and ")
        );
    }
}

/// Writes `command` for machines with this firmware only.
fn only(out: &mut String, firmware: Firmware, command: &str) {
    let _ = writeln!(out, "iseq {MACHINE} {} && {command} ||", machine(firmware));
}

/// Writes `command` for machines that start `entry` only; must follow [`CpuFilter::ask`].
pub(crate) fn where_it_starts(out: &mut String, entry: &Entry, command: &str) {
    if is_kernel(entry) {
        return where_kernels_start(out, entry.cpu, command);
    }
    for firmware in firmware_of(entry) {
        only(out, firmware, command);
    }
}

/// Writes `command` for machines that start kernels for `cpu` only.
pub(crate) fn where_kernels_start(out: &mut String, cpu: Cpu, command: &str) {
    let _ = writeln!(out, "isset ${{{PREFIX}{cpu}}} && {command} ||");
}

/// Writes `command` for machines that start kernels for one of `cpus`.
pub(super) fn where_any_starts(out: &mut String, cpus: impl Iterator<Item = Cpu>, command: &str) {
    let any: String = cpus.map(|cpu| format!("${{{PREFIX}{cpu}}}")).collect();
    if !any.is_empty() {
        let _ = writeln!(out, "isset {any} && {command} ||");
    }
}

/// Lists the firmware on which iPXE starts `entry`.
fn firmware_of(entry: &Entry) -> impl Iterator<Item = Firmware> + use<'_> {
    let all = Firmware::ALL.into_iter();
    all.filter(|firmware| entry.starts_by(MenuLoader::Ipxe, *firmware))
}

/// Tests whether the processor of `entry` alone decides where it starts.
pub(super) fn is_kernel(entry: &Entry) -> bool {
    match entry.kind {
        EntryKind::Linux(_) => true,
        EntryKind::Program(_) | EntryKind::Multiboot(_) | EntryKind::Disk(_) => false,
    }
}

/// Writes the commands that set `setting` to what `value` returns for the firmware of the machine.
pub(crate) fn by_firmware(
    out: &mut String,
    setting: &str,
    value: impl Fn(Firmware) -> Option<String>,
) {
    for firmware in Firmware::ALL {
        if let Some(value) = value(firmware) {
            only(out, firmware, &format!("set {setting} {value}"));
        }
    }
}

/// A subset of iPXE sufficient to run these scripts.
#[cfg(test)]
pub(crate) mod testing {
    use std::collections::BTreeMap;

    /// `${platform}`, `${buildarch}`, and whether the processor has long mode, `None` where there is
    /// no command `cpuid`.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Ipxe(
        pub(crate) &'static str,
        pub(crate) &'static str,
        pub(crate) Option<bool>,
    );

    /// Result of a script.
    #[derive(Debug, Default)]
    pub(crate) struct Seen<'a> {
        /// Labels of the items of the menu shown.
        pub(crate) items: Vec<&'a str>,
        /// Item chosen when the timeout expires.
        pub(crate) start: String,
        /// Lines printed.
        pub(crate) says: Vec<String>,
        /// `choose`, `exit`, or the label of the entry that was started.
        pub(crate) end: &'a str,
    }

    impl Ipxe {
        pub(crate) fn run(self, text: &str) -> Seen<'_> {
            let Self(platform, buildarch, long_mode) = self;
            let settings = [("platform", platform), ("buildarch", buildarch)];
            let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut machine = Machine {
                settings: BTreeMap::from(settings),
                long_mode,
                seen: Seen::default(),
                to: None,
            };
            let lines: Vec<&str> = text.lines().collect();
            let mut at = 0;
            for _ in 0..10_000 {
                let line = lines[at];
                at += 1;
                if let Some(label) = line.strip_prefix(':') {
                    if label.contains("entry-") {
                        machine.seen.end = label;
                    }
                } else if !line.starts_with('#') {
                    assert!(machine.line(line), "the script ends at {line}");
                }
                if !machine.seen.end.is_empty() {
                    return machine.seen;
                }
                if let Some(label) = machine.to.take() {
                    let is_it = |line: &str| line.strip_prefix(':') == Some(&label);
                    at = lines.iter().position(|l| is_it(l)).expect("a label");
                }
            }
            panic!("it goes round and round");
        }
    }

    struct Machine<'a> {
        settings: BTreeMap<String, String>,
        long_mode: Option<bool>,
        seen: Seen<'a>,
        to: Option<String>,
    }

    impl<'a> Machine<'a> {
        /// Runs a line of commands; `||` and `&&` depend on the last command run.
        fn line(&mut self, line: &'a str) -> bool {
            let mut is_good = true;
            let mut runs = true;
            let mut command = Vec::new();
            let words = line
                .split_whitespace()
                .take_while(|word| !word.starts_with('#'));
            for word in words.chain([""]) {
                if !matches!(word, "||" | "&&" | "") {
                    command.push(word);
                    continue;
                }
                if runs {
                    is_good = self.command(&command);
                }
                command.clear();
                runs = is_good == (word == "&&");
            }
            is_good
        }

        fn expand(&self, word: &str) -> String {
            let Some((before, rest)) = word.split_once("${") else {
                return word.to_owned();
            };
            let (name, after) = rest.split_once('}').unwrap();
            let value = self.settings.get(name).map_or("", String::as_str);
            format!("{before}{value}{}", self.expand(after))
        }

        fn command(&mut self, words: &[&'a str]) -> bool {
            let Some((name, raw)) = words.split_first() else {
                return true;
            };
            let expanded: Vec<String> = raw.iter().map(|word| self.expand(word)).collect();
            match *name {
                "set" => {
                    let value = expanded[1..].join(" ");
                    self.settings.insert(expanded[0].clone(), value);
                }
                "iseq" => return expanded[0] == expanded[1],
                "isset" => return !expanded[0].is_empty(),
                "cpuid" => {
                    return match raw {
                        ["0"] => self.long_mode.is_some(),
                        ["--ext", "29"] => self.long_mode == Some(true),
                        other => panic!("{other:?}"),
                    };
                }
                "goto" => self.to = Some(expanded[0].clone()),
                "item" if raw[0] == "--gap" => {}
                "item" => self.seen.items.push(raw[0]),
                "echo" => self.seen.says.push(expanded.join(" ")),
                "choose" => {
                    let default = raw.iter().position(|word| *word == "--default");
                    self.seen.start =
                        default.map_or_else(String::new, |at| expanded[at + 1].clone());
                    self.seen.end = "choose";
                }
                "exit" => self.seen.end = "exit",
                "chain" => {
                    self.seen.start.clone_from(expanded.last().unwrap());
                    self.seen.end = "chain";
                }
                "menu" | "prompt" => {}
                other => panic!("{other}"),
            }
            true
        }
    }
}
