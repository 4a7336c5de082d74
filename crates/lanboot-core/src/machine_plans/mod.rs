//! The plan for each machine: what starts on it, how, and with which settings.
//!
//! A plan is made of layers, and for each key the first layer that has it counts:
//!
//! 1. what starts at the next boot only (`machine next`);
//! 2. the local disk, once the installation that the plan names is done;
//! 3. what was set for the machine while the program ran (`machine set`);
//! 4. the rules of the configuration (`[[machine]]`) that are for it: those that name its hardware
//!    address, then its UUID, then its serial number or asset tag, then those with a pattern; of two
//!    of one kind the one further up;
//! 5. the groups of those rules, and the groups of the groups;
//! 6. the policy for machines without a plan (`--boot-policy`).

mod fields;
mod identity;
mod pattern;
mod plan;
mod rules;
mod start;
mod state;
mod table;
#[cfg(test)]
mod tests;

pub use fields::{BadField, KEYS, PlanFields, kernel_arguments};
pub use identity::Identity;
pub use pattern::Pattern;
pub use plan::{Candidate, Origin, Plan};
pub use rules::{BadRules, Group, Matcher, Rule, Rules};
pub use start::Start;
pub use state::PlanState;
pub use table::{MAX_PLANS, PlanChange, PlanTable, TooManyPlans};
