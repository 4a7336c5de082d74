//! Limits of requests and transfers.

use std::time::Duration;

/// Longest request parsed, in bytes. RFC 2347 §2 allows 512; only attacks are longer in practice.
pub const MAX_REQUEST: usize = 1024;
/// Most transfers that were displaced and have not ended yet. Each still has its descriptor until
/// then.
pub const MAX_DISPLACED: usize = 256;

/// Limits of a transfer.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest block size accepted, in bytes of data. RFC 2348 allows up to 65464.
    pub blksize: u16,
    /// Most blocks sent before an ACK. 32 is what dnsmasq grants, so firmware is used to it.
    pub windowsize: u16,
    /// Most bytes of data sent before an ACK: what one kernel send buffer takes without blocking,
    /// and what a transfer holds in memory.
    pub window_bytes: u32,
    /// Wait for the first answer before retransmission, and the upper limit of the wait derived
    /// from measured round trips. A negotiated `timeout` replaces it.
    pub first_wait: Duration,
    /// Lower limit of the wait derived from measured round trips (as in Linux TCP): slow machines
    /// may be writing flash.
    pub shortest_wait: Duration,
    /// Upper limit of the doubled wait.
    pub longest_wait: Duration,
    /// Longest `timeout` accepted, in seconds; a longer one is not acknowledged, and the machine
    /// keeps its own. A vanished machine would occupy a transfer for `tries` times this long.
    pub timeout: u8,
    /// Least number of times the same datagrams are sent before the machine counts as gone.
    pub tries: u32,
    /// Number of times the first datagrams are sent to a machine that has not answered. One that
    /// lost them requests again; one whose address was forged receives no more than this.
    pub first_tries: u32,
    /// Shortest silence before a machine counts as gone: an option ROM may be erasing flash, or a
    /// person looking at another page of the setup. dnsmasq waits 31 s, BSD's tftpd 25 s. The wait
    /// for the last ACK is shorter, since many loaders never send it.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blksize: 65464,
            windowsize: 32,
            window_bytes: 65_536,
            first_wait: Duration::from_secs(1),
            shortest_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(8),
            timeout: 30,
            tries: 6,
            first_tries: 3,
            patience: Duration::from_secs(30),
        }
    }
}

/// Limits of running transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Most transfers at once.
    pub transfers: usize,
    /// Most transfers at once for one address.
    pub transfers_per_machine: usize,
}
