//! The table of known machines, shared.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanboot_core::machine::{Mac, Uuid};
use lanboot_core::machines::{KnownMachine, Machines};

/// The known machines, shared. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct MachineTable {
    machines: Arc<Mutex<Machines>>,
}

impl MachineTable {
    /// Makes a table of the records that were kept.
    pub fn new(records: Vec<KnownMachine>) -> Self {
        Self {
            machines: Arc::new(Mutex::new(Machines::restore(records))),
        }
    }

    /// Lists copies of all machines, the one heard last first.
    pub fn list(&self) -> Vec<KnownMachine> {
        self.lock().list().into_iter().cloned().collect()
    }

    /// Returns a copy of what is known of a machine.
    pub fn get(&self, mac: Mac) -> Option<KnownMachine> {
        self.lock().get(mac).cloned()
    }

    /// Forgets a machine until it asks to boot again. Returns whether it was known.
    pub fn forget(&self, mac: Mac) -> bool {
        self.lock().forget(mac)
    }

    /// Returns the machine that has an address, as far as it is known.
    pub fn at(&self, address: IpAddr) -> Option<Mac> {
        self.lock().at(address)
    }

    /// Returns the facts that rules know a machine by. `uuid` is what it says of itself now.
    pub fn facts(&self, mac: Mac, uuid: Option<Uuid>) -> Facts {
        let machines = self.lock();
        let known = machines.get(mac);
        let uuid = uuid.or_else(|| known?.uuid);
        Facts {
            uuid: uuid.filter(|uuid| machines.is_first_with(*uuid, mac)),
        }
    }

    /// Locks the table. It is whole after a panic, too: nothing in it is changed in two steps that
    /// could panic between.
    pub(super) fn lock(&self) -> MutexGuard<'_, Machines> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The facts by which rules know a machine, besides its hardware address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// UUID of its board; `None` also where another machine had it first.
    pub uuid: Option<Uuid>,
}
