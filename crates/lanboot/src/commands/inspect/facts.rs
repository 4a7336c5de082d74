//! Facts that the report about every kind of entry has.

use std::net::{IpAddr, Ipv4Addr};

use lanboot_core::catalog::{Entry, Image, Server, Transport};
use lanboot_core::images::EntryKind;
use lanboot_core::loaders::{Authorities, Shim};
use lanboot_core::net::Origin;
use serde::Serialize;

/// Firmware and keys with which an entry starts while Secure Boot is on, by the loaders on its image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct SecureStanding {
    /// Firmware that trusts Microsoft's authority of 2011.
    microsoft_2011: bool,
    /// Firmware that trusts Microsoft's authority of 2023.
    microsoft_2023: bool,
    /// Any firmware with a shim, once the signer's certificate is enrolled as a machine owner key.
    machine_owner_key: bool,
}

/// Finds the firmware and keys an entry starts with.
pub(super) fn secure_standing(image: &Image, entry: &Entry) -> SecureStanding {
    let shims = || own_shims(image, entry);
    let own = own_authorities(entry);
    SecureStanding {
        microsoft_2011: own.of_2011 || shims().any(|shim| shim.authorities.of_2011),
        microsoft_2023: own.of_2023 || shims().any(|shim| shim.authorities.of_2023),
        machine_owner_key: !entry.signed.names().is_empty(),
    }
}

/// Returns the authorities that signed a program itself, which then needs no shim.
fn own_authorities(entry: &Entry) -> Authorities {
    match entry.kind {
        EntryKind::Program(_) => Authorities::of(&entry.signed),
        EntryKind::Linux(_) | EntryKind::Multiboot(_) | EntryKind::Disk(_) => {
            Authorities::default()
        }
    }
}

/// Describes what to know about an entry before enabling Secure Boot.
pub(super) fn secure_boot(image: &Image, entry: &Entry) -> String {
    let Some(signer) = entry.signed.names().first() else {
        return match entry.kind {
            EntryKind::Linux(_) => "no: the kernel starts only with Secure Boot off",
            EntryKind::Program(_) => "no: the program starts only with Secure Boot off",
            EntryKind::Multiboot(_) => {
                "no: GRUB starts multiboot kernels only with Secure Boot off"
            }
            EntryKind::Disk(_) => "as its own boot program is signed",
        }
        .into();
    };
    let own = own_authorities(entry);
    if own.count() > 0 {
        return format!("by {signer}: the program {own}");
    }
    match own_shims(image, entry).next() {
        Some(shim) => {
            let standing = secure_standing(image, entry);
            let authorities = Authorities {
                of_2011: standing.microsoft_2011,
                of_2023: standing.microsoft_2023,
            };
            let from = &shim.from;
            format!("by {signer}, trusted by the shim on this image ({from}), which {authorities}")
        }
        None => format!(
            "by {signer}: with Secure Boot on it needs a shim that trusts this signer, or its \
             certificate enrolled as a machine owner key (MOK)"
        ),
    }
}

/// Lists the shims on the image that start this entry.
fn own_shims<'a>(image: &'a Image, entry: &'a Entry) -> impl Iterator<Item = &'a Shim> {
    let shims = image.loaders.shims.iter();
    shims.filter(|shim| entry.runs_on(shim.arch) && shim.trusts(&entry.signed))
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
