//! An entry: what a loader starts, with its arguments, and what its initramfs does with each root
//! transport.

use std::fmt;
use std::sync::Arc;

use super::arguments::Dialect;
use super::cpu::{Cpu, Firmware};
use super::entry_kind::MenuLoader;
pub(crate) use super::entry_kind::{EntryKind, Linux};
use super::lack::Lack;
pub(crate) use super::note::Note;
use super::overlay::Overlay;
pub(crate) use super::refusal::Refusal;
use super::server::MountSource;
use super::transport::Transport;
use crate::initramfs::{Contents, MAX_GAP};
use crate::machine::Arch;
use crate::pe::Signed;

/// The way an initramfs finds its root: the kernel arguments it takes, and what it does with them.
/// Families with the same initramfs share a type; what differs between media is its state.
pub(crate) trait RootSource: fmt::Debug + Send + Sync {
    /// Returns the kernel arguments of `entry` for one boot, a word each.
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String>;

    /// Checks that it gets a root by `transport` with the operator's own arguments `append`.
    fn check(&self, _transport: Transport, _append: &str) -> Result<(), Refusal> {
        Ok(())
    }

    /// Returns why it can never get its root by `transport`; `None` where arguments decide.
    fn unsupported(&self, _transport: Transport) -> Option<Refusal> {
        None
    }

    /// Tests whether the root stays on the server: HTTP copies, mounts and network disks stream.
    fn streams(&self, transport: Transport, _append: &str) -> bool {
        transport != Transport::Http
    }

    /// Tests whether `transport`, which streams, is known to work where nobody asked for it.
    fn is_proven(&self, _transport: Transport) -> bool {
        true
    }

    /// Lists what the initramfs of `entry` fetches over HTTP, in order: its `root`, and what it
    /// looks for before and after it.
    fn fetches(&self, _entry: &Entry, root: &str, _append: &str) -> Vec<Fetch> {
        vec![Fetch {
            file: Fetched::File(root.to_owned()),
            required: true,
        }]
    }

    /// Returns how many bytes are in memory at most while a root of `root_bytes` is copied there by
    /// `transport`.
    fn copied_bytes(&self, root_bytes: u64, _transport: Transport, _append: &str) -> u64 {
        root_bytes
    }

    /// Returns the files its initramfs gets besides its own; `None` where it needs none.
    fn overlay(&self) -> Option<&Overlay> {
        None
    }

    /// Lists the folders with further layers of the root, besides the root's own.
    fn layer_folders(&self) -> &[String] {
        &[]
    }

    /// Returns the `SYSAPPEND` mask PXELINUX needs (bit 0 `ip=`, bit 1 `BOOTIF=`).
    fn sysappend(&self) -> u32 {
        0
    }

    /// Returns the function that finds what an initramfs lacks by its contents; `None` where they
    /// are not examined.
    fn examiner(&self) -> Option<Examiner> {
        None
    }

    /// Tests whether only iPXE gives it its arguments as it takes them.
    fn needs_ipxe(&self) -> bool {
        false
    }

    /// Tests whether only the contents of its initramfs show how it finds its root, so that they have to
    /// be read before it is offered; see [`Self::with_contents`].
    fn needs_contents(&self) -> bool {
        false
    }

    /// Returns the way an initramfs with these contents finds its root, where it is another one than
    /// the medium's files and menus show; `None` where it is this one.
    fn with_contents(&self, _contents: &Contents) -> Option<Arc<dyn RootSource>> {
        None
    }

    /// Tests whether what a loader adds to the arguments (`initrd=`) belongs before them.
    fn loader_words_go_first(&self) -> bool {
        false
    }
}

/// Finds what the initramfs at this path lacks, by its contents.
pub(crate) type Examiner = fn(&Contents, &str) -> Vec<Lack>;

/// One boot of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boot<'a> {
    /// The transport of the root.
    pub(crate) transport: Transport,
    /// The server and image it comes from.
    pub(crate) source: MountSource<'a>,
    /// The loader's notation.
    pub(crate) dialect: Dialect,
    /// The operator's own arguments.
    pub(crate) append: &'a str,
}

/// A file that a boot fetches from this server after its initramfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The file.
    pub file: Fetched,
    /// True if the boot fails without it. One that is not required is fetched only by arguments
    /// this server does not give.
    pub required: bool,
}

/// What an initramfs fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A file, by its path on the medium.
    File(String),
    /// The image as it is.
    WholeImage,
}

/// Something a person can boot.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name for `--boot` and PXELINUX: image name and processor.
    pub id: String,
    /// The title in a menu.
    pub title: String,
    /// Label of the volume, for the help below a menu.
    pub volume: String,
    /// The processor of its kernel. A program and a disk are for those of their firmware, and this is
    /// the one of the first.
    pub cpu: Cpu,
    /// The thing a loader starts.
    pub kind: EntryKind,
    /// Arguments inherited from the medium's own configuration.
    pub(crate) inherited: Vec<String>,
    /// The way its initramfs finds its root.
    pub(crate) root_source: Arc<dyn RootSource>,
    /// Path on the medium of the root file system's image; `None` when the initramfs is the whole
    /// system and fetches nothing from here.
    pub root: Option<String>,
    /// Size of the root in bytes.
    pub root_bytes: u64,
    /// Size of the initramfs files together, in bytes.
    pub initrd_bytes: u64,
    /// The things its initramfs is known not to have.
    pub lacks: Vec<Lack>,
    /// Notes for a person.
    pub notes: Vec<Note>,
    /// The signers of the kernel for Secure Boot.
    pub signed: Signed,
}

/// Memory that kernel and programs need besides the copy of the root, in bytes.
const SYSTEM_MEMORY: u64 = 160 << 20;

/// Most bytes of the initramfs files of one entry together: UEFI loaders fail with 4 GiB (iPXE issue
/// 526).
const MAX_INITRAMFS: u64 = u32::MAX as u64;
/// Most bytes of them where BIOS starts the kernel: they lie below 2 GiB (`initrd_addr_max` of the x86
/// boot protocol), and the kernel with what it unpacks lies below them.
const MAX_INITRAMFS_BIOS: u64 = 0x7000_0000;
/// Most bytes of them where GRUB does so: it keeps them below 0x37ffffff
/// (`GRUB_LINUX_INITRD_MAX_ADDRESS`).
const MAX_INITRAMFS_GRUB_BIOS: u64 = 0x3000_0000;

impl Entry {
    /// Lists the files a boot cannot do without: those a loader loads, then the root.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let loaded = self.kind.loaded().into_iter();
        let own = loaded.chain(self.root.as_deref());
        let added = self.overlay().into_iter();
        own.chain(added.flat_map(Overlay::medium_files))
    }

    /// Returns the files its initramfs gets besides its own, which this server makes.
    pub fn overlay(&self) -> Option<&Overlay> {
        self.root_source.overlay()
    }

    /// Returns the most bytes that a loader loads as its initramfs: with an overlay they are one file,
    /// with zeros between its parts.
    pub fn initramfs_bytes(&self) -> u64 {
        let gaps = (self.kind.loaded().len() as u64).saturating_mul(MAX_GAP);
        let added = |overlay: &Overlay| overlay.bytes().saturating_add(gaps);
        let added = self.overlay().map_or(0, added);
        self.initrd_bytes.saturating_add(added)
    }

    /// Tests whether only the contents of its initramfs show how it finds its root.
    pub fn needs_contents(&self) -> bool {
        self.root_source.needs_contents()
    }

    /// Tests whether its boot reads the image as it is: downloaded, or as part of its overlay.
    pub fn contains_whole_image(&self) -> bool {
        self.needs_whole_image() || self.overlay().is_some_and(Overlay::has_whole_image)
    }

    /// Tests whether firmware of this kind starts it, by some loader.
    pub fn starts_on(&self, firmware: Firmware) -> bool {
        let mut loaders = MenuLoader::ALL.into_iter();
        loaders.any(|loader| self.starts_by(loader, firmware))
    }

    /// Tests whether `loader` on this firmware starts it.
    pub fn starts_by(&self, loader: MenuLoader, firmware: Firmware) -> bool {
        let limit = match (firmware.is_bios(), loader) {
            (true, MenuLoader::Grub) => MAX_INITRAMFS_GRUB_BIOS,
            (true, _) => MAX_INITRAMFS_BIOS,
            (false, _) => MAX_INITRAMFS,
        };
        let is_able = loader == MenuLoader::Ipxe || !self.root_source.needs_ipxe();
        is_able
            && self.initramfs_bytes() <= limit
            && self.kind.starts_by(loader, firmware, self.cpu)
    }

    /// Returns a sentence about BIOS machines, where the initramfs files are too large for those.
    pub fn too_large_for_bios(&self) -> Option<String> {
        let mib = self.initramfs_bytes() >> 20;
        let limit = MAX_INITRAMFS_BIOS >> 20;
        (mib > limit).then(|| {
            format!(
                "{} starts only with UEFI: its initramfs files have {mib} MiB together, and BIOS \
                 loads at most {limit} MiB",
                self.id
            )
        })
    }

    /// Tests whether firmware of this architecture starts it.
    pub fn runs_on(&self, arch: Arch) -> bool {
        Firmware::of(arch).is_some_and(|firmware| self.starts_on(firmware))
    }

    /// Tests whether it is a generic way, for which anything else is better.
    pub fn is_last_resort(&self) -> bool {
        let generic = [Note::AsDisk, Note::WithoutMedium, Note::KernelAlone];
        let is_kernel = matches!(self.kind, EntryKind::Linux(_));
        self.notes
            .iter()
            .any(|note| generic.contains(note) || (is_kernel && *note == Note::WithoutRoot))
    }

    /// Tests whether firmware with Secure Boot on refuses it in any case. The programs inside a
    /// disk are not looked at.
    pub fn is_unsigned(&self) -> bool {
        self.signed == Signed::No && !matches!(self.kind, EntryKind::Disk(_))
    }

    /// Checks that this entry can start by `transport` with the operator's own arguments `append`.
    pub fn check(&self, transport: Transport, append: &str) -> Result<(), Refusal> {
        if self.root.is_none() {
            return match transport {
                Transport::Http => self.unsupported(transport).map_or(Ok(()), Err),
                Transport::Nfs | Transport::Nbd => Err(match self.kind {
                    EntryKind::Linux(_) => Refusal::NoRoot,
                    EntryKind::Program(_) | EntryKind::Multiboot(_) => Refusal::Complete,
                    EntryKind::Disk(_) => Refusal::AsDisk,
                }),
            };
        }
        match self.unsupported(transport) {
            Some(refusal) => Err(refusal),
            None => self.root_source.check(transport, append),
        }
    }

    /// Returns why its root can never come by `transport`, whatever the arguments.
    pub fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        if self.needs_disk(transport) && self.notes.contains(&Note::WithoutDisk) {
            return Some(Refusal::NoDisk);
        }
        let lack = self.lack_for(transport).cloned();
        let bytes = self.initramfs_bytes();
        let too_large = || (bytes > MAX_INITRAMFS).then_some(Refusal::InitramfsTooLarge(bytes));
        lack.map(Refusal::Lacks)
            .or_else(|| self.root_source.unsupported(transport))
            .or_else(too_large)
    }

    /// Tests whether a root that comes by `transport` is, or is part of, the image as it is.
    fn needs_disk(&self, transport: Transport) -> bool {
        match transport {
            Transport::Http => self.needs_whole_image(),
            Transport::Nfs => false,
            Transport::Nbd => self.root.is_some(),
        }
    }

    /// Returns why it can get its root by no transport; `None` where it can by some.
    pub fn why_unreachable(&self) -> Option<Refusal> {
        let mut reasons = Transport::ALL.iter().map(|t| self.unsupported(*t));
        let first = reasons.next()??;
        reasons.all(|reason| reason.is_some()).then_some(first)
    }

    /// Returns the first part its initramfs lacks for `transport`.
    pub fn lack_for(&self, transport: Transport) -> Option<&Lack> {
        let mut lacks = self.lacks.iter().filter(|_| self.root.is_some());
        lacks.find(|lack| lack.part.is_needed_by(transport))
    }

    /// Tests whether the root stays on the server.
    pub fn streams(&self, transport: Transport, append: &str) -> bool {
        self.root.is_some() && self.root_source.streams(transport, append)
    }

    /// Tests whether `transport`, which streams, is known to work where nobody asked for it.
    pub fn is_proven(&self, transport: Transport) -> bool {
        self.root_source.is_proven(transport)
    }

    /// Lists the folders with further layers of the root, besides the root's own.
    pub fn layer_folders(&self) -> &[String] {
        self.root_source.layer_folders()
    }

    /// Lists what the initramfs fetches from here, in order, when the root comes by `transport`
    /// and the operator's own arguments are `append`. Through a mount and a network disk it reads
    /// everything, and fetches nothing.
    pub fn fetches(&self, transport: Transport, append: &str) -> Vec<Fetch> {
        match (transport, &self.root) {
            (Transport::Http, Some(root)) => self.root_source.fetches(self, root, append),
            _ => Vec::new(),
        }
    }

    /// Tests whether it needs the image as it is: as a disk, or for its initramfs to download.
    pub fn needs_whole_image(&self) -> bool {
        if matches!(self.kind, EntryKind::Disk(_)) {
            return true;
        }
        let fetches = self.fetches(Transport::Http, "");
        fetches.iter().any(|f| f.file == Fetched::WholeImage)
    }

    /// Estimates the memory a machine needs to start from a copy of the root that came by
    /// `transport`, in bytes. The copy lies in file systems of at most three quarters of the
    /// memory; the initramfs is there packed and unpacked before, and an overlay twice.
    pub fn copy_memory(&self, transport: Transport, append: &str) -> u64 {
        let overlay = self.overlay().map_or(0, Overlay::bytes);
        let all = self
            .root_source
            .copied_bytes(self.root_bytes, transport, append)
            .saturating_add(self.initrd_bytes.saturating_mul(3))
            .saturating_add(overlay.saturating_mul(2))
            .saturating_add(SYSTEM_MEMORY);
        all.max(self.root_bytes / 3 * 4)
    }

    /// Returns one sentence for the line below a menu.
    pub fn help(&self, transport: Transport, append: &str) -> String {
        if self.root.is_none() {
            let mib = self.initramfs_bytes() >> 20;
            return match &self.kind {
                EntryKind::Linux(linux) if linux.initrd.is_empty() => {
                    format!("{}: a kernel without an initramfs.", self.volume)
                }
                EntryKind::Linux(_) => format!(
                    "{}: everything is in its initramfs ({mib} MiB).",
                    self.volume
                ),
                EntryKind::Program(_) => format!("{}: a program that is complete.", self.volume),
                EntryKind::Multiboot(_) => {
                    format!("{}: a multiboot kernel with its modules.", self.volume)
                }
                EntryKind::Disk(_) => format!(
                    "{}: the image as a disk, which Linux on it does not find.",
                    self.volume
                ),
            };
        }
        let mib = self.root_bytes >> 20;
        let how = match (transport, self.streams(transport, append)) {
            (Transport::Http, _) => "is copied into memory over HTTP",
            (Transport::Nfs, true) => "stays on the server and is read over NFS",
            (Transport::Nfs, false) => "is copied into memory over NFS",
            (Transport::Nbd, true) => "stays on the server and is read over NBD",
            (Transport::Nbd, false) => "is copied into memory over NBD",
        };
        format!("{}: the root ({mib} MiB) {how}.", self.volume)
    }

    /// Returns the kernel command line for a root that comes by `transport` from `source`, with the
    /// operator's own arguments `append`.
    pub fn command_line(
        &self,
        transport: Transport,
        source: MountSource<'_>,
        dialect: Dialect,
        append: &str,
    ) -> String {
        let boot = Boot {
            transport,
            source,
            dialect,
            append,
        };
        self.root_source.arguments(self, &boot).join(" ")
    }

    /// Tests whether what a loader adds to the kernel's arguments belongs before them.
    pub(crate) fn loader_words_go_first(&self) -> bool {
        self.root_source.loader_words_go_first()
    }

    /// Returns the `SYSAPPEND` mask PXELINUX needs for this entry (bit 0 `ip=`, bit 1 `BOOTIF=`).
    pub fn sysappend(&self) -> u32 {
        self.root_source.sysappend()
    }
}
