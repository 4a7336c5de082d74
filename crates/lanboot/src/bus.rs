//! The event bus: every server publishes what happened, and the event logger receives it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanboot_core::events::{Diagnostic, Event, EventKind, Peer};
use tokio::sync::mpsc;

use crate::arrivals::Arrivals;
use crate::net::Service;

/// Most events waiting for the event logger. A full queue drops events and counts them: logging
/// never delays a boot.
const QUEUE: usize = 65_536;

/// The sending end, for every server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Event>,
    dropped: Arc<AtomicU64>,
    transfers: AtomicU64,
    arrivals: Arrivals,
}

impl Bus {
    /// A bus and the receiving end of its queue.
    pub fn new() -> (Self, mpsc::Receiver<Event>) {
        let (queue, events) = mpsc::channel(QUEUE);
        let inner = Inner {
            queue,
            dropped: Arc::default(),
            transfers: AtomicU64::new(0),
            arrivals: Arrivals::default(),
        };
        (
            Self {
                inner: Arc::new(inner),
            },
            events,
        )
    }

    /// Publishes an event. Never waits.
    pub fn publish(&self, peer: Peer, what: EventKind) {
        let event = Event {
            at: now(),
            peer,
            what,
        };
        if self.inner.queue.try_send(event).is_err() {
            self.inner.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Publishes a diagnostic of the server itself.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.publish(Peer::default(), EventKind::Diagnostic(diagnostic));
    }

    /// A number no other transfer of this run has.
    pub fn next_transfer(&self) -> u64 {
        self.inner.transfers.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts the arrivals at these addresses of ours from now on; see [`Arrivals::begin`].
    pub fn count_arrivals_at(&self, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        self.inner.arrivals.begin(addresses);
    }

    /// Counts a request or connection that reached the listener of `service` at `address`.
    pub fn arrived(&self, service: Service, address: Ipv4Addr) {
        self.inner.arrivals.add(service, address);
    }

    /// Returns how many reached the listener of `service` at `address` so far.
    pub fn arrivals(&self, service: Service, address: Ipv4Addr) -> u64 {
        self.inner.arrivals.count(service, address)
    }

    /// Events lost to a full queue since the start. Its holder does not hold the bus, so
    /// that it still sees when nobody publishes any more.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.inner.dropped)
    }
}

/// Time since 1970 UTC.
pub fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
