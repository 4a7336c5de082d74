//! The NFS server: TCP and UDP 2049 for NFS and MOUNT, 111 for the port mapper. The protocol is in
//! `lanboot_core::nfs`; this module moves the bytes and keeps account.
//!
//! A machine that lives on an image comes back after everything: a restart of the server, a lost
//! network, a closed connection. So an idle connection may be closed to make room, and nothing
//! is remembered that an answer would depend on.

mod accounts;
mod calls;
mod connection;
mod datagrams;
mod key;
mod limits;
mod listener;
mod rpcbind;
mod shared;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lanboot_core::events;
use lanboot_core::nfs::{CallContext, Over, Port};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::context::Context;
use crate::io::connection_limiter::ConnectionLimiter;
use crate::io::tcp_listener::{self, Keepalive};
use connection::Connection;
use listener::{Sockets, service};
use shared::Shared;

pub use limits::{
    Limits, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_PEER, MAX_QUESTIONS, MAX_QUESTIONS_PER_PEER, STALL,
};
pub use listener::Listener;

/// A machine that was switched off is noticed after a quarter of an hour; one that lost its
/// network for less keeps its connection.
const KEEPALIVE: Keepalive = Keepalive {
    time: Duration::from_secs(60),
    interval: Duration::from_secs(30),
    retries: 30,
};

/// Serves the routes of `context` until it drains: then it accepts nothing new, closes connections
/// that wait, lets replies finish and returns; how long that may take is the caller's business.
/// Run it on a runtime with more threads than cores: a cold disk read holds one.
///
/// # Errors
/// Only when a socket cannot be used at all.
pub async fn serve(listener: Listener, context: Context, limits: Limits) -> anyhow::Result<()> {
    let drain = context.drain.clone();
    let registered = rpcbind::keep(listener.registered, drain.clone());
    let (handles, nfs_port) = (listener.handles, listener.nfs.address.port());
    let shared = Arc::new(Shared::new(context, handles, nfs_port, limits));
    let forgetting = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move { shared.accounts.forget_idle().await }
    });
    let (nfs, portmap) = (listener.nfs, listener.portmap);
    let most = (limits.connections, limits.connections_per_peer);
    let nfs = serve_port(&shared, nfs, Port::Nfs, most, drain.clone());
    let portmap = async {
        match portmap {
            Some(sockets) => {
                let most = (MAX_QUESTIONS, MAX_QUESTIONS_PER_PEER);
                serve_port(&shared, sockets, Port::Portmap, most, drain).await
            }
            None => Ok(()),
        }
    };
    let registered = async {
        registered.await;
        Ok(())
    };
    let result = tokio::try_join!(nfs, portmap, registered);
    forgetting.abort();
    result.map(|_| ()).context("a socket cannot be used")
}

/// Serves one port over both protocols.
async fn serve_port(
    shared: &Arc<Shared>,
    sockets: Sockets,
    port: Port,
    (most, most_per_peer): (usize, usize),
    drain: watch::Receiver<bool>,
) -> io::Result<()> {
    let limiter = ConnectionLimiter::new(most, most_per_peer);
    let listener = tcp_listener::Listener {
        protocol: events::Protocol::Nfs,
        service: service(port),
        limiter: &limiter,
        bus: &shared.context.bus,
        drain: drain.clone(),
        // The close is all there is to say.
        refuse: |_: &TcpStream| {},
    };
    let context = |over| CallContext {
        port,
        over,
        here: here(sockets.address.ip()),
        nfs_port: shared.nfs_port,
    };
    let connection = |stream, peer, permit| {
        let connection = Connection {
            stream: Arc::new(stream),
            peer,
            context: context(Over::Tcp),
            shared: Arc::clone(shared),
        };
        async move {
            if connection.shared.admits(peer, "connection") {
                connection.run(permit).await;
            }
        }
    };
    let datagrams = datagrams::serve(sockets.udp, context(Over::Udp), Arc::clone(shared), drain);
    tokio::try_join!(listener.run(sockets.tcp, KEEPALIVE, connection), datagrams).map(|_| ())
}

/// Returns our address as the port mapper names it, whose protocol has none but IPv4.
fn here(own: IpAddr) -> Ipv4Addr {
    match own {
        IpAddr::V4(own) => own,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}
