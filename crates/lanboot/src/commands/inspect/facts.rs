//! Facts that the report about every kind of entry has.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use lanboot_core::catalog::{Entry, Image, SecureStanding, Server, Transport};
use lanboot_core::images::EntryKind;
use lanboot_core::loaders::Loaders;
use lanboot_core::net::Origin;
use serde::Serialize;

/// The things a report depends on besides the image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    /// The operator's own arguments.
    pub(super) append: &'a str,
    /// The loaders of this host.
    pub(super) host: &'a Loaders,
}

/// For each kind of firmware the program that starts an entry there with Secure Boot on.
#[derive(Debug, Serialize)]
pub(super) struct ReportStanding {
    /// Firmware that trusts Microsoft's authority of 2011 alone.
    microsoft_2011: Option<String>,
    /// Firmware that trusts the one of 2023 alone.
    microsoft_2023: Option<String>,
    /// Firmware that trusts both.
    microsoft_both: Option<String>,
    /// Firmware that trusts both, once the signer's certificate is enrolled as a machine owner key.
    machine_owner_key: Option<String>,
}

/// Finds the firmware that starts an entry with the loaders on its image and those of `host`.
pub(super) fn secure_standing(image: &Image, entry: &Entry, host: &Loaders) -> ReportStanding {
    let standing = SecureStanding::of(image, entry, host);
    ReportStanding {
        microsoft_2011: standing.only_2011,
        microsoft_2023: standing.only_2023,
        microsoft_both: standing.both,
        machine_owner_key: standing.machine_owner_key,
    }
}

impl fmt::Display for ReportStanding {
    /// Writes the kinds of firmware by the programs they start, then those that start none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("2011 only", &self.microsoft_2011),
            ("2023 only", &self.microsoft_2023),
            ("both", &self.microsoft_both),
            (
                "both with its signer enrolled (MOK)",
                &self.machine_owner_key,
            ),
        ];
        let with = |program: &Option<String>| {
            let kinds = kinds.iter().filter(|(_, by)| *by == program);
            kinds.map(|(kind, _)| *kind).collect::<Vec<_>>().join(", ")
        };
        let mut programs: Vec<&Option<String>> = Vec::new();
        for (_, program) in kinds {
            if program.is_some() && !programs.contains(&program) {
                programs.push(program);
            }
        }
        if programs.is_empty() {
            return f.write_str("no shim on this image or host starts it");
        }
        let mut comma = "";
        for program in programs {
            let by = program.as_deref().unwrap_or_default();
            write!(
                f,
                "{comma}by {by} on firmware that trusts {}",
                with(program)
            )?;
            comma = "; ";
        }
        let without = with(&None);
        if !without.is_empty() {
            write!(f, "; not on firmware that trusts {without}")?;
        }
        Ok(())
    }
}

/// Describes who signed an entry, and the consequence where nobody did.
pub(super) fn signed(entry: &Entry) -> String {
    match (entry.signed.names().first(), &entry.kind) {
        (Some(signer), _) => format!("by {signer}"),
        (None, EntryKind::Linux(_)) => "no: the kernel starts only with Secure Boot off".into(),
        (None, EntryKind::Program(_)) => "no: the program starts only with Secure Boot off".into(),
        (None, EntryKind::Multiboot(_)) => {
            "no: GRUB starts multiboot kernels only with Secure Boot off".into()
        }
        (None, EntryKind::Disk(_)) => "as its own boot program is signed".into(),
    }
}

/// Estimates the memory in bytes that a machine needs to start an entry by `transport`; `None` where the
/// root stays on the server.
pub(super) fn memory(entry: &Entry, transport: Transport, append: &str) -> Option<u64> {
    let streams = entry.streams(transport, append);
    (!streams).then(|| entry.copy_memory(transport, append))
}

/// Estimates the memory in bytes that is taken by an entry which is no Linux kernel: by a program, or
/// by the image where it is copied as a disk. A program with an initramfs inside, and a multiboot
/// kernel, need what a Linux kernel does.
pub(super) fn memory_of_other(image: &Image, entry: &Entry, append: &str) -> Option<u64> {
    let of_file = |path: &str| image.tree.file(path).map_or(0, |content| content.len());
    match &entry.kind {
        EntryKind::Program(program) if entry.root.is_none() && entry.initrd_bytes == 0 => {
            let files = program.files.iter().map(|file| of_file(&file.path));
            files.max()
        }
        EntryKind::Disk(_) => Some(image.size),
        EntryKind::Linux(_) | EntryKind::Program(_) | EntryKind::Multiboot(_) => {
            memory(entry, Transport::Http, append)
        }
    }
}

/// Returns a server with every service, whose address stands for this host's.
pub(super) fn server() -> Server {
    Server {
        http: Origin::http(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80),
        nfs: true,
        nbd: true,
    }
}

/// Returns the arguments with the word `SERVER` in the place of that server's address.
pub(super) fn with_server(line: &str) -> String {
    line.replace(&Ipv4Addr::UNSPECIFIED.to_string(), "SERVER")
}
