//! Snapshots of the boot progress, for all who look at it: they see one moment, and hold nothing up.

use std::net::IpAddr;
use std::time::Duration;

use super::boot_progress::BootProgress;
use super::machine_status::{BootStage, MachineStatus, Running};
use super::{BootState, Event, Outlook};
use crate::machine::Mac;

/// The boots of all machines at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Needs of all machines from this server.
    pub outlook: Outlook,
    /// Every machine, in no order.
    pub machines: Vec<MachineView>,
}

/// The boot of one machine at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineView {
    /// Hardware address, once known.
    pub mac: Option<Mac>,
    /// Its latest network address.
    pub ip: Option<IpAddr>,
    /// True if its firmware or loader asked to boot: a phone that only wants an address did not.
    pub is_booting: bool,
    /// Last stage it reached.
    pub stage: BootStage,
    /// State on its way to a running system.
    pub state: BootState,
    /// Transfers under way, oldest first.
    pub running: Vec<Running>,
    /// Time at which it was last heard.
    pub last: Duration,
}

impl BootProgress {
    /// Brings every boot to its state at `now`. Returns all of them, and an event for each that came
    /// to another state.
    pub fn snapshot(&mut self, now: Duration) -> (Snapshot, Vec<Event>) {
        let (outlook, events) = self.advance(now);
        let view = |status: &MachineStatus| MachineView {
            mac: status.mac,
            ip: status.ip,
            is_booting: status.is_booting(),
            stage: status.stage,
            state: status.state(now),
            running: status.running.clone(),
            last: status.last,
        };
        let machines = self.statuses().map(view).collect();
        (Snapshot { outlook, machines }, events)
    }
}
