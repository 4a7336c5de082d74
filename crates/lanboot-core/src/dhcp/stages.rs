//! One machine in several stages. Firmware, loader, initramfs and system often name themselves
//! differently in option 61, and a later stage may ask while the kernel still answers for the
//! address an earlier one got (`ip=dhcp`, then systemd-networkd with `KeepConfiguration=`,
//! <https://github.com/systemd/systemd/issues/21967>). Two clients may also share one hardware
//! address (`ipvlan`, a bridge over Wi-Fi): they look the same at first.
//!
//! A client is the next stage of another one when both have the hardware address, the other's lease
//! runs, nobody else answers for its address, and either that hardware address booted from here
//! lately, or both name themselves as two stages of one system do. When the earlier client renews
//! what went to the later one, both are alive: they are distinguished from then on.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::Ipv4Addr;

use super::lease::{ClientId, Form};
use crate::machine::Mac;

/// Time in seconds after a request of firmware or a loader in which a machine may be on its way
/// through the stages of that boot. A slow line, a copy of the root to memory and a check of the
/// disk fit in.
pub(super) const BOOT_TIME: u64 = 1800;
/// Time in seconds after its first lease in which a client may be the first stage of a system that
/// does not boot from here: an initramfs with `ip=dhcp`.
pub(super) const STAGE_TIME: u64 = 600;
/// Time in seconds for which clients that share a hardware address are distinguished without being
/// seen.
const SHARED_TIME: u64 = 24 * 3600;
/// Machines whose boots are remembered; of more, the one seen longest ago is forgotten.
const MAX_BOOTS: usize = 4096;
/// Hardware addresses known to be shared; of more, the one seen longest ago is forgotten.
const MAX_SHARED: usize = 1024;

/// Memory of machines on their way through a boot. Bounded by the pools and by
/// [`MAX_BOOTS`] and [`MAX_SHARED`].
#[derive(Clone, Debug, Default)]
pub(super) struct Stages {
    /// Time at which firmware or a loader with this hardware address was last heard.
    boots: HashMap<Mac, u64>,
    /// Time at which an address was first leased to the client that has it.
    since: HashMap<Ipv4Addr, u64>,
    /// The earlier client of an address that went to its next stage while it was answered for.
    before: HashMap<Ipv4Addr, ClientId>,
    /// Hardware addresses of several clients that are alive at once, and when that was seen.
    shared: HashMap<Mac, u64>,
}

impl Stages {
    /// Remembers that firmware or a loader asked for something.
    pub(super) fn boots(&mut self, mac: Mac, now: u64) {
        remember(&mut self.boots, mac, now, MAX_BOOTS);
    }

    /// Remembers that the clients with this hardware address are several.
    pub(super) fn share(&mut self, mac: Mac, now: u64) {
        remember(&mut self.shared, mac, now, MAX_SHARED);
    }

    /// Returns whether `later` is the next stage of `earlier`, which holds `address` with the same
    /// hardware address.
    pub(super) fn follows(
        &self,
        earlier: &ClientId,
        later: &ClientId,
        mac: Mac,
        address: Ipv4Addr,
        now: u64,
    ) -> bool {
        if is_within(self.shared.get(&mac), now, SHARED_TIME) {
            return false;
        }
        let (from, to) = (earlier.form(mac), later.form(mac));
        let is_one_system = from != to && from != Form::Other && to != Form::Other;
        is_within(self.boots.get(&mac), now, BOOT_TIME)
            || is_one_system && is_within(self.since.get(&address), now, STAGE_TIME)
    }

    /// An address that is answered for goes from one stage to the next.
    pub(super) fn pass_on(&mut self, address: Ipv4Addr, earlier: ClientId) {
        self.before.insert(address, earlier);
    }

    /// Returns whether this client had the address before its next stage got it.
    pub(super) fn had_before(&self, address: Ipv4Addr, client: &ClientId) -> bool {
        self.before.get(&address) == Some(client)
    }

    /// A client gets an address that it did not have.
    pub(super) fn bound(&mut self, address: Ipv4Addr, client: &ClientId, now: u64) {
        self.since.insert(address, now);
        if self.had_before(address, client) {
            self.before.remove(&address);
        }
    }

    /// An address is nobody's any more, or somebody else's.
    pub(super) fn forget(&mut self, address: Ipv4Addr) {
        self.since.remove(&address);
        self.before.remove(&address);
    }
}

/// Keeps at most `most`, the latest.
fn remember<K: Copy + Eq + Hash>(of: &mut HashMap<K, u64>, key: K, now: u64, most: usize) {
    if of.len() >= most
        && !of.contains_key(&key)
        && let Some(first) = of.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
    {
        of.remove(&first);
    }
    of.insert(key, now);
}

/// Returns whether something happened at most `secs` ago; what lies ahead is from before the clock
/// was set back and does not count.
fn is_within(at: Option<&u64>, now: u64, secs: u64) -> bool {
    at.and_then(|at| now.checked_sub(*at))
        .is_some_and(|age| age <= secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let mut stages = Stages::default();
        let mac = |n: u32| {
            let [a, b, c, d] = n.to_be_bytes();
            Mac([2, 0, a, b, c, d])
        };
        for n in 0..10_000 {
            stages.boots(mac(n), u64::from(n));
            stages.share(mac(n), u64::from(n));
        }
        assert_eq!(stages.boots.len(), MAX_BOOTS);
        assert_eq!(stages.shared.len(), MAX_SHARED);
        assert!(stages.boots.contains_key(&mac(9_999)));
        assert!(!stages.boots.contains_key(&mac(0)));
    }

    #[test]
    fn what_lies_ahead_of_a_clock_that_was_set_back_does_not_count() {
        assert!(is_within(Some(&100), 100, 0));
        assert!(is_within(Some(&100), 110, 10));
        assert!(!is_within(Some(&100), 111, 10));
        assert!(!is_within(Some(&100), 99, 10));
        assert!(!is_within(None, 99, 10));
    }
}
