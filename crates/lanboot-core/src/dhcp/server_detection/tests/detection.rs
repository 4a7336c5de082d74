//! One link: who hands out addresses, and what is reported to the operator.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::super::timing::{ANNOUNCEMENT_TIME, FIRST_PROBE_PAUSE, SERVER_PROBE_PAUSE, spread};
use super::super::{Action, Announcement, MAX_OTHERS, OtherServer, Policy, Role, ServerDetection};
use crate::dhcp::Mode;
use crate::machine::Mac;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const A_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
const A: OtherServer = OtherServer::Dhcp(A_ADDRESS);
const B: OtherServer = OtherServer::Dhcp(Ipv4Addr::new(10, 0, 0, 4));
const P: OtherServer = OtherServer::Proxy(Ipv4Addr::new(10, 0, 0, 5));

struct Link {
    detection: ServerDetection,
    now: Duration,
    probes: Vec<Duration>,
    messages: Vec<String>,
    has_link: bool,
    is_off: bool,
}

impl Link {
    fn new(policy: Policy) -> Self {
        // A clock begins anywhere.
        let now = Duration::from_secs(1000);
        Self {
            detection: ServerDetection::new(policy, OWN, Mac([2; 6]), now),
            now,
            probes: Vec::new(),
            messages: Vec::new(),
            has_link: true,
            is_off: false,
        }
    }

    fn perform(&mut self, action: Action) {
        if action.probe {
            self.probes.push(self.now);
        }
        let message = action.diagnostic.map(|d| d.message("eth0"));
        self.messages.extend(message);
    }

    /// Lets time pass, doing what is due.
    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(next) = self.detection.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            let random = self.probes.len() as u64 * 7919;
            let action = self
                .detection
                .on_timeout(self.now, self.has_link, self.is_off, random);
            self.perform(action);
        }
        self.now = end;
    }

    fn hear(&mut self, other: OtherServer) {
        let action = self.detection.on_other_server(other, self.now);
        self.perform(action);
    }

    fn announce(&mut self, address: Ipv4Addr, role: Role) {
        self.detection
            .on_announcement(Announcement { address, role }, self.now);
    }

    fn reload(&mut self) {
        let action = self.detection.on_reload(self.now);
        self.perform(action);
    }

    fn link_up(&mut self) {
        let action = self.detection.on_link_up(self.now);
        self.perform(action);
    }

    fn last(&self) -> &str {
        self.messages.last().map_or("", String::as_str)
    }
}

#[test]
fn a_server_without_a_cable_says_so_once_and_when_it_has_one() {
    let mut link = Link::new(Policy::Server);
    link.has_link = false;
    // A card that was just switched on looks for its link.
    link.pass(3);
    assert!(link.messages.is_empty(), "{:?}", link.messages);
    link.pass(600);
    assert_eq!(link.messages.len(), 1, "{:?}", link.messages);
    assert!(
        link.last()
            .starts_with("eth0 has no link (is the cable plugged in?): no machine")
    );
    link.has_link = true;
    link.link_up();
    assert_eq!(link.last(), "eth0 has a link now");
    // Pulled out for a moment is no news; for longer it is, and switched off is another thing.
    link.detection.on_link_lost(link.now);
    link.pass(60);
    assert_eq!(link.messages.len(), 2, "{:?}", link.messages);
    link.has_link = false;
    link.detection.on_link_lost(link.now);
    link.is_off = true;
    link.pass(9);
    assert!(
        link.last()
            .starts_with("eth0 is switched off (ip link set eth0 up): no machine")
    );
    assert_eq!(link.detection.mode(), Some(Mode::Server));
}

#[test]
fn silence_after_questions_that_never_left_or_could_not_be_heard_counts_for_nothing() {
    let mut link = Link::new(Policy::Auto);
    for _ in 0..60 {
        link.detection.on_probe_not_sent();
        link.pass(1);
    }
    assert_eq!(link.detection.mode(), None, "{:?}", link.messages);
    assert!(link.detection.is_decided(), "nobody waits for it");
    link.pass(9);
    assert_eq!(
        link.detection.mode(),
        Some(Mode::Server),
        "questions leave again"
    );
    // A part of a bridge has no link of its own.
    link.detection.on_enslaved(link.now);
    link.has_link = false;
    let messages = link.messages.len();
    link.pass(60);
    assert_eq!(
        (link.detection.mode(), link.messages.len()),
        (Some(Mode::Proxy), messages)
    );
    link.has_link = true;
    link.link_up();
    link.pass(9);
    assert_eq!(link.detection.mode(), Some(Mode::Server));
}

#[test]
fn a_server_whose_cable_was_out_asks_before_it_goes_on() {
    let alone = || {
        let mut link = Link::new(Policy::Auto);
        link.pass(20);
        assert_eq!(link.detection.mode(), Some(Mode::Server));
        link
    };
    // For long: nothing is heard meanwhile, and nothing counts.
    let mut link = alone();
    link.has_link = false;
    link.detection.on_link_lost(link.now);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy), "at once");
    link.pass(60);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    assert!(link.last().starts_with("eth0 has no link"));
    link.has_link = true;
    let probes = link.probes.len();
    link.link_up();
    assert!(link.last().contains("asking who hands out"));
    link.pass(3);
    assert!(link.probes.len() > probes + 2, "at once, and again");
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    let mut elsewhere = link;
    elsewhere.hear(A);
    elsewhere.pass(60);
    assert_eq!(
        elsewhere.detection.mode(),
        Some(Mode::Proxy),
        "{}",
        elsewhere.last()
    );
    assert!(
        elsewhere
            .messages
            .iter()
            .any(|said| said.contains("10.0.0.3"))
    );

    // For a moment, and nobody is there: a server again as soon as that is known.
    let mut link = alone();
    link.detection.on_link_lost(link.now);
    link.link_up();
    link.pass(3);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    link.pass(2);
    assert_eq!(link.detection.mode(), Some(Mode::Server));
    assert!(
        link.last()
            .contains("no other DHCP server answers on eth0 any more")
    );
}

#[test]
fn a_cable_that_was_out_changes_nothing_for_a_proxy_or_a_configured_server() {
    for (policy, mode) in [(Policy::Server, Mode::Server), (Policy::Auto, Mode::Proxy)] {
        let mut link = Link::new(policy);
        link.hear(A);
        link.pass(20);
        let probes = link.probes.len();
        link.detection.on_link_lost(link.now);
        link.link_up();
        link.pass(20);
        assert_eq!(link.detection.mode(), Some(mode), "{policy:?}");
        // Who serves by order warns of others there, too, and soon.
        assert_eq!(link.probes.len() > probes, policy == Policy::Server);
    }
}

#[test]
fn silence_makes_a_server_and_an_answer_makes_a_proxy() {
    let mut link = Link::new(Policy::Auto);
    link.pass(3);
    assert_eq!(link.detection.mode(), None);
    assert!(
        link.probes.len() >= 3,
        "asked more than once: {:?}",
        link.probes
    );
    link.pass(2);
    assert_eq!(link.detection.mode(), Some(Mode::Server));
    assert!(
        link.last()
            .starts_with("no other DHCP server answers on eth0: ")
    );

    let mut link = Link::new(Policy::Auto);
    link.pass(1);
    link.hear(P);
    assert_eq!(link.detection.mode(), None, "a proxy is no server");
    link.hear(A);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    assert!(link.last().contains("10.0.0.3") && link.last().contains("leaves that to it"));
    let probes = link.probes.len();
    link.pass(3600);
    assert_eq!(link.probes.len(), probes, "a proxy disturbs nobody");
}

#[test]
fn a_server_asks_on_and_steps_down_once() {
    let mut link = Link::new(Policy::Auto);
    link.pass(1000);
    let pauses: Vec<Duration> = link
        .probes
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect();
    assert!(
        pauses.iter().all(|pause| *pause <= SERVER_PROBE_PAUSE),
        "{pauses:?}"
    );
    assert!(
        (99..150).contains(&link.probes.len()),
        "{}",
        link.probes.len()
    );
    link.hear(A);
    link.pass(1);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    assert!(
        link.last()
            .contains("a second DHCP server, 10.0.0.3, answers on eth0")
    );
    // Gone, back, another, a thousand forged ones: no more than a few lines, and no way back.
    let messages = link.messages.len();
    for number in 0..1000u32 {
        link.pass(100);
        link.hear(A);
        link.hear(OtherServer::Dhcp(Ipv4Addr::from_bits(number << 8 | 1)));
        link.hear(OtherServer::Proxy(Ipv4Addr::from_bits(number << 8 | 2)));
        assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    }
    assert!(
        link.messages.len() <= messages + MAX_OTHERS,
        "{:?}",
        link.messages
    );
    assert!(link.detection.remembered()[0] <= MAX_OTHERS);
}

#[test]
fn only_the_operator_makes_it_a_server_again() {
    let mut link = Link::new(Policy::Auto);
    link.pass(10);
    link.hear(A);
    link.pass(1);
    link.reload();
    assert_eq!(
        link.detection.mode(),
        Some(Mode::Proxy),
        "until it is known"
    );
    link.pass(1);
    link.hear(A);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    assert!(
        link.last()
            .starts_with("the DHCP server 10.0.0.3 hands out")
    );
    link.pass(1000);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    link.reload();
    link.pass(5);
    assert_eq!(link.detection.mode(), Some(Mode::Server));
    assert!(
        link.last()
            .starts_with("no other DHCP server answers on eth0 any more")
    );
    // While it hands out addresses, the question costs nothing.
    link.reload();
    assert_eq!(link.detection.mode(), Some(Mode::Server));
    link.hear(B);
    link.pass(1);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
}

#[test]
fn a_mode_named_outright_stays_and_warns_now_and_then() {
    let mut link = Link::new(Policy::Server);
    assert_eq!(link.detection.mode(), Some(Mode::Server));
    for _ in 0..1200 {
        link.pass(1);
        link.hear(A);
    }
    assert_eq!(link.detection.mode(), Some(Mode::Server));
    assert_eq!(link.messages.len(), 2, "{:?}", link.messages);
    assert!(link.last().contains("conflicting addresses"));
    assert!(
        (19..30).contains(&link.probes.len()),
        "{}",
        link.probes.len()
    );
    link.reload();
    link.pass(10);
    assert_eq!(link.detection.mode(), Some(Mode::Server));

    let mut link = Link::new(Policy::Proxy);
    link.pass(5);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    assert!(link.last().starts_with("no DHCP server answers on eth0"));
    link.pass(1000);
    assert_eq!(link.messages.len(), 1);
}

#[test]
fn silence_on_a_cable_that_is_not_there_says_nothing() {
    let mut link = Link::new(Policy::Auto);
    link.has_link = false;
    assert!(!link.detection.is_decided());
    link.pass(60);
    assert_eq!((link.detection.mode(), link.messages.len()), (None, 1));
    assert!(
        link.detection.is_decided(),
        "a decision that must wait is not waited for"
    );
    link.has_link = true;
    link.pass(9);
    assert_eq!(link.detection.mode(), Some(Mode::Server));
}

#[test]
fn a_cable_plugged_in_at_the_last_moment_is_asked_before_silence_counts() {
    let mut link = Link::new(Policy::Auto);
    link.has_link = false;
    // Three questions and nearly the whole wait go by without a cable.
    link.pass(3);
    link.has_link = true;
    link.pass(1);
    assert_eq!(link.detection.mode(), None, "no question reached anybody");
    link.pass(1);
    link.hear(A);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
}

#[test]
fn of_two_that_hear_each_other_at_once_one_stays() {
    let higher = Ipv4Addr::new(10, 0, 0, 3);
    let lower = Ipv4Addr::new(10, 0, 0, 0);
    let meeting = |address, role| {
        let mut link = Link::new(Policy::Auto);
        link.pass(4);
        link.announce(address, role);
        link.hear(OtherServer::Dhcp(address));
        link.pass(2);
        link
    };
    let mut stays = meeting(higher, Role::Yields);
    assert_eq!(stays.detection.mode(), Some(Mode::Server));
    let steps_down = meeting(lower, Role::Yields);
    assert_eq!(steps_down.detection.mode(), Some(Mode::Proxy));
    assert_eq!(steps_down.detection.announcement().role, Role::Proxy);
    // One that is configured to serve does not step down, no matter who asks.
    let beside = meeting(higher, Role::Stays);
    assert_eq!(beside.detection.mode(), Some(Mode::Proxy));
    // What it said long ago says nothing of what answers at its address now.
    stays.hear(A);
    stays.pass(2);
    assert_eq!(stays.detection.mode(), Some(Mode::Server));
    stays.pass(ANNOUNCEMENT_TIME.as_secs());
    stays.hear(A);
    stays.pass(2);
    assert_eq!(stays.detection.mode(), Some(Mode::Proxy));
    // Who starts beside one that serves leaves it to that, whatever its address.
    let mut link = Link::new(Policy::Auto);
    let role = Role::Yields;
    let address = higher;
    link.announce(address, role);
    link.pass(1);
    link.hear(OtherServer::Dhcp(higher));
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    for number in 0..1000 {
        let address = Ipv4Addr::from_bits(number);
        link.announce(address, role);
    }
    assert_eq!(link.detection.remembered()[1], MAX_OTHERS);
}

#[test]
fn another_server_is_asked_who_it_is_before_it_counts() {
    let mut link = Link::new(Policy::Auto);
    link.pass(20);
    let probes = link.probes.len();
    link.hear(A);
    assert_eq!(link.probes.len(), probes + 1, "at once");
    assert_eq!(link.detection.mode(), Some(Mode::Server));
    // It says that it is a lanboot which steps down, or that it has.
    for role in [Role::Yields, Role::Proxy] {
        let address = A_ADDRESS;
        link.announce(address, role);
        link.pass(60);
        assert_eq!(link.detection.mode(), Some(Mode::Server), "{role:?}");
        link.hear(A);
    }
    let probes = link.probes.len();
    link.hear(B);
    for _ in 0..100 {
        link.hear(A);
    }
    assert_eq!(link.probes.len(), probes, "however many are heard");
    link.pass(1);
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    assert_eq!(link.probes.len(), probes + 4, "and once to say so");
    assert!(link.last().contains("a second DHCP server, 10.0.0.3"));
    // After a thousand forged reports it remembers a few.
    let mut link = Link::new(Policy::Auto);
    link.pass(20);
    for number in 0..1000u32 {
        link.hear(OtherServer::Dhcp(Ipv4Addr::from_bits(number << 8 | 1)));
    }
    assert_eq!(link.detection.remembered()[2], MAX_OTHERS);
}

#[test]
fn two_that_start_together_ask_again_at_different_times() {
    let pauses: Vec<Duration> = (0..1000)
        .map(|random| spread(FIRST_PROBE_PAUSE, random))
        .collect();
    let least = pauses.iter().min().unwrap();
    let most = pauses.iter().max().unwrap();
    assert!(
        *most <= FIRST_PROBE_PAUSE && *most - *least > Duration::from_secs(2),
        "{least:?} {most:?}"
    );
    assert_eq!(spread(SERVER_PROBE_PAUSE, 0), Duration::from_millis(7500));
}

#[test]
fn a_link_that_is_lost_does_not_leave_the_addresses_to_another_server() {
    let mut link = Link::new(Policy::Auto);
    assert!(!link.detection.is_beside_another());
    link.pass(60);
    assert_eq!(link.detection.mode(), Some(Mode::Server));
    link.has_link = false;
    link.detection.on_link_lost(link.now);
    link.pass(60);
    // It answers as a proxy until it has looked.
    assert_eq!(link.detection.mode(), Some(Mode::Proxy));
    assert!(!link.detection.is_beside_another());
    link.has_link = true;
    link.link_up();
    link.pass(60);
    assert!(!link.detection.is_beside_another());
    link.hear(A);
    link.pass(10);
    assert!(link.detection.is_beside_another());
    // Another one was there first.
    let mut link = Link::new(Policy::Auto);
    link.hear(A);
    assert!(link.detection.is_beside_another());
    for (policy, expected) in [
        (Policy::Proxy, true),
        (Policy::Server, false),
        (Policy::Off, false),
    ] {
        let mut link = Link::new(policy);
        assert_eq!(link.detection.is_beside_another(), expected, "{policy:?}");
        link.pass(60);
        link.detection.on_link_lost(link.now);
        assert_eq!(link.detection.is_beside_another(), expected, "{policy:?}");
    }
}
