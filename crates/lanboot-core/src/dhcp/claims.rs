//! Claims to addresses by answers to probes. One answer says that an address is in use; answers for
//! many addresses from one place say something about that place: a router with proxy ARP, which
//! answers for everything (<https://github.com/lwip-tcpip/lwip/pull/95>), a firewall that answers
//! pings for a whole network, or an attacker. The addresses it blocked are then free again.
//!
//! A machine may have several addresses of the range by hand, or answer ARP for the machines behind
//! it. So three addresses answered for by ARP are always believed, and a further one is asked by ping
//! as well: behind proxy ARP nobody answers that. Where the ping is silent, each later answer by ARP
//! is checked by ping, too: the router itself may have an address of the range, and so may somebody
//! whom it answers before.
//!
//! Something that answers both ARP and pings for everything leaves no probe unanswered. So only
//! [`ANSWERS_ALL`] addresses without a silent one among them are suspicious, and before the answers of
//! that hardware address are ignored it is asked for an address that another machine has from here: a
//! machine with many addresses does not answer for that one. Pings over a relay show no hardware
//! address: there the answers of a network count together, and only while no address asked there is
//! silent.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::config::Subnet;
use crate::machine::Mac;

/// Time in seconds for which an address that answered a check is left alone.
pub const IN_USE_TIME: u64 = 600;
/// From so many addresses of one hardware address on an answer by ARP is doubted; fewer where the
/// pool has no more.
const DOUBTED: usize = 4;
/// So many addresses without a silent one among them nobody has, unless nearly all are taken.
const ANSWERS_ALL: usize = 8;
/// So many addresses side by side and apart are not all in use behind a relay, unless there are
/// hardly more.
const PINGS_ALL: usize = 12;
/// Time in seconds for which a claimant that answered for nobody is not believed after its last
/// such answer.
const DISBELIEF_TIME: u64 = 3600;
/// Places remembered; of more, the one heard longest ago is forgotten.
const MAX_CLAIMANTS: usize = 256;

/// The origin of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Claimant {
    /// By ARP, this hardware address.
    Mac(Mac),
    /// By ping, the network behind a relay, by its own address.
    Network(Ipv4Addr),
}

/// The value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// The address is in use.
    InUse,
    /// A ping has to say the same.
    Doubtful,
    /// Nothing: who answered has answered for all of these, the last one included, or is ignored
    /// already.
    Nothing(Vec<Ipv4Addr>),
}

/// Most addresses remembered of one place; of more, the one heard first is forgotten.
const MAX_ADDRESSES: usize = 32;

/// Answers of late, from at most [`MAX_CLAIMANTS`] places, [`MAX_ADDRESSES`] addresses each.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(HashMap<Claimant, Claim>);

#[derive(Clone, Debug, Default)]
struct Claim {
    /// In the order of the first answers.
    addresses: Vec<Answered>,
    trust: Trust,
    latest: u64,
}

/// An address somebody answered for.
#[derive(Clone, Copy, Debug)]
struct Answered {
    address: Ipv4Addr,
    /// Time, in seconds since 1970.
    at: u64,
    /// A ping said the same.
    is_confirmed: bool,
    /// Something was silent since: it is no sign of somebody who answers for everything.
    is_cleared: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trust {
    /// Up to a number of addresses.
    #[default]
    Some,
    /// Each answer is checked.
    Little,
    /// None counts.
    None,
}

impl Claims {
    /// Takes in an answer for an address nobody was given. `pool` is how many addresses can be
    /// asked for.
    pub(super) fn answered(
        &mut self,
        who: Claimant,
        address: Ipv4Addr,
        pool: usize,
        now: u64,
    ) -> Worth {
        self.make_room(who);
        let claim = self.0.entry(who).or_default();
        claim.expire(now);
        claim.latest = now;
        claim.add(address, now);
        let is_many = match who {
            Claimant::Mac(_) => claim.uncleared() >= ANSWERS_ALL,
            // A small pool may well be full of machines with addresses by hand.
            Claimant::Network(_) => claim.uncleared() >= PINGS_ALL && pool > 2 * PINGS_ALL,
        };
        let count = claim.addresses.len();
        if claim.trust == Trust::None || is_many {
            return Worth::Nothing(claim.lower(Trust::None));
        }
        let is_doubted = claim.trust == Trust::Little || count >= DOUBTED.min(pool.max(2));
        match who {
            Claimant::Mac(_) if is_doubted => Worth::Doubtful,
            Claimant::Mac(_) | Claimant::Network(_) => Worth::InUse,
        }
    }

    /// Returns whether an answer of `mac` for `address` would be the one from which on it is
    /// ignored.
    pub(super) fn would_be_ignored(&mut self, mac: Mac, address: Ipv4Addr, now: u64) -> bool {
        let Some(claim) = self.0.get_mut(&Claimant::Mac(mac)) else {
            return false;
        };
        claim.expire(now);
        let mut known = claim.addresses.iter();
        let is_new = !known.any(|known| known.address == address);
        claim.trust != Trust::None && claim.uncleared() + usize::from(is_new) >= ANSWERS_ALL
    }

    /// `mac` does not answer for everything.
    pub(super) fn clear(&mut self, mac: Mac) {
        if let Some(claim) = self.0.get_mut(&Claimant::Mac(mac)) {
            claim.clear(|_| true);
        }
    }

    /// A ping confirmed what `mac` answered by ARP.
    pub(super) fn confirmed(&mut self, mac: Mac, address: Ipv4Addr) {
        let claim = self.0.get_mut(&Claimant::Mac(mac));
        let mut known = claim.into_iter().flat_map(|claim| &mut claim.addresses);
        if let Some(known) = known.find(|known| known.address == address) {
            known.is_confirmed = true;
        }
    }

    /// A ping to an address was silent for which a doubted hardware address had answered. Returns
    /// what it has answered for by ARP alone, and whether that is news.
    pub(super) fn refuted(&mut self, mac: Mac, now: u64) -> (Vec<Ipv4Addr>, bool) {
        self.make_room(Claimant::Mac(mac));
        let claim = self.0.entry(Claimant::Mac(mac)).or_default();
        claim.latest = now;
        let is_news = claim.trust == Trust::Some;
        // It does not answer pings for everything.
        claim.clear(|_| true);
        claim.trust = Trust::Little;
        let (confirmed, blocked) = claim.addresses.iter().partition(|a| a.is_confirmed);
        claim.addresses = confirmed;
        (addresses(blocked), is_news)
    }

    /// An address of a network on the wire was silent by ARP: nobody there answers for everything.
    pub(super) fn silent_by_arp(&mut self, subnet: &Subnet) {
        for (who, claim) in &mut self.0 {
            if matches!(who, Claimant::Mac(_)) && claim.trust != Trust::None {
                claim.clear(|address| subnet.contains(address));
            }
        }
    }

    /// An address of this network was silent: what answers there does not answer for all.
    pub(super) fn silent(&mut self, network: Ipv4Addr) {
        let who = Claimant::Network(network);
        if self.0.get(&who).is_some_and(|c| c.trust == Trust::Some) {
            self.0.remove(&who);
        }
    }

    /// Returns whether an answer from there counts for nothing.
    pub(super) fn is_ignored(&mut self, who: Claimant, now: u64) -> bool {
        let Some(claim) = self.0.get_mut(&who) else {
            return false;
        };
        claim.expire(now);
        let is_ignored = claim.trust == Trust::None;
        if is_ignored {
            claim.latest = now;
        }
        is_ignored
    }

    fn make_room(&mut self, who: Claimant) {
        if self.0.len() < MAX_CLAIMANTS || self.0.contains_key(&who) {
            return;
        }
        let first = self.0.iter().min_by_key(|(_, claim)| claim.latest);
        if let Some(first) = first.map(|(who, _)| *who) {
            self.0.remove(&first);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Claim {
    fn add(&mut self, address: Ipv4Addr, now: u64) {
        if self.addresses.iter().any(|known| known.address == address) {
            return;
        }
        if self.addresses.len() >= MAX_ADDRESSES {
            self.addresses.remove(0);
        }
        self.addresses.push(Answered {
            address,
            at: now,
            is_confirmed: false,
            is_cleared: false,
        });
    }

    /// Returns how many addresses speak for somebody who answers for everything.
    fn uncleared(&self) -> usize {
        self.addresses.iter().filter(|a| !a.is_cleared).count()
    }

    fn clear(&mut self, is_meant: impl Fn(Ipv4Addr) -> bool) {
        for known in &mut self.addresses {
            known.is_cleared |= is_meant(known.address);
        }
    }

    /// Forgets what is long ago, or from before the clock was set back.
    fn expire(&mut self, now: u64) {
        let is_within = |at: u64, secs| now.checked_sub(at).is_some_and(|age| age <= secs);
        self.addresses
            .retain(|known| is_within(known.at, IN_USE_TIME));
        if !is_within(self.latest, DISBELIEF_TIME) {
            self.trust = Trust::Some;
        }
    }

    fn lower(&mut self, trust: Trust) -> Vec<Ipv4Addr> {
        self.trust = trust;
        addresses(std::mem::take(&mut self.addresses))
    }
}

fn addresses(answered: Vec<Answered>) -> Vec<Ipv4Addr> {
    answered.into_iter().map(|known| known.address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Claimant = Claimant::Mac(Mac([2; 6]));
    const FAR: Claimant = Claimant::Network(Ipv4Addr::new(10, 9, 0, 0));

    fn host(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 9, 0, last)
    }

    #[test]
    fn three_addresses_are_believed_and_more_are_doubted() {
        let mut claims = Claims::default();
        for last in [1, 2, 3, 2, 1, 3] {
            assert_eq!(claims.answered(WHO, host(last), 50, 100), Worth::InUse);
        }
        assert_eq!(claims.answered(WHO, host(4), 50, 100), Worth::Doubtful);
        // Those of long ago do not count.
        let later = 101 + IN_USE_TIME;
        assert_eq!(claims.answered(WHO, host(5), 50, later), Worth::InUse);
        // With a pool of two or three all of it is enough.
        let mut claims = Claims::default();
        assert_eq!(claims.answered(WHO, host(1), 2, 100), Worth::InUse);
        assert_eq!(claims.answered(WHO, host(2), 2, 100), Worth::Doubtful);
        let mut claims = Claims::default();
        assert_eq!(claims.answered(WHO, host(1), 1, 100), Worth::InUse);
    }

    #[test]
    fn who_is_refuted_is_checked_each_time_for_an_hour() {
        let mac = Mac([2; 6]);
        let mut claims = Claims::default();
        for last in 1..=4 {
            claims.answered(WHO, host(last), 50, 100);
        }
        assert_eq!(
            claims.refuted(mac, 100),
            ((1..=4).map(host).collect(), true)
        );
        for (at, last) in (5..=20).enumerate() {
            let now = 200 + at as u64 * 3000;
            assert_eq!(claims.answered(WHO, host(last), 50, now), Worth::Doubtful);
            assert_eq!(claims.refuted(mac, now), (vec![host(last)], false));
            assert!(!claims.is_ignored(WHO, now));
        }
        let later = 200 + 15 * 3000 + DISBELIEF_TIME;
        assert_eq!(claims.answered(WHO, host(1), 50, later), Worth::Doubtful);
        let later = later + DISBELIEF_TIME + 1;
        assert_eq!(claims.answered(WHO, host(1), 50, later), Worth::InUse);
        assert_eq!(
            claims.answered(WHO, host(1), 50, 50),
            Worth::InUse,
            "set back"
        );
    }

    #[test]
    fn who_answers_arp_and_pings_for_all_is_ignored_for_an_hour() {
        let mut claims = Claims::default();
        for last in 1..=7 {
            let worth = claims.answered(WHO, host(last), 50, 100);
            assert!(!matches!(worth, Worth::Nothing(_)), "{last}");
            assert!(!claims.is_ignored(WHO, 100));
        }
        let all = claims.answered(WHO, host(8), 50, 100);
        assert!(matches!(all, Worth::Nothing(freed) if freed.len() == 8));
        assert!(claims.is_ignored(WHO, 100) && !claims.is_ignored(FAR, 100));
        let later = claims.answered(WHO, host(99), 50, 3000);
        assert_eq!(later, Worth::Nothing(vec![host(99)]));
        assert!(claims.is_ignored(WHO, 3000 + DISBELIEF_TIME));
        assert!(!claims.is_ignored(WHO, 3001 + 2 * DISBELIEF_TIME));
    }

    #[test]
    fn a_network_behind_a_relay_answers_for_all_only_when_nothing_there_is_silent() {
        let mut claims = Claims::default();
        for last in 1..=11 {
            assert_eq!(claims.answered(FAR, host(last), 50, 100), Worth::InUse);
        }
        claims.silent(host(0));
        for last in 12..=22 {
            assert_eq!(claims.answered(FAR, host(last), 50, 100), Worth::InUse);
        }
        let all = claims.answered(FAR, host(23), 50, 100);
        assert!(matches!(all, Worth::Nothing(addresses) if addresses.len() == 12));
        let mut claims = Claims::default();
        for last in 1..=24 {
            assert_eq!(claims.answered(FAR, host(last), 24, 100), Worth::InUse);
        }
    }

    #[test]
    fn a_silent_address_shows_that_nobody_beside_it_answers_for_everything() {
        let near = crate::dhcp::tests::subnet(10, 60);
        let mut claims = Claims::default();
        let at = |last| Ipv4Addr::new(192, 168, 77, last);
        // What was silent elsewhere says nothing.
        for last in 1..=7 {
            claims.answered(WHO, host(last), 50, 100);
        }
        claims.silent_by_arp(&near);
        assert!(matches!(
            claims.answered(WHO, host(8), 50, 100),
            Worth::Nothing(_)
        ));
        // Who is ignored is not believed again because its answers were not heard.
        claims.silent_by_arp(&near);
        assert!(claims.is_ignored(WHO, 100));
        let mut claims = Claims::default();
        for last in 1..=60 {
            if last % 7 == 0 {
                claims.silent_by_arp(&near);
            }
            let worth = claims.answered(WHO, at(last), 50, 100);
            // It is doubted as before.
            let expected = if last < 4 {
                Worth::InUse
            } else {
                Worth::Doubtful
            };
            assert_eq!(worth, expected, "{last}");
        }
        let remembered = claims.0.get(&WHO).map(|claim| claim.addresses.len());
        assert_eq!(remembered, Some(MAX_ADDRESSES));
    }

    #[test]
    fn what_a_ping_confirmed_stays_in_use_when_another_address_is_refuted() {
        let mac = Mac([2; 6]);
        let mut claims = Claims::default();
        for last in 1..=6 {
            claims.answered(WHO, host(last), 50, 100);
        }
        claims.confirmed(mac, host(4));
        claims.confirmed(mac, host(5));
        let blocked = [1, 2, 3, 6].map(host).to_vec();
        assert_eq!(claims.refuted(mac, 100), (blocked, true));
        // It does not answer pings for everything.
        for last in 7..=13 {
            assert_eq!(claims.answered(WHO, host(last), 50, 100), Worth::Doubtful);
            claims.confirmed(mac, host(last));
        }
        assert!(claims.would_be_ignored(mac, host(14), 100));
        claims.clear(mac);
        assert!(!claims.would_be_ignored(mac, host(14), 100));
    }

    #[test]
    fn places_remembered_are_bounded() {
        let mut claims = Claims::default();
        for n in 0..1000_u32 {
            let [a, b, c, d] = n.to_be_bytes();
            let who = Claimant::Mac(Mac([2, 0, a, b, c, d]));
            claims.answered(who, host(1), 50, u64::from(n));
        }
        assert_eq!(claims.len(), MAX_CLAIMANTS);
    }
}
