//! The TFTP door: requests come in at port 69, each transfer leaves from a socket of its own.
//!
//! Requests are answered here, in one task; data is moved by `pump` threads. A transfer takes
//! at most 64 KiB of read-ahead and 1 KiB besides (a netascii one up to 128 KiB more), one
//! descriptor, and no thread.

mod admission;
mod blocks;
mod pump;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use lanboot_core::bytes::printable;
use lanboot_core::journal::{Door, Peer, What};
use lanboot_core::tftp::{self, Failure, Knock, Mode, Packet, Request, Transfer};
use lanboot_core::vfs::{Content, File};
use tokio::io::Interest;
use tokio::sync::{mpsc, watch};

use crate::bus::Bus;
use crate::disks::Disks;
use crate::serve::Context;
use crate::serve::datagram::{self, Arrival, Burst};
use admission::Admission;
use blocks::{DataBlocks, OpenFile};
use pump::{Pump, Sending};

/// Longest file sent in netascii, in bytes: it is translated whole, in memory, and only people
/// who forgot `binary` ask for it.
const MAX_NETASCII: u64 = 65_536;
/// Longest path told to anybody, in bytes.
const MAX_TOLD_PATH: usize = 256;
/// Most pumps: four processors fill any network card with blocks.
const MAX_PUMPS: usize = 4;
/// Processors per pump. A pump that has more to do finds more sockets ready at once and spends
/// less on each: on two processors one pump took 10 % less time per block than two.
const PROCESSORS_PER_PUMP: usize = 2;

/// How much the door takes on.
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
    /// The protocol's own limits.
    pub protocol: tftp::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transfers: 1024,
            transfers_per_machine: 256,
            fragments: false,
            protocol: tftp::Limits::default(),
        }
    }
}

/// Makes a socket bound to port 69 ready for [`run`]. Fails when the kernel cannot say where
/// datagrams came in.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    datagram::prepare(socket)
}

/// Serves what `context` has to offer until it drains.
///
/// # Errors
/// See [`run`].
pub async fn serve(socket: UdpSocket, context: Context, limits: Limits) -> anyhow::Result<()> {
    let (disks, bus, drain) = (
        Arc::clone(&context.disks),
        context.bus.clone(),
        context.drain.clone(),
    );
    let find = move |path: &[u8], peer| context.find(path, b"", peer);
    run(socket, find, disks, bus, drain, limits).await
}

/// Serves the files that `find` knows through `socket` (bound, [`prepare`]d). Returns when
/// `drain` became true (or its sender is gone) and the transfers that ran then are over.
///
/// # Errors
/// When threads or descriptors run out at the start, or the socket breaks.
pub async fn run<F>(
    socket: UdpSocket,
    find: F,
    disks: Arc<Disks>,
    bus: Bus,
    mut drain: watch::Receiver<bool>,
    limits: Limits,
) -> anyhow::Result<()>
where
    F: Fn(&[u8], IpAddr) -> Option<File>,
{
    let socket =
        tokio::net::UdpSocket::from_std(socket).context("the TFTP socket cannot be watched")?;
    let (alive, mut all_ended) = mpsc::channel(1);
    let pumps = (0..pump_count())
        .map(|_| Pump::start(bus.clone(), alive.clone()))
        .collect::<io::Result<Vec<_>>>()
        .context("a TFTP thread cannot be started")?;
    drop(alive);
    let desk = Desk {
        find,
        disks,
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
            arrival = socket.async_io(Interest::READABLE, || datagram::receive(&socket, &mut buf)) => arrival,
        };
        match arrival {
            Ok(arrival) => {
                let request = buf.get(..arrival.len).unwrap_or_default();
                desk.answer(&arrival, request).await;
            }
            // An ICMP error for something sent earlier, or memory ran short: not this socket's end.
            Err(e) if is_passing(&e) => {}
            Err(e) => return Err(e).context("the TFTP socket broke"),
        }
    }
    drop(desk);
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

/// Where requests are answered.
struct Desk<F> {
    find: F,
    disks: Arc<Disks>,
    bus: Bus,
    limits: Limits,
    admission: Admission,
    pumps: Vec<Pump>,
}

impl<F: Fn(&[u8], IpAddr) -> Option<File>> Desk<F> {
    async fn answer(&self, arrival: &Arrival, datagram: &[u8]) {
        let peer = Peer {
            mac: None,
            ip: Some(IpAddr::V4(*arrival.from.ip())),
        };
        let told = match tftp::knock(datagram) {
            Knock::Read(request) => self.read(arrival, datagram, request, peer).await,
            Knock::Refuse { name, failure } => Err(refuse(arrival, &name, &failure)),
            Knock::Ignore(why) => Err(ignored("datagram".into(), why)),
        };
        if let Err(what) = told {
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
    ) -> Result<(), What> {
        let path = told_path(&request.name);
        let ip = IpAddr::V4(*arrival.from.ip());
        let Some(file) = (self.find)(&request.name, ip) else {
            send_failure(arrival, &Failure::NOT_FOUND);
            return Err(What::NotFound {
                door: Door::Tftp,
                path,
            });
        };
        let source = SocketAddr::V4(arrival.from);
        let ticket = self
            .admission
            .admit(source, datagram, &self.limits)
            .map_err(|why| ignored(format!("RRQ {path}"), why))?;
        if let Some(text) = file.remark {
            self.bus.publish(peer, What::Planned { text });
        }
        let failed = |why| failed(path.clone(), why);
        let unreadable = |e: io::Error| {
            send_failure(arrival, &Failure::READ_FAILED);
            failed(format!("the image cannot be read: {e}"))
        };
        let mut file = OpenFile::open(file.content, &self.disks).map_err(unreadable)?;
        if request.mode == Mode::Netascii {
            if file.len() > MAX_NETASCII {
                send_failure(arrival, &Failure::NOT_TEXT);
                return Err(failed(Failure::NOT_TEXT.sentence()));
            }
            let read = tokio::task::spawn_blocking(move || file.read_all()).await;
            let bytes = read
                .map_err(io::Error::other)
                .flatten()
                .map_err(unreadable)?;
            let text = Content::memory(tftp::to_netascii(&bytes));
            file = OpenFile::open(text, &self.disks).map_err(unreadable)?;
        }
        // Nothing is sent when this fails: firmware asks again, after an ERROR it would give up.
        let socket = datagram::answer(arrival).map_err(|e| failed(format!("no socket: {e}")))?;
        let mtu = datagram::path_mtu(&socket).filter(|_| !self.limits.fragments);
        let now = Instant::now();
        let len = file.len();
        let (transfer, first) =
            Transfer::new(&request.options, len, mtu, &self.limits.protocol, now);
        let (blksize, windowsize) = (transfer.blksize(), transfer.windowsize());
        let sending = Sending {
            burst: Burst::new(&socket, usize::from(blksize) + 4, windowsize.into()),
            blocks: DataBlocks::new(file, blksize, windowsize),
            socket,
            transfer,
            first: Some(first),
            peer,
            path,
            len,
            begun: now,
            told: now,
            number: None,
            ticket,
        };
        if let Some(pump) = self.pumps.iter().min_by_key(|pump| pump.load()) {
            pump.send(Box::new(sending));
        }
        Ok(())
    }
}

fn refuse(arrival: &Arrival, name: &[u8], failure: &Failure<'_>) -> What {
    send_failure(arrival, failure);
    failed(told_path(name), failure.sentence())
}

/// Sends an ERROR from a port of its own (RFC 1350 §4), once: an ERROR has no ACK.
fn send_failure(arrival: &Arrival, failure: &Failure<'_>) {
    if let Ok(socket) = datagram::answer(arrival) {
        // Lost like any datagram; the machine asks again.
        let _ = socket.send(&Packet::Error(failure.clone()).emit());
    }
}

fn told_path(name: &[u8]) -> String {
    printable(name, MAX_TOLD_PATH)
}

fn ignored(request: String, why: tftp::Why) -> What {
    What::Ignored {
        door: Door::Tftp,
        request,
        why: why.to_string(),
    }
}

fn failed(path: String, why: String) -> What {
    What::Failed {
        door: Door::Tftp,
        transfer: None,
        path,
        sent: 0,
        why,
    }
}
