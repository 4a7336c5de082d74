//! The story of each machine: what it did, what it was given, and why nothing happened.

mod boot_progress;
mod log_line;
mod outlook;
mod progress;
pub mod rate_limit;
mod shim_loads;

pub use boot_progress::{BootProgress, BootStage, MAX_MACHINES, MAX_TOLD, MachineStatus, Running};
pub use log_line::{bytes, tell};
pub use outlook::{Outlook, Waiting};
pub use progress::{
    ADDRESS_GRACE, BootState, Expected, FileUse, GRACE, MAX_PAUSE, MAX_PAUSE_UNLOADED, Role, SETTLE,
};
pub use rate_limit::{RateLimiter, Suppressed};
pub use shim_loads::ShimLoads;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::machine::{Mac, Machine};

/// Something that happened. Doors publish it; the shell's bus counts, folds and tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, since 1970 UTC.
    pub at: Duration,
    /// Whom it is about.
    pub peer: Peer,
    /// What it was.
    pub what: EventKind,
}

/// Whom an event is about, as far as the door knew. DHCP knows the hardware address, the other
/// doors know the IP address; the journal joins the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Hardware address.
    pub mac: Option<Mac>,
    /// Network address.
    pub ip: Option<IpAddr>,
}

/// A port a machine knocks at.
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
    /// The protocol's name.
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
    /// A DHCP message came in or went out, in the operators' word: `DHCPDISCOVER`, `DHCPOFFER`.
    Dhcp {
        /// Interface it passed through.
        interface: Arc<str>,
        /// Message name.
        message: &'static str,
        /// The address asked for or given.
        address: Option<IpAddr>,
        /// What the machine said of itself, where it did.
        machine: Option<Machine>,
        /// What was added for the reader: the boot file, or why a NAK was sent.
        detail: Option<String>,
    },
    /// A machine was heard taking an address from another DHCP server.
    OtherLease {
        /// Interface it was heard on.
        interface: Arc<str>,
        /// The server it named; `None` when it asks whichever gave the address before.
        server: Option<IpAddr>,
        /// The address.
        address: IpAddr,
        /// What the machine said of itself.
        machine: Machine,
    },
    /// A machine's boot came to another state, as the journal sees it.
    Boot {
        /// The state.
        state: BootState,
        /// Why it is taken to be in it, or what it waits for: one plain sentence part.
        text: String,
    },
    /// Nothing was sent, and why: one plain sentence part, such as "not a PXE client".
    Ignored {
        /// Where it knocked.
        protocol: Protocol,
        /// What it sent: `DHCPDISCOVER`, `RRQ`, ….
        request: String,
        /// Why nothing was sent.
        why: String,
    },
    /// A file began to leave.
    Started {
        /// Through which door.
        protocol: Protocol,
        /// Number of this transfer, unique in one run.
        transfer: u64,
        /// The path asked for, made printable.
        path: String,
        /// Bytes to send.
        len: u64,
    },
    /// Some of it is out.
    Progress {
        /// The transfer.
        transfer: u64,
        /// Bytes sent so far.
        sent: u64,
    },
    /// All of it arrived as far as the door can tell.
    Finished {
        /// Through which door.
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
    /// It stopped before its end.
    Failed {
        /// Through which door.
        protocol: Protocol,
        /// The transfer, when one had begun.
        transfer: Option<u64>,
        /// The path asked for, made printable.
        path: String,
        /// Bytes sent until then.
        sent: u64,
        /// What was wrong, one plain sentence part.
        why: String,
    },
    /// There is no such file. Loaders probe for dozens; only the reader of a boot that hangs cares.
    NotFound {
        /// Where it was asked.
        protocol: Protocol,
        /// The path asked for, made printable.
        path: String,
    },
    /// How this machine will boot, where that is worth a sentence part.
    Planned {
        /// The way and its reason.
        text: String,
    },
    /// A sentence for the operator about the server itself.
    Diagnostic {
        /// The sentence.
        text: String,
    },
}
