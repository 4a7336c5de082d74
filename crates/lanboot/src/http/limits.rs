//! Limits of the HTTP server.

use std::time::Duration;

/// Most connections at once: four for each of a thousand machines.
pub const MAX_CONNECTIONS: usize = 4096;
/// Most connections of one machine. Loaders open two; a download tool a few dozen.
pub const MAX_CONNECTIONS_PER_PEER: usize = 128;
/// Longest wait of a connection for its first or next request. Initramfs scripts open a new one
/// for each file, so nothing is gained by more.
pub const IDLE: Duration = Duration::from_secs(120);
/// Longest time for a request head from its first byte on.
pub const HEAD: Duration = Duration::from_secs(30);
/// Longest time without an acknowledgement of what is sent. A reader of one byte per second frees
/// space for one Ethernet segment, and so shows a sign of life, every 24 minutes.
pub const STALL: Duration = Duration::from_secs(3600);

/// Limits of the server. [`Limits::default`] has the constants above.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_peer: usize,
    /// Wait for a request.
    pub idle: Duration,
    /// Wait for the end of a request's head.
    pub head: Duration,
    /// Wait for a sign that the machine takes what is sent.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            connections_per_peer: MAX_CONNECTIONS_PER_PEER,
            idle: IDLE,
            head: HEAD,
            stall: STALL,
        }
    }
}
