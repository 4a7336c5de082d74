//! One connection: negotiation, then the requests to one disk.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lanboot_core::Reply;
use lanboot_core::events::{EventKind, ListenerReason, Protocol, Reason};
use lanboot_core::nbd::{Export, Exports, Received, RejectReason, Session};
use lanboot_core::vfs::Source;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::input::Input;
use super::limits::Limits;
use super::transfer_log::Transfer;
use crate::context::Context;
use crate::events::bus;
use crate::events::log_throttle::LogThrottle;
use crate::io::connection_limiter::Permit;
use crate::io::send::{PinnedImages, SendError, SendQueue, Sent, acknowledged};
use crate::io::tcp_listener::peer;

/// Number of times requests are read once more when the server stops: what a machine requested
/// before is answered, and one that requests without a pause must not delay the end.
const LAST_ROUNDS: u32 = 2;
/// Longest wait for acknowledgements of the last answers when the server stops.
const LAST_ACK_WAIT: Duration = Duration::from_secs(5);
/// Most unknown names logged for one connection.
const MAX_UNKNOWN_LOGGED: u32 = 8;

/// State shared by all connections of the server.
pub(super) struct Shared {
    context: Context,
    limits: Limits,
    strangers: Mutex<LogThrottle>,
    refusals: Mutex<LogThrottle>,
}

impl Shared {
    /// Returns the state of a server without connections.
    pub(super) fn new(context: Context, limits: Limits) -> Self {
        Self {
            context,
            limits,
            strangers: Mutex::default(),
            refusals: Mutex::default(),
        }
    }
}

/// The disks of the current catalog.
impl Exports for Shared {
    fn find(&self, name: &[u8]) -> Option<Export> {
        Exports::find(&**self.context.routes.load(), name)
    }

    fn is_without_disk(&self, name: &[u8]) -> bool {
        self.context.routes.load().is_without_disk(name)
    }

    fn names(&self) -> Vec<String> {
        self.context.routes.load().names()
    }
}

/// One connection.
pub(super) struct Connection {
    pub(super) stream: Arc<TcpStream>,
    pub(super) peer: IpAddr,
    pub(super) shared: Arc<Shared>,
}

/// The disk a machine entered.
struct Entered {
    held: PinnedImages,
    transfer: Transfer,
}

/// The connection is over.
struct Over;

impl Connection {
    /// Negotiates, then answers requests until the connection ends.
    pub(super) async fn run(self, mut permit: Permit) {
        if !self.shared.context.routes.load().serves(self.peer) {
            let reason = ListenerReason::ForeignClient;
            self.complain(&self.shared.strangers, "connection", reason);
            return;
        }
        let mut session = Session::new();
        let mut input = Input::new();
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
        match why {
            RejectReason::UnknownExport => {}
            RejectReason::NoDisk => {
                let request = format!("request for the disk {name}");
                return self.complain(&self.shared.refusals, &request, why);
            }
            _ => return self.complain(&self.shared.refusals, "negotiation", why),
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
