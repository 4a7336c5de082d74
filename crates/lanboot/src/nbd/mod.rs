//! The NBD server, TCP 10809: whole images as disks. The protocol is in `lanboot_core::nbd`; this
//! file moves the bytes, limits the connections and keeps the time.
//!
//! A connection in transmission is somebody's root file system. It is never closed to make room,
//! may be silent for days, and holds its image open until it ends, whatever becomes of the file.
//! It costs a task, a descriptor and a small input buffer; buffers for answers exist only while there
//! is something to answer.

mod transfer_log;

use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lanboot_core::Reply;
use lanboot_core::events::{EventKind, ListenerReason, Protocol, Reason};
use lanboot_core::nbd::{Export, Exports, MAX_MESSAGE_BYTES, Received, RejectReason, Session};
use lanboot_core::vfs::Source;
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::context::Context;
use crate::events::bus;
use crate::events::log_throttle::LogThrottle;
use crate::io::connection_limiter::{ConnectionLimiter, Permit};
use crate::io::send::{PinnedImages, SendError, SendQueue, Sent, acknowledged};
use crate::io::tcp_listener::{self, Keepalive, peer};
use crate::net::{Listeners, Service};
use transfer_log::Transfer;

/// The port of the NBD server; the clients of initramfs scripts know no other.
pub const PORT: u16 = 10809;
/// Most connections at once: four for each of a thousand machines.
pub const MAX_CONNECTIONS: usize = 4096;
/// Most connections of one machine. A machine has one or a few; load tests and machines behind
/// one router look like one machine with many.
pub const MAX_CONNECTIONS_PER_PEER: usize = 512;
/// Longest time a negotiation may take.
pub const NEGOTIATION: Duration = Duration::from_secs(30);
/// Longest time without an acknowledgement of what is sent: a machine that was suspended may come
/// back.
pub const STALL: Duration = Duration::from_secs(3600);

/// A disk must outlive a switch that restarts or a cable that is plugged elsewhere: a silent
/// machine is given up after 16 minutes.
const KEEPALIVE: Keepalive = Keepalive {
    time: Duration::from_secs(60),
    interval: Duration::from_secs(30),
    retries: 30,
};
/// Initial size of the input buffer, in bytes: for 146 requests, and Linux has 128 under way per
/// connection. It grows to [`MAX_MESSAGE_BYTES`] for clients that negotiate with long options.
const INPUT_BYTES: usize = 4096;
/// Number of times requests are read once more when the server stops: what a machine requested
/// before is answered, and one that requests without a pause must not delay the end.
const LAST_ROUNDS: u32 = 2;
/// Longest wait for acknowledgements of the last answers when the server stops.
const LAST_ACK_WAIT: Duration = Duration::from_secs(5);
/// Most unknown names logged for one connection.
const MAX_UNKNOWN_LOGGED: u32 = 8;

/// Limits of the server. [`Limits::default`] has the constants of this module.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_peer: usize,
    /// Wait for the end of the negotiation.
    pub negotiation: Duration,
    /// Wait for a sign that the machine takes what is sent.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            connections_per_peer: MAX_CONNECTIONS_PER_PEER,
            negotiation: NEGOTIATION,
            stall: STALL,
        }
    }
}

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
    let shared = Arc::new(Shared {
        context,
        limits,
        strangers: Mutex::default(),
        refusals: Mutex::default(),
    });
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

/// State shared by all connections of the server.
struct Shared {
    context: Context,
    limits: Limits,
    strangers: Mutex<LogThrottle>,
    refusals: Mutex<LogThrottle>,
}

/// The disks there are whenever somebody asks.
impl Exports for Shared {
    fn find(&self, name: &[u8]) -> Option<Export> {
        Exports::find(&**self.context.routes.load(), name)
    }

    fn names(&self) -> Vec<String> {
        self.context.routes.load().names()
    }
}

/// One connection.
struct Connection {
    stream: Arc<TcpStream>,
    peer: IpAddr,
    shared: Arc<Shared>,
}

/// Received bytes that are not parsed yet.
struct Input {
    /// Longer than what is in it.
    bytes: Vec<u8>,
    /// The range of these bytes.
    range: Range<usize>,
}

/// The disk a machine entered.
struct Entered {
    held: PinnedImages,
    transfer: Transfer,
}

/// The connection is over.
struct Over;

impl Connection {
    async fn run(self, mut permit: Permit) {
        if !self.shared.context.routes.load().serves(self.peer) {
            let reason = ListenerReason::ForeignClient;
            self.complain(&self.shared.strangers, "connection", reason);
            return;
        }
        let mut session = Session::new();
        let mut input = Input {
            bytes: vec![0; INPUT_BYTES],
            range: 0..0,
        };
        let Ok(mut entered) = self.negotiate(&mut session, &mut input, &mut permit).await else {
            return;
        };
        entered.note_use();
        self.transmit(&mut session, &mut input, &mut entered, &mut permit)
            .await;
        entered.note_use();
    }

    /// Talks until the machine entered a disk.
    async fn negotiate(
        &self,
        session: &mut Session,
        input: &mut Input,
        permit: &mut Permit,
    ) -> Result<Entered, Over> {
        let limits = &self.shared.limits;
        let deadline = Instant::now() + limits.negotiation;
        let mut unknown = 0;
        loop {
            let talk = Box::pin(self.answer_options(session, input, &mut unknown));
            let Ok(entered) = timeout_at(deadline, talk).await else {
                return Err(self.too_slow());
            };
            if let Some(entered) = entered? {
                return Ok(entered);
            }
            if !permit.wait(&self.stream) {
                return Err(Over);
            }
            match timeout_at(deadline, input.wait(&self.stream)).await {
                Ok(Ok(())) if permit.work() => {}
                Ok(_) => return Err(Over),
                Err(_) => return Err(self.too_slow()),
            }
        }
    }

    /// Answers the options that are here.
    async fn answer_options(
        &self,
        session: &mut Session,
        input: &mut Input,
        unknown: &mut u32,
    ) -> Result<Option<Entered>, Over> {
        let mut send_queue = SendQueue::default();
        let mut entered = None;
        let mut closes = false;
        while entered.is_none() && !closes {
            let reply = match input.advance(session, &*self.shared) {
                Received::More => break,
                Received::Reply(reply) => reply,
                Received::Refused { reply, why, name } => {
                    self.log_refused(why, name, unknown);
                    reply
                }
                Received::Entered { reply, export } => {
                    // A rescan may have taken it away this moment; the machine comes again.
                    entered = Some(self.enter(export).ok_or(Over)?);
                    reply
                }
                Received::Closed { reply, why, name } => {
                    if !why.is_goodbye() {
                        self.log_refused(why, name, unknown);
                    }
                    closes = true;
                    reply
                }
            };
            self.put(&mut send_queue, reply, &PinnedImages::default(), |_| {})
                .await?;
        }
        let stall = self.shared.limits.stall;
        let flushed = send_queue.flush(&self.stream, stall).await;
        if flushed.is_err() || closes {
            return Err(Over);
        }
        Ok(entered)
    }

    /// Opens the export's images for as long as the connection lasts; `None` when one is gone.
    fn enter(&self, export: Export) -> Option<Entered> {
        let context = &self.shared.context;
        let pieces = || export.content().pieces().iter().cloned();
        let held = PinnedImages::of(pieces(), &context.open_images);
        let is_held = |source| match source {
            Source::Image { image, .. } => held.has(image),
            Source::Memory { .. } | Source::Zero | Source::Missing(_) => true,
        };
        pieces().all(|piece| is_held(piece.source)).then(|| {
            let transfer = Transfer::new(&context.bus, peer(self.peer), &export);
            Entered { held, transfer }
        })
    }

    /// Answers requests until one of both hangs up. A machine that has read something has it as its
    /// disk, and its connection stays; until then it may be closed to make room.
    async fn transmit(
        &self,
        session: &mut Session,
        input: &mut Input,
        entered: &mut Entered,
        permit: &mut Permit,
    ) {
        let mut stays = false;
        let draining = &self.shared.context.drain;
        let mut last_rounds = LAST_ROUNDS;
        let ended = loop {
            match self.answer_requests(session, input, entered).await {
                Ok(()) => {}
                Err(ended) => break ended,
            }
            entered.note_use();
            // It becomes true once, or its sender is gone.
            if draining.has_changed().unwrap_or(true) {
                if last_rounds == 0 {
                    break Ok(());
                }
                last_rounds -= 1;
            }
            // Others must have their turn.
            tokio::task::coop::consume_budget().await;
            let is_read = entered.transfer.sent() > 0;
            if !stays && is_read {
                stays = permit.stay(&self.stream);
            }
            // Another connection has its place, or the server closes.
            if !stays && (is_read || !permit.wait(&self.stream)) {
                break Ok(());
            }
            match input.receive(&self.stream).await {
                Ok(true) if !stays && !permit.work() => break Ok(()),
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(SendError::Peer(error)),
            }
        };
        // A close with requests unread takes back what is still on its way.
        if ended.is_ok() && draining.has_changed().unwrap_or(true) {
            // Who takes nothing loses it.
            let _ = acknowledged(&self.stream, LAST_ACK_WAIT).await;
        }
        entered.transfer.end(ended);
    }

    /// Answers the requests that are here; the error is how the connection ended.
    async fn answer_requests(
        &self,
        session: &mut Session,
        input: &mut Input,
        entered: &mut Entered,
    ) -> Result<(), Result<(), SendError>> {
        let Entered { held, transfer } = entered;
        let stall = self.shared.limits.stall;
        let mut send_queue = SendQueue::default();
        let mut closes = false;
        while !closes {
            let reply = match input.advance(session, &*self.shared) {
                Received::More => break,
                Received::Reply(reply) | Received::Entered { reply, .. } => reply,
                Received::Refused { reply, why, .. } => {
                    self.complain(&self.shared.refusals, "request", why);
                    reply
                }
                Received::Closed { reply, why, .. } => {
                    if !why.is_goodbye() {
                        self.complain(&self.shared.refusals, "request", why);
                    }
                    closes = true;
                    reply
                }
            };
            let len = reply.body.len();
            let before = transfer.sent();
            let progress = |sent| transfer.reach(before + sent);
            let put = send_queue.put_held(&self.stream, reply, held, stall, progress);
            match put.await {
                Sent::Whole => transfer.add(before + len),
                Sent::ReadError(cut) => transfer.read_error(&cut),
                Sent::Cut(cut) => return Err(Err(cut)),
            }
        }
        send_queue.flush(&self.stream, stall).await.map_err(Err)?;
        transfer.log_progress();
        if closes { Err(Ok(())) } else { Ok(()) }
    }

    async fn put(
        &self,
        send_queue: &mut SendQueue,
        reply: Reply,
        held: &PinnedImages,
        progress: impl FnMut(u64),
    ) -> Result<(), Over> {
        let stall = self.shared.limits.stall;
        match send_queue
            .put_held(&self.stream, reply, held, stall, progress)
            .await
        {
            Sent::Whole | Sent::ReadError(_) => Ok(()),
            Sent::Cut(_) => Err(Over),
        }
    }

    fn too_slow(&self) -> Over {
        let reason = ListenerReason::NegotiationTimeout(self.shared.limits.negotiation);
        self.complain(&self.shared.refusals, "connection", reason);
        Over
    }

    fn log_refused(&self, why: RejectReason, name: String, unknown: &mut u32) {
        if why != RejectReason::UnknownExport {
            return self.complain(&self.shared.refusals, "negotiation", why);
        }
        *unknown += 1;
        if *unknown <= MAX_UNKNOWN_LOGGED {
            self.publish(EventKind::NotFound {
                protocol: Protocol::Nbd,
                path: name,
            });
        }
    }

    /// Logs that something was ignored, unless the same was logged just now.
    fn complain(&self, kind: &Mutex<LogThrottle>, request: &str, reason: impl Into<Reason>) {
        let mut throttle = kind.lock().unwrap_or_else(PoisonError::into_inner);
        if throttle.is_due() {
            self.publish(EventKind::Ignored {
                protocol: Protocol::Nbd,
                request: request.to_owned(),
                reason: reason.into(),
            });
        }
    }

    fn publish(&self, what: EventKind) {
        self.shared.context.bus.publish(peer(self.peer), what);
    }
}

impl Entered {
    fn note_use(&self) {
        let now = bus::now();
        self.held
            .open_images()
            .for_each(|image_file| image_file.note_streamed(now));
    }
}

impl Input {
    /// Takes the next message off the front.
    fn advance(&mut self, session: &mut Session, exports: &dyn Exports) -> Received {
        let mut rest = self.bytes.get(self.range.clone()).unwrap_or_default();
        let step = session.advance(&mut rest, exports);
        self.range.start = self.range.end - rest.len();
        step
    }

    /// Waits until more has arrived.
    async fn wait(&mut self, stream: &TcpStream) -> io::Result<()> {
        if self.receive(stream).await? {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Waits until more has arrived; `false` when nothing more will.
    async fn receive(&mut self, stream: &TcpStream) -> io::Result<bool> {
        self.bytes.copy_within(self.range.clone(), 0);
        self.range = 0..self.range.len();
        if self.range.end == self.bytes.len() {
            // Only a long option fills it.
            let more = (2 * self.bytes.len()).min(MAX_MESSAGE_BYTES);
            self.bytes.resize(more, 0);
        }
        let free = self.bytes.get_mut(self.range.end..).unwrap_or_default();
        loop {
            let mut got = 0;
            let tried = stream.try_io(Interest::READABLE, || {
                got = recv(stream.as_raw_fd(), free, MsgFlags::MSG_DONTWAIT)?;
                // A read that does not fill the buffer was the last one: saying so saves the call
                // that would only report that.
                if 0 < got && got < free.len() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            self.range.end += got;
            match tried {
                _ if got > 0 => return Ok(true),
                Ok(()) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.readable().await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
