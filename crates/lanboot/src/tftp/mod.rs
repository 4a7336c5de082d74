//! The TFTP server: requests arrive at port 69, each transfer leaves from a socket of its own.
//!
//! Its port is a fresh one, as RFC 1350 §4 wants, or port 69 as well ([`Limits::single_port`]),
//! for machines behind a router that translates addresses and lets in only answers from where
//! they asked. What such a machine sends to port 69 then reaches its transfer, because the kernel
//! prefers the socket connected to it; requests among that come back here as misrouted datagrams.
//!
//! Requests are answered here, in one task; data is moved by `pump` threads. A transfer takes
//! at most 64 KiB of read-ahead and 1 KiB besides (a netascii one up to 128 KiB more), one
//! descriptor, and no thread.

mod admission;
mod blocks;
mod pump;

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use lanboot_core::events::{EventKind, Peer, Protocol, Reason};
use lanboot_core::routes::Opened;
use lanboot_core::text::printable;
use lanboot_core::tftp::{self, Failure, Incoming, Mode, Packet, Request, Transfer};
use lanboot_core::vfs::Content;
use tokio::io::Interest;
use tokio::sync::{mpsc, watch};

use crate::context::Context;
use crate::events::bus::Bus;
use crate::events::transfer_guard::{TransferGuard, TransferInfo};
use crate::images::open_images::OpenImages;
use crate::io::send::SendError;
use crate::io::send_error::{self, Unsent};
use crate::io::udp::{self, Arrival, Burst};
use crate::net::Service;
use admission::Admission;
use blocks::{DataBlocks, OpenFile};
use pump::{Pump, Sending};

/// Longest file sent in netascii, in bytes: it is translated whole, in memory, and only people
/// who forgot `binary` ask for it.
const MAX_NETASCII: u64 = 65_536;
/// Longest path printed, in bytes.
const MAX_PRINTED_PATH: usize = 256;
/// Most pumps: four processors fill any network card with blocks.
const MAX_PUMPS: usize = 4;
/// Processors per pump. A pump that has more to do finds more sockets ready at once and spends
/// less on each: on two processors one pump took 10 % less time per block than two.
const PROCESSORS_PER_PUMP: usize = 2;

/// Most misrouted datagrams that wait for the listener: about as many requests as the socket itself
/// holds. A client whose request is lost repeats it.
const MAX_MISROUTED: usize = 1024;

/// Limits of the server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most transfers at once, each with a descriptor and 64 KiB. dnsmasq's 50 left classrooms
    /// waiting.
    pub transfers: usize,
    /// Most transfers at once for one address. A machine needs one or two; load tests and
    /// machines behind one router look like one machine with many.
    pub transfers_per_machine: usize,
    /// Whether blocks may be larger than a packet. Option ROMs cannot put fragments together.
    pub fragments: bool,
    /// Whether transfers leave from the port requests came to, not from one of their own.
    pub single_port: bool,
    /// The protocol's own limits.
    pub protocol: tftp::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transfers: 1024,
            transfers_per_machine: 256,
            fragments: false,
            single_port: false,
            protocol: tftp::Limits::default(),
        }
    }
}

/// Makes a socket bound to port 69 ready for [`run`]. Fails when the kernel cannot say where
/// datagrams came in.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    udp::prepare(socket)
}

/// Serves what `context` has to offer until it drains.
///
/// # Errors
/// See [`run`].
pub async fn serve(socket: UdpSocket, context: Context, limits: Limits) -> anyhow::Result<()> {
    let (open_images, bus, drain) = (
        Arc::clone(&context.open_images),
        context.bus.clone(),
        context.drain.clone(),
    );
    let find = move |path: &[u8], peer| context.find(path, b"", peer);
    run(socket, find, open_images, bus, drain, limits).await
}

/// Serves the files that `find` knows through `socket` (bound, [`prepare`]d). Returns when
/// `drain` became true (or its sender is gone) and the transfers that ran then are over.
///
/// # Errors
/// When threads or descriptors run out at the start, or the socket breaks.
pub async fn run<F>(
    socket: UdpSocket,
    find: F,
    open_images: Arc<OpenImages>,
    bus: Bus,
    mut drain: watch::Receiver<bool>,
    limits: Limits,
) -> anyhow::Result<()>
where
    F: Fn(&[u8], IpAddr) -> Option<Opened>,
{
    let (alive, mut all_ended) = mpsc::channel(1);
    let (misrouted, mut returned) = mpsc::channel(MAX_MISROUTED);
    if limits.single_port {
        udp::share_port(&socket).context("the TFTP port cannot be shared by transfers")?;
    }
    let pumps = (0..pump_count())
        .map(|_| Pump::start(bus.clone(), misrouted.clone(), alive.clone()))
        .collect::<io::Result<Vec<_>>>()
        .context("a TFTP thread cannot be started")?;
    drop(alive);
    let socket =
        tokio::net::UdpSocket::from_std(socket).context("the TFTP socket cannot be watched")?;
    let handler = RequestHandler {
        socket: &socket,
        misrouted,
        find,
        open_images,
        bus,
        limits,
        admission: Admission::default(),
        pumps,
    };
    let mut buf = vec![0; tftp::MAX_REQUEST + 1];
    loop {
        let arrival = tokio::select! {
            biased;
            _ = drain.wait_for(|draining| *draining) => break,
            Some(misrouted) = returned.recv() => Err(misrouted),
            arrival = socket.async_io(Interest::READABLE, || udp::receive(&socket, &mut buf)) => Ok(arrival),
        };
        let arrival = match arrival {
            Ok(arrival) => arrival,
            Err(Misrouted { arrival, datagram }) => {
                handler.answer(&arrival, &datagram).await;
                continue;
            }
        };
        match arrival {
            Ok(arrival) => {
                handler.bus.arrived(Service::Tftp, arrival.to);
                let request = buf.get(..arrival.len).unwrap_or_default();
                handler.answer(&arrival, request).await;
            }
            // An ICMP error for something sent earlier, or memory ran short: not this socket's end.
            Err(e) if is_passing(&e) => {}
            Err(e) => return Err(e).context("the TFTP socket broke"),
        }
    }
    drop(handler);
    // Nobody sends through it; it ends when the last pump has.
    let _ = all_ended.recv().await;
    Ok(())
}

fn pump_count() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors / PROCESSORS_PER_PUMP).clamp(1, MAX_PUMPS)
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, Interrupted, InvalidData, NetworkUnreachable,
        OutOfMemory,
    };
    matches!(
        error.kind(),
        ConnectionRefused
            | HostUnreachable
            | NetworkUnreachable
            | Interrupted
            | InvalidData
            | OutOfMemory
    ) || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// A datagram that reached a transfer's socket and is not for it.
#[derive(Debug)]
struct Misrouted {
    arrival: Arrival,
    datagram: Box<[u8]>,
}

/// Where requests are answered.
struct RequestHandler<'a, F> {
    /// The one they come in through.
    socket: &'a tokio::net::UdpSocket,
    misrouted: mpsc::Sender<Misrouted>,
    find: F,
    open_images: Arc<OpenImages>,
    bus: Bus,
    limits: Limits,
    admission: Admission,
    pumps: Vec<Pump>,
}

impl<F: Fn(&[u8], IpAddr) -> Option<Opened>> RequestHandler<'_, F> {
    async fn answer(&self, arrival: &Arrival, datagram: &[u8]) {
        let peer = Peer {
            mac: None,
            ip: Some(IpAddr::V4(*arrival.from.ip())),
        };
        let answered = match tftp::classify(datagram) {
            Incoming::Read(request) => self.read(arrival, datagram, request, peer).await,
            Incoming::Refuse { name, failure } => Err(self.refuse(arrival, &name, failure)),
            Incoming::Ignore(why) => Err(ignored("datagram".into(), why)),
        };
        if let Err(what) = answered {
            self.bus.publish(peer, what);
        }
    }

    /// Starts a transfer, or says what became of the request.
    async fn read(
        &self,
        arrival: &Arrival,
        datagram: &[u8],
        request: Request<'_>,
        peer: Peer,
    ) -> Result<(), EventKind> {
        let path = printable_path(&request.name);
        let ip = IpAddr::V4(*arrival.from.ip());
        let Some(Opened { file, file_use, .. }) = (self.find)(&request.name, ip) else {
            self.send_failure(arrival, &Failure::NOT_FOUND);
            return Err(EventKind::NotFound {
                protocol: Protocol::Tftp,
                path,
            });
        };
        let source = SocketAddr::V4(arrival.from);
        let ticket = self
            .admission
            .admit(source, datagram, &self.limits)
            .map_err(|why| ignored(format!("RRQ {path}"), why))?;
        if let Some(warning) = file.warning {
            self.bus.publish(peer, EventKind::Planned(warning));
        }
        let failed = |reason| failed(path.clone(), reason);
        let unreadable = |cut: SendError| {
            self.send_failure(arrival, &Failure::READ_FAILED);
            failed(Reason::from(&cut))
        };
        if let Some(damage) = file.content.damage() {
            self.send_failure(arrival, &Failure::DAMAGED);
            return Err(failed(damage.into()));
        }
        let mut file = OpenFile::open(file.content, &self.open_images).map_err(unreadable)?;
        if request.mode == Mode::Netascii {
            if file.len() > MAX_NETASCII {
                self.send_failure(arrival, &Failure::NOT_TEXT);
                return Err(failed(Failure::NOT_TEXT.into()));
            }
            let read = tokio::task::spawn_blocking(move || file.read_all()).await;
            let bytes = read
                .map_err(|e| SendError::Read(io::Error::other(e)))
                .flatten()
                .map_err(unreadable)?;
            let text = Content::memory(tftp::to_netascii(&bytes));
            file = OpenFile::open(text, &self.open_images).map_err(unreadable)?;
        }
        // Nothing is sent when this fails: firmware asks again, after an ERROR it would give up.
        let socket = self.socket_for(arrival);
        let socket = socket.map_err(|e| failed(send_error::host_error(&e).into()))?;
        let mtu = udp::path_mtu(&socket).filter(|_| !self.limits.fragments);
        let now = Instant::now();
        let len = file.len();
        let info = TransferInfo {
            protocol: Protocol::Tftp,
            peer,
            path,
            len,
            file_use,
        };
        let (transfer, first) =
            Transfer::new(&request.options, len, mtu, &self.limits.protocol, now);
        let (blksize, windowsize) = (transfer.blksize(), transfer.windowsize());
        let sending = Sending {
            burst: Burst::new(&socket, usize::from(blksize) + 4, windowsize.into()),
            blocks: DataBlocks::new(file, blksize, windowsize),
            socket,
            shares_port_since: self.limits.single_port.then_some(*arrival),
            transfer,
            first: Some(first),
            peer,
            len,
            guard: TransferGuard::new(&self.bus, info),
            unsent: Unsent::default(),
            ticket,
        };
        if let Some(pump) = self.pumps.iter().min_by_key(|pump| pump.load()) {
            pump.send(Box::new(sending));
        }
        Ok(())
    }

    /// A socket for the transfer that `arrival` asks for.
    fn socket_for(&self, arrival: &Arrival) -> io::Result<UdpSocket> {
        if !self.limits.single_port {
            return udp::answer(arrival);
        }
        let port = self.socket.local_addr()?.port();
        let socket = udp::answer_at(arrival, port)?;
        // What it was given while it was not connected yet is everybody's.
        let mut buf = [0; tftp::MAX_REQUEST + 1];
        while let Some((len, from)) = udp::receive_any(&socket, &mut buf) {
            pass_on(
                &self.misrouted,
                arrival,
                from,
                buf.get(..len).unwrap_or_default(),
            );
        }
        Ok(socket)
    }

    fn refuse(&self, arrival: &Arrival, name: &[u8], failure: Failure<'static>) -> EventKind {
        self.send_failure(arrival, &failure);
        failed(printable_path(name), failure.into())
    }

    /// Sends an ERROR, once: an ERROR has no ACK. It comes from a port of its own (RFC 1350 §4)
    /// where transfers do. Lost like any datagram; the machine asks again.
    fn send_failure(&self, arrival: &Arrival, failure: &Failure<'_>) {
        let datagram = Packet::Error(failure.clone()).emit();
        if self.limits.single_port {
            let _ = udp::reply(self.socket, arrival, &datagram);
        } else if let Ok(socket) = udp::answer(arrival) {
            let _ = socket.send(&datagram);
        }
    }
}

/// Hands a datagram to the desk as if it had come in there; `arrival` is what the socket it
/// reached was opened for.
fn pass_on(
    misrouted: &mpsc::Sender<Misrouted>,
    arrival: &Arrival,
    from: SocketAddrV4,
    datagram: &[u8],
) {
    let arrival = Arrival {
        len: datagram.len(),
        from,
        ..*arrival
    };
    // Lost when too many wait.
    let _ = misrouted.try_send(Misrouted {
        arrival,
        datagram: datagram.into(),
    });
}

fn printable_path(name: &[u8]) -> String {
    printable(name, MAX_PRINTED_PATH)
}

fn ignored(request: String, why: tftp::IgnoreReason) -> EventKind {
    EventKind::Ignored {
        protocol: Protocol::Tftp,
        request,
        reason: why.into(),
    }
}

fn failed(path: String, reason: Reason) -> EventKind {
    EventKind::Failed {
        protocol: Protocol::Tftp,
        transfer: None,
        path,
        sent: 0,
        reason,
    }
}
