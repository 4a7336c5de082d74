//! This server and its images, as a booting machine reaches them.

use super::transport::Transport;
use crate::net::Origin;
use crate::vfs::Identity;

/// This server's addresses as one machine reaches them. Always literal: an initramfs may have no
/// DNS, and `siaddr` may be another server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Origin of the HTTP server's URLs. TFTP, NFS and NBD are served at the same address.
    pub http: Origin,
    /// True if NFS is served.
    pub nfs: bool,
    /// True if NBD is served.
    pub nbd: bool,
}

impl Server {
    /// Tests whether this transport is served.
    pub fn offers(&self, transport: Transport) -> bool {
        match transport {
            Transport::Http => true,
            Transport::Nfs => self.nfs,
            Transport::Nbd => self.nbd,
        }
    }

    /// Lists the transports that are served.
    pub fn transports(&self) -> impl Iterator<Item = Transport> + use<'_> {
        Transport::ALL.into_iter().filter(|t| self.offers(*t))
    }
}

/// The image a command line names, and the server it comes from.
#[derive(Clone, Copy, Debug)]
pub struct MountSource<'a> {
    /// This server.
    pub server: &'a Server,
    /// The image's name.
    pub image: &'a str,
    /// The image's identity.
    pub identity: Identity,
}
