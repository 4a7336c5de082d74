//! The plan of one machine, of all layers.

use std::fmt;

use super::fields::PlanFields;
use super::identity::Identity;
use super::rules::Rules;
use super::start::Start;
use super::state::PlanState;
use crate::images::Transport;
use crate::loaders::LoaderKind;

/// The layer a value is from. Displays as a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The request for the next boot only.
    Next,
    /// The installation of this entry is done.
    Installed(String),
    /// The keys set for the machine.
    Set,
    /// The rule at this place.
    Rule(String),
    /// The group of this name, at this place.
    Group(String, String),
    /// The policy for machines without a plan.
    Policy,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next => f.write_str("for the next boot only (machine next)"),
            Self::Installed(entry) => write!(f, "the installation of {entry} is done"),
            Self::Set => f.write_str("set for this machine (machine set)"),
            Self::Rule(place) => write!(f, "[[machine]] at {place}"),
            Self::Group(name, place) => write!(f, "group '{name}' at {place}"),
            Self::Policy => f.write_str("for every machine without a plan (--boot-policy)"),
        }
    }
}

/// A value that some layer has for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The key.
    pub key: String,
    /// The value in text form.
    pub value: String,
    /// The layer.
    pub origin: Origin,
    /// True if it counts: the first one of its key.
    pub counts: bool,
}

/// The plan of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The unattended start.
    pub boot: Start,
    /// The entry whose installation it goes through, or went through.
    pub install: Option<String>,
    /// The root transport.
    pub transport: Option<Transport>,
    /// Additional kernel arguments.
    pub append: Option<String>,
    /// The first loader.
    pub loader: Option<LoaderKind>,
    /// Every value of every layer, for [`Plan::candidates`].
    layers: Vec<(Origin, PlanFields)>,
}

impl Plan {
    /// Makes the plan of `machine`. `policy` is for those whose plan does not say what starts.
    pub fn new(
        machine: &Identity<'_>,
        rules: &Rules,
        state: Option<&PlanState>,
        policy: &Start,
    ) -> Self {
        let layers = layers(machine, rules, state, policy);
        let mut plan = Self::default();
        let mut boot = None;
        for (_, fields) in &layers {
            boot = boot.or(fields.boot.as_ref());
            if let Some(Start::Install(entry)) = &fields.boot {
                plan.install.get_or_insert_with(|| entry.clone());
            }
            plan.transport = plan.transport.or(fields.transport);
            plan.loader = plan.loader.or(fields.loader);
            if plan.append.is_none() {
                plan.append.clone_from(&fields.append);
            }
        }
        plan.boot = boot.cloned().unwrap_or_default();
        plan.layers = layers;
        plan
    }

    /// Returns whether some layer but the policy says something about this machine.
    pub fn is_made(&self) -> bool {
        let mut layers = self.layers.iter();
        layers.any(|(origin, _)| *origin != Origin::Policy)
    }

    /// Lists every value of every layer, in the order in which they count.
    pub fn candidates(&self) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        for (origin, fields) in &self.layers {
            for (key, value) in fields.list() {
                let counts = !found.iter().any(|candidate| candidate.key == key);
                let origin = origin.clone();
                found.push(Candidate {
                    key,
                    value,
                    origin,
                    counts,
                });
            }
        }
        found
    }
}

/// Lists the layers, the one that counts most first.
fn layers(
    machine: &Identity<'_>,
    rules: &Rules,
    state: Option<&PlanState>,
    policy: &Start,
) -> Vec<(Origin, PlanFields)> {
    let starts = |start: Start| PlanFields {
        boot: Some(start),
        ..PlanFields::default()
    };
    let mut layers = Vec::new();
    if let Some(state) = state.filter(|state| !state.set.is_empty()) {
        layers.push((Origin::Set, state.set.clone()));
    }
    let mut groups: Vec<&super::rules::Group> = Vec::new();
    for rule in rules.of(machine) {
        layers.push((Origin::Rule(rule.place.clone()), rule.fields.clone()));
        for group in rules.groups(&rule.groups) {
            if !groups.iter().any(|known| known.name == group.name) {
                groups.push(group);
            }
        }
    }
    layers.extend(groups.into_iter().map(|group| {
        let origin = Origin::Group(group.name.clone(), group.place.clone());
        (origin, group.fields.clone())
    }));
    let planned = layers.iter().find_map(|(_, fields)| fields.boot.as_ref());
    if let (Some(Start::Install(entry)), Some(done)) =
        (planned, state.and_then(|state| state.installed.as_ref()))
        && entry == done
    {
        layers.insert(0, (Origin::Installed(done.clone()), starts(Start::Disk)));
    }
    if let Some(next) = state.and_then(|state| state.next.clone()) {
        layers.insert(0, (Origin::Next, starts(next)));
    }
    layers.push((Origin::Policy, starts(policy.clone())));
    layers
}
