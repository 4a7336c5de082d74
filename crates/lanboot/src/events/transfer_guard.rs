//! The events of one transfer, the same for every protocol: a start, progress at intervals, and
//! exactly one end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lanboot_core::events::{EventKind, FileUse, ListenerReason, Peer, Protocol, Reason};
use tokio::time::Instant;

use crate::events::bus::Bus;

/// Least time between two progress events of one transfer.
const PROGRESS: Duration = Duration::from_millis(100);
/// The same over TFTP.
const TFTP_PROGRESS: Duration = Duration::from_millis(200);

/// A transfer to be: its file and its receiver.
#[derive(Clone, Debug)]
pub struct TransferInfo {
    /// The protocol.
    pub protocol: Protocol,
    /// The machine.
    pub peer: Peer,
    /// The path it asked for, made printable.
    pub path: String,
    /// Bytes to send.
    pub len: u64,
    /// Meaning of the file to a boot.
    pub file_use: FileUse,
}

/// Publishes the events of one transfer. Until [`start`](Self::start) it has no number, and only a
/// failure is published. One that began and is dropped without an end has failed.
#[derive(Debug)]
pub struct TransferGuard {
    bus: Bus,
    protocol: Protocol,
    peer: Peer,
    path: String,
    len: u64,
    file_use: Arc<FileUse>,
    /// Time of its creation, from which its duration is counted.
    created: Instant,
    /// Its number, from its start on.
    number: OnceLock<u64>,
    /// Bytes sent so far.
    sent: AtomicU64,
    /// Milliseconds from its creation to its latest event.
    latest: AtomicU64,
    is_over: AtomicBool,
}

impl TransferGuard {
    /// Creates a guard that has published nothing.
    pub fn new(bus: &Bus, info: TransferInfo) -> Self {
        Self {
            bus: bus.clone(),
            protocol: info.protocol,
            peer: info.peer,
            path: info.path,
            len: info.len,
            file_use: Arc::new(info.file_use),
            created: Instant::now(),
            number: OnceLock::new(),
            sent: AtomicU64::new(0),
            latest: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Returns the path asked for, made printable.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the number of bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns the number that its events carry; `None` before its start.
    pub fn number(&self) -> Option<u64> {
        self.number.get().copied()
    }

    /// Returns whether it has begun.
    pub fn has_started(&self) -> bool {
        self.number.get().is_some()
    }

    /// Notes that `sent` bytes have been sent by now.
    pub fn set_sent(&self, sent: u64) {
        self.sent.store(sent, Ordering::Relaxed);
    }

    /// Notes that `len` more bytes have been sent.
    pub fn add_sent(&self, len: u64) {
        self.sent.fetch_add(len, Ordering::Relaxed);
    }

    /// Publishes the start, once.
    pub fn start(&self) {
        if self.is_over() {
            return;
        }
        // Inside, so that nobody sees the number before the start is published.
        self.number.get_or_init(|| {
            let transfer = self.bus.next_transfer();
            self.latest
                .store(self.age(Instant::now()), Ordering::Relaxed);
            self.publish(EventKind::Started {
                protocol: self.protocol,
                transfer,
                path: self.path.clone(),
                len: self.len,
                file_use: Arc::clone(&self.file_use),
            });
            transfer
        });
    }

    /// Publishes how much was sent, where that is due at `now`.
    pub fn progress(&self, now: Instant) {
        let Some(transfer) = self.number().filter(|_| !self.is_over()) else {
            return;
        };
        let (before, age) = (self.latest.load(Ordering::Relaxed), self.age(now));
        if age.saturating_sub(before) < millis(self.interval()) {
            return;
        }
        // Another connection of the same mount may be here as well.
        let exchanged =
            self.latest
                .compare_exchange(before, age, Ordering::Relaxed, Ordering::Relaxed);
        if exchanged.is_ok() {
            let sent = self.sent();
            self.publish(EventKind::Progress { transfer, sent });
        }
    }

    /// Publishes that all of it arrived, of a transfer that began and has no end yet;
    /// `retransmits` packets were sent again.
    pub fn finish(&self, retransmits: u32) {
        let Some(transfer) = self.end() else {
            return;
        };
        self.publish(EventKind::Finished {
            protocol: self.protocol,
            transfer,
            path: self.path.clone(),
            sent: self.sent(),
            took: self.created.elapsed(),
            retransmits,
            file_use: Arc::clone(&self.file_use),
        });
    }

    /// Publishes that it failed, unless it has an end already. One that did not begin fails too.
    pub fn fail(&self, reason: impl Into<Reason>) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            self.publish_failed(self.number(), reason.into());
        }
    }

    /// Publishes a failure that does not end it.
    pub fn report_failure(&self, reason: impl Into<Reason>) {
        self.publish_failed(None, reason.into());
    }

    /// Gives it up without an event.
    pub fn abandon(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Ends it. Returns its number if it began and had no end yet.
    fn end(&self) -> Option<u64> {
        let transfer = self.number()?;
        let was_over = self.is_over.swap(true, Ordering::Relaxed);
        (!was_over).then_some(transfer)
    }

    fn publish_failed(&self, transfer: Option<u64>, reason: Reason) {
        self.publish(EventKind::Failed {
            protocol: self.protocol,
            transfer,
            path: self.path.clone(),
            sent: self.sent(),
            reason,
        });
    }

    fn publish(&self, what: EventKind) {
        self.bus.publish(self.peer, what);
    }

    /// Returns the milliseconds from its creation to `now`.
    fn age(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.created))
    }

    fn interval(&self) -> Duration {
        match self.protocol {
            Protocol::Tftp => TFTP_PROGRESS,
            Protocol::Dhcp | Protocol::Http | Protocol::Nfs | Protocol::Nbd => PROGRESS,
        }
    }
}

impl Drop for TransferGuard {
    fn drop(&mut self) {
        if self.has_started() {
            self.fail(ListenerReason::Interrupted);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::events::Role;

    /// Returns the events of a transfer of 1000 bytes that lives through `life`.
    fn events(protocol: Protocol, life: impl FnOnce(TransferGuard)) -> Vec<EventKind> {
        let (bus, mut events) = Bus::new();
        let info = TransferInfo {
            protocol,
            peer: Peer::default(),
            path: "arch/kernel".into(),
            len: 1000,
            file_use: FileUse {
                role: Role::Kernel,
                ..FileUse::default()
            },
        };
        life(TransferGuard::new(&bus, info));
        drop(bus);
        std::iter::from_fn(|| events.try_recv().ok())
            .map(|event| event.what.clone())
            .collect()
    }

    #[test]
    fn a_transfer_that_is_dropped_has_failed() {
        let events = events(Protocol::Http, |guard| {
            guard.start();
            guard.set_sent(300);
        });
        let [
            EventKind::Started { transfer, .. },
            EventKind::Failed {
                transfer: failed,
                sent: 300,
                path,
                reason: Reason::Listener(ListenerReason::Interrupted),
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!((Some(*transfer), path.as_str()), (*failed, "arch/kernel"));
    }

    #[test]
    fn a_transfer_has_exactly_one_end_whatever_is_said_of_it_later() {
        let ends: [fn(&TransferGuard); 2] = [
            |guard| guard.finish(0),
            |guard| guard.fail(ListenerReason::AskedAnew),
        ];
        for (first, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let events = events(Protocol::Nfs, |guard| {
                guard.start();
                guard.start();
                ends[first](&guard);
                ends[second](&guard);
                guard.start();
                guard.progress(Instant::now() + 2 * PROGRESS);
            });
            let is_finished = matches!(events.last(), Some(EventKind::Finished { .. }));
            assert_eq!((events.len(), is_finished), (2, first == 0), "{events:?}");
        }
    }

    #[test]
    fn one_that_never_began_is_silent_unless_it_fails() {
        let silent = events(Protocol::Tftp, |guard| {
            guard.progress(Instant::now() + 2 * TFTP_PROGRESS);
            guard.finish(0);
        });
        assert!(silent.is_empty(), "{silent:?}");
        let events = events(Protocol::Tftp, |guard| {
            guard.fail(ListenerReason::TransferTaken);
            guard.start();
        });
        assert!(
            matches!(&events[..], [EventKind::Failed { transfer: None, .. }]),
            "{events:?}"
        );
    }

    #[test]
    fn one_that_is_given_up_has_no_end() {
        let events = events(Protocol::Nfs, |guard| {
            guard.start();
            guard.abandon();
        });
        assert!(
            matches!(&events[..], [EventKind::Started { .. }]),
            "{events:?}"
        );
    }

    #[test]
    fn its_start_and_its_end_carry_what_the_file_means() {
        let events = events(Protocol::Http, |guard| {
            guard.start();
            guard.finish(0);
        });
        let roles = events.iter().map(|what| what.file_use().map(|f| f.role));
        assert_eq!(roles.collect::<Vec<_>>(), [Some(Role::Kernel); 2]);
    }

    #[test]
    fn progress_is_published_at_intervals() {
        let events = events(Protocol::Tftp, |guard| {
            guard.start();
            let began = Instant::now();
            for step in 0..10 {
                guard.set_sent(step);
                guard.progress(began + TFTP_PROGRESS / 2 * u32::try_from(step).unwrap());
            }
            guard.finish(0);
        });
        let is_progress = |what: &&EventKind| matches!(what, EventKind::Progress { .. });
        let progress = events.iter().filter(is_progress).count();
        assert!((4..=5).contains(&progress), "{events:?}");
    }
}
