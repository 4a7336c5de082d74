//! What every TCP door does with its listener: options, seats, and an accept loop that neither a
//! crowd nor a lack of descriptors ends.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use lanboot_core::events::{self, EventKind, Peer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::connection_limiter::{ConnectionLimiter, Full, Permit};
use crate::bus::Bus;
use crate::net::{Listeners, Service};

/// How fast a connection speeds up and slows down: Linux's own default. Some hosts are set to bbr
/// for the Internet's sake. It spreads packets by a timer each, which on a local network gains
/// nothing and took a third to a half of the processor time of a transfer.
pub(super) const CONGESTION_CONTROL: &[u8] = b"cubic";
/// Least time between two complaints of the same kind.
const COMPLAINT: Duration = Duration::from_secs(10);
/// Wait before accepting again when the process or the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// When a silent connection is taken for dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keepalive {
    /// Silence before the first probe.
    pub time: Duration,
    /// Between two probes.
    pub interval: Duration,
    /// Probes without an answer until the connection is dead.
    pub retries: u32,
}

/// One door's listener.
pub(super) struct Listener<'a, R> {
    /// Its name in the journal.
    pub protocol: events::Protocol,
    /// What its port is for.
    pub service: Service,
    /// Who may sit.
    pub limiter: &'a ConnectionLimiter,
    /// Where to tell what happened.
    pub bus: &'a Bus,
    /// Becomes `true` when nobody new is let in.
    pub drain: watch::Receiver<bool>,
    /// Says so to somebody for whom there is no seat, as far as that works without waiting.
    pub refuse: R,
}

impl<R: Fn(&TcpStream)> Listener<'_, R> {
    /// Hands every connection to `connection` until `drain` becomes true; then closes those that
    /// wait, lets the others finish and returns. How long that may take is the caller's business.
    /// Dropping the future ends every connection.
    ///
    /// # Errors
    /// Only when the listener cannot be used at all.
    pub(super) async fn run<C, F>(
        mut self,
        all: impl Into<Listeners>,
        keepalive: Keepalive,
        connection: C,
    ) -> io::Result<()>
    where
        C: Fn(TcpStream, IpAddr, Permit) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut listeners = Vec::new();
        for listener in all.into().all {
            prepare(&listener, keepalive)?;
            listeners.push(TcpListener::from_std(listener)?);
        }
        let mut connections = JoinSet::new();
        let mut no_descriptor = LogThrottle::default();
        let mut no_permit = LogThrottle::default();
        loop {
            let accepted = tokio::select! {
                // An error says that whoever could tell to drain is gone, which means the same.
                _ = self.drain.wait_for(|is_draining| *is_draining) => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&listeners) => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    self.bus.arrived(self.service);
                    let ip = address.ip().to_canonical();
                    let permit = match self.limiter.take(ip) {
                        Ok(permit) => permit,
                        Err(full) => {
                            (self.refuse)(&stream);
                            if no_permit.is_due() {
                                self.bus
                                    .publish(peer(ip), no_permit_left(self.protocol, full));
                            }
                            continue;
                        }
                    };
                    make_up(&stream, keepalive);
                    connections.spawn(connection(stream, ip, permit));
                }
                Err(error) if is_exhaustion(&error) => {
                    if no_descriptor.is_due() {
                        let text = format!(
                            "the {} door cannot accept connections ({error}); \
                             raise the limit on open files",
                            self.protocol.name()
                        );
                        self.bus
                            .publish(Peer::default(), EventKind::Diagnostic { text });
                    }
                    self.limiter.evict_one();
                    sleep(ACCEPT_PAUSE).await;
                }
                // The machine hung up while it queued.
                Err(_) => {}
            }
        }
        drop(listeners);
        self.limiter.close();
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

/// The next connection of any of them.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|cx| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}

/// Options that accepted connections inherit, so that they cost nothing per connection.
pub(super) fn prepare(listener: &std::net::TcpListener, keepalive: Keepalive) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    set_options(&SockRef::from(listener), keepalive)
}

/// Sets them for a connection that came before the listener had them: after a restart machines
/// are there before the door is. Without the first of them every reply of two parts would wait
/// for 40 ms.
fn make_up(stream: &TcpStream, keepalive: Keepalive) {
    let socket = SockRef::from(stream);
    // The last one set; and one that is never set by the system.
    let retries = socket.tcp_keepalive_retries().ok();
    if retries != Some(keepalive.retries) || !socket.keepalive().unwrap_or(true) {
        // A connection that is gone already needs none.
        let _ = set_options(&socket, keepalive);
    }
}

fn set_options(socket: &SockRef<'_>, keepalive: Keepalive) -> io::Result<()> {
    // Every reply is pushed as one: head and body are joined by MSG_MORE.
    socket.set_tcp_nodelay(true)?;
    // A kernel without it serves all the same.
    let _ = socket.set_tcp_congestion(CONGESTION_CONTROL);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(keepalive.time)
            .with_interval(keepalive.interval)
            .with_retries(keepalive.retries),
    )
}

fn no_permit_left(protocol: events::Protocol, full: Full) -> EventKind {
    EventKind::Ignored {
        protocol,
        request: "connection".to_owned(),
        why: full.to_string(),
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

/// Somebody known by address only.
pub(super) fn peer(ip: IpAddr) -> Peer {
    Peer {
        mac: None,
        ip: Some(ip),
    }
}

/// Something that could be said a thousand times a second.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    last: Option<Instant>,
}

impl LogThrottle {
    /// Whether it is time to say it (again).
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= COMPLAINT);
        if is_due {
            self.last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_inherit_what_the_listener_was_given() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let keepalive = Keepalive {
            time: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            retries: 6,
        };
        prepare(&listener, keepalive).unwrap();
        let address = listener.local_addr().unwrap();
        let _far = std::net::TcpStream::connect(address).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (near, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&near);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        let control = socket.tcp_congestion().unwrap();
        assert!(control.starts_with(CONGESTION_CONTROL), "{control:?}");
        assert_eq!(socket.tcp_keepalive_time().unwrap(), keepalive.time);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), keepalive.retries);
    }

    #[tokio::test]
    async fn who_came_before_the_listener_was_ready_is_made_up_for() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let keepalive = Keepalive {
            time: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            retries: 6,
        };
        prepare(&listener, keepalive).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (near, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&near);
        assert!(
            !socket.tcp_nodelay().unwrap(),
            "then none of this is needed"
        );
        make_up(&near, keepalive);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), keepalive.interval);
    }

    #[test]
    fn a_complaint_is_not_repeated_at_once() {
        let mut throttle = LogThrottle::default();
        assert!(throttle.is_due());
        assert!(!throttle.is_due());
    }
}
