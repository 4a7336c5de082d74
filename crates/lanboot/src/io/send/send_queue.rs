//! Queue of replies to be sent, which batches short ones, and the images they come from.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use lanboot_core::Reply;
use lanboot_core::vfs::{ImageId, Piece, Slice, Source};
use tokio::net::TcpStream;

use super::{
    COPY_BYTES, Pump, ResetOnDrop, SendError, Sent, read_exactly, reset_on_close, try_disk,
};
use crate::images::open_images::{ImageFile, OpenImages};

/// Short replies are batched up to this many bytes before they are sent.
const GATHER_BYTES: usize = 256 * 1024;
/// Largest buffer, in bytes, that a thread keeps for reuse.
const SPARE_BYTES: usize = 2 * GATHER_BYTES;

/// Images kept open while they are streamed, even after they leave the catalog.
#[derive(Clone, Debug, Default)]
pub struct PinnedImages(Vec<(ImageId, Arc<ImageFile>)>);

impl PinnedImages {
    /// Pins every open image among `pieces`.
    pub fn of(pieces: impl Iterator<Item = Piece>, open_images: &OpenImages) -> Self {
        let mut held = Vec::new();
        for piece in pieces {
            if let Source::Image { image, .. } = piece.source
                && !held.iter().any(|(id, _)| *id == image)
                && let Some(image_file) = open_images.get(image)
            {
                held.push((image, image_file));
            }
        }
        Self(held)
    }

    /// Returns whether this image is pinned.
    pub fn has(&self, image: ImageId) -> bool {
        self.0.iter().any(|(id, _)| *id == image)
    }

    /// Returns the open images.
    pub fn open_images(&self) -> impl Iterator<Item = &ImageFile> {
        self.0.iter().map(|(_, image_file)| image_file.as_ref())
    }

    /// Returns the image, unless it is known to be overwritten.
    pub(crate) fn image_file(&self, image: ImageId) -> Result<&ImageFile, SendError> {
        let (_, image_file) = self
            .0
            .iter()
            .find(|(id, _)| *id == image)
            .ok_or(SendError::Gone)?;
        image_file.known_change()?;
        Ok(image_file)
    }

    /// Fails if the image was overwritten; every server calls it between reading and sending.
    pub(crate) fn check(&self, image: ImageId) -> Result<(), SendError> {
        Ok(self.image_file(image)?.check()?)
    }

    /// Checks all pinned images.
    pub(crate) fn check_all(&self) -> Result<(), SendError> {
        self.0.iter().try_for_each(|(image, _)| self.check(*image))
    }
}

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
        let pump = Pump {
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
        let pump = Pump {
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
