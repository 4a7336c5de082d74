//! Boots of media by this project's tests, as data beside the family that starts them.

use std::fmt;

use super::cpu::{Cpu, Firmware};
use super::entry::Entry;
use super::entry_kind::{EntryKind, MenuLoader};
use super::transport::Transport;
use crate::pe::Signed;

/// One boot of a medium by this project's tests, up to the system's own line or first screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestBoot {
    /// Name of the boot case.
    pub case: &'static str,
    /// The system on the medium, with its version.
    pub system: &'static str,
    /// The setup.
    pub setup: Setup,
    /// Loader whose menu started it; `None` where the firmware took the whole image.
    pub loader: Option<MenuLoader>,
    /// Processor of its kernel.
    pub(crate) cpu: Cpu,
    /// The kind of entry.
    pub(crate) kind: TestKind,
    /// The name of the one variant of its family that it shows; `None` where it shows all those that have
    /// no boot of their own.
    pub(crate) variant: Option<&'static str>,
}

/// A setup in which an entry is started: what one boot shows and another one does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The firmware.
    pub firmware: Firmware,
    /// True with Secure Boot on.
    pub secure_boot: bool,
    /// The origin of its root.
    pub root: RootFrom,
}

/// The origin of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootFrom {
    /// Everything is what the loader loads.
    Loader,
    /// This server, over a transport.
    Server(Transport),
    /// The RAM disk that firmware makes of the whole image.
    RamDisk,
}

/// The kind of an entry that was booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TestKind {
    /// A Linux kernel.
    Linux,
    /// A program.
    Program,
    /// A multiboot kernel.
    Multiboot,
    /// The image as a disk.
    Disk,
}

impl TestKind {
    fn of(kind: &EntryKind) -> Self {
        match kind {
            EntryKind::Linux(_) => Self::Linux,
            EntryKind::Program(_) => Self::Program,
            EntryKind::Multiboot(_) => Self::Multiboot,
            EntryKind::Disk(_) => Self::Disk,
        }
    }
}

impl TestBoot {
    /// Describes the boot of a Linux kernel, for the processor the firmware prefers, whose root the
    /// loader brings.
    pub(crate) const fn new(
        case: &'static str,
        system: &'static str,
        firmware: Firmware,
        loader: MenuLoader,
    ) -> Self {
        Self {
            case,
            system,
            setup: Setup {
                firmware,
                secure_boot: false,
                root: RootFrom::Loader,
            },
            loader: Some(loader),
            cpu: firmware.cpus()[0],
            kind: TestKind::Linux,
            variant: None,
        }
    }

    /// Describes one in which firmware takes the whole image as a RAM disk.
    pub(crate) const fn ram_disk(
        case: &'static str,
        system: &'static str,
        firmware: Firmware,
    ) -> Self {
        let mut boot = Self::new(case, system, firmware, MenuLoader::Ipxe);
        boot.loader = None;
        boot.setup.root = RootFrom::RamDisk;
        boot
    }

    /// Describes the same with a root that comes over `transport`.
    pub(crate) const fn over(
        case: &'static str,
        system: &'static str,
        firmware: Firmware,
        loader: MenuLoader,
        transport: Transport,
    ) -> Self {
        let mut boot = Self::new(case, system, firmware, loader);
        boot.setup.root = RootFrom::Server(transport);
        boot
    }

    /// Says that Secure Boot was on.
    pub(crate) const fn secure(mut self) -> Self {
        self.setup.secure_boot = true;
        self
    }

    /// Sets the kind of entry.
    pub(crate) const fn kind(mut self, kind: TestKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the only variant of its family that it shows.
    pub(crate) const fn of(mut self, variant: &'static str) -> Self {
        self.variant = Some(variant);
        self
    }

    /// Tests whether what it shows counts for an entry.
    fn shows(&self, entry: &Entry) -> bool {
        let kind = TestKind::of(&entry.kind);
        // A program and a disk are for the processors of their firmware.
        let has_cpu = match kind {
            TestKind::Linux | TestKind::Multiboot => self.cpu == entry.cpu,
            TestKind::Program | TestKind::Disk => true,
        };
        let is_kind = self.kind == kind || self.setup.root == RootFrom::RamDisk;
        is_kind && has_cpu && entry.starts_on(self.setup.firmware)
    }
}

/// Lists the boots of a family that show something of its variant `name`: those that name it, else
/// those that name none.
pub(crate) fn of_variant<'a>(
    boots: &'a [TestBoot],
    name: &'a str,
) -> impl Iterator<Item = &'a TestBoot> + Clone {
    let has_own = boots.iter().any(|boot| boot.variant == Some(name));
    let variant = has_own.then_some(name);
    boots.iter().filter(move |boot| boot.variant == variant)
}

/// Lists the boots among `boots` that show something of `entry`.
pub(crate) fn of_entry<'a>(
    boots: impl Iterator<Item = &'a TestBoot>,
    entry: &Entry,
) -> Vec<TestBoot> {
    boots.filter(|boot| boot.shows(entry)).copied().collect()
}

/// Lists the setups in which `entry` is offered, with the operator's own arguments `append`: with Secure
/// Boot on only where its program is signed.
pub(crate) fn offered(entry: &Entry, append: &str) -> Vec<Setup> {
    let roots: Vec<RootFrom> = match entry.root {
        Some(_) => Transport::ALL
            .into_iter()
            .filter(|transport| entry.check(*transport, append).is_ok())
            .map(RootFrom::Server)
            .collect(),
        None => vec![RootFrom::Loader],
    };
    let is_signed = entry.signed != Signed::No;
    let firmware = Firmware::ALL.into_iter().filter(|f| entry.starts_on(*f));
    let states = firmware.flat_map(|firmware| {
        let can_be_on = is_signed && !firmware.is_bios();
        let on = can_be_on.then_some((firmware, true));
        [(firmware, false)].into_iter().chain(on)
    });
    let setups = states.flat_map(|(firmware, secure_boot)| {
        roots.iter().map(move |root| Setup {
            firmware,
            secure_boot,
            root: *root,
        })
    });
    setups.collect()
}

/// A list of setups, in which each firmware stands once.
#[derive(Clone, Copy, Debug)]
pub struct Setups<'a>(pub &'a [Setup]);

impl fmt::Display for Setups<'_> {
    /// Writes `BIOS (HTTP, NFS), x64 UEFI with Secure Boot (HTTP)`; nothing where the list is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut firmware: Vec<(Firmware, bool)> = Vec::new();
        for setup in self.0 {
            let of = (setup.firmware, setup.secure_boot);
            if !firmware.contains(&of) {
                firmware.push(of);
            }
        }
        for (at, of) in firmware.iter().enumerate() {
            let setups = self.0.iter();
            let setups = setups.filter(|setup| (setup.firmware, setup.secure_boot) == *of);
            let mut words: Vec<&str> = Vec::new();
            for setup in setups {
                let word = setup.root.word();
                if !words.contains(&word) {
                    words.push(word);
                }
            }
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{}", of.0.name())?;
            if of.1 {
                f.write_str(" with Secure Boot")?;
            }
            if words != [RootFrom::Loader.word()] {
                write!(f, " ({})", words.join(", "))?;
            }
        }
        Ok(())
    }
}

impl RootFrom {
    /// Returns a word for it.
    fn word(self) -> &'static str {
        match self {
            Self::Loader => "menu",
            Self::Server(Transport::Http) => "HTTP",
            Self::Server(Transport::Nfs) => "NFS",
            Self::Server(Transport::Nbd) => "NBD",
            Self::RamDisk => "RAM disk",
        }
    }
}

/// A list of boots.
#[derive(Clone, Copy, Debug)]
pub struct Boots<'a>(pub &'a [TestBoot]);

impl fmt::Display for Boots<'_> {
    /// Writes the systems, then the setups: `Debian 12, Debian 13: BIOS (HTTP), x64 UEFI (HTTP, NFS)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("not booted by this project's tests");
        }
        let mut systems: Vec<&str> = Vec::new();
        for boot in self.0 {
            if !systems.contains(&boot.system) {
                systems.push(boot.system);
            }
        }
        let setups: Vec<Setup> = self.0.iter().map(|boot| boot.setup).collect();
        write!(f, "{}: {}", systems.join(", "), Setups(&setups))
    }
}
