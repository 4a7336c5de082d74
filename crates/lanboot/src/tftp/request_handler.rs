//! Requests: finds the file, admits the transfer and hands it to a pump, or answers with an ERROR.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use lanboot_core::events::{EventKind, Peer, Protocol, Reason};
use lanboot_core::routes::Opened;
use lanboot_core::text::printable;
use lanboot_core::tftp::{self, Failure, Incoming, Mode, Options, Packet, Request, Transfer};
use lanboot_core::vfs::Content;
use tokio::sync::mpsc;

use super::admission::{Admission, Ticket};
use super::blocks::{DataBlocks, OpenFile};
use super::limits::Limits;
use super::misrouted::{Misrouted, pass_on};
use super::pump::Pump;
use super::session::Session;
use crate::events::bus::Bus;
use crate::events::transfer_guard::{TransferGuard, TransferInfo};
use crate::images::open_images::OpenImages;
use crate::io::host_error::{self, Unsent};
use crate::io::send::SendError;
use crate::io::udp::{self, Arrival, Burst};

/// Longest file sent in netascii, in bytes: it is translated whole, in memory, and only people
/// who forgot `binary` ask for it.
const MAX_NETASCII: u64 = 65_536;
/// Longest path printed, in bytes.
const MAX_PRINTED_PATH: usize = 256;

/// Answers requests.
pub(super) struct RequestHandler<'a, F> {
    /// The socket they come in through.
    pub(super) socket: &'a tokio::net::UdpSocket,
    pub(super) misrouted: mpsc::Sender<Misrouted>,
    pub(super) find: F,
    pub(super) open_images: Arc<OpenImages>,
    pub(super) bus: Bus,
    pub(super) limits: Limits,
    pub(super) admission: Admission,
    pub(super) pumps: Vec<Pump>,
}

impl<F: Fn(&[u8], IpAddr) -> Option<Opened>> RequestHandler<'_, F> {
    /// Answers a datagram that came to the port of the server.
    pub(super) async fn answer(&self, arrival: &Arrival, datagram: &[u8]) {
        let peer = Peer {
            mac: None,
            ip: Some(arrival.from.ip()),
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

    /// Starts a transfer.
    ///
    /// # Errors
    /// No transfer was started; the event says why.
    async fn read(
        &self,
        arrival: &Arrival,
        datagram: &[u8],
        request: Request<'_>,
        peer: Peer,
    ) -> Result<(), EventKind> {
        let path = printable_path(&request.name);
        let ip = arrival.from.ip();
        let Some(Opened { file, file_use, .. }) = (self.find)(&request.name, ip) else {
            self.send_failure(arrival, &Failure::NOT_FOUND);
            return Err(EventKind::NotFound {
                protocol: Protocol::Tftp,
                path,
            });
        };
        let source = arrival.from;
        let ticket = self
            .admission
            .admit(source, datagram, &self.limits)
            .map_err(|why| ignored(format!("RRQ {path}"), why))?;
        if let Some(warning) = file.warning {
            self.bus.publish(peer, EventKind::Planned(warning));
        }
        let opened = self.open(arrival, file.content, &request.mode).await;
        let file = opened.map_err(|reason| failed(path.clone(), reason))?;
        let info = TransferInfo {
            protocol: Protocol::Tftp,
            peer,
            path: path.clone(),
            len: file.len(),
            file_use,
        };
        let started = self.start(arrival, &request.options, file, info, ticket);
        started.map_err(|error| failed(path, host_error::of(&error).into()))
    }

    /// Opens a file, translated where `mode` wants that. A failure is sent to the machine.
    ///
    /// # Errors
    /// The file is damaged, cannot be read, or is too long to be translated.
    async fn open(
        &self,
        arrival: &Arrival,
        content: Content,
        mode: &Mode<'_>,
    ) -> Result<OpenFile, Reason> {
        let unreadable = |cut: SendError| {
            self.send_failure(arrival, &Failure::READ_FAILED);
            Reason::from(&cut)
        };
        if let Some(damage) = content.damage() {
            self.send_failure(arrival, &Failure::DAMAGED);
            return Err(damage.into());
        }
        let file = OpenFile::open(content, &self.open_images).map_err(unreadable)?;
        if *mode != Mode::Netascii {
            return Ok(file);
        }
        if file.len() > MAX_NETASCII {
            self.send_failure(arrival, &Failure::NOT_TEXT);
            return Err(Failure::NOT_TEXT.into());
        }
        let read = tokio::task::spawn_blocking(move || file.read_all()).await;
        let bytes = read
            .map_err(|e| SendError::Read(io::Error::other(e)))
            .flatten()
            .map_err(unreadable)?;
        let text = Content::memory(tftp::to_netascii(&bytes));
        OpenFile::open(text, &self.open_images).map_err(unreadable)
    }

    /// Hands a transfer of `file` to the pump that has least to do.
    ///
    /// # Errors
    /// There is no socket for it. Nothing is sent then: firmware asks again, after an ERROR it would
    /// give up.
    fn start(
        &self,
        arrival: &Arrival,
        options: &Options,
        file: OpenFile,
        info: TransferInfo,
        ticket: Ticket,
    ) -> io::Result<()> {
        let socket = self.socket_for(arrival)?;
        let mtu = udp::path_mtu(&socket).filter(|_| !self.limits.fragments);
        let (peer, len) = (info.peer, info.len);
        let (transfer, first) =
            Transfer::new(options, len, mtu, &self.limits.protocol, Instant::now());
        let (blksize, windowsize) = (transfer.blksize(), transfer.windowsize());
        let session = Session {
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
            pump.send(Box::new(session));
        }
        Ok(())
    }

    /// Opens a socket for the transfer that `arrival` asks for.
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
