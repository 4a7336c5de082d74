//! Known mounts: the machines that mounted an image or read from it, and when each is done with it.
//! Only the event log and `showmount -a` depend on them: NFS itself knows no mounts.
//!
//! A mount begins with MNT, or with the first read that no MNT was seen for, as after a restart. It
//! ends with UMNT, with a new MNT after it was read, when it is idle, or when the table is full and it
//! was used longest ago.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::call::Mounted;
use super::limits::MAX_MOUNTS;
use crate::vfs::Identity;

/// Time without a use after which a machine with no connection is done with an image. Not every
/// machine says goodbye, and one that runs from an image never does: with all it needs in memory it may
/// be silent for hours, without a connection after the five minutes of Linux.
pub const FORGET: Duration = Duration::from_secs(24 * 3600);
/// Linux does not say goodbye when it unmounts either, but closes its connection at once. A last
/// connection that is closed so soon after the last use, with no other one within [`GONE`], was an
/// unmount.
const LEFT: Duration = Duration::from_secs(120);
const GONE: Duration = Duration::from_secs(30);

/// Use of one mount, which may change while the table holds it.
pub trait MountUse {
    /// Returns the time of the last use, since the origin of every `now`.
    fn last_used(&self) -> Duration;

    /// Returns whether nothing was read yet.
    fn is_unread(&self) -> bool;
}

impl<M: MountUse> MountUse for Arc<M> {
    fn last_used(&self) -> Duration {
        (**self).last_used()
    }

    fn is_unread(&self) -> bool {
        (**self).is_unread()
    }
}

/// A mount, and the one that ended for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened<M> {
    /// The mount.
    pub mount: M,
    /// True if it began just now.
    pub is_new: bool,
    /// The mount that ended: the one before of the same machine, or the one used longest ago.
    pub ended: Option<M>,
}

/// Known mounts `M`, at most [`MAX_MOUNTS`]. Every `now` is a time since one fixed origin.
#[derive(Debug)]
pub struct MountTable<M> {
    mounts: HashMap<(IpAddr, Identity), Entry<M>>,
    /// Number of connections of each machine that has one.
    connections: HashMap<IpAddr, usize>,
    /// See [`FORGET`].
    forget: Duration,
    most: usize,
}

#[derive(Debug)]
struct Entry<M> {
    mount: M,
    path: String,
    /// Mounts without an unmount.
    times: usize,
    /// Time at which the last connection was closed soon after a use.
    left: Option<Duration>,
}

impl<M: MountUse + Clone> MountTable<M> {
    /// Creates an empty table. A machine is done with an image that it has not used for `forget`.
    pub fn new(forget: Duration) -> Self {
        Self {
            mounts: HashMap::new(),
            connections: HashMap::new(),
            forget,
            most: MAX_MOUNTS,
        }
    }

    /// Returns the mount of an image by `peer`.
    pub fn get(&self, peer: IpAddr, identity: Identity) -> Option<&M> {
        let entry = self.mounts.get(&(peer, identity));
        entry.map(|entry| &entry.mount)
    }

    /// Returns all mounts.
    pub fn iter(&self) -> impl Iterator<Item = &M> {
        self.mounts.values().map(|entry| &entry.mount)
    }

    /// Handles a MNT of `path`, for which `mount` begins. One that is repeated before anything was read
    /// is the same mount; else a machine that mounts again has started anew.
    pub fn on_mount(
        &mut self,
        peer: IpAddr,
        identity: Identity,
        path: String,
        mount: M,
    ) -> Opened<M> {
        let Some(entry) = self.mounts.get_mut(&(peer, identity)) else {
            return self.begin(peer, identity, path, mount);
        };
        if entry.mount.is_unread() && entry.path == path {
            entry.times += 1;
            return Opened {
                mount: entry.mount.clone(),
                is_new: false,
                ended: None,
            };
        }
        let ended = self.remove(&(peer, identity));
        Opened {
            ended,
            ..self.begin(peer, identity, path, mount)
        }
    }

    /// Handles a read of an image, for which `mount` begins if none is known; `path` is then the one of
    /// the mount.
    pub fn on_read(
        &mut self,
        peer: IpAddr,
        identity: Identity,
        path: String,
        mount: M,
    ) -> Opened<M> {
        match self.get(peer, identity) {
            Some(known) => Opened {
                mount: known.clone(),
                is_new: false,
                ended: None,
            },
            None => self.begin(peer, identity, path, mount),
        }
    }

    /// Handles a UMNT of one image, or of all; returns the mounts that ended.
    pub fn on_unmount(&mut self, peer: IpAddr, identity: Option<Identity>) -> Vec<M> {
        let Some(identity) = identity else {
            return self.remove_if(|key, _| key.0 == peer);
        };
        match self.mounts.get_mut(&(peer, identity)) {
            Some(entry) if entry.times > 1 => {
                entry.times -= 1;
                Vec::new()
            }
            _ => self.remove(&(peer, identity)).into_iter().collect(),
        }
    }

    /// Records that a machine opened a connection.
    pub fn on_connected(&mut self, peer: IpAddr) {
        *self.connections.entry(peer).or_default() += 1;
    }

    /// Records that a machine closed a connection.
    pub fn on_disconnected(&mut self, peer: IpAddr, now: Duration) {
        match self.connections.get_mut(&peer) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => {
                self.connections.remove(&peer);
                for (_, entry) in self.mounts.iter_mut().filter(|(key, _)| key.0 == peer) {
                    if now.saturating_sub(entry.mount.last_used()) < LEFT {
                        entry.left = Some(now);
                    }
                }
            }
            None => {}
        }
    }

    /// Ends the mounts of machines that are gone, and returns them.
    pub fn on_timeout(&mut self, now: Duration) -> Vec<M> {
        let connections = std::mem::take(&mut self.connections);
        let forget = self.forget;
        let ended = self.remove_if(|(peer, _), entry| {
            !connections.contains_key(peer) && entry.is_idle(now, forget)
        });
        self.connections = connections;
        ended
    }

    /// Returns the list for `showmount -a`, by machine and path.
    pub fn mounted(&self) -> Vec<Mounted> {
        let mounts = self.mounts.iter().map(|((peer, _), entry)| Mounted {
            machine: peer.to_string(),
            path: entry.path.clone(),
        });
        let mut mounted: Vec<_> = mounts.collect();
        mounted.sort_by(|a, b| (&a.machine, &a.path).cmp(&(&b.machine, &b.path)));
        mounted
    }

    /// Adds a mount; none of this image is known for `peer`.
    fn begin(&mut self, peer: IpAddr, identity: Identity, path: String, mount: M) -> Opened<M> {
        let is_full = self.mounts.len() >= self.most;
        let by_use = |(_, entry): &(_, &Entry<M>)| entry.mount.last_used();
        let oldest = self.mounts.iter().min_by_key(by_use);
        let oldest = oldest.filter(|_| is_full).map(|(key, _)| *key);
        let ended = oldest.and_then(|key| self.remove(&key));
        let entry = Entry {
            mount: mount.clone(),
            path,
            times: 1,
            left: None,
        };
        self.mounts.insert((peer, identity), entry);
        Opened {
            mount,
            is_new: true,
            ended,
        }
    }

    fn remove(&mut self, key: &(IpAddr, Identity)) -> Option<M> {
        self.mounts.remove(key).map(|entry| entry.mount)
    }

    fn remove_if(&mut self, is_over: impl Fn(&(IpAddr, Identity), &Entry<M>) -> bool) -> Vec<M> {
        let over = self.mounts.extract_if(|key, entry| is_over(key, entry));
        over.map(|(_, entry)| entry.mount).collect()
    }
}

impl<M: MountUse> Entry<M> {
    /// Returns whether a machine without a connection is done with it.
    fn is_idle(&self, now: Duration, forget: Duration) -> bool {
        let used = self.mount.last_used();
        let has_left = |left| left >= used && now.saturating_sub(left) >= GONE;
        self.left.is_some_and(has_left) || now.saturating_sub(used) >= forget
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default)]
    struct Use {
        last: Cell<Duration>,
        has_read: Cell<bool>,
    }

    /// A mount with a number of its own.
    #[derive(Clone, Debug)]
    struct Mount(u32, Rc<Use>);

    impl MountUse for Mount {
        fn last_used(&self) -> Duration {
            self.1.last.get()
        }

        fn is_unread(&self) -> bool {
            !self.1.has_read.get()
        }
    }

    const IMAGE: Identity = Identity(*b"image of testing");

    fn peer(machine: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, machine])
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn mount(number: u32, now: Duration) -> Mount {
        let mount = Mount(number, Rc::default());
        mount.1.last.set(now);
        mount
    }

    fn numbers(mounts: &[Mount]) -> Vec<u32> {
        mounts.iter().map(|mount| mount.0).collect()
    }

    fn table() -> MountTable<Mount> {
        MountTable::new(FORGET)
    }

    #[test]
    fn a_repeated_mount_is_the_same_until_something_was_read() {
        let mut table = table();
        let first = table.on_mount(peer(1), IMAGE, "/a".into(), mount(1, secs(1)));
        assert!(first.is_new && first.ended.is_none());
        let again = table.on_mount(peer(1), IMAGE, "/a".into(), mount(2, secs(2)));
        assert_eq!((again.mount.0, again.is_new), (1, false));
        assert!(table.on_unmount(peer(1), Some(IMAGE)).is_empty(), "twice");
        first.mount.1.has_read.set(true);
        let anew = table.on_mount(peer(1), IMAGE, "/a".into(), mount(3, secs(3)));
        assert_eq!((anew.mount.0, anew.is_new), (3, true));
        assert_eq!(anew.ended.map(|mount| mount.0), Some(1));
        let other = table.on_mount(peer(1), IMAGE, "/b".into(), mount(4, secs(4)));
        assert_eq!(other.ended.map(|mount| mount.0), Some(3), "another path");
        assert_eq!(numbers(&table.on_unmount(peer(1), None)), [4]);
        assert!(table.on_unmount(peer(1), Some(IMAGE)).is_empty());
    }

    #[test]
    fn a_connection_closed_soon_after_the_last_use_is_an_unmount() {
        for (idle, silence, is_over) in [(1, 29, false), (1, 30, true), (120, 30, false)] {
            let mut table = table();
            table.on_connected(peer(1));
            table.on_mount(peer(1), IMAGE, "/a".into(), mount(1, secs(1)));
            table.on_disconnected(peer(1), secs(1 + idle));
            let ended = table.on_timeout(secs(1 + idle + silence));
            assert_eq!(!ended.is_empty(), is_over, "{idle} {silence}");
        }
    }

    #[test]
    fn a_machine_that_connects_again_or_reads_on_has_not_left() {
        let mut table = table();
        table.on_connected(peer(1));
        let read = table.on_read(peer(1), IMAGE, "/a".into(), mount(1, secs(1)));
        table.on_disconnected(peer(1), secs(2));
        table.on_connected(peer(1));
        assert!(table.on_timeout(secs(3) + FORGET).is_empty(), "connected");
        table.on_disconnected(peer(1), secs(4));
        read.mount.1.last.set(secs(5));
        assert!(table.on_timeout(secs(100)).is_empty(), "used since");
        assert!(table.on_timeout(secs(4) + FORGET).is_empty());
        assert_eq!(numbers(&table.on_timeout(secs(5) + FORGET)), [1]);
    }

    proptest! {
        /// Machines mount, read, unmount, connect and go silent in any order.
        #[test]
        fn every_mount_that_began_ends_once_and_the_table_stays_bounded(
            most in 1..6_usize,
            steps in prop::collection::vec((0..8_u8, 0..4_u8, 0..3_u8, 0..200_u64), 1..200),
        ) {
            let mut table = MountTable { most, ..table() };
            let mut live: HashSet<u32> = HashSet::new();
            let mut connections: HashMap<IpAddr, usize> = HashMap::new();
            let mut now = secs(1);
            for (number, (step, machine, image, pause)) in (0..).zip(steps) {
                now += secs(pause);
                let (peer, identity) = (peer(machine), Identity([image; 16]));
                let before = table.mounted().len();
                let oldest = table.iter().map(MountUse::last_used).min();
                let was_known = table.get(peer, identity).is_some();
                let ended = match step {
                    0..=2 => {
                        let new = mount(number, now);
                        let opened = match step {
                            0 => table.on_read(peer, identity, "/a".into(), new),
                            1 => table.on_mount(peer, identity, "/a".into(), new),
                            _ => table.on_mount(peer, identity, "/b".into(), new),
                        };
                        prop_assert_eq!(opened.is_new, opened.mount.0 == number);
                        prop_assert!(opened.is_new || was_known);
                        opened.mount.1.last.set(now);
                        opened.mount.1.has_read.set(opened.mount.1.has_read.get() || step == 0);
                        if opened.is_new {
                            live.insert(number);
                        }
                        if let Some(ended) = opened.ended.as_ref().filter(|_| !was_known) {
                            prop_assert_eq!(before, most, "evicted from a table that is not full");
                            prop_assert_eq!(Some(ended.last_used()), oldest);
                        }
                        opened.ended.into_iter().collect()
                    }
                    3 => table.on_unmount(peer, Some(identity)),
                    4 => table.on_unmount(peer, None),
                    5 => {
                        *connections.entry(peer).or_default() += 1;
                        table.on_connected(peer);
                        Vec::new()
                    }
                    6 => {
                        if let Some(count) = connections.get_mut(&peer).filter(|n| **n > 0) {
                            *count -= 1;
                            table.on_disconnected(peer, now);
                        }
                        Vec::new()
                    }
                    _ => {
                        let of: Vec<_> = connections.iter().filter(|(_, n)| **n > 0).collect();
                        let kept = |peer: &IpAddr| of.iter().any(|(other, _)| *other == peer);
                        let held: Vec<u32> = table
                            .mounts
                            .iter()
                            .filter(|(key, _)| kept(&key.0))
                            .map(|(_, entry)| entry.mount.0)
                            .collect();
                        let ended = table.on_timeout(now);
                        for mount in &ended {
                            prop_assert!(!held.contains(&mount.0), "it has a connection");
                            prop_assert!(now - mount.last_used() >= GONE, "used just now");
                        }
                        ended
                    }
                };
                for mount in ended {
                    prop_assert!(live.remove(&mount.0), "it ended before");
                }
                prop_assert!(table.mounted().len() <= most);
                let known: HashSet<u32> = table.iter().map(|mount| mount.0).collect();
                prop_assert_eq!(&known, &live);
            }
            now += FORGET;
            for (peer, count) in connections {
                for _ in 0..count {
                    table.on_disconnected(peer, now);
                }
            }
            for mount in table.on_timeout(now) {
                prop_assert!(live.remove(&mount.0));
            }
            prop_assert!(live.is_empty() && table.mounted().is_empty());
            prop_assert!(table.connections.is_empty());
        }
    }
}
