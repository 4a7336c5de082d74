//! Answer files: what makes an installer ask nothing. They are templates in a folder, rendered for each
//! machine when it asks.
//!
//! [`Templates`] holds the folder's files, parsed; [`AnswerContext`] the values that a template can use;
//! [`Format`] the kinds of answer files, the names installers ask for them by and the kernel arguments
//! that make an installer ask; [`Token`] the part of a URL that is one machine's secret.
//!
//! Templates are Jinja, by the crate minijinja. A template can reach nothing but the other files of its
//! folder and the values it is given, and its work is bounded: fuel pays for each step and each byte.

mod check;
mod context;
mod crypt;
mod error;
mod filters;
mod format;
mod language;
mod limits;
mod naming;
mod secrets;
mod templates;
#[cfg(test)]
mod tests;
mod token;

pub use check::Flaw;
pub use context::{AnswerContext, EntryFacts, MachineFacts, NetworkFacts, ServerFacts, VARIABLES};
pub use error::{Fault, TemplateError};
pub use filters::FILTERS;
pub use format::{AnswerFile, Format};
pub use limits::{
    FUEL, MAX_DEPTH, MAX_FILES, MAX_NAME, MAX_RENDERED, MAX_SECRET, MAX_SOURCE, MAX_SOURCES,
};
pub use naming::{BadName, TemplateName};
pub use secrets::Secrets;
pub use templates::Templates;
pub use token::{Token, TokenKey};
