//! The DHCP server, UDP 67 and 4011: receives messages, asks `lanboot_core::dhcp` for the answer and
//! sends it. One task owns the lease table for all interfaces (`link`), so there is no lock; an ACK
//! leaves when its lease is on disk; an address is probed by ARP, or by ping behind a relay, while
//! others are served. Whether addresses are handed out on an interface is decided by its
//! `ServerDetection`.

mod changes;
mod link;
mod log;
mod open;
mod other_servers;
mod probe;

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use anyhow::Context as _;
use lanboot_core::catalog::Server;
use lanboot_core::dhcp::{
    Answer, Config, Leases, MAX_LEN, Mode, Note, Outgoing, Port, Probe, ReceiveInfo,
    RecentMessages, Request, checked, respond,
};
use lanboot_core::events::{EventKind, ListenerReason, Peer};
use lanboot_core::machine::{Mac, Machine};
use lanboot_core::plan::{self, LoaderChoice, MenuKind};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::context::Context;
use crate::events::bus;
use crate::events::log_throttle::LogThrottle;
use crate::io::send_error;
use crate::net::{ChangeSocket, PingSocket, Service};
use crate::store::{Change, Store};
use link::{Link, Origin, Readable, Ready};
use log::peer;

pub use link::Opened;

/// How long an ARP probe waits for an answer; it is repeated half-way.
const ARP_WAIT: Duration = Duration::from_millis(300);
/// How long a ping to an address behind a relay waits, over a few routers and a busy line.
const PING_WAIT: Duration = Duration::from_millis(600);
/// Most probes under way at once. Beyond that, addresses are offered without: a classroom that is
/// switched on must not wait for itself, and machines probe too (RFC 2131 §2.2).
const MAX_PROBES: usize = 64;
/// Most messages read from one socket before other work gets its turn.
const BURST: usize = 64;
/// Most ACKs that wait for the disk. The store's own queue is shorter, so this one never fills.
const COMMITS: usize = 8192;

/// Everything the DHCP server needs, opened and bound.
#[derive(Debug)]
pub struct Listener {
    /// The interfaces served.
    pub links: Vec<Opened>,
    /// Every address of this host.
    pub own: Vec<Ipv4Addr>,
    /// For probes behind relays and where an ARP answer is doubted; `None` without the rights.
    pub ping: Option<PingSocket>,
    /// Reports links and addresses that change.
    pub changes: ChangeSocket,
    /// What is handed out, and to which machines.
    pub config: Config,
    /// The lease table.
    pub leases: Leases,
    /// The lease database.
    pub store: Box<dyn Store>,
    /// Which loader each machine gets.
    pub loader: LoaderChoice,
    /// Whether lanboot's menu or the medium's own is shown.
    pub menu: MenuKind,
    /// Port of the HTTP server.
    pub http_port: u16,
}

/// Serves until the context drains. Sends `decided` once the mode of every interface with a link is
/// decided; starts server detection over whenever `again` is notified.
///
/// # Errors
/// A socket cannot be registered with the runtime or polled.
pub async fn run(
    listener: Listener,
    context: Context,
    decided: oneshot::Sender<()>,
    again: Arc<Notify>,
) -> anyhow::Result<()> {
    let mut drain = context.drain.clone();
    let (committed, mut commits) = mpsc::channel(COMMITS);
    let links = listener.links.into_iter().map(Opened::polled);
    let ping = listener.ping.map(PingSocket::polled).transpose();
    let changes = listener.changes.polled().context("netlink socket")?;
    let links: Vec<Link> = links.collect::<io::Result<_>>().context("DHCP sockets")?;
    let of_links = (0..links.len()).flat_map(|n| Ready::ALL.map(|ready| Readable::Link(n, ready)));
    let mut server = Serving {
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
    };
    // Something may have changed before the netlink socket was open.
    server.look_above_all();
    loop {
        server.log_decided();
        server.log_proxy();
        let wake = server.next();
        tokio::select! {
            ready = poll_fn(|cx| server.poll(cx)) => server.read(ready?),
            Some((origin, outgoing, machine, result)) = commits.recv() => {
                server.durable(&origin, &outgoing, machine, result);
            }
            () = sleep_until(wake) => server.due(Instant::now()),
            () = again.notified() => server.reload(),
            _ = drain.wait_for(|draining| *draining) => return Ok(()),
        }
    }
}

type Committed = (Origin, Outgoing, Option<Machine>, Result<(), String>);

struct Serving {
    /// The origin of the times that the core is given.
    started: Instant,
    links: Vec<Link>,
    sources: Vec<Readable>,
    /// The source polled first, so that a busy one does not starve the others.
    turn: usize,
    own: Vec<Ipv4Addr>,
    ping: Option<AsyncFd<PingSocket>>,
    changes: AsyncFd<ChangeSocket>,
    config: Config,
    leases: Leases,
    store: Box<dyn Store>,
    loader: LoaderChoice,
    menu: MenuKind,
    http_port: u16,
    context: Context,
    committed: mpsc::Sender<Committed>,
    /// `None` once it was sent.
    decided: Option<oneshot::Sender<()>>,
    /// Which machines cannot boot beside another server was logged.
    log_proxy_once: bool,
    probes: HashMap<Ipv4Addr, Pending>,
    recent: RecentMessages,
    looping: LogThrottle,
    /// Log throttles for what this host did not send.
    unsent: Unsent,
}

/// Log throttles for what this host did not send.
#[derive(Debug, Default)]
struct Unsent {
    probe: LogThrottle,
    ping: LogThrottle,
    /// Why the last probe for other servers could not be sent.
    server_probe: Option<String>,
}

/// A message that waits for the probe of an address.
struct Pending {
    request: Request,
    origin: Origin,
    /// The probe is a ping, not ARP.
    by_ping: bool,
    asked_again: bool,
    /// The machine itself answered for the address; somebody else may, too.
    own: Option<Mac>,
    next: Instant,
    end: Instant,
}

impl Serving {
    /// Waits for a source with something to read, each in its turn.
    fn poll(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<(usize, Readable)>> {
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

    fn read(&mut self, (number, readable): (usize, Readable)) {
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
    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns when the next timeout is due.
    fn next(&self) -> Instant {
        let probes = self.probes.values().map(|pending| pending.next);
        let links = self.links.iter();
        let links = links.filter_map(|link| link.detection.next_timeout());
        let links = links.map(|at| self.started + at);
        let next = probes.chain(links).min();
        next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    fn due(&mut self, now: Instant) {
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
                    self.context.bus.arrived(service, link.address);
                    let origin = Origin {
                        link: number,
                        port,
                        source: arrival.from,
                        to: arrival.to,
                    };
                    self.message(buffer.get(..arrival.len).unwrap_or_default(), origin);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Errors of earlier sends are reported here (ICMP); the socket goes on.
                Err(_) => {}
            }
        }
    }

    fn message(&mut self, bytes: &[u8], origin: Origin) {
        let request = match Request::parse(bytes) {
            Ok(request) => request,
            Err(malformed) => {
                let from = IpAddr::V4(*origin.source.ip());
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
                self.log_ignored(&request, &origin, ListenerReason::RelayLoop);
            }
            return;
        }
        self.log_incoming(&request, &origin);
        self.log_other_lease(&request, &origin);
        self.overhear(packet, &origin);
        let overloaded = self.probes.len() >= MAX_PROBES;
        let answer = self.ask(&request, &origin, overloaded, None);
        self.perform(request, origin, answer);
    }

    /// Asks the core for the answer to a message, or goes on after the probe of an address. The error
    /// is why nothing is answered on the link for now.
    fn ask(
        &mut self,
        request: &Request,
        origin: &Origin,
        overloaded: bool,
        probed: Option<(Ipv4Addr, Probe)>,
    ) -> Result<Answer, ListenerReason> {
        let link = self.links.get(origin.link);
        let link = link.ok_or(ListenerReason::InterfaceGone)?;
        let mode = link.mode()?;
        let routes = self.context.routes.load();
        let address = link.address;
        let server = Server {
            http: SocketAddrV4::new(address, self.http_port),
            nfs: routes.nfs,
            nbd: routes.nbd,
        };
        let offers = plan::Offers {
            catalog: &routes.catalog,
            loaders: &routes.loaders,
            choice: &self.loader,
            boot: &routes.menu.boot,
            menu: self.menu,
            // Of this interface, now: another server may have come or gone.
            proxy: mode == Mode::Proxy,
        };
        let boot = |machine: &Machine| plan::offer(machine, &offers, &server);
        let info = ReceiveInfo {
            interface: &link.interface,
            server: address,
            own: &self.own,
            source: origin.source,
            port: origin.port,
            mode,
            boot_server: link.is_boot_server(),
            now: bus::now(),
            overloaded,
        };
        let (config, leases) = (&self.config, &mut self.leases);
        let answer = match probed {
            None => respond(request, &info, config, leases, &boot),
            Some((address, probe)) => {
                checked(request, &info, config, leases, &boot, address, probe)
            }
        };
        for finding in self.leases.take_findings() {
            self.report(finding.code(), finding.to_string());
        }
        Ok(answer)
    }

    fn perform(
        &mut self,
        request: Request,
        origin: Origin,
        answer: Result<Answer, ListenerReason>,
    ) {
        match answer {
            Ok(Answer::Send(mut outgoing)) => {
                let machine = request.machine().cloned();
                match outgoing.commit.take() {
                    Some(lease) => {
                        let committed = self.committed.clone();
                        let then = Box::new(move |result| {
                            // Full or closed only while the program ends.
                            let _ = committed.try_send((origin, outgoing, machine, result));
                        });
                        self.store.commit(Change::PutLease(lease), Some(then));
                    }
                    None => self.send(&origin, &outgoing, machine),
                }
            }
            Ok(Answer::Check { address, by_ping }) => {
                self.check(request, origin, address, by_ping);
            }
            Ok(Answer::Ignore(reason)) => self.log_ignored(&request, &origin, reason),
            Ok(Answer::Done(note)) => self.done(&request, &origin, note),
            Err(reason) => self.log_ignored(&request, &origin, reason),
        }
    }

    /// Probes an address for a message, which waits for what that finds.
    fn check(&mut self, request: Request, origin: Origin, address: Ipv4Addr, by_ping: bool) {
        if self.probe(address, by_ping, origin.link) {
            let now = Instant::now();
            let wait = if by_ping { PING_WAIT } else { ARP_WAIT };
            let pending = Pending {
                request,
                origin,
                by_ping,
                asked_again: false,
                own: None,
                next: now + wait / 2,
                end: now + wait,
            };
            self.probes.insert(address, pending);
            return;
        }
        let probe = match by_ping && !request.packet().is_relayed() {
            // ARP was answered, and nothing speaks against it.
            true => Probe::Answered(None),
            // Nobody can be asked; the machine's own probe has to do.
            false => Probe::Silent,
        };
        let answer = self.ask(&request, &origin, true, Some((address, probe)));
        self.perform(request, origin, answer);
    }

    /// Sends the ACK of a lease that is on disk; logs one that cannot be written.
    fn durable(
        &mut self,
        origin: &Origin,
        outgoing: &Outgoing,
        machine: Option<Machine>,
        result: Result<(), String>,
    ) {
        match result {
            Ok(()) => self.send(origin, outgoing, machine),
            Err(error) => {
                let mac = machine.map(|m| m.mac);
                let reason = ListenerReason::LeaseNotWritten(error);
                self.ignored(Peer { mac, ip: None }, "DHCPREQUEST", reason);
            }
        }
    }

    fn done(&mut self, request: &Request, origin: &Origin, note: Note) {
        let change = note
            .record
            .map_or(Change::RemoveLease(note.address), Change::PutLease);
        self.store.commit(change, None);
        let Some(link) = self.links.get(origin.link) else {
            return;
        };
        let what = EventKind::Dhcp {
            interface: Arc::clone(&link.interface),
            message: note.message,
            address: Some(IpAddr::V4(note.address)),
            machine: request.machine().cloned(),
            detail: note.detail,
        };
        self.context.bus.publish(peer(request, origin), what);
    }

    fn send(&self, origin: &Origin, outgoing: &Outgoing, machine: Option<Machine>) {
        let Some(link) = self.links.get(origin.link) else {
            return;
        };
        let peer = Peer {
            mac: machine.as_ref().map(|m| m.mac),
            ip: None,
        };
        match link.send(outgoing, origin) {
            Ok(()) => {
                let what = EventKind::Dhcp {
                    interface: Arc::clone(&link.interface),
                    message: outgoing.message,
                    address: outgoing.address.map(IpAddr::V4),
                    machine,
                    detail: outgoing.detail.clone(),
                };
                self.context.bus.publish(peer, what);
            }
            Err(error) => {
                let reason = ListenerReason::NotSent(send_error::host_error(&error));
                self.ignored(peer, outgoing.message.name(), reason);
            }
        }
    }
}
