//! The event: when, who, and what happened.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::{BootState, Reason};
use crate::dhcp::MessageType;
use crate::diagnostic::Diagnostic;
use crate::machine::{Mac, Machine};
use crate::route::FileUse;

/// Something that happened. Listeners publish it on the bus of the shell.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Time since 1970 UTC.
    pub at: Duration,
    /// The machine it is about.
    pub peer: Peer,
    /// The event itself.
    pub what: EventKind,
}

/// The machine an event is about, as far as the listener knew it: DHCP knows the hardware
/// address, the other listeners the IP address. Boot progress joins the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Hardware address.
    #[serde(serialize_with = "text_of", skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Network address.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// Event, by its kind. It serialises as in the JSON log (`docs/log-events.md`).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// A DHCP message came in or went out.
    Dhcp {
        /// Interface it passed through.
        interface: Arc<str>,
        /// Its type.
        #[serde(serialize_with = "message_name")]
        message: MessageType,
        /// The address asked for or given.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<IpAddr>,
        /// Description the machine gave of itself, where it did.
        #[serde(flatten, serialize_with = "arch")]
        machine: Option<Machine>,
        /// More for the reader: the boot file, or why a NAK was sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A machine takes an address from another DHCP server.
    OtherLease {
        /// Interface its message came in through.
        interface: Arc<str>,
        /// The server it named; `None` when it asks whichever gave the address before.
        #[serde(skip_serializing_if = "Option::is_none")]
        server: Option<IpAddr>,
        /// The address.
        address: IpAddr,
        /// Description the machine gave of itself.
        #[serde(skip)]
        machine: Machine,
    },
    /// A machine's boot came to another state.
    Boot {
        /// The state.
        #[serde(serialize_with = "state_name")]
        state: BootState,
        /// The state in words, to stand behind the machine's name.
        text: String,
    },
    /// A request was not answered.
    Ignored {
        /// The protocol.
        #[serde(flatten)]
        protocol: Protocol,
        /// Request it sent: `DHCPDISCOVER`, `RRQ`, ….
        request: String,
        /// Reason nothing was sent.
        #[serde(flatten)]
        reason: Reason,
    },
    /// A transfer began.
    Started {
        /// The protocol.
        #[serde(flatten)]
        protocol: Protocol,
        /// Number of this transfer, unique in one run.
        transfer: u64,
        /// The path asked for, made printable.
        path: String,
        /// Bytes to send.
        len: u64,
        /// Meaning of the file to a boot.
        #[serde(skip)]
        file_use: Arc<FileUse>,
    },
    /// A transfer goes on.
    Progress {
        /// The transfer.
        transfer: u64,
        /// Bytes sent so far.
        sent: u64,
    },
    /// A transfer ended, and all of it arrived as far as the listener knows.
    Finished {
        /// The protocol.
        #[serde(flatten)]
        protocol: Protocol,
        /// The transfer.
        transfer: u64,
        /// The path asked for, made printable.
        path: String,
        /// Bytes sent.
        sent: u64,
        /// Time it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
        /// Packets sent again (TFTP only).
        retransmits: u32,
        /// Meaning of the file to a boot.
        #[serde(skip)]
        file_use: Arc<FileUse>,
    },
    /// A transfer ended too early, or a request was refused.
    Failed {
        /// The protocol.
        #[serde(flatten)]
        protocol: Protocol,
        /// The transfer, when one had begun.
        #[serde(skip_serializing_if = "Option::is_none")]
        transfer: Option<u64>,
        /// The path asked for, made printable.
        path: String,
        /// Bytes sent until then.
        sent: u64,
        /// Reason of the failure.
        #[serde(flatten)]
        reason: Reason,
    },
    /// There is no such file. Loaders probe for dozens; only the reader of a boot that hangs cares.
    NotFound {
        /// The protocol.
        #[serde(flatten)]
        protocol: Protocol,
        /// The path asked for, made printable.
        path: String,
    },
    /// Plan for the boot of this machine, where that needs an explanation.
    Planned(Diagnostic),
    /// Something the operator should know about the server itself.
    Diagnostic(Diagnostic),
}

impl EventKind {
    /// Returns what the file of a transfer that began or ended means to a boot.
    pub fn file_use(&self) -> Option<&FileUse> {
        match self {
            Self::Started { file_use, .. } | Self::Finished { file_use, .. } => Some(file_use),
            _ => None,
        }
    }
}

/// The kind of an event: lines of one kind stand for one another when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A DHCP message of this name.
    Dhcp(MessageType),
    /// An address from another DHCP server.
    OtherLease,
    /// A boot came to another state.
    Boot,
    /// Something was ignored by a server.
    Ignored(Protocol),
    /// A file began to leave.
    Started(Protocol),
    /// Some of a file is out.
    Progress,
    /// A file is out.
    Finished(Protocol),
    /// A transfer failed.
    Failed(Protocol),
    /// A file is not there.
    NotFound(Protocol),
    /// Plan for the boot of a machine.
    Planned,
    /// About the server itself.
    Diagnostic,
}

impl Kind {
    /// Returns the kind of `event`.
    pub fn of(event: &Event) -> Self {
        match &event.what {
            // What is no known message is one kind.
            EventKind::Dhcp {
                message: MessageType::Other(_),
                ..
            } => Self::Dhcp(MessageType::Other(0)),
            EventKind::Dhcp { message, .. } => Self::Dhcp(*message),
            EventKind::OtherLease { .. } => Self::OtherLease,
            EventKind::Boot { .. } => Self::Boot,
            EventKind::Ignored { protocol, .. } => Self::Ignored(*protocol),
            EventKind::Started { protocol, .. } => Self::Started(*protocol),
            EventKind::Progress { .. } => Self::Progress,
            EventKind::Finished { protocol, .. } => Self::Finished(*protocol),
            EventKind::Failed { protocol, .. } => Self::Failed(*protocol),
            EventKind::NotFound { protocol, .. } => Self::NotFound(*protocol),
            EventKind::Planned(_) => Self::Planned,
            EventKind::Diagnostic(_) => Self::Diagnostic,
        }
    }

    /// Returns how much of it is logged.
    pub fn volume(self) -> Volume {
        match self {
            Self::Dhcp(_) | Self::OtherLease => Volume::Messages,
            Self::Started(_) | Self::Finished(_) | Self::Planned | Self::Boot => Volume::Transfers,
            Self::Progress => Volume::Amounts,
            Self::NotFound(_) => Volume::Probes,
            Self::Failed(_) => Volume::Failures,
            Self::Ignored(_) => Volume::Trouble,
            Self::Diagnostic => Volume::Diagnostics,
        }
    }

    /// Returns the value of the key `event` in the JSON log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dhcp(_) => "dhcp",
            Self::OtherLease => "other-lease",
            Self::Boot => "boot",
            Self::Ignored(_) => "ignored",
            Self::Started(_) => "started",
            Self::Progress => "progress",
            Self::Finished(_) => "finished",
            Self::Failed(_) => "failed",
            Self::NotFound(_) => "not-found",
            Self::Planned => "planned",
            Self::Diagnostic => "diagnostic",
        }
    }

    /// Returns the protocol, where the kind has one.
    pub fn protocol(self) -> Option<Protocol> {
        match self {
            Self::Dhcp(_) | Self::OtherLease => Some(Protocol::Dhcp),
            Self::Ignored(protocol)
            | Self::Started(protocol)
            | Self::Finished(protocol)
            | Self::Failed(protocol)
            | Self::NotFound(protocol) => Some(protocol),
            Self::Progress | Self::Planned | Self::Boot | Self::Diagnostic => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self {
            Self::Dhcp(message) => return f.write_str(message.name()),
            Self::Progress => "transfers under way",
            Self::Planned => "ways to boot",
            Self::OtherLease => "leases of other servers",
            Self::Boot => "states of boots",
            Self::Diagnostic => "diagnostics",
            Self::Ignored(_) => "requests ignored",
            Self::Started(_) => "transfers begun",
            Self::Finished(_) => "transfers done",
            Self::Failed(_) => "failures",
            Self::NotFound(_) => "files not found",
        };
        match self.protocol() {
            Some(protocol) => write!(f, "{} {said}", protocol.name()),
            None => f.write_str(said),
        }
    }
}

/// Usual number of events of a kind in a boot, which decides how many are logged before the rest is
/// counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// DHCP messages of one type.
    Messages,
    /// Files that are sent.
    Transfers,
    /// Progress of long transfers.
    Amounts,
    /// Files that do not exist.
    Probes,
    /// Transfers that failed.
    Failures,
    /// Requests that were ignored.
    Trouble,
    /// Diagnostics of the server itself.
    Diagnostics,
}

/// Serialises as the key `protocol`.
impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys = serializer.serialize_struct("Protocol", 1)?;
        keys.serialize_field("protocol", self.name())?;
        keys.end()
    }
}

/// Serialises as two keys: `reason`, the code, and `why`, the sentence part.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys = serializer.serialize_struct("Reason", 2)?;
        keys.serialize_field("reason", self.code())?;
        keys.serialize_field("why", &self.to_string())?;
        keys.end()
    }
}

fn text_of<S: Serializer>(mac: &Option<Mac>, serializer: S) -> Result<S::Ok, S::Error> {
    match mac {
        Some(mac) => serializer.collect_str(mac),
        None => serializer.serialize_none(),
    }
}

fn message_name<S: Serializer>(message: &MessageType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(message.name())
}

fn state_name<S: Serializer>(state: &BootState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.name())
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Serialises what is logged of a machine: the key `arch`, where it is known.
fn arch<S: Serializer>(machine: &Option<Machine>, serializer: S) -> Result<S::Ok, S::Error> {
    let arch = machine.as_ref().and_then(|machine| machine.arch);
    let mut keys = serializer.serialize_struct("Machine", usize::from(arch.is_some()))?;
    if let Some(arch) = arch {
        keys.serialize_field("arch", &arch.to_string())?;
    }
    keys.end()
}
