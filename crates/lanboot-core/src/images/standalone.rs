//! Entries without a root: programs, multiboot kernels and disks.

use super::entry::{Boot, Entry, RootSource};
use super::entry_kind::EntryKind;

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
