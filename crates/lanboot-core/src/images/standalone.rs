//! Entries without a root: programs, multiboot kernels and disks.

use std::sync::Arc;

use super::cpu::Cpu;
use super::entry::{Boot, Entry, RootSource};
use super::entry_kind::EntryKind;
use super::medium::Medium;
use crate::pe::Signed;

/// Something that is complete when it is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standalone;

impl RootSource for Standalone {
    /// Returns the medium's own arguments, then the operator's. A disk takes none.
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        if matches!(entry.kind, EntryKind::Disk(_)) {
            return Vec::new();
        }
        let own = entry.inherited.iter().map(String::as_str);
        let words = own.chain(boot.append.split_whitespace());
        words.map(str::to_owned).collect()
    }
}

/// Makes an entry without a root, called the image's name, whose file nobody signed.
pub(super) fn entry(medium: Medium<'_>, cpu: Cpu, kind: EntryKind) -> Entry {
    Entry {
        id: medium.name.to_owned(),
        title: medium.name.to_owned(),
        volume: medium.label.to_owned(),
        cpu,
        kind,
        inherited: Vec::new(),
        root_source: Arc::new(Standalone),
        root: None,
        root_bytes: 0,
        initrd_bytes: 0,
        lacks: Vec::new(),
        notes: Vec::new(),
        signed: Signed::No,
    }
}
