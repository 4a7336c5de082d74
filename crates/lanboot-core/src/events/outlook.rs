//! The outlook, what machines still need from this server: the answer behind `--once`,
//! `--until-idle` and what is said while they wait.

use std::time::Duration;

use super::boot_progress::BootProgress;
use super::machine_status::{MachineStatus, Running};
use super::progress::{ADDRESS_GRACE, GRACE, MAX_PAUSE};
use super::{BootState, Event, EventKind, Peer, Protocol};

/// Machines and transfers that are named; more are counted.
const MAX_NAMED: usize = 8;

/// Age from which an outlook says nothing about now.
const FRESH: Duration = Duration::from_secs(5);

/// Silence from which a file on its way counts as abandoned. A sender that gets no processor for
/// some seconds is not.
const ABANDONED: Duration = Duration::from_secs(60);

/// A machine that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The machine, by its addresses.
    pub who: String,
    /// The state of its boot.
    pub state: BootState,
}

/// The needs of the machines at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Machines that were up at least once.
    pub up: usize,
    /// One that is, when there is only one.
    pub first_up: Option<String>,
    /// Machines that need this server for their boot.
    pub needing: usize,
    /// The first of them.
    pub waiting: Vec<Waiting>,
    /// Machines that stopped asking in the middle of a boot and were never up.
    pub given_up: usize,
    /// Files on their way over HTTP and TFTP: mounts and network disks are let go at once.
    pub transfers: usize,
    /// The first of them: file and machine.
    pub sending: Vec<(String, String)>,
    /// Time at which a machine was last heard.
    pub last: Duration,
    /// Time at which this was so.
    pub at: Duration,
}

impl Outlook {
    /// Returns whether at least one machine is up and none needs anything more from here.
    pub fn is_done(&self) -> bool {
        self.up > 0 && self.needing == 0
    }

    /// Returns whether no machine needs anything, no file is on its way and none was asked for
    /// within `limit`. An outlook older than 5 s says nothing about `now`.
    pub fn is_idle(&self, now: Duration, limit: Duration) -> bool {
        let is_fresh = now.saturating_sub(self.at) < FRESH;
        let limit = match self.transfers {
            0 => limit,
            _ => limit.max(ABANDONED),
        };
        // Up to `at`: what was asked since is not in it.
        let silence = self.at.saturating_sub(self.last);
        is_fresh && self.needing == 0 && silence >= limit
    }

    /// Returns why a server that ends when all machines are up ends.
    pub fn done_text(&self) -> String {
        let up = match (&self.first_up, self.up) {
            (Some(who), 1) => format!("{who} is up"),
            (_, n) => format!("all {n} machines are up"),
        };
        match self.given_up {
            0 => up,
            1 => format!("{up}; 1 machine stopped in the middle of its boot"),
            n => format!("{up}; {n} machines stopped in the middle of their boots"),
        }
    }

    /// Returns what is waited for when files are still on their way; `None` when none are.
    pub fn transfers_text(&self) -> Option<String> {
        match (self.transfers, self.sending.as_slice()) {
            (0, _) => None,
            (1, [(file, who)]) => Some(format!("waiting for 1 transfer ({file} to {who})")),
            (1, _) => Some("waiting for 1 transfer".to_owned()),
            (n, _) => Some(format!("waiting for {n} transfers")),
        }
    }
}

impl BootProgress {
    /// Brings every boot to its state at `now`. Returns what the machines need, and an event for
    /// each boot that came to another state.
    pub fn advance(&mut self, now: Duration) -> (Outlook, Vec<Event>) {
        let mut outlook = Outlook {
            at: now,
            up: self.forgotten.up,
            first_up: self.forgotten.first_up.clone(),
            last: self.forgotten.last,
            ..Outlook::default()
        };
        let mut events = Vec::new();
        for status in self.statuses_mut() {
            let state = status.state(now);
            if matches!(state, BootState::Up | BootState::Streaming) {
                status.is_up();
            }
            if state != status.said {
                events.push(Event {
                    at: now,
                    peer: Peer {
                        mac: status.mac,
                        ip: status.ip,
                    },
                    what: EventKind::Boot {
                        text: about(status, &state),
                        state: state.clone(),
                    },
                });
                status.said = state.clone();
            }
            outlook.count(status, state);
        }
        outlook.waiting.sort_by(|a, b| a.who.cmp(&b.who));
        (outlook, events)
    }
}

impl Outlook {
    fn count(&mut self, status: &MachineStatus, state: BootState) {
        self.last = self.last.max(status.last);
        let is_file =
            |running: &&Running| !matches!(running.protocol, Protocol::Nfs | Protocol::Nbd);
        for running in status.running.iter().filter(is_file) {
            self.transfers += 1;
            if self.sending.len() < MAX_NAMED {
                self.sending.push((running.path.clone(), status.who()));
            }
        }
        if status.was_up {
            self.up += 1;
            self.first_up = Some(status.who()).filter(|_| self.up == 1);
        } else if state == BootState::GivenUp {
            self.given_up += 1;
        }
        if state.needs_server() {
            self.needing += 1;
            if self.waiting.len() < MAX_NAMED {
                let who = status.who();
                self.waiting.push(Waiting { who, state });
            }
        }
    }
}

/// One sentence part for a boot's state, to stand behind the machine's name.
fn about(status: &MachineStatus, state: &BootState) -> String {
    let minutes = MAX_PAUSE.as_secs() / 60;
    match state {
        BootState::NotBooting => "does not boot".into(),
        BootState::Loading => "boots".into(),
        BootState::AwaitsFile(name) => format!("has its root file system and fetches {name} next"),
        BootState::AwaitsAddress => {
            "has all its files; its system is expected to ask for its address".into()
        }
        BootState::Streaming => "is up and reads its root file system from here".into(),
        BootState::Up if status.has_own_address() => "is up: its system has its address".into(),
        BootState::Up => format!(
            "counts as up: it has all its files and requested nothing for {} s",
            if status.is_given_address() {
                ADDRESS_GRACE.as_secs()
            } else {
                GRACE.as_secs()
            }
        ),
        BootState::GivenUp if !status.has_loaded() => {
            "asked to boot and loaded nothing; it may have started from its own disk".into()
        }
        BootState::GivenUp => {
            format!("stopped in the middle of its boot: it asked for nothing for {minutes} minutes")
        }
    }
}
