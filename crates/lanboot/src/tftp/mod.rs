//! The TFTP server: requests arrive at port 69, each transfer leaves from a socket of its own.
//!
//! Its port is a fresh one, as RFC 1350 §4 wants, or port 69 as well ([`Limits::single_port`]),
//! for machines behind a router that translates addresses and lets in only answers from where
//! they asked. What such a machine sends to port 69 then reaches its transfer, because the kernel
//! prefers the socket connected to it; requests among that come back here as misrouted datagrams.
//!
//! Requests are answered here, in one task; data is moved by `pump` threads. A transfer takes
//! at most 64 KiB of read-ahead and 1 KiB besides (a netascii one up to 128 KiB more), one
//! descriptor, and no thread.

mod admission;
mod blocks;
mod limits;
mod misrouted;
mod pump;
mod request_handler;
mod session;

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context as _;
use lanboot_core::routes::Opened;
use lanboot_core::tftp;
use tokio::io::Interest;
use tokio::sync::{mpsc, watch};

use crate::context::Context;
use crate::events::bus::Bus;
use crate::images::open_images::OpenImages;
use crate::io::udp;
use crate::net::Service;
use admission::Admission;
use misrouted::{MAX_MISROUTED, Misrouted};
use pump::Pump;
use request_handler::RequestHandler;

pub use limits::Limits;

/// Most pumps: four processors fill any network card with blocks.
const MAX_PUMPS: usize = 4;
/// Processors per pump. A pump that has more to do finds more sockets ready at once and spends
/// less on each: on two processors one pump took 10 % less time per block than two.
const PROCESSORS_PER_PUMP: usize = 2;

/// Makes a socket bound to port 69 ready for [`run`]. Fails when the kernel cannot say where
/// datagrams came in.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    udp::prepare(socket)
}

/// Serves what `context` has to offer until it drains.
///
/// # Errors
/// See [`run`].
pub async fn serve(socket: UdpSocket, context: Context, limits: Limits) -> anyhow::Result<()> {
    let (open_images, bus, drain) = (
        Arc::clone(&context.open_images),
        context.bus.clone(),
        context.drain.clone(),
    );
    let find = move |path: &[u8], peer| context.find(path, b"", peer);
    run(socket, find, open_images, bus, drain, limits).await
}

/// Serves the files that `find` knows through `socket` (bound, [`prepare`]d). Returns when
/// `drain` became true (or its sender is gone) and the transfers that ran then are over.
///
/// # Errors
/// Fails when threads or descriptors run out at the start, or the socket breaks.
pub async fn run<F>(
    socket: UdpSocket,
    find: F,
    open_images: Arc<OpenImages>,
    bus: Bus,
    mut drain: watch::Receiver<bool>,
    limits: Limits,
) -> anyhow::Result<()>
where
    F: Fn(&[u8], IpAddr) -> Option<Opened>,
{
    let (alive, mut all_ended) = mpsc::channel(1);
    let (misrouted, mut returned) = mpsc::channel(MAX_MISROUTED);
    if limits.single_port {
        udp::share_port(&socket).context("the TFTP port cannot be shared by transfers")?;
    }
    let pumps = (0..pump_count())
        .map(|_| Pump::start(bus.clone(), misrouted.clone(), alive.clone()))
        .collect::<io::Result<Vec<_>>>()
        .context("a TFTP thread cannot be started")?;
    drop(alive);
    let socket =
        tokio::net::UdpSocket::from_std(socket).context("the TFTP socket cannot be watched")?;
    let handler = RequestHandler {
        socket: &socket,
        misrouted,
        find,
        open_images,
        bus,
        limits,
        admission: Admission::default(),
        pumps,
    };
    let mut buf = vec![0; tftp::MAX_REQUEST + 1];
    loop {
        let arrival = tokio::select! {
            biased;
            _ = drain.wait_for(|draining| *draining) => break,
            Some(misrouted) = returned.recv() => Err(misrouted),
            arrival = socket.async_io(Interest::READABLE, || udp::receive(&socket, &mut buf)) => Ok(arrival),
        };
        let arrival = match arrival {
            Ok(arrival) => arrival,
            Err(Misrouted { arrival, datagram }) => {
                handler.answer(&arrival, &datagram).await;
                continue;
            }
        };
        match arrival {
            Ok(arrival) => {
                handler.bus.arrived(Service::Tftp, arrival.to);
                let request = buf.get(..arrival.len).unwrap_or_default();
                handler.answer(&arrival, request).await;
            }
            // An ICMP error for something sent earlier, or memory ran short: not this socket's end.
            Err(e) if is_passing(&e) => {}
            Err(e) => return Err(e).context("the TFTP socket broke"),
        }
    }
    drop(handler);
    // Nobody sends through it; it ends when the last pump has.
    let _ = all_ended.recv().await;
    Ok(())
}

fn pump_count() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors / PROCESSORS_PER_PUMP).clamp(1, MAX_PUMPS)
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, Interrupted, InvalidData, NetworkUnreachable,
        OutOfMemory,
    };
    matches!(
        error.kind(),
        ConnectionRefused
            | HostUnreachable
            | NetworkUnreachable
            | Interrupted
            | InvalidData
            | OutOfMemory
    ) || error.raw_os_error() == Some(libc::ENOBUFS)
}
