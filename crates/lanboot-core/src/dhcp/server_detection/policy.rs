//! The operator's policy on a link, and the actions of server detection.

use super::diagnostic::Diagnostic;

/// The operator's policy on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Hand out addresses as long as no other server is heard.
    Auto,
    /// Hand out addresses in any case.
    Server,
    /// Hand out no addresses, and only say what to boot.
    Proxy,
    /// Answer nothing.
    Off,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Server, Self::Proxy, Self::Off];

    /// Returns the name of the policy on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Server => "server",
            Self::Proxy => "proxy",
            Self::Off => "off",
        }
    }
}

/// The next action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Send a probe; see [`super::ServerDetection::probe`].
    pub probe: bool,
    /// Report this to the operator.
    pub diagnostic: Option<Diagnostic>,
}

impl Action {
    pub(super) const PROBE: Self = Self {
        probe: true,
        diagnostic: None,
    };

    pub(super) fn probe_if(probe: bool) -> Self {
        Self {
            probe,
            diagnostic: None,
        }
    }

    pub(super) fn report(diagnostic: impl Into<Option<Diagnostic>>) -> Self {
        Self {
            probe: false,
            diagnostic: diagnostic.into(),
        }
    }
}
