//! A folder's templates, parsed, and their rendering for one machine.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};

use super::context::{AnswerContext, VARIABLES};
use super::crypt::{Method, Salts};
use super::error::{Fault, TemplateError};
use super::filters::{self, refuse};
use super::limits::{CRYPT_FUEL, FUEL, MAX_DEPTH, MAX_RENDERED, MAX_SOURCE};
use super::naming::TemplateName;
use super::secrets::Secrets;
use super::token::TokenKey;
use crate::text::nearest;

/// Beginning of the error of a missing secret; its name follows.
const NO_SECRET: &str = "no secret ";

/// The templates of a folder, parsed.
#[derive(Clone)]
pub struct Templates {
    env: Arc<Environment<'static>>,
    sources: Arc<BTreeMap<String, String>>,
}

impl Templates {
    /// Parses templates, and checks the names of the variables in them, also in branches that no
    /// rendering takes.
    ///
    /// # Errors
    /// One is no template, is too long, or uses a variable that there is not.
    pub fn parse(sources: BTreeMap<TemplateName, String>) -> Result<Self, TemplateError> {
        let mut env = environment();
        let texts = sources.into_iter();
        let texts: BTreeMap<String, String> =
            texts.map(|(name, text)| (name.to_string(), text)).collect();
        for (name, text) in &texts {
            if text.len() > MAX_SOURCE {
                let limit = MAX_SOURCE / 1024;
                return Err(TemplateError {
                    file: name.clone(),
                    line: None,
                    fault: Fault::Syntax(format!("a template has at most {limit} KiB")),
                });
            }
            let added = env.add_template_owned(name.clone(), text.clone());
            added.map_err(|error| explain(&error, name, &Secrets::default(), &[]))?;
        }
        let parsed = Self {
            env: Arc::new(env),
            sources: Arc::new(texts),
        };
        parsed.check_variables()?;
        Ok(parsed)
    }

    /// Lists the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// Lists the templates that are answer files, each with the set it belongs to: names of which a part
    /// begins with `_` are only for others to include.
    pub fn answers(&self) -> impl Iterator<Item = &str> {
        self.names()
            .filter(|name| !name.split('/').any(|part| part.starts_with('_')))
    }

    /// Returns the name of the template that makes `file` of the answers `set`: `SET/FILE`, else
    /// `SET.FILE`.
    pub fn of_set(&self, set: &str, file: &str) -> Option<&str> {
        let names = [format!("{set}/{file}"), format!("{set}.{file}")];
        let found = names
            .iter()
            .find_map(|name| self.sources.get_key_value(name));
        found.map(|(name, _)| name.as_str())
    }

    /// Renders a template for a machine.
    ///
    /// # Errors
    /// There is no such template, or it cannot be rendered; the error names no secret.
    pub fn render(
        &self,
        name: &str,
        context: &AnswerContext,
        secrets: &Secrets,
        key: &TokenKey,
    ) -> Result<String, TemplateError> {
        let mut env = Environment::clone(&self.env);
        let salts = Salts::new(key.salt_key_of(&context.machine.mac));
        env.add_filter(
            "crypt",
            move |state: &mut State, password: &Value, method: Option<&str>| {
                state.consume_fuel(CRYPT_FUEL)?;
                crypt(password, method, &salts)
            },
        );
        let own = secrets.clone();
        env.add_function("secret", move |name: &str| match own.get(name) {
            Some(secret) => Ok(Value::from(secret)),
            None => Err(refuse(format!("{NO_SECRET}{name}"))),
        });
        let Ok(template) = env.get_template(name) else {
            return Err(TemplateError::no_template(
                name,
                nearest(name, self.names()),
            ));
        };
        let variables: Vec<String> = context.variables.keys().cloned().collect();
        let mut out = Bounded::default();
        let rendered = template.render_captured_to(Value::from(Serde(context)), &mut out);
        match rendered.map(drop) {
            // It is text, because every piece of it was.
            Ok(()) => Ok(String::from_utf8_lossy(&out.bytes).into_owned()),
            Err(_) if out.is_full => Err(TemplateError {
                file: name.to_owned(),
                line: None,
                fault: Fault::TooLarge,
            }),
            Err(error) => {
                let explained = explain(&error, name, secrets, &variables);
                Err(self.with_names(explained, secrets))
            }
        }
    }

    /// Adds the nearest name to a fault where that is one of the folder or of the configuration.
    fn with_names(&self, mut error: TemplateError, secrets: &Secrets) -> TemplateError {
        match &mut error.fault {
            Fault::NoSecret {
                name,
                nearest: near,
            } => {
                *near = nearest(name, secrets.names()).map(str::to_owned);
            }
            Fault::NoTemplate {
                name,
                nearest: near,
            } => {
                *near = nearest(name, self.names()).map(str::to_owned);
            }
            _ => {}
        }
        error
    }

    /// Checks the names below `machine`, `entry`, `server` and `network`.
    fn check_variables(&self) -> Result<(), TemplateError> {
        for (name, template) in self.env.templates() {
            let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
            used.sort_unstable();
            for variable in used {
                let Some((group, _)) = variable.split_once('.') else {
                    continue;
                };
                let is_known = |known: &str| {
                    let below = variable.strip_prefix(known);
                    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                let mut known = VARIABLES.iter().map(|(known, _)| *known);
                let is_group = |known: &str| known.split('.').next() == Some(group);
                if group == "variables" || !known.clone().any(is_group) || known.any(is_known) {
                    continue;
                }
                let source = self.sources.get(name).map_or("", String::as_str);
                let at = source.find(&variable);
                let line = at
                    .and_then(|at| source.get(..at))
                    .map(|before| before.matches('\n').count() + 1);
                return Err(TemplateError {
                    file: name.to_owned(),
                    line,
                    fault: no_variable(&variable, &[]),
                });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Makes an engine that knows no template.
fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_syntax(syntax());
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(MAX_DEPTH);
    // Errors name the expression.
    env.set_debug(true);
    filters::add(&mut env);
    env
}

/// Returns the syntax of Jinja in which a line with nothing but a tag is no line of the result, and the
/// line break at the end of a file stays: many readers drop a last line without one.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true);
    // Only delimiters can be wrong, and they are the default ones.
    syntax.build().unwrap_or_default()
}

/// Hashes a password.
fn crypt(password: &Value, method: Option<&str>, salts: &Salts) -> Result<String, Error> {
    let Some(method) = Method::parse(method.unwrap_or("sha512")) else {
        return Err(refuse("crypt takes \"sha512\" or \"yescrypt\""));
    };
    if password.kind() == ValueKind::Undefined {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let password = filters::text(password)?;
    let hash = method.hash(&password, &salts.next());
    hash.ok_or_else(|| refuse("a password has at most 511 bytes, and no NUL character"))
}

/// The text that is made, up to its bound.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_RENDERED {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes a typed error of the engine's: that of the innermost template.
fn explain(error: &Error, name: &str, secrets: &Secrets, variables: &[String]) -> TemplateError {
    let mut innermost = error;
    let mut chain: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(link) = chain {
        if let Some(link) = link.downcast_ref::<Error>() {
            innermost = link;
        }
        chain = link.source();
    }
    let with_place = [innermost, error]
        .into_iter()
        .find(|error| error.line().is_some());
    let file = with_place.and_then(Error::name).unwrap_or(name).to_owned();
    TemplateError {
        file,
        line: with_place.and_then(Error::line),
        fault: fault(innermost, secrets, variables),
    }
}

fn fault(error: &Error, secrets: &Secrets, variables: &[String]) -> Fault {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => {
            let written = error.range().zip(error.template_source());
            let written = written.and_then(|(range, source)| source.get(range));
            no_variable(written.unwrap_or("this"), variables)
        }
        ErrorKind::OutOfFuel => Fault::OutOfFuel,
        ErrorKind::TemplateNotFound => Fault::NoTemplate {
            name: secrets.censor(quoted(detail)),
            nearest: None,
        },
        _ if detail.contains("recursion limit") => Fault::TooDeep,
        ErrorKind::InvalidOperation if detail.starts_with(NO_SECRET) => Fault::NoSecret {
            name: secrets.censor(detail.trim_start_matches(NO_SECRET)),
            nearest: None,
        },
        kind => {
            let message = match detail {
                "" => kind.to_string(),
                detail => detail.to_owned(),
            };
            let message = secrets.censor(&message);
            match kind {
                ErrorKind::SyntaxError => Fault::Syntax(message),
                _ => Fault::Refused(message),
            }
        }
    }
}

/// Explains a variable that has no value: it is misspelt, or not known of this machine.
fn no_variable(written: &str, variables: &[String]) -> Fault {
    let name = written
        .split(|c: char| c.is_whitespace() || c == '|')
        .next();
    let name = name.unwrap_or(written).to_owned();
    let facts = VARIABLES.iter().map(|(known, _)| *known);
    let facts: Vec<&str> = facts
        .filter(|known| !known.starts_with("variables."))
        .collect();
    if facts.contains(&name.as_str()) {
        return Fault::Unknown(name);
    }
    let own: Vec<String> = variables
        .iter()
        .map(|of| format!("variables.{of}"))
        .collect();
    let all = || facts.iter().copied().chain(own.iter().map(String::as_str));
    // A bare name may be one behind the dots.
    let with_group = || {
        let bare = |full: &&str| full.rsplit('.').next() == Some(name.as_str());
        all().find(bare)
    };
    let near = nearest(&name, all()).or_else(with_group).map(str::to_owned);
    Fault::NoVariable {
        name,
        nearest: near,
    }
}

/// Returns what is between quotes in a message.
fn quoted(text: &str) -> &str {
    let mut parts = text.split(['"', '\'']);
    parts.nth(1).unwrap_or(text)
}
