//! Sends a [`Reply`] over a TCP connection, by `sendfile` where its bytes are on disk. Shared by
//! all servers that answer with a `Reply`.
//!
//! A slow reader costs a task but no thread. `sendfile` of pages that are not in memory blocks its
//! thread while it waits for the disk, so the servers run on more threads than there are cores.

mod delivery;
mod disk;
mod outcome;
mod pinned_images;
mod reset;
mod send_queue;
mod stream_pump;
mod watch;

use std::time::Duration;

use lanboot_core::Reply;
use tokio::net::TcpStream;

use crate::images::open_images::OpenImages;

pub use delivery::{acknowledged, delivered};
pub use outcome::{SendError, Sent};
pub use pinned_images::PinnedImages;
pub use reset::reset_on_close;
pub use send_queue::SendQueue;

/// Sends `reply` on `stream`, giving up if the peer acknowledges nothing for `stall`. `progress` is
/// called with the number of body bytes sent, from time to time.
///
/// The caller closes the connection, even if the reply requests it.
pub async fn send_reply(
    stream: &TcpStream,
    reply: Reply,
    open_images: &OpenImages,
    stall: Duration,
    progress: impl FnMut(u64),
) -> Sent {
    let mut send_queue = SendQueue::default();
    let put = send_queue
        .put(stream, reply, open_images, stall, progress)
        .await;
    if matches!(put, Sent::Cut(_)) {
        return put;
    }
    match send_queue.flush(stream, stall).await {
        Ok(()) => put,
        Err(cut) => Sent::Cut(cut),
    }
}

/// Returns `reply` as the bytes of one datagram, or its `on_read_error` with the error.
pub fn gather(reply: &Reply, open_images: &OpenImages) -> (Vec<u8>, Option<SendError>) {
    SendQueue::default().gather(reply, open_images)
}
