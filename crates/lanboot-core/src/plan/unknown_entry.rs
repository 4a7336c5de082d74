//! The error of a name that nothing served has.

use crate::text::{self, nearest};

/// A name in `--boot` or `--transport` that nothing served has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no entry or image called '{}'{}; served are: {}", text::line(wanted),
    nearest.as_ref().map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default(),
    some(known))]
pub struct UnknownEntry {
    /// The name asked for.
    pub wanted: String,
    /// The closest name there is.
    pub nearest: Option<String>,
    /// Every valid name.
    pub known: Vec<String>,
}

/// Most names one sentence lists.
const MAX_NAMED: usize = 24;

fn some(names: &[String]) -> String {
    let (first, more) = names.split_at(names.len().min(MAX_NAMED));
    let more = match more.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("{}{more}", first.join(", "))
}

impl UnknownEntry {
    /// Makes the error for `wanted`, which is none of these names.
    pub(super) fn new<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let mut known: Vec<String> = known.map(str::to_owned).collect();
        known.sort();
        known.dedup();
        Self {
            nearest: nearest(wanted, known.iter().map(String::as_str)).map(str::to_owned),
            wanted: wanted.to_owned(),
            known,
        }
    }
}
