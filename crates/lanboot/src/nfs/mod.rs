//! The NFS server: TCP and UDP 2049 for NFS and MOUNT, 111 for the port mapper. The protocol is in
//! `lanboot_core::nfs`; this file and those beside it move the bytes and keep account.
//!
//! A machine that lives on an image comes back after everything: a restart of the server, a lost
//! network, a closed connection. So an idle connection may be closed to make room, and nothing
//! is remembered that an answer would depend on.

mod accounts;
mod calls;
mod key;
mod rpcbind;
mod tcp;
mod udp;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use lanboot_core::events::{self, Diagnostic, DiagnosticCode, EventKind, ListenerReason, Reason};
use lanboot_core::nfs::{
    self, Answer, CallContext, CallOutcome, Handles, MAX_PATH_BYTES, Over, PORT, PORTMAP_PORT,
    Port, Server,
};
use lanboot_core::routes::Routes;
use lanboot_core::text::printable;
use tokio::net::TcpStream;

use crate::context::Context;
use crate::events::log_throttle::LogThrottle;
use crate::io::connection_limiter::ConnectionLimiter;
use crate::io::tcp_listener::{self, Keepalive, peer};
use crate::net::{self, Listeners, Service};
use accounts::{Account, Accounts, Mount};
use rpcbind::Registered;
use tcp::Connection;

/// Most connections to port 2049 at once: four for each of a thousand machines. A machine has one
/// or two, and comes again when an idle one is closed.
pub const MAX_CONNECTIONS: usize = 4096;
/// Most of them from one address, which may be a router with a classroom behind it.
pub const MAX_CONNECTIONS_PER_PEER: usize = 512;
/// Most connections to the port mapper at once; each lasts for one question.
pub const MAX_QUESTIONS: usize = 1024;
/// Most of them from one address.
pub const MAX_QUESTIONS_PER_PEER: usize = 256;
/// How long a machine may acknowledge nothing of what is sent. It may be asleep or unplugged, and
/// would only ask for the same again.
pub const STALL: Duration = Duration::from_secs(600);

/// A machine that was switched off is noticed after a quarter of an hour; one that lost its
/// network for less keeps its connection.
const KEEPALIVE: Keepalive = Keepalive {
    time: Duration::from_secs(60),
    interval: Duration::from_secs(30),
    retries: 30,
};
/// Limits of the server. [`Limits::default`] has the constants of this module.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_peer: usize,
    /// Wait for a sign that the machine takes what is sent.
    pub stall: Duration,
    /// How long a machine with no connection must not have used an image until it is taken to be
    /// done with it.
    pub forget: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            connections_per_peer: MAX_CONNECTIONS_PER_PEER,
            stall: STALL,
            forget: accounts::FORGET,
        }
    }
}

/// The bound sockets.
#[derive(Debug)]
pub struct Listener {
    nfs: Sockets,
    portmap: Option<Sockets>,
    handles: Handles,
    /// Removed when the server stops.
    registered: Option<Registered>,
}

/// One port over both protocols.
#[derive(Debug)]
struct Sockets {
    address: SocketAddrV4,
    tcp: Listeners,
    udp: std::net::UdpSocket,
}

impl Sockets {
    fn bind(
        interface: Option<&str>,
        address: SocketAddrV4,
        service: Service,
    ) -> anyhow::Result<Self> {
        let tcp = net::listen(interface, address, service)?;
        let IpAddr::V4(ip) = tcp.local_addr()?.ip() else {
            anyhow::bail!("{address} is no IPv4 address");
        };
        let address = SocketAddrV4::new(ip, tcp.local_addr()?.port());
        let udp = net::udp(None, address, service)?;
        // An answer to a forged sender must never reach everybody.
        udp.set_broadcast(false)?;
        Ok(Self { address, tcp, udp })
    }
}

impl Listener {
    /// Binds both ports of `address`, which is one of `interface`. The key of the handles is kept
    /// in the folder `state`. Without port 111, which the host's own port mapper may have, the
    /// server is registered there; messages for the operator go to `diagnostics`.
    ///
    /// # Errors
    /// When NFS cannot be served at all: one sentence that says what to do.
    pub fn open(
        interface: &str,
        address: Ipv4Addr,
        state: &Path,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> anyhow::Result<Self> {
        let bind = |port, service| {
            Sockets::bind(Some(interface), SocketAddrV4::new(address, port), service)
        };
        let nfs = bind(PORT, Service::Nfs).map_err(|error| match rpcbind::kernel_server() {
            Some(why) => error.context(why),
            None => error,
        })?;
        let handles = Handles::new(key::load(state)?);
        let (portmap, registered) = match bind(PORTMAP_PORT, Service::Portmap) {
            Ok(sockets) => (Some(sockets), None),
            Err(error) => match Registered::new(PORT) {
                Ok(registered) => {
                    diagnostics.push(
                        DiagnosticCode::NfsRegistered
                            .with("NFS is registered with the port mapper of this host"),
                    );
                    (None, Some(registered))
                }
                Err(why) => {
                    diagnostics
                        .push(DiagnosticCode::NfsNotRegistered.with(rpcbind::advice(&error, &why)));
                    (None, None)
                }
            },
        };
        Ok(Self {
            nfs,
            portmap,
            handles,
            registered,
        })
    }

    /// Binds any free ports of `address`, for tests; [`Self::ports`] returns them.
    pub fn anywhere(address: Ipv4Addr, key: [u8; 16]) -> anyhow::Result<Self> {
        Ok(Self {
            nfs: anywhere(address)?,
            portmap: Some(anywhere(address)?),
            handles: Handles::new(key),
            registered: None,
        })
    }

    /// The addresses of NFS and, if it is ours, of the port mapper.
    pub fn ports(&self) -> (SocketAddrV4, Option<SocketAddrV4>) {
        (self.nfs.address, self.portmap.as_ref().map(|p| p.address))
    }
}

/// A port that is free over both protocols.
fn anywhere(address: Ipv4Addr) -> anyhow::Result<Sockets> {
    const TRIES: usize = 20;
    let bind = || Sockets::bind(None, SocketAddrV4::new(address, 0), Service::Nfs);
    (1..TRIES).find_map(|_| bind().ok()).map_or_else(bind, Ok)
}

/// Serves the routes of `context` until it drains: then it accepts nothing new, closes connections
/// that wait, lets replies finish and returns; how long that may take is the caller's business.
/// Run it on a runtime with more threads than cores: a cold disk read holds one.
///
/// # Errors
/// Only when a socket cannot be used at all.
pub async fn serve(listener: Listener, context: Context, limits: Limits) -> anyhow::Result<()> {
    let drain = context.drain.clone();
    let registered = rpcbind::keep(listener.registered, drain.clone());
    let shared = Arc::new(Shared {
        accounts: Accounts::new(
            context.bus.clone(),
            Arc::clone(&context.open_images),
            limits.forget,
        ),
        context,
        handles: listener.handles,
        nfs_port: listener.nfs.address.port(),
        limits,
        throttles: Mutex::default(),
    });
    let forgetting = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move { shared.accounts.forget_idle().await }
    });
    let (nfs, portmap) = (listener.nfs, listener.portmap);
    let most = (limits.connections, limits.connections_per_peer);
    let nfs = shared.port(nfs, Port::Nfs, most, drain.clone());
    let portmap = async {
        match portmap {
            Some(sockets) => {
                let most = (MAX_QUESTIONS, MAX_QUESTIONS_PER_PEER);
                shared.port(sockets, Port::Portmap, most, drain).await
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

/// What all ports and connections share.
struct Shared {
    context: Context,
    handles: Handles,
    accounts: Accounts,
    nfs_port: u16,
    limits: Limits,
    throttles: Mutex<Throttles>,
}

/// Throttles of what is logged once in a while, however often it happens.
#[derive(Default)]
struct Throttles {
    stranger: LogThrottle,
    refused: LogThrottle,
    ignored: LogThrottle,
    unsent: LogThrottle,
    stalled: LogThrottle,
    not_found: LogThrottle,
}

impl Shared {
    /// Serves one port over both protocols.
    async fn port(
        self: &Arc<Self>,
        sockets: Sockets,
        port: Port,
        (most, most_per_peer): (usize, usize),
        drain: tokio::sync::watch::Receiver<bool>,
    ) -> io::Result<()> {
        let limiter = ConnectionLimiter::new(most, most_per_peer);
        let listener = tcp_listener::Listener {
            protocol: events::Protocol::Nfs,
            service: service(port),
            limiter: &limiter,
            bus: &self.context.bus,
            drain: drain.clone(),
            // The close is all there is to say.
            refuse: |_: &TcpStream| {},
        };
        let context = |over| CallContext {
            port,
            over,
            here: *sockets.address.ip(),
            nfs_port: self.nfs_port,
        };
        let connection = |stream, peer, permit| {
            let connection = Connection {
                stream: Arc::new(stream),
                peer,
                context: context(Over::Tcp),
                shared: Arc::clone(self),
            };
            async move {
                if connection.shared.admits(peer, "connection") {
                    connection.run(permit).await;
                }
            }
        };
        let datagrams = udp::serve(sockets.udp, context(Over::Udp), Arc::clone(self), drain);
        tokio::try_join!(listener.run(sockets.tcp, KEEPALIVE, connection), datagrams).map(|_| ())
    }

    /// Returns whether `peer` is in a served network; logs it when not.
    fn admits(&self, ip: IpAddr, request: &str) -> bool {
        let admits = self.context.routes.load().serves(ip);
        if !admits {
            let reason = ListenerReason::ForeignClient;
            self.complain(|c| &mut c.stranger, ip, request, reason);
        }
        admits
    }

    fn answer(
        &self,
        message: &[u8],
        context: CallContext,
        routes: &Routes,
    ) -> Result<Answer, nfs::IgnoreReason> {
        let server = Server {
            handles: &self.handles,
            exports: routes,
            mounted: &|| self.accounts.mounted(),
        };
        nfs::answer(message, context, &server)
    }

    /// Records the outcome of a call for the event log; returns the mount that a read belongs to.
    fn note(&self, account: &mut Account<'_>, outcome: CallOutcome) -> Option<Arc<Mount>> {
        let ip = account.peer();
        match outcome {
            CallOutcome::Nothing => {}
            CallOutcome::Mounted {
                identity,
                image,
                size,
                path,
            } => self.accounts.mount(ip, identity, image, size, shown(&path)),
            CallOutcome::NotFound { path } => {
                if self.is_due(|c| &mut c.not_found) {
                    let what = EventKind::NotFound {
                        protocol: events::Protocol::Nfs,
                        path: shown(&path),
                    };
                    self.context.bus.publish(peer(ip), what);
                }
            }
            CallOutcome::Unmounted(identity) => self.accounts.unmount(ip, Some(identity)),
            CallOutcome::UnmountedAll => self.accounts.unmount(ip, None),
            CallOutcome::Used { identity, image } => account.touch(identity, image),
            CallOutcome::Read {
                identity,
                image,
                size,
            } => {
                let path = || self.path_of(identity);
                return Some(account.read(identity, image, size, path));
            }
            CallOutcome::Refused(refusal) => {
                self.complain(|c| &mut c.refused, ip, "call", refusal);
            }
        }
        None
    }

    /// Returns the path to log for an image whose mount was never seen, as after a restart.
    fn path_of(&self, identity: lanboot_core::vfs::Identity) -> String {
        let routes = self.context.routes.load();
        let name = routes.catalog.of_identity(identity).map(|i| i.name.clone());
        name.map_or_else(String::new, |name| format!("/iso/{name}"))
    }

    fn complain(
        &self,
        which: impl FnOnce(&mut Throttles) -> &mut LogThrottle,
        ip: IpAddr,
        request: &str,
        reason: impl Into<Reason>,
    ) {
        if self.is_due(which) {
            let what = EventKind::Ignored {
                protocol: events::Protocol::Nfs,
                request: request.to_owned(),
                reason: reason.into(),
            };
            self.context.bus.publish(peer(ip), what);
        }
    }

    fn is_due(&self, which: impl FnOnce(&mut Throttles) -> &mut LogThrottle) -> bool {
        let mut throttles = self
            .throttles
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        which(&mut throttles).is_due()
    }
}

/// Which port of the host a port of the protocol is.
fn service(port: Port) -> Service {
    match port {
        Port::Nfs => Service::Nfs,
        Port::Portmap => Service::Portmap,
    }
}

fn shown(path: &[u8]) -> String {
    printable(path, MAX_PATH_BYTES.min(256))
}
