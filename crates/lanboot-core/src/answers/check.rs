//! Cheap checks of what a template made: whether it is XML, JSON or YAML at all.

use saphyr_parser::Parser;
use serde::de::IgnoredAny;

use super::format::AnswerFile;
use super::language::Language;

/// Deepest nesting of elements, lists and maps that is still examined.
const MAX_NESTING: usize = 100;

/// A flaw of a rendered file: it is served, and the log says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is not well-formed.
    #[error("the rendered file is not {language}: {message}")]
    Malformed {
        /// The language it should be in.
        language: &'static str,
        /// The sentence of its parser, with the place.
        message: String,
    },
    /// Its first line is not what its reader looks for.
    #[error("the first line of the rendered file is not '{0}', without which it is ignored")]
    FirstLine(&'static str),
    /// It is empty.
    #[error("the rendered file is empty")]
    Empty,
}

impl AnswerFile {
    /// Examines a rendered file.
    pub fn flaw(&self, rendered: &str) -> Option<Flaw> {
        if rendered.trim().is_empty() {
            return (!self.may_be_empty).then_some(Flaw::Empty);
        }
        match self.language {
            Language::Text => None,
            Language::Xml => xml(rendered),
            Language::Json => json(rendered),
            Language::Yaml => yaml(rendered),
            Language::CloudConfig => cloud_config(rendered),
        }
    }
}

fn malformed(language: &'static str, error: impl std::fmt::Display) -> Option<Flaw> {
    Some(Flaw::Malformed {
        language,
        message: error.to_string(),
    })
}

fn xml(text: &str) -> Option<Flaw> {
    // AutoYaST's files name a document type; nothing of one is read.
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let parsed = roxmltree::Document::parse_with_options(text, options);
    parsed.err().and_then(|error| malformed("XML", error))
}

fn json(text: &str) -> Option<Flaw> {
    let parsed: Result<IgnoredAny, _> = serde_json::from_str(text);
    parsed.err().and_then(|error| malformed("JSON", error))
}

fn yaml(text: &str) -> Option<Flaw> {
    let mut depth = 0usize;
    for event in Parser::new_from_str(text) {
        use saphyr_parser::Event;
        match event {
            Err(error) => return malformed("YAML", error),
            Ok((Event::SequenceStart(..) | Event::MappingStart(..), _)) => depth += 1,
            Ok((Event::SequenceEnd | Event::MappingEnd, _)) => depth = depth.saturating_sub(1),
            Ok(_) => {}
        }
        if depth > MAX_NESTING {
            return malformed("YAML", format!("it is nested deeper than {MAX_NESTING}"));
        }
    }
    None
}

/// Examines what cloud-init gets: by its first line it is a configuration, a script, or one of several
/// other kinds, which are left to cloud-init.
fn cloud_config(text: &str) -> Option<Flaw> {
    let first = text.lines().next().unwrap_or_default().trim_end();
    if first == "#cloud-config" || first == "## template: jinja" {
        return yaml(text);
    }
    let is_other_kind = first.starts_with("#!")
        || first.starts_with("#include")
        || first.starts_with("#cloud-")
        || first.starts_with("#part-handler")
        || first.starts_with("#upstart-job")
        || first.starts_with("Content-Type:")
        || first.starts_with("MIME-Version:");
    (!is_other_kind).then_some(Flaw::FirstLine("#cloud-config"))
}
