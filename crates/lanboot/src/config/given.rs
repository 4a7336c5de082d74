//! The keys that are given, as flags or in the file.

use std::collections::{BTreeMap, BTreeSet};

/// The keys that are given, and where.
#[derive(Debug)]
pub(super) struct GivenKeys {
    /// Keys given as flags.
    pub(super) flags: BTreeSet<String>,
    /// Keys of the file that no flag overrides, each with its `FILE:LINE:COLUMN`.
    pub(super) file: BTreeMap<String, String>,
}

impl GivenKeys {
    /// Returns how a sentence about `key` begins: with its place in the file, if it is there.
    pub(super) fn place(&self, key: &str) -> String {
        let place = self.file.get(key);
        place.map_or_else(String::new, |place| format!("{place}: "))
    }

    /// Returns whether the value of `key` counts beside `--dhcp`: a flag overrides the file without a
    /// word, two values of one place contradict each other.
    pub(super) fn counts_beside_dhcp(&self, key: &str) -> bool {
        let is_overridden = self.flags.contains("dhcp");
        self.flags.contains(key) || (self.file.contains_key(key) && !is_overridden)
    }
}
