//! Calls in a stream: everything that was sent together is answered together.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use lanboot_core::nfs::record::{Records, Refused};
use lanboot_core::nfs::{self, Answer, Asked, Port};
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::Shared;
use super::accounts::Account;
use crate::serve::seats::Seat;
use crate::serve::stream::{Cut, Outbox, Sent};

/// Read at once into a connection's buffer, which exists only while calls are in it: a hundred
/// calls that were sent together.
const READ_BYTES: usize = 16 * 1024;
/// Short replies are gathered up to this many bytes, and what they are gathered in is all that a
/// machine which reads nothing can make the door hold for a connection.
const GATHER_BYTES: u64 = 32 * 1024;

/// One connection. While it waits it holds no buffer.
pub(super) struct Connection {
    pub(super) stream: Arc<TcpStream>,
    pub(super) peer: IpAddr,
    pub(super) asked: Asked,
    pub(super) shared: Arc<Shared>,
}

/// Why a connection is over.
enum End {
    /// The machine closed it, or it made room.
    Closed,
    Refused(Refused),
    Cut(Cut),
}

impl Connection {
    pub(super) async fn run(self, mut seat: Seat) {
        let mut account = self
            .shared
            .accounts
            .open(self.peer, self.asked.port == Port::Nfs);
        match self.converse(&mut seat, &mut account).await {
            End::Closed | End::Cut(Cut::Peer(_)) => {}
            End::Refused(why) => {
                let why = why.to_string();
                self.shared
                    .complain(|c| &mut c.ignored, self.peer, "connection", why);
            }
            End::Cut(why) => {
                let why = why.to_string();
                self.shared
                    .complain(|c| &mut c.stalled, self.peer, "connection", why);
            }
        }
    }

    /// Answers everything that was sent together before it sends anything, and reads on only when
    /// the machine took it: one that never reads costs one buffer.
    async fn converse(&self, seat: &mut Seat, account: &mut Account<'_>) -> End {
        let mut records = Records::default();
        let mut input = Vec::new();
        let stall = self.shared.limits.stall;
        let drain = &self.shared.context.drain;
        loop {
            // It becomes true once, or whoever could set it is gone. Who asks without a pause would
            // never be found waiting.
            if drain.has_changed().unwrap_or(true) || !self.read(&mut input, seat).await {
                return End::Closed;
            }
            let mut outbox = Outbox::default();
            let mut gathered = 0;
            let site = self.shared.context.site.load_full();
            let mut rest = &input[..];
            loop {
                match records.next(&mut rest) {
                    Ok(Some(record)) => {
                        let answer = self.shared.answer(record.bytes, self.asked, &site);
                        match self.send(answer, account, &mut outbox).await {
                            Ok(len) => gathered += len,
                            Err(cut) => return End::Cut(cut),
                        }
                        if gathered >= GATHER_BYTES {
                            gathered = 0;
                            if let Err(cut) = outbox.flush(&self.stream, stall).await {
                                return End::Cut(cut);
                            }
                        }
                    }
                    Ok(None) => break,
                    Err(refused) => return End::Refused(refused),
                }
                // Calls sent in one go never wait for the network; others must have their turn.
                tokio::task::coop::consume_budget().await;
            }
            if let Err(cut) = outbox.flush(&self.stream, stall).await {
                return End::Cut(cut);
            }
            let done = input.len() - rest.len();
            input.drain(..done);
        }
    }

    /// Reads what there is, at least a byte; `false` when the connection is over.
    async fn read(&self, input: &mut Vec<u8>, seat: &mut Seat) -> bool {
        loop {
            match self.try_read(input) {
                Ok(0) => return false,
                Ok(_) => return seat.work(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return false,
            }
            if input.is_empty() {
                *input = Vec::new();
            }
            if !seat.wait(&self.stream) || self.stream.readable().await.is_err() {
                return false;
            }
        }
    }

    /// Appends what there is. A read that did not fill the buffer counts as the last one, which
    /// spares the call that would only be told so.
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

    /// Puts an answer into the outbox, or sends it; how many bytes it has.
    async fn send(
        &self,
        answer: Result<Answer, nfs::Why>,
        account: &mut Account<'_>,
        outbox: &mut Outbox,
    ) -> Result<u64, Cut> {
        let Answer { reply, deed } = match answer {
            Ok(answer) => answer,
            Err(why) => {
                let why = why.to_string();
                self.shared
                    .complain(|c| &mut c.ignored, self.peer, "message", why);
                return Ok(0);
            }
        };
        let mount = self.shared.note(account, deed);
        let (len, wire_len) = (reply.body.len(), reply.wire_len());
        let disks = &self.shared.context.disks;
        let stall = self.shared.limits.stall;
        let sent = outbox.put(&self.stream, reply, disks, stall, |_| {}).await;
        match (sent, mount) {
            (Sent::Whole, Some(mount)) => self.shared.accounts.sent(&mount, len),
            (Sent::Whole, None) => {}
            (Sent::ReadError(why), mount) => {
                if let Some(mount) = mount {
                    self.shared.accounts.broken(&mount, &why);
                }
            }
            (Sent::Cut(why), mount) => {
                if let (Some(mount), Cut::Read(_) | Cut::Short | Cut::Gone) = (mount, &why) {
                    self.shared.accounts.broken(&mount, &why);
                }
                return Err(why);
            }
        }
        Ok(wire_len)
    }
}
