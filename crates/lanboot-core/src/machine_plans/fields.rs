//! The keys of a plan. Each has one text form, which is that of the configuration, of the command
//! line, of the interface for programs and of the database.

use std::str::FromStr as _;

use super::start::Start;
use crate::images::Transport;
use crate::loaders::LoaderKind;
use crate::text::{self, nearest, one_of};

/// The keys, each with its description.
pub const KEYS: [(&str, &str); 4] = [
    (
        "boot",
        "what starts when nobody presses a key: menu, disk, an entry or image, or install:ENTRY, \
         which is started until the installation is done, and then the disk",
    ),
    ("transport", "root transport: http, nfs or nbd"),
    (
        "append",
        "additional kernel arguments, after those for every machine",
    ),
    ("loader", "first loader, as --loader"),
];

/// Longest name of an entry, in bytes.
const MAX_NAME: usize = 255;
/// Longest additional arguments, in bytes: kernels cut command lines at 2048 on x86.
const MAX_APPEND: usize = 1024;

/// One layer of a plan: the keys that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanFields {
    /// The unattended start.
    pub boot: Option<Start>,
    /// The root transport.
    pub transport: Option<Transport>,
    /// Additional kernel arguments.
    pub append: Option<String>,
    /// The first loader.
    pub loader: Option<LoaderKind>,
}

/// The reason why a key or its value is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// There is no such key.
    #[error("there is no key '{}'; {}", text::line(key), hint(key))]
    Unknown {
        /// The key.
        key: String,
    },
    /// The value is not one of the key.
    #[error("{key}: {why}")]
    Value {
        /// The key.
        key: &'static str,
        /// The sentence.
        why: String,
    },
}

fn hint(key: &str) -> String {
    let names = || KEYS.iter().map(|(name, _)| *name);
    match nearest(key, names()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("keys: {}", names().collect::<Vec<_>>().join(", ")),
    }
}

impl PlanFields {
    /// Returns whether it has no key.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sets a key to a value in its text form, or removes it where there is none.
    ///
    /// # Errors
    /// There is no such key, or the value is not one of it; nothing is changed then.
    pub fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), BadField> {
        match key {
            "boot" => self.boot = parsed("boot", value, start)?,
            "transport" => self.transport = parsed("transport", value, transport)?,
            "append" => self.append = parsed("append", value, kernel_arguments)?,
            "loader" => self.loader = parsed("loader", value, loader)?,
            _ => {
                return Err(BadField::Unknown {
                    key: key.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Lists its keys with their values in text form, which [`Self::set`] parses to the same again.
    pub fn list(&self) -> Vec<(String, String)> {
        let single = [
            ("boot", self.boot.as_ref().map(Start::to_string)),
            ("transport", self.transport.map(|of| of.name().to_owned())),
            ("append", self.append.clone()),
            ("loader", self.loader.map(|kind| kind.name().to_owned())),
        ];
        let given = single.into_iter();
        let given = given.filter_map(|(key, value)| Some((key.to_owned(), value?)));
        given.collect()
    }
}

fn bad(key: &'static str, why: String) -> BadField {
    BadField::Value { key, why }
}

/// Parses the value of a key, where there is one.
fn parsed<T>(
    key: &'static str,
    value: Option<&str>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, BadField> {
    value.map(parse).transpose().map_err(|why| bad(key, why))
}

/// Parses the unattended start.
fn start(value: &str) -> Result<Start, String> {
    let start = Start::from_str(value).unwrap_or_else(|never| match never {});
    match start.entry() {
        Some(name) => named("an entry or image", name).map(|_| start),
        None => Ok(start),
    }
}

/// Checks the name of something served.
fn named(what: &str, name: &str) -> Result<String, String> {
    let shown = text::line(name);
    if name.is_empty() || shown != name {
        return Err(format!("'{shown}' is not the name of {what}"));
    }
    if name.len() > MAX_NAME {
        return Err(format!("the name of {what} has at most {MAX_NAME} bytes"));
    }
    Ok(name.to_owned())
}

fn transport(value: &str) -> Result<Transport, String> {
    one_of(value, &Transport::ALL.map(|of| (of.name(), of)))
}

fn loader(value: &str) -> Result<LoaderKind, String> {
    one_of(value, &LoaderKind::ALL.map(|of| (of.name(), of)))
}

/// Checks additional kernel arguments: nothing may begin another line of a menu.
///
/// # Errors
/// They are too long, or have a character that cannot stand there. A sentence.
pub fn kernel_arguments(value: &str) -> Result<String, String> {
    if value.len() > MAX_APPEND {
        return Err(format!(
            "{} bytes of arguments; at most {MAX_APPEND} fit on a kernel command line",
            value.len()
        ));
    }
    match value.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
        Some(odd) => Err(format!(
            "{odd:?} cannot stand on a kernel command line; use printable ASCII on one line"
        )),
        None => Ok(value.to_owned()),
    }
}
