//! The table of known machines: what is learned from events, and what is to be kept of it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::boot_record::BootOutcome;
use super::crowding::{self, MAX_MACHINES};
use super::known_machine::KnownMachine;
use crate::dhcp::MessageType;
use crate::events::{BootState, Event, EventKind, Peer};
use crate::machine::{Mac, Machine, Stage, Uuid};
use crate::route::{FileUse, Role};

/// A change to what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The record of this machine is new or different.
    Put(KnownMachine),
    /// The record of this machine goes.
    Remove(Mac),
}

/// Every known machine, at most [`MAX_MACHINES`].
#[derive(Clone, Debug, Default)]
pub struct Machines {
    known: HashMap<Mac, KnownMachine>,
    by_address: HashMap<IpAddr, Mac>,
    /// Those whose records are kept by the shell.
    kept: BTreeSet<Mac>,
    /// Those whose kept record is missing or old.
    changed: BTreeSet<Mac>,
}

impl Machines {
    /// Takes the records that were kept, at most [`MAX_MACHINES`]. A boot that ran when they were
    /// written has lost its end.
    pub fn restore(records: impl IntoIterator<Item = KnownMachine>) -> Self {
        let mut machines = Self::default();
        for record in records.into_iter().take(MAX_MACHINES) {
            if let Some(address) = record.address {
                machines.by_address.insert(address, record.mac);
            }
            machines.kept.insert(record.mac);
            machines.known.insert(record.mac, record);
        }
        machines
    }

    /// Returns what is known of a machine.
    pub fn get(&self, mac: Mac) -> Option<&KnownMachine> {
        self.known.get(&mac)
    }

    /// Returns the machine that has an address, as far as it is known.
    pub fn at(&self, address: IpAddr) -> Option<Mac> {
        self.by_address.get(&address).copied()
    }

    /// Returns whether a machine was the first one with its UUID: boards with a made-up one are sold,
    /// and anybody can claim another machine's.
    pub fn is_first_with(&self, uuid: Uuid, mac: Mac) -> bool {
        let with = self
            .known
            .values()
            .filter(|machine| machine.uuid == Some(uuid));
        let first = with.min_by_key(|machine| (machine.first_seen, machine.mac));
        first.is_none_or(|machine| machine.mac == mac)
    }

    /// Lists all machines, the one heard last first.
    pub fn list(&self) -> Vec<&KnownMachine> {
        let mut all: Vec<&KnownMachine> = self.known.values().collect();
        all.sort_unstable_by_key(|machine| (std::cmp::Reverse(machine.last_seen), machine.mac));
        all
    }

    /// Forgets a machine until it asks to boot again. Returns whether it was known.
    pub fn forget(&mut self, mac: Mac) -> bool {
        let Some(machine) = self.known.remove(&mac) else {
            return false;
        };
        self.untie(&machine);
        self.note_change(mac);
        true
    }

    /// Learns from an event.
    pub fn observe(&mut self, event: &Event) {
        match &event.what {
            EventKind::Dhcp {
                message,
                address,
                machine: Some(machine),
                ..
            } => {
                // What was offered may yet be refused.
                let has_address = matches!(message, MessageType::Ack);
                let address = address.filter(|_| has_address);
                self.heard(machine, address, event.at);
            }
            EventKind::OtherLease {
                address, machine, ..
            } => self.heard(machine, Some(*address), event.at),
            EventKind::Boot { state, .. } => self.came_to(event.peer, state, event.at),
            EventKind::Started { file_use, .. } => self.loads(event.peer, file_use, event.at),
            _ => {}
        }
    }

    /// Takes at most `most` changes to keep. Those that could not be kept are given back to
    /// [`Self::not_kept`].
    pub fn take_changes(&mut self, most: usize) -> Vec<Change> {
        let macs: Vec<Mac> = self.changed.iter().take(most).copied().collect();
        let mut changes = Vec::with_capacity(macs.len());
        for mac in macs {
            self.changed.remove(&mac);
            changes.push(match self.known.get(&mac) {
                Some(machine) => {
                    self.kept.insert(mac);
                    Change::Put(machine.clone())
                }
                None => {
                    self.kept.remove(&mac);
                    Change::Remove(mac)
                }
            });
        }
        changes
    }

    /// Notes that the latest change of a machine could not be kept, so that it is tried again.
    pub fn not_kept(&mut self, mac: Mac) {
        // Whether a record is there is not known now: removing one that is not there is no fault.
        self.kept.insert(mac);
        self.changed.insert(mac);
    }

    /// Learns from a DHCP message. A machine is known from when it asks to boot: a phone does not.
    fn heard(&mut self, machine: &Machine, address: Option<IpAddr>, now: Duration) {
        let mac = machine.mac;
        let is_system = machine.stage == Stage::Plain;
        if !self.known.contains_key(&mac) {
            if is_system {
                return;
            }
            self.make_room();
        }
        let known = self
            .known
            .entry(mac)
            .or_insert_with(|| KnownMachine::new(mac, now));
        let before = known.clone();
        known.last_seen = now;
        known.uuid = machine.uuid.or(known.uuid);
        if !is_system {
            known.take_arch(machine);
        }
        known.address = address.or(known.address);
        if before.is_news(known) {
            self.changed.insert(mac);
        }
        if let Some(address) = address {
            self.untie(&before);
            self.by_address.insert(address, mac);
        }
    }

    /// Learns that a boot came to another state.
    fn came_to(&mut self, peer: Peer, state: &BootState, now: Duration) {
        let Some(known) = self.of(peer) else { return };
        let is_new = match state {
            BootState::Loading => known.boot_began(now),
            BootState::Up | BootState::Streaming => known.boot_ended(BootOutcome::Up, now),
            BootState::GivenUp => known.boot_ended(BootOutcome::GivenUp, now),
            BootState::NotBooting | BootState::AwaitsFile(_) | BootState::AwaitsAddress => false,
        };
        if is_new {
            let mac = known.mac;
            self.changed.insert(mac);
        }
    }

    /// Learns which image a machine boots, from a file that it loads.
    fn loads(&mut self, peer: Peer, file: &FileUse, now: Duration) {
        let Some(known) = self.of(peer) else { return };
        let is_new = match file.role {
            Role::Loader if file.begins_boot => known.boot_began(now),
            Role::Kernel | Role::Initramfs | Role::Root => known.boots_image(file, now),
            _ => false,
        };
        if is_new {
            let mac = known.mac;
            self.changed.insert(mac);
        }
    }

    /// Returns the machine an event is about.
    fn of(&mut self, peer: Peer) -> Option<&mut KnownMachine> {
        let by_address = || self.by_address.get(&peer.ip?).copied();
        let mac = peer.mac.or_else(by_address)?;
        self.known.get_mut(&mac)
    }

    /// Forgets whose address that of `machine` is, unless another one has it by now.
    fn untie(&mut self, machine: &KnownMachine) {
        if let Some(address) = machine.address
            && self.by_address.get(&address) == Some(&machine.mac)
        {
            self.by_address.remove(&address);
        }
    }

    /// Notes that the kept record of a machine is to be changed. One that was never kept and is gone
    /// needs nothing.
    fn note_change(&mut self, mac: Mac) {
        if self.known.contains_key(&mac) || self.kept.contains(&mac) {
            self.changed.insert(mac);
        } else {
            self.changed.remove(&mac);
        }
    }

    /// Makes room for one machine more.
    fn make_room(&mut self) {
        if self.known.len() < MAX_MACHINES {
            return;
        }
        for mac in crowding::least_missed(self.known.values()) {
            self.forget(mac);
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
