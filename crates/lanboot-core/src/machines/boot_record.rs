//! One boot of a machine, as it is remembered.

use std::time::Duration;

/// A boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootRecord {
    /// Time at which it began, since 1970 UTC.
    pub began: Duration,
    /// Name of the image; `None` while nothing of one was loaded.
    pub image: Option<String>,
    /// Its end.
    pub outcome: BootOutcome,
}

/// The end of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootOutcome {
    /// It goes on, or this server was ended before it had one.
    Open,
    /// The system is up.
    Up,
    /// The machine asked for nothing for too long.
    GivenUp,
}

impl BootOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Open, Self::Up, Self::GivenUp];

    /// Returns its stable word, for the database and the interface for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Up => "up",
            Self::GivenUp => "given-up",
        }
    }
}
