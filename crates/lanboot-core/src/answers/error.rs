//! Faults of templates, with their places.

use std::fmt;

/// A fault of a template, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Name of the template.
    pub file: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// The fault.
    pub fault: Fault,
}

/// A fault of a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no template.
    #[error("{0}")]
    Syntax(String),
    /// It uses a value that there is not.
    #[error("there is no variable {name}{}", hint(.nearest.as_deref()))]
    NoVariable {
        /// The name as the template writes it.
        name: String,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// It uses a value that is not known of this machine.
    #[error("{0} is not known of this machine; to do without it, write {0} | default(\"…\")")]
    Unknown(String),
    /// It uses a secret that is not configured.
    #[error("there is no secret '{name}' in [secrets] or among the service's credentials{}", hint(.nearest.as_deref()))]
    NoSecret {
        /// The name as the template writes it.
        name: String,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// There is no such template.
    #[error("there is no template '{name}'{}", hint(.nearest.as_deref()))]
    NoTemplate {
        /// The name.
        name: String,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// It takes more than [`super::FUEL`].
    #[error("the template takes too long or makes too much text; does a loop end?")]
    OutOfFuel,
    /// It makes more than [`super::MAX_RENDERED`].
    #[error("the template makes more than {} KiB", super::MAX_RENDERED / 1024)]
    TooLarge,
    /// It includes itself, or a macro calls itself.
    #[error("templates include each other, or macros call each other, too deeply")]
    TooDeep,
    /// A filter or function refuses a value.
    #[error("{0}")]
    Refused(String),
}

impl TemplateError {
    /// Makes the error of a template that there is not.
    pub(super) fn no_template(name: &str, nearest: Option<&str>) -> Self {
        Self {
            file: name.to_owned(),
            line: None,
            fault: Fault::NoTemplate {
                name: name.to_owned(),
                nearest: nearest.map(str::to_owned),
            },
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, fault } = self;
        match (line, fault) {
            // Its own name says all.
            (None, Fault::NoTemplate { name, .. }) if name == file => write!(f, "{fault}"),
            (Some(line), _) => write!(f, "{file}:{line}: {fault}"),
            (None, _) => write!(f, "{file}: {fault}"),
        }
    }
}

impl std::error::Error for TemplateError {}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}
