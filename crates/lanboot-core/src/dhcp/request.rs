//! A message of a client, classified once.

use super::pxe;
use super::quirk::ResponseProfile;
use super::wire::{Malformed, Packet};
use crate::machine::Machine;

/// A message as it came in, with the machine it describes and how that is answered.
#[derive(Clone, Debug)]
pub struct Request {
    packet: Packet,
    machine: Option<(Machine, ResponseProfile)>,
}

impl Request {
    /// Parses a message and classifies its sender.
    ///
    /// # Errors
    /// The bytes are too few or too many for a BOOTP message.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        Packet::parse(bytes).map(Self::from)
    }

    /// Returns the message.
    pub fn packet(&self) -> &Packet {
        &self.packet
    }

    /// Returns the machine the message describes; `None` when it names no Ethernet address.
    pub fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref().map(|(machine, _)| machine)
    }

    /// Returns the machine and its response profile.
    pub(super) fn classified(&self) -> Option<(&Machine, ResponseProfile)> {
        let classified = self.machine.as_ref();
        classified.map(|(machine, profile)| (machine, *profile))
    }
}

impl From<Packet> for Request {
    fn from(packet: Packet) -> Self {
        Self {
            machine: pxe::read(&packet),
            packet,
        }
    }
}
