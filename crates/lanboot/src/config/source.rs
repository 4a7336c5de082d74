//! The text of a configuration file, and the places in it.

use anyhow::anyhow;
use lanboot_core::text::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A file: its name and its text.
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// Parses it as TOML.
    pub(super) fn parse(&self) -> anyhow::Result<Spanned<DeTable<'_>>> {
        DeTable::parse(self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            self.error(offset, error.message())
        })
    }

    /// Returns `FILE:LINE`.
    pub(super) fn line(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        format!("{}:{}", self.name, before.matches('\n').count() + 1)
    }

    /// Returns `FILE:LINE:COLUMN`, both counted from 1, columns in characters.
    pub(super) fn place(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.name)
    }

    /// Makes the error of a key that is none of `valid`; `place` says where it would have to be one.
    pub(super) fn unknown_key(
        &self,
        key: &Spanned<DeString<'_>>,
        place: &str,
        valid: &[&str],
    ) -> anyhow::Error {
        let hint = nearest(key.get_ref(), valid.iter().copied()).map_or_else(
            || format!("valid keys: {}", valid.join(", ")),
            |near| format!("did you mean '{near}'?"),
        );
        let name = key.get_ref().escape_default();
        let message = format!("there is no key '{name}'{place}; {hint}");
        self.error(key.span().start, message)
    }

    /// Makes an error: the place, and a sentence.
    pub(super) fn error(&self, offset: usize, message: impl std::fmt::Display) -> anyhow::Error {
        anyhow!("{}: {message}", self.place(offset))
    }
}

/// Returns a text or a whole number as text.
pub(super) fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        _ => None,
    }
}
