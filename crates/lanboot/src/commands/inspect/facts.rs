//! Facts that the report about every kind of entry has.

use std::net::{IpAddr, Ipv4Addr};

use lanboot_core::catalog::{Entry, Image, Server};
use lanboot_core::loaders::Shim;
use lanboot_core::net::Origin;

/// Describes what to know about an entry before enabling Secure Boot.
pub(super) fn secure_boot(image: &Image, entry: &Entry) -> String {
    let Some(signer) = entry.signed.names().first() else {
        return "no: the kernel starts only with Secure Boot off".into();
    };
    let fits = |shim: &&Shim| entry.runs_on(shim.arch) && shim.trusts(&entry.signed);
    let own = image.loaders.shims.iter().find(fits);
    match own {
        Some(shim) => format!(
            "by {signer}, trusted by the shim on this image ({})",
            shim.from
        ),
        None => format!("by {signer}: with Secure Boot on it needs a shim that trusts this signer"),
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
