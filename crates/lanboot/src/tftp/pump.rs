//! The pump: a thread that moves the datagrams of many transfers.
//!
//! A lock-step transfer costs one ACK in and one block out, thousands of times a second, so this
//! is a bare `epoll` loop: one `recv` and one `send` per block, one `epoll_wait` for all sockets
//! that are ready together, no allocation, no timer that is set per block. A disk that makes a
//! read wait makes the other transfers of its pump wait as well.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use lanboot_core::events::{EventKind, ListenerReason, Protocol};
use lanboot_core::tftp::{self, Action};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::mpsc as tokio_mpsc;

use super::misrouted::Misrouted;
use super::session::{MAX_DATAGRAM, Over, Session};
use crate::events::bus::Bus;

/// Pause between two checks of the deadlines: finer than the shortest wait, coarse enough to cost
/// nothing.
const TICK: Duration = Duration::from_millis(50);
/// Sockets taken from the kernel at once.
const READY: usize = 256;
/// Marks the event of the wake-up descriptor.
const WAKE: u64 = u64::MAX;

#[derive(Debug)]
enum Order {
    Send(Box<Session>),
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
    pub(super) fn send(&self, session: Box<Session>) {
        self.load.fetch_add(1, Ordering::Relaxed);
        self.order(Order::Send(session));
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
    slots: Vec<Option<Box<Session>>>,
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
                Ok(Order::Send(session)) => self.take(session, now),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn take(&mut self, mut session: Box<Session>, now: Instant) {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        let event = EpollEvent::new(EpollFlags::EPOLLIN, slot as u64);
        let first = session
            .first
            .take()
            .unwrap_or(Action::Wait(tftp::IgnoreReason::Over));
        let begun = match self.epoll.add(&session.socket, event) {
            Ok(()) => session.perform(first, &self.bus, now),
            Err(e) => Err(session.fail(ListenerReason::SocketNotWatched(e.to_string()))),
        };
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(session);
        }
        self.settle(slot, begun);
    }

    /// Receives one datagram from one machine. The socket stays ready if there are more.
    fn receive(&mut self, slot: usize, now: Instant) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        let mut buf = [0; MAX_DATAGRAM];
        if session.ticket.is_displaced() {
            return;
        }
        let step = match session.receive(&mut buf, &self.misrouted) {
            Ok(Some(datagram)) => session.transfer.on_packet(datagram, now),
            Ok(None) => return,
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                session.transfer.on_unreachable()
            }
            Err(_) => return,
        };
        let state = session.perform(step, &self.bus, now);
        self.settle(slot, state);
    }

    /// Looks at every deadline.
    fn sweep(&mut self, now: Instant) {
        self.next_sweep = now + TICK;
        for slot in 0..self.slots.len() {
            let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
                continue;
            };
            let state = if session.ticket.is_superseded() {
                Err(session.supersede())
            } else if session.ticket.is_displaced() {
                Err(session.displace())
            } else if now >= session.transfer.deadline() {
                let step = session.transfer.on_timeout(now);
                session.perform(step, &self.bus, now)
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
        let Some(session) = self.slots.get_mut(slot).and_then(Option::take) else {
            return;
        };
        let peer = session.peer;
        session.forward_rest(&self.misrouted);
        let guard = session.close();
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
