//! Command line and configuration file, merged into the settings of a command.
//!
//! A key is defined once, as a field of [`Settings`]: flag, key of the file, type, default, text of
//! `--help` and of `docs/configuration.md`. The file's values are parsed as flags are.

pub mod args;
mod conflicts;
mod error;
mod file;
mod given;
mod machine_tables;
mod network;
mod settings;
mod source;
mod subnet;
#[cfg(test)]
mod tests;
mod value;

pub use file::DEFAULT_CONFIG;
pub use machine_tables::{read_plans, write_plans};
pub use settings::Settings;
pub use subnet::Subnet;
pub use value::Log;

pub(crate) use value::{ipv4, one_of};

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _, FromArgMatches as _};
use lanboot_core::text;

use args::{Cli, Command};
use file::ConfigFile;
use given::GivenKeys;
use settings::REPEATED_BY_EXPORT;

/// The reason why a command does not start.
#[derive(Debug)]
pub enum Refusal {
    /// The command line is not understood, or asks for help.
    Usage(clap::Error),
    /// A value is wrong, or the configuration file.
    Config(anyhow::Error),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        error::in_flag(&error).map_or(Self::Usage(error), Self::Config)
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Config(error)
    }
}

/// Reads the arguments, the program's name included, and the configuration file they name.
///
/// # Errors
/// Something is not understood, contradicts something else or would have no effect.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Refusal> {
    let mut matches = Cli::matches(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    let flags = matches.remove_subcommand().map(|(_, flags)| flags);
    let flags = flags.unwrap_or_default();
    match &mut cli.command {
        Command::Serve(settings) => **settings = merged(flags, &keys())?,
        Command::Export(export) => {
            let keys = keys();
            export.repeated = repeated(&flags, &keys);
            export.settings = merged(flags, &keys)?;
        }
        Command::Inspect(_) | Command::Doctor(_) | Command::Machine(_) | Command::Get(_) => {}
    }
    Ok(cli.command)
}

/// Makes the schema of the keys, which takes as long as the rest of the start.
fn keys() -> clap::Command {
    file::schema(Settings::augment_args)
}

/// Returns the state folder of the running program: the one named, else that of the configuration file.
///
/// # Errors
/// The configuration file is wrong.
pub fn state_folder(named: Option<&Path>, config: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = named {
        return Ok(folder.to_owned());
    }
    Ok(of_file(config)?.state)
}

/// Returns the first folder of images in the configuration file; `None` if it names none.
///
/// # Errors
/// The configuration file is wrong.
pub fn image_folder(config: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    let mut images = of_file(config)?.images.into_iter();
    Ok(images.find(|path| path.is_dir()))
}

/// Reads the settings of a configuration file: the one named, else the usual one if there is one.
fn of_file(config: Option<&Path>) -> anyhow::Result<Settings> {
    let default = Some(Path::new(DEFAULT_CONFIG)).filter(|path| path.exists());
    let file = match config.or(default) {
        Some(path) => (text::path(path), file::read(path)?),
        None => (String::new(), String::new()),
    };
    let file = ConfigFile::parse(&file.0, &file.1, &keys(), &BTreeSet::new())?;
    Ok(Settings::from_arg_matches(&file.matches)?)
}

/// Proxies that the environment names, as addresses.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// The one for `http://` addresses.
    pub http: Option<String>,
    /// The one for `https://` addresses.
    pub https: Option<String>,
    /// Hosts that are reached without one.
    pub except: String,
}

/// Returns the proxies in the environment: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, the
/// last three in capitals, too. `HTTP_PROXY` is not read, as curl does not.
pub fn proxies() -> Proxies {
    let var = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
        values.find(|value| !value.is_empty())
    };
    let all = var(&["all_proxy", "ALL_PROXY"]);
    Proxies {
        http: var(&["http_proxy"]).or_else(|| all.clone()),
        https: var(&["https_proxy", "HTTPS_PROXY"]).or(all),
        except: var(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
    }
}

/// Merges the flags of a command with the configuration file. `keys` is the schema of both.
fn merged(flags: ArgMatches, keys: &clap::Command) -> anyhow::Result<Settings> {
    let named = flags.get_one::<PathBuf>("config").cloned();
    let default = || Some(PathBuf::from(DEFAULT_CONFIG)).filter(|path| path.exists());
    match named.or_else(default) {
        Some(path) => with_file(flags, keys, &text::path(&path), &file::read(&path)?),
        None => with_file(flags, keys, "", ""),
    }
}

/// Merges the flags of a command with the file `name` that has this text.
fn with_file(
    mut flags: ArgMatches,
    keys: &clap::Command,
    name: &str,
    text: &str,
) -> anyhow::Result<Settings> {
    let mut given = BTreeSet::new();
    for arg in keys.get_arguments() {
        let id = arg.get_id().as_str();
        if flags.value_source(id) == Some(ValueSource::CommandLine) {
            given.insert(file::key(arg).to_owned());
        } else {
            // A default is no flag: the file's value counts.
            flags.try_clear_id(id)?;
        }
    }
    let file = ConfigFile::parse(name, text, keys, &given)?;
    let mut settings = Settings::from_arg_matches(&file.matches)?;
    settings.update_from_arg_matches(&flags)?;
    settings.subnets = file.subnets;
    settings.rules = file.rules;
    let given = GivenKeys {
        flags: given,
        file: file.places,
    };
    conflicts::check(&settings, &given)?;
    Ok(settings)
}

/// Returns the flags that affect what an exported fragment refers to, as given.
fn repeated(flags: &ArgMatches, keys: &clap::Command) -> Vec<String> {
    let mut words = Vec::new();
    for key in REPEATED_BY_EXPORT {
        let arg = keys.get_arguments().find(|arg| file::key(arg) == key);
        let id = arg.map_or("", |arg| arg.get_id().as_str());
        if flags.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        if arg.is_some_and(|arg| !arg.get_action().takes_values()) {
            words.push(format!("--{key}"));
            continue;
        }
        for value in flags.get_raw(id).into_iter().flatten() {
            let value = text::path(Path::new(value));
            if value.starts_with('-') {
                words.push(format!("--{key}={value}"));
            } else {
                words.extend([format!("--{key}"), value]);
            }
        }
    }
    words
}
