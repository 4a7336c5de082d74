//! This server and its images, as a booting machine reaches them.

use std::net::SocketAddrV4;

use super::transport::Transport;
use crate::vfs::Identity;

/// Where this server's doors are, as one machine reaches them. Always literal addresses: in the
/// initramfs there may be no DNS, and `siaddr` may be somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The boot door.
    pub http: SocketAddrV4,
    /// Whether NFS is served, at the same address.
    pub nfs: bool,
    /// Whether NBD is served, at the same address.
    pub nbd: bool,
}

impl Server {
    /// Whether this transport's door is open.
    pub fn offers(&self, transport: Transport) -> bool {
        match transport {
            Transport::Http => true,
            Transport::Nfs => self.nfs,
            Transport::Nbd => self.nbd,
        }
    }

    /// The transports whose doors are open.
    pub fn transports(&self) -> impl Iterator<Item = Transport> + use<'_> {
        Transport::ALL.into_iter().filter(|t| self.offers(*t))
    }

    /// `http://ADDRESS`, with the port only where it is not 80 (some ROMs cannot read one).
    pub fn http_origin(&self) -> String {
        match self.http.port() {
            80 => format!("http://{}", self.http.ip()),
            _ => format!("http://{}", self.http),
        }
    }
}

/// Which image a command line names, and at whose doors.
#[derive(Clone, Copy, Debug)]
pub struct MountSource<'a> {
    /// Our doors.
    pub server: &'a Server,
    /// The image's name.
    pub image: &'a str,
    /// The image's identity.
    pub identity: Identity,
}
