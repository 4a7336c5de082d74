//! One transfer with its socket: receives, sends what the core wants sent, and logs.

use std::io;
use std::net::UdpSocket;
use std::time::Instant;

use lanboot_core::events::{DiagnosticCode, EventKind, ListenerReason, Peer, Reason};
use lanboot_core::tftp::{self, Action, Finish, Packet, Transfer};
use tokio::sync::mpsc;

use super::admission::Ticket;
use super::blocks::DataBlocks;
use super::misrouted::{Misrouted, pass_on};
use crate::events::bus::Bus;
use crate::events::transfer_guard::TransferGuard;
use crate::io::host_error::{self, Unsendable, Unsent};
use crate::io::udp::{self, Arrival, Burst};

/// Longest datagram read from a machine: an ERROR with a long sentence, or its next request with
/// the byte that makes it too long.
pub(super) const MAX_DATAGRAM: usize = tftp::MAX_REQUEST + 1;

/// A transfer with its socket and its place.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) socket: UdpSocket,
    /// The request it was opened for, where it shares the port requests come to: then it receives the
    /// machine's next request too.
    pub(super) shares_port_since: Option<Arrival>,
    pub(super) transfer: Transfer,
    pub(super) blocks: DataBlocks,
    pub(super) burst: Burst,
    /// The first action; taken when the pump takes the transfer.
    pub(super) first: Option<Action>,
    pub(super) peer: Peer,
    pub(super) len: u64,
    /// Its events; it begins when data is sent.
    pub(super) guard: TransferGuard,
    /// Datagrams of it that this host itself did not send.
    pub(super) unsent: Unsent,
    pub(super) ticket: Ticket,
}

/// The end of a transfer.
pub(super) enum Over {
    /// A size probe, or a request that was superseded before its first data.
    Unlogged,
    Finished {
        retransmits: u32,
    },
    Failed(Reason),
    /// Nobody answered, and another machine has its place.
    Displaced {
        request: String,
        reason: Reason,
    },
}

impl Session {
    /// Gives up its socket, memory and place; what is left are its events.
    pub(super) fn close(self: Box<Self>) -> TransferGuard {
        self.guard
    }

    /// Receives the next datagram for the transfer; `None` when it was for the listener.
    pub(super) fn receive<'a>(
        &self,
        buf: &'a mut [u8],
        misrouted: &mpsc::Sender<Misrouted>,
    ) -> io::Result<Option<&'a [u8]>> {
        let Some(arrival) = &self.shares_port_since else {
            let len = self.socket.recv(buf)?;
            return Ok(buf.get(..len));
        };
        let (len, from) = self.socket.recv_from(buf)?;
        let datagram = buf.get(..len).unwrap_or_default();
        // From somebody else: given to this socket in the moment before it was connected.
        if from != arrival.from || is_request(datagram) {
            pass_on(misrouted, arrival, from, datagram);
            return Ok(None);
        }
        Ok(Some(datagram))
    }

    /// Hands on the machine's next request, which may have come right behind the datagram that ended
    /// this transfer, and would go with the socket.
    pub(super) fn forward_rest(&self, misrouted: &mpsc::Sender<Misrouted>) {
        let Some(arrival) = &self.shares_port_since else {
            return;
        };
        udp::step_aside(&self.socket);
        let mut buf = [0; MAX_DATAGRAM];
        while let Some((len, from)) = udp::receive_any(&self.socket, &mut buf) {
            let datagram = buf.get(..len).unwrap_or_default();
            if is_request(datagram) {
                pass_on(misrouted, arrival, from, datagram);
            }
        }
    }

    /// Performs an action of the transfer.
    ///
    /// # Errors
    /// The transfer is over.
    pub(super) fn perform(&mut self, step: Action, bus: &Bus, now: Instant) -> Result<(), Over> {
        let sent = match step {
            Action::Wait(_) => return Ok(()),
            Action::Done(finish) => return Err(self.end(&finish)),
            Action::Send(datagram) => self.socket.send(&datagram).map(|_| ()),
            Action::SendBlocks(blocks) => {
                self.log_progress(now);
                match self.blocks.datagrams(&blocks) {
                    Ok(datagrams) => self.burst.send(&self.socket, datagrams),
                    Err(e) => {
                        let failure = Packet::Error(tftp::Failure::READ_FAILED).emit();
                        let _ = self.socket.send(&failure);
                        return Err(self.fail(&e));
                    }
                }
            }
        };
        match sent {
            Err(e) if host_error::is_of_the_machine(&e) => {
                let step = self.transfer.on_unreachable();
                self.perform(step, bus, now)
            }
            Err(e) => self.unsent(&e, bus),
            Ok(()) => {
                self.unsent.sent();
                Ok(())
            }
        }
    }

    /// Handles a datagram that this host did not let leave. For the first one of a transfer that is
    /// the end: the machine asks again. Later it may be a full queue, so the deadline sends it again;
    /// it is logged at once, and is the reason given if that does not help.
    fn unsent(&mut self, error: &io::Error, bus: &Bus) -> Result<(), Over> {
        match self.unsent.failed(error) {
            Unsendable::End(why) => return Err(self.fail(why)),
            Unsendable::Say(why) => {
                let text = format!("TFTP {}: {why}; trying again", self.guard.path());
                let diagnostic = DiagnosticCode::SendRetried.with(text);
                bus.publish(self.peer, EventKind::Diagnostic(diagnostic));
            }
            Unsendable::Wait => {}
        }
        Ok(())
    }

    /// Publishes its start, and then its progress at intervals.
    fn log_progress(&mut self, now: Instant) {
        if self.guard.has_started() {
            self.guard.set_sent(self.transfer.confirmed_bytes());
            self.guard.progress(now.into());
        } else {
            self.guard.start();
        }
        if self.transfer.has_begun() {
            self.ticket.begin();
        }
    }

    fn end(&self, finish: &Finish) -> Over {
        match finish {
            Finish::SizeProbe => Over::Unlogged,
            Finish::Complete | Finish::Unconfirmed if self.guard.has_started() => {
                self.guard.set_sent(self.len);
                let retransmits = self.transfer.retransmits();
                Over::Finished { retransmits }
            }
            Finish::Vanished { .. } => match self.unsent.why() {
                Some(error) => self.fail(error.clone()),
                None => self.fail(finish.clone()),
            },
            _ => self.fail(finish.clone()),
        }
    }

    /// Ends it because the machine sent a new request from the same port. Before the first data
    /// that is EDK2, whose second request may be seen before the error that ends its size probe:
    /// not logged.
    pub(super) fn supersede(&self) -> Over {
        if self.guard.has_started() {
            self.fail(ListenerReason::AskedAnew)
        } else {
            Over::Unlogged
        }
    }

    /// Ends it because another machine got the place of this one, which answered nothing. An attack
    /// causes many of them, so each is logged as a request without consequence.
    pub(super) fn displace(&self) -> Over {
        let reason = ListenerReason::TransferTaken;
        if self.guard.has_started() {
            return self.fail(reason);
        }
        Over::Displaced {
            request: format!("RRQ {}", self.guard.path()),
            reason: reason.into(),
        }
    }

    /// Ends it for this reason.
    pub(super) fn fail(&self, reason: impl Into<Reason>) -> Over {
        self.guard.set_sent(self.transfer.confirmed_bytes());
        Over::Failed(reason.into())
    }
}

/// Returns whether a datagram begins something: RRQ and WRQ (RFC 1350 §5).
fn is_request(datagram: &[u8]) -> bool {
    matches!(datagram, [0, 1 | 2, ..])
}
