//! The limit of machines: which are forgotten when there are too many, and what still counts of
//! them.

use std::collections::HashMap;
use std::time::Duration;

use super::BootState;
use super::machine_status::{Key, MachineStatus};

/// Machines remembered. Beyond that some are forgotten, so a LAN full of invented addresses costs a
/// bounded amount of memory.
pub const MAX_MACHINES: usize = 4096;
/// Machines forgotten at once, so that a flood of new addresses does not cost a pass over all of them
/// each.
const FORGOTTEN_AT_ONCE: usize = MAX_MACHINES / 8;

/// Counts of the machines that were forgotten.
#[derive(Clone, Debug, Default)]
pub(super) struct Forgotten {
    /// Machines that were up. One that boots again counts again.
    pub(super) up: usize,
    /// The one that was, when there is only one.
    pub(super) first_up: Option<String>,
    /// Time at which one of them was last heard.
    pub(super) last: Duration,
}

impl Forgotten {
    /// Counts a machine that is forgotten at `now`.
    pub(super) fn add(&mut self, status: &MachineStatus, now: Duration) {
        self.last = self.last.max(status.last);
        let is_up = matches!(status.state(now), BootState::Up | BootState::Streaming);
        if status.was_up || is_up {
            self.up = self.up.saturating_add(1);
            self.first_up = Some(status.who()).filter(|_| self.up == 1);
        }
    }
}

/// The loss when a machine is forgotten, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// It needs nothing: it does not boot, is up, or was given up.
    Nothing,
    /// It asked to boot and has loaded nothing so far. Anybody can ask in the name of any machine.
    Asked,
    /// It boots, or files are on their way to it.
    Boots,
}

impl Worth {
    fn of(status: &MachineStatus, now: Duration) -> Self {
        let needs_server = status.state(now).needs_server();
        if !status.running.is_empty() || (needs_server && status.has_loaded()) {
            Self::Boots
        } else if needs_server {
            Self::Asked
        } else {
            Self::Nothing
        }
    }
}

/// Returns the machines to forget when there are too many: those that need the least, of these the
/// ones silent for longest.
pub(super) fn least_needed(
    machines: &HashMap<Key, MachineStatus>,
    now: Duration,
) -> impl Iterator<Item = Key> + use<> {
    let mut order: Vec<(Worth, Duration, Key)> = machines
        .iter()
        .map(|(key, status)| (Worth::of(status, now), status.last, *key))
        .collect();
    order.sort_unstable_by_key(|(worth, last, _)| (*worth, *last));
    let least = order.into_iter().take(FORGOTTEN_AT_ONCE);
    least.map(|(_, _, key)| key)
}
