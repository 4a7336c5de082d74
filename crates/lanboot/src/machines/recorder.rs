//! A consumer of the bus that learns from events, and keeps in the store what it learned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lanboot_core::events::rate_limit::SUMMARY;
use lanboot_core::events::{DiagnosticCode, Event};
use lanboot_core::machines::Change;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::plans::Plans;
use super::table::MachineTable;
use crate::events::bus::{self, Bus, Events, LossReport};
use crate::store::{self, Store};

/// Time for which further events wait after one, so that a burst of them wakes the task once.
const REFRESH: Duration = Duration::from_millis(100);
/// Interval at which changes are kept.
const KEEP: Duration = Duration::from_secs(5);
/// Most changes kept at once: a flood of invented machines must leave the disk to the leases.
const MAX_KEPT_AT_ONCE: usize = 256;
/// Most changes kept at the end of the program.
const MAX_KEPT_AT_END: usize = 2048;

/// Handle of the running consumer.
#[derive(Debug)]
pub struct RecorderHandle {
    task: JoinHandle<()>,
    stop: Arc<Notify>,
}

/// Starts a task on `runtime` that learns from `events`: `plans` and their machines, and keeps the table
/// of these in `store`.
pub fn start(
    runtime: &Handle,
    bus: Bus,
    events: Events,
    plans: Plans,
    store: Arc<dyn Store>,
) -> RecorderHandle {
    let stop = Arc::new(Notify::new());
    let recorder = Recorder {
        table: plans.machines().clone(),
        plans,
        store,
        losses: LossReport::new("the list of machines"),
        bus,
        events,
        is_failing: Arc::default(),
    };
    let stopped = Arc::clone(&stop);
    RecorderHandle {
        task: runtime.spawn(async move { recorder.run(&stopped).await }),
        stop,
    }
}

impl RecorderHandle {
    /// Waits a moment until everything that was published is handed to the store, and ends the task.
    pub async fn end(self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        self.stop.notify_one();
        // Without a processor for so long, only the latest changes are missing.
        let _ = timeout(PATIENCE, self.task).await;
    }
}

struct Recorder {
    table: MachineTable,
    plans: Plans,
    store: Arc<dyn Store>,
    losses: LossReport,
    bus: Bus,
    events: Events,
    /// True if the latest write failed.
    is_failing: Arc<AtomicBool>,
}

impl Recorder {
    async fn run(mut self, stopped: &Notify) {
        let mut keep = interval(KEEP);
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped.notified() => break,
                _ = keep.tick() => self.keep(MAX_KEPT_AT_ONCE),
                event = self.events.recv() => {
                    let Some(event) = event else { break };
                    self.observe(&event);
                    self.observe_waiting();
                    tokio::select! {
                        () = stopped.notified() => break,
                        () = sleep(REFRESH) => {}
                    }
                }
            }
        }
        self.observe_waiting();
        self.keep(MAX_KEPT_AT_END);
    }

    /// Learns from the events that have come.
    fn observe_waiting(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.observe(&event);
        }
    }

    fn observe(&self, event: &Event) {
        self.table.lock().observe(event);
        self.plans.observe(event);
    }

    /// Hands changes to the store, at most `most`.
    fn keep(&mut self, most: usize) {
        let changes = self.table.lock().take_changes(most);
        for change in changes {
            let (mac, change) = match change {
                Change::Put(machine) => (machine.mac, store::Change::PutMachine(machine)),
                Change::Remove(mac) => (mac, store::Change::RemoveMachine(mac)),
            };
            let (table, bus) = (self.table.clone(), self.bus.clone());
            let is_failing = Arc::clone(&self.is_failing);
            let then = move |result: Result<(), String>| match result {
                Ok(()) => is_failing.store(false, Ordering::Relaxed),
                Err(error) => {
                    table.lock().not_kept(mac);
                    if !is_failing.swap(true, Ordering::Relaxed) {
                        bus.report(DiagnosticCode::MachinesNotKept.with(format!(
                            "what is known of machines cannot be written and would not outlive a \
                             restart: {error}; lanboot keeps trying"
                        )));
                    }
                }
            };
            self.store.commit(change, Some(Box::new(then)));
        }
        let due = self.losses.due(self.events.lost(), bus::now(), SUMMARY);
        due.into_iter()
            .for_each(|diagnostic| self.bus.report(diagnostic));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Sqlite;
    use lanboot_core::dhcp::MessageType;
    use lanboot_core::events::{EventKind, Peer};
    use lanboot_core::machine::{Mac, Machine, Stage};

    const MAC: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);

    fn plans(table: &MachineTable, bus: &Bus) -> Plans {
        let (rules, policy) = Default::default();
        Plans::new(rules, policy, Vec::new(), table.clone(), None, bus.clone())
    }

    fn asks_to_boot() -> EventKind {
        EventKind::Dhcp {
            interface: "eth0".into(),
            message: MessageType::Discover,
            address: None,
            machine: Some(Machine {
                mac: MAC,
                arch: None,
                stage: Stage::Firmware,
                uuid: None,
            }),
            detail: None,
        }
    }

    #[tokio::test]
    async fn machines_outlive_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let (bus, _log) = Bus::new();
        let (store, kept) = Sqlite::open(folder.path()).unwrap();
        let table = MachineTable::new(kept.machines);
        let plans = plans(&table, &bus);
        assert!(table.list().is_empty());
        let (runtime, events) = (Handle::current(), bus.subscribe());
        let recorder = start(&runtime, bus.clone(), events, plans, Arc::new(store));
        let mac = Some(MAC);
        bus.publish(Peer { mac, ip: None }, asks_to_boot());
        recorder.end().await;
        let known = table.get(MAC).unwrap();
        let (_store, kept) = Sqlite::open(folder.path()).unwrap();
        let seen: Vec<u64> = kept
            .machines
            .iter()
            .map(|m| m.last_seen.as_secs())
            .collect();
        assert_eq!(seen, [known.last_seen.as_secs()]);
    }

    /// A store that refuses everything.
    #[derive(Debug)]
    struct Full;

    impl Store for Full {
        fn commit(&self, _: store::Change, then: Option<store::Then>) {
            then.unwrap()(Err("no space".into()));
        }
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_said_once_and_tried_again() {
        let (bus, mut log) = Bus::new();
        let table = MachineTable::default();
        let (runtime, events) = (Handle::current(), bus.subscribe());
        let recorder = start(
            &runtime,
            bus.clone(),
            events,
            plans(&table, &bus),
            Arc::new(Full),
        );
        for last in 1..=3 {
            let mac = Mac([2, 0, 0, 0, 0, last]);
            let mut what = asks_to_boot();
            if let EventKind::Dhcp {
                machine: Some(machine),
                ..
            } = &mut what
            {
                machine.mac = mac;
            }
            let mac = Some(mac);
            bus.publish(Peer { mac, ip: None }, what);
        }
        recorder.end().await;
        let codes =
            std::iter::from_fn(|| log.try_recv().ok()).filter_map(|event| match &event.what {
                EventKind::Diagnostic(diagnostic) => Some(diagnostic.code),
                _ => None,
            });
        let said = codes
            .filter(|code| *code == DiagnosticCode::MachinesNotKept)
            .count();
        assert_eq!(said, 1);
        assert_eq!(table.lock().take_changes(10).len(), 3);
    }
}
