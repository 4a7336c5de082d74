//! How many connections a door has room for, in all and for one machine.
//!
//! A connection that waits for a request costs little and can be missed: when there is no room,
//! the one that has waited longest makes place. A connection that is being answered is never
//! closed for another one, and neither is one that stays: a machine's disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Shutdown};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::SockRef;
use tokio::net::TcpStream;

/// The seats of one door. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Seats {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    most: usize,
    most_per_peer: usize,
    taken: usize,
    /// Counts up; a lower ticket has waited longer.
    next_ticket: u64,
    peers: HashMap<IpAddr, Peer>,
    waiting: BTreeMap<u64, (IpAddr, Arc<TcpStream>)>,
    /// By ticket.
    staying: HashMap<u64, Arc<TcpStream>>,
    is_closing: bool,
}

#[derive(Debug, Default)]
struct Peer {
    taken: usize,
    /// Tickets.
    waiting: BTreeSet<u64>,
}

/// A place for one connection, given back when dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    peer: IpAddr,
    /// Held while it waits.
    ticket: Option<u64>,
    /// Held from when it stays.
    stays: Option<u64>,
}

impl Seats {
    /// Room for `most` connections, `most_per_peer` of them from one address.
    pub fn new(most: usize, most_per_peer: usize) -> Self {
        let inner = Inner {
            most,
            most_per_peer,
            taken: 0,
            next_ticket: 0,
            peers: HashMap::new(),
            waiting: BTreeMap::new(),
            staying: HashMap::new(),
            is_closing: false,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// A seat for `peer`, if need be that of the connection which has waited longest: one of its
    /// own when it has as many as it may have, anybody's when all are taken. `None` when every
    /// one of them is being answered.
    pub fn take(&self, peer: IpAddr) -> Option<Seat> {
        let mut inner = self.lock();
        let own = inner.peers.get(&peer);
        if own.is_some_and(|p| p.taken >= inner.most_per_peer) {
            let oldest = own.and_then(|p| p.waiting.first().copied())?;
            inner.evict(oldest);
        } else if inner.taken >= inner.most {
            let oldest = inner.waiting.first_key_value().map(|(t, _)| *t)?;
            inner.evict(oldest);
        }
        inner.taken += 1;
        inner.peers.entry(peer).or_default().taken += 1;
        Some(Seat {
            seats: self.clone(),
            peer,
            ticket: None,
            stays: None,
        })
    }

    /// Closes the connection that has waited longest; `false` when none waits.
    pub fn evict_one(&self) -> bool {
        let mut inner = self.lock();
        let oldest = inner.waiting.first_key_value().map(|(t, _)| *t);
        oldest.inspect(|t| inner.evict(*t)).is_some()
    }

    /// From now on nobody waits: closes those who do, and those who are going to. Those who stay
    /// hear nothing more from their peers and can finish what they heard before.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.is_closing = true;
        while let Some(oldest) = inner.waiting.first_key_value().map(|(t, _)| *t) {
            inner.evict(oldest);
        }
        for (_, stream) in inner.staying.drain() {
            // Fails only when the peer closed it first.
            let _ = SockRef::from(&*stream).shutdown(Shutdown::Read);
        }
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// From now on this connection waits for its peer and may be closed to make room. `false`
    /// when the door closes and it must not wait.
    pub fn wait(&mut self, stream: &Arc<TcpStream>) -> bool {
        let mut inner = self.seats.lock();
        if inner.is_closing {
            return false;
        }
        if self.ticket.is_none() {
            let ticket = inner.next_ticket;
            inner.next_ticket += 1;
            let entry = (self.peer, Arc::clone(stream));
            inner.waiting.insert(ticket, entry);
            inner
                .peers
                .entry(self.peer)
                .or_default()
                .waiting
                .insert(ticket);
            self.ticket = Some(ticket);
        }
        true
    }

    /// From now on this connection is never closed to make room, however long it waits. `false`
    /// when the door closes.
    pub fn stay(&mut self, stream: &Arc<TcpStream>) -> bool {
        if !self.work() {
            return false;
        }
        let mut inner = self.seats.lock();
        if inner.is_closing {
            return false;
        }
        let ticket = inner.next_ticket;
        inner.next_ticket += 1;
        inner.staying.insert(ticket, Arc::clone(stream));
        self.stays = Some(ticket);
        true
    }

    /// From now on it is being answered. `false` when it was closed before.
    pub fn work(&mut self) -> bool {
        let Some(ticket) = self.ticket else {
            return true;
        };
        let mut inner = self.seats.lock();
        let is_mine = inner.waiting.remove(&ticket).is_some();
        if is_mine {
            self.ticket = None;
            if let Some(peer) = inner.peers.get_mut(&self.peer) {
                peer.waiting.remove(&ticket);
            }
        }
        is_mine
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // An evicted connection's seat was given away then.
        if self.work() {
            let mut inner = self.seats.lock();
            if let Some(ticket) = self.stays {
                inner.staying.remove(&ticket);
            }
            inner.release(self.peer);
        }
    }
}

impl Inner {
    /// Gives the seat of a waiting connection away and wakes its task, which finds the stream
    /// closed.
    fn evict(&mut self, ticket: u64) {
        let Some((peer, stream)) = self.waiting.remove(&ticket) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.waiting.remove(&ticket);
        }
        self.release(peer);
        // Fails only when the peer closed it first.
        let _ = SockRef::from(&*stream).shutdown(Shutdown::Both);
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
    async fn who_waited_longest_makes_room_and_who_is_answered_never_does() {
        let seats = Seats::new(2, 2);
        let (first, first_far) = stream().await;
        let (second, _second_far) = stream().await;
        let mut a = seats.take(peer(1)).unwrap();
        let mut b = seats.take(peer(2)).unwrap();
        assert!(seats.take(peer(3)).is_none(), "both are being answered");
        assert!(b.wait(&second));
        assert!(a.wait(&first));
        assert!(b.work());
        let c = seats.take(peer(3)).unwrap();
        assert!(is_closed(&first_far).await);
        assert!(!a.work(), "its seat is gone");
        drop(a);
        assert_eq!(seats.taken(), 2);
        drop((b, c));
        assert_eq!(seats.taken(), 0);
        assert!(seats.lock().peers.is_empty() && seats.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_machine_with_all_its_seats_loses_one_of_its_own() {
        let seats = Seats::new(10, 1);
        let (stranger, _stranger_far) = stream().await;
        let (own, own_far) = stream().await;
        let mut a = seats.take(peer(1)).unwrap();
        assert!(a.wait(&stranger));
        let mut b = seats.take(peer(2)).unwrap();
        assert!(seats.take(peer(2)).is_none());
        assert!(b.wait(&own));
        let _c = seats.take(peer(2)).unwrap();
        assert!(is_closed(&own_far).await);
        assert!(a.work(), "the other machine kept its seat");
    }

    #[tokio::test]
    async fn who_stays_is_closed_only_with_the_door() {
        let seats = Seats::new(1, 1);
        let (stream, mut far) = stream().await;
        let mut a = seats.take(peer(1)).unwrap();
        assert!(a.wait(&stream));
        assert!(a.stay(&stream));
        assert!(seats.take(peer(1)).is_none() && seats.take(peer(2)).is_none());
        assert!(!seats.evict_one());
        seats.close();
        // It hears its peer no more, but can still answer.
        stream.readable().await.unwrap();
        assert!(matches!(stream.try_read(&mut [0]), Ok(0)));
        assert_eq!(stream.try_write(b"x").unwrap(), 1);
        let mut answer = [0];
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut answer)
            .await
            .unwrap();
        drop(a);
        assert_eq!(seats.taken(), 0);
        assert!(seats.lock().staying.is_empty());
        let mut late = seats.take(peer(1)).unwrap();
        assert!(!late.stay(&stream), "the door is closed");
    }

    #[tokio::test]
    async fn after_closing_nobody_waits() {
        let seats = Seats::new(10, 10);
        let (stream, far) = stream().await;
        let mut a = seats.take(peer(1)).unwrap();
        let mut b = seats.take(peer(1)).unwrap();
        assert!(a.wait(&stream));
        seats.close();
        assert!(is_closed(&far).await);
        assert!(!b.wait(&stream));
    }
}
