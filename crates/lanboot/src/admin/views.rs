//! The JSON of the API, version 1: times are RFC 3339 in UTC, and a value that is not known is `null`.

use lanboot_core::machines::{BootRecord, KnownMachine};
use serde::{Deserialize, Serialize};

use crate::clock;

/// `GET /api/v1/machines`: every known machine, the one heard last first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineList {
    /// The machines.
    pub machines: Vec<MachineView>,
}

/// `GET /api/v1/machines/MAC`: one known machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineView {
    /// Hardware address of the card it boots from.
    pub mac: String,
    /// UUID of its board.
    pub uuid: Option<String>,
    /// Architecture of its firmware, such as `x64 UEFI`.
    pub architecture: Option<String>,
    /// Address it had last.
    pub address: Option<String>,
    /// Time at which it first asked to boot.
    pub first_seen: String,
    /// Time at which it was last heard.
    pub last_seen: String,
    /// Number of its boots that reached a running system.
    pub boots: u32,
    /// Number of its boots that were given up.
    pub failures: u32,
    /// Its latest boot.
    pub last_boot: Option<BootView>,
}

/// One boot of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootView {
    /// Time at which it began.
    pub began: String,
    /// Name of the image; `null` while nothing of one was loaded.
    pub image: Option<String>,
    /// `open`, `up` or `given-up`.
    pub outcome: String,
}

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// One sentence.
    pub error: String,
}

impl From<&KnownMachine> for MachineView {
    fn from(machine: &KnownMachine) -> Self {
        Self {
            mac: machine.mac.to_string(),
            uuid: machine.uuid.map(|uuid| uuid.to_string()),
            architecture: machine.arch.map(|arch| arch.to_string()),
            address: machine.address.map(|address| address.to_string()),
            first_seen: clock::rfc3339(machine.first_seen),
            last_seen: clock::rfc3339(machine.last_seen),
            boots: machine.boots,
            failures: machine.failures,
            last_boot: machine.last_boot.as_ref().map(BootView::from),
        }
    }
}

impl From<&BootRecord> for BootView {
    fn from(boot: &BootRecord) -> Self {
        Self {
            began: clock::rfc3339(boot.began),
            image: boot.image.clone(),
            outcome: boot.outcome.name().to_owned(),
        }
    }
}
