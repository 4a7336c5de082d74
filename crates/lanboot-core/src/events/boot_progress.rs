//! The boot progress of each machine, folded from events.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::forgetting::{self, Forgotten, MAX_MACHINES};
use super::machine_status::{Key, MachineStatus};
use super::progress::MAX_PAUSE;
use super::{Event, EventKind, Peer};
use crate::dhcp::MessageType;
use crate::machine::{Mac, Stage};

/// Every machine heard of.
#[derive(Clone, Debug, Default)]
pub struct BootProgress {
    pub(super) machines: HashMap<Key, MachineStatus>,
    pub(super) by_ip: HashMap<IpAddr, Mac>,
    pub(super) by_transfer: HashMap<u64, Key>,
    pub(super) forgotten: Forgotten,
}

impl BootProgress {
    /// Returns the status of every machine, in no order.
    pub fn statuses(&self) -> impl Iterator<Item = &MachineStatus> {
        self.machines.values()
    }

    /// Returns the status of every machine, for changes.
    pub(super) fn statuses_mut(&mut self) -> impl Iterator<Item = &mut MachineStatus> {
        self.machines.values_mut()
    }

    /// Applies one event. Returns the status of the machine it belongs to.
    pub fn fold(&mut self, event: &Event) -> Option<&MachineStatus> {
        let key = match &event.what {
            EventKind::Diagnostic(_) | EventKind::Boot { .. } => return None,
            EventKind::Progress { transfer, .. } => *self.by_transfer.get(transfer)?,
            _ => self.key(event.peer)?,
        };
        self.make_room(key, event.at);
        let machines = &mut self.machines;
        let status = machines
            .entry(key)
            .or_insert_with(|| MachineStatus::new(event));
        status.take(event);
        match &event.what {
            EventKind::Dhcp {
                message: MessageType::Ack,
                address: Some(ip),
                machine,
                ..
            } => {
                let is_system = machine.as_ref().is_some_and(|m| m.stage == Stage::Plain);
                if let Some(mac) = status.mac {
                    self.tie(*ip, mac, is_system, event.at);
                }
            }
            EventKind::OtherLease {
                address, machine, ..
            } => {
                let is_system = machine.stage == Stage::Plain;
                self.tie(*address, machine.mac, is_system, event.at);
            }
            EventKind::Started { transfer, .. } => {
                self.by_transfer.insert(*transfer, key);
            }
            EventKind::Finished { transfer, .. }
            | EventKind::Failed {
                transfer: Some(transfer),
                ..
            } => {
                self.by_transfer.remove(transfer);
            }
            _ => {}
        }
        self.machines.get(&key)
    }

    /// Makes room for the machine `key` where it is new and there are [`MAX_MACHINES`].
    fn make_room(&mut self, key: Key, now: Duration) {
        if self.machines.len() < MAX_MACHINES || self.machines.contains_key(&key) {
            return;
        }
        for key in forgetting::least_needed(&self.machines, now) {
            if let Some(status) = self.machines.remove(&key) {
                self.forgotten.add(&status, now);
            }
        }
        let machines = &self.machines;
        self.by_ip
            .retain(|_, mac| machines.contains_key(&Key::Mac(*mac)));
        self.by_transfer.retain(|_, key| machines.contains_key(key));
    }

    /// Returns the key of a machine. DHCP knows the hardware address; the other servers know only
    /// the IP address, which the last lease ties to one.
    fn key(&self, peer: Peer) -> Option<Key> {
        match (peer.mac, peer.ip) {
            (Some(mac), _) => Some(Key::Mac(mac)),
            (None, Some(ip)) => Some(self.by_ip.get(&ip).map_or(Key::Ip(ip), |m| Key::Mac(*m))),
            (None, None) => None,
        }
    }

    /// Notes whose address this is. What a machine did before its hardware address was known, as
    /// after a restart of this server in the middle of a boot, is its own. `is_system`: it is a
    /// system that took the address.
    fn tie(&mut self, ip: IpAddr, mac: Mac, is_system: bool, at: Duration) {
        self.by_ip.insert(ip, mac);
        // A mount that nobody uses for long is still this machine's: its end comes under the name.
        let recent = |status: &MachineStatus| {
            !status.running.is_empty() || at.saturating_sub(status.last) < MAX_PAUSE
        };
        if !self.machines.get(&Key::Ip(ip)).is_some_and(recent) {
            return;
        }
        let before = self.machines.remove(&Key::Ip(ip));
        let status = self.machines.get_mut(&Key::Mac(mac));
        let (Some(before), Some(status)) = (before, status) else {
            return;
        };
        for running in &before.running {
            self.by_transfer.insert(running.transfer, Key::Mac(mac));
        }
        status.absorb(before);
        if is_system {
            status.take_address(at);
        }
    }
}

#[cfg(test)]
mod tests;
