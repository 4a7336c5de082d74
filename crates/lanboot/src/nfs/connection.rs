//! Calls in a stream: everything that was sent together is answered together.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use lanboot_core::nfs::record::{Records, Refused};
use lanboot_core::nfs::{self, Answer, CallContext, Port};
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::accounts::Account;
use super::shared::Shared;
use crate::io::connection_limiter::Permit;
use crate::io::send::{SendError, SendQueue, Sent};

/// Read at once into a connection's buffer, which exists only while calls are in it: a hundred
/// calls that were sent together.
const READ_BYTES: usize = 16 * 1024;
/// Short replies are gathered up to this many bytes. This buffer is all the memory that a machine
/// that reads nothing can take for a connection.
const GATHER_BYTES: u64 = 32 * 1024;

/// One connection. While it waits it holds no buffer.
pub(super) struct Connection {
    pub(super) stream: Arc<TcpStream>,
    pub(super) peer: IpAddr,
    pub(super) context: CallContext,
    pub(super) shared: Arc<Shared>,
}

/// Reason a connection is over.
enum End {
    /// The machine closed it, or it made room.
    Closed,
    Refused(Refused),
    SendError(SendError),
}

impl Connection {
    pub(super) async fn run(self, mut permit: Permit) {
        let mut account = self
            .shared
            .accounts
            .open(self.peer, self.context.port == Port::Nfs);
        match self.converse(&mut permit, &mut account).await {
            End::Closed | End::SendError(SendError::Peer(_)) => {}
            End::Refused(why) => {
                self.shared
                    .complain(|c| &mut c.ignored, self.peer, "connection", why);
            }
            End::SendError(why) => {
                self.shared
                    .complain(|c| &mut c.stalled, self.peer, "connection", &why);
            }
        }
    }

    /// Answers everything that was sent together before it sends anything, and reads on only when
    /// the machine took it: one that never reads costs one buffer.
    async fn converse(&self, permit: &mut Permit, account: &mut Account<'_>) -> End {
        let mut records = Records::default();
        let mut input = Vec::new();
        let stall = self.shared.limits.stall;
        let drain = &self.shared.context.drain;
        loop {
            // It becomes true once, or its sender is gone. A client that requests without a pause
            // would never be found waiting.
            if drain.has_changed().unwrap_or(true) || !self.read(&mut input, permit).await {
                return End::Closed;
            }
            let mut send_queue = SendQueue::default();
            let mut gathered = 0;
            let routes = self.shared.context.routes.load_full();
            let mut rest = &input[..];
            loop {
                match records.next(&mut rest) {
                    Ok(Some(record)) => {
                        let answer = self.shared.answer(record.bytes, self.context, &routes);
                        match self.send(answer, account, &mut send_queue).await {
                            Ok(len) => gathered += len,
                            Err(cut) => return End::SendError(cut),
                        }
                        if gathered >= GATHER_BYTES {
                            gathered = 0;
                            if let Err(cut) = send_queue.flush(&self.stream, stall).await {
                                return End::SendError(cut);
                            }
                        }
                    }
                    Ok(None) => break,
                    Err(refused) => return End::Refused(refused),
                }
                // Calls sent in one go never wait for the network; others must have their turn.
                tokio::task::coop::consume_budget().await;
            }
            if let Err(cut) = send_queue.flush(&self.stream, stall).await {
                return End::SendError(cut);
            }
            let done = input.len() - rest.len();
            input.drain(..done);
        }
    }

    /// Reads what there is, at least a byte; `false` when the connection is over.
    async fn read(&self, input: &mut Vec<u8>, permit: &mut Permit) -> bool {
        loop {
            match self.try_read(input) {
                Ok(0) => return false,
                Ok(_) => return permit.work(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return false,
            }
            if input.is_empty() {
                *input = Vec::new();
            }
            if !permit.wait(&self.stream) || self.stream.readable().await.is_err() {
                return false;
            }
        }
    }

    /// Appends what there is. A read that did not fill the buffer counts as the last one, which
    /// saves the call that would only report that.
    fn try_read(&self, input: &mut Vec<u8>) -> io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        let mut read = 0;
        let tried = self.stream.try_io(Interest::READABLE, || {
            read = recv(self.stream.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)?;
            if 0 < read && read < READ_BYTES {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(read)
        });
        input.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if read > 0 { Ok(read) } else { tried }
    }

    /// Puts an answer into the send queue, or sends it; returns its length in bytes.
    async fn send(
        &self,
        answer: Result<Answer, nfs::IgnoreReason>,
        account: &mut Account<'_>,
        send_queue: &mut SendQueue,
    ) -> Result<u64, SendError> {
        let Answer { reply, outcome } = match answer {
            Ok(answer) => answer,
            Err(why) => {
                self.shared
                    .complain(|c| &mut c.ignored, self.peer, "message", why);
                return Ok(0);
            }
        };
        let mount = self.shared.note(account, outcome);
        let (len, wire_len) = (reply.body.len(), reply.wire_len());
        let open_images = &self.shared.context.open_images;
        let stall = self.shared.limits.stall;
        let sent = send_queue
            .put(&self.stream, reply, open_images, stall, |_| {})
            .await;
        match (sent, mount) {
            (Sent::Whole, Some(mount)) => self.shared.accounts.sent(&mount, len),
            (Sent::Whole, None) => {}
            (Sent::ReadError(why), mount) => {
                if let Some(mount) = mount {
                    self.shared.accounts.broken(&mount, &why);
                }
            }
            (Sent::Cut(why), mount) => {
                if let (Some(mount), SendError::Read(_) | SendError::Short | SendError::Gone) =
                    (mount, &why)
                {
                    self.shared.accounts.broken(&mount, &why);
                }
                return Err(why);
            }
        }
        Ok(wire_len)
    }
}
