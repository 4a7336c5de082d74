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
use crate::bus::Bus;
use crate::serve::datagram::{self, Arrival, Burst};
use crate::serve::send_error::{self, Unsendable, Unsent};

/// How often deadlines are looked at: finer than the shortest wait, coarse enough to cost nothing.
const TICK: Duration = Duration::from_millis(50);
/// Sockets taken from the kernel at once.
const READY: usize = 256;
/// Longest datagram read from a machine: an ERROR with a long sentence, or its next request with
/// the byte that makes it too long.
const MAX_DATAGRAM: usize = tftp::MAX_REQUEST + 1;
/// Time between two `Progress` events of one transfer.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
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
    /// The path asked for, made printable.
    pub(super) path: String,
    pub(super) len: u64,
    pub(super) begun: Instant,
    /// When the last `Progress` was published.
    pub(super) last_event: Instant,
    /// Its number on the bus, once data was sent.
    pub(super) number: Option<u64>,
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
        let Err(Over { last_word }) = state else {
            return;
        };
        // Closing the socket takes it out of the epoll set too.
        let Some(sending) = self.slots.get_mut(slot).and_then(Option::take) else {
            return;
        };
        let peer = sending.peer;
        sending.forward_rest(&self.misrouted);
        drop(sending);
        self.free.push(slot);
        self.load.fetch_sub(1, Ordering::Relaxed);
        if let Some(what) = last_word {
            self.bus.publish(peer, what);
        }
    }
}

/// Whether a datagram wants to begin something: RRQ and WRQ (RFC 1350 §5).
fn is_request(datagram: &[u8]) -> bool {
    matches!(datagram, [0, 1 | 2, ..])
}

/// The end of a transfer, and the event to publish; none after a size probe.
struct Over {
    last_word: Option<EventKind>,
}

impl Sending {
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
        datagram::step_aside(&self.socket);
        let mut buf = [0; MAX_DATAGRAM];
        while let Some((len, from)) = datagram::receive_any(&self.socket, &mut buf) {
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
            Action::Done(finish) => return Err(self.end(&finish, now)),
            Action::Send(datagram) => self.socket.send(&datagram).map(|_| ()),
            Action::SendBlocks(blocks) => {
                self.log_progress(bus, now);
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
                let text = format!("TFTP {}: {why}; trying again", self.path);
                let diagnostic = DiagnosticCode::SendRetried.with(text);
                bus.publish(self.peer, EventKind::Diagnostic(diagnostic));
            }
            Unsendable::Wait => {}
        }
        Ok(())
    }

    /// Publishes its start, and then its progress at intervals.
    fn log_progress(&mut self, bus: &Bus, now: Instant) {
        match self.number {
            None => {
                let transfer = bus.next_transfer();
                self.number = Some(transfer);
                self.last_event = now;
                let started = EventKind::Started {
                    protocol: Protocol::Tftp,
                    transfer,
                    path: self.path.clone(),
                    len: self.len,
                };
                bus.publish(self.peer, started);
            }
            Some(transfer) if now.saturating_duration_since(self.last_event) >= PROGRESS_EVERY => {
                self.last_event = now;
                let sent = self.transfer.confirmed_bytes();
                bus.publish(self.peer, EventKind::Progress { transfer, sent });
            }
            Some(_) => {}
        }
        if self.transfer.has_begun() {
            self.ticket.begin();
        }
    }

    fn end(&self, finish: &Finish, now: Instant) -> Over {
        let last_word = match (finish, self.number) {
            (Finish::SizeProbe, _) => None,
            (Finish::Complete | Finish::Unconfirmed, Some(transfer)) => Some(EventKind::Finished {
                protocol: Protocol::Tftp,
                transfer,
                path: self.path.clone(),
                sent: self.len,
                took: now.saturating_duration_since(self.begun),
                retransmits: self.transfer.retransmits(),
            }),
            (Finish::Vanished { .. }, _) => {
                return match self.unsent.why() {
                    Some(error) => self.fail(error.clone()),
                    None => self.fail(finish.clone()),
                };
            }
            _ => return self.fail(finish.clone()),
        };
        Over { last_word }
    }

    /// Ends it because the machine sent a new request from the same port. Before the first data
    /// that is EDK2, whose second request may be seen before the error that ends its size probe:
    /// not logged.
    fn supersede(&self) -> Over {
        match self.number {
            Some(_) => self.fail(ListenerReason::AskedAnew),
            None => Over { last_word: None },
        }
    }

    /// Ends it because another machine got the place of this one, which answered nothing. An attack
    /// causes many of them, so each is logged as a request without consequence.
    fn displace(&self) -> Over {
        let reason = ListenerReason::TransferTaken;
        if self.number.is_some() {
            return self.fail(reason);
        }
        let request = format!("RRQ {}", self.path);
        Over {
            last_word: Some(EventKind::Ignored {
                protocol: Protocol::Tftp,
                request,
                reason: reason.into(),
            }),
        }
    }

    fn fail(&self, reason: impl Into<Reason>) -> Over {
        let failed = EventKind::Failed {
            protocol: Protocol::Tftp,
            transfer: self.number,
            path: self.path.clone(),
            sent: self.transfer.confirmed_bytes(),
            reason: reason.into(),
        };
        Over {
            last_word: Some(failed),
        }
    }
}
