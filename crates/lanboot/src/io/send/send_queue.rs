//! Queue of replies to be sent, which batches short ones.

use std::cell::Cell;
use std::time::Duration;

use lanboot_core::Reply;
use lanboot_core::vfs::{Slice, Source};
use tokio::net::TcpStream;

use super::disk::{read_exactly, try_disk};
use super::outcome::{SendError, Sent};
use super::pinned_images::PinnedImages;
use super::reset::{ResetOnDrop, reset_on_close};
use super::stream_pump::StreamPump;
use crate::images::open_images::OpenImages;

/// Longest body, in bytes, copied behind its head and sent in one call; for a longer one, not
/// copying is cheaper than the extra call.
const COPY_BYTES: u64 = 16 * 1024;
/// Short replies are batched up to this many bytes before they are sent.
const GATHER_BYTES: usize = 256 * 1024;
/// Largest buffer, in bytes, that a thread keeps for reuse.
const SPARE_BYTES: usize = 2 * GATHER_BYTES;

/// Queue of replies of one connection. Short ones are batched, so that a client with many pending
/// requests costs one call for many replies.
///
/// Its buffer is the one this thread used last, which is still cached; a connection waiting for
/// requests should hold none.
#[derive(Debug)]
pub struct SendQueue {
    /// Longer than its contents: bytes once initialised are reused.
    bytes: Vec<u8>,
    used: usize,
}

thread_local! {
    /// An unused buffer.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Default for SendQueue {
    fn default() -> Self {
        Self {
            bytes: SPARE.take(),
            used: 0,
        }
    }
}

impl Drop for SendQueue {
    fn drop(&mut self) {
        if self.bytes.capacity() <= SPARE_BYTES {
            let bytes = std::mem::take(&mut self.bytes);
            // A thread that ends keeps none.
            let _ = SPARE.try_with(|spare| spare.set(bytes));
        }
    }
}

impl SendQueue {
    /// Queues `reply`, which may remain queued: [`Self::flush`] must be called in the end. A long
    /// body is sent at once, after everything queued before it.
    ///
    /// After a [`Sent::Cut`] the connection is unusable.
    pub async fn put(
        &mut self,
        stream: &TcpStream,
        reply: Reply,
        open_images: &OpenImages,
        stall: Duration,
        progress: impl FnMut(u64),
    ) -> Sent {
        let held = PinnedImages::of(reply.body.pieces(), open_images);
        self.put_held(stream, reply, &held, stall, progress).await
    }

    /// Queues like [`Self::put`], with images that are already pinned.
    pub async fn put_held(
        &mut self,
        stream: &TcpStream,
        reply: Reply,
        held: &PinnedImages,
        stall: Duration,
        progress: impl FnMut(u64),
    ) -> Sent {
        let Reply {
            head,
            body,
            on_read_error,
            close: _,
        } = reply;
        if body.len() <= COPY_BYTES {
            let error = self.copy(held, &head, &body, &on_read_error).err();
            if self.used >= GATHER_BYTES
                && let Err(error) = self.flush(stream, stall).await
            {
                return Sent::Cut(error);
            }
            return error.map_or(Sent::Whole, Sent::ReadError);
        }
        // Sending cannot be undone, so the disk is tested before the first byte is sent.
        if let Err(error) = try_disk(held, &body) {
            self.push(&on_read_error);
            return Sent::ReadError(error);
        }
        self.push(&head);
        let pump = StreamPump {
            stream,
            held,
            stall,
        };
        let cut_means_reset = ResetOnDrop(stream);
        let whole = pump.stream(self.gathered(), body, progress).await;
        self.used = 0;
        match whole {
            Ok(()) => {
                std::mem::forget(cut_means_reset);
                Sent::Whole
            }
            Err(error) => Sent::Cut(error),
        }
    }

    /// Sends all queued replies.
    pub async fn flush(&mut self, stream: &TcpStream, stall: Duration) -> Result<(), SendError> {
        let pump = StreamPump {
            stream,
            held: &PinnedImages::default(),
            stall,
        };
        let sent = pump.bytes(self.gathered(), 0).await;
        self.used = 0;
        sent.inspect_err(|_| reset_on_close(stream))
    }

    /// Returns the bytes of `reply`, or its `on_read_error` with the error.
    pub(super) fn gather(
        &mut self,
        reply: &Reply,
        open_images: &OpenImages,
    ) -> (Vec<u8>, Option<SendError>) {
        let held = PinnedImages::of(reply.body.pieces(), open_images);
        let (head, error_reply) = (&reply.head, &reply.on_read_error);
        let error = self.copy(&held, head, &reply.body, error_reply).err();
        (self.gathered().to_vec(), error)
    }

    fn gathered(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    /// Appends `head` and a short body, or `error_reply` if the body cannot be read.
    fn copy(
        &mut self,
        held: &PinnedImages,
        head: &[u8],
        body: &Slice,
        error_reply: &[u8],
    ) -> Result<(), SendError> {
        let before = self.used;
        self.push(head);
        self.copy_body(held, body).inspect_err(|_| {
            self.used = before;
            self.push(error_reply);
        })
    }

    fn copy_body(&mut self, held: &PinnedImages, body: &Slice) -> Result<(), SendError> {
        for piece in body.pieces() {
            let len = usize::try_from(piece.len).unwrap_or(usize::MAX);
            match &piece.source {
                Source::Image { image, offset } => {
                    read_exactly(held.image_file(*image)?, self.reserve(len), *offset)?;
                    held.check(*image)?;
                }
                Source::Memory { .. } => self.push(piece.memory().ok_or(SendError::Short)?),
                Source::Zero => self.reserve(len).fill(0),
                Source::Missing(_) => return Err(SendError::Missing),
            }
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len()).copy_from_slice(bytes);
    }

    /// Returns the next `len` bytes of the buffer, with arbitrary contents.
    fn reserve(&mut self, len: usize) -> &mut [u8] {
        let start = self.used;
        self.used += len;
        if self.bytes.len() < self.used {
            self.bytes.resize(self.used, 0);
        }
        self.bytes.get_mut(start..self.used).unwrap_or_default()
    }
}
