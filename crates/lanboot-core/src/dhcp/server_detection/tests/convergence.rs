//! Several lanboots and a foreign server on one LAN, in virtual time: exactly one ends up handing out
//! addresses, whichever message comes first. Only [`ServerDetection`] is real; how servers and the
//! wire behave is simulated here.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::super::{Action, Announcement, OtherServer, Policy, ServerDetection};
use crate::dhcp::Mode;
use crate::machine::Mac;

const FOREIGN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 200);
/// Milliseconds until all have decided: the longest pause between probes, dnsmasq's ping, and the
/// delay before stepping down.
const DECIDED: u64 = 10_000 + 3_000 + 1_000 + 500;

/// An event, and the lanboot it happens to.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A lanboot's timeout is due.
    Timeout(usize),
    /// A lanboot's probe arrives at another.
    Probe(usize, Announcement),
    /// A lanboot makes an offer, if it still serves then.
    Offer(usize),
    /// So does the foreign server, if it is still there.
    Foreign,
    /// An offer arrives at a lanboot.
    OfferHeard(usize, Ipv4Addr),
    /// A machine sends a DHCPDISCOVER to all.
    Machine,
    /// The foreign server is switched on or off.
    Switch(bool),
    /// Two LANs become one.
    Join,
    /// SIGHUP for one.
    Reload(usize),
}

struct Lan {
    now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    count: u64,
    random: u64,
    lanboots: Vec<ServerDetection>,
    /// The first is apart from the others.
    is_split: bool,
    has_foreign: bool,
}

impl Lan {
    fn new(seed: u64, addresses: &[u8]) -> Self {
        let mut lan = Self {
            now: 0,
            queue: BTreeMap::new(),
            count: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            lanboots: Vec::new(),
            is_split: false,
            has_foreign: false,
        };
        for (number, last) in addresses.iter().enumerate() {
            let late = lan.below(6_000);
            let (at, own) = (Duration::from_millis(late), [10, 0, 0, *last]);
            let detection = ServerDetection::new(Policy::Auto, own.into(), Mac([2; 6]), at);
            lan.lanboots.push(detection);
            lan.after(late, Event::Timeout(number));
        }
        lan
    }

    /// xorshift64*.
    fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn after(&mut self, pause: u64, event: Event) {
        self.count += 1;
        self.queue.insert((self.now + pause, self.count), event);
    }

    fn time(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    fn reach(&self, from: usize, to: usize) -> bool {
        from != to && !(self.is_split && (from == 0) != (to == 0))
    }

    /// Delivers something to all that hear lanboot `from`.
    fn broadcast(&mut self, from: usize, event: impl Fn(usize) -> Event) {
        for to in 0..self.lanboots.len() {
            if self.reach(from, to) {
                let latency = self.below(3);
                self.after(latency, event(to));
            }
        }
    }

    fn perform(&mut self, number: usize, action: Action) {
        if action.probe {
            let own = self.lanboots[number].announcement();
            self.broadcast(number, |to| Event::Probe(to, own));
            if self.has_foreign {
                let ping = self.below(3_000);
                self.after(ping, Event::Foreign);
            }
        }
        let now = self.time();
        if let Some(next) = self.lanboots[number].next_timeout() {
            let pause = next.saturating_sub(now).as_millis();
            let pause = u64::try_from(pause).unwrap();
            self.after(pause + 1, Event::Timeout(number));
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.time();
        match event {
            Event::Timeout(number) => {
                let is_due = self.lanboots[number]
                    .next_timeout()
                    .is_some_and(|next| next <= now);
                if is_due {
                    let random = self.below(1 << 20);
                    let action = self.lanboots[number].on_timeout(now, true, false, random);
                    self.perform(number, action);
                }
            }
            Event::Probe(number, announcement) => {
                self.lanboots[number].on_announcement(announcement, now);
                self.offer(number);
            }
            Event::Offer(number) if self.lanboots[number].mode() == Some(Mode::Server) => {
                let own = self.lanboots[number].announcement().address;
                self.broadcast(number, |to| Event::OfferHeard(to, own));
            }
            Event::Foreign if self.has_foreign => {
                for to in 0..self.lanboots.len() {
                    self.after(1, Event::OfferHeard(to, FOREIGN));
                }
            }
            Event::OfferHeard(number, server) => {
                let action = self.lanboots[number].on_other_server(OtherServer::Dhcp(server), now);
                self.perform(number, action);
            }
            Event::Machine => {
                for number in 0..self.lanboots.len() {
                    self.offer(number);
                }
                if self.has_foreign {
                    self.after(1, Event::Foreign);
                }
                let pause = self.below(8_000);
                self.after(pause, Event::Machine);
            }
            Event::Switch(on) => self.has_foreign = on,
            Event::Join => self.is_split = false,
            Event::Reload(number) => {
                let action = self.lanboots[number].on_reload(now);
                self.perform(number, action);
            }
            Event::Offer(_) | Event::Foreign => {}
        }
    }

    /// At once, or after the probe for the address.
    fn offer(&mut self, number: usize) {
        let pause = if self.below(2) == 0 { 0 } else { 300 };
        let jitter = self.below(3);
        self.after(pause + jitter, Event::Offer(number));
    }

    /// Lets time pass until `end`, in milliseconds since the start.
    fn until(&mut self, end: u64) {
        while let Some(entry) = self.queue.first_entry() {
            let (at, _) = *entry.key();
            if at > end {
                break;
            }
            let event = entry.remove();
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = end;
    }

    fn servers(&self) -> usize {
        let serves = |lanboot: &&ServerDetection| lanboot.mode() == Some(Mode::Server);
        self.lanboots.iter().filter(serves).count()
    }
}

/// Every order of addresses.
const LANS: [&[u8]; 4] = [&[1, 2], &[2, 1], &[1, 2, 3], &[3, 1, 2]];

fn lans() -> impl Iterator<Item = (u64, Lan)> {
    let seeds = (1..400u64).flat_map(|seed| LANS.map(|addresses| (seed, addresses)));
    seeds.map(|(seed, addresses)| (seed, Lan::new(seed, addresses)))
}

#[test]
fn lanboots_that_start_together_become_one_server() {
    for (seed, mut lan) in lans() {
        lan.after(0, Event::Machine);
        lan.until(6_000 + 4_000 + DECIDED);
        for _ in 0..20 {
            assert_eq!(lan.servers(), 1, "seed {seed}, {} ms", lan.now);
            lan.until(lan.now + 5_000);
        }
    }
}

#[test]
fn lanboots_whose_lans_are_joined_become_one_server() {
    for (seed, mut lan) in lans() {
        lan.is_split = true;
        lan.after(0, Event::Machine);
        lan.until(6_000 + 4_000 + DECIDED);
        assert_eq!(lan.servers(), 2, "seed {seed}: one on each");
        let pause = lan.below(10_000);
        lan.after(pause, Event::Join);
        lan.until(lan.now + pause + DECIDED);
        for _ in 0..20 {
            assert_eq!(lan.servers(), 1, "seed {seed}, {} ms", lan.now);
            lan.until(lan.now + 5_000);
        }
    }
}

#[test]
fn a_foreign_server_silences_all_and_after_it_one_serves_again_on_command() {
    for (seed, mut lan) in lans() {
        lan.after(0, Event::Machine);
        let comes = lan.below(30_000);
        lan.after(comes, Event::Switch(true));
        lan.until(comes + 10_000 + DECIDED);
        assert_eq!(lan.servers(), 0, "seed {seed}: beside a foreign server");
        // It goes, comes back, goes: nobody serves unasked.
        for (pause, on) in [(1_000, false), (9_000, true), (20_000, false)] {
            lan.after(pause, Event::Switch(on));
        }
        lan.until(lan.now + 60_000);
        assert_eq!(lan.servers(), 0, "seed {seed}: unasked");
        for number in 0..lan.lanboots.len() {
            let pause = lan.below(8_000);
            lan.after(pause, Event::Reload(number));
        }
        lan.until(lan.now + 8_000 + 4_000 + DECIDED);
        for _ in 0..20 {
            assert_eq!(
                lan.servers(),
                1,
                "seed {seed}: after SIGHUP, {} ms",
                lan.now
            );
            lan.until(lan.now + 5_000);
        }
    }
}
