//! The unattended start of a machine: when nobody presses a key.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// Prefix of an installation.
const INSTALL: &str = "install:";

/// The unattended start of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Start {
    /// The one that the menu has for every machine.
    #[default]
    Menu,
    /// The system on its own disk.
    Disk,
    /// An entry, or an image, by its name.
    Entry(String),
    /// An entry that installs a system, until that is done; then the disk.
    Install(String),
}

impl Start {
    /// Returns the entry or image that it names.
    pub fn entry(&self) -> Option<&str> {
        match self {
            Self::Menu | Self::Disk => None,
            Self::Entry(name) | Self::Install(name) => Some(name),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Menu => f.write_str("menu"),
            Self::Disk => f.write_str("disk"),
            Self::Entry(name) => f.write_str(name),
            Self::Install(name) => write!(f, "{INSTALL}{name}"),
        }
    }
}

impl FromStr for Start {
    type Err = Infallible;

    /// Parses `menu`, `disk`, `install:ENTRY` or `ENTRY`; the entry is looked up when a machine boots.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "menu" => Self::Menu,
            "disk" => Self::Disk,
            _ => match text.strip_prefix(INSTALL) {
                Some(name) => Self::Install(name.to_owned()),
                None => Self::Entry(text.to_owned()),
            },
        })
    }
}
