//! Golden tests of families: media by their files, and the kernel's arguments on one server.

use std::net::{IpAddr, Ipv4Addr};

use super::arguments::Dialect;
use super::detection::Detection;
use super::entry::Entry;
use super::server::{MountSource, Server};
use super::{Transport, families};
use crate::net::Origin;
use crate::testing::{medium, tree};
use crate::vfs::Identity;

/// This server, with every service.
pub(super) const SERVER: Server = Server {
    http: Origin::http(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)), 80),
    nfs: true,
    nbd: true,
};

/// Recognises a medium called `disc`, by all families.
pub(super) fn detected(files: &[(&str, &str)]) -> Detection {
    families::detect(medium(&tree(files), "disc", "Label")).unwrap()
}

/// Returns the kernel's arguments of `entry`, as a menu for iPXE has them.
pub(super) fn line(entry: &Entry, transport: Transport, append: &str) -> String {
    let source = MountSource {
        server: &SERVER,
        image: "disc",
        identity: Identity::default(),
    };
    entry.command_line(transport, source, Dialect::Ipxe, append)
}
