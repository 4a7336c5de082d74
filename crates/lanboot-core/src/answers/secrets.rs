//! Secrets that templates use, such as passwords.

use std::collections::BTreeMap;
use std::fmt;

/// Shortest secret that is looked for in error texts, in bytes: a shorter one is part of too many words.
const SHORTEST_CENSORED: usize = 3;
/// Text in the place of a secret.
const MASK: &str = "********";

/// Secrets by their names. They are never printed: neither by `Debug`, nor in an error.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    values: BTreeMap<String, String>,
    is_masked: bool,
}

impl Secrets {
    /// Adds a secret: the text of its file, without the newline at its end that editors write.
    pub fn insert(&mut self, name: impl Into<String>, text: &str) {
        let text = text.strip_suffix('\n').unwrap_or(text);
        self.values.insert(name.into(), text.to_owned());
    }

    /// Returns the same names, each with asterisks for its secret.
    pub fn masked(&self) -> Self {
        Self {
            is_masked: true,
            ..self.clone()
        }
    }

    /// Returns a secret, or asterisks if they are masked.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name)?;
        Some(if self.is_masked { MASK } else { value })
    }

    /// Lists the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Returns `text` with asterisks for every secret in it.
    pub(super) fn censor(&self, text: &str) -> String {
        let values = self.values.values();
        let long = values.filter(|value| value.len() >= SHORTEST_CENSORED);
        long.fold(text.to_owned(), |text, value| {
            // Messages quote values as they are, or as a literal.
            let literal = format!("{value:?}");
            let literal = literal.trim_matches('"');
            text.replace(value.as_str(), MASK).replace(literal, MASK)
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
