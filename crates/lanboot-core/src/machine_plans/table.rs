//! The plans said while the program ran: bounded, and kept by the shell.

use std::collections::BTreeMap;

use super::state::PlanState;
use crate::machine::Mac;

/// Most machines with a plan of their own.
pub const MAX_PLANS: usize = 16_384;

/// A change to what is kept: the new state of a machine, `None` where nothing is left of it.
pub type PlanChange = (Mac, Option<PlanState>);

/// Error: [`MAX_PLANS`] machines have a plan of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_PLANS} machines have a plan of their own, which is the most that are kept")]
pub struct TooManyPlans;

/// The plans of single machines, at most [`MAX_PLANS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanTable {
    of: BTreeMap<Mac, PlanState>,
}

impl PlanTable {
    /// Takes the plans that were kept, at most [`MAX_PLANS`].
    pub fn restore(kept: impl IntoIterator<Item = (Mac, PlanState)>) -> Self {
        Self {
            of: kept.into_iter().take(MAX_PLANS).collect(),
        }
    }

    /// Returns what was said about a machine.
    pub fn get(&self, mac: Mac) -> Option<&PlanState> {
        self.of.get(&mac)
    }

    /// Lists the machines about which something was said, by hardware address.
    pub fn list(&self) -> impl Iterator<Item = (Mac, &PlanState)> {
        self.of.iter().map(|(mac, state)| (*mac, state))
    }

    /// Checks that these changes leave at most [`MAX_PLANS`] machines with a plan.
    ///
    /// # Errors
    /// They do not.
    pub fn check(&self, changes: &[PlanChange]) -> Result<(), TooManyPlans> {
        let is_new = |change: &&PlanChange| change.1.is_some() && !self.of.contains_key(&change.0);
        let added = changes.iter().filter(is_new).count();
        match self.of.len() + added <= MAX_PLANS {
            true => Ok(()),
            false => Err(TooManyPlans),
        }
    }

    /// Makes changes that were checked.
    pub fn apply(&mut self, changes: Vec<PlanChange>) {
        for (mac, state) in changes {
            match state.filter(|state| !state.is_empty()) {
                Some(state) => self.of.insert(mac, state),
                None => self.of.remove(&mac),
            };
        }
    }
}
