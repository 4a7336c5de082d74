//! Who hands out addresses on a link: lanboot, or a server that was there before or comes later.
//!
//! With `--dhcp auto` the link is asked at the start. Another server answers: lanboot leaves
//! addresses to it (proxy DHCP). Silence: lanboot hands them out, goes on asking, and steps down
//! the moment somebody else is heard. It never steps up by itself: a server that comes and goes, or
//! somebody who forges offers, must not make addresses come from two places in turn. Only a
//! restart or SIGHUP asks anew. Only a cable that was out, or an address that was gone, makes
//! a server ask once more before it goes on: the other end may be in another network now.
//!
//! Two that are started together both hear silence. Each asks again soon after a random time; the
//! one that is answered steps down and answers the other no more. A machine may ask first, or two
//! LANs become one, and then each hears the other's offer: so that not both step down, their
//! questions tell them of each other, and of two that would step down only the one with the higher
//! address does. Whoever hears another server asks at once and steps down a second later, unless
//! that one turned out to be such a lanboot, and says in a last question that it has.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use lanboot_core::dhcp::Mode;
use tokio::time::Instant;

use super::question::{Peer, Stand, Voice};
use crate::settings::Dhcp;

/// How long other servers have to answer the first question. Most routers answer at once; dnsmasq
/// pings the address it is going to offer for 3 s.
const PATIENCE: Duration = Duration::from_secs(4);
/// The first question is put again after this time: one packet may be lost.
const REPEAT: Duration = Duration::from_secs(1);
/// How often, at most, lanboot asks while it hands out addresses; three in four such times pass
/// at least. An answer of dnsmasq's included, a new server is heard within 14 s.
const AGAIN: Duration = Duration::from_secs(10);
/// The first time it asks again, at most, for two that were started together.
const SOON: Duration = Duration::from_secs(3);
/// From hearing another server to stepping down: time for a lanboot to say that it is one. The
/// question is put four times, for one may be lost.
const DOUBT: Duration = Duration::from_secs(1);
/// How long what another lanboot said of itself counts. It says so again at most every ten seconds
/// while it hands out addresses; afterwards something else may run at its address.
const FRESH: Duration = Duration::from_secs(35);
/// How often it asks when the operator said that it shall hand out addresses whoever else does.
const ANYWAY: Duration = Duration::from_secs(60);
/// Least time between two warnings about one server.
const WARN_AGAIN: Duration = Duration::from_secs(600);
/// Others told about by address; a link with more is under attack, and one line says enough.
const MAX_TOLD: usize = 16;

/// What a link does about DHCP, and why.
#[derive(Debug)]
pub(super) struct Auto {
    wanted: Dhcp,
    interface: Arc<str>,
    /// `None` until it is known.
    mode: Option<Mode>,
    phase: Phase,
    /// There is no cable; asking goes on until there is.
    unplugged: bool,
    /// A question was due while there was no cable, and reached nobody.
    was_unheard: bool,
    /// There is no cable because the interface is switched off.
    is_off: bool,
    told: HashMap<Voice, Instant>,
    /// Our address here.
    address: Ipv4Addr,
    /// Other lanboots that step down for us, and when they said so; at most [`MAX_TOLD`].
    yielding: Vec<(Ipv4Addr, Instant)>,
    /// Servers heard while handing out addresses, at most [`MAX_TOLD`].
    rivals: Vec<Ipv4Addr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first question is open; silence until the end is an answer.
    Asking { next: Instant, end: Instant },
    /// Handing out addresses; the next question.
    Watching { next: Instant },
    /// Still handing out addresses, but another server was heard; at the end that counts.
    Doubting { next: Instant, end: Instant },
    /// Nothing more to ask; only listening.
    Listening,
}

/// What to do now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Action {
    /// Ask the link.
    pub ask: bool,
    /// Tell the operator.
    pub say: Option<String>,
}

impl Action {
    fn say(text: String) -> Self {
        Self {
            ask: false,
            say: Some(text),
        }
    }
}

impl Auto {
    /// A link on which `wanted` shall be done from `address`, from `now` on.
    pub(super) fn new(wanted: Dhcp, interface: Arc<str>, address: Ipv4Addr, now: Instant) -> Self {
        let (mode, phase) = match wanted {
            Dhcp::Auto => (None, Phase::asking(now)),
            Dhcp::Server => (Some(Mode::Server), Phase::Watching { next: now }),
            Dhcp::Proxy => (Some(Mode::Proxy), Phase::asking(now)),
            Dhcp::Off => (Some(Mode::Off), Phase::Listening),
        };
        Self {
            wanted,
            interface,
            mode,
            phase,
            unplugged: false,
            was_unheard: false,
            is_off: false,
            told: HashMap::new(),
            address,
            yielding: Vec::new(),
            rivals: Vec::new(),
        }
    }

    /// What our questions say of us.
    pub(super) fn own(&self) -> Peer {
        let is_proxy = self.mode == Some(Mode::Proxy) && self.phase == Phase::Listening;
        let stand = match self.wanted {
            Dhcp::Server => Stand::Stays,
            Dhcp::Auto if !is_proxy => Stand::Yields,
            Dhcp::Auto | Dhcp::Proxy | Dhcp::Off => Stand::Proxy,
        };
        Peer {
            address: self.address,
            stand,
        }
    }

    /// Another lanboot asked who is there.
    pub(super) fn meet(&mut self, peer: Peer, now: Instant) {
        let is_other =
            |(address, at): &(Ipv4Addr, Instant)| *address != peer.address && now < *at + FRESH;
        self.yielding.retain(is_other);
        match peer.stand {
            Stand::Yields if self.yielding.len() < MAX_TOLD => {
                self.yielding.push((peer.address, now));
            }
            Stand::Proxy => self.rivals.retain(|address| *address != peer.address),
            Stand::Yields | Stand::Stays => {}
        }
    }

    /// Whether a server is a lanboot that hears us as we hear it, or will when it asks next, and
    /// then steps down.
    fn outlasts(&self, server: Ipv4Addr, now: Instant) -> bool {
        let is_it = |(address, at): &(Ipv4Addr, Instant)| *address == server && now < *at + FRESH;
        server > self.address && self.yielding.iter().any(is_it)
    }

    /// How messages are answered; `None` while that is not known.
    pub(super) fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// Whether there is nothing to wait for: it is decided, or cannot be.
    pub(super) fn is_settled(&self) -> bool {
        self.mode.is_some() || self.unplugged
    }

    /// When [`Auto::tick`] is due.
    pub(super) fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::Asking { next, end } | Phase::Doubting { next, end } => Some(next.min(end)),
            Phase::Watching { next } => Some(next),
            Phase::Listening => None,
        }
    }

    /// Time passed. `has_link` says whether a cable is plugged in: without one, silence says
    /// nothing. `random` spreads questions.
    pub(super) fn tick(&mut self, now: Instant, has_link: bool, random: u64) -> Action {
        match self.phase {
            Phase::Asking { next, end } if now < end => {
                let ask = next <= now;
                if ask {
                    self.was_unheard |= !has_link;
                    self.phase = Phase::Asking {
                        next: now + REPEAT,
                        end,
                    };
                }
                Action { ask, say: None }
            }
            // Silence counts only if all questions could be heard.
            Phase::Asking { .. } if !has_link || self.was_unheard => {
                self.phase = Phase::asking(now);
                self.was_unheard = false;
                let is_news = !has_link && !std::mem::replace(&mut self.unplugged, true);
                let interface = &self.interface;
                Action {
                    ask: false,
                    say: is_news.then(|| {
                        format!(
                            "{interface} {}: who hands out the addresses there is found out once it \
                             has a link",
                            self.no_link()
                        )
                    }),
                }
            }
            Phase::Asking { .. } => self.silence(now, random),
            Phase::Watching { next } if next <= now && self.wanted == Dhcp::Server && !has_link => {
                self.no_link_to_serve(now)
            }
            Phase::Watching { next } if next <= now => {
                self.was_unheard = false;
                let pause = match self.wanted {
                    Dhcp::Server => ANYWAY,
                    Dhcp::Auto | Dhcp::Proxy | Dhcp::Off => AGAIN,
                };
                self.phase = Phase::Watching {
                    next: now + spread(pause, random),
                };
                Action {
                    ask: true,
                    say: None,
                }
            }
            Phase::Doubting { next, end } if now < end => {
                let ask = next <= now;
                if ask {
                    self.phase = Phase::Doubting {
                        next: now + DOUBT / 4,
                        end,
                    };
                }
                Action { ask, say: None }
            }
            Phase::Doubting { .. } => self.doubted(now, random),
            Phase::Watching { .. } | Phase::Listening => Action::default(),
        }
    }

    /// The operator wants addresses handed out where there is no cable. A card that was switched
    /// on just now takes a few seconds to find one.
    fn no_link_to_serve(&mut self, now: Instant) -> Action {
        self.phase = Phase::Watching {
            next: now + PATIENCE,
        };
        let is_sure = std::mem::replace(&mut self.was_unheard, true);
        if !is_sure || std::mem::replace(&mut self.unplugged, true) {
            return Action::default();
        }
        let interface = &self.interface;
        Action::say(format!(
            "{interface} {}: no machine there can be served until it has a link",
            self.no_link()
        ))
    }

    /// What is wrong with a link that is none.
    fn no_link(&self) -> String {
        if self.is_off {
            format!("is switched off (ip link set {} up)", self.interface)
        } else {
            "has no link (is the cable plugged in?)".into()
        }
    }

    /// Takes down whether the interface is switched off.
    pub(super) fn set_off(&mut self, is_off: bool) {
        self.is_off = is_off;
    }

    /// A question could not be sent, so silence says nothing.
    pub(super) fn unasked(&mut self) {
        self.was_unheard = true;
        if matches!(self.phase, Phase::Asking { .. }) {
            // Nobody shall wait for an answer that may never come.
            self.unplugged = true;
        }
    }

    /// The interface became a part of another one, which takes all it receives. The caller says so.
    pub(super) fn deafened(&mut self, now: Instant) {
        self.lost(now);
        self.unplugged = true;
    }

    /// The time is over in which other lanboots could say that they are.
    fn doubted(&mut self, now: Instant, random: u64) -> Action {
        let rivals = std::mem::take(&mut self.rivals);
        let Some(server) = rivals
            .into_iter()
            .find(|server| !self.outlasts(*server, now))
        else {
            self.phase = Phase::Watching {
                next: now + spread(AGAIN, random),
            };
            return Action::default();
        };
        self.mode = Some(Mode::Proxy);
        self.phase = Phase::Listening;
        if self.told.len() < MAX_TOLD {
            self.told.insert(Voice::Server(server), now);
        }
        let interface = &self.interface;
        Action {
            // The last one, which tells other lanboots.
            ask: true,
            say: Some(format!(
                "a second DHCP server, {server}, answers on {interface}: lanboot hands out no more \
                 addresses there and only tells machines what to boot (proxy DHCP). Those it gave \
                 stay good until their leases end. To have lanboot hand them out again, stop the \
                 other server and send lanboot SIGHUP"
            )),
        }
    }

    /// The first question is answered by nobody.
    fn silence(&mut self, now: Instant, random: u64) -> Action {
        let interface = &self.interface;
        if self.wanted == Dhcp::Proxy {
            self.phase = Phase::Listening;
            return Action::say(format!(
                "no DHCP server answers on {interface}: machines there get no address, and cannot \
                 boot, until one does. lanboot hands out addresses itself with --dhcp auto"
            ));
        }
        let stood_back = self.mode == Some(Mode::Proxy);
        self.mode = Some(Mode::Server);
        self.phase = Phase::Watching {
            next: now + spread(SOON, random),
        };
        let still = if stood_back { " any more" } else { "" };
        Action::say(format!(
            "no other DHCP server answers on {interface}{still}: lanboot hands out the addresses there"
        ))
    }

    /// Somebody else was heard.
    pub(super) fn heard(&mut self, voice: Voice, now: Instant) -> Action {
        if let (Dhcp::Auto, Some(Mode::Server), Voice::Server(server)) =
            (self.wanted, self.mode, voice)
        {
            return self.rival(server, now);
        }
        let last = self.told.get(&voice).copied();
        let has_room = last.is_some() || self.told.len() < MAX_TOLD;
        let say = match voice {
            Voice::Server(server) => self.server(server, now, last, has_room),
            Voice::Proxy(proxy) => (last.is_none() && has_room).then(|| {
                let interface = &self.interface;
                format!(
                    "{proxy} tells machines on {interface} what to boot, too (proxy DHCP); which of \
                     the two a machine obeys is up to its firmware"
                )
            }),
        };
        if say.is_some() && has_room {
            self.told.insert(voice, now);
        }
        Action { ask: false, say }
    }

    /// Another server hands out addresses here, and so do we.
    fn rival(&mut self, server: Ipv4Addr, now: Instant) -> Action {
        if self.outlasts(server, now) || self.rivals.contains(&server) {
            return Action::default();
        }
        // Of so many one is enough.
        if self.rivals.len() < MAX_TOLD {
            self.rivals.push(server);
        }
        if matches!(self.phase, Phase::Doubting { .. }) {
            return Action::default();
        }
        self.phase = Phase::Doubting {
            next: now + DOUBT / 4,
            end: now + DOUBT,
        };
        Action {
            ask: true,
            say: None,
        }
    }

    /// Another server hands out addresses here; it was told at `last`.
    fn server(
        &mut self,
        server: Ipv4Addr,
        now: Instant,
        last: Option<Instant>,
        has_room: bool,
    ) -> Option<String> {
        let interface = Arc::clone(&self.interface);
        if self.wanted == Dhcp::Server {
            let is_due = has_room && last.is_none_or(|last| now >= last + WARN_AGAIN);
            return is_due.then(|| {
                format!(
                    "another DHCP server, {server}, answers on {interface} too: machines may get \
                     conflicting addresses. Stop one of the two, or use --dhcp auto"
                )
            });
        }
        let (mode, phase) = (self.mode, self.phase);
        self.mode = Some(Mode::Proxy);
        self.phase = Phase::Listening;
        match (mode, phase) {
            (None, _) => Some(format!(
                "another DHCP server, {server}, hands out the addresses on {interface}: lanboot \
                 leaves that to it and only tells machines what to boot (proxy DHCP)"
            )),
            (_, Phase::Asking { .. }) => Some(format!(
                "the DHCP server {server} hands out the addresses on {interface}; lanboot only tells \
                 machines what to boot (proxy DHCP)"
            )),
            _ => (last.is_none() && has_room)
                .then(|| format!("another DHCP server on {interface}: {server}")),
        }
    }

    /// The link was lost, or this host's address on it: where the cable leads when it is there
    /// again, addresses may be somebody else's. What was given stays good; nothing is added, and
    /// nobody is refused anything, until silence says that lanboot is alone.
    pub(super) fn lost(&mut self, now: Instant) {
        self.told.clear();
        self.yielding.clear();
        self.rivals.clear();
        if (self.wanted, self.mode) == (Dhcp::Auto, Some(Mode::Server)) {
            self.mode = Some(Mode::Proxy);
            self.phase = Phase::asking(now);
        }
        if self.wanted == Dhcp::Server {
            self.was_unheard = true;
            self.phase = Phase::Watching {
                next: now + PATIENCE,
            };
        }
    }

    /// There is a link and an address, again or for the first time: who answers is found out from
    /// now on.
    pub(super) fn found(&mut self, now: Instant) -> Action {
        self.was_unheard = false;
        let was_unplugged = std::mem::replace(&mut self.unplugged, false);
        match self.phase {
            Phase::Asking { .. } => self.phase = Phase::asking(now),
            Phase::Watching { .. } => self.phase = Phase::Watching { next: now },
            Phase::Doubting { .. } | Phase::Listening => return Action::default(),
        }
        if self.wanted == Dhcp::Server && was_unplugged {
            return Action::say(format!("{} has a link now", self.interface));
        }
        if self.wanted != Dhcp::Auto {
            return Action::default();
        }
        Action::say(format!(
            "something changed on {}: asking who hands out the addresses there now",
            self.interface
        ))
    }

    /// The operator wants the question put again (SIGHUP). Until it is answered all stays as it
    /// is.
    pub(super) fn again(&mut self, now: Instant) -> Action {
        self.told.clear();
        self.yielding.clear();
        self.rivals.clear();
        let interface = &self.interface;
        Action::say(match self.wanted {
            Dhcp::Auto => {
                self.phase = Phase::asking(now);
                format!("SIGHUP: asking who hands out the addresses on {interface}")
            }
            Dhcp::Server | Dhcp::Proxy | Dhcp::Off => {
                format!("SIGHUP: nothing changes on {interface}, where --dhcp says what to do")
            }
        })
    }
}

impl Phase {
    fn asking(now: Instant) -> Self {
        Self::Asking {
            next: now,
            end: now + PATIENCE,
        }
    }
}

/// From three quarters of `time` to all of it; half of a short one.
fn spread(time: Duration, random: u64) -> Duration {
    let part = u32::try_from(random % 1000).unwrap_or(0);
    let least = if time <= SOON { time / 6 } else { time * 3 / 4 };
    least + (time - least) * part / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const A: Voice = Voice::Server(Ipv4Addr::new(10, 0, 0, 3));
    const B: Voice = Voice::Server(Ipv4Addr::new(10, 0, 0, 4));
    const P: Voice = Voice::Proxy(Ipv4Addr::new(10, 0, 0, 5));

    struct Link {
        auto: Auto,
        now: Instant,
        asked: Vec<Duration>,
        said: Vec<String>,
        begun: Instant,
        has_link: bool,
    }

    impl Link {
        fn new(wanted: Dhcp) -> Self {
            let now = Instant::now();
            Self {
                auto: Auto::new(wanted, "eth0".into(), OWN, now),
                now,
                asked: Vec::new(),
                said: Vec::new(),
                begun: now,
                has_link: true,
            }
        }

        fn take(&mut self, step: Action) {
            if step.ask {
                self.asked.push(self.now - self.begun);
            }
            self.said.extend(step.say);
        }

        /// Lets time pass, doing what is due.
        fn pass(&mut self, seconds: u64) {
            let end = self.now + Duration::from_secs(seconds);
            while let Some(next) = self.auto.next().filter(|next| *next <= end) {
                self.now = self.now.max(next);
                let random = u64::from(self.now.elapsed().subsec_nanos()) + self.asked.len() as u64;
                let step = self.auto.tick(self.now, self.has_link, random);
                self.take(step);
            }
            self.now = end;
        }

        fn hear(&mut self, voice: Voice) {
            let step = self.auto.heard(voice, self.now);
            self.take(step);
        }

        fn last(&self) -> &str {
            self.said.last().map_or("", String::as_str)
        }
    }

    #[test]
    fn a_server_without_a_cable_says_so_once_and_when_it_has_one() {
        let mut link = Link::new(Dhcp::Server);
        link.has_link = false;
        // A card that was just switched on looks for its link.
        link.pass(3);
        assert!(link.said.is_empty(), "{:?}", link.said);
        link.pass(600);
        assert_eq!(link.said.len(), 1, "{:?}", link.said);
        assert!(
            link.last()
                .starts_with("eth0 has no link (is the cable plugged in?): no machine")
        );
        link.has_link = true;
        let step = link.auto.found(link.now);
        link.take(step);
        assert_eq!(link.last(), "eth0 has a link now");
        // Pulled out for a moment is no news; for longer it is, and switched off is another thing.
        link.auto.lost(link.now);
        link.pass(60);
        assert_eq!(link.said.len(), 2, "{:?}", link.said);
        link.has_link = false;
        link.auto.lost(link.now);
        link.auto.set_off(true);
        link.pass(9);
        assert!(
            link.last()
                .starts_with("eth0 is switched off (ip link set eth0 up): no machine")
        );
        assert_eq!(link.auto.mode(), Some(Mode::Server));
    }

    #[test]
    fn silence_after_questions_that_never_left_or_could_not_be_heard_counts_for_nothing() {
        let mut link = Link::new(Dhcp::Auto);
        for _ in 0..60 {
            link.auto.unasked();
            link.pass(1);
        }
        assert_eq!(link.auto.mode(), None, "{:?}", link.said);
        assert!(link.auto.is_settled(), "nobody waits for it");
        link.pass(9);
        assert_eq!(
            link.auto.mode(),
            Some(Mode::Server),
            "questions leave again"
        );
        // A part of a bridge has no link of its own.
        link.auto.deafened(link.now);
        link.has_link = false;
        let said = link.said.len();
        link.pass(60);
        assert_eq!(
            (link.auto.mode(), link.said.len()),
            (Some(Mode::Proxy), said)
        );
        link.has_link = true;
        let step = link.auto.found(link.now);
        link.take(step);
        link.pass(9);
        assert_eq!(link.auto.mode(), Some(Mode::Server));
    }

    #[test]
    fn a_server_whose_cable_was_out_asks_before_it_goes_on() {
        let alone = || {
            let mut link = Link::new(Dhcp::Auto);
            link.pass(20);
            assert_eq!(link.auto.mode(), Some(Mode::Server));
            link
        };
        // For long: nothing is heard meanwhile, and nothing counts.
        let mut link = alone();
        link.has_link = false;
        link.auto.lost(link.now);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy), "at once");
        link.pass(60);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        assert!(link.last().starts_with("eth0 has no link"));
        link.has_link = true;
        let (asked, step) = (link.asked.len(), link.auto.found(link.now));
        link.take(step);
        assert!(link.last().contains("asking who hands out"));
        link.pass(3);
        assert!(link.asked.len() > asked + 2, "at once, and again");
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        let mut elsewhere = link;
        elsewhere.hear(A);
        elsewhere.pass(60);
        assert_eq!(
            elsewhere.auto.mode(),
            Some(Mode::Proxy),
            "{}",
            elsewhere.last()
        );
        assert!(elsewhere.said.iter().any(|said| said.contains("10.0.0.3")));

        // For a moment, and nobody is there: a server again as soon as that is known.
        let mut link = alone();
        link.auto.lost(link.now);
        let step = link.auto.found(link.now);
        link.take(step);
        link.pass(3);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        link.pass(2);
        assert_eq!(link.auto.mode(), Some(Mode::Server));
        assert!(
            link.last()
                .contains("no other DHCP server answers on eth0 any more")
        );
    }

    #[test]
    fn a_cable_that_was_out_changes_nothing_for_who_was_no_server_or_was_told_to_be() {
        for (wanted, mode) in [(Dhcp::Server, Mode::Server), (Dhcp::Auto, Mode::Proxy)] {
            let mut link = Link::new(wanted);
            link.hear(A);
            link.pass(20);
            let asked = link.asked.len();
            link.auto.lost(link.now);
            let step = link.auto.found(link.now);
            link.take(step);
            link.pass(20);
            assert_eq!(link.auto.mode(), Some(mode), "{wanted:?}");
            // Who serves by order warns of others there, too, and soon.
            assert_eq!(link.asked.len() > asked, wanted == Dhcp::Server);
        }
    }

    #[test]
    fn silence_makes_a_server_and_an_answer_makes_a_proxy() {
        let mut link = Link::new(Dhcp::Auto);
        link.pass(3);
        assert_eq!(link.auto.mode(), None);
        assert!(
            link.asked.len() >= 3,
            "asked more than once: {:?}",
            link.asked
        );
        link.pass(2);
        assert_eq!(link.auto.mode(), Some(Mode::Server));
        assert!(
            link.last()
                .starts_with("no other DHCP server answers on eth0: ")
        );

        let mut link = Link::new(Dhcp::Auto);
        link.pass(1);
        link.hear(P);
        assert_eq!(link.auto.mode(), None, "a proxy is no server");
        link.hear(A);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        assert!(link.last().contains("10.0.0.3") && link.last().contains("leaves that to it"));
        let asked = link.asked.len();
        link.pass(3600);
        assert_eq!(link.asked.len(), asked, "a proxy disturbs nobody");
    }

    #[test]
    fn a_server_asks_on_and_steps_down_once() {
        let mut link = Link::new(Dhcp::Auto);
        link.pass(1000);
        let pauses: Vec<Duration> = link
            .asked
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        assert!(pauses.iter().all(|pause| *pause <= AGAIN), "{pauses:?}");
        assert!(
            (99..150).contains(&link.asked.len()),
            "{}",
            link.asked.len()
        );
        link.hear(A);
        link.pass(1);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        assert!(
            link.last()
                .contains("a second DHCP server, 10.0.0.3, answers on eth0")
        );
        // Gone, back, another, a thousand forged ones: no more than a few lines, and no way back.
        let said = link.said.len();
        for number in 0..1000u32 {
            link.pass(100);
            link.hear(A);
            link.hear(Voice::Server(Ipv4Addr::from_bits(number << 8 | 1)));
            link.hear(Voice::Proxy(Ipv4Addr::from_bits(number << 8 | 2)));
            assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        }
        assert!(link.said.len() <= said + MAX_TOLD, "{:?}", link.said);
        assert!(link.auto.told.len() <= MAX_TOLD);
    }

    #[test]
    fn only_the_operator_makes_it_a_server_again() {
        let mut link = Link::new(Dhcp::Auto);
        link.pass(10);
        link.hear(A);
        link.pass(1);
        let step = link.auto.again(link.now);
        link.take(step);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy), "until it is known");
        link.pass(1);
        link.hear(A);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        assert!(
            link.last()
                .starts_with("the DHCP server 10.0.0.3 hands out")
        );
        link.pass(1000);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        let step = link.auto.again(link.now);
        link.take(step);
        link.pass(5);
        assert_eq!(link.auto.mode(), Some(Mode::Server));
        assert!(
            link.last()
                .starts_with("no other DHCP server answers on eth0 any more")
        );
        // While it hands out addresses, the question costs nothing.
        let step = link.auto.again(link.now);
        link.take(step);
        assert_eq!(link.auto.mode(), Some(Mode::Server));
        link.hear(B);
        link.pass(1);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
    }

    #[test]
    fn a_mode_named_outright_stays_and_warns_now_and_then() {
        let mut link = Link::new(Dhcp::Server);
        assert_eq!(link.auto.mode(), Some(Mode::Server));
        for _ in 0..1200 {
            link.pass(1);
            link.hear(A);
        }
        assert_eq!(link.auto.mode(), Some(Mode::Server));
        assert_eq!(link.said.len(), 2, "{:?}", link.said);
        assert!(link.last().contains("conflicting addresses"));
        assert!((19..30).contains(&link.asked.len()), "{}", link.asked.len());
        let step = link.auto.again(link.now);
        link.take(step);
        link.pass(10);
        assert_eq!(link.auto.mode(), Some(Mode::Server));

        let mut link = Link::new(Dhcp::Proxy);
        link.pass(5);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        assert!(link.last().starts_with("no DHCP server answers on eth0"));
        link.pass(1000);
        assert_eq!(link.said.len(), 1);
    }

    #[test]
    fn silence_on_a_cable_that_is_not_there_says_nothing() {
        let mut link = Link::new(Dhcp::Auto);
        link.has_link = false;
        assert!(!link.auto.is_settled());
        link.pass(60);
        assert_eq!((link.auto.mode(), link.said.len()), (None, 1));
        assert!(link.auto.is_settled(), "whoever waits is not kept waiting");
        link.has_link = true;
        link.pass(9);
        assert_eq!(link.auto.mode(), Some(Mode::Server));
    }

    #[test]
    fn a_cable_plugged_in_at_the_last_moment_is_asked_before_silence_counts() {
        let mut link = Link::new(Dhcp::Auto);
        link.has_link = false;
        // Three questions and nearly the whole wait go by without a cable.
        link.pass(3);
        link.has_link = true;
        link.pass(1);
        assert_eq!(link.auto.mode(), None, "no question reached anybody");
        link.pass(1);
        link.hear(A);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
    }

    #[test]
    fn of_two_that_hear_each_other_at_once_one_stays() {
        let higher = Ipv4Addr::new(10, 0, 0, 3);
        let lower = Ipv4Addr::new(10, 0, 0, 0);
        let meeting = |address, stand| {
            let mut link = Link::new(Dhcp::Auto);
            link.pass(4);
            link.auto.meet(Peer { address, stand }, link.now);
            link.hear(Voice::Server(address));
            link.pass(2);
            link
        };
        let mut stays = meeting(higher, Stand::Yields);
        assert_eq!(stays.auto.mode(), Some(Mode::Server));
        let steps_down = meeting(lower, Stand::Yields);
        assert_eq!(steps_down.auto.mode(), Some(Mode::Proxy));
        assert_eq!(steps_down.auto.own().stand, Stand::Proxy);
        // One that was told to serve does not step down, whoever asks.
        let beside = meeting(higher, Stand::Stays);
        assert_eq!(beside.auto.mode(), Some(Mode::Proxy));
        // What it said long ago says nothing of what answers at its address now.
        stays.hear(A);
        stays.pass(2);
        assert_eq!(stays.auto.mode(), Some(Mode::Server));
        stays.pass(FRESH.as_secs());
        stays.hear(A);
        stays.pass(2);
        assert_eq!(stays.auto.mode(), Some(Mode::Proxy));
        // Who starts beside one that serves leaves it to that, whatever its address.
        let mut link = Link::new(Dhcp::Auto);
        let stand = Stand::Yields;
        let address = higher;
        link.auto.meet(Peer { address, stand }, link.now);
        link.pass(1);
        link.hear(Voice::Server(higher));
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        for number in 0..1000 {
            let address = Ipv4Addr::from_bits(number);
            link.auto.meet(Peer { address, stand }, link.now);
        }
        assert_eq!(link.auto.yielding.len(), MAX_TOLD);
    }

    #[test]
    fn another_server_is_asked_who_it_is_before_it_counts() {
        let mut link = Link::new(Dhcp::Auto);
        link.pass(20);
        let asked = link.asked.len();
        link.hear(A);
        assert_eq!(link.asked.len(), asked + 1, "at once");
        assert_eq!(link.auto.mode(), Some(Mode::Server));
        // It says that it is a lanboot which steps down, or that it has.
        for stand in [Stand::Yields, Stand::Proxy] {
            let Voice::Server(address) = A else { panic!() };
            link.auto.meet(Peer { address, stand }, link.now);
            link.pass(60);
            assert_eq!(link.auto.mode(), Some(Mode::Server), "{stand:?}");
            link.hear(A);
        }
        let asked = link.asked.len();
        link.hear(B);
        for _ in 0..100 {
            link.hear(A);
        }
        assert_eq!(link.asked.len(), asked, "however many are heard");
        link.pass(1);
        assert_eq!(link.auto.mode(), Some(Mode::Proxy));
        assert_eq!(link.asked.len(), asked + 4, "and once to say so");
        assert!(link.last().contains("a second DHCP server, 10.0.0.3"));
        // Told by a forged thousand, it remembers a few.
        let mut link = Link::new(Dhcp::Auto);
        link.pass(20);
        for number in 0..1000u32 {
            link.hear(Voice::Server(Ipv4Addr::from_bits(number << 8 | 1)));
        }
        assert_eq!(link.auto.rivals.len(), MAX_TOLD);
    }

    #[test]
    fn two_that_start_together_ask_again_at_different_times() {
        let pauses: Vec<Duration> = (0..1000).map(|random| spread(SOON, random)).collect();
        let least = pauses.iter().min().unwrap();
        let most = pauses.iter().max().unwrap();
        assert!(
            *most <= SOON && *most - *least > Duration::from_secs(2),
            "{least:?} {most:?}"
        );
        assert_eq!(spread(AGAIN, 0), Duration::from_millis(7500));
    }
}
