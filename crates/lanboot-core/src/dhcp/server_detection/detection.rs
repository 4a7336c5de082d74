//! The state machine of one link.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::super::config::Mode;
use super::super::wire::{MessageType, Op, Packet};
use super::diagnostic::Diagnostic;
use super::other_server::OtherServer;
use super::policy::{Action, Policy};
use super::probe::{Announcement, Role};
use super::timing::{
    FIRST_PROBE_PAUSE, FORCED_PROBE_PAUSE, PROBE_REPEAT, PROBE_TIME, SERVER_PROBE_PAUSE,
    STEP_DOWN_DELAY, WARNING_PAUSE, is_fresh, spread,
};
use crate::machine::Mac;

/// Most other servers remembered of each kind. A link with more is under attack, and one message
/// says enough.
pub const MAX_OTHERS: usize = 16;
/// DHCPDISCOVERs of clients remembered, to distinguish a DHCPREQUEST that follows one from those of
/// clients that name the server of another network by habit.
const MAX_DISCOVERS: usize = 64;

/// Decides whether addresses are handed out on one link, from what is heard there.
///
/// Every `now` is a time since an origin of the caller's choosing, on a clock that does not go back.
/// Bounded by [`MAX_OTHERS`] and a fixed number of transactions.
#[derive(Debug)]
pub struct ServerDetection {
    policy: Policy,
    /// This host's address on the link.
    address: Ipv4Addr,
    mac: Mac,
    /// `None` until it is decided.
    mode: Option<Mode>,
    phase: Phase,
    /// The link is down and that was reported, or probes do not leave: nobody waits for a decision.
    is_unplugged: bool,
    /// A probe since the phase began may have reached nobody, so silence proves nothing.
    is_unheard: bool,
    /// The link is down because the interface is switched off.
    is_off: bool,
    /// Other servers reported to the operator, and when; at most [`MAX_OTHERS`].
    reported: HashMap<OtherServer, Duration>,
    /// Other lanboots that announced to step down, and when; at most [`MAX_OTHERS`].
    yielding: Vec<(Ipv4Addr, Duration)>,
    /// Servers heard while handing out addresses; at most [`MAX_OTHERS`].
    rivals: Vec<Ipv4Addr>,
    /// Transaction of the last probe.
    probe_xid: Option<u32>,
    /// Transactions of clients' last DHCPDISCOVERs; at most [`MAX_DISCOVERS`].
    discovers: VecDeque<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first probes are out; if nobody answers until `end`, there is no other server.
    Probing { next: Duration, end: Duration },
    /// Handing out addresses, with a probe at `next`.
    Serving { next: Duration },
    /// Handing out addresses although another server was heard; steps down at `end`.
    Contested { next: Duration, end: Duration },
    /// Listening only.
    Listening,
}

impl Phase {
    fn probing(now: Duration) -> Self {
        Self::Probing {
            next: now,
            end: now.saturating_add(PROBE_TIME),
        }
    }
}

impl ServerDetection {
    /// Returns the state of a link that comes up at `now`, on which this host has `address` and
    /// `mac`.
    pub fn new(policy: Policy, address: Ipv4Addr, mac: Mac, now: Duration) -> Self {
        let (mode, phase) = match policy {
            Policy::Auto => (None, Phase::probing(now)),
            Policy::Server => (Some(Mode::Server), Phase::Serving { next: now }),
            Policy::Proxy => (Some(Mode::Proxy), Phase::probing(now)),
            Policy::Off => (Some(Mode::Off), Phase::Listening),
        };
        Self {
            policy,
            address,
            mac,
            mode,
            phase,
            is_unplugged: false,
            is_unheard: false,
            is_off: false,
            reported: HashMap::new(),
            yielding: Vec::new(),
            rivals: Vec::new(),
            probe_xid: None,
            discovers: VecDeque::new(),
        }
    }

    /// Returns how messages on the link are answered; `None` while that is not decided.
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// Returns whether addresses are left to another server, by the operator's wish or because one was
    /// heard. While a server that lost its link looks for others this is open.
    pub fn is_beside_another(&self) -> bool {
        let is_final = self.policy == Policy::Proxy || self.phase == Phase::Listening;
        is_final && self.mode == Some(Mode::Proxy)
    }

    /// Returns whether the mode is decided, or cannot be for now.
    pub fn is_decided(&self) -> bool {
        self.mode.is_some() || self.is_unplugged
    }

    /// Returns when [`Self::on_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.phase {
            Phase::Probing { next, end } | Phase::Contested { next, end } => Some(next.min(end)),
            Phase::Serving { next } => Some(next),
            Phase::Listening => None,
        }
    }

    /// Returns what a probe announces now.
    pub fn announcement(&self) -> Announcement {
        let role = match self.policy {
            Policy::Server => Role::Stays,
            Policy::Auto if !self.is_beside_another() => Role::Yields,
            Policy::Auto | Policy::Proxy | Policy::Off => Role::Proxy,
        };
        Announcement {
            address: self.address,
            role,
        }
    }

    /// Returns the bytes of a probe with this transaction number, and remembers the number.
    pub fn probe(&mut self, xid: u32) -> Vec<u8> {
        self.probe_xid = Some(xid);
        self.announcement().probe(xid, self.mac)
    }

    /// Returns whether a message is the last probe, come back over another interface or in a loop.
    pub fn is_own_probe(&self, packet: &Packet) -> bool {
        self.probe_xid == Some(packet.xid) && packet.hardware_address() == self.mac.0
    }

    /// Notes that a probe could not be sent, so that silence proves nothing.
    pub fn on_probe_not_sent(&mut self) {
        self.is_unheard = true;
        if matches!(self.phase, Phase::Probing { .. }) {
            // An answer may never come.
            self.is_unplugged = true;
        }
    }

    /// Takes a message of a client to port 67. `own` are all addresses of this host.
    ///
    /// The client may be another lanboot that probes, or may have chosen the offer of another
    /// server: only after a DHCPDISCOVER, for some name the server of another network by habit.
    pub fn on_client_message(
        &mut self,
        packet: &Packet,
        own: &[Ipv4Addr],
        now: Duration,
    ) -> Action {
        if packet.op != Op::Request || packet.is_relayed() {
            return Action::default();
        }
        if packet.message_type() == Some(MessageType::Discover) {
            if self.discovers.len() >= MAX_DISCOVERS {
                self.discovers.pop_front();
            }
            self.discovers.push_back(packet.xid);
            if let Some(announcement) = Announcement::of(packet) {
                self.on_announcement(announcement, now);
            }
            return Action::default();
        }
        match OtherServer::chosen_in(packet, own) {
            Some(server) if self.discovers.contains(&packet.xid) => {
                self.on_other_server(server, now)
            }
            _ => Action::default(),
        }
    }

    /// Takes a message to port 68, sent from `source`. `own` are all addresses of this host.
    pub fn on_server_message(
        &mut self,
        payload: &[u8],
        source: Ipv4Addr,
        own: &[Ipv4Addr],
        now: Duration,
    ) -> Action {
        match OtherServer::of_reply(payload, source, own) {
            Some(server) => self.on_other_server(server, now),
            None => Action::default(),
        }
    }

    /// Takes the announcement of another lanboot.
    pub fn on_announcement(&mut self, from: Announcement, now: Duration) {
        let stays =
            |(address, at): &(Ipv4Addr, Duration)| *address != from.address && is_fresh(*at, now);
        self.yielding.retain(stays);
        match from.role {
            Role::Yields if self.yielding.len() < MAX_OTHERS => {
                self.yielding.push((from.address, now));
            }
            Role::Proxy => self.rivals.retain(|address| *address != from.address),
            Role::Yields | Role::Stays => {}
        }
    }

    /// Takes the sign of another server.
    pub fn on_other_server(&mut self, other: OtherServer, now: Duration) -> Action {
        if self.policy == Policy::Off {
            return Action::default();
        }
        if let (Policy::Auto, Some(Mode::Server), OtherServer::Dhcp(server)) =
            (self.policy, self.mode, other)
        {
            return self.on_rival(server, now);
        }
        let last = self.reported.get(&other).copied();
        let has_room = last.is_some() || self.reported.len() < MAX_OTHERS;
        let diagnostic = match other {
            OtherServer::Dhcp(server) => self.leave_to(server, now, last, has_room),
            OtherServer::Proxy(proxy) => {
                (last.is_none() && has_room).then_some(Diagnostic::OtherProxy(proxy))
            }
        };
        if diagnostic.is_some() && has_room {
            self.reported.insert(other, now);
        }
        Action::report(diagnostic)
    }

    /// Takes the passing of time. Without a link (`has_link`) silence proves nothing; `is_off` says
    /// that the interface is switched off. `random` spreads the probes.
    pub fn on_timeout(
        &mut self,
        now: Duration,
        has_link: bool,
        is_off: bool,
        random: u64,
    ) -> Action {
        self.is_off = is_off;
        match self.phase {
            Phase::Probing { next, end } if now < end => {
                let probe = next <= now;
                if probe {
                    self.is_unheard |= !has_link;
                    let next = now.saturating_add(PROBE_REPEAT);
                    self.phase = Phase::Probing { next, end };
                }
                Action::probe_if(probe)
            }
            // Silence counts only if all probes could be heard.
            Phase::Probing { .. } if !has_link || self.is_unheard => {
                self.phase = Phase::probing(now);
                self.is_unheard = false;
                let is_news = !has_link && !std::mem::replace(&mut self.is_unplugged, true);
                let is_off = self.is_off;
                Action::report(is_news.then_some(Diagnostic::NoLinkToProbe { is_off }))
            }
            Phase::Probing { .. } => self.on_silence(now, random),
            Phase::Serving { next } if next > now => Action::default(),
            Phase::Serving { .. } if self.policy == Policy::Server && !has_link => {
                self.serve_without_link(now)
            }
            Phase::Serving { .. } => {
                self.is_unheard = false;
                let pause = match self.policy {
                    Policy::Server => FORCED_PROBE_PAUSE,
                    Policy::Auto | Policy::Proxy | Policy::Off => SERVER_PROBE_PAUSE,
                };
                self.serve_from(now, pause, random);
                Action::PROBE
            }
            Phase::Contested { next, end } if now < end => {
                let probe = next <= now;
                if probe {
                    let next = now.saturating_add(STEP_DOWN_DELAY / 4);
                    self.phase = Phase::Contested { next, end };
                }
                Action::probe_if(probe)
            }
            Phase::Contested { .. } => self.on_contest_end(now, random),
            Phase::Listening => Action::default(),
        }
    }

    /// Takes the loss of the link, or of this host's address on it: when it is back, addresses there
    /// may be another server's. Leases stay good; none is added and nobody gets a DHCPNAK until
    /// silence says that lanboot is alone.
    pub fn on_link_lost(&mut self, now: Duration) {
        self.forget_others();
        if (self.policy, self.mode) == (Policy::Auto, Some(Mode::Server)) {
            self.mode = Some(Mode::Proxy);
            self.phase = Phase::probing(now);
        }
        if self.policy == Policy::Server {
            self.is_unheard = true;
            let next = now.saturating_add(PROBE_TIME);
            self.phase = Phase::Serving { next };
        }
    }

    /// Takes that the interface became a part of another one, which receives in its place. The
    /// caller reports it.
    pub fn on_enslaved(&mut self, now: Duration) {
        self.on_link_lost(now);
        self.is_unplugged = true;
    }

    /// Takes that there are a link and an address, again or for the first time.
    pub fn on_link_up(&mut self, now: Duration) -> Action {
        self.is_unheard = false;
        let was_unplugged = std::mem::replace(&mut self.is_unplugged, false);
        match self.phase {
            Phase::Probing { .. } => self.phase = Phase::probing(now),
            Phase::Serving { .. } => self.phase = Phase::Serving { next: now },
            Phase::Contested { .. } | Phase::Listening => return Action::default(),
        }
        if self.policy == Policy::Server && was_unplugged {
            return Action::report(Diagnostic::LinkUp);
        }
        if self.policy != Policy::Auto {
            return Action::default();
        }
        Action::report(Diagnostic::ProbingAfterChange)
    }

    /// Takes the operator's wish to start over (SIGHUP). The mode stays until the probes are
    /// answered.
    pub fn on_reload(&mut self, now: Duration) -> Action {
        self.forget_others();
        Action::report(match self.policy {
            Policy::Auto => {
                self.phase = Phase::probing(now);
                Diagnostic::ReloadProbes
            }
            Policy::Server | Policy::Proxy | Policy::Off => Diagnostic::ReloadChangesNothing,
        })
    }

    /// Takes that nobody answered the first probes.
    fn on_silence(&mut self, now: Duration, random: u64) -> Action {
        if self.policy == Policy::Proxy {
            self.phase = Phase::Listening;
            return Action::report(Diagnostic::NoServerForProxy);
        }
        let was_proxy = self.mode == Some(Mode::Proxy);
        self.mode = Some(Mode::Server);
        self.serve_from(now, FIRST_PROBE_PAUSE, random);
        Action::report(Diagnostic::NoOtherServer { was_proxy })
    }

    /// Takes that the operator wants addresses handed out where there is no link. A card that was
    /// just switched on takes a few seconds to find one.
    fn serve_without_link(&mut self, now: Duration) -> Action {
        let next = now.saturating_add(PROBE_TIME);
        self.phase = Phase::Serving { next };
        let is_sure = std::mem::replace(&mut self.is_unheard, true);
        if !is_sure || std::mem::replace(&mut self.is_unplugged, true) {
            return Action::default();
        }
        let is_off = self.is_off;
        Action::report(Diagnostic::NoLinkToServe { is_off })
    }

    /// Takes that another server hands out addresses, as this one does.
    fn on_rival(&mut self, server: Ipv4Addr, now: Duration) -> Action {
        if self.outlasts(server, now) || self.rivals.contains(&server) {
            return Action::default();
        }
        // Of more, one is enough.
        if self.rivals.len() < MAX_OTHERS {
            self.rivals.push(server);
        }
        if matches!(self.phase, Phase::Contested { .. }) {
            return Action::default();
        }
        self.phase = Phase::Contested {
            next: now.saturating_add(STEP_DOWN_DELAY / 4),
            end: now.saturating_add(STEP_DOWN_DELAY),
        };
        Action::PROBE
    }

    /// Takes that the time is over in which other lanboots could announce themselves.
    fn on_contest_end(&mut self, now: Duration, random: u64) -> Action {
        let rivals = std::mem::take(&mut self.rivals);
        let stronger = rivals.into_iter().find(|rival| !self.outlasts(*rival, now));
        let Some(server) = stronger else {
            self.serve_from(now, SERVER_PROBE_PAUSE, random);
            return Action::default();
        };
        self.mode = Some(Mode::Proxy);
        self.phase = Phase::Listening;
        if self.reported.len() < MAX_OTHERS {
            self.reported.insert(OtherServer::Dhcp(server), now);
        }
        Action {
            // The last one, which announces it to other lanboots.
            probe: true,
            diagnostic: Some(Diagnostic::SteppedDown(server)),
        }
    }

    /// Returns whether a server is a lanboot that hears this one, or will when it probes next, and
    /// then steps down.
    fn outlasts(&self, server: Ipv4Addr, now: Duration) -> bool {
        let is_it = |(address, at): &(Ipv4Addr, Duration)| *address == server && is_fresh(*at, now);
        server > self.address && self.yielding.iter().any(is_it)
    }

    /// Leaves addresses to a server that was reported at `last`, if the operator lets it.
    fn leave_to(
        &mut self,
        server: Ipv4Addr,
        now: Duration,
        last: Option<Duration>,
        has_room: bool,
    ) -> Option<Diagnostic> {
        if self.policy == Policy::Server {
            let is_due = last.is_none_or(|last| now >= last.saturating_add(WARNING_PAUSE));
            return (has_room && is_due).then_some(Diagnostic::ConflictingServer(server));
        }
        let (mode, phase) = (self.mode, self.phase);
        self.mode = Some(Mode::Proxy);
        self.phase = Phase::Listening;
        match (mode, phase) {
            (None, _) => Some(Diagnostic::LeftToServer(server)),
            (_, Phase::Probing { .. }) => Some(Diagnostic::StillLeftToServer(server)),
            _ => (last.is_none() && has_room).then_some(Diagnostic::AnotherServer(server)),
        }
    }

    fn serve_from(&mut self, now: Duration, pause: Duration, random: u64) {
        let next = now.saturating_add(spread(pause, random));
        self.phase = Phase::Serving { next };
    }

    fn forget_others(&mut self) {
        self.reported.clear();
        self.yielding.clear();
        self.rivals.clear();
    }

    /// Returns the numbers of other servers remembered: reported, yielding, rivals.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> [usize; 3] {
        [self.reported.len(), self.yielding.len(), self.rivals.len()]
    }
}
