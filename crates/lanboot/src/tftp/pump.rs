//! The pump: a thread that moves the datagrams of many transfers.
//!
//! A lock-step transfer costs one ACK in and one block out, thousands of times a second, so this
//! is a bare `epoll` loop: one `recv` and one `send` per block, one `epoll_wait` for all sockets
//! that are ready together, no allocation, no timer that is set per block. A disk that makes a
//! read wait makes the other transfers of its pump wait as well.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use lanboot_core::events::{DiagnosticCode, EventKind, ListenerReason, Peer, Protocol, Reason};
use lanboot_core::tftp::{self, Action, Finish, Packet};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::mpsc as tokio_mpsc;

use super::admission::Ticket;
use super::blocks::DataBlocks;
use super::{Misrouted, pass_on};
use crate::events::bus::Bus;
use crate::events::transfer_guard::TransferGuard;
use crate::io::send_error::{self, Unsendable, Unsent};
use crate::io::udp::{self, Arrival, Burst};

/// How often deadlines are looked at: finer than the shortest wait, coarse enough to cost nothing.
const TICK: Duration = Duration::from_millis(50);
/// Sockets taken from the kernel at once.
const READY: usize = 256;
/// Longest datagram read from a machine: an ERROR with a long sentence, or its next request with
/// the byte that makes it too long.
const MAX_DATAGRAM: usize = tftp::MAX_REQUEST + 1;
/// Marks the event of the wake-up descriptor.
const WAKE: u64 = u64::MAX;

/// A transfer on its way into a pump.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) socket: UdpSocket,
    /// What it was opened for, where it shares the port requests come to: then it hears the
    /// machine's next request too.
    pub(super) shares_port_since: Option<Arrival>,
    pub(super) transfer: tftp::Transfer,
    pub(super) blocks: DataBlocks,
    pub(super) burst: Burst,
    /// What to do first; taken when the pump takes the transfer.
    pub(super) first: Option<Action>,
    pub(super) peer: Peer,
    pub(super) len: u64,
    /// Its events; it begins when data is sent.
    pub(super) guard: TransferGuard,
    /// What of it this host itself did not send.
    pub(super) unsent: Unsent,
    pub(super) ticket: Ticket,
}

#[derive(Debug)]
enum Order {
    Send(Box<Sending>),
    /// Finish what runs, then end.
    Stop,
}

/// A pump's handle; dropping it lets the pump finish what it has, then end.
#[derive(Debug)]
pub(super) struct Pump {
    orders: Sender<Order>,
    wake: Arc<EventFd>,
    load: Arc<AtomicUsize>,
}

impl Pump {
    /// Starts a pump, which hands what is not for its transfers to `misrouted`. `alive` is dropped when
    /// it has ended.
    pub(super) fn start(
        bus: Bus,
        misrouted: tokio_mpsc::Sender<Misrouted>,
        alive: tokio_mpsc::Sender<()>,
    ) -> io::Result<Self> {
        let (orders, inbox) = channel();
        let wake = Arc::new(EventFd::from_flags(
            EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC,
        )?);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        let load = Arc::new(AtomicUsize::new(0));
        let worker = Worker {
            epoll,
            wake: Arc::clone(&wake),
            inbox,
            bus,
            misrouted,
            load: Arc::clone(&load),
            slots: Vec::new(),
            free: Vec::new(),
            next_sweep: Instant::now(),
            stopping: false,
        };
        std::thread::Builder::new()
            .name("tftp".into())
            .spawn(move || {
                let _alive = alive;
                worker.run();
            })?;
        Ok(Self { orders, wake, load })
    }

    /// Transfers it has.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Hands a transfer over.
    pub(super) fn send(&self, sending: Box<Sending>) {
        self.load.fetch_add(1, Ordering::Relaxed);
        self.order(Order::Send(sending));
    }

    fn order(&self, order: Order) {
        // Fails only when the thread is gone; then its socket closes and the machine asks again.
        let _ = self.orders.send(order);
        let _ = self.wake.write(1);
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.order(Order::Stop);
    }
}

struct Worker {
    epoll: Epoll,
    wake: Arc<EventFd>,
    inbox: Receiver<Order>,
    bus: Bus,
    misrouted: tokio_mpsc::Sender<Misrouted>,
    load: Arc<AtomicUsize>,
    /// Transfers by the number their events carry.
    slots: Vec<Option<Box<Sending>>>,
    /// Numbers of empty slots.
    free: Vec<usize>,
    next_sweep: Instant,
    stopping: bool,
}

impl Worker {
    fn run(mut self) {
        let mut events = [EpollEvent::empty(); READY];
        while !(self.stopping && self.free.len() == self.slots.len()) {
            let ready = match self.epoll.wait(&mut events, self.patience()) {
                Ok(ready) => ready,
                Err(nix::errno::Errno::EINTR) => continue,
                // Only a broken descriptor gets here; ending beats spinning.
                Err(_) => return,
            };
            let now = Instant::now();
            let mut woken = false;
            for event in events.iter().take(ready) {
                match event.data() {
                    WAKE => woken = true,
                    slot => self.receive(usize::try_from(slot).unwrap_or(usize::MAX), now),
                }
            }
            if woken {
                self.take_orders(now);
            }
            if now >= self.next_sweep {
                self.sweep(now);
            }
        }
    }

    fn patience(&self) -> EpollTimeout {
        if self.free.len() == self.slots.len() {
            EpollTimeout::NONE
        } else {
            EpollTimeout::try_from(TICK).unwrap_or(EpollTimeout::ZERO)
        }
    }

    fn take_orders(&mut self, now: Instant) {
        let _ = self.wake.read();
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Send(sending)) => self.take(sending, now),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn take(&mut self, mut sending: Box<Sending>, now: Instant) {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        let event = EpollEvent::new(EpollFlags::EPOLLIN, slot as u64);
        let first = sending
            .first
            .take()
            .unwrap_or(Action::Wait(tftp::IgnoreReason::Over));
        let begun = match self.epoll.add(&sending.socket, event) {
            Ok(()) => sending.perform(first, &self.bus, now),
            Err(e) => Err(sending.fail(ListenerReason::SocketNotWatched(e.to_string()))),
        };
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(sending);
        }
        self.settle(slot, begun);
    }

    /// One datagram from one machine. The socket stays ready if there are more.
    fn receive(&mut self, slot: usize, now: Instant) {
        let Some(sending) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        let mut buf = [0; MAX_DATAGRAM];
        if sending.ticket.is_displaced() {
            return;
        }
        let step = match sending.receive(&mut buf, &self.misrouted) {
            Ok(Some(datagram)) => sending.transfer.on_packet(datagram, now),
            Ok(None) => return,
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                sending.transfer.on_unreachable()
            }
            Err(_) => return,
        };
        let state = sending.perform(step, &self.bus, now);
        self.settle(slot, state);
    }

    /// Looks at every deadline.
    fn sweep(&mut self, now: Instant) {
        self.next_sweep = now + TICK;
        for slot in 0..self.slots.len() {
            let Some(sending) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
                continue;
            };
            let state = if sending.ticket.is_superseded() {
                Err(sending.supersede())
            } else if sending.ticket.is_displaced() {
                Err(sending.displace())
            } else if now >= sending.transfer.deadline() {
                let step = sending.transfer.on_timeout(now);
                sending.perform(step, &self.bus, now)
            } else {
                Ok(())
            };
            self.settle(slot, state);
        }
    }

    /// Ends a transfer that is over: its place is free before the event is published.
    fn settle(&mut self, slot: usize, state: Result<(), Over>) {
        let Err(over) = state else {
            return;
        };
        // Closing the socket takes it out of the epoll set too.
        let Some(sending) = self.slots.get_mut(slot).and_then(Option::take) else {
            return;
        };
        let peer = sending.peer;
        sending.forward_rest(&self.misrouted);
        let guard = sending.close();
        self.free.push(slot);
        self.load.fetch_sub(1, Ordering::Relaxed);
        match over {
            Over::Unlogged => {}
            Over::Finished { retransmits } => guard.finish(retransmits),
            Over::Failed(reason) => guard.fail(reason),
            Over::Displaced { request, reason } => {
                let what = EventKind::Ignored {
                    protocol: Protocol::Tftp,
                    request,
                    reason,
                };
                self.bus.publish(peer, what);
            }
        }
    }
}

/// Whether a datagram wants to begin something: RRQ and WRQ (RFC 1350 §5).
fn is_request(datagram: &[u8]) -> bool {
    matches!(datagram, [0, 1 | 2, ..])
}

/// The end of a transfer.
enum Over {
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

impl Sending {
    /// Gives up its socket, memory and place; what is left are its events.
    fn close(self: Box<Self>) -> TransferGuard {
        self.guard
    }

    /// The next datagram for the transfer; `None` when it was for the desk.
    fn receive<'a>(
        &self,
        buf: &'a mut [u8],
        misrouted: &tokio_mpsc::Sender<Misrouted>,
    ) -> io::Result<Option<&'a [u8]>> {
        let Some(arrival) = &self.shares_port_since else {
            let len = self.socket.recv(buf)?;
            return Ok(buf.get(..len));
        };
        let (len, from) = self.socket.recv_from(buf)?;
        let datagram = buf.get(..len).unwrap_or_default();
        // From somebody else: given to this socket in the moment before it was connected.
        if from != SocketAddr::V4(arrival.from) || is_request(datagram) {
            if let SocketAddr::V4(from) = from {
                pass_on(misrouted, arrival, from, datagram);
            }
            return Ok(None);
        }
        Ok(Some(datagram))
    }

    /// The machine's next request may come right behind the datagram that ended this transfer, and
    /// would go with the socket.
    fn forward_rest(&self, misrouted: &tokio_mpsc::Sender<Misrouted>) {
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

    /// Does what the transfer wants done.
    fn perform(&mut self, step: Action, bus: &Bus, now: Instant) -> Result<(), Over> {
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
            Err(e) if send_error::is_of_the_machine(&e) => {
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

    /// This host did not let a datagram leave. Of the first one of a transfer that is the end: the
    /// machine asks again. Later it may be a full queue, so the deadline sends it again; it is
    /// said at once, and is the reason given if that does not help.
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
    fn supersede(&self) -> Over {
        if self.guard.has_started() {
            self.fail(ListenerReason::AskedAnew)
        } else {
            Over::Unlogged
        }
    }

    /// Ends it because another machine got the place of this one, which answered nothing. An attack
    /// causes many of them, so each is logged as a request without consequence.
    fn displace(&self) -> Over {
        let reason = ListenerReason::TransferTaken;
        if self.guard.has_started() {
            return self.fail(reason);
        }
        Over::Displaced {
            request: format!("RRQ {}", self.guard.path()),
            reason: reason.into(),
        }
    }

    fn fail(&self, reason: impl Into<Reason>) -> Over {
        self.guard.set_sent(self.transfer.confirmed_bytes());
        Over::Failed(reason.into())
    }
}
