//! The NBD server, TCP 10809: whole images as disks. The protocol is in `lanboot_core::nbd`; this
//! module moves the bytes, limits the connections and keeps the time.
//!
//! A connection in transmission is somebody's root file system. It is never closed to make room,
//! may be silent for days, and holds its image open until it ends, whatever becomes of the file.
//! It costs a task, a descriptor and a small input buffer; buffers for answers exist only while there
//! is something to answer.

mod connection;
mod input;
mod limits;
mod transfer_log;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lanboot_core::events::Protocol;
use tokio::net::TcpStream;

use crate::context::Context;
use crate::io::connection_limiter::ConnectionLimiter;
use crate::io::tcp_listener::{self, Keepalive};
use crate::net::{Listeners, Service};
use connection::{Connection, Shared};

pub use limits::{Limits, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_PEER, NEGOTIATION, STALL};

/// The port of the NBD server; the clients of initramfs scripts know no other.
pub const PORT: u16 = 10809;
/// A disk must outlive a switch that restarts or a cable that is plugged elsewhere: a silent
/// machine is given up after 16 minutes.
const KEEPALIVE: Keepalive = Keepalive {
    time: Duration::from_secs(60),
    interval: Duration::from_secs(30),
    retries: 30,
};

/// Serves the images of `context` as disks on `listeners` to machines of the served networks.
///
/// When the context drains it stops accepting, finishes the replies under way, closes every
/// connection and returns: a machine that streams its root comes again, to the program's next
/// run. Dropping the future ends every connection. Run it on a runtime with more threads than
/// cores: a cold disk read holds one.
///
/// # Errors
/// Only when a listener cannot be used at all.
pub async fn serve(
    listeners: impl Into<Listeners>,
    context: Context,
    limits: Limits,
) -> io::Result<()> {
    let limiter = ConnectionLimiter::new(limits.connections, limits.connections_per_peer);
    let bus = context.bus.clone();
    let protocol = tcp_listener::Listener {
        protocol: Protocol::Nbd,
        service: Service::Nbd,
        limiter: &limiter,
        bus: &bus,
        drain: context.drain.clone(),
        // The protocol has no word for it.
        refuse: |_: &TcpStream| {},
    };
    let shared = Arc::new(Shared::new(context, limits));
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
