//! The event: when, who, and what happened.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{BootState, Reason};
use crate::dhcp::MessageType;
use crate::machine::{Mac, Machine};

/// Something that happened. Listeners publish it on the bus of the shell.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, since 1970 UTC.
    pub at: Duration,
    /// The machine it is about.
    pub peer: Peer,
    /// What happened.
    pub what: EventKind,
}

/// The machine an event is about, as far as the listener knew it: DHCP knows the hardware
/// address, the other listeners the IP address. Boot progress joins the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Hardware address.
    pub mac: Option<Mac>,
    /// Network address.
    pub ip: Option<IpAddr>,
}

/// A protocol machines are served by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// UDP 67.
    Dhcp,
    /// UDP 69.
    Tftp,
    /// TCP 80.
    Http,
    /// TCP and UDP 2049 with MOUNT, and the port mapper on 111.
    Nfs,
    /// TCP 10809.
    Nbd,
}

impl Protocol {
    /// Returns the protocol's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dhcp => "DHCP",
            Self::Tftp => "TFTP",
            Self::Http => "HTTP",
            Self::Nfs => "NFS",
            Self::Nbd => "NBD",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A DHCP message came in or went out.
    Dhcp {
        /// Interface it passed through.
        interface: Arc<str>,
        /// Its type.
        message: MessageType,
        /// The address asked for or given.
        address: Option<IpAddr>,
        /// What the machine said of itself, where it did.
        machine: Option<Machine>,
        /// More for the reader: the boot file, or why a NAK was sent.
        detail: Option<String>,
    },
    /// A machine takes an address from another DHCP server.
    OtherLease {
        /// Interface its message came in through.
        interface: Arc<str>,
        /// The server it named; `None` when it asks whichever gave the address before.
        server: Option<IpAddr>,
        /// The address.
        address: IpAddr,
        /// What the machine said of itself.
        machine: Machine,
    },
    /// A machine's boot came to another state.
    Boot {
        /// The state.
        state: BootState,
        /// The state in words, to stand behind the machine's name.
        text: String,
    },
    /// A request was not answered.
    Ignored {
        /// The protocol.
        protocol: Protocol,
        /// What it sent: `DHCPDISCOVER`, `RRQ`, ….
        request: String,
        /// Why nothing was sent.
        reason: Reason,
    },
    /// A transfer began.
    Started {
        /// The protocol.
        protocol: Protocol,
        /// Number of this transfer, unique in one run.
        transfer: u64,
        /// The path asked for, made printable.
        path: String,
        /// Bytes to send.
        len: u64,
    },
    /// A transfer goes on.
    Progress {
        /// The transfer.
        transfer: u64,
        /// Bytes sent so far.
        sent: u64,
    },
    /// A transfer ended, and all of it arrived as far as the listener can tell.
    Finished {
        /// The protocol.
        protocol: Protocol,
        /// The transfer.
        transfer: u64,
        /// The path asked for, made printable.
        path: String,
        /// Bytes sent.
        sent: u64,
        /// Time it took.
        took: Duration,
        /// Packets sent again (TFTP only).
        retransmits: u32,
    },
    /// A transfer ended too early, or a request was refused.
    Failed {
        /// The protocol.
        protocol: Protocol,
        /// The transfer, when one had begun.
        transfer: Option<u64>,
        /// The path asked for, made printable.
        path: String,
        /// Bytes sent until then.
        sent: u64,
        /// What was wrong.
        reason: Reason,
    },
    /// There is no such file. Loaders probe for dozens; only the reader of a boot that hangs cares.
    NotFound {
        /// The protocol.
        protocol: Protocol,
        /// The path asked for, made printable.
        path: String,
    },
    /// How this machine will boot, where that needs an explanation.
    Planned {
        /// The explanation, to stand behind the machine's name.
        text: String,
    },
    /// Something the operator should know about the server itself.
    Diagnostic {
        /// The sentence.
        text: String,
    },
}
