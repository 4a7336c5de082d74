//! The limit of known machines, and which are forgotten when there are too many.

use std::time::Duration;

use super::known_machine::KnownMachine;
use crate::machine::Mac;

/// Most machines known. Beyond that some are forgotten, so that a LAN full of invented hardware
/// addresses costs a bounded amount of memory and disk.
pub const MAX_MACHINES: usize = 16_384;
/// Machines forgotten at once, so that a flood of new ones does not cost a pass over all of them each.
const FORGOTTEN_AT_ONCE: usize = MAX_MACHINES / 16;

/// Returns the machines to forget: those that never loaded anything first, of these the ones silent
/// for longest. Anybody can ask in the name of any machine; a boot takes more.
pub(super) fn least_missed<'a>(machines: impl Iterator<Item = &'a KnownMachine>) -> Vec<Mac> {
    let worth = |machine: &KnownMachine| match (&machine.last_boot, machine.boots) {
        (None, _) => 0,
        (Some(_), 0) => 1,
        (Some(_), _) => 2,
    };
    let mut order: Vec<(u8, Duration, Mac)> = machines
        .map(|machine| (worth(machine), machine.last_seen, machine.mac))
        .collect();
    order.sort_unstable();
    order.truncate(FORGOTTEN_AT_ONCE);
    order.into_iter().map(|(_, _, mac)| mac).collect()
}
