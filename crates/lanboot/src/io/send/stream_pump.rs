//! Moves bytes from memory and from images into a connection.

use std::io;
use std::time::Duration;

use lanboot_core::vfs::{Piece, Slice, Source};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::sendfile::sendfile;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::outcome::SendError;
use super::pinned_images::PinnedImages;
use super::watch::Watch;
use crate::images::open_images::ImageFile;
use crate::net::is_in_memory;

/// Most bytes handed to the kernel in one call.
pub(super) const SLICE_BYTES: u64 = 1024 * 1024;
/// Most bytes sent before other connections of the same thread are served. Over a network a socket
/// accepts at most its buffer at once, a few megabytes, and others are served then anyway; yielding
/// more often costs waking a second thread each time. Locally this takes a few milliseconds.
const TURN_BYTES: u64 = 16 * SLICE_BYTES;
/// Bytes to prefetch ahead of a reader. The kernel's own read-ahead keeps one position per open
/// file, which many machines reading one image confuse.
const AHEAD_BYTES: u64 = 4 * SLICE_BYTES;
/// Interval at which a stalled connection is checked.
const LOOK: Duration = Duration::from_secs(1);
/// Source of zeros.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Sends one body, and the bytes before it.
pub(super) struct StreamPump<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) held: &'a PinnedImages,
    pub(super) stall: Duration,
}

impl StreamPump<'_> {
    /// Sends `head` and `body`; `progress` is called with the number of body bytes sent.
    pub(super) async fn stream(
        &self,
        head: &[u8],
        mut body: Slice,
        mut progress: impl FnMut(u64),
    ) -> Result<(), SendError> {
        self.bytes(head, libc::MSG_MORE).await?;
        let len = body.len();
        let mut turn = 0;
        let mut ahead = Ahead::default();
        while let Some(piece) = body.first() {
            let n = piece.len.min(SLICE_BYTES);
            let more = if n < body.len() { libc::MSG_MORE } else { 0 };
            let sent = match &piece.source {
                Source::Image { image, offset } => {
                    self.held.check(*image)?;
                    let image_file = self.held.image_file(*image)?;
                    ahead.fetch(image_file, &piece, *offset);
                    let sent = self.file(image_file, *offset, n).await;
                    if let Err(SendError::Read(_) | SendError::Short) = sent {
                        image_file.note_failed();
                    }
                    sent?
                }
                Source::Memory { .. } => {
                    let bytes = piece.memory().ok_or(SendError::Short)?;
                    let bytes = bytes.get(..usize::try_from(n).unwrap_or(usize::MAX));
                    self.bytes(bytes.unwrap_or_default(), more).await?;
                    n
                }
                Source::Zero => {
                    let n = n.min(ZEROS.len() as u64);
                    let bytes = ZEROS.get(..usize::try_from(n).unwrap_or(0));
                    self.bytes(bytes.unwrap_or_default(), more).await?;
                    n
                }
                Source::Missing(_) => return Err(SendError::Missing),
            };
            body.advance(sent);
            progress(len - body.len());
            turn += sent;
            if turn >= TURN_BYTES {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        // The socket refers to pages of the file, not to copies.
        self.held.check_all()
    }

    /// Sends up to `len` bytes of a file, at least one; returns the number sent.
    async fn file(&self, image_file: &ImageFile, offset: u64, len: u64) -> Result<u64, SendError> {
        let mut offset = i64::try_from(offset).map_err(|_| SendError::Short)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let mut watch = Watch::new(self.stall);
        let mut attempt = Attempt::WhenReady;
        loop {
            let mut sent = 0;
            let tried = self.attempt(attempt, || {
                sent = sendfile(self.stream, image_file.file(), Some(&mut offset), len)?;
                // Fewer bytes than requested mean that the socket is full: reporting that saves a
                // call that would fail. Or the file ends, which is detected after one `LOOK`.
                if 0 < sent && sent < len {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match tried {
                _ if sent > 0 => return Ok(sent as u64),
                Ok(()) => return Err(SendError::Short),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    attempt = self.wait(&mut watch).await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_of_disk(&error) => return Err(SendError::Read(error)),
                Err(error) => return Err(SendError::Peer(error)),
            }
        }
    }

    /// Sends all of `bytes`.
    pub(super) async fn bytes(&self, mut bytes: &[u8], flags: i32) -> Result<(), SendError> {
        let mut watch = Watch::new(self.stall);
        let mut attempt = Attempt::WhenReady;
        while !bytes.is_empty() {
            let tried = self.attempt(attempt, || {
                SockRef::from(self.stream).send_with_flags(bytes, flags | libc::MSG_NOSIGNAL)
            });
            match tried {
                Ok(n) => {
                    bytes = bytes.get(n..).unwrap_or_default();
                    watch = Watch::new(self.stall);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    attempt = self.wait(&mut watch).await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SendError::Peer(error)),
            }
        }
        Ok(())
    }

    fn attempt<T>(&self, attempt: Attempt, io: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match attempt {
            Attempt::WhenReady => self.stream.try_io(Interest::WRITABLE, io),
            Attempt::Now => io(),
        }
    }

    /// Waits until the socket accepts more data, or a check is due.
    async fn wait(&self, watch: &mut Watch) -> Result<Attempt, SendError> {
        if let Ok(ready) = timeout(LOOK, self.stream.writable()).await {
            ready.map_err(SendError::Peer)?;
            return Ok(Attempt::WhenReady);
        }
        watch.look(self.stream)?;
        Ok(Attempt::Now)
    }
}

/// Time of the next attempt to send.
#[derive(Clone, Copy)]
enum Attempt {
    /// Once the socket is known to be writable.
    WhenReady,
    /// Immediately.
    Now,
}

/// Prefetches what a reader will need next, so that readers seldom wait for the disk.
#[derive(Default)]
struct Ahead {
    /// Image offset up to which data was prefetched.
    until: u64,
}

impl Ahead {
    fn fetch(&mut self, image_file: &ImageFile, piece: &Piece, offset: u64) {
        let is_asked = offset + AHEAD_BYTES / 2 <= self.until && self.until <= offset + AHEAD_BYTES;
        if is_asked {
            return;
        }
        self.until = offset + AHEAD_BYTES;
        let (Ok(start), Ok(len)) = (
            i64::try_from(offset),
            i64::try_from(piece.len.min(AHEAD_BYTES)),
        ) else {
            return;
        };
        // Advice about pages in memory costs a check of each of them, so one is tested first. A
        // file system that does not support advice works all the same.
        if !is_in_memory(image_file.file(), start + len - 1) {
            let advice = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
            let _ = posix_fadvise(image_file.file(), start, len, advice);
        }
    }
}

/// Returns whether an error of `sendfile` is about the file rather than the connection.
fn is_of_disk(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EIO | libc::EINVAL | libc::EBADF | libc::EOVERFLOW | libc::ESTALE)
    )
}
