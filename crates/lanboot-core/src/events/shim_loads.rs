//! Machines that load a shim again and again and nothing after it: with Secure Boot on, firmware that
//! does not trust the shim refuses it without a word on the network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::{Event, EventKind};

/// Most machines remembered; further ones are not watched until an old one is forgotten.
const MAX_WATCHED: usize = 1024;
/// Loads that are less apart are one: firmware that learns a file's size by loading it.
const APART: Duration = Duration::from_secs(3);
/// A load is forgotten after this time.
const WITHIN: Duration = Duration::from_secs(600);

/// The machines whose latest file was a shim.
#[derive(Clone, Debug, Default)]
pub struct ShimLoads {
    latest: HashMap<IpAddr, Duration>,
}

impl ShimLoads {
    /// Takes one event in; `is_shim` says whether its path is a shim's. Returns whether its machine
    /// has now loaded one twice and asked for nothing in between. A shim that runs always asks for
    /// something, be it a file that is not there.
    pub fn saw(&mut self, event: &Event, is_shim: bool) -> bool {
        let Some(ip) = event.peer.ip else {
            return false;
        };
        match &event.what {
            EventKind::Finished { .. } if is_shim => self.loaded(ip, event.at),
            EventKind::Started { .. } | EventKind::Finished { .. } | EventKind::NotFound { .. }
                if !is_shim =>
            {
                self.latest.remove(&ip);
                false
            }
            _ => false,
        }
    }

    fn loaded(&mut self, ip: IpAddr, now: Duration) -> bool {
        self.latest.retain(|_, at| now.saturating_sub(*at) < WITHIN);
        match self.latest.get(&ip) {
            Some(at) if now.saturating_sub(*at) >= APART => {
                self.latest.remove(&ip);
                true
            }
            Some(_) => false,
            None => {
                if self.latest.len() < MAX_WATCHED {
                    self.latest.insert(ip, now);
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Peer, Protocol};
    use super::*;

    fn event(ip: [u8; 4], secs: u64, what: EventKind) -> Event {
        Event {
            at: Duration::from_secs(secs),
            peer: Peer {
                mac: None,
                ip: Some(ip.into()),
            },
            what,
        }
    }

    fn finished() -> EventKind {
        EventKind::Finished {
            protocol: Protocol::Tftp,
            transfer: 1,
            path: String::new(),
            sent: 1,
            took: Duration::ZERO,
            retransmits: 0,
            file_use: Default::default(),
        }
    }

    fn not_found() -> EventKind {
        EventKind::NotFound {
            protocol: Protocol::Tftp,
            path: "revocations_sku.efi".into(),
        }
    }

    #[test]
    fn a_shim_loaded_twice_and_nothing_after_it_is_noticed() {
        let mut loads = ShimLoads::default();
        let one = [10, 0, 0, 9];
        assert!(!loads.saw(&event(one, 0, finished()), true));
        assert!(
            !loads.saw(&event([10, 0, 0, 8], 5, not_found()), false),
            "another machine"
        );
        assert!(loads.saw(&event(one, 10, finished()), true));
        assert!(
            !loads.saw(&event(one, 20, finished()), true),
            "said once for two"
        );
        // It runs: what it asks for need not be there.
        assert!(!loads.saw(&event(one, 21, not_found()), false));
        assert!(!loads.saw(&event(one, 30, finished()), true));
        // Once to learn its size, once to run it.
        assert!(!loads.saw(&event(one, 31, finished()), true));
        assert!(
            !loads.saw(&event(one, 3000, finished()), true),
            "another day"
        );
    }

    #[test]
    fn so_many_machines_are_watched_and_no_more() {
        let mut loads = ShimLoads::default();
        for ip in (0..u32::MAX).take(2 * MAX_WATCHED).map(u32::to_be_bytes) {
            assert!(!loads.saw(&event(ip, 1, finished()), true));
        }
        assert_eq!(loads.latest.len(), MAX_WATCHED);
        assert!(!loads.saw(&event([1, 1, 1, 1], 3000, finished()), true));
        assert_eq!(loads.latest.len(), 1, "the old ones are forgotten");
    }
}
