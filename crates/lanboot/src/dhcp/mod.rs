//! The DHCP server, UDP 67 and 4011: receives messages, asks `lanboot_core::dhcp` for the answer and
//! sends it. One task owns the lease table for all interfaces (`link`), so there is no lock; an ACK
//! leaves when its lease is on disk; an address is probed by ARP, or by ping behind a relay, while
//! others are served. Whether addresses are handed out on an interface is decided by its
//! `ServerDetection`.

mod answer;
mod changes;
mod limits;
mod link;
mod listener;
mod log;
mod other_servers;
mod probe;
mod serving;
mod subnets;

use std::future::poll_fn;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::context::Context;
use limits::COMMITS;
use serving::Serving;

pub use link::Opened;
pub use listener::Listener;

/// Serves until the context drains. Sends `decided` once the mode of every interface with a link is
/// decided; starts server detection over whenever `again` is notified.
///
/// # Errors
/// A socket cannot be registered with the runtime or polled.
pub async fn serve(
    listener: Listener,
    context: Context,
    decided: oneshot::Sender<()>,
    again: Arc<Notify>,
) -> anyhow::Result<()> {
    let mut drain = context.drain.clone();
    let (committed, mut commits) = mpsc::channel(COMMITS);
    let mut server = Serving::new(listener, context, committed, decided)?;
    // Something may have changed before the netlink socket was open.
    server.look_above_all();
    loop {
        server.log_decided();
        server.log_proxy();
        let wake = server.next();
        tokio::select! {
            ready = poll_fn(|cx| server.poll(cx)) => server.read(ready?),
            Some((received, outgoing, machine, result)) = commits.recv() => {
                server.durable(&received, &outgoing, machine, result);
            }
            () = sleep_until(wake) => server.due(Instant::now()),
            () = again.notified() => server.reload(),
            _ = drain.wait_for(|draining| *draining) => return Ok(()),
        }
    }
}
