//! Facts that the report about every kind of entry has.

use std::net::{IpAddr, Ipv4Addr};

use lanboot_core::catalog::{Entry, Image, Server, Transport};
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
    SecureStanding {
        microsoft_2011: shims().any(|shim| shim.authorities.of_2011),
        microsoft_2023: shims().any(|shim| shim.authorities.of_2023),
        machine_owner_key: !entry.signed.names().is_empty(),
    }
}

/// Describes what to know about an entry before enabling Secure Boot.
pub(super) fn secure_boot(image: &Image, entry: &Entry) -> String {
    let Some(signer) = entry.signed.names().first() else {
        return "no: the kernel starts only with Secure Boot off".into();
    };
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

/// Returns a server with every service, whose address stands for this host's.
pub(super) fn server() -> Server {
    Server {
        http: Origin::http(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80),
        nfs: true,
        nbd: true,
    }
}
