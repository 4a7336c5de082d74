//! Findings about the network that serving leases brings up.

use std::net::Ipv4Addr;

use super::finding::{Finding, MAX_FINDINGS};
use super::table::Leases;

impl Leases {
    /// Keeps something for the operator.
    pub(super) fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// Takes what was found since the last time, in order.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Warns that option 82 of a relay, `len` bytes long, did not fit into a reply.
    pub(super) fn warn_of_relay(&mut self, relay: Ipv4Addr, len: usize, now: u64) {
        if self.warned.is_due(relay, now) {
            self.find(Finding::RelayOptionTooLong { relay, len });
        }
    }
}
