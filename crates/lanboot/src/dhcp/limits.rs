//! Limits of the DHCP server.

use std::time::Duration;

/// Wait for the answer to an ARP probe, which is repeated half-way.
pub(super) const ARP_WAIT: Duration = Duration::from_millis(300);
/// Wait for the answer to a ping behind a relay, over a few routers and a busy line.
pub(super) const PING_WAIT: Duration = Duration::from_millis(600);
/// Most probes under way at once. Beyond that, addresses are offered without: a classroom that is
/// switched on must not wait for itself, and machines probe too (RFC 2131 §2.2).
pub(super) const MAX_PROBES: usize = 64;
/// Most messages read from one socket before other work gets its turn.
pub(super) const BURST: usize = 64;
/// Most ACKs that wait for the disk. The store's own queue is shorter, so this one never fills.
pub(super) const COMMITS: usize = 8192;
