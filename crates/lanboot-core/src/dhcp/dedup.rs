//! Duplicate and relay-loop filter. Relays that forward to each other send one message again and
//! again, hundreds of times until it has made its 16 hops (RFC 1542 §4.1.1). It is answered once.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::wire::{MessageType, Packet};

/// Time within which a copy of a message counts as a duplicate. A machine asks again after a second
/// or more; a loop takes milliseconds.
const DUPLICATE_TIME: Duration = Duration::from_millis(250);
/// Most messages remembered: a classroom behind one relay that is switched on at once.
const MAX_MESSAGES: usize = 256;

/// The parts of a message that a relay forwards unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    chaddr: [u8; 16],
    xid: u32,
    relay: Ipv4Addr,
    message: Option<MessageType>,
}

/// The relayed messages that came within the last quarter of a second; at most 256.
#[derive(Debug, Default)]
pub struct RecentMessages {
    /// With the time each came at, the oldest first.
    seen: VecDeque<(Key, Duration)>,
}

impl RecentMessages {
    /// Returns whether this relayed message came a moment ago, and remembers it when not. Messages
    /// that no relay forwarded are never duplicates. `now` is a time since any fixed origin.
    pub fn is_duplicate(&mut self, packet: &Packet, now: Duration) -> bool {
        if !packet.is_relayed() {
            return false;
        }
        let key = Key {
            chaddr: packet.chaddr,
            xid: packet.xid,
            relay: packet.giaddr,
            message: packet.message_type(),
        };
        let is_old = |at: Duration| now >= at.saturating_add(DUPLICATE_TIME);
        while self.seen.front().is_some_and(|(_, at)| is_old(*at)) {
            self.seen.pop_front();
        }
        if self.seen.iter().any(|(seen, _)| *seen == key) {
            return true;
        }
        if self.seen.len() >= MAX_MESSAGES {
            self.seen.pop_front();
        }
        self.seen.push_back((key, now));
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::discover;
    use super::*;

    fn message(xid: u32, relay: u8) -> Packet {
        let mut packet = discover(1);
        packet.xid = xid;
        packet.giaddr = Ipv4Addr::new(10, 0, 0, relay);
        packet
    }

    #[test]
    fn a_loop_is_answered_once_and_a_second_try_again() {
        let (mut recent, now) = (RecentMessages::default(), Duration::from_secs(5));
        assert!(!recent.is_duplicate(&message(1, 1), now));
        let mut again = message(1, 1);
        again.hops = 9;
        assert!(recent.is_duplicate(&again, now));
        assert!(!recent.is_duplicate(&message(1, 2), now), "another relay");
        assert!(
            !recent.is_duplicate(&message(2, 1), now),
            "another transaction"
        );
        assert!(
            !recent.is_duplicate(&again, now + DUPLICATE_TIME),
            "asked again"
        );
        let mut direct = message(3, 1);
        direct.giaddr = Ipv4Addr::UNSPECIFIED;
        assert!(!recent.is_duplicate(&direct, now) && !recent.is_duplicate(&direct, now));
        for xid in 0..10_000 {
            recent.is_duplicate(&message(xid, 3), now + DUPLICATE_TIME);
        }
        assert!(recent.seen.len() <= MAX_MESSAGES);
    }

    proptest! {
        #[test]
        fn a_message_is_a_duplicate_exactly_while_its_first_copy_is_recent(
            steps in prop::collection::vec((0..4_u32, 0..3_u8, 0..120_u64), 0..300),
        ) {
            let (mut recent, mut now) = (RecentMessages::default(), Duration::ZERO);
            let mut answered: Vec<(u32, u8, Duration)> = Vec::new();
            for (xid, relay, pause) in steps {
                now += Duration::from_millis(pause);
                let mut packet = message(xid, relay);
                if relay == 0 {
                    packet.giaddr = Ipv4Addr::UNSPECIFIED;
                }
                let is_recent = |(x, r, at): &(u32, u8, Duration)| {
                    (*x, *r) == (xid, relay) && now < *at + DUPLICATE_TIME
                };
                let expected = relay != 0 && answered.iter().any(is_recent);
                prop_assert_eq!(recent.is_duplicate(&packet, now), expected);
                if !expected {
                    answered.push((xid, relay, now));
                }
                prop_assert!(recent.seen.len() <= MAX_MESSAGES);
            }
        }
    }
}
