//! Command line and configuration file, merged into the settings of a command.

pub mod args;
mod effect;
mod network;
mod settings;
mod subnet;

pub use settings::{Cidr, DEFAULT_CONFIG, Dhcp, Log, Settings};
pub use subnet::{Subnet, Table};

pub(crate) use settings::ipv4;
