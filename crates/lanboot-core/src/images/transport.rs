//! Root transports.

use std::fmt;

/// The transport of the root file system to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Copied into memory over HTTP.
    Http,
    /// Read over NFS when it is needed; it stays on the server.
    Nfs,
    /// The whole image as a network disk.
    Nbd,
}

impl Transport {
    /// Returns the word for it on the command line and in menus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Nfs => "nfs",
            Self::Nbd => "nbd",
        }
    }

    /// Every transport there is.
    pub const ALL: [Self; 3] = [Self::Http, Self::Nfs, Self::Nbd];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
