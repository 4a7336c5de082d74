//! The file that a machine loads, and what the log says about it.

use super::reason::IgnoreReason;
use super::reply::Encoded;
use super::respond::Transaction;
use super::wire::option::Code;
use crate::machine::{Arch, Stage};
use crate::plan::Offer;

impl Transaction<'_> {
    /// Returns the offer for a machine that wants to boot.
    pub(super) fn boot_file(&self) -> Result<Offer, IgnoreReason> {
        match (self.machine.stage, self.machine.arch) {
            (Stage::Plain, _) => Err(IgnoreReason::NotBooting),
            // No boot file can fit it, whatever is served.
            (Stage::HttpBoot, Some(arch @ Arch::X86Bios)) => Err(IgnoreReason::NotUefi(arch)),
            _ => (self.boot)(self.machine).map_err(IgnoreReason::NothingToBoot),
        }
    }

    /// Warns when option 82 does not fit into an answer: RFC 3046 §2.2 has it left out then, and
    /// relays that look for it drop the answer.
    pub(super) fn warn_of_relay(&mut self, encoded: &Encoded) {
        if encoded.left_out.contains(&Code::RELAY) {
            let relay = self.packet.giaddr;
            let len = self.packet.options.get(Code::RELAY).map_or(0, <[u8]>::len);
            self.leases.warn_of_relay(relay, len, self.now);
        }
    }

    /// Returns the log's detail of an answer: its file or the reason for none, and the options that
    /// did not fit.
    pub(super) fn detail(boot: Result<&Offer, &IgnoreReason>, encoded: &Encoded) -> Option<String> {
        let mut parts = Vec::new();
        match boot {
            Ok(boot) => parts.push(boot.file.clone()),
            Err(IgnoreReason::NotBooting) => {}
            Err(IgnoreReason::NothingToBoot(_)) => parts.push("no boot file for it".to_owned()),
            Err(why) => parts.push(format!("no boot file for it: {why}")),
        }
        if !encoded.left_out.is_empty() {
            let codes: Vec<String> = encoded.left_out.iter().map(Code::to_string).collect();
            parts.push(format!("no room for options {}", codes.join(", ")));
        }
        match boot {
            Ok(boot) => parts.extend(boot.warning.clone()),
            Err(why @ IgnoreReason::NothingToBoot(_)) => parts.push(why.to_string()),
            Err(_) => {}
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}
