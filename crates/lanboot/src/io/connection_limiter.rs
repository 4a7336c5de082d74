//! Limits the connections of a server, in total and per machine, as `lanboot_core::connections`
//! decides; closes those that yield.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lanboot_core::connections::{Admitted, ConnectionId, Connections, Full};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::io::send::reset_on_close;
use crate::net;

/// Connection limiter of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConnectionLimiter {
    inner: Arc<Mutex<Inner>>,
    /// The origin of the times that the core is given.
    started: Instant,
}

#[derive(Debug)]
struct Inner {
    connections: Connections,
    /// Streams of those that have waited.
    streams: HashMap<ConnectionId, Arc<TcpStream>>,
}

/// Permit for one connection, returned on drop.
#[derive(Debug)]
pub struct Permit {
    limiter: ConnectionLimiter,
    id: ConnectionId,
}

impl ConnectionLimiter {
    /// Creates a limiter for `most` connections, `most_per_peer` of them from one address.
    pub fn new(most: usize, most_per_peer: usize) -> Self {
        let inner = Inner {
            connections: Connections::new(most, most_per_peer),
            streams: HashMap::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            started: Instant::now(),
        }
    }

    /// Takes a permit for `peer`, if necessary from the connection without progress for longest:
    /// one of the same peer if that is at its limit, any if all are taken.
    ///
    /// # Errors
    /// Fails if all of them make progress.
    pub fn take(&self, peer: IpAddr) -> Result<Permit, Full> {
        let now = self.now();
        let mut inner = self.lock();
        let Inner {
            connections,
            streams,
        } = &mut *inner;
        let stalled = |id| {
            let stream = streams.get(&id);
            stream.map_or(Duration::ZERO, |stream| net::stalled(&**stream))
        };
        let Admitted { id, evicted } = connections.admit(peer, now, stalled)?;
        if let Some(evicted) = evicted {
            inner.close_evicted(evicted);
        }
        Ok(Permit {
            limiter: self.clone(),
            id,
        })
    }

    /// Closes the connection that has waited longest; `false` if none waits.
    pub fn evict_one(&self) -> bool {
        let mut inner = self.lock();
        let evicted = inner.connections.evict_one();
        evicted.inspect(|id| inner.close_evicted(*id)).is_some()
    }

    /// Closes idle connections, now and from here on. Persistent ones are shut down for reading and
    /// can finish the requests they have.
    pub fn close(&self) {
        let mut inner = self.lock();
        for idle in inner.connections.close() {
            inner.close_stream(idle);
        }
        let Inner {
            connections,
            streams,
        } = &mut *inner;
        for (_, stream) in streams.extract_if(|id, _| connections.is_persistent(*id)) {
            // Fails only if the peer closed it first.
            let _ = SockRef::from(&*stream).shutdown(Shutdown::Read);
        }
    }

    /// Returns the number of permits taken.
    pub fn taken(&self) -> usize {
        self.lock().connections.len()
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Marks the connection as waiting for its peer, so that it may be closed for another one.
    /// `false` if it must not wait: the server is closing, or the permit was lost.
    pub fn wait(&mut self, stream: &Arc<TcpStream>) -> bool {
        let now = self.limiter.now();
        let mut inner = self.limiter.lock();
        let waits = inner.connections.wait(self.id, now);
        if waits {
            inner.keep_stream(self.id, stream);
        }
        waits
    }

    /// Marks the connection as persistent, never to be closed for another one. When the server
    /// closes it is shut down for reading. `false` if the permit was lost.
    pub fn stay(&mut self, stream: &Arc<TcpStream>) -> bool {
        let mut inner = self.limiter.lock();
        if !inner.connections.stay(self.id) {
            return false;
        }
        if inner.connections.is_closing() {
            inner.streams.remove(&self.id);
            // Fails only if the peer closed it first.
            let _ = SockRef::from(&**stream).shutdown(Shutdown::Read);
        } else {
            inner.keep_stream(self.id, stream);
        }
        true
    }

    /// Marks the connection as being answered, so that it is closed only while it accepts none of
    /// its reply. `false` if the permit was lost.
    pub fn work(&mut self) -> bool {
        self.limiter.lock().connections.work(self.id)
    }

    /// Returns whether the permit was lost, so that errors of this connection are not its peer's
    /// fault.
    pub fn is_lost(&mut self) -> bool {
        !self.work()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inner = self.limiter.lock();
        // The permit of an evicted connection was passed on then.
        inner.connections.remove(self.id);
        inner.streams.remove(&self.id);
    }
}

impl Inner {
    fn keep_stream(&mut self, id: ConnectionId, stream: &Arc<TcpStream>) {
        let kept = self.streams.entry(id);
        kept.or_insert_with(|| Arc::clone(stream));
    }

    /// Closes a connection that yielded to another one. Data that its peer has not acknowledged is
    /// discarded: after a plain close the kernel would go on offering it to a peer with a closed
    /// window, for as long as that one answers the probes.
    fn close_evicted(&mut self, id: ConnectionId) {
        if let Some(stream) = self.streams.get(&id)
            && net::unacknowledged(stream).is_ok_and(|bytes| bytes > 0)
        {
            reset_on_close(stream);
        }
        self.close_stream(id);
    }

    /// Closes a connection that was removed, and so wakes its task.
    fn close_stream(&mut self, id: ConnectionId) {
        if let Some(stream) = self.streams.remove(&id) {
            // Fails only if the peer closed it first.
            let _ = SockRef::from(&*stream).shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::connections::STALLED;
    use tokio::net::TcpListener;

    impl Inner {
        fn is_empty(&self) -> bool {
            self.connections.is_empty() && self.streams.is_empty()
        }
    }

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
        assert!(limiter.lock().is_empty());
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
        assert!(limiter.lock().streams.is_empty());
        let mut late = limiter.take(peer(1)).unwrap();
        assert!(late.stay(&stream), "it can finish received requests");
        assert!(limiter.lock().streams.is_empty());
        assert!(matches!(stream.try_read(&mut [0]), Ok(0)));
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
        assert!(limiter.lock().is_empty());
        drop(sleeps_far);
    }
}
