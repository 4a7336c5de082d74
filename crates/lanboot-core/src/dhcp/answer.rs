//! The input of [`super::respond()`] beside the message, and its output.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::config::{Mode, Subnet};
use super::lease::Lease;
use super::reason::IgnoreReason;
use super::wire::MessageType;
use crate::machine::{Mac, Machine};
use crate::plan::{NoLoader, Offer};

/// The port a message was sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Port {
    /// 67: DHCP.
    #[default]
    Server,
    /// 4011: the PXE boot server, asked by clients that were offered one (PXE 2.1 §2.2.5).
    BootServer,
}

/// The circumstances of a received message.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveInfo<'a> {
    /// The interface.
    pub interface: &'a str,
    /// This host's address on it, which is the server identifier.
    pub server: Ipv4Addr,
    /// Every address of this host, on any interface: a message with one of them as its source or
    /// relay comes from this host. None is handed out: see [`super::Leases::exclude`].
    pub own: &'a [Ipv4Addr],
    /// Its source address.
    pub source: SocketAddrV4,
    /// The port it was sent to.
    pub port: Port,
    /// The current mode of this interface.
    pub mode: Mode,
    /// True if port 4011 is answered on this interface: where it is not, no offer sends a machine
    /// there.
    pub boot_server: bool,
    /// Time since 1970.
    pub now: Duration,
    /// There is no time for probes now: addresses are offered without.
    pub overloaded: bool,
}

impl ReceiveInfo<'_> {
    /// Returns whether an address is one of this host's.
    pub(super) fn is_own(&self, address: Ipv4Addr) -> bool {
        address == self.server || self.own.contains(&address)
    }

    /// Returns whether this host has an address in a network.
    pub(super) fn stands_in(&self, subnet: &Subnet) -> bool {
        subnet.contains(self.server) || self.own.iter().any(|own| subnet.contains(*own))
    }
}

/// Returns the offer for a machine, or why there is none. Called at most once per message, and
/// never for plain clients.
pub type BootSource<'a> = dyn Fn(&Machine) -> Result<Offer, NoLoader> + 'a;

/// The reaction to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send this.
    Send(Outgoing),
    /// Find out whether an address is in use, then call [`super::checked`] with the same message.
    Check {
        /// The address.
        address: Ipv4Addr,
        /// By ping: it lies behind a relay, where ARP does not reach, or the answer to ARP is doubted.
        by_ping: bool,
    },
    /// Send nothing.
    Ignore(IgnoreReason),
    /// Send nothing; something changed.
    Done(Note),
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The UDP payload.
    pub bytes: Vec<u8>,
    /// Its destination.
    pub to: Destination,
    /// Its type.
    pub message: MessageType,
    /// The address given or refused; for other answers, the one it is sent to.
    pub address: Option<Ipv4Addr>,
    /// The lease that must be durable before the bytes leave.
    pub commit: Option<Lease>,
    /// For the log: the boot file or why there is none, why a NAK is sent, what did not fit.
    pub detail: Option<String>,
}

/// The destination of an answer (RFC 2131 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the relay: its server port, 67, or the port it asks for (RFC 8357).
    Relay(SocketAddrV4),
    /// To a client that has an address.
    Unicast(SocketAddrV4),
    /// To a client that has none yet and cannot answer ARP: a frame to its hardware address.
    Frame {
        /// The hardware address.
        mac: Mac,
        /// The IP address to write into the packet.
        address: Ipv4Addr,
    },
    /// To everybody on the receiving interface.
    Broadcast,
}

/// The effect of a message that is never answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// RELEASE or DECLINE.
    pub message: MessageType,
    /// The address it is about.
    pub address: Ipv4Addr,
    /// The record to store for that address; `None` removes it.
    pub record: Option<Lease>,
    /// For the log.
    pub detail: Option<String>,
}

/// The result of a probe of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Nobody answered.
    Silent,
    /// A host did, from this hardware address where it is known.
    Answered(Option<Mac>),
}
