//! Events of a disk in use: one transfer from the first read on.

use lanboot_core::events::{FileUse, Peer, Protocol};
use lanboot_core::nbd::Export;
use lanboot_core::text::printable;
use tokio::time::Instant;

use crate::events::bus::Bus;
use crate::events::log_throttle::LogThrottle;
use crate::events::transfer_guard::{TransferGuard, TransferInfo};
use crate::io::send::SendError;

/// Bytes read from a disk before it is logged. Tools that list exports read the first few
/// kilobytes, and so do those that look for partitions.
const PROBE_BYTES: u64 = 64 * 1024;
/// Longest part of a name that is logged, in bytes.
const NAME_BYTES: usize = 256;

/// The bytes sent of one disk on one connection.
pub(super) struct Transfer {
    guard: TransferGuard,
    stumbled: LogThrottle,
}

impl Transfer {
    /// Returns a transfer of which nothing was sent or logged yet.
    pub(super) fn new(bus: &Bus, peer: Peer, export: &Export) -> Self {
        let info = TransferInfo {
            protocol: Protocol::Nbd,
            peer,
            path: printable(export.name.as_bytes(), NAME_BYTES),
            len: export.size(),
            file_use: FileUse::mounted(),
        };
        Self {
            guard: TransferGuard::new(bus, info),
            stumbled: LogThrottle::default(),
        }
    }

    /// Returns the bytes sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.guard.sent()
    }

    /// Records the bytes sent so far.
    pub(super) fn add(&self, sent: u64) {
        self.guard.set_sent(sent);
    }

    /// Records the bytes sent so far, in the middle of a long reply.
    pub(super) fn reach(&self, sent: u64) {
        self.guard.set_sent(sent);
        self.log_progress();
    }

    /// Publishes its start or its progress, when that is due.
    pub(super) fn log_progress(&self) {
        if self.guard.has_started() {
            self.guard.progress(Instant::now());
        } else if self.guard.sent() >= PROBE_BYTES {
            self.guard.start();
        }
    }

    /// Logs that the image could not be read. The machine got an error and may go on.
    pub(super) fn read_error(&mut self, cut: &SendError) {
        if self.stumbled.is_due() {
            self.guard.report_failure(cut);
        }
    }

    /// Publishes the end of the transfer: the connection is over.
    pub(super) fn end(&self, how: Result<(), SendError>) {
        match how {
            Ok(()) => self.guard.finish(0),
            // A client that probes may close the connection; a broken image is logged in any case.
            Err(SendError::Peer(_)) if !self.guard.has_started() => {}
            Err(cut) => self.guard.fail(&cut),
        }
    }
}
