//! Relays that send to each other pass one message on again and again, hundreds of times until it
//! has made its 16 hops. It is answered once.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use lanboot_core::dhcp::{MessageType, Packet};
use tokio::time::Instant;

/// A machine asks again after a second or more; a loop takes milliseconds.
const MOMENT: Duration = Duration::from_millis(250);
/// Messages remembered: a classroom behind one relay that is switched on at once.
const MAX: usize = 256;

/// What a relay passes on unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    chaddr: [u8; 16],
    xid: u32,
    relay: Ipv4Addr,
    message: Option<MessageType>,
}

/// Relayed messages of the last moment.
#[derive(Debug, Default)]
pub(super) struct Recent {
    seen: VecDeque<(Key, Instant)>,
}

impl Recent {
    /// Whether this relayed message came a moment ago. Remembers it when not; messages without
    /// a relay never count.
    pub(super) fn is_copy(&mut self, packet: &Packet, now: Instant) -> bool {
        if !packet.is_relayed() {
            return false;
        }
        let key = Key {
            chaddr: packet.chaddr,
            xid: packet.xid,
            relay: packet.giaddr,
            message: packet.message_type(),
        };
        while self.seen.front().is_some_and(|(_, at)| now >= *at + MOMENT) {
            self.seen.pop_front();
        }
        if self.seen.iter().any(|(seen, _)| *seen == key) {
            return true;
        }
        if self.seen.len() >= MAX {
            self.seen.pop_front();
        }
        self.seen.push_back((key, now));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::dhcp::question::{Peer, Stand, discover};
    use lanboot_core::machine::Mac;
    use std::net::Ipv4Addr;

    fn message(xid: u32, relay: u8) -> Packet {
        let peer = Peer {
            address: Ipv4Addr::LOCALHOST,
            stand: Stand::Yields,
        };
        let mut bytes = discover(xid, Mac([2; 6]), peer);
        bytes[24..28].copy_from_slice(&[10, 0, 0, relay]);
        Packet::parse(&bytes).unwrap()
    }

    #[test]
    fn a_loop_is_answered_once_and_a_second_try_again() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        assert!(!recent.is_copy(&message(1, 1), now));
        let mut again = message(1, 1);
        again.hops = 9;
        assert!(recent.is_copy(&again, now));
        assert!(!recent.is_copy(&message(1, 2), now), "another relay");
        assert!(!recent.is_copy(&message(2, 1), now), "another question");
        assert!(!recent.is_copy(&again, now + MOMENT), "asked again");
        let mut direct = message(3, 1);
        direct.giaddr = Ipv4Addr::UNSPECIFIED;
        assert!(!recent.is_copy(&direct, now) && !recent.is_copy(&direct, now));
        for xid in 0..10_000 {
            recent.is_copy(&message(xid, 3), now + MOMENT);
        }
        assert!(recent.seen.len() <= MAX);
    }
}
