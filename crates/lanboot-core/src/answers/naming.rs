//! Names of templates: paths below their folder.

use std::fmt;

use super::limits::MAX_NAME;

/// The name of a template: its path below the folder, such as `web/preseed.cfg`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateName(String);

/// Error: the text is not the name of a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It is empty.
    #[error("a template has a name")]
    Empty,
    /// It is longer than [`MAX_NAME`].
    #[error("the name of a template has at most {MAX_NAME} bytes")]
    TooLong,
    /// It begins with `/`.
    #[error("a template is named by its path below the template folder, without a leading '/'")]
    Absolute,
    /// A part of it is `.` or `..`.
    #[error("the name of a template has no '.' or '..' between its slashes")]
    Climbs,
    /// A part of it is empty, begins with a dot, or has characters that need quoting in a URL.
    #[error(
        "the name of a template consists of letters, digits, '-', '_' and '.', with '/' between its \
         folders, and none of them begins with a dot"
    )]
    Character,
}

impl TemplateName {
    /// Parses a name.
    ///
    /// # Errors
    /// It leaves the folder, or has characters that a URL would have to escape.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if text.is_empty() {
            return Err(BadName::Empty);
        }
        if text.len() > MAX_NAME {
            return Err(BadName::TooLong);
        }
        if text.starts_with('/') {
            return Err(BadName::Absolute);
        }
        let mut parts = text.split('/');
        if parts.clone().any(|part| part == "." || part == "..") {
            return Err(BadName::Climbs);
        }
        let is_plain = |part: &str| {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && !part.starts_with('.') && part.chars().all(is_allowed)
        };
        if !parts.all(is_plain) {
            return Err(BadName::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
