//! One connection: reads its requests, and sends and logs their answers.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lanboot_core::Reply;
use lanboot_core::events::{EventKind, ListenerReason, Protocol, Reason};
use lanboot_core::http::{self, Method, Problem, Received, Request, Response, Session, Status};
use lanboot_core::routes::Opened;
use lanboot_core::text::printable;
use lanboot_core::vfs::File;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;
use crate::events::bus::{self, Bus};
use crate::events::transfer_guard::{TransferGuard, TransferInfo};
use crate::images::open_images::OpenImages;
use crate::io::connection_limiter::Permit;
use crate::io::send::{PinnedImages, SendError, Sent, delivered, send_reply};
use crate::io::tcp_listener::peer;

/// Read at once into a connection's buffer, which exists only while a head is incomplete.
const READ_BYTES: usize = 2048;
/// Longest part of a path that is logged, in bytes.
const PATH_BYTES: usize = 256;
/// Size from which a part of a file is logged as a transfer; shorter ones are probes and the block
/// reads of `sanboot`.
const LOGGED_PART_BYTES: u64 = 1024 * 1024;
/// After a refusal, how long and how much is still read, so that the close is no reset, which
/// would take the refusal away from the machine.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 * 1024;

/// State shared by all connections of the server.
pub(super) struct Shared<F> {
    pub(super) find: F,
    pub(super) open_images: Arc<OpenImages>,
    pub(super) bus: Bus,
    pub(super) limits: Limits,
}

/// One connection. While it waits it holds no buffer.
pub(super) struct Connection<F> {
    pub(super) stream: Arc<TcpStream>,
    pub(super) peer: IpAddr,
    pub(super) shared: Arc<Shared<F>>,
}

impl<F> Connection<F>
where
    F: Fn(&[u8], &[u8], IpAddr) -> Option<Opened> + Send + Sync + 'static,
{
    /// Answers its requests until it ends.
    pub(super) async fn run(self, mut permit: Permit) {
        let mut session = Session::new();
        let mut input = Vec::new();
        while let Some(step) = self.next(&mut session, &mut input, &mut permit).await {
            if !permit.work() {
                return;
            }
            // Requests sent in one go never wait for the network; others must have their turn.
            tokio::task::coop::consume_budget().await;
            let has_more = session.is_mid_request(&input);
            let stays = match step {
                Received::More => continue,
                // In a box: a connection spends most of its life waiting, without it.
                Received::Request(request) => {
                    Box::pin(self.answer(request, has_more, &mut permit)).await
                }
                Received::Refused { why, reply } => {
                    self.log_failed(String::new(), why);
                    let stall = self.shared.limits.stall;
                    // Whatever comes of it, the connection ends here.
                    let _ = Box::pin(send_reply(
                        &self.stream,
                        reply,
                        &self.shared.open_images,
                        stall,
                        |_| {},
                    ))
                    .await;
                    Box::pin(self.linger()).await;
                    return;
                }
            };
            if !stays {
                if has_more {
                    Box::pin(self.linger()).await;
                }
                return;
            }
        }
    }

    /// Returns the next request, or its refusal; `None` when the connection is over.
    async fn next(
        &self,
        session: &mut Session,
        input: &mut Vec<u8>,
        permit: &mut Permit,
    ) -> Option<Received> {
        let mut deadline = Instant::now() + self.shared.limits.idle;
        let mut has_begun = false;
        loop {
            match session.advance(input, bus::now()) {
                Received::More => {}
                step => return Some(step),
            }
            if input.is_empty() {
                *input = Vec::new();
            }
            if !has_begun && session.is_mid_request(input) {
                has_begun = true;
                deadline = Instant::now() + self.shared.limits.head;
            }
            if !permit.wait(&self.stream) {
                return None;
            }
            match timeout_at(deadline, self.stream.readable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => {
                    if has_begun {
                        let reason = ListenerReason::RequestTimeout(self.shared.limits.head);
                        self.log_failed(String::new(), reason);
                    }
                    return None;
                }
            }
            input.reserve(READ_BYTES);
            match self.stream.try_read_buf(input) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }

    /// Sends the answer to one request; returns whether the connection stays open. `has_more` is
    /// true if the next request arrived with it.
    async fn answer(&self, request: Request, has_more: bool, permit: &mut Permit) -> bool {
        let opened = (self.shared.find)(&request.path, &request.query, self.peer);
        let (file, file_use) = opened.map(|opened| (opened.file, opened.file_use)).unzip();
        let is_head = request.method == Method::Head;
        if let Some(cut) = file
            .as_ref()
            .filter(|_| is_head)
            .and_then(|f| self.unreadable(f))
        {
            return self.refuse_head(&request, &cut).await;
        }
        let Response {
            status,
            reply,
            problem,
        } = http::respond(&request, file.as_ref(), bus::now());
        let is_get = request.method == Method::Get;
        if let Some(warning) = file.filter(|_| is_get).and_then(|file| file.warning) {
            self.publish(EventKind::Planned(warning));
        }
        let len = reply.body.len();
        self.log_refusal(&request, status, problem);
        let is_logged = is_get
            && match status {
                Status::Ok => true,
                Status::PartialContent => len >= LOGGED_PART_BYTES,
                _ => false,
            };
        let info = TransferInfo {
            protocol: Protocol::Http,
            peer: peer(self.peer),
            path: shown(&request.path),
            len,
            file_use: file_use.unwrap_or_default(),
        };
        let transfer = TransferGuard::new(&self.shared.bus, info);
        if is_logged {
            transfer.start();
        }
        self.send(reply, &transfer, has_more, permit).await
    }

    /// Sends a reply, and logs what becomes of it; returns whether the connection stays open.
    async fn send(
        &self,
        reply: Reply,
        transfer: &TransferGuard,
        has_more: bool,
        permit: &mut Permit,
    ) -> bool {
        let (closes, len) = (reply.close, reply.body.len());
        let (open_images, stall) = (&self.shared.open_images, self.shared.limits.stall);
        let progress = |sent| {
            transfer.set_sent(sent);
            transfer.progress(Instant::now());
        };
        let outcome = match send_reply(&self.stream, reply, open_images, stall, progress).await {
            // The kernel has it all; what counts is that the machine has. A machine that asks
            // for the next file has this one.
            Sent::Whole if transfer.has_started() && !has_more => {
                let is_evicted = || permit.is_lost();
                let delivery = delivered(&self.stream, len, stall, is_evicted);
                delivery.await.map_err(|(cut, missing)| {
                    transfer.set_sent(len.saturating_sub(missing));
                    cut
                })
            }
            Sent::Whole => Ok(()),
            Sent::ReadError(cut) | Sent::Cut(cut) => Err(cut),
        };
        match outcome {
            Ok(()) => {
                transfer.set_sent(len);
                transfer.finish(0);
                return !closes;
            }
            // A client that probes may close the connection; a broken image is logged in any case.
            Err(SendError::Peer(_)) if !transfer.has_started() => {}
            Err(SendError::Peer(_)) if permit.is_lost() => {
                transfer.fail(ListenerReason::ConnectionTaken);
            }
            Err(cut) => transfer.fail(&cut),
        }
        false
    }

    /// Returns why the images a file lies on cannot be read, as far as is known without reading;
    /// GET finds it out by reading.
    fn unreadable(&self, file: &File) -> Option<SendError> {
        let pieces = file.content.pieces().iter().cloned();
        let held = PinnedImages::of(pieces, &self.shared.open_images);
        held.check_all().err()
    }

    /// Answers HEAD as GET would be; always `false`, the connection ends.
    async fn refuse_head(&self, request: &Request, cut: &SendError) -> bool {
        let (reply, stall) = (http::unreadable(bus::now()), self.shared.limits.stall);
        self.log_failed(shown(&request.path), cut);
        // Whatever comes of it, the connection ends here.
        let _ = send_reply(&self.stream, reply, &self.shared.open_images, stall, |_| {}).await;
        false
    }

    /// Ends our half of the connection and reads what the machine is still sending.
    async fn linger(&self) {
        let deadline = Instant::now() + LINGER;
        if SockRef::from(&*self.stream)
            .shutdown(std::net::Shutdown::Write)
            .is_err()
        {
            return;
        }
        let mut buffer = [0; 4096];
        let mut read = 0;
        while read < LINGER_BYTES {
            if !matches!(
                timeout_at(deadline, self.stream.readable()).await,
                Ok(Ok(()))
            ) {
                return;
            }
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => read += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    fn publish(&self, what: EventKind) {
        self.shared.bus.publish(peer(self.peer), what);
    }

    fn log_refusal(&self, request: &Request, status: Status, problem: Option<Problem>) {
        let path = || shown(&request.path);
        match (status, problem) {
            (Status::NotFound, _) => self.publish(EventKind::NotFound {
                protocol: Protocol::Http,
                path: path(),
            }),
            (_, Some(problem)) => self.log_failed(path(), problem),
            (_, None) => {}
        }
    }

    /// Logs that a request was refused before anything was sent.
    fn log_failed(&self, path: String, reason: impl Into<Reason>) {
        self.publish(EventKind::Failed {
            protocol: Protocol::Http,
            transfer: None,
            path,
            sent: 0,
            reason: reason.into(),
        });
    }
}

fn shown(path: &[u8]) -> String {
    printable(path, PATH_BYTES)
}
