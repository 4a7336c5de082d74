//! The JSON of the API, version 1: times are RFC 3339 in UTC, and a value that is not known is `null`.

use std::collections::BTreeMap;

use lanboot_core::machine::Mac;
use lanboot_core::machine_plans::{BadField, Plan, PlanFields, PlanState};
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

/// `GET /api/v1/machines/MAC/plan`: the plan of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// The machine.
    pub mac: String,
    /// The unattended start of its next boot.
    pub boot: String,
    /// Every value of every layer, in the order in which they count.
    pub values: Vec<PlanValue>,
    /// The part said while the program ran.
    pub said: PlanSaid,
    /// A sentence about what was asked for; `null` where there is nothing to say.
    pub warning: Option<String>,
}

/// One value of one layer of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanValue {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// The layer, in words.
    pub origin: String,
    /// True for the first one of its key, which counts.
    pub counts: bool,
}

/// `GET` and `POST /api/v1/plans`: what was said about machines while the program ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanList {
    /// The plans.
    pub plans: Vec<PlanSaid>,
}

/// The part of one machine's plan said while the program ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanSaid {
    /// The machine.
    pub mac: String,
    /// The keys that were set.
    pub keys: BTreeMap<String, String>,
    /// The start of its next boot only.
    pub next: Option<String>,
    /// The entry whose installation is done.
    pub installed: Option<String>,
}

/// `PATCH /api/v1/machines/MAC/plan`: keys to set, or with `null` to remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanChangeView {
    /// The keys.
    pub keys: BTreeMap<String, Option<String>>,
    /// True if all other keys that were set go.
    #[serde(default)]
    pub replace: bool,
}

/// `POST /api/v1/machines/MAC/next`: what the next boot starts; `null` takes that back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextStart {
    /// As the key `boot` of a plan.
    pub boot: Option<String>,
}

impl PlanView {
    /// Makes the view of a plan.
    pub(super) fn new(mac: Mac, plan: &Plan, state: &PlanState, warning: Option<String>) -> Self {
        let values = plan.candidates().into_iter().map(|candidate| PlanValue {
            key: candidate.key,
            value: candidate.value,
            origin: candidate.origin.to_string(),
            counts: candidate.counts,
        });
        Self {
            mac: mac.to_string(),
            boot: plan.boot.to_string(),
            values: values.collect(),
            said: PlanSaid::new(mac, state),
            warning,
        }
    }
}

impl PlanSaid {
    /// Makes the view of what was said about a machine.
    pub fn new(mac: Mac, state: &PlanState) -> Self {
        Self {
            mac: mac.to_string(),
            keys: state.set.list().into_iter().collect(),
            next: state.next.as_ref().map(ToString::to_string),
            installed: state.installed.clone(),
        }
    }

    /// Returns what was said.
    ///
    /// # Errors
    /// A key or a value is wrong.
    pub fn state(&self) -> Result<PlanState, BadField> {
        let mut state = PlanState {
            installed: self.installed.clone(),
            ..PlanState::default()
        };
        for (key, value) in &self.keys {
            state.set.set(key, Some(value))?;
        }
        let mut next = PlanFields::default();
        next.set("boot", self.next.as_deref())?;
        state.next = next.boot;
        Ok(state)
    }
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
