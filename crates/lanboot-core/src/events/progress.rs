//! Progress of a machine until it is up, and what it still needs: the one notion of "done" behind
//! `--once`, `--until-idle`, the live line and the log.
//!
//! A machine is up when its system has its address: it asked DHCP again after its root file system
//! was there. Systems with a static address never ask; those are up when they have every file that
//! the plan knows of and asked for nothing for a grace time. No limit here is a guess about one
//! file: what a boot fetches after its initramfs comes from its entry ([`Expected`]).

use std::fmt;
use std::time::Duration;

use crate::route::{Expected, FileUse, Role};

/// Time after its own DHCP exchange in which a system may still decline its address.
pub const SETTLE: Duration = Duration::from_secs(2);
/// Time for which a machine that has all its files may ask for nothing before it is taken to be up.
pub const GRACE: Duration = Duration::from_secs(60);
/// The same for one whose address is from here: nobody else answers its system's DHCP, and a slow
/// machine copies and verifies its root before it asks.
pub const ADDRESS_GRACE: Duration = Duration::from_secs(180);
/// Time for which a machine in the middle of a boot may ask for nothing before it is given up. A
/// slow one takes minutes from its initramfs to its root, and a person may look at a menu.
pub const MAX_PAUSE: Duration = Duration::from_secs(600);
/// The same for one that has loaded nothing: most start from their own disk then.
pub const MAX_PAUSE_UNLOADED: Duration = Duration::from_secs(60);
/// Files remembered per boot; an entry has fewer.
const MAX_FETCHED: usize = 64;

/// The position of a machine on its way to a running system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootState {
    /// It never asked to boot.
    NotBooting,
    /// It is on its way to its root file system.
    Loading,
    /// Its root is delivered; its initramfs will ask for this file too.
    AwaitsFile(String),
    /// It has all its files; its system will ask for an address.
    AwaitsAddress,
    /// It is up, and its root file system stays on this server.
    Streaming,
    /// It is up and needs nothing more from here.
    Up,
    /// It asked for nothing for too long in the middle of its boot.
    GivenUp,
}

impl BootState {
    /// Returns whether a server that leaves now leaves this machine without something it needs.
    pub fn needs_server(&self) -> bool {
        match self {
            Self::Loading | Self::AwaitsFile(_) | Self::AwaitsAddress | Self::Streaming => true,
            Self::NotBooting | Self::Up | Self::GivenUp => false,
        }
    }

    /// The stable word for it in the JSON log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotBooting => "not-booting",
            Self::Loading => "loading",
            Self::AwaitsFile(_) => "awaits-file",
            Self::AwaitsAddress => "awaits-address",
            Self::Streaming => "streaming",
            Self::Up => "up",
            Self::GivenUp => "given-up",
        }
    }
}

/// The files that one boot has fetched and asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Something was loaded in this boot.
    pub(super) loaded: bool,
    /// Its kernel, initramfs or firmware was seen: a root that is read now is its own.
    pub(super) booting: bool,
    /// The root is delivered as a whole.
    root: bool,
    /// The files its initramfs fetches.
    expected: Vec<Expected>,
    /// The fetched ones of these, and files that came before the root was known.
    fetched: Vec<String>,
    /// Time at which its system took an address, after the root was there.
    address: Option<Duration>,
    /// An address was offered to it from here.
    pub(super) address_from_here: bool,
    /// It was up in this boot.
    pub(super) up: bool,
    /// Time at which it last asked for something.
    pub(super) asked: Duration,
}

impl Progress {
    /// Begins the next boot.
    pub(super) fn restart(&mut self) {
        *self = Self {
            booting: true,
            asked: self.asked,
            ..Self::default()
        };
    }

    /// Notes that this server offers it an address, or that another one gave it one.
    pub(super) fn offered(&mut self, from_here: bool) {
        self.address_from_here = from_here;
    }

    /// Notes that a system, not firmware, took an address. Before the root is there that is the
    /// initramfs (`ip=dhcp`), which gives its address up again.
    pub(super) fn took_address(&mut self, at: Duration, has_root: bool) {
        if self.root || has_root {
            self.address.get_or_insert(at);
        }
    }

    /// Notes that a system found its address in use.
    pub(super) fn declined(&mut self) {
        self.address = None;
    }

    /// Notes what the initramfs of this root fetches.
    pub(super) fn expects(&mut self, file: &FileUse) {
        if file.role == Role::Root {
            self.expected.clone_from(&file.expected);
            self.root = false;
            self.address = None;
        }
    }

    /// Notes that a file is delivered.
    pub(super) fn has(&mut self, file: &FileUse) {
        if file.role == Role::Root {
            self.root = true;
        }
        if self.fetched.len() < MAX_FETCHED && !self.has_fetched(&file.name) {
            self.fetched.push(file.name.clone());
        }
    }

    /// Returns whether this file was delivered in this boot.
    pub(super) fn has_fetched(&self, name: &str) -> bool {
        self.fetched.iter().any(|fetched| fetched == name)
    }

    /// Returns whether its system took an address, by which it is known to be up.
    pub(super) fn has_own_address(&self) -> bool {
        self.address.is_some()
    }

    /// The first file that must still be fetched.
    fn missing(&self) -> Option<&str> {
        let is_missing = |file: &&Expected| file.required && !self.has_fetched(&file.name);
        self.expected
            .iter()
            .find(is_missing)
            .map(|f| f.name.as_str())
    }

    /// The state at `now` of a machine with so many transfers under way.
    pub(super) fn state(&self, now: Duration, transfers: Transfers) -> BootState {
        let pause = now.saturating_sub(self.asked);
        let up = if transfers.streams {
            BootState::Streaming
        } else {
            BootState::Up
        };
        let or_given_up = |state: BootState, limit: Duration| {
            if pause < limit {
                state
            } else {
                BootState::GivenUp
            }
        };
        let is_steady = |at: Duration| now.saturating_sub(at) >= SETTLE;
        if !self.booting {
            BootState::NotBooting
        } else if self.up {
            up
        } else if !self.loaded {
            or_given_up(BootState::Loading, MAX_PAUSE_UNLOADED)
        } else if transfers.copies || !(self.root || transfers.streams) {
            or_given_up(BootState::Loading, MAX_PAUSE)
        } else {
            let grace = match (self.address_from_here, self.address) {
                (true, None) => ADDRESS_GRACE,
                _ => GRACE,
            };
            match (self.missing(), self.address) {
                (None, Some(at)) if is_steady(at) => up,
                (Some(_), Some(_)) | (None, None) if pause >= grace => up,
                (Some(name), None) => {
                    or_given_up(BootState::AwaitsFile(name.to_owned()), MAX_PAUSE)
                }
                (Some(name), Some(_)) => BootState::AwaitsFile(name.to_owned()),
                (None, _) if transfers.streams && self.address.is_none() => BootState::Loading,
                (None, _) => BootState::AwaitsAddress,
            }
        }
    }
}

/// The kinds of transfers a machine has under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Transfers {
    /// Files that are sent once.
    pub(super) copies: bool,
    /// A root that stays here: a mount or a network disk.
    pub(super) streams: bool,
}

impl fmt::Display for BootState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBooting | Self::Loading => Ok(()),
            Self::AwaitsFile(name) => write!(f, "waiting for it to fetch {name}"),
            Self::AwaitsAddress => f.write_str("waiting for its system to ask for its address"),
            Self::Streaming => f.write_str("up; its root file system stays here"),
            Self::Up => f.write_str("up"),
            Self::GivenUp => f.write_str("stopped in the middle of its boot"),
        }
    }
}
