//! The languages of answer files.

/// The language of an answer file, as far as it is examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Lines of text.
    Text,
    /// XML 1.0.
    Xml,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// YAML below the line `#cloud-config`, or a script, which begins with `#!`.
    CloudConfig,
}
