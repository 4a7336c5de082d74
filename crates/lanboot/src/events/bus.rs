//! The event bus: every server publishes what happened, and each consumer receives all of it. The
//! log and the boot progress are equal consumers.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanboot_core::events::rate_limit::{RateLimit, TokenBucket};
use lanboot_core::events::{Diagnostic, DiagnosticCode, Event, EventKind, Peer};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::events::arrivals::Arrivals;
use crate::net::Service;

/// Most events waiting for a consumer. One that does not keep up loses the oldest ones and counts
/// them: logging never delays a boot.
const CAPACITY: usize = 8192;

/// The sending end, for every server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    events: broadcast::Sender<Arc<Event>>,
    is_closed: AtomicBool,
    transfers: AtomicU64,
    arrivals: Arrivals,
}

impl Bus {
    /// Creates a bus with its first consumer.
    pub fn new() -> (Self, Events) {
        let (sender, receiver) = broadcast::channel(CAPACITY);
        let inner = Inner {
            events: sender,
            is_closed: AtomicBool::new(false),
            transfers: AtomicU64::new(0),
            arrivals: Arrivals::default(),
        };
        let bus = Self {
            inner: Arc::new(inner),
        };
        (bus, Events::new(receiver))
    }

    /// Returns the events from now on, for another consumer.
    pub fn subscribe(&self) -> Events {
        Events::new(self.inner.events.subscribe())
    }

    /// Publishes an event. Never waits.
    pub fn publish(&self, peer: Peer, what: EventKind) {
        if !self.inner.is_closed.load(Ordering::Relaxed) {
            self.send(peer, what);
        }
    }

    /// Publishes a diagnostic of the server itself.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.publish(Peer::default(), EventKind::Diagnostic(diagnostic));
    }

    /// Publishes `last_words` as the last event.
    pub fn close(&self, last_words: Diagnostic) {
        self.inner.is_closed.store(true, Ordering::Relaxed);
        self.send(Peer::default(), EventKind::Diagnostic(last_words));
    }

    fn send(&self, peer: Peer, what: EventKind) {
        let event = Event {
            at: now(),
            peer,
            what,
        };
        // Fails only when there is no consumer.
        let _ = self.inner.events.send(Arc::new(event));
    }

    /// Returns a number that no other transfer of this run has.
    pub fn next_transfer(&self) -> u64 {
        self.inner.transfers.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts the arrivals at these addresses of ours from now on; see [`Arrivals::begin`].
    pub fn count_arrivals_at(&self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.inner.arrivals.begin(addresses);
    }

    /// Counts a request or connection that reached the listener of `service` at `address`.
    pub fn arrived(&self, service: Service, address: IpAddr) {
        self.inner.arrivals.add(service, address);
    }

    /// Returns how many reached the listener of `service` at `address` so far.
    pub fn arrivals(&self, service: Service, address: IpAddr) -> u64 {
        self.inner.arrivals.count(service, address)
    }
}

/// The events for one consumer, in the order they were published.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Arc<Event>>,
    lost: u64,
}

impl Events {
    fn new(receiver: broadcast::Receiver<Arc<Event>>) -> Self {
        Self { receiver, lost: 0 }
    }

    /// Waits for the next event; `None` when nobody can publish any more. No event is lost when the
    /// future is dropped.
    pub async fn recv(&mut self) -> Option<Arc<Event>> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(lost)) => self.lost += lost,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Returns the next event that is here.
    ///
    /// # Errors
    /// There is none; or none can come any more.
    pub fn try_recv(&mut self) -> Result<Arc<Event>, TryRecvError> {
        loop {
            match self.receiver.try_recv() {
                Err(TryRecvError::Lagged(lost)) => self.lost += lost,
                result => return result,
            }
        }
    }

    /// Returns whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Returns how many events this consumer has lost so far, because it did not keep up.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// Reports the events that one consumer lost.
#[derive(Debug)]
pub struct LossReport {
    /// The consumer, as the subject of a sentence.
    consumer: &'static str,
    /// The number reported.
    reported: u64,
    limit: TokenBucket,
}

impl LossReport {
    /// Creates the reports of `consumer`, the subject of their sentence.
    pub fn new(consumer: &'static str) -> Self {
        Self {
            consumer,
            reported: 0,
            limit: TokenBucket::default(),
        }
    }

    /// Returns a diagnostic when more of the events are `lost` than it reported, and the last one
    /// is `patience` ago.
    pub fn due(&mut self, lost: u64, now: Duration, patience: Duration) -> Option<Diagnostic> {
        let once = RateLimit {
            burst: 1,
            refill: patience,
        };
        if lost == self.reported || !self.limit.take(once, now) {
            return None;
        }
        let more = lost.saturating_sub(self.reported);
        self.reported = lost;
        Some(DiagnosticCode::EventsLost.with(format!(
            "{} could not keep up; events missing: {more} ({lost} since the start); \
             machines are served all the same",
            self.consumer
        )))
    }
}

/// Returns the time since 1970 UTC.
pub fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::events::rate_limit::SUMMARY;

    fn progress(sent: u64) -> EventKind {
        EventKind::Progress { transfer: 1, sent }
    }

    /// Returns the number of the next event.
    fn next(events: &mut Events) -> Option<u64> {
        match events.try_recv().ok()?.what {
            EventKind::Progress { sent, .. } => Some(sent),
            _ => None,
        }
    }

    #[test]
    fn a_consumer_that_lags_loses_the_oldest_events_and_no_other_one_does() {
        let (bus, mut slow) = Bus::new();
        let mut quick = bus.subscribe();
        let count = CAPACITY as u64 + 3;
        for n in 0..count {
            bus.publish(Peer::default(), progress(n));
            assert_eq!(next(&mut quick), Some(n));
        }
        assert_eq!((quick.lost(), quick.is_empty()), (0, true));
        for n in 3..count {
            assert_eq!(next(&mut slow), Some(n));
        }
        assert_eq!((slow.lost(), slow.is_empty()), (3, true));
        bus.publish(Peer::default(), progress(count));
        assert_eq!(next(&mut slow), Some(count), "it has caught up");
        assert_eq!(slow.lost(), 3);
    }

    #[test]
    fn lost_events_are_logged_at_most_once_a_minute() {
        let (bus, mut events) = Bus::new();
        let mut losses = LossReport::new("this log");
        let mut at = |events: &Events, second| {
            let due = losses.due(events.lost(), Duration::from_secs(second), SUMMARY);
            due.map(|diagnostic| diagnostic.text)
        };
        assert_eq!(at(&events, 1000), None);
        for n in 0..CAPACITY as u64 + 3 {
            bus.publish(Peer::default(), progress(n));
        }
        assert_eq!(next(&mut events), Some(3));
        let said = at(&events, 1001).unwrap();
        assert!(said.starts_with("this log could not keep up"), "{said}");
        assert!(said.contains("missing: 3 (3 since"), "{said}");
        for n in 0..2 {
            bus.publish(Peer::default(), progress(n));
        }
        assert_eq!(next(&mut events), Some(5));
        assert_eq!(at(&events, 1060), None, "too soon");
        let said = at(&events, 1061).unwrap();
        assert!(said.contains("missing: 1 (4 since"), "{said}");
        assert_eq!(at(&events, 5000), None, "nothing new");
    }

    #[test]
    fn nothing_is_published_after_the_last_words() {
        let (bus, mut events) = Bus::new();
        bus.close(DiagnosticCode::Stopped.with("stopped"));
        bus.publish(Peer::default(), progress(1));
        let last = events.try_recv().unwrap();
        assert!(matches!(&last.what, EventKind::Diagnostic(last) if last.text == "stopped"));
        assert!(events.is_empty());
    }
}
