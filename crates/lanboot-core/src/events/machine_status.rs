//! The boot progress of one machine: its stage, its transfers and its latest lines.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::log_line::{log_line, rate, who};
use super::progress::{Progress, Transfers};
use super::{BootState, Event, EventKind, FileUse, Peer, Protocol, Role};
use crate::dhcp::MessageType;
use crate::machine::{Mac, Machine, Stage};

/// Lines kept per machine.
pub const MAX_LINES: usize = 64;

/// The stages of a boot, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootStage {
    /// It was heard.
    Seen,
    /// It has been offered an address.
    Offered,
    /// It has an address.
    Leased,
    /// It loads its loader.
    Loader,
    /// It reads its menu.
    Menu,
    /// It loads its kernel.
    Kernel,
    /// It loads its initramfs.
    Initramfs,
    /// It loads its root file system.
    Root,
    /// Its system is up; see [`BootState::Up`].
    Up,
}

impl BootStage {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Offered => "offered",
            Self::Leased => "leased",
            Self::Loader => "loader",
            Self::Menu => "menu",
            Self::Kernel => "kernel",
            Self::Initramfs => "initramfs",
            Self::Root => "root",
            Self::Up => "up",
        }
    }
}

/// A transfer under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Its number.
    pub transfer: u64,
    /// The protocol it goes by.
    pub protocol: Protocol,
    /// The path asked for.
    pub path: String,
    /// Bytes to send.
    pub len: u64,
    /// Bytes sent.
    pub sent: u64,
    /// The time of its start, since 1970 UTC.
    pub since: Duration,
    /// Bytes per second so far.
    pub rate: u64,
    /// True if it is the root file system.
    pub is_root: bool,
}

/// The boot progress of one machine.
#[derive(Clone, Debug)]
pub struct MachineStatus {
    /// Hardware address, once known.
    pub mac: Option<Mac>,
    /// Its latest network address.
    pub ip: Option<IpAddr>,
    /// The firmware or loader as it described itself.
    pub machine: Option<Machine>,
    /// The stage it has come to.
    pub stage: BootStage,
    /// Its progress in this boot.
    progress: Progress,
    /// True if it was up in any boot.
    pub(super) was_up: bool,
    /// The state it was last said to be in.
    pub(super) said: BootState,
    /// Transfers under way, oldest first.
    pub running: Vec<Running>,
    /// The latest lines about it with their time, oldest first.
    pub lines: VecDeque<(Duration, String)>,
    /// The time at which it was heard last.
    pub last: Duration,
}

/// Transfers shown per machine; more are counted by the servers but not followed here.
const MAX_RUNNING: usize = 32;

/// The name of a machine: its hardware address, or where that is unknown its network address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Mac(Mac),
    Ip(IpAddr),
}

/// Returns whether machines keep what this server gives them, as a file system or disk.
fn streams(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Nfs | Protocol::Nbd)
}

impl MachineStatus {
    /// Makes the status of a machine that is heard for the first time.
    pub(super) fn new(event: &Event) -> Self {
        Self {
            mac: event.peer.mac,
            ip: None,
            machine: None,
            stage: BootStage::Seen,
            progress: Progress::default(),
            was_up: false,
            said: BootState::NotBooting,
            running: Vec::new(),
            lines: VecDeque::new(),
            last: event.at,
        }
    }

    /// Returns whether its firmware or loader asked to boot: a phone that only wants an address did not.
    pub fn is_booting(&self) -> bool {
        self.progress.booting
    }

    /// Returns its state on the way to a running system at `now`.
    pub fn state(&self, now: Duration) -> BootState {
        self.progress.state(now, self.transfers())
    }

    /// Returns its hardware address, or its network address, or both.
    pub fn who(&self) -> String {
        let Self { mac, ip, .. } = *self;
        who(Peer { mac, ip })
    }

    /// Keeps that it is up: what it asks for afterwards does not change that.
    pub(super) fn is_up(&mut self) {
        self.stage = BootStage::Up;
        self.progress.up = true;
        self.was_up = true;
    }

    /// Returns whether it is up because its system took an address.
    pub(super) fn has_own_address(&self) -> bool {
        self.progress.has_own_address()
    }

    /// Returns whether it was offered an address from here in this boot.
    pub(super) fn is_given_address(&self) -> bool {
        self.progress.address_from_here
    }

    /// Returns whether it loaded anything in this boot.
    pub(super) fn has_loaded(&self) -> bool {
        self.progress.loaded
    }

    fn transfers(&self) -> Transfers {
        Transfers {
            copies: self.running.iter().any(|r| !streams(r.protocol)),
            streams: self
                .running
                .iter()
                .any(|r| streams(r.protocol) && r.is_root),
        }
    }

    /// Applies an event of this machine.
    pub(super) fn take(&mut self, event: &Event) {
        self.note(event);
        // Only a machine that is booting has its root here.
        let counts = |file: &&FileUse| file.begins_boot || self.progress.booting;
        let unknown = FileUse::default();
        let file = event.what.file_use().filter(counts).unwrap_or(&unknown);
        match &event.what {
            EventKind::Dhcp {
                message,
                address,
                machine,
                ..
            } => self.dhcp(*message, *address, machine.as_ref(), event.at),
            EventKind::OtherLease {
                address, machine, ..
            } => self.other_lease(*address, machine, event.at),
            EventKind::Started {
                protocol,
                transfer,
                path,
                len,
                ..
            } => {
                let running = Running {
                    transfer: *transfer,
                    protocol: *protocol,
                    path: path.clone(),
                    len: *len,
                    sent: 0,
                    since: event.at,
                    rate: 0,
                    is_root: file.role == Role::Root,
                };
                self.started(running, file);
            }
            EventKind::Progress { transfer, sent } => {
                if let Some(running) = self.running.iter_mut().find(|r| r.transfer == *transfer) {
                    running.sent = *sent;
                    running.rate = rate(*sent, event.at.saturating_sub(running.since));
                }
            }
            EventKind::Finished { transfer, .. } => {
                // What it left behind when it was restarted says nothing about this boot.
                let is_known = self.ended(*transfer);
                if is_known || self.running.len() >= MAX_RUNNING {
                    self.progress.has(file);
                }
            }
            EventKind::Failed {
                transfer: Some(transfer),
                ..
            } => {
                self.ended(*transfer);
            }
            _ => {}
        }
    }

    fn note(&mut self, event: &Event) {
        self.last = event.at;
        // The end of a mount is noticed long after it; everything else shows that the machine acts.
        let acts = match &event.what {
            EventKind::Finished { protocol, .. } | EventKind::Failed { protocol, .. } => {
                !streams(*protocol)
            }
            _ => true,
        };
        if acts {
            self.progress.asked = event.at;
        }
        if let Some(ip) = event.peer.ip {
            self.ip = Some(ip);
        }
        if let Some(line) = log_line(event) {
            if self.lines.len() >= MAX_LINES {
                self.lines.pop_front();
            }
            self.lines.push_back((event.at, line));
        }
    }

    fn dhcp(
        &mut self,
        message: MessageType,
        address: Option<IpAddr>,
        machine: Option<&Machine>,
        at: Duration,
    ) {
        let is_system = machine.is_some_and(|m| m.stage == Stage::Plain);
        if let Some(machine) = machine.filter(|m| m.stage != Stage::Plain) {
            // Firmware asking again after the root was there: the machine has been restarted.
            if message == MessageType::Discover && self.stage > BootStage::Menu {
                self.stage = BootStage::Seen;
                self.running.clear();
                self.progress.restart();
            }
            self.progress.booting = true;
            self.machine = Some(machine.clone());
        }
        match message {
            MessageType::Offer => {
                self.stage = self.stage.max(BootStage::Offered);
                // A proxy offers a boot file and no address.
                if address.is_some() {
                    self.progress.offered(true);
                }
            }
            MessageType::Ack => {
                self.stage = self.stage.max(BootStage::Leased);
                self.ip = address.or(self.ip);
                if is_system {
                    self.take_address(at);
                }
            }
            MessageType::Decline if is_system => self.progress.declined(),
            _ => {}
        }
    }

    fn other_lease(&mut self, address: IpAddr, machine: &Machine, at: Duration) {
        self.stage = self.stage.max(BootStage::Leased);
        self.ip = Some(address);
        self.progress.offered(false);
        if machine.stage == Stage::Plain {
            self.take_address(at);
        }
    }

    /// Notes that its system took an address.
    pub(super) fn take_address(&mut self, at: Duration) {
        let has_root = self.transfers().streams;
        self.progress.took_address(at, has_root);
    }

    fn started(&mut self, running: Running, file: &FileUse) {
        if self.running.len() < MAX_RUNNING {
            self.running.push(running);
        }
        let stage = match file.role {
            Role::Other => return,
            Role::Loader => BootStage::Loader,
            Role::Menu => BootStage::Menu,
            Role::Kernel => BootStage::Kernel,
            Role::Initramfs => BootStage::Initramfs,
            Role::Root => BootStage::Root,
        };
        // A loader or kernel after the root was there is the next boot.
        let again = file.role == Role::Kernel && self.progress.has_fetched(&file.name);
        let after_root = self.stage == BootStage::Up || self.stage == BootStage::Root && again;
        if after_root && stage < BootStage::Root {
            self.progress.restart();
            self.stage = stage;
        } else {
            self.stage = self.stage.max(stage);
        }
        self.progress.booting = true;
        self.progress.loaded = true;
        if !self.progress.up {
            self.progress.expects(file);
        }
    }

    /// Forgets a transfer. Returns whether it was known.
    fn ended(&mut self, transfer: u64) -> bool {
        let before = self.running.len();
        self.running.retain(|r| r.transfer != transfer);
        self.running.len() < before
    }

    /// Takes over what was known of the same machine by its network address alone.
    pub(super) fn absorb(&mut self, before: Self) {
        let Self {
            stage,
            progress,
            was_up,
            running,
            lines,
            ..
        } = before;
        if progress.booting && stage > self.stage {
            self.stage = stage;
            self.progress = progress;
            self.was_up |= was_up;
        }
        let free = MAX_RUNNING.saturating_sub(self.running.len());
        self.running.extend(running.into_iter().take(free));
        for line in lines.into_iter().rev() {
            if self.lines.len() < MAX_LINES {
                self.lines.push_front(line);
            }
        }
    }
}
