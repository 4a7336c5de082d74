//! What starts when nobody presses a key, for each kind of processor.

use super::{Catalog, Cpu, Entry, Image};

/// The entries that start unattended: one for 64-bit machines, one for 32-bit ones, one for arm64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootChoice {
    /// Entry for a 64-bit x86 processor.
    pub x86_64: Option<String>,
    /// Entry for a 32-bit x86 processor.
    pub i686: Option<String>,
    /// Entry for a 64-bit ARM processor.
    pub aarch64: Option<String>,
}

/// `--boot` or `--transport` names nothing that is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no entry or image called '{wanted}'{}; served are: {}",
    nearest.as_ref().map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default(),
    known.join(", "))]
pub struct UnknownEntry {
    /// What was asked for.
    pub wanted: String,
    /// The closest name there is.
    pub nearest: Option<String>,
    /// Every valid name.
    pub known: Vec<String>,
}

impl UnknownEntry {
    pub(super) fn new(catalog: &Catalog, wanted: &str) -> Self {
        let mut known: Vec<String> = catalog.entries().map(|(_, e)| e.id.clone()).collect();
        known.extend(catalog.images().iter().map(|i| i.name.clone()));
        known.sort();
        known.dedup();
        Self {
            nearest: nearest(wanted, known.iter().map(String::as_str)).map(str::to_owned),
            wanted: wanted.to_owned(),
            known,
        }
    }
}

impl BootChoice {
    /// Resolves `wanted` — an entry, an image (its entry that fits the processor), or nothing for
    /// the first image that each processor can boot.
    pub fn resolve(catalog: &Catalog, wanted: Option<&str>) -> Result<Self, UnknownEntry> {
        let Some(wanted) = wanted else {
            let images = catalog.images().iter().map(|image| Self::of_image(image));
            return Ok(images.fold(Self::default(), Self::or));
        };
        if let Some((_, entry)) = catalog.entries().find(|(_, e)| e.id == wanted) {
            let id = |fits: bool| fits.then(|| entry.id.clone());
            let is_arm = entry.cpu == Cpu::Aarch64;
            // An entry named outright starts on every x86: a 64-bit kernel says itself that the
            // processor is too old.
            return Ok(Self {
                x86_64: id(!is_arm),
                i686: id(!is_arm),
                aarch64: id(is_arm),
            });
        }
        match catalog
            .image(wanted.as_bytes())
            .filter(|i| !i.entries.is_empty())
        {
            Some(image) => Ok(Self::of_image(image)),
            None => Err(UnknownEntry::new(catalog, wanted)),
        }
    }

    /// The entry for this processor.
    pub fn of(&self, cpu: Cpu) -> Option<&str> {
        let entry = match cpu {
            Cpu::X86_64 => &self.x86_64,
            Cpu::I686 => &self.i686,
            Cpu::Aarch64 => &self.aarch64,
        };
        entry.as_deref()
    }

    fn of_image(image: &Image) -> Self {
        let for_cpu = |cpu| image.entries.iter().find(|e: &&Entry| e.cpu == cpu);
        let (wide, narrow) = (for_cpu(Cpu::X86_64), for_cpu(Cpu::I686));
        let id = |entry: Option<&Entry>| entry.map(|e| e.id.clone());
        Self {
            x86_64: id(wide.or(narrow)),
            i686: id(narrow.or(wide)),
            aarch64: id(for_cpu(Cpu::Aarch64)),
        }
    }

    /// What `self` leaves open is `other`'s.
    fn or(self, other: Self) -> Self {
        // Both x86 choices come from one image: a machine shall not depend on its age for which.
        let (x86_64, i686) = match self.x86_64 {
            Some(wide) => (Some(wide), self.i686),
            None => (other.x86_64, other.i686),
        };
        Self {
            x86_64,
            i686,
            aarch64: self.aarch64.or(other.aarch64),
        }
    }
}

/// The candidate fewest edits away from `wanted`, if it is close enough to be meant.
pub fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = wanted.chars().count() / 3 + 1;
    candidates
        .map(|candidate| (edits(wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance of two short strings.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(256).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(256).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::{catalog, image};
    use std::sync::Arc;

    #[test]
    fn boot_takes_an_entry_an_image_or_nothing_and_names_the_nearest() {
        let catalog = catalog();
        let choice = |wanted| BootChoice::resolve(&catalog, wanted);
        let of = |a: &str, b: &str| {
            Ok(BootChoice {
                x86_64: Some(a.into()),
                i686: Some(b.into()),
                aarch64: None,
            })
        };
        assert_eq!(choice(None), of("dual-x86_64", "dual-i686"));
        assert_eq!(choice(Some("dual")), of("dual-x86_64", "dual-i686"));
        assert_eq!(choice(Some("dual-i686")), of("dual-i686", "dual-i686"));
        let error = choice(Some("daul-i686")).unwrap_err();
        assert_eq!(error.nearest.as_deref(), Some("dual-i686"));
        assert!(
            error.to_string().contains("did you mean 'dual-i686'?"),
            "{error}"
        );
        assert_eq!(choice(Some("windows")).unwrap_err().nearest, None);
    }

    #[test]
    fn each_processor_starts_what_it_can() {
        let arm = Arc::new(image("arm", &[Cpu::Aarch64]));
        let old = Arc::new(image("old", &[Cpu::I686]));
        let catalog = Catalog::new(vec![arm, old]);
        let choice = |wanted| BootChoice::resolve(&catalog, wanted).unwrap();
        let unasked = choice(None);
        assert_eq!(unasked.of(Cpu::Aarch64), Some("arm-aarch64"));
        assert_eq!(unasked.of(Cpu::X86_64), Some("old-i686"));
        assert_eq!(choice(Some("arm")).of(Cpu::X86_64), None);
        assert_eq!(choice(Some("old-i686")).of(Cpu::Aarch64), None);
        let named = choice(Some("arm-aarch64"));
        assert_eq!(
            (named.of(Cpu::I686), named.of(Cpu::Aarch64)),
            (None, Some("arm-aarch64"))
        );
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
    }
}
