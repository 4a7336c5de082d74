//! Any order of events, with lost messages, links that come and go and operators that reload.

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{
    Action, Announcement, MAX_OTHERS, OtherServer, Policy, Role, STEP_DOWN_DELAY, ServerDetection,
};
use crate::dhcp::{MessageType, Mode, Packet};
use crate::machine::Mac;

/// Servers on the simulated LAN. Number 0, with the lowest address, may be forced to serve.
const COUNT: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Time passes, in milliseconds; what is due on the way happens.
    Pass(u64),
    /// One of them makes an offer if it serves; the mask says who hears it.
    Offer(usize, u8),
    /// Link and address are lost.
    LinkLost(usize),
    /// Link and address are back.
    LinkUp(usize),
    /// The interface becomes a part of a bridge.
    Enslaved(usize),
    /// SIGHUP.
    Reload(usize),
    /// A foreign server answers one of them, and keeps quiet else.
    Foreign(usize),
    /// A foreign proxy does.
    ForeignProxy(usize),
    /// The last probe of one could not be sent.
    NotSent(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let one = 0..COUNT;
    prop_oneof![
        6 => (0..3_000_u64).prop_map(Event::Pass),
        1 => (3_000..40_000_u64).prop_map(Event::Pass),
        8 => (one.clone(), any::<u8>()).prop_map(|(from, mask)| Event::Offer(from, mask)),
        1 => one.clone().prop_map(Event::LinkLost),
        2 => one.clone().prop_map(Event::LinkUp),
        1 => one.clone().prop_map(Event::Enslaved),
        1 => one.clone().prop_map(Event::Reload),
        1 => one.clone().prop_map(Event::Foreign),
        1 => one.clone().prop_map(Event::ForeignProxy),
        1 => one.prop_map(Event::NotSent),
    ]
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(number).unwrap() + 1)
}

/// A LAN on which messages arrive at once, or not at all.
struct Lan {
    now: Duration,
    servers: Vec<ServerDetection>,
    /// Since when the one server hears offers of the other without a break: both serve, and nothing
    /// made the first forget.
    heard: [[Option<Duration>; COUNT]; COUNT],
    /// The probes that arrive; rotates.
    losses: u64,
}

impl Lan {
    fn new(first: Policy, losses: u64) -> Self {
        let now = Duration::from_secs(50);
        let policy = |number| match number {
            0 => first,
            _ => Policy::Auto,
        };
        let servers =
            (0..COUNT).map(|n| ServerDetection::new(policy(n), address(n), Mac([2; 6]), now));
        Self {
            now,
            servers: servers.collect(),
            heard: [[None; COUNT]; COUNT],
            losses,
        }
    }

    fn serves(&self, number: usize) -> bool {
        self.servers[number].mode() == Some(Mode::Server)
    }

    fn perform(&mut self, number: usize, action: Action) {
        if !action.probe {
            return;
        }
        let announcement = self.servers[number].announcement();
        for to in (0..COUNT).filter(|to| *to != number) {
            self.losses = self.losses.rotate_left(1);
            if self.losses & 1 == 0 {
                self.servers[to].on_announcement(announcement, self.now);
            }
        }
    }

    fn hears(&mut self, to: usize, server: OtherServer) {
        let action = self.servers[to].on_other_server(server, self.now);
        self.perform(to, action);
    }

    fn pass(&mut self, end: Duration) {
        loop {
            let due = |n: usize| self.servers[n].next_timeout().map(|at| (at, n));
            let next = (0..COUNT).filter_map(due).min();
            let Some((at, number)) = next.filter(|(at, _)| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            let random = self.losses;
            let action = self.servers[number].on_timeout(self.now, true, false, random);
            self.perform(number, action);
            self.forget();
        }
        self.now = end;
    }

    /// A server that stops has to be heard anew.
    fn forget(&mut self) {
        for number in (0..COUNT).filter(|n| self.servers[*n].mode() != Some(Mode::Server)) {
            self.heard[number] = [None; COUNT];
            for heard in &mut self.heard {
                heard[number] = None;
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Pass(millis) => self.pass(self.now + Duration::from_millis(millis)),
            Event::Offer(from, mask) if self.serves(from) => {
                for to in (0..COUNT).filter(|to| *to != from && mask & 1 << to != 0) {
                    if self.serves(to) && self.heard[to][from].is_none() {
                        self.heard[to][from] = Some(self.now);
                    }
                    self.hears(to, OtherServer::Dhcp(address(from)));
                }
            }
            Event::Offer(..) => {}
            Event::LinkLost(number) => {
                self.servers[number].on_link_lost(self.now);
                self.heard[number] = [None; COUNT];
            }
            Event::Enslaved(number) => {
                self.servers[number].on_enslaved(self.now);
                self.heard[number] = [None; COUNT];
            }
            Event::LinkUp(number) => {
                let action = self.servers[number].on_link_up(self.now);
                self.perform(number, action);
            }
            Event::Reload(number) => {
                let action = self.servers[number].on_reload(self.now);
                self.heard[number] = [None; COUNT];
                self.perform(number, action);
            }
            Event::Foreign(to) => self.hears(to, OtherServer::Dhcp([10, 0, 0, 200].into())),
            Event::ForeignProxy(to) => self.hears(to, OtherServer::Proxy([10, 0, 0, 9].into())),
            Event::NotSent(number) => self.servers[number].on_probe_not_sent(),
        }
        self.forget();
    }

    /// Two that hear each other and both serve, for longer than one needs to step down.
    fn conflict(&self) -> Option<(usize, usize)> {
        let is_late =
            |heard: Option<Duration>| heard.is_some_and(|at| self.now > at + STEP_DOWN_DELAY);
        let pairs = (0..COUNT).flat_map(|one| (one + 1..COUNT).map(move |other| (one, other)));
        pairs
            .filter(|(one, other)| self.serves(*one) && self.serves(*other))
            // Of two that yield, the one with the higher address steps down.
            .find(|(one, other)| is_late(self.heard[*other][*one]))
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    prop::sample::select(vec![
        Policy::Auto,
        Policy::Server,
        Policy::Proxy,
        Policy::Off,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn never_do_two_servers_hear_each_other_for_long(
        forced in any::<bool>(),
        losses in any::<u64>(),
        events in prop::collection::vec(event(), 1..120),
    ) {
        let first = if forced { Policy::Server } else { Policy::Auto };
        let mut lan = Lan::new(first, losses);
        for (number, event) in events.iter().enumerate() {
            lan.happen(*event);
            prop_assert_eq!(lan.conflict(), None, "after event {}: {:?}", number, event);
        }
    }

    #[test]
    fn what_is_heard_never_makes_a_proxy_a_server_and_is_remembered_in_part(
        policy in policy(),
        heard in prop::collection::vec((any::<[u8; 4]>(), 0..5_u8, any::<u32>()), 0..300),
        times in prop::collection::vec(any::<u64>(), 1..20),
    ) {
        let now = |number: usize| Duration::from_millis(times[number % times.len()]);
        let mut detection = ServerDetection::new(policy, address(0), Mac([2; 6]), now(0));
        for (number, (address, kind, xid)) in heard.into_iter().enumerate() {
            let (address, now) = (Ipv4Addr::from(address), now(number));
            let before = detection.mode();
            match kind {
                0 => drop(detection.on_other_server(OtherServer::Dhcp(address), now)),
                1 => drop(detection.on_other_server(OtherServer::Proxy(address), now)),
                2 => {
                    let role = [Role::Yields, Role::Stays, Role::Proxy][number % 3];
                    detection.on_announcement(Announcement { address, role }, now);
                }
                3 => {
                    let mut packet = Packet::parse(&detection.probe(xid)).unwrap();
                    assert!(detection.is_own_probe(&packet));
                    let message = if number % 2 == 0 { MessageType::Discover } else { MessageType::Request };
                    packet.options.set(crate::dhcp::Code::MESSAGE_TYPE, [message.into()]);
                    packet.options.set(crate::dhcp::Code::SERVER_ID, address.octets());
                    detection.on_client_message(&packet, &[], now);
                }
                _ => {
                    let mut bytes = detection.probe(xid);
                    bytes[0] = 2;
                    bytes.truncate(240 + number);
                    detection.on_server_message(&bytes, address, &[], now);
                }
            }
            let after = detection.mode();
            prop_assert!(before == after || after == Some(Mode::Proxy) && policy == Policy::Auto);
            prop_assert!(detection.remembered().iter().all(|count| *count <= MAX_OTHERS));
        }
        detection.on_timeout(Duration::MAX, true, false, u64::MAX);
        detection.on_timeout(Duration::ZERO, false, true, 0);
    }
}
