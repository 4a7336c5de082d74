//! The one bus: every door publishes what happened; whoever wants to know subscribes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanboot_core::events::{Event, EventKind, Peer};
use tokio::sync::mpsc;

use crate::net::Service;

/// Events waiting for the teller. A full queue drops events and counts them: telling a story
/// never delays a boot.
const QUEUE: usize = 65_536;

/// Where doors publish. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Event>,
    dropped: Arc<AtomicU64>,
    transfers: AtomicU64,
    arrivals: [AtomicU64; Service::ALL.len()],
}

impl Bus {
    /// A bus and the receiving end of its queue.
    pub fn new() -> (Self, mpsc::Receiver<Event>) {
        let (queue, events) = mpsc::channel(QUEUE);
        let inner = Inner {
            queue,
            dropped: Arc::default(),
            transfers: AtomicU64::new(0),
            arrivals: Default::default(),
        };
        (
            Self {
                inner: Arc::new(inner),
            },
            events,
        )
    }

    /// Tells everybody. Never waits.
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

    /// A number no other transfer of this run has.
    pub fn next_transfer(&self) -> u64 {
        self.inner.transfers.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a request or connection that reached the listener of `service`.
    pub fn arrived(&self, service: Service) {
        let mut counts = Service::ALL.iter().zip(&self.inner.arrivals);
        if let Some((_, count)) = counts.find(|(other, _)| **other == service) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many reached the listener of `service` so far.
    pub fn arrivals(&self, service: Service) -> u64 {
        let mut counts = Service::ALL.iter().zip(&self.inner.arrivals);
        let count = counts.find(|(other, _)| **other == service);
        count.map_or(0, |(_, count)| count.load(Ordering::Relaxed))
    }

    /// Events lost to a full queue since the start. Whoever holds it does not hold the bus, so
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
