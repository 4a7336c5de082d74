//! What a machine shall load, and what the log says of it.

use super::answer::BootFile;
use super::ignore_reason::IgnoreReason;
use super::option::Code;
use super::reply::Encoded;
use super::respond::Transaction;
use crate::machine::{Arch, Stage};

impl Transaction<'_> {
    /// What to load, for a machine that wants to.
    pub(super) fn boot_file(&self) -> Result<BootFile, IgnoreReason> {
        if self.machine.stage == Stage::Plain {
            return Err(IgnoreReason::NotBooting);
        }
        self.to_load()
    }

    /// What a machine that boots shall load.
    pub(super) fn to_load(&self) -> Result<BootFile, IgnoreReason> {
        match self.misfit() {
            Some(why) => Err(why),
            None => (self.boot)(&self.machine).ok_or(IgnoreReason::NothingToBoot),
        }
    }

    /// Why no boot file can fit it, whatever is served.
    fn misfit(&self) -> Option<IgnoreReason> {
        match (self.machine.stage, self.machine.arch) {
            (Stage::HttpBoot, Some(arch @ Arch::X86Bios)) => Some(IgnoreReason::NotUefi(arch)),
            _ => None,
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

    /// What the log says of an answer: its file, or why there is none, and what did not fit.
    pub(super) fn detail(&self, boot: Option<&BootFile>, encoded: &Encoded) -> Option<String> {
        let mut parts = Vec::new();
        match boot {
            Some(boot) => parts.push(boot.file.clone()),
            None if self.machine.stage == Stage::Plain => {}
            None => parts.push(match self.misfit() {
                Some(why) => format!("no boot file for it: {why}"),
                None => "no boot file for it".to_owned(),
            }),
        }
        if !encoded.left_out.is_empty() {
            let codes: Vec<String> = encoded.left_out.iter().map(Code::to_string).collect();
            parts.push(format!("no room for options {}", codes.join(", ")));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}
