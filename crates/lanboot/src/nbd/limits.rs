//! Limits of the NBD server.

use std::time::Duration;

/// Most connections at once: four for each of a thousand machines.
pub const MAX_CONNECTIONS: usize = 4096;
/// Most connections of one machine. A machine has one or a few; load tests and machines behind
/// one router look like one machine with many.
pub const MAX_CONNECTIONS_PER_PEER: usize = 512;
/// Longest time a negotiation may take.
pub const NEGOTIATION: Duration = Duration::from_secs(30);
/// Longest time without an acknowledgement of what is sent: a machine that was suspended may come
/// back.
pub const STALL: Duration = Duration::from_secs(3600);

/// Limits of the server. [`Limits::default`] has the constants above.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_peer: usize,
    /// Wait for the end of the negotiation.
    pub negotiation: Duration,
    /// Wait for a sign that the machine takes what is sent.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            connections_per_peer: MAX_CONNECTIONS_PER_PEER,
            negotiation: NEGOTIATION,
            stall: STALL,
        }
    }
}
