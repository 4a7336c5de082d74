//! The part of a plan that is said while the program runs, and kept.

use super::fields::PlanFields;
use super::start::Start;

/// The part of a machine's plan that is not in the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanState {
    /// Keys that were set.
    pub set: PlanFields,
    /// The start of its next boot only.
    pub next: Option<Start>,
    /// The entry whose installation is done.
    pub installed: Option<String>,
}

impl PlanState {
    /// Returns whether nothing is to be kept.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sets what starts next, once. The entry of an installation that is done is installed again.
    pub fn start_next(&mut self, start: Start) {
        if start.entry().is_some() && start.entry() == self.installed.as_deref() {
            self.installed = None;
        }
        self.next = Some(start);
    }

    /// Notes that the installation of `entry` is done.
    pub fn finish(&mut self, entry: &str) {
        self.installed = Some(entry.to_owned());
        self.next = None;
    }
}
