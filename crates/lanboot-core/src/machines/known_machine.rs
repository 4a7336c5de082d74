//! The record of one machine, and how its boots change that.

use std::net::IpAddr;
use std::time::Duration;

use super::boot_record::{BootOutcome, BootRecord};
use crate::machine::{Arch, Mac, Machine, Stage, Uuid};
use crate::route::FileUse;

/// Longest name of an image that is remembered, in bytes.
const MAX_IMAGE: usize = 255;

/// A machine as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMachine {
    /// Hardware address of the card it boots from.
    pub mac: Mac,
    /// UUID of its board.
    pub uuid: Option<Uuid>,
    /// Architecture its firmware named last, else that of its loader.
    pub arch: Option<Arch>,
    /// True if [`Self::arch`] is the firmware's own word.
    pub is_arch_of_firmware: bool,
    /// Address it had last.
    pub address: Option<IpAddr>,
    /// Time at which it first asked to boot, since 1970 UTC.
    pub first_seen: Duration,
    /// Time at which it was last heard, since 1970 UTC.
    pub last_seen: Duration,
    /// Number of its boots that reached a running system.
    pub boots: u32,
    /// Number of its boots that were given up.
    pub failures: u32,
    /// Its latest boot.
    pub last_boot: Option<BootRecord>,
}

impl KnownMachine {
    /// Makes the record of a machine that asks to boot for the first time.
    pub(super) fn new(mac: Mac, now: Duration) -> Self {
        Self {
            mac,
            uuid: None,
            arch: None,
            is_arch_of_firmware: false,
            address: None,
            first_seen: now,
            last_seen: now,
            boots: 0,
            failures: 0,
            last_boot: None,
        }
    }

    /// Takes the architecture a message names: iPXE names its own, which a BIOS build also does on a
    /// machine with both kinds of firmware, so it does not replace the firmware's.
    pub(super) fn take_arch(&mut self, machine: &Machine) {
        let is_firmware = matches!(machine.stage, Stage::Firmware | Stage::HttpBoot);
        if machine.arch.is_some() && (is_firmware || !self.is_arch_of_firmware) {
            self.arch = machine.arch;
            self.is_arch_of_firmware = is_firmware;
        }
    }

    /// Tests whether `other` says more about the same machine than that it was heard a moment later.
    pub(super) fn is_news(&self, other: &Self) -> bool {
        /// Time by which a kept [`KnownMachine::last_seen`] may be behind.
        const MAX_BEHIND: Duration = Duration::from_secs(60);
        let same = Self {
            last_seen: other.last_seen,
            ..self.clone()
        };
        // One that is new differs from no record by nothing but its time.
        let is_new = other.first_seen == other.last_seen;
        same != *other || is_new || other.last_seen.saturating_sub(self.last_seen) >= MAX_BEHIND
    }

    /// Notes that a boot begins, or begins again. Returns whether that is new.
    pub(super) fn boot_began(&mut self, now: Duration) -> bool {
        let is_open = |boot: &BootRecord| boot.outcome == BootOutcome::Open && boot.image.is_none();
        if self.last_boot.as_ref().is_some_and(is_open) {
            return false;
        }
        self.last_boot = Some(BootRecord {
            began: now,
            image: None,
            outcome: BootOutcome::Open,
        });
        self.last_seen = self.last_seen.max(now);
        true
    }

    /// Notes that it loads a file of an image. Returns whether that is new.
    pub(super) fn boots_image(&mut self, file: &FileUse, now: Duration) -> bool {
        let Some(image) = image_of(file) else {
            return false;
        };
        let is_open = |boot: &&mut BootRecord| boot.outcome == BootOutcome::Open;
        let Some(boot) = self.last_boot.as_mut().filter(is_open) else {
            // A running system reads its root for as long as it runs.
            return file.begins_boot && {
                self.boot_began(now);
                self.boots_image(file, now)
            };
        };
        let is_new = boot.image.as_deref() != Some(image);
        boot.image = Some(image.to_owned());
        is_new
    }

    /// Notes the end of a boot. Returns whether that is new.
    pub(super) fn boot_ended(&mut self, outcome: BootOutcome, now: Duration) -> bool {
        let is_open = |boot: &&mut BootRecord| boot.outcome == BootOutcome::Open;
        let Some(boot) = self.last_boot.as_mut().filter(is_open) else {
            return false;
        };
        boot.outcome = outcome;
        self.last_seen = self.last_seen.max(now);
        let count = match outcome {
            BootOutcome::Open => return false,
            BootOutcome::Up => &mut self.boots,
            BootOutcome::GivenUp => &mut self.failures,
        };
        *count = count.saturating_add(1);
        true
    }
}

/// Returns the name of the image a file is of: file names begin with it.
fn image_of(file: &FileUse) -> Option<&str> {
    let (image, _) = match file.name.split_once('/') {
        Some(parts) => parts,
        None => (file.name.strip_suffix(".iso")?, ""),
    };
    (!image.is_empty() && image.len() <= MAX_IMAGE).then_some(image)
}
