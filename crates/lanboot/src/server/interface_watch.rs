//! Watches one served interface from outside the listeners: packets that arrive there and never
//! reach them are dropped by a firewall of this host, which no listener can detect. If DHCP is off,
//! it also logs changes of the interface, which DHCP does otherwise.
//!
//! A port is watched once a minute until its listener is reached, so that a busy one costs nothing;
//! and at most [`MAX_SEEN`] packets are captured of one that is not reached.

use std::cell::LazyCell;
use std::fs;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::events::bus::Bus;
use crate::net::{
    self, Change, ChangeSocket, Handshake, Interface, Protocol, Seen, Service, TapSocket, TcpTable,
};

/// Interval at which a reached port is checked again: a firewall may be enabled later.
const AGAIN: Duration = Duration::from_secs(60);
/// Interval at which pending requests are checked.
const TICK: Duration = Duration::from_millis(500);
/// Time from a datagram's arrival until its listener must have been reached.
const DATAGRAM_WAIT: Duration = Duration::from_secs(2);
/// Time from a connection's first packet until it must be accepted; machines retransmit after one
/// second.
const CONNECTION_WAIT: Duration = Duration::from_millis(2500);
/// Time after which it is dropped: a scanner, or a machine that was switched off.
const GIVE_UP: Duration = Duration::from_secs(6);
/// Least time between two warnings about one port.
const SAY_AGAIN: Duration = Duration::from_secs(600);
/// Most packets captured of an unreached port per minute.
const MAX_SEEN: u32 = 32;
/// Most packets captured before other tasks run.
const BURST: usize = 64;
/// Time for a card that was just switched on to find its link.
const LINK_WAIT: Duration = Duration::from_secs(4);

/// One port of one interface.
#[derive(Debug)]
struct Port {
    service: Service,
    protocol: Protocol,
    number: u16,
    /// Arrivals at the listener when the current check began.
    base: u64,
    /// Packets captured since.
    seen: u32,
    /// True if its listener was reached, or a warning was logged.
    is_decided: bool,
    waiting: Option<Waiting>,
    said: Option<Instant>,
}

/// A request that arrived and has not reached its listener.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    from: SocketAddr,
    since: Instant,
    is_repeated: bool,
}

/// Fate of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// They are dropped before a listener gets them.
    Dropped(IpAddr),
    /// They get in, but the answer does not get out.
    Unheard(IpAddr),
}

impl Port {
    fn new(service: Service, protocol: Protocol, number: u16) -> Self {
        Self {
            service,
            protocol,
            number,
            base: 0,
            seen: 0,
            is_decided: false,
            waiting: None,
            said: None,
        }
    }

    /// Returns whether packets to it are to be captured.
    fn is_watched(&self) -> bool {
        !self.is_decided && self.seen < MAX_SEEN
    }

    /// Begins a check.
    fn begin(&mut self, arrivals: u64, now: Instant) {
        let was_said = self.said.is_some_and(|said| now < said + SAY_AGAIN);
        self.base = arrivals;
        self.seen = 0;
        self.is_decided = was_said;
        self.waiting = None;
    }

    /// Returns whether its listener receives broadcasts, since it is not bound to an address.
    fn receives_broadcasts(&self) -> bool {
        match self.service {
            Service::Dhcp | Service::BootServer => true,
            Service::Tftp | Service::Http | Service::Nfs | Service::Portmap | Service::Nbd => false,
        }
    }

    /// Handles a captured packet.
    fn see(&mut self, seen: &Seen, now: Instant) {
        if (seen.protocol, seen.port) != (self.protocol, self.number) || self.is_decided {
            return;
        }
        self.seen = self.seen.saturating_add(1);
        if seen.is_broadcast && !self.receives_broadcasts() {
            return;
        }
        match &mut self.waiting {
            // A port scanner resets an answered connection.
            Some(waiting) if seen.is_reset && waiting.from == seen.from => self.waiting = None,
            Some(waiting) => waiting.is_repeated |= waiting.from == seen.from,
            None if !seen.is_reset => {
                self.waiting = Some(Waiting {
                    from: seen.from,
                    since: now,
                    is_repeated: false,
                });
            }
            None => {}
        }
    }

    /// Decides the fate of the pending request. `handshake` returns how far the kernel has got with
    /// a connection.
    fn judge(
        &mut self,
        arrivals: u64,
        now: Instant,
        handshake: impl FnOnce(SocketAddr) -> Handshake,
    ) -> Option<Finding> {
        if self.is_decided {
            return None;
        }
        if arrivals != self.base {
            self.is_decided = true;
            self.waiting = None;
            return None;
        }
        let waiting = self.waiting?;
        let (waited, source) = (now.duration_since(waiting.since), waiting.from.ip());
        let finding = match self.protocol {
            Protocol::Udp if waited < DATAGRAM_WAIT => return None,
            Protocol::Udp => Finding::Dropped(source),
            Protocol::Tcp if waited < CONNECTION_WAIT => return None,
            Protocol::Tcp => match handshake(waiting.from) {
                Handshake::Missing => Finding::Dropped(source),
                Handshake::HalfOpen if waiting.is_repeated => Finding::Unheard(source),
                Handshake::HalfOpen | Handshake::Unknown => {
                    if waited >= GIVE_UP {
                        self.waiting = None;
                    }
                    return None;
                }
                Handshake::Complete => {
                    self.is_decided = true;
                    self.waiting = None;
                    return None;
                }
            },
        };
        self.is_decided = true;
        self.waiting = None;
        self.said = Some(now);
        Some(finding)
    }
}

/// Tool that manages the firewall of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Ufw,
    Firewalld,
    Unknown,
}

impl Tool {
    fn of_this_host() -> Self {
        let ufw = fs::read_to_string("/etc/ufw/ufw.conf").unwrap_or_default();
        if ufw.lines().any(|line| line.trim() == "ENABLED=yes") {
            Self::Ufw
        } else if fs::exists("/run/firewalld").unwrap_or(false) {
            Self::Firewalld
        } else {
            Self::Unknown
        }
    }
}

/// Describes the fate of requests to a port on `interface`. `is_strict` returns whether the kernel
/// itself drops packets that arrive where their answer would not leave.
fn diagnostic(
    port: &Port,
    interface: &str,
    finding: Finding,
    is_strict: bool,
    tool: Tool,
) -> Diagnostic {
    let (transport, word) = match port.protocol {
        Protocol::Udp => ("UDP", "udp"),
        Protocol::Tcp => ("TCP", "tcp"),
    };
    let name = match port.service {
        Service::Dhcp => "DHCP",
        Service::BootServer => "PXE boot server",
        Service::Tftp => "TFTP",
        Service::Http => "HTTP",
        Service::Nfs => "NFS",
        Service::Portmap => "port mapper",
        Service::Nbd => "NBD",
    };
    let number = port.number;
    match finding {
        Finding::Dropped(from) => {
            let from = if from.is_unspecified() {
                String::new()
            } else {
                format!(" from {from}")
            };
            let or = if is_strict { ", or its rp_filter," } else { "" };
            let remedy = match tool {
                Tool::Ufw => {
                    format!("ufw allow in on {interface} to any port {number} proto {word}")
                }
                Tool::Firewalld => format!("firewall-cmd --add-port={number}/{word}"),
                Tool::Unknown => {
                    format!("allow {transport} port {number}; 'nft list ruleset' has the rules")
                }
            };
            DiagnosticCode::RequestsDropped.with(format!(
                "requests to {transport} port {number} ({name}){from} arrive at {interface} and a \
                 firewall of this host{or} drops them: let them in ({remedy})"
            ))
        }
        Finding::Unheard(from) => DiagnosticCode::AnswersLost.with(format!(
            "connections to {transport} port {number} ({name}) at {interface} do not come about: \
             this host answers {from}, which does not hear it. A firewall drops the answers, of this \
             host or on the way"
        )),
    }
}

/// Watch on one interface.
#[derive(Debug)]
pub(super) struct Watch {
    name: String,
    index: u32,
    /// Our address there.
    address: IpAddr,
    tap: Option<TapSocket>,
    ports: Vec<Port>,
    /// Receives changes if DHCP does not log them.
    changes: Option<ChangeSocket>,
}

impl Watch {
    /// Opens the sockets for watching `ports` of an interface; without the privileges nothing is
    /// watched. `has_dhcp` is whether DHCP logs changes of the interface.
    pub(super) fn open(
        interface: &Interface,
        address: IpNet,
        ports: &[(Service, Protocol, u16)],
        has_dhcp: bool,
    ) -> Self {
        // The loopback has no wire to watch.
        let watched = net::ipv4(&address).filter(|_| !interface.loopback);
        let tap = watched.map(|own| TapSocket::open(interface.index, own.addr(), own.broadcast()));
        let ports = ports.iter();
        Self {
            name: interface.name.clone(),
            index: interface.index,
            address: address.addr(),
            tap: tap.and_then(Result::ok),
            ports: ports.map(|(s, p, n)| Port::new(*s, *p, *n)).collect(),
            changes: (!has_dhcp).then(ChangeSocket::open).and_then(Result::ok),
        }
    }

    /// Watches until shutdown.
    ///
    /// # Errors
    /// Fails if a socket cannot be polled; nothing else depends on it.
    pub(super) async fn run(self, bus: Bus, mut drain: watch::Receiver<bool>) -> io::Result<()> {
        let mut run = Running {
            tap: self.tap.map(TapSocket::polled).transpose()?,
            changes: self.changes.map(ChangeSocket::polled).transpose()?,
            name: self.name,
            index: self.index,
            address: self.address,
            ports: self.ports,
            link_due: None,
            is_linked: true,
            is_member: false,
            bus,
        };
        if run.changes.is_some() {
            run.link_due = Some(Instant::now() + LINK_WAIT);
        }
        let mut again = Instant::now();
        loop {
            let now = Instant::now();
            if again <= now {
                run.begin(now);
                again = now + AGAIN;
            }
            let is_waiting = run.ports.iter().any(|port| port.waiting.is_some());
            let tick = if is_waiting { now + TICK } else { again };
            let next = run.link_due.map_or(tick, |due| due.min(tick)).min(again);
            tokio::select! {
                _ = drain.wait_for(|is_draining| *is_draining) => return Ok(()),
                () = readable(run.tap.as_ref()) => run.hear(),
                () = readable(run.changes.as_ref()) => run.hear_changes(),
                () = sleep_until(next) => run.judge(),
            }
        }
    }
}

/// Waits until the socket is readable, forever if there is none.
async fn readable<T: std::os::fd::AsRawFd>(socket: Option<&AsyncFd<T>>) {
    match socket {
        Some(socket) if socket.readable().await.is_ok() => {}
        _ => pending().await,
    }
}

struct Running {
    name: String,
    index: u32,
    /// Our address there.
    address: IpAddr,
    tap: Option<AsyncFd<TapSocket>>,
    changes: Option<AsyncFd<ChangeSocket>>,
    ports: Vec<Port>,
    /// Time at which a missing link is logged.
    link_due: Option<Instant>,
    is_linked: bool,
    is_member: bool,
    bus: Bus,
}

impl Running {
    fn begin(&mut self, now: Instant) {
        for port in &mut self.ports {
            port.begin(self.bus.arrivals(port.service, self.address), now);
        }
        self.show();
    }

    /// Installs the filter for the ports to capture now.
    fn show(&self) {
        let watched = self.ports.iter().filter(|port| port.is_watched());
        let watched: Vec<(Protocol, u16)> = watched.map(|p| (p.protocol, p.number)).collect();
        if let Some(tap) = &self.tap {
            // A removed interface has no packets.
            let _ = tap.get_ref().watch(&watched);
        }
    }

    fn hear(&mut self) {
        let now = Instant::now();
        for _ in 0..BURST {
            let Some(tap) = &self.tap else { return };
            let seen = match tap.try_io(Interest::READABLE, TapSocket::heard) {
                Ok(Some(seen)) => seen,
                Ok(None) => continue,
                // No more packets, or the interface went down.
                Err(_) => break,
            };
            for port in &mut self.ports {
                port.see(&seen, now);
            }
        }
        if self
            .ports
            .iter()
            .any(|port| port.seen >= MAX_SEEN && !port.is_decided)
        {
            self.show();
        }
    }

    fn judge(&mut self) {
        let now = Instant::now();
        let mut said = Vec::new();
        let mut has_changed = false;
        // Read at most once, and only if needed.
        let table = LazyCell::new(TcpTable::read);
        if self.ports.iter().any(|port| port.waiting.is_some()) && net::upper(self.index).is_some()
        {
            // The device that takes its packets is logged elsewhere, and is not a firewall.
            self.ports.iter_mut().for_each(|port| port.waiting = None);
        }
        for port in &mut self.ports {
            let (was, number) = (port.is_decided, port.number);
            let arrivals = self.bus.arrivals(port.service, self.address);
            let handshake = |from| table.handshake(number, from);
            if let Some(finding) = port.judge(arrivals, now, handshake) {
                let (is_strict, tool) = (net::drops_unexpected(&self.name), Tool::of_this_host());
                said.push(diagnostic(port, &self.name, finding, is_strict, tool));
            }
            has_changed |= was != port.is_decided;
        }
        if has_changed {
            self.show();
        }
        if self.link_due.is_some_and(|due| due <= now) {
            self.link_due = None;
            self.is_linked = net::has_link(&self.name);
            if !self.is_linked {
                said.push(no_link(&self.name, net::is_off(&self.name)));
            }
        }
        for diagnostic in said {
            self.bus.report(diagnostic.of_interface(&self.name));
        }
    }

    fn hear_changes(&mut self) {
        for _ in 0..BURST {
            let Some(changes) = &self.changes else { return };
            let Ok(heard) = changes.try_io(Interest::READABLE, ChangeSocket::heard) else {
                return;
            };
            for change in heard {
                match change {
                    Change::Link {
                        index,
                        up,
                        is_member,
                    } if index == self.index => {
                        if is_member != self.is_member {
                            self.look_above();
                        }
                        self.link_is(up);
                    }
                    Change::Taken { index } if index == self.index => self.look_above(),
                    Change::Missed => self.look_above(),
                    _ => {}
                }
            }
        }
    }

    fn link_is(&mut self, up: bool) {
        if up && !self.is_linked {
            let diagnostic = DiagnosticCode::LinkUp.with(format!("{} has a link now", self.name));
            self.bus.report(diagnostic.of_interface(&self.name));
        }
        if !up && self.is_linked {
            self.link_due = Some(Instant::now() + LINK_WAIT);
        }
        self.is_linked |= up;
    }

    fn look_above(&mut self) {
        let upper = net::upper(self.index);
        let was = std::mem::replace(&mut self.is_member, upper.is_some());
        let name = &self.name;
        let diagnostic = match upper {
            Some(upper) if !was => DiagnosticCode::InterfaceEnslaved.with(format!(
                "{name} is {} now, which takes what machines send there. Restart lanboot to serve \
                 elsewhere: {}",
                upper.role(),
                upper.instead()
            )),
            None if was => DiagnosticCode::InterfaceFree.with(format!("{name} is free again")),
            _ => return,
        };
        self.bus.report(diagnostic.of_interface(name));
    }
}

fn no_link(name: &str, is_off: bool) -> Diagnostic {
    let what = if is_off {
        format!("is switched off (ip link set {name} up)")
    } else {
        "has no link (is the cable plugged in?)".into()
    };
    let text = format!("{name} {what}: no machine there can be served until it has a link");
    DiagnosticCode::NoLink.with(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const FROM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 1000);

    fn seen(protocol: Protocol, port: u16, from: SocketAddr, is_reset: bool) -> Seen {
        Seen {
            protocol,
            from,
            port,
            is_reset,
            is_broadcast: false,
        }
    }

    fn after(now: Instant, millis: u64) -> Instant {
        now + Duration::from_millis(millis)
    }

    #[test]
    fn unreached_datagrams_count_as_dropped() {
        let now = Instant::now();
        let mut port = Port::new(Service::Dhcp, Protocol::Udp, 67);
        port.begin(5, now);
        port.see(&seen(Protocol::Udp, 69, FROM, false), now);
        assert!(port.waiting.is_none(), "another port's");
        port.see(&seen(Protocol::Udp, 67, FROM, false), now);
        assert_eq!(
            port.judge(5, after(now, 1900), |_| Handshake::Missing),
            None,
            "not yet"
        );
        let finding = Finding::Dropped(FROM.ip());
        assert_eq!(
            port.judge(5, after(now, 2000), |_| Handshake::Missing),
            Some(finding)
        );
        // Once in ten minutes, and nothing is captured meanwhile.
        assert!(!port.is_watched());
        port.begin(5, after(now, 60_000));
        assert!(!port.is_watched());
        port.begin(5, after(now, 700_000));
        assert!(port.is_watched());
    }

    #[test]
    fn broadcasts_count_only_for_listeners_that_receive_them() {
        let now = Instant::now();
        for (service, protocol, number, is_received) in [
            (Service::Dhcp, Protocol::Udp, 67, true),
            (Service::BootServer, Protocol::Udp, 4011, true),
            (Service::Tftp, Protocol::Udp, 69, false),
            (Service::Portmap, Protocol::Udp, 111, false),
            (Service::Nfs, Protocol::Udp, 2049, false),
            (Service::Http, Protocol::Tcp, 80, false),
        ] {
            let mut port = Port::new(service, protocol, number);
            port.begin(5, now);
            let mut packet = seen(protocol, number, FROM, false);
            packet.is_broadcast = true;
            port.see(&packet, now);
            assert_eq!(port.waiting.is_some(), is_received, "{service:?}");
            // Packets to our address count for all.
            port.see(&seen(protocol, number, FROM, false), now);
            assert!(port.waiting.is_some(), "{service:?}");
        }
    }

    #[test]
    fn reached_ports_are_not_watched_for_a_minute() {
        let now = Instant::now();
        let mut port = Port::new(Service::Tftp, Protocol::Udp, 69);
        port.begin(5, now);
        port.see(&seen(Protocol::Udp, 69, FROM, false), now);
        assert_eq!(port.judge(6, after(now, 500), |_| Handshake::Missing), None);
        assert!(!port.is_watched());
        assert_eq!(
            port.judge(6, after(now, 5000), |_| Handshake::Missing),
            None
        );
        port.begin(6, after(now, 60_000));
        assert!(port.is_watched(), "a firewall may be switched on later");
        for _ in 0..MAX_SEEN {
            port.see(&seen(Protocol::Udp, 69, FROM, false), now);
        }
        assert!(!port.is_watched(), "enough was seen");
    }

    #[test]
    fn connections_are_classified() {
        let now = Instant::now();
        let http = || {
            let mut port = Port::new(Service::Http, Protocol::Tcp, 80);
            port.begin(0, now);
            port.see(&seen(Protocol::Tcp, 80, FROM, false), now);
            port
        };
        let mut port = http();
        assert_eq!(
            port.judge(0, after(now, 2400), |_| Handshake::Missing),
            None
        );
        let dropped = Some(Finding::Dropped(FROM.ip()));
        assert_eq!(
            port.judge(0, after(now, 2500), |_| Handshake::Missing),
            dropped,
            "or rejected"
        );
        // Answered, and requested again nevertheless.
        let mut port = http();
        port.see(&seen(Protocol::Tcp, 80, FROM, false), after(now, 1000));
        let unheard = Some(Finding::Unheard(FROM.ip()));
        assert_eq!(
            port.judge(0, after(now, 2500), |_| Handshake::HalfOpen),
            unheard
        );
        // Answered and then gone.
        let mut port = http();
        assert_eq!(
            port.judge(0, after(now, 6000), |_| Handshake::HalfOpen),
            None
        );
        assert!(port.waiting.is_none());
        // Established, but not accepted yet.
        let mut port = http();
        assert_eq!(
            port.judge(0, after(now, 2500), |_| Handshake::Complete),
            None
        );
        assert!(!port.is_watched() && port.said.is_none(), "reached");
        // The kernel may keep no entry.
        let mut port = http();
        port.see(&seen(Protocol::Tcp, 80, FROM, false), after(now, 1000));
        assert_eq!(
            port.judge(0, after(now, 2500), |_| Handshake::Unknown),
            None
        );
        assert_eq!(
            port.judge(0, after(now, 6000), |_| Handshake::Unknown),
            None
        );
        assert!(port.waiting.is_none() && port.is_watched());
        // A scanner.
        let mut port = http();
        port.see(&seen(Protocol::Tcp, 80, FROM, true), now);
        assert_eq!(
            port.judge(0, after(now, 6000), |_| Handshake::Missing),
            None
        );
        // Another connection's reset and retransmission are unrelated.
        let other = SocketAddr::new(FROM.ip(), 1001);
        let mut port = http();
        port.see(&seen(Protocol::Tcp, 80, other, true), now);
        port.see(&seen(Protocol::Tcp, 80, other, false), now);
        assert!(port.waiting.is_some_and(|waiting| !waiting.is_repeated));
    }

    #[test]
    fn warnings_name_port_interface_and_remedy() {
        let port = Port::new(Service::Dhcp, Protocol::Udp, 67);
        let anybody = Finding::Dropped(Ipv4Addr::UNSPECIFIED.into());
        assert_eq!(
            diagnostic(&port, "eth0", anybody, false, Tool::Ufw).text,
            "requests to UDP port 67 (DHCP) arrive at eth0 and a firewall of this host drops them: let \
             them in (ufw allow in on eth0 to any port 67 proto udp)"
        );
        let text = diagnostic(
            &port,
            "eth0",
            Finding::Dropped(FROM.ip()),
            true,
            Tool::Firewalld,
        )
        .text;
        assert!(
            text.contains(" from 10.0.0.9 arrive") && text.contains("or its rp_filter,"),
            "{text}"
        );
        assert!(text.ends_with("(firewall-cmd --add-port=67/udp)"), "{text}");
    }

    #[test]
    fn missing_link_warnings_state_the_reason() {
        assert!(
            no_link("eth0", false)
                .text
                .contains("is the cable plugged in?")
        );
        assert!(
            no_link("eth0", true)
                .text
                .contains("is switched off (ip link set eth0 up)")
        );
    }
}
