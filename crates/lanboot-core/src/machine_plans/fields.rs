//! The keys of a plan. Each has one text form, which is that of the configuration, of the command
//! line, of the interface for programs and of the database.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::str::FromStr as _;

use super::start::Start;
use crate::images::Transport;
use crate::loaders::LoaderKind;
use crate::text::{self, nearest};

/// The keys, each with its description. Variables are `variables.NAME`.
pub const KEYS: [(&str, &str); 8] = [
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
    ("answers", "answer template of unattended installations"),
    ("host-name", "host name announced by DHCP"),
    (
        "address",
        "address assigned by DHCP, inside a served network",
    ),
    ("variables", "values for templates: variables.NAME"),
];

/// Prefix of a variable.
const VARIABLES: &str = "variables.";
/// Most variables of one layer.
pub const MAX_VARIABLES: usize = 64;
/// Longest name of an entry, a template or a variable, in bytes.
const MAX_NAME: usize = 255;
/// Longest value of a variable, in bytes.
const MAX_VALUE: usize = 4096;
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
    /// The answer template.
    pub answers: Option<String>,
    /// The host name.
    pub host_name: Option<String>,
    /// The address.
    pub address: Option<Ipv4Addr>,
    /// Values for templates.
    pub variables: BTreeMap<String, String>,
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
    /// There are too many variables.
    #[error("more than {MAX_VARIABLES} variables; at most {MAX_VARIABLES} are kept")]
    TooManyVariables,
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
        if let Some(name) = key.strip_prefix(VARIABLES) {
            return self.set_variable(name, value);
        }
        match key {
            "boot" => self.boot = parsed("boot", value, start)?,
            "transport" => self.transport = parsed("transport", value, transport)?,
            "append" => self.append = parsed("append", value, arguments)?,
            "loader" => self.loader = parsed("loader", value, loader)?,
            "answers" => self.answers = parsed("answers", value, template)?,
            "host-name" => self.host_name = parsed("host-name", value, host_name)?,
            "address" => self.address = parsed("address", value, address)?,
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
            ("answers", self.answers.clone()),
            ("host-name", self.host_name.clone()),
            ("address", self.address.map(|address| address.to_string())),
        ];
        let single = single
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let variables = self.variables.iter();
        let variables =
            variables.map(|(name, value)| (format!("{VARIABLES}{name}"), value.clone()));
        single.chain(variables).collect()
    }

    fn set_variable(&mut self, name: &str, value: Option<&str>) -> Result<(), BadField> {
        let is_name = !name.is_empty()
            && name.len() <= MAX_NAME
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !is_name {
            return Err(bad(
                "variables",
                format!(
                    "'{}' is not a name of letters, digits and '_', such as user_name",
                    text::line(name)
                ),
            ));
        }
        let Some(value) = value else {
            self.variables.remove(name);
            return Ok(());
        };
        if value.len() > MAX_VALUE {
            let why = format!("the value of '{name}' has more than {MAX_VALUE} bytes");
            return Err(bad("variables", why));
        }
        if self.variables.len() >= MAX_VARIABLES && !self.variables.contains_key(name) {
            return Err(BadField::TooManyVariables);
        }
        self.variables.insert(name.to_owned(), value.to_owned());
        Ok(())
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

fn template(value: &str) -> Result<String, String> {
    named("a template", value)
}

fn transport(value: &str) -> Result<Transport, String> {
    one_of(value, Transport::ALL.map(|of| (of.name(), of)).to_vec())
}

fn loader(value: &str) -> Result<LoaderKind, String> {
    one_of(value, LoaderKind::ALL.map(|of| (of.name(), of)).to_vec())
}

fn one_of<T: Copy>(value: &str, choices: Vec<(&str, T)>) -> Result<T, String> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == value) {
        return Ok(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let hint = nearest(value, names.iter().copied());
    let hint = hint.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
    let (value, names) = (text::line(value), names.join(", "));
    Err(format!("'{value}' is none of {names}{hint}"))
}

/// Checks kernel arguments: nothing may begin another line of a menu.
fn arguments(value: &str) -> Result<String, String> {
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

/// Checks a host name (RFC 1123 §2.1), with or without its domain.
fn host_name(value: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        (1..=63).contains(&label.len())
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if value.len() <= 253 && value.split('.').all(is_label) {
        return Ok(value.to_owned());
    }
    let shown = text::line(value);
    Err(format!(
        "'{shown}' is not a host name like pc-17 or pc-17.lab.example"
    ))
}

fn address(value: &str) -> Result<Ipv4Addr, String> {
    let wrong = || {
        format!(
            "'{}' is not an IPv4 address like 192.168.0.17",
            text::line(value)
        )
    };
    let address: Ipv4Addr = value.parse().map_err(|_| wrong())?;
    let is_none = address.octets().first() == Some(&0);
    if is_none || address.is_loopback() || address.is_multicast() || address.is_broadcast() {
        return Err(format!("no machine can have the address {address}"));
    }
    Ok(address)
}
