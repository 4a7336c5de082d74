//! Accept loop shared by the TCP servers: socket options, connection limits, and resilience against
//! floods and a lack of descriptors.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use lanboot_core::connections::Full;
use lanboot_core::events::{self, DiagnosticCode, EventKind, ListenerReason, Peer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::events::bus::Bus;
use crate::events::log_throttle::LogThrottle;
use crate::io::connection_limiter::{ConnectionLimiter, Permit};
use crate::net::{Listeners, Service};

/// Congestion control: Linux's default. Some hosts use bbr for the Internet. It paces packets by
/// timers, which gains nothing on a local network and took a third to a half of the processor time
/// of a transfer.
pub const CONGESTION_CONTROL: &[u8] = b"cubic";
/// Pause before accepting again if the process or the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Keepalive parameters: when a silent connection counts as dead.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub time: Duration,
    /// Time between two probes.
    pub interval: Duration,
    /// Probes without an answer until the connection counts as dead.
    pub retries: u32,
}

/// Listener of one server.
pub struct Listener<'a, R> {
    /// Protocol, as named in the log.
    pub protocol: events::Protocol,
    /// Purpose of its port.
    pub service: Service,
    /// Limits connections.
    pub limiter: &'a ConnectionLimiter,
    /// Event bus.
    pub bus: &'a Bus,
    /// Becomes `true` when no new connections are accepted.
    pub drain: watch::Receiver<bool>,
    /// Sends a refusal to a connection over the limit, as far as possible without waiting.
    pub refuse: R,
}

impl<R: Fn(&TcpStream)> Listener<'_, R> {
    /// Passes every connection to `connection` until `drain` becomes true; then closes idle ones,
    /// lets the others finish and returns. The caller limits the time for that. Dropping the future
    /// ends every connection.
    ///
    /// # Errors
    /// Fails only if the listener cannot be used at all.
    pub async fn run<C, F>(
        mut self,
        all: impl Into<Listeners>,
        keepalive: Keepalive,
        connection: C,
    ) -> io::Result<()>
    where
        C: Fn(TcpStream, IpAddr, Permit) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let all = all.into();
        let own = all.local_addr()?.ip();
        let mut listeners = Vec::new();
        for listener in all.all {
            prepare(&listener, keepalive)?;
            listeners.push(TcpListener::from_std(listener)?);
        }
        let mut connections = JoinSet::new();
        let mut no_descriptor = LogThrottle::default();
        let mut no_permit = LogThrottle::default();
        loop {
            let (listener, accepted) = tokio::select! {
                // An error means that the sender of `drain` is gone, which has the same meaning.
                _ = self.drain.wait_for(|is_draining| *is_draining) => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&listeners) => accepted,
            };
            // The first one listens on the address's own interface. Connections that cannot be accepted
            // for lack of descriptors have reached it, too.
            if listener == 0 {
                self.bus.arrived(self.service, own);
            }
            match accepted {
                Ok((stream, address)) => {
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
                    set_missing_options(&stream, keepalive);
                    connections.spawn(connection(stream, ip, permit));
                }
                Err(error) if is_exhaustion(&error) => {
                    if no_descriptor.is_due() {
                        let text = format!(
                            "{} accept failed: {error}; \
                             raise the limit on open files",
                            self.protocol.name()
                        );
                        self.bus.report(DiagnosticCode::AcceptFailed.with(text));
                    }
                    self.limiter.evict_one();
                    sleep(ACCEPT_PAUSE).await;
                }
                // The machine closed the connection while it was queued.
                Err(_) => {}
            }
        }
        drop(listeners);
        self.limiter.close();
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

/// Accepts the next connection of any listener, and returns the listener's index with it.
async fn accept(listeners: &[TcpListener]) -> (usize, io::Result<(TcpStream, SocketAddr)>) {
    poll_fn(|cx| {
        for (number, listener) in listeners.iter().enumerate() {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready((number, accepted));
            }
        }
        Poll::Pending
    })
    .await
}

/// Sets options that accepted connections inherit, so that they cost nothing per connection.
pub fn prepare(listener: &std::net::TcpListener, keepalive: Keepalive) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    set_options(&SockRef::from(listener), keepalive)
}

/// Sets the options of a connection accepted by the kernel before the listener had them, as after a
/// restart. Without the first one every reply of two parts would be delayed by 40 ms.
fn set_missing_options(stream: &TcpStream, keepalive: Keepalive) {
    let socket = SockRef::from(stream);
    // The option set last, and one the system never sets by itself.
    let retries = socket.tcp_keepalive_retries().ok();
    if retries != Some(keepalive.retries) || !socket.keepalive().unwrap_or(true) {
        // A closed connection needs none.
        let _ = set_options(&socket, keepalive);
    }
}

fn set_options(socket: &SockRef<'_>, keepalive: Keepalive) -> io::Result<()> {
    // A reply is pushed as one: head and body are joined by MSG_MORE.
    socket.set_tcp_nodelay(true)?;
    // Optional: a kernel may lack it.
    let _ = socket.set_tcp_congestion(CONGESTION_CONTROL);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(keepalive.time)
            .with_interval(keepalive.interval)
            .with_retries(keepalive.retries),
    )
}

fn no_permit_left(protocol: events::Protocol, full: Full) -> EventKind {
    let reason = match full {
        Full::Peer => ListenerReason::ClientConnectionLimit,
        Full::All => ListenerReason::ConnectionLimit,
    };
    EventKind::Ignored {
        protocol,
        request: "connection".to_owned(),
        reason: reason.into(),
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

/// Returns a peer known by its address only.
pub fn peer(ip: IpAddr) -> Peer {
    Peer {
        mac: None,
        ip: Some(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_inherit_the_listeners_options() {
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
    async fn early_connections_get_missing_options() {
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
        set_missing_options(&near, keepalive);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), keepalive.interval);
    }

    #[tokio::test]
    async fn connections_count_for_the_address_of_their_listener() {
        let (bus, _events) = Bus::new();
        let [eth0, eth1] = [1, 2].map(|n| IpAddr::from([127, 0, 0, n]));
        bus.count_arrivals_at([eth0, eth1]);
        let limiter = ConnectionLimiter::new(1, 1);
        let (drain, draining) = watch::channel(false);
        let listener = Listener {
            protocol: events::Protocol::Http,
            service: Service::Http,
            limiter: &limiter,
            bus: &bus,
            drain: draining,
            refuse: |_: &TcpStream| {},
        };
        let bound = std::net::TcpListener::bind((eth1, 0)).unwrap();
        let _far = std::net::TcpStream::connect(bound.local_addr().unwrap()).unwrap();
        let keepalive = Keepalive {
            time: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            retries: 6,
        };
        let served = listener.run(bound, keepalive, |_, _, _| {
            drain.send(true).unwrap();
            async {}
        });
        served.await.unwrap();
        assert_eq!(bus.arrivals(Service::Http, eth1), 1);
        assert_eq!(bus.arrivals(Service::Http, eth0), 0);
    }
}
