//! Reads the configuration file. A key is a flag by its long name, and its value the flag's text:
//! clap parses both by the same definition. An error names the file, the line and the column.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command};
use lanboot_core::machine_plans::Rules;
use lanboot_core::text;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::error;
use super::machine_tables;
use super::settings::FLAG_ONLY;
use super::source::{Source, scalar};
use super::subnet::{self, Subnet};

/// Path of the configuration file when `--config` names none.
pub const DEFAULT_CONFIG: &str = "/etc/lanboot/lanboot.toml";
/// The key of the tables, which is no flag.
const SUBNET: &str = "subnet";
/// Largest configuration file read, in bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// A configuration file, parsed.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// The values that no flag overrides.
    pub(super) matches: ArgMatches,
    /// Places of these keys: `FILE:LINE:COLUMN`.
    pub(super) places: BTreeMap<String, String>,
    /// The networks.
    pub(super) subnets: Vec<Subnet>,
    /// The plans of machines.
    pub(super) rules: Rules,
}

/// Reads the text of a configuration file.
///
/// # Errors
/// It cannot be read, or is too long.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let shown = text::path(path);
    let cannot = || format!("cannot read the configuration file {shown}");
    let size = std::fs::metadata(path).with_context(cannot)?.len();
    if size > MAX_CONFIG_BYTES {
        bail!("{shown} is {size} bytes long; a configuration file has at most {MAX_CONFIG_BYTES}");
    }
    std::fs::read_to_string(path).with_context(cannot)
}

impl ConfigFile {
    /// Parses the file `name` with this text, whose keys are the arguments of `schema`. The values of `overridden` keys are not looked at.
    ///
    /// # Errors
    /// It is no TOML, or a key or a value is wrong.
    pub(super) fn parse(
        name: &str,
        text: &str,
        schema: &Command,
        overridden: &BTreeSet<String>,
    ) -> anyhow::Result<Self> {
        let source = Source { name, text };
        let table = source.parse()?;
        let table = table.get_ref();
        let tables = [SUBNET, machine_tables::MACHINE, machine_tables::GROUP];
        let written = Written::of_table(&source, table, schema, "", &tables)?;
        let written: Vec<Written> = written
            .into_iter()
            .filter(|value| !overridden.contains(&value.key))
            .collect();
        let places = written.iter();
        let places = places.map(|value| (value.key.clone(), source.place(value.key_offset)));
        Ok(Self {
            places: places.collect(),
            matches: matches(&source, schema, &written, "")?,
            subnets: subnets(&source, table)?,
            rules: machine_tables::rules(&source, table)?,
        })
    }
}

/// Reads the tables `[[subnet]]`.
fn subnets(source: &Source<'_>, table: &DeTable<'_>) -> anyhow::Result<Vec<Subnet>> {
    let Some(tables) = table.get(SUBNET) else {
        return Ok(Vec::new());
    };
    let wrong = |offset| source.error(offset, "subnet: write [[subnet]], and its keys below it");
    let DeValue::Array(tables) = tables.get_ref() else {
        return Err(wrong(tables.span().start));
    };
    let schema = schema(Subnet::augment_args);
    let mut subnets: Vec<Subnet> = Vec::new();
    for table in tables.iter() {
        let offset = table.span().start;
        let DeValue::Table(keys) = table.get_ref() else {
            return Err(wrong(offset));
        };
        let written = Written::of_table(source, keys, &schema, " in [[subnet]]", &[])?;
        let network = keys
            .get("network")
            .and_then(|value| value.get_ref().as_str());
        let label = network.map_or_else(
            || "[[subnet]]: ".to_owned(),
            |network| format!("subnet {network}: "),
        );
        if !written.iter().any(|value| value.key == "network") {
            let missing = "[[subnet]] has no network; write network = \"10.1.0.0/24\"";
            return Err(source.error(offset, missing));
        }
        let matches = matches(source, &schema, &written, &label)?;
        let subnet = Subnet::new(&matches);
        let subnet = subnet.map_err(|error| source.error(offset, format!("{label}{error}")))?;
        subnet::check_another(&subnets, &subnet).map_err(|error| source.error(offset, error))?;
        subnets.push(subnet);
    }
    Ok(subnets)
}

/// Returns a command whose flags are keys.
pub(super) fn schema(augment: fn(Command) -> Command) -> Command {
    let command = Command::new("file").no_binary_name(true);
    augment(command.disable_help_flag(true))
}

/// Returns the key of the file that an argument defines.
pub(super) fn key(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_else(|| arg.get_id().as_str())
}

/// One value of a key, as the argument of a flag.
struct Written {
    key: String,
    key_offset: usize,
    value_offset: usize,
    /// Of an argument that is no flag.
    is_positional: bool,
    argument: OsString,
}

impl Written {
    /// Returns the values of a table, in the order of the file.
    fn of_table(
        source: &Source<'_>,
        table: &DeTable<'_>,
        schema: &Command,
        place: &str,
        others: &[&str],
    ) -> anyhow::Result<Vec<Self>> {
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| key.span().start);
        let mut all = Vec::new();
        for (written, value) in keys {
            if others.contains(&written.get_ref().as_ref()) {
                continue;
            }
            let mut args = schema.get_arguments();
            let arg = args.find(|arg| key(arg) == written.get_ref() && is_in_file(arg));
            let Some(arg) = arg else {
                let valid = schema.get_arguments().filter(|arg| is_in_file(arg));
                let valid: Vec<&str> = valid.map(key).chain(others.iter().copied()).collect();
                return Err(source.unknown_key(written, place, &valid));
            };
            for (offset, text) in texts(arg, value).map_err(|(offset, message)| {
                source.error(offset, format!("{}: {message}", key(arg)))
            })? {
                let argument = match (text, arg.get_long()) {
                    (Some(text), Some(long)) => format!("--{long}={text}"),
                    (Some(text), None) => text,
                    (None, _) => format!("--{}", key(arg)),
                };
                all.push(Self {
                    key: key(arg).to_owned(),
                    key_offset: written.span().start,
                    value_offset: offset,
                    is_positional: arg.is_positional(),
                    argument: argument.into(),
                });
            }
        }
        Ok(all)
    }
}

fn is_in_file(arg: &Arg) -> bool {
    !FLAG_ONLY.contains(&arg.get_id().as_str())
}

/// The texts of a value with their offsets; without a text for a switch that is on.
type Texts = Vec<(usize, Option<String>)>;

/// Returns the texts that a value of `arg` stands for, or what is wrong with its type.
fn texts(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Texts, (usize, String)> {
    let offset = value.span().start;
    let is_list = matches!(arg.get_action(), ArgAction::Append);
    let one = |value: &Spanned<DeValue<'_>>| match scalar(value.get_ref()) {
        Some(text) => Ok((value.span().start, Some(text))),
        None if is_list => Err((
            value.span().start,
            "write 'text', or a list of texts".into(),
        )),
        None => Err((value.span().start, "write 'text', in quotes".into())),
    };
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::SetTrue, DeValue::Boolean(true)) => Ok(vec![(offset, None)]),
        (ArgAction::SetTrue, DeValue::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err((offset, "write true or false, without quotes".into())),
        (ArgAction::Append, DeValue::Table(table)) if key(arg) == subnet::OPTION => {
            table.iter().map(option).collect()
        }
        (ArgAction::Append, DeValue::Array(list)) => list.iter().map(one).collect(),
        (_, DeValue::Array(_)) => Err((offset, "takes one value, not a list".into())),
        _ => Ok(vec![one(value)?]),
    }
}

/// Returns the text `option` in `super::subnet` parses for `CODE = VALUE` in the table `option`.
fn option(
    (code, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>),
) -> Result<(usize, Option<String>), (usize, String)> {
    let offset = value.span().start;
    let addresses = |list: &DeArray<'_>| -> Option<String> {
        let texts: Option<Vec<&str>> = list.iter().map(|value| value.get_ref().as_str()).collect();
        Some(texts?.join(","))
    };
    let text = match value.get_ref() {
        DeValue::String(text) => Some(format!("{}={text}", code.get_ref())),
        DeValue::Array(list) => addresses(list).map(|list| format!("{}@{list}", code.get_ref())),
        _ => None,
    };
    let wrong = || "an option is text, 'hex:' and digits, or a list of addresses".into();
    text.map(|text| (offset, Some(text)))
        .ok_or_else(|| (offset, wrong()))
}

/// Parses the values of a table by their definitions.
fn matches(
    source: &Source<'_>,
    schema: &Command,
    written: &[Written],
    label: &str,
) -> anyhow::Result<ArgMatches> {
    let parse = |written: &mut dyn Iterator<Item = &Written>| {
        let (words, flags): (Vec<&Written>, Vec<&Written>) =
            written.partition(|value| value.is_positional);
        let flags = flags.into_iter().map(|value| value.argument.clone());
        // Behind `--` a dash begins no flag.
        let words = words.into_iter().map(|value| value.argument.clone());
        let arguments = flags.chain([OsString::from("--")]).chain(words);
        schema.clone().try_get_matches_from(arguments)
    };
    parse(&mut written.iter()).map_err(|error| {
        let wrong = written
            .iter()
            .filter_map(|value| Some((value, parse(&mut [value].into_iter()).err()?)))
            // Alone it also lacks the required ones.
            .find(|(_, error)| error.kind() == ErrorKind::ValueValidation);
        match wrong {
            Some((value, error)) => {
                let message = error::in_file(&value.key, &error);
                source.error(value.value_offset, format!("{label}{message}"))
            }
            None => anyhow!("{}: {error}", source.name),
        }
    })
}
