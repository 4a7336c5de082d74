//! Events of a disk in use: one transfer from the first read on.

use std::time::Duration;

use lanboot_core::events::{EventKind, Peer, Protocol};
use lanboot_core::nbd::Export;
use lanboot_core::text::printable;
use tokio::time::Instant;

use crate::bus::Bus;
use crate::serve::listen::LogThrottle;
use crate::serve::stream::SendError;

/// Bytes read from a disk before it is logged. Tools that list exports read the first few
/// kilobytes, and so do those that look for partitions.
const PROBE_BYTES: u64 = 64 * 1024;
/// Least time between two progress events.
const PROGRESS: Duration = Duration::from_millis(100);
/// Longest part of a name that is logged, in bytes.
const NAME_BYTES: usize = 256;

/// The bytes sent of one disk on one connection.
pub(super) struct Transfer {
    bus: Bus,
    peer: Peer,
    name: String,
    size: u64,
    sent: u64,
    /// Its number, and the time of its last event.
    logged: Option<(u64, Instant)>,
    began: Instant,
    stumbled: LogThrottle,
}

impl Transfer {
    /// Returns a transfer of which nothing was sent or logged yet.
    pub(super) fn new(bus: Bus, peer: Peer, export: &Export) -> Self {
        Self {
            bus,
            peer,
            name: printable(export.name.as_bytes(), NAME_BYTES),
            size: export.size(),
            sent: 0,
            logged: None,
            began: Instant::now(),
            stumbled: LogThrottle::default(),
        }
    }

    /// Bytes sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// So much was sent by now.
    pub(super) fn add(&mut self, sent: u64) {
        self.sent = sent;
    }

    /// The same, in the middle of a long reply.
    pub(super) fn reach(&mut self, sent: u64) {
        self.sent = sent;
        self.log_progress();
    }

    /// Publishes its start or its progress, when that is due.
    pub(super) fn log_progress(&mut self) {
        if self.sent < PROBE_BYTES {
            return;
        }
        let now = Instant::now();
        match &mut self.logged {
            Some((_, last)) if now.duration_since(*last) < PROGRESS => {}
            Some((transfer, last)) => {
                *last = now;
                let transfer = *transfer;
                let sent = self.sent;
                self.publish(EventKind::Progress { transfer, sent });
            }
            None => {
                let transfer = self.bus.next_transfer();
                self.logged = Some((transfer, now));
                self.publish(EventKind::Started {
                    protocol: Protocol::Nbd,
                    transfer,
                    path: self.name.clone(),
                    len: self.size,
                });
            }
        }
    }

    /// Logs that the image could not be read. The machine got an error and may go on.
    pub(super) fn read_error(&mut self, cut: &SendError) {
        if self.stumbled.is_due() {
            self.publish(EventKind::Failed {
                protocol: Protocol::Nbd,
                transfer: None,
                path: self.name.clone(),
                sent: self.sent,
                reason: cut.into(),
            });
        }
    }

    /// The connection is over.
    pub(super) fn end(&mut self, how: Result<(), SendError>) {
        let transfer = self.logged.map(|(transfer, _)| transfer);
        let path = self.name.clone();
        match (how, transfer) {
            (Ok(()), Some(transfer)) => self.publish(EventKind::Finished {
                protocol: Protocol::Nbd,
                transfer,
                path,
                sent: self.sent,
                took: self.began.elapsed(),
                retransmits: 0,
            }),
            // A client that probes may close the connection; a broken image is logged in any case.
            (Ok(()), None) | (Err(SendError::Peer(_)), None) => {}
            (Err(cut), transfer) => self.publish(EventKind::Failed {
                protocol: Protocol::Nbd,
                transfer,
                path,
                sent: self.sent,
                reason: (&cut).into(),
            }),
        }
    }

    fn publish(&self, what: EventKind) {
        self.bus.publish(self.peer, what);
    }
}
