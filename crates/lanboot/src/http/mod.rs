//! The HTTP server, TCP 80: files for firmware, loaders and initramfs. The protocol is in
//! `lanboot_core::http`; this module moves the bytes, limits the connections and keeps the time.

mod connection;
mod limits;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lanboot_core::events::Protocol;
use lanboot_core::http;
use lanboot_core::routes::Opened;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::context::Context;
use crate::events::bus::{self, Bus};
use crate::images::open_images::OpenImages;
use crate::io::connection_limiter::ConnectionLimiter;
use crate::io::tcp_listener::{self, Keepalive};
use crate::net::{Listeners, Service};
use connection::{Connection, Shared};

pub use limits::{HEAD, IDLE, Limits, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_PEER, STALL};

/// A machine that was switched off is noticed after two minutes.
const KEEPALIVE: Keepalive = Keepalive {
    time: Duration::from_secs(60),
    interval: Duration::from_secs(10),
    retries: 6,
};

/// Serves the routes of `context` on `listeners` until it drains; see [`run`].
pub async fn serve(
    listeners: impl Into<Listeners>,
    context: Context,
    limits: Limits,
) -> io::Result<()> {
    let (open_images, bus) = (Arc::clone(&context.open_images), context.bus.clone());
    let drain = context.drain.clone();
    let find = move |path: &[u8], query: &[u8], peer: IpAddr| context.find(path, query, peer);
    run(listeners, find, open_images, bus, drain, limits).await
}

/// Serves what `find` finds (by path, query and peer) on `listeners`.
///
/// When `drain` becomes true it stops accepting, closes connections that wait, lets replies
/// finish and returns; how long that may take is the caller's business. Dropping the future
/// ends every connection. Run it on a runtime with more threads than cores: a cold disk read
/// holds one.
///
/// # Errors
/// Only when a listener cannot be used at all.
pub async fn run<F>(
    listeners: impl Into<Listeners>,
    find: F,
    open_images: Arc<OpenImages>,
    bus: Bus,
    drain: watch::Receiver<bool>,
    limits: Limits,
) -> io::Result<()>
where
    F: Fn(&[u8], &[u8], IpAddr) -> Option<Opened> + Send + Sync + 'static,
{
    let limiter = ConnectionLimiter::new(limits.connections, limits.connections_per_peer);
    let protocol = tcp_listener::Listener {
        protocol: Protocol::Http,
        service: Service::Http,
        limiter: &limiter,
        bus: &bus.clone(),
        drain,
        refuse,
    };
    let shared = Arc::new(Shared {
        find,
        open_images,
        bus,
        limits,
    });
    let connection = |stream, peer, permit| {
        let connection = Connection {
            stream: Arc::new(stream),
            peer,
            shared: Arc::clone(&shared),
        };
        connection.run(permit)
    };
    protocol.run(listeners, KEEPALIVE, connection).await
}

/// Sends 503 as far as that works without waiting; iPXE then tries again.
fn refuse(stream: &TcpStream) {
    let reply = http::unavailable(bus::now());
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let _ = SockRef::from(stream).send_with_flags(&reply.head, flags);
}
