//! The state of the server, and its turn of work: reads sockets, passes messages on, keeps timeouts.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use anyhow::Context as _;
use lanboot_core::dhcp::{Config, Leases, MAX_LEN, Outgoing, Port, RecentMessages, Request};
use lanboot_core::events::{ListenerReason, Peer};
use lanboot_core::machine::{Mac, Machine};
use lanboot_core::plan::{LoaderChoice, MenuKind};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::limits::{BURST, MAX_PROBES};
use super::link::{Link, Opened, Readable, Ready, Received};
use super::listener::Listener;
use crate::context::Context;
use crate::events::log_throttle::LogThrottle;
use crate::net::{ChangeSocket, PingSocket, Service};
use crate::store::Store;

/// An answer whose lease was written, or could not be.
pub(super) type Committed = (Received, Outgoing, Option<Machine>, Result<(), String>);

pub(super) struct Serving {
    /// The received of the times that the core is given.
    pub(super) started: Instant,
    pub(super) links: Vec<Link>,
    pub(super) sources: Vec<Readable>,
    /// The source polled first, so that a busy one does not starve the others.
    pub(super) turn: usize,
    pub(super) own: Vec<Ipv4Addr>,
    pub(super) ping: Option<AsyncFd<PingSocket>>,
    pub(super) changes: AsyncFd<ChangeSocket>,
    pub(super) config: Config,
    pub(super) leases: Leases,
    pub(super) store: Arc<dyn Store>,
    pub(super) loader: LoaderChoice,
    pub(super) menu: MenuKind,
    pub(super) http_port: u16,
    pub(super) context: Context,
    pub(super) committed: mpsc::Sender<Committed>,
    /// `None` once it was sent.
    pub(super) decided: Option<oneshot::Sender<()>>,
    /// True once the machines that cannot boot beside another server were logged.
    pub(super) log_proxy_once: bool,
    pub(super) probes: HashMap<Ipv4Addr, Pending>,
    pub(super) recent: RecentMessages,
    pub(super) looping: LogThrottle,
    /// Log throttles for what this host did not send.
    pub(super) unsent: Unsent,
}

/// Log throttles for what this host did not send.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    pub(super) probe: LogThrottle,
    pub(super) ping: LogThrottle,
    /// Reason the last probe for other servers could not be sent.
    pub(super) server_probe: Option<String>,
}

/// A message that waits for the probe of an address.
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) received: Received,
    /// The probe is a ping, not ARP.
    pub(super) by_ping: bool,
    pub(super) asked_again: bool,
    /// The machine itself answered for the address; somebody else may, too.
    pub(super) own: Option<Mac>,
    pub(super) next: Instant,
    pub(super) end: Instant,
}

impl Serving {
    /// Registers the sockets with the runtime. ACKs come back by `committed` when their lease is on
    /// disk.
    pub(super) fn new(
        listener: Listener,
        context: Context,
        committed: mpsc::Sender<Committed>,
        decided: oneshot::Sender<()>,
    ) -> anyhow::Result<Self> {
        let links = listener.links.into_iter().map(Opened::polled);
        let ping = listener.ping.map(PingSocket::polled).transpose();
        let changes = listener.changes.polled().context("netlink socket")?;
        let links: Vec<Link> = links.collect::<io::Result<_>>().context("DHCP sockets")?;
        let of_links =
            (0..links.len()).flat_map(|n| Ready::ALL.map(|ready| Readable::Link(n, ready)));
        Ok(Self {
            started: Instant::now(),
            sources: of_links
                .chain([Readable::Ping, Readable::Changes])
                .collect(),
            links,
            turn: 0,
            own: listener.own,
            ping: ping.context("ICMP socket")?,
            changes,
            config: listener.config,
            leases: listener.leases,
            store: listener.store,
            loader: listener.loader,
            menu: listener.menu,
            http_port: listener.http_port,
            context,
            committed,
            decided: Some(decided),
            log_proxy_once: false,
            probes: HashMap::new(),
            recent: RecentMessages::default(),
            looping: LogThrottle::default(),
            unsent: Unsent::default(),
        })
    }

    /// Waits for a source with something to read, each in its turn.
    pub(super) fn poll(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<(usize, Readable)>> {
        let turn = self.turn.min(self.sources.len());
        let (earlier, later) = self.sources.split_at(turn);
        let numbered = (turn..).zip(later).chain((0..).zip(earlier));
        for (number, readable) in numbered {
            let polled = match (readable, &self.ping) {
                (Readable::Link(n, ready), _) => match self.links.get(*n) {
                    Some(link) => link.poll(*ready, cx),
                    None => continue,
                },
                (Readable::Ping, Some(ping)) => ping.poll_read_ready(cx).map_ok(drop),
                (Readable::Ping, None) => continue,
                (Readable::Changes, _) => self.changes.poll_read_ready(cx).map_ok(drop),
            };
            if let Poll::Ready(polled) = polled {
                return Poll::Ready(polled.map(|()| (number, *readable)));
            }
        }
        Poll::Pending
    }

    /// Reads what a source has.
    pub(super) fn read(&mut self, (number, readable): (usize, Readable)) {
        self.turn = number + 1;
        match readable {
            Readable::Link(number, Ready::Message(port)) => self.receive(number, port),
            Readable::Link(number, Ready::Arp) => self.hear_arp(number),
            Readable::Link(number, Ready::Client) => self.hear_servers(number),
            Readable::Ping => self.hear_ping(),
            Readable::Changes => self.hear_changes(),
        }
    }

    /// Returns the time since the start.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns when the next timeout is due.
    pub(super) fn next(&self) -> Instant {
        let probes = self.probes.values().map(|pending| pending.next);
        let links = self.links.iter();
        let links = links.filter_map(|link| link.detection.next_timeout());
        let links = links.map(|at| self.started + at);
        let next = probes.chain(links).min();
        next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    /// Does what is due by `now`.
    pub(super) fn due(&mut self, now: Instant) {
        self.probes_due(now);
        for number in 0..self.links.len() {
            self.detection_due(number);
        }
    }

    fn receive(&mut self, number: usize, port: Port) {
        let mut buffer = [0u8; MAX_LEN + 1];
        for _ in 0..BURST {
            let Some(link) = self.links.get(number) else {
                return;
            };
            match link.receive(port, &mut buffer) {
                Ok(arrival) => {
                    let service = match port {
                        Port::Server => Service::Dhcp,
                        Port::BootServer => Service::BootServer,
                    };
                    self.context.bus.arrived(service, link.address.into());
                    let (SocketAddr::V4(source), IpAddr::V4(to)) = (arrival.from, arrival.to)
                    else {
                        continue;
                    };
                    let received = Received {
                        link: number,
                        port,
                        source,
                        to,
                    };
                    self.message(buffer.get(..arrival.len).unwrap_or_default(), received);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Errors of earlier sends are reported here (ICMP); the socket goes on.
                Err(_) => {}
            }
        }
    }

    fn message(&mut self, bytes: &[u8], received: Received) {
        let request = match Request::parse(bytes) {
            Ok(request) => request,
            Err(malformed) => {
                let from = IpAddr::V4(*received.source.ip());
                let peer = Peer {
                    mac: None,
                    ip: Some(from),
                };
                return self.ignored(peer, "DHCP message", malformed);
            }
        };
        let packet = request.packet();
        let mut links = self.links.iter();
        if links.any(|link| link.detection.is_own_probe(packet)) {
            return;
        }
        if self.recent.is_duplicate(packet, self.started.elapsed()) {
            if self.looping.is_due() {
                self.log_ignored(&request, &received, ListenerReason::RelayLoop);
            }
            return;
        }
        self.log_incoming(&request, &received);
        self.log_other_lease(&request, &received);
        self.overhear(packet, &received);
        let overloaded = self.probes.len() >= MAX_PROBES;
        let answer = self.ask(&request, &received, overloaded, None);
        self.perform(request, received, answer);
    }
}
