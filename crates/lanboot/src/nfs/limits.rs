//! Limits of the NFS server.

use std::time::Duration;

use lanboot_core::nfs::FORGET;

/// Most connections to port 2049 at once: four for each of a thousand machines. A machine has one
/// or two, and comes again when an idle one is closed.
pub const MAX_CONNECTIONS: usize = 4096;
/// Most of them from one address, which may be a router with a classroom behind it.
pub const MAX_CONNECTIONS_PER_PEER: usize = 512;
/// Most connections to the port mapper at once; each lasts for one question.
pub const MAX_QUESTIONS: usize = 1024;
/// Most of them from one address.
pub const MAX_QUESTIONS_PER_PEER: usize = 256;
/// Longest time without an acknowledgement of what is sent. The machine may be asleep or
/// unplugged, and would only ask for the same again.
pub const STALL: Duration = Duration::from_secs(600);

/// Limits of the server. [`Limits::default`] has the constants above.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_peer: usize,
    /// Wait for a sign that the machine takes what is sent.
    pub stall: Duration,
    /// Time without a use after which a machine with no connection is done with an image.
    pub forget: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            connections_per_peer: MAX_CONNECTIONS_PER_PEER,
            stall: STALL,
            forget: FORGET,
        }
    }
}
