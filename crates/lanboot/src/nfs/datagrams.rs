//! Calls in datagrams: answered in turn ([`Calls`]), from the address and by the interface they came
//! in at. Who is in no served network gets no answer, so that nobody can be made a
//! target from far away.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use lanboot_core::events::ListenerReason;
use lanboot_core::nfs::CallContext;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::calls::{Call, Calls};
use super::listener::service;
use super::shared::Shared;
use crate::io::host_error;
use crate::io::send::gather;
use crate::io::udp;

/// Longest call read: a WRITE of 32 KiB would be one, and is answered with "read-only" by its
/// beginning.
const MAX_CALL_BYTES: usize = 8 * 1024;
/// Tasks that answer datagrams of one port: one may wait for a disk while others go on.
const TASKS: usize = 3;
/// Bytes of calls that may wait in the kernel, with its own weight: about 1,000 calls.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Bytes of replies under way: a few reads of every machine in a classroom.
const SEND_BUFFER: usize = 4 << 20;

/// Serves `socket` until `drain` becomes true.
pub(super) async fn serve(
    socket: std::net::UdpSocket,
    context: CallContext,
    shared: Arc<Shared>,
    drain: watch::Receiver<bool>,
) -> io::Result<()> {
    udp::prepare(&socket)?;
    let options = SockRef::from(&socket);
    // Only a process that may override the system's limit gets all of it; with less, clients whose
    // calls are lost repeat them.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = options.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        let _ = options.set_send_buffer_size(SEND_BUFFER);
    }
    let socket = Arc::new(UdpSocket::from_std(socket)?);
    let calls = Arc::new(Calls::new());
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (socket, shared, calls) =
            (Arc::clone(&socket), Arc::clone(&shared), Arc::clone(&calls));
        let mut drain = drain.clone();
        tasks.spawn(async move {
            loop {
                let call = tokio::select! {
                    biased;
                    _ = drain.wait_for(|is_draining| *is_draining) => return Ok(()),
                    call = calls.pop() => call,
                };
                answer(&socket, &call, context, &shared).await;
            }
        });
    }
    tasks.spawn(listen(socket, calls, context, shared, drain));
    while let Some(ended) = tasks.join_next().await {
        // A panic is a fault of ours and already printed; the other tasks go on.
        if let Ok(result) = ended {
            result?;
        }
    }
    Ok(())
}

/// Takes calls out of the socket.
async fn listen(
    socket: Arc<UdpSocket>,
    calls: Arc<Calls>,
    context: CallContext,
    shared: Arc<Shared>,
    mut drain: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; MAX_CALL_BYTES];
    loop {
        let received = tokio::select! {
            biased;
            _ = drain.wait_for(|is_draining| *is_draining) => return Ok(()),
            received = socket.async_io(Interest::READABLE, || udp::receive(&socket, &mut buffer)) => received,
        };
        let arrival = match received {
            Ok(received) => received,
            Err(error) if is_passing(&error) => continue,
            Err(error) => return Err(error),
        };
        let service = service(context.port);
        shared.context.bus.arrived(service, arrival.to);
        let ip = arrival.from.ip();
        // Nobody calls from port 0, and what is sent there comes back as an error.
        if arrival.from.port() == 0 || is_everybody(ip) || !shared.admits(ip, "datagram") {
            continue;
        }
        let message = buffer.get(..arrival.len).unwrap_or_default().into();
        if let Some(ip) = calls.push(Call { arrival, message }) {
            let reason = ListenerReason::TooManyCalls;
            shared.complain(|c| &mut c.ignored, ip, "datagram", reason);
        }
    }
}

async fn answer(socket: &UdpSocket, call: &Call, context: CallContext, shared: &Shared) {
    let ip = call.arrival.from.ip();
    let routes = shared.context.routes.load_full();
    match shared.answer(&call.message, context, &routes) {
        Ok(answer) => {
            let mut account = shared.accounts.open(ip, false);
            let mount = shared.note(&mut account, answer.outcome);
            let (bytes, cut) = gather(&answer.reply, &shared.context.open_images);
            if let Some(mount) = mount {
                match cut {
                    None => shared.accounts.sent(&mount, answer.reply.body.len()),
                    Some(why) => shared.accounts.broken(&mount, &why),
                }
            }
            let reply = || udp::reply(socket, &call.arrival, &bytes);
            // What the network loses is asked for again; what never left is said.
            if let Err(error) = socket.async_io(Interest::WRITABLE, reply).await {
                let reason = ListenerReason::NotAnswered(host_error::of(&error));
                shared.complain(|c| &mut c.unsent, ip, "datagram", reason);
            }
        }
        Err(why) => shared.complain(|c| &mut c.ignored, ip, "datagram", why),
    }
}

fn is_everybody(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_broadcast() || ip.is_multicast() || ip.is_unspecified(),
        IpAddr::V6(_) => true,
    }
}

/// Returns whether the socket can go on: after an ICMP error for something sent earlier, or when
/// memory ran short.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, Interrupted, NetworkUnreachable, OutOfMemory,
    };
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | Interrupted | NetworkUnreachable | OutOfMemory
    ) || error.raw_os_error() == Some(libc::ENOBUFS)
}
