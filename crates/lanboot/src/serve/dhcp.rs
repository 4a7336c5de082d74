//! The DHCP door, UDP 67: receives, asks `lanboot_core::dhcp` what to say, and performs it. One
//! task owns the lease table, so there is no lock; ACKs leave when their lease is on disk; an
//! address is probed by ARP while others are served.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lanboot_core::catalog::{self, LoaderChoice, MenuKind, Server};
use lanboot_core::dhcp::{
    Answer, BootFile, Config, Destination, Leases, MAX_LEN, Note, Outgoing, Packet, Port, Probe,
    Receipt, checked, pxe, respond,
};
use lanboot_core::journal::{self, Peer, What};
use lanboot_core::machine::{Mac, Machine, Stage};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};
use tokio::io::unix::AsyncFdReadyGuard;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Context, guard};
use crate::bus;
use crate::leases::{Change, Store};
use crate::net::{ArpSocket, ClientSocket, FrameSocket};

/// How long an ARP probe waits for an answer; a second one goes out half-way.
const PROBE_WAIT: Duration = Duration::from_millis(300);
/// Probes under way at once. Beyond that addresses are offered without: a classroom that is
/// switched on must not wait for itself, and the machine probes too (RFC 2131 §2.2).
const MAX_PROBES: usize = 64;
/// Messages taken from the socket before other work gets its turn.
const BURST: usize = 64;
/// ACKs that wait for the disk. The store's own queue is shorter, so this one never fills.
const COMMITS: usize = 8192;

/// Everything the door needs, opened and bound.
#[derive(Debug)]
pub struct Door {
    /// UDP 67 on the interface.
    pub socket: std::net::UdpSocket,
    /// For machines without an address.
    pub frames: FrameSocket,
    /// For probes.
    pub arp: Arc<ArpSocket>,
    /// How to find out whether another server answers here, and with which hardware address;
    /// `None` when the operator said outright that this one shall.
    pub alone: Option<(ClientSocket, Mac)>,
    /// Name of the interface.
    pub interface: Arc<str>,
    /// Number of the interface.
    pub index: u32,
    /// Our address on it.
    pub address: Ipv4Addr,
    /// What the server is told.
    pub config: Config,
    /// Who has which address.
    pub leases: Leases,
    /// Where leases are kept.
    pub store: Store,
    /// Which loader each machine gets.
    pub loader: LoaderChoice,
    /// Whose menu.
    pub menu: MenuKind,
    /// Port of the boot door.
    pub http_port: u16,
}

/// Serves until the context drains.
pub async fn run(mut door: Door, context: Context) -> anyhow::Result<()> {
    if let Some((socket, mac)) = door.alone.take() {
        let other = guard::other_server(socket, mac, door.address).await;
        if let Some(other) = other.context("looking for other DHCP servers")? {
            bail!(
                "another DHCP server, {other}, answers on {}; two would hand out conflicting \
                 addresses. Use --dhcp off and let that server name the boot file, or, if it is \
                 yours to overrule, --dhcp server",
                door.interface
            );
        }
    }
    let mut drain = context.drain.clone();
    let socket = UdpSocket::from_std(door.socket.try_clone()?).context("DHCP socket")?;
    let arp = Arc::clone(&door.arp).polled().context("ARP socket")?;
    let (committed, mut commits) = mpsc::channel(COMMITS);
    let mut server = Serving {
        door,
        context,
        committed,
        probes: HashMap::new(),
    };
    loop {
        let next = server.probes.values().map(|p| p.next).min();
        let wake = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            ready = socket.readable() => {
                ready?;
                server.receive(&socket);
            }
            Some((outgoing, machine, result)) = commits.recv() => {
                server.durable(outgoing, machine, result);
            }
            ready = arp.readable() => server.listen(&mut ready?),
            () = sleep_until(wake), if next.is_some() => server.due(Instant::now()),
            _ = drain.wait_for(|draining| *draining) => return Ok(()),
        }
    }
}

struct Serving {
    door: Door,
    context: Context,
    committed: mpsc::Sender<(Outgoing, Option<Machine>, Result<(), String>)>,
    probes: HashMap<Ipv4Addr, Pending>,
}

/// A message that waits for the probe of an address.
struct Pending {
    packet: Packet,
    source: SocketAddrV4,
    asked_again: bool,
    next: Instant,
    end: Instant,
}

impl Serving {
    fn receive(&mut self, socket: &UdpSocket) {
        let mut buffer = [0u8; MAX_LEN + 1];
        for _ in 0..BURST {
            match socket.try_recv_from(&mut buffer) {
                Ok((len, SocketAddr::V4(source))) => {
                    self.message(buffer.get(..len).unwrap_or_default(), source);
                }
                Ok((_, SocketAddr::V6(_))) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Errors of earlier sends are reported here (ICMP); the socket goes on.
                Err(_) => {}
            }
        }
    }

    fn message(&mut self, bytes: &[u8], source: SocketAddrV4) {
        let packet = match Packet::parse(bytes) {
            Ok(packet) => packet,
            Err(malformed) => {
                let peer = Peer {
                    mac: None,
                    ip: Some(IpAddr::V4(*source.ip())),
                };
                let what = What::Ignored {
                    door: journal::Door::Dhcp,
                    request: "DHCP message".into(),
                    why: malformed.to_string(),
                };
                self.context.bus.publish(peer, what);
                return;
            }
        };
        let overloaded = self.probes.len() >= MAX_PROBES;
        self.tell_incoming(&packet, source);
        let (answer, no_loader) = self.ask(&packet, source, overloaded, None);
        self.perform(packet, source, answer, no_loader);
    }

    /// Asks the core; the second value is why a machine that asked to boot gets nothing to load, or
    /// not what it was to get.
    fn ask(
        &mut self,
        packet: &Packet,
        source: SocketAddrV4,
        overloaded: bool,
        probed: Option<(Ipv4Addr, Probe)>,
    ) -> (Answer, Option<String>) {
        let door = &mut self.door;
        let site = self.context.site.load();
        let server = Server {
            http: SocketAddrV4::new(door.address, door.http_port),
            nfs: site.nfs,
            nbd: site.nbd,
        };
        let no_loader = RefCell::new(None);
        let (choice, menu, address) = (&door.loader, door.menu, door.address);
        let boot = |machine: &Machine| match catalog::offer(
            machine,
            &site.catalog,
            &site.loaders,
            choice,
            menu,
            &server,
        ) {
            Ok(offer) => {
                *no_loader.borrow_mut() = offer.remark;
                Some(BootFile {
                    server: address,
                    file: offer.file,
                    config: offer.config,
                    prefix: offer.prefix,
                })
            }
            Err(why) => {
                *no_loader.borrow_mut() = Some(format!("nothing to boot: {why}"));
                None
            }
        };
        let receipt = Receipt {
            interface: &door.interface,
            server: door.address,
            source,
            port: Port::Server,
            now: bus::now(),
            overloaded,
        };
        let (config, leases) = (&door.config, &mut door.leases);
        let answer = match probed {
            None => respond(packet, &receipt, config, leases, &boot),
            Some((address, probe)) => {
                checked(packet, &receipt, config, leases, &boot, address, probe)
            }
        };
        (answer, no_loader.into_inner())
    }

    fn perform(
        &mut self,
        packet: Packet,
        source: SocketAddrV4,
        answer: Answer,
        no_loader: Option<String>,
    ) {
        match answer {
            Answer::Send(mut outgoing) => {
                outgoing.detail = match (outgoing.detail, no_loader) {
                    (Some(detail), Some(remark)) => Some(format!("{detail}; {remark}")),
                    (detail, no_loader) => detail.or(no_loader),
                };
                let machine = pxe::machine(&packet);
                match outgoing.commit.take() {
                    Some(lease) => {
                        let committed = self.committed.clone();
                        let then = Box::new(move |result| {
                            // Full or closed only while the program ends.
                            let _ = committed.try_send((outgoing, machine, result));
                        });
                        self.door.store.commit(Change::Put(lease), Some(then));
                    }
                    None => self.send(&outgoing, machine),
                }
            }
            Answer::Check {
                relayed: true,
                address,
            } => {
                // ARP does not cross a relay; the machine's own probe has to do.
                let probed = Some((address, Probe::Silent));
                let (answer, no_loader) = self.ask(&packet, source, true, probed);
                self.perform(packet, source, answer, no_loader);
            }
            Answer::Check {
                address,
                relayed: false,
            } => {
                let now = Instant::now();
                let sent = self.door.arp.probe(address);
                if let Err(error) = sent {
                    self.notice(format!("cannot probe {address} by ARP: {error}"));
                }
                let pending = Pending {
                    packet,
                    source,
                    asked_again: false,
                    next: now + PROBE_WAIT / 2,
                    end: now + PROBE_WAIT,
                };
                self.probes.insert(address, pending);
            }
            Answer::Ignore(why) => {
                let message = packet.message_type().map_or("BOOTP message", |m| m.name());
                let what = What::Ignored {
                    door: journal::Door::Dhcp,
                    request: message.into(),
                    why: why.to_string(),
                };
                self.context.bus.publish(peer(&packet, source), what);
            }
            Answer::Done(note) => self.done(&packet, source, note),
        }
    }

    /// A lease is on disk, or cannot be put there.
    fn durable(
        &mut self,
        outgoing: Outgoing,
        machine: Option<Machine>,
        result: Result<(), String>,
    ) {
        match result {
            Ok(()) => self.send(&outgoing, machine),
            Err(error) => {
                let what = What::Ignored {
                    door: journal::Door::Dhcp,
                    request: "DHCPREQUEST".into(),
                    why: format!("its lease could not be written: {error}"),
                };
                let mac = machine.map(|m| m.mac);
                self.context.bus.publish(Peer { mac, ip: None }, what);
            }
        }
    }

    fn done(&mut self, packet: &Packet, source: SocketAddrV4, note: Note) {
        let change = note
            .record
            .map_or(Change::Remove(note.address), Change::Put);
        self.door.store.commit(change, None);
        let what = What::Dhcp {
            interface: Arc::clone(&self.door.interface),
            message: note.message.name(),
            address: Some(IpAddr::V4(note.address)),
            machine: pxe::machine(packet),
            detail: note.detail,
        };
        self.context.bus.publish(peer(packet, source), what);
    }

    fn send(&self, outgoing: &Outgoing, machine: Option<Machine>) {
        let door = &self.door;
        let (own, bytes) = (door.address, &outgoing.bytes);
        let everybody = Ipv4Addr::BROADCAST;
        let sent = match outgoing.to {
            Destination::Relay(relay) => self.send_to(SocketAddrV4::new(relay, 67), bytes),
            Destination::Unicast(target) => self.send_to(target, bytes),
            Destination::Frame { mac, address } => door.frames.send(own, address, mac, bytes),
            // By frame too: without a default route the kernel has no way to 255.255.255.255.
            Destination::Broadcast => door.frames.send(own, everybody, Mac([0xff; 6]), bytes),
        };
        let peer = Peer {
            mac: machine.as_ref().map(|m| m.mac),
            ip: None,
        };
        let what = match sent {
            Ok(()) => What::Dhcp {
                interface: Arc::clone(&door.interface),
                message: outgoing.message.name(),
                address: outgoing.address.map(IpAddr::V4),
                machine,
                detail: outgoing.detail.clone(),
            },
            Err(error) => What::Ignored {
                door: journal::Door::Dhcp,
                request: outgoing.message.name().into(),
                why: format!("it could not be sent: {error}"),
            },
        };
        self.context.bus.publish(peer, what);
    }

    /// By the ordinary socket, with our address on this interface as the source.
    fn send_to(&self, target: SocketAddrV4, bytes: &[u8]) -> io::Result<()> {
        let info = libc::in_pktinfo {
            ipi_ifindex: i32::try_from(self.door.index).unwrap_or(0),
            ipi_spec_dst: libc::in_addr {
                s_addr: self.door.address.to_bits().to_be(),
            },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        sendmsg(
            self.door.socket.as_raw_fd(),
            &[io::IoSlice::new(bytes)],
            &[ControlMessage::Ipv4PacketInfo(&info)],
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrIn::from(target)),
        )?;
        Ok(())
    }

    /// Hears who answers ARP probes.
    fn listen(&mut self, ready: &mut AsyncFdReadyGuard<'_, Arc<ArpSocket>>) {
        for _ in 0..BURST {
            match self.door.arp.heard() {
                Ok(Some((address, mac))) => {
                    if let Some(pending) = self.probes.remove(&address) {
                        self.probed(address, pending, Probe::Answered(Some(mac)));
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        ready.clear_ready();
                    }
                    return;
                }
            }
        }
    }

    /// Probes whose time has come: once more, or over.
    fn due(&mut self, now: Instant) {
        let due: Vec<Ipv4Addr> = self
            .probes
            .iter()
            .filter(|(_, p)| p.next <= now)
            .map(|(a, _)| *a)
            .collect();
        for address in due {
            match self.probes.get_mut(&address) {
                Some(pending) if !pending.asked_again => {
                    pending.asked_again = true;
                    pending.next = pending.end;
                    // The first probe told of a failure already.
                    let _ = self.door.arp.probe(address);
                }
                _ => {
                    if let Some(pending) = self.probes.remove(&address) {
                        self.probed(address, pending, Probe::Silent);
                    }
                }
            }
        }
    }

    fn probed(&mut self, address: Ipv4Addr, pending: Pending, probe: Probe) {
        let Pending { packet, source, .. } = pending;
        if let Probe::Answered(Some(mac)) = probe {
            self.notice(format!(
                "{address} is in use by {mac}, which has no lease; not offered"
            ));
        }
        let (answer, no_loader) = self.ask(&packet, source, false, Some((address, probe)));
        self.perform(packet, source, answer, no_loader);
    }

    fn tell_incoming(&self, packet: &Packet, source: SocketAddrV4) {
        let Some(message) = packet.message_type() else {
            return;
        };
        let machine = pxe::machine(packet);
        // What a phone asks is told by what it is answered; what asks to boot is told in full.
        if machine.as_ref().is_none_or(|m| m.stage == Stage::Plain) {
            return;
        }
        let what = What::Dhcp {
            interface: Arc::clone(&self.door.interface),
            message: message.name(),
            address: None,
            machine,
            detail: None,
        };
        self.context.bus.publish(peer(packet, source), what);
    }

    fn notice(&self, text: String) {
        self.context
            .bus
            .publish(Peer::default(), What::Notice { text });
    }
}

/// Whom a message is from: its hardware address, or where it came from when that is none of ours
/// to read.
fn peer(packet: &Packet, source: SocketAddrV4) -> Peer {
    match pxe::machine(packet) {
        Some(machine) => Peer {
            mac: Some(machine.mac),
            ip: None,
        },
        None => Peer {
            mac: None,
            ip: Some(IpAddr::V4(*source.ip())),
        },
    }
}
