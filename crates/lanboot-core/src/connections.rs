//! Limits of the connections of a server, in total and per machine, and the connection that yields to
//! a new one.
//!
//! At a limit, the connection without progress for longest yields: one that waits for a request, or
//! one that accepts none of its reply. A connection that accepts its reply never yields to another
//! one, nor does a persistent one: a machine's disk. Every `now` is a time since one fixed origin.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

/// Time without accepting data after which a connection may yield to another one. Five consecutive
/// losses on the way to a machine take that long; nginx's `send_timeout` of 60 s would lock others out
/// for a minute.
pub const STALLED: Duration = Duration::from_secs(5);
/// Interval at which all connections, or all of one machine, are checked for that: checking 4,096
/// takes some milliseconds, during which no connection can be accepted or answered.
const LOOK: Duration = Duration::from_millis(250);

/// Number of a connection, never used again. A lower one was admitted earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// Reason a connection is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The limit for this machine is reached.
    Peer,
    /// The total limit is reached.
    All,
}

/// A connection that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its number.
    pub id: ConnectionId,
    /// The connection that yields to it, which must be closed.
    pub evicted: Option<ConnectionId>,
}

/// The connections of one server.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    most_per_peer: usize,
    next: u64,
    all: HashMap<ConnectionId, Connection>,
    peers: HashMap<IpAddr, Group>,
    /// Those that may yield.
    yielding: Yielding,
    is_closing: bool,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    peer: IpAddr,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has not waited yet.
    New,
    /// It waits for a request since then.
    Waiting(Duration),
    /// It is answered.
    Working,
    /// It never yields.
    Staying,
}

/// The connections of one machine.
#[derive(Debug, Default)]
struct Group {
    taken: usize,
    yielding: Yielding,
}

/// Connections of a server, or of one machine, that may yield.
#[derive(Debug, Default)]
struct Yielding {
    /// The longest waiting one first.
    waiting: BTreeSet<(Duration, ConnectionId)>,
    working: BTreeSet<ConnectionId>,
    /// Those of `working` that accepted nothing at the last check, the longest stalled one last.
    stalled: Vec<ConnectionId>,
    checked: Option<Duration>,
}

impl Connections {
    /// Creates limits of `most` connections, `most_per_peer` of them from one address.
    pub fn new(most: usize, most_per_peer: usize) -> Self {
        Self {
            most,
            most_per_peer,
            next: 0,
            all: HashMap::new(),
            peers: HashMap::new(),
            yielding: Yielding::default(),
            is_closing: false,
        }
    }

    /// Admits a connection of `peer`, if necessary in the place of the connection without progress for
    /// longest: one of the same peer if that is at its limit, any if all places are taken. `stalled`
    /// returns the time for which a connection has accepted none of its reply.
    ///
    /// # Errors
    /// Fails if all of them make progress.
    pub fn admit(
        &mut self,
        peer: IpAddr,
        now: Duration,
        stalled: impl Fn(ConnectionId) -> Duration,
    ) -> Result<Admitted, Full> {
        let group = self.peers.get_mut(&peer);
        let own = group.filter(|group| group.taken >= self.most_per_peer);
        let evicted = if let Some(group) = own {
            Some(group.yielding.longest(now, stalled).ok_or(Full::Peer)?)
        } else if self.all.len() >= self.most {
            Some(self.yielding.longest(now, stalled).ok_or(Full::All)?)
        } else {
            None
        };
        if let Some(evicted) = evicted {
            self.remove(evicted);
        }
        let id = ConnectionId(self.next);
        self.next += 1;
        let state = State::New;
        self.all.insert(id, Connection { peer, state });
        self.peers.entry(peer).or_default().taken += 1;
        Ok(Admitted { id, evicted })
    }

    /// Removes the connection that has waited longest and returns it, which must be closed; `None` if
    /// none waits.
    pub fn evict_one(&mut self) -> Option<ConnectionId> {
        let (_, longest) = *self.yielding.waiting.first()?;
        self.remove(longest);
        Some(longest)
    }

    /// Stops waiting, now and from here on: removes the connections that wait and returns them, which
    /// must be closed.
    pub fn close(&mut self) -> Vec<ConnectionId> {
        self.is_closing = true;
        std::iter::from_fn(|| self.evict_one()).collect()
    }

    /// Returns whether [`Self::close`] was called.
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Marks a connection as waiting for its peer, so that it may yield. `false` if it must not wait:
    /// the server is closing, or the connection has yielded or is persistent.
    pub fn wait(&mut self, id: ConnectionId, now: Duration) -> bool {
        match self.state(id) {
            _ if self.is_closing => false,
            None | Some(State::Staying) => false,
            Some(State::Waiting(_)) => true,
            Some(State::New | State::Working) => self.set(id, State::Waiting(now)),
        }
    }

    /// Marks a connection as being answered, so that it yields only while it accepts none of its
    /// reply. `false` if it has yielded.
    pub fn work(&mut self, id: ConnectionId) -> bool {
        match self.state(id) {
            None => false,
            Some(State::Waiting(_)) => self.set(id, State::Working),
            Some(State::New | State::Working | State::Staying) => true,
        }
    }

    /// Marks a connection as persistent, never to yield. `false` if it has yielded.
    pub fn stay(&mut self, id: ConnectionId) -> bool {
        self.set(id, State::Staying)
    }

    /// Returns whether a connection is persistent.
    pub fn is_persistent(&self, id: ConnectionId) -> bool {
        self.state(id) == Some(State::Staying)
    }

    /// Removes a connection; `false` if it has yielded.
    pub fn remove(&mut self, id: ConnectionId) -> bool {
        let Some(Connection { peer, state }) = self.all.remove(&id) else {
            return false;
        };
        self.yielding.remove(id, state);
        if let Some(group) = self.peers.get_mut(&peer) {
            group.yielding.remove(id, state);
            group.taken = group.taken.saturating_sub(1);
            if group.taken == 0 {
                self.peers.remove(&peer);
            }
        }
        true
    }

    /// Returns the number of connections.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether there is no connection, and nothing is remembered of any.
    pub fn is_empty(&self) -> bool {
        let Yielding {
            waiting, working, ..
        } = &self.yielding;
        let has_some = self.all.len() + self.peers.len() + waiting.len() + working.len();
        has_some == 0
    }

    fn state(&self, id: ConnectionId) -> Option<State> {
        self.all.get(&id).map(|connection| connection.state)
    }

    /// Changes the state of a connection; `false` if it has yielded.
    fn set(&mut self, id: ConnectionId, state: State) -> bool {
        let Some(connection) = self.all.get_mut(&id) else {
            return false;
        };
        let before = std::mem::replace(&mut connection.state, state);
        let group = self.peers.get_mut(&connection.peer);
        let group = group.map(|group| &mut group.yielding);
        for yielding in group.into_iter().chain([&mut self.yielding]) {
            yielding.remove(id, before);
            yielding.add(id, state);
        }
        true
    }
}

impl Yielding {
    fn add(&mut self, id: ConnectionId, state: State) {
        match state {
            State::Waiting(since) => drop(self.waiting.insert((since, id))),
            State::Working => drop(self.working.insert(id)),
            State::New | State::Staying => {}
        }
    }

    fn remove(&mut self, id: ConnectionId, state: State) {
        match state {
            State::Waiting(since) => drop(self.waiting.remove(&(since, id))),
            State::Working => drop(self.working.remove(&id)),
            State::New | State::Staying => {}
        }
    }

    /// Returns the connection without progress for longest.
    fn longest(
        &mut self,
        now: Duration,
        stalled: impl Fn(ConnectionId) -> Duration,
    ) -> Option<ConnectionId> {
        let waits = self.waiting.first();
        let waits = waits.map(|(since, id)| (now.saturating_sub(*since), *id));
        let stalls = self.longest_stalled(now, stalled);
        stalls.into_iter().chain(waits).max().map(|(_, id)| id)
    }

    /// Returns the longest stalled connection and its time. Checks all that are answered if none is
    /// known and the last check was at least [`LOOK`] ago.
    fn longest_stalled(
        &mut self,
        now: Duration,
        stalled: impl Fn(ConnectionId) -> Duration,
    ) -> Option<(Duration, ConnectionId)> {
        let check = |id: ConnectionId| {
            let time = stalled(id);
            (time >= STALLED).then_some((time, id))
        };
        let is_due = |checked| now.saturating_sub(checked) >= LOOK;
        if self.stalled.is_empty() && self.checked.is_none_or(is_due) {
            self.checked = Some(now);
            let working = self.working.iter().copied();
            let mut found: Vec<_> = working.filter_map(check).collect();
            found.sort_unstable();
            self.stalled = found.into_iter().map(|(_, id)| id).collect();
        }
        while let Some(id) = self.stalled.last() {
            // It may have made progress since, or ended.
            let still = self.working.get(id).and_then(|id| check(*id));
            if still.is_some() {
                return still;
            }
            self.stalled.pop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    fn peer(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    const BUSY: fn(ConnectionId) -> Duration = |_| Duration::ZERO;

    #[test]
    fn the_longest_without_progress_yields() {
        let mut all = Connections::new(3, 3);
        let ids = [1, 2, 3].map(|n| all.admit(peer(n), secs(0), BUSY).unwrap().id);
        assert_eq!(all.admit(peer(4), secs(1), BUSY), Err(Full::All), "new");
        assert!(all.wait(ids[1], secs(2)) && all.wait(ids[0], secs(3)));
        assert!(all.wait(ids[2], secs(1)) && all.work(ids[2]));
        // The third one accepts nothing for a second longer than the second one waits.
        let stalled = |id| if id == ids[2] { secs(7) } else { secs(0) };
        let admitted = all.admit(peer(4), secs(8), stalled).unwrap();
        assert_eq!(admitted.evicted, Some(ids[2]));
        assert!(!all.work(ids[2]) && !all.wait(ids[2], secs(9)) && !all.stay(ids[2]));
        let admitted = all.admit(peer(5), secs(9), BUSY).unwrap();
        assert_eq!(admitted.evicted, Some(ids[1]));
        assert_eq!(all.evict_one(), Some(ids[0]));
        assert_eq!(all.evict_one(), None);
    }

    #[test]
    fn at_the_limit_of_one_machine_only_its_own_connections_are_checked_and_not_each_time() {
        let mut all = Connections::new(10, 2);
        for n in [1, 1, 2, 3] {
            let id = all.admit(peer(n), secs(0), BUSY).unwrap().id;
            assert!(all.wait(id, secs(0)) && all.work(id));
        }
        let checks = Cell::new(0);
        let counted = |_| {
            checks.set(checks.get() + 1);
            Duration::ZERO
        };
        for (now, expected) in [(secs(1), 2), (secs(1) + LOOK / 2, 2), (secs(1) + LOOK, 4)] {
            assert_eq!(all.admit(peer(1), now, counted), Err(Full::Peer));
            assert_eq!(checks.get(), expected, "{now:?}");
        }
    }

    proptest! {
        /// Connections come, wait, work, stay and go in any order.
        #[test]
        fn limits_hold_and_who_makes_progress_never_yields(
            most in 1..8_usize,
            most_per_peer in 1..4_usize,
            steps in prop::collection::vec((0..6_u8, any::<u8>(), 0..4_u8, 0..3000_u64), 1..150),
        ) {
            let mut all = Connections::new(most, most_per_peer);
            // Each with its machine, its state, and the time of its last progress.
            let mut model: HashMap<ConnectionId, (IpAddr, State, Duration)> = HashMap::new();
            let mut now = Duration::ZERO;
            for (step, which, machine, pause) in steps {
                now += Duration::from_millis(pause);
                let mut ids: Vec<_> = model.keys().copied().collect();
                ids.sort();
                let id = ids.get(usize::from(which) % ids.len().max(1)).copied();
                match (step, id) {
                    (0 | 1, _) => {
                        let peer = peer(machine);
                        let stalled = |id| now.saturating_sub(model[&id].2);
                        let own = model.values().filter(|c| c.0 == peer).count();
                        let is_full = own >= most_per_peer || model.len() >= most;
                        match all.admit(peer, now, stalled) {
                            Ok(Admitted { id, evicted }) => {
                                prop_assert_eq!(evicted.is_some(), is_full);
                                if let Some(evicted) = evicted {
                                    let (of, state, progress) = model.remove(&evicted).unwrap();
                                    prop_assert!(own < most_per_peer || of == peer);
                                    match state {
                                        State::Waiting(_) => {}
                                        State::Working => {
                                            prop_assert!(now - progress >= STALLED);
                                        }
                                        State::New | State::Staying => prop_assert!(false),
                                    }
                                }
                                model.insert(id, (peer, State::New, now));
                            }
                            Err(full) => {
                                prop_assert!(is_full);
                                let is_own = own >= most_per_peer;
                                prop_assert_eq!(full == Full::Peer, is_own);
                                let waits = model.values().any(|(of, state, _)| {
                                    (!is_own || *of == peer) && matches!(state, State::Waiting(_))
                                });
                                prop_assert!(!waits, "one that waits was not evicted");
                            }
                        }
                    }
                    (2, Some(id)) => {
                        let known = model.get_mut(&id).unwrap();
                        let may_wait = known.1 != State::Staying;
                        prop_assert_eq!(all.wait(id, now), may_wait);
                        if may_wait && !matches!(known.1, State::Waiting(_)) {
                            known.1 = State::Waiting(now);
                        }
                    }
                    (3, Some(id)) => {
                        let known = model.get_mut(&id).unwrap();
                        prop_assert!(all.work(id));
                        known.2 = now;
                        if matches!(known.1, State::Waiting(_)) {
                            known.1 = State::Working;
                        }
                    }
                    (4, Some(id)) if which < 64 => {
                        prop_assert!(all.stay(id));
                        model.get_mut(&id).unwrap().1 = State::Staying;
                    }
                    (5, Some(id)) => {
                        prop_assert!(all.remove(id) && !all.remove(id));
                        model.remove(&id);
                    }
                    _ => {}
                }
                prop_assert_eq!(all.len(), model.len());
                prop_assert!(all.len() <= most);
                for peer in (0..4).map(peer) {
                    let own = model.values().filter(|c| c.0 == peer).count();
                    prop_assert!(own <= most_per_peer);
                }
            }
            let waiting = model.iter().filter(|(_, c)| matches!(c.1, State::Waiting(_)));
            let mut waiting: Vec<_> = waiting.map(|(id, _)| *id).collect();
            let mut closed = all.close();
            waiting.sort();
            closed.sort();
            prop_assert_eq!(&closed, &waiting);
            for id in model.into_keys() {
                prop_assert!(!all.wait(id, now));
                prop_assert_eq!(all.remove(id), !closed.contains(&id));
            }
            prop_assert!(all.is_empty());
        }
    }
}
