//! Limits the connections of a server, in total and per machine.
//!
//! At the limit, the connection without progress for longest is closed: one that waits for a
//! request, or one that accepts none of its reply. A connection that is accepting its reply is
//! never closed for another one, nor is a persistent one: a machine's disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Shutdown};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lanboot_core::events::ListenerReason;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::io::send::reset_on_close;
use crate::net;

/// Time without accepting data after which a connection may be closed for another one. Five
/// consecutive losses on the way to a machine take that long; nginx's `send_timeout` of 60 s would
/// lock others out for a minute.
const STALLED: Duration = Duration::from_secs(5);
/// Interval at which all connections, or all of one machine, are checked for that: checking 4,096
/// takes some milliseconds, during which no connection can be accepted or answered.
const LOOK: Duration = Duration::from_millis(250);

/// Connection limiter of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConnectionLimiter {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    most: usize,
    most_per_peer: usize,
    taken: usize,
    /// Increasing; a lower ticket has waited longer.
    next_ticket: u64,
    peers: HashMap<IpAddr, Peer>,
    /// Connections waiting for a request.
    waiting: BTreeMap<u64, Connection>,
    /// Connections being answered.
    working: HashMap<u64, Connection>,
    /// Connections that are never closed for others.
    staying: HashMap<u64, Arc<TcpStream>>,
    /// Connections of `working` that accept nothing.
    stalled: Stalled,
    is_closing: bool,
}

#[derive(Debug)]
struct Connection {
    peer: IpAddr,
    stream: Arc<TcpStream>,
    since: Instant,
}

#[derive(Debug, Default)]
struct Peer {
    taken: usize,
    /// Tickets.
    waiting: BTreeSet<u64>,
    /// Tickets.
    working: BTreeSet<u64>,
    /// Connections of `working` that accept nothing.
    stalled: Stalled,
}

/// Connections that accepted nothing at the last check.
#[derive(Debug, Default)]
struct Stalled {
    /// The longest stalled one last.
    tickets: Vec<u64>,
    looked: Option<Instant>,
}

/// Reason no permit is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The limit for this machine is reached.
    Peer,
    /// The total limit is reached.
    All,
}

impl From<Full> for ListenerReason {
    fn from(full: Full) -> Self {
        match full {
            Full::Peer => Self::ClientConnectionLimit,
            Full::All => Self::ConnectionLimit,
        }
    }
}

/// Permit for one connection, returned on drop.
#[derive(Debug)]
pub struct Permit {
    limiter: ConnectionLimiter,
    peer: IpAddr,
    place: Place,
}

/// State of the connection, with its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It has not waited yet.
    New,
    Waiting(u64),
    Working(u64),
    Staying(u64),
    /// The permit was given to another connection.
    Lost,
}

impl ConnectionLimiter {
    /// Creates a limiter for `most` connections, `most_per_peer` of them from one address.
    pub fn new(most: usize, most_per_peer: usize) -> Self {
        let inner = Inner {
            most,
            most_per_peer,
            taken: 0,
            next_ticket: 0,
            peers: HashMap::new(),
            waiting: BTreeMap::new(),
            working: HashMap::new(),
            staying: HashMap::new(),
            stalled: Stalled::default(),
            is_closing: false,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Takes a permit for `peer`, if necessary from the connection without progress for longest:
    /// one of the same peer if that is at its limit, any if all are taken.
    ///
    /// # Errors
    /// Fails if all of them make progress.
    pub fn take(&self, peer: IpAddr) -> Result<Permit, Full> {
        let mut inner = self.lock();
        let own = inner.peers.get(&peer).map_or(0, |p| p.taken);
        if own >= inner.most_per_peer {
            let longest = inner.longest_of(peer).ok_or(Full::Peer)?;
            inner.evict(longest);
        } else if inner.taken >= inner.most {
            let longest = inner.longest().ok_or(Full::All)?;
            inner.evict(longest);
        }
        inner.taken += 1;
        inner.peers.entry(peer).or_default().taken += 1;
        Ok(Permit {
            limiter: self.clone(),
            peer,
            place: Place::New,
        })
    }

    /// Closes the connection that has waited longest; `false` if none waits.
    pub fn evict_one(&self) -> bool {
        let mut inner = self.lock();
        let oldest = inner.waiting.first_key_value().map(|(t, _)| *t);
        oldest.inspect(|t| inner.evict(*t)).is_some()
    }

    /// Closes idle connections, now and from here on. Persistent ones are shut down for reading and
    /// can finish the requests they have.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.is_closing = true;
        while let Some(oldest) = inner.waiting.first_key_value().map(|(t, _)| *t) {
            inner.end(oldest);
        }
        for (_, stream) in inner.staying.drain() {
            // Fails only if the peer closed it first.
            let _ = SockRef::from(&*stream).shutdown(Shutdown::Read);
        }
    }

    /// Returns the number of permits taken.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Marks the connection as waiting for its peer, so that it may be closed for another one.
    /// `false` if it must not wait: the server is closing, or the permit was lost.
    pub fn wait(&mut self, stream: &Arc<TcpStream>) -> bool {
        let mut inner = self.limiter.lock();
        if inner.is_closing {
            return false;
        }
        match self.place {
            Place::Waiting(_) => return true,
            Place::Staying(_) | Place::Lost => return false,
            Place::New => {}
            Place::Working(ticket) => {
                if !inner.stop_working(self.peer, ticket) {
                    self.place = Place::Lost;
                    return false;
                }
            }
        }
        let ticket = inner.ticket();
        let connection = Connection {
            peer: self.peer,
            stream: Arc::clone(stream),
            since: Instant::now(),
        };
        inner.waiting.insert(ticket, connection);
        let own = inner.peers.entry(self.peer).or_default();
        own.waiting.insert(ticket);
        self.place = Place::Waiting(ticket);
        true
    }

    /// Marks the connection as persistent, never to be closed for another one. When the server
    /// closes it is shut down for reading. `false` if the permit was lost.
    pub fn stay(&mut self, stream: &Arc<TcpStream>) -> bool {
        if !self.work() {
            return false;
        }
        let mut inner = self.limiter.lock();
        if let Place::Working(ticket) = self.place
            && !inner.stop_working(self.peer, ticket)
        {
            self.place = Place::Lost;
            return false;
        }
        let ticket = inner.ticket();
        if inner.is_closing {
            // Fails only if the peer closed it first.
            let _ = SockRef::from(&**stream).shutdown(Shutdown::Read);
        } else {
            inner.staying.insert(ticket, Arc::clone(stream));
        }
        self.place = Place::Staying(ticket);
        true
    }

    /// Marks the connection as being answered, so that it is closed only while it accepts none of
    /// its reply. `false` if the permit was lost.
    pub fn work(&mut self) -> bool {
        let mut inner = self.limiter.lock();
        self.place = match self.place {
            Place::Waiting(ticket) => match inner.waiting.remove(&ticket) {
                Some(connection) => {
                    if let Some(own) = inner.peers.get_mut(&self.peer) {
                        own.waiting.remove(&ticket);
                        own.working.insert(ticket);
                    }
                    inner.working.insert(ticket, connection);
                    Place::Working(ticket)
                }
                None => Place::Lost,
            },
            Place::Working(ticket) if !inner.working.contains_key(&ticket) => Place::Lost,
            place => place,
        };
        self.place != Place::Lost
    }

    /// Returns whether the permit was lost, so that errors of this connection are not its peer's
    /// fault.
    pub fn is_lost(&mut self) -> bool {
        !self.work()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // The permit of an evicted connection was passed on then.
        if self.work() {
            let mut inner = self.limiter.lock();
            match self.place {
                Place::Working(ticket) => {
                    // It may have been evicted between the two locks.
                    if !inner.stop_working(self.peer, ticket) {
                        return;
                    }
                }
                Place::Staying(ticket) => drop(inner.staying.remove(&ticket)),
                Place::New | Place::Waiting(_) | Place::Lost => {}
            }
            inner.release(self.peer);
        }
    }
}

impl Inner {
    fn ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        ticket
    }

    /// Returns the connection of this machine without progress for longest.
    fn longest_of(&mut self, peer: IpAddr) -> Option<u64> {
        let own = self.peers.get_mut(&peer)?;
        let waits = own.waiting.first();
        let waits = waits.and_then(|t| Some((self.waiting.get(t)?.since.elapsed(), *t)));
        let stalls = own.stalled.longest(&self.working, own.working.iter());
        let longest = stalls.into_iter().chain(waits).max();
        longest.map(|(_, ticket)| ticket)
    }

    /// Returns the connection without progress for longest.
    fn longest(&mut self) -> Option<u64> {
        let waits = self.waiting.first_key_value();
        let waits = waits.map(|(ticket, waiting)| (waiting.since.elapsed(), *ticket));
        let stalls = self.stalled.longest(&self.working, self.working.keys());
        let longest = stalls.into_iter().chain(waits).max();
        longest.map(|(_, ticket)| ticket)
    }

    /// Closes a connection and passes its permit on. Data that its peer has not acknowledged is
    /// discarded: after a plain close the kernel would go on offering it to a peer with a closed
    /// window, for as long as that one answers the probes.
    fn evict(&mut self, ticket: u64) {
        let waiting = self.waiting.get(&ticket);
        let connection = waiting.or_else(|| self.working.get(&ticket));
        if let Some(Connection { stream, .. }) = connection
            && net::unacknowledged(stream).is_ok_and(|bytes| bytes > 0)
        {
            reset_on_close(stream);
        }
        self.end(ticket);
    }

    /// Takes a connection's permit back and wakes its task, which finds the stream closed.
    fn end(&mut self, ticket: u64) {
        let waiting = self.waiting.remove(&ticket);
        let Some(connection) = waiting.or_else(|| self.working.remove(&ticket)) else {
            return;
        };
        if let Some(own) = self.peers.get_mut(&connection.peer) {
            own.waiting.remove(&ticket);
            own.working.remove(&ticket);
        }
        self.release(connection.peer);
        // Fails only if the peer closed it first.
        let _ = SockRef::from(&*connection.stream).shutdown(Shutdown::Both);
    }

    /// Removes a connection from those being answered; returns false if it was evicted.
    fn stop_working(&mut self, peer: IpAddr, ticket: u64) -> bool {
        if let Some(own) = self.peers.get_mut(&peer) {
            own.working.remove(&ticket);
        }
        self.working.remove(&ticket).is_some()
    }

    fn release(&mut self, peer: IpAddr) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(own) = self.peers.get_mut(&peer) {
            own.taken = own.taken.saturating_sub(1);
            if own.taken == 0 {
                self.peers.remove(&peer);
            }
        }
    }
}

impl Stalled {
    /// Returns the longest stalled connection and its time. Checks all `candidates`, which are in
    /// `working`, if none is known and the last check was at least [`LOOK`] ago.
    fn longest<'a>(
        &mut self,
        working: &HashMap<u64, Connection>,
        candidates: impl Iterator<Item = &'a u64>,
    ) -> Option<(Duration, u64)> {
        let stalled = |ticket: &u64| {
            let stalled = net::stalled(&working.get(ticket)?.stream);
            (stalled >= STALLED).then_some((stalled, *ticket))
        };
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        if self.tickets.is_empty() && is_due {
            self.looked = Some(Instant::now());
            let mut found: Vec<_> = candidates.filter_map(stalled).collect();
            found.sort_unstable();
            self.tickets = found.into_iter().map(|(_, ticket)| ticket).collect();
        }
        while let Some(ticket) = self.tickets.last() {
            // It may have made progress since, or ended.
            let still = stalled(ticket);
            if still.is_some() {
                return still;
            }
            self.tickets.pop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn stream() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (near, _) = listener.accept().await.unwrap();
        (Arc::new(near), far.unwrap())
    }

    fn peer(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    async fn is_closed(far: &TcpStream) -> bool {
        far.readable().await.unwrap();
        matches!(far.try_read(&mut [0]), Ok(0))
    }

    #[tokio::test]
    async fn the_longest_waiting_connection_is_evicted() {
        let limiter = ConnectionLimiter::new(2, 2);
        let (first, first_far) = stream().await;
        let (second, _second_far) = stream().await;
        let mut a = limiter.take(peer(1)).unwrap();
        let mut b = limiter.take(peer(2)).unwrap();
        assert!(limiter.take(peer(3)).is_err(), "both are being answered");
        assert!(b.wait(&second));
        assert!(a.wait(&first));
        assert!(b.work());
        let c = limiter.take(peer(3)).unwrap();
        assert!(is_closed(&first_far).await);
        assert!(!a.work(), "its permit is gone");
        drop(a);
        assert_eq!(limiter.taken(), 2);
        drop((b, c));
        assert_eq!(limiter.taken(), 0);
        assert!(limiter.lock().peers.is_empty() && limiter.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_machine_at_its_limit_loses_its_own_connection() {
        let limiter = ConnectionLimiter::new(10, 1);
        let (stranger, _stranger_far) = stream().await;
        let (own, own_far) = stream().await;
        let mut a = limiter.take(peer(1)).unwrap();
        assert!(a.wait(&stranger));
        let mut b = limiter.take(peer(2)).unwrap();
        assert_eq!(limiter.take(peer(2)).unwrap_err(), Full::Peer);
        assert!(b.wait(&own));
        let _c = limiter.take(peer(2)).unwrap();
        assert!(is_closed(&own_far).await);
        assert!(a.work(), "the other machine kept its permit");
    }

    #[tokio::test]
    async fn persistent_connections_are_closed_only_with_the_server() {
        let limiter = ConnectionLimiter::new(1, 1);
        let (stream, mut far) = stream().await;
        let mut a = limiter.take(peer(1)).unwrap();
        assert!(a.wait(&stream));
        assert!(a.stay(&stream));
        assert!(limiter.take(peer(1)).is_err() && limiter.take(peer(2)).is_err());
        assert!(!limiter.evict_one());
        limiter.close();
        // It receives nothing more, but can still answer.
        stream.readable().await.unwrap();
        assert!(matches!(stream.try_read(&mut [0]), Ok(0)));
        assert_eq!(stream.try_write(b"x").unwrap(), 1);
        let mut answer = [0];
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut answer)
            .await
            .unwrap();
        drop(a);
        assert_eq!(limiter.taken(), 0);
        assert!(limiter.lock().staying.is_empty());
        let mut late = limiter.take(peer(1)).unwrap();
        assert!(late.stay(&stream), "it can finish received requests");
        assert!(limiter.lock().staying.is_empty());
        assert!(matches!(stream.try_read(&mut [0]), Ok(0)));
    }

    #[tokio::test]
    async fn at_the_limit_of_one_machine_only_its_own_connections_are_checked_and_not_each_time() {
        let limiter = ConnectionLimiter::new(10, 2);
        let mut all = Vec::new();
        for n in [1, 1, 2, 3] {
            let (near, far) = stream().await;
            let mut permit = limiter.take(peer(n)).unwrap();
            assert!(permit.wait(&near) && permit.work());
            all.push((permit, near, far));
        }
        let before = Instant::now();
        assert_eq!(limiter.take(peer(1)).unwrap_err(), Full::Peer);
        let inner = limiter.lock();
        assert_eq!(inner.peers[&peer(1)].working.len(), 2, "its own");
        assert!(inner.peers[&peer(1)].stalled.looked >= Some(before));
        assert!(inner.peers[&peer(2)].stalled.looked.is_none());
        assert!(inner.stalled.looked.is_none());
        // Checked just now, on a machine of any speed.
        let mut stalled = Stalled {
            tickets: Vec::new(),
            looked: Some(Instant::now() + Duration::from_secs(3600)),
        };
        let candidates = std::iter::from_fn(|| panic!("checked again"));
        assert!(stalled.longest(&inner.working, candidates).is_none());
        drop(inner);
        drop(all);
        assert_eq!(limiter.taken(), 0);
    }

    #[tokio::test]
    async fn no_connection_waits_after_closing() {
        let limiter = ConnectionLimiter::new(10, 10);
        let (stream, far) = stream().await;
        let mut a = limiter.take(peer(1)).unwrap();
        let mut b = limiter.take(peer(1)).unwrap();
        assert!(a.wait(&stream));
        limiter.close();
        assert!(is_closed(&far).await);
        assert!(!b.wait(&stream));
    }

    #[tokio::test]
    async fn unacknowledged_data_of_an_evicted_connection_is_discarded() {
        for is_evicted in [true, false] {
            let limiter = ConnectionLimiter::new(1, 1);
            let (near, mut far) = stream().await;
            let mut a = limiter.take(peer(1)).unwrap();
            stall(&near).await;
            assert!(a.wait(&near));
            if is_evicted {
                limiter.take(peer(2)).unwrap();
            } else {
                limiter.close();
            }
            // Like its task.
            assert!(a.is_lost());
            drop((a, near));
            let read = tokio::io::AsyncReadExt::read_to_end(&mut far, &mut Vec::new()).await;
            if is_evicted {
                let error = read.unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            } else {
                assert!(read.is_ok(), "at the end of the program it gets all of it");
            }
        }
    }

    /// Fills the buffers towards a peer that reads nothing.
    async fn stall(stream: &TcpStream) {
        let bytes = vec![0; 1 << 20];
        while let Ok(Ok(())) =
            tokio::time::timeout(Duration::from_millis(300), stream.writable()).await
        {
            let _ = stream.try_write(&bytes);
        }
    }

    #[tokio::test]
    async fn only_stalled_connections_are_evicted() {
        let limiter = ConnectionLimiter::new(2, 2);
        let (reads, reads_far) = stream().await;
        let (sleeps, sleeps_far) = stream().await;
        let mut a = limiter.take(peer(1)).unwrap();
        let mut b = limiter.take(peer(2)).unwrap();
        assert!(a.wait(&reads) && a.work());
        assert!(b.wait(&sleeps) && b.work());
        stall(&reads).await;
        stall(&sleeps).await;
        assert_eq!(
            limiter.take(peer(3)).unwrap_err(),
            Full::All,
            "not for long yet"
        );
        // The first one reads on, a little at a time.
        let deadline = Instant::now() + STALLED * 6;
        let c = loop {
            assert!(Instant::now() < deadline, "no permit was freed");
            let mut buffer = vec![0; 1 << 20];
            let _ = reads_far.try_read(&mut buffer);
            let _ = reads.try_write(&buffer);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if let Ok(permit) = limiter.take(peer(3)) {
                break permit;
            }
        };
        assert!(a.work() && !a.is_lost(), "it takes its answer");
        assert!(b.is_lost());
        drop((a, b, c));
        assert_eq!(limiter.taken(), 0);
        let inner = limiter.lock();
        assert!(inner.working.is_empty() && inner.peers.is_empty());
        drop(sleeps_far);
    }
}
