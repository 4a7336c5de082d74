//! The boot progress: a consumer of the bus that follows the boot of each machine.
//!
//! It has a thread of its own, which waits for nothing but events. What it knows is read from
//! snapshots: by the live lines, by `--once` and `--until-idle`, and at the end of the program. A
//! terminal that takes no line holds up the log, and not the progress.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use lanboot_core::events::rate_limit::SUMMARY;
use lanboot_core::events::{BootProgress, Event, Outlook, Snapshot};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::events::bus::{self, Bus, Events, LossReport};

/// Least time between two snapshots: a burst of events makes one.
const REFRESH: Duration = Duration::from_millis(50);
/// Longest time between two snapshots: boots come to other states without an event.
const TICK: Duration = Duration::from_secs(1);

/// Reads the latest snapshot. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ProgressReader {
    latest: Arc<ArcSwap<Snapshot>>,
}

impl ProgressReader {
    /// Returns the boots of all machines as of a second ago at most.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.latest.load_full()
    }

    /// Returns what the machines need from this server, as of a second ago at most.
    pub fn outlook(&self) -> Outlook {
        self.latest.load().outlook.clone()
    }
}

/// Handle of the running consumer. Dropping it ends its thread.
#[derive(Debug)]
pub struct ProgressHandle {
    thread: JoinHandle<()>,
    stop: Arc<Notify>,
    reader: ProgressReader,
}

/// Starts a thread that folds `events`, and publishes on `bus` the states that boots come to. The
/// program is ready since `began`.
///
/// # Errors
/// Fails when there is no thread or descriptor left.
pub fn start(bus: Bus, events: Events, began: Duration) -> io::Result<ProgressHandle> {
    let reader = ProgressReader::default();
    let stop = Arc::new(Notify::new());
    let mut follower = Follower {
        boot_progress: BootProgress::default(),
        losses: LossReport::new("the boot progress"),
        bus,
        events,
        reader: reader.clone(),
        began,
        updated: Instant::now(),
        has_news: false,
    };
    follower.update();
    let (clock, stopped) = (
        Builder::new_current_thread().enable_time().build()?,
        Arc::clone(&stop),
    );
    let thread = std::thread::Builder::new()
        .name("boot-progress".into())
        .spawn(move || follower.run(&clock, &stopped))?;
    Ok(ProgressHandle {
        thread,
        stop,
        reader,
    })
}

impl ProgressHandle {
    /// Returns a reader of its snapshots.
    pub fn reader(&self) -> &ProgressReader {
        &self.reader
    }

    /// Waits a moment until everything that was published is part of the progress, and ends it.
    pub async fn end(self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        self.stop.notify_one();
        let finished = async {
            while !self.thread.is_finished() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        // Without a processor for so long, only the latest states are missing in the log.
        let _ = timeout(PATIENCE, finished).await;
    }
}

impl Drop for ProgressHandle {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

struct Follower {
    boot_progress: BootProgress,
    losses: LossReport,
    bus: Bus,
    events: Events,
    reader: ProgressReader,
    /// Time at which the program became ready.
    began: Duration,
    /// Time of the latest snapshot.
    updated: Instant,
    /// True if an event changed something since.
    has_news: bool,
}

enum Heard {
    Event(Arc<Event>),
    Nothing,
    Stop,
}

impl Follower {
    fn run(mut self, clock: &Runtime, stopped: &Notify) {
        loop {
            match clock.block_on(self.hear(stopped)) {
                Heard::Event(event) => self.fold(&event),
                Heard::Nothing => {}
                Heard::Stop => break,
            }
            self.fold_waiting();
            if self.updated.elapsed() >= self.pause() {
                self.update();
            }
        }
        self.fold_waiting();
        self.update();
    }

    /// Folds the events that have come.
    fn fold_waiting(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.fold(&event);
        }
    }

    /// Waits for the next event, until the next snapshot is due. With news the wait is short, and
    /// further events wait, too: a burst of them does not wake this thread for each.
    async fn hear(&mut self, stopped: &Notify) -> Heard {
        let wait = self.pause().saturating_sub(self.updated.elapsed());
        let has_news = self.has_news;
        let event = async {
            match has_news {
                true => pending().await,
                false => self.events.recv().await,
            }
        };
        tokio::select! {
            () = stopped.notified() => Heard::Stop,
            heard = timeout(wait, event) => match heard {
                Ok(Some(event)) => Heard::Event(event),
                Ok(None) => Heard::Stop,
                Err(_) => Heard::Nothing,
            },
        }
    }

    fn pause(&self) -> Duration {
        if self.has_news { REFRESH } else { TICK }
    }

    fn fold(&mut self, event: &Event) {
        self.has_news |= self.boot_progress.fold(event).is_some();
    }

    /// Makes a snapshot, and publishes what changed.
    fn update(&mut self) {
        (self.updated, self.has_news) = (Instant::now(), false);
        let now = bus::now();
        let (mut snapshot, events) = self.boot_progress.snapshot(now);
        snapshot.outlook.last = snapshot.outlook.last.max(self.began);
        // First, so that the log says that a machine is up before it says what follows from it.
        for event in events {
            self.bus.publish(event.peer, event.what);
        }
        self.reader.latest.store(Arc::new(snapshot));
        if let Some(diagnostic) = self.losses.due(self.events.lost(), now, SUMMARY) {
            self.bus.report(diagnostic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::events::{EventKind, FileUse, Peer, Protocol, Role};
    use std::net::IpAddr;

    const DEADLINE: Duration = Duration::from_secs(60);

    fn started(transfer: u64) -> EventKind {
        EventKind::Started {
            protocol: Protocol::Http,
            transfer,
            path: format!("file {transfer}"),
            len: 1000,
            file_use: Arc::new(FileUse {
                role: Role::Kernel,
                begins_boot: true,
                ..FileUse::default()
            }),
        }
    }

    /// Waits until a snapshot is as wanted.
    fn wait(reader: &ProgressReader, is_wanted: impl Fn(&Snapshot) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !is_wanted(&reader.snapshot()) {
            assert!(Instant::now() < end, "{:?}", reader.snapshot());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn sending(count: usize) -> impl Fn(&Snapshot) -> bool {
        move |snapshot| snapshot.outlook.transfers == count
    }

    #[test]
    fn progress_goes_on_while_the_log_stands_still() {
        let (bus, mut log) = Bus::new();
        let progress = start(bus.clone(), bus.subscribe(), bus::now()).unwrap();
        let peer = |n: u64| Peer {
            mac: None,
            ip: Some(IpAddr::from([10, 0, 0, u8::try_from(n).unwrap()])),
        };
        bus.publish(peer(1), started(1));
        wait(progress.reader(), sending(1));
        // More than the log can be behind.
        for round in 0..10 {
            for sent in 0..1000 {
                bus.publish(peer(1), EventKind::Progress { transfer: 1, sent });
            }
            bus.publish(peer(2), started(100 + round));
            wait(progress.reader(), sending(2));
            let finished = EventKind::Finished {
                protocol: Protocol::Http,
                transfer: 100 + round,
                path: String::new(),
                sent: 1000,
                took: Duration::ZERO,
                retransmits: 0,
                file_use: Arc::default(),
            };
            bus.publish(peer(2), finished);
            wait(progress.reader(), sending(1));
        }
        let machines = progress.reader().snapshot().machines.len();
        assert_eq!(machines, 2);
        log.try_recv().unwrap();
        assert!(log.lost() > 0, "the log did not stand still for long");
    }

    #[tokio::test]
    async fn states_are_published_before_it_ends() {
        let (bus, mut log) = Bus::new();
        let progress = start(bus.clone(), bus.subscribe(), bus::now()).unwrap();
        let ip = Some(IpAddr::from([10, 0, 0, 1]));
        bus.publish(Peer { mac: None, ip }, started(1));
        progress.end().await;
        let states = std::iter::from_fn(|| log.try_recv().ok())
            .filter(|event| matches!(event.what, EventKind::Boot { .. }))
            .count();
        assert_eq!(states, 1);
    }
}
