//! Sends a [`Reply`] over a TCP connection, by `sendfile` where its bytes are on disk. Shared by
//! all servers that answer with a `Reply`.
//!
//! A slow reader costs a task but no thread. `sendfile` of pages that are not in memory blocks its
//! thread while it waits for the disk, so the servers run on more threads than there are cores.

mod delivery;
mod send_queue;

pub use delivery::delivered;
pub use send_queue::{PinnedImages, SendQueue};

use std::fmt;
use std::io;
use std::time::Duration;

use lanboot_core::Reply;
use lanboot_core::events::{Reason, SendFailure};
use lanboot_core::iso::ReadAt;
use lanboot_core::vfs::{Piece, Slice, Source};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::sendfile::sendfile;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::images::open_images::{Changed, ImageFile, OpenImages};
use crate::net::{is_in_memory, unacknowledged};

/// Most bytes handed to the kernel in one call.
pub const SLICE_BYTES: u64 = 1024 * 1024;
/// Most bytes sent before other connections of the same thread are served. Over a network a socket
/// accepts at most its buffer at once, a few megabytes, and others are served then anyway; yielding
/// more often costs waking a second thread each time. Locally this takes a few milliseconds.
const TURN_BYTES: u64 = 16 * SLICE_BYTES;
/// Longest body, in bytes, copied behind its head and sent in one call; for a longer one, not
/// copying is cheaper than the extra call.
pub const COPY_BYTES: u64 = 16 * 1024;
/// Longest body, in bytes, read completely before it is sent if its disk has failed before: the
/// longest READ of NFS and NBD.
const TRIED_BYTES: u64 = 32 * SLICE_BYTES;
/// Bytes to prefetch ahead of a reader. The kernel's own read-ahead keeps one position per open
/// file, which many machines reading one image confuse.
const AHEAD_BYTES: u64 = 4 * SLICE_BYTES;
/// Interval at which a stalled connection is checked.
const LOOK: Duration = Duration::from_secs(1);
/// Source of zeros.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Outcome of a reply.
#[derive(Debug)]
#[must_use]
pub enum Sent {
    /// All of it was handed to the kernel.
    Whole,
    /// Nothing could be read, so the reply's `on_read_error` was sent instead.
    ReadError(SendError),
    /// Sending broke off in the middle. The connection was reset, so that the machine cannot
    /// mistake the part for the whole.
    Cut(SendError),
}

/// Reason a reply broke off; events carry it as [`SendFailure`].
#[derive(Debug)]
pub enum SendError {
    /// The peer closed the connection or vanished.
    Peer(io::Error),
    /// The peer accepts no data.
    Stalled(Duration),
    /// Reading failed.
    Read(io::Error),
    /// The file is shorter than expected.
    Short,
    /// Bytes recorded by the image are missing from it.
    Missing,
    /// The file was overwritten.
    Overwritten,
    /// The image is not open any more.
    Gone,
}

impl From<&SendError> for SendFailure {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::Peer(error) => Self::HungUp(error.to_string()),
            SendError::Stalled(time) => Self::Stalled(*time),
            SendError::Read(error) => Self::Unreadable(error.to_string()),
            SendError::Short => Self::Truncated,
            SendError::Missing => Self::Incomplete,
            SendError::Overwritten => Self::Overwritten,
            SendError::Gone => Self::Closed,
        }
    }
}

impl From<&SendError> for Reason {
    fn from(error: &SendError) -> Self {
        SendFailure::from(error).into()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SendFailure::from(self).fmt(f)
    }
}

impl std::error::Error for SendError {}

impl From<Changed> for SendError {
    fn from(changed: Changed) -> Self {
        match changed {
            Changed::Shorter => Self::Short,
            Changed::Overwritten => Self::Overwritten,
        }
    }
}

/// Sends `reply` on `stream`, giving up if the peer acknowledges nothing for `stall`. `progress` is
/// called with the number of body bytes sent, from time to time.
///
/// The caller closes the connection, even if the reply requests it.
pub async fn send(
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

/// Waits until the peer has acknowledged all data, giving up if it acknowledges nothing for
/// `stall`.
pub async fn acknowledged(stream: &TcpStream, stall: Duration) -> Result<(), SendError> {
    const LONGEST: Duration = Duration::from_millis(250);
    let mut pause = Duration::from_millis(1);
    let mut watch = Watch::new(stall);
    loop {
        if let Some(error) = stream.take_error().map_err(SendError::Peer)? {
            return Err(SendError::Peer(error));
        }
        if unacknowledged(stream).map_err(SendError::Peer)? == 0 {
            return Ok(());
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
        watch.look(stream)?;
    }
}

/// Makes the next close a reset. lpxelinux ignores Content-Length and takes a plain close for the
/// end of the file, so an incomplete reply must not end like a complete one.
pub fn reset_on_close(stream: &TcpStream) {
    // A closed socket needs no reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Makes the close a reset if the program ends in the middle of a body.
struct ResetOnDrop<'a>(&'a TcpStream);

impl Drop for ResetOnDrop<'_> {
    fn drop(&mut self) {
        reset_on_close(self.0);
    }
}

struct Pump<'a> {
    stream: &'a TcpStream,
    held: &'a PinnedImages,
    stall: Duration,
}

impl Pump<'_> {
    async fn stream(
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
    async fn bytes(&self, mut bytes: &[u8], flags: i32) -> Result<(), SendError> {
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

/// Distinguishes a slow reader from a stalled one. Writability is no criterion: a socket accepts
/// nothing until a third of its buffer, up to megabytes, is free. Acknowledgements by the peer are.
struct Watch {
    stall: Duration,
    since: Instant,
    left: Option<u64>,
}

impl Watch {
    fn new(stall: Duration) -> Self {
        Self {
            stall,
            since: Instant::now(),
            left: None,
        }
    }

    fn look(&mut self, stream: &TcpStream) -> Result<(), SendError> {
        let left = unacknowledged(stream).map_err(SendError::Peer)?;
        if self.left.replace(left).is_some_and(|before| left < before) {
            self.since = Instant::now();
        }
        if self.since.elapsed() < self.stall {
            Ok(())
        } else {
            Err(SendError::Stalled(self.stall))
        }
    }
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

/// Reads the first and the last byte that come from a disk: an image that cannot be read at all, or
/// was truncated, is detected while an error can still be sent.
///
/// If the disk failed in the middle of a reply before, a reply of at most [`TRIED_BYTES`] is read
/// completely: NFS clients repeat an incomplete read, and without an error would do so
/// indefinitely.
fn try_disk(held: &PinnedImages, body: &Slice) -> Result<(), SendError> {
    let mut ends = None;
    for piece in body.pieces() {
        if let Source::Missing(_) = piece.source {
            return Err(SendError::Missing);
        }
        if let Source::Image { image, offset } = piece.source {
            let image_file = held.image_file(image)?;
            if image_file.has_failed() && body.len() <= TRIED_BYTES {
                read_through(image_file, offset, piece.len)?;
            }
            let last = (image, offset + (piece.len - 1));
            ends = Some((ends.map_or((image, offset), |(first, _)| first), last));
        }
    }
    let Some((first, last)) = ends else {
        return Ok(());
    };
    for (image, offset) in [first, last] {
        read_exactly(held.image_file(image)?, &mut [0], offset)?;
    }
    held.check_all()
}

/// Reads `len` bytes and discards them.
fn read_through(image_file: &ImageFile, mut offset: u64, mut len: u64) -> Result<(), SendError> {
    let mut scratch = [0; 16 * 1024];
    while len > 0 {
        let n = len.min(scratch.len() as u64);
        let into = usize::try_from(n).ok().and_then(|n| scratch.get_mut(..n));
        read_exactly(image_file, into.unwrap_or_default(), offset)?;
        offset += n;
        len -= n;
    }
    Ok(())
}

fn read_exactly(
    image_file: &ImageFile,
    mut into: &mut [u8],
    mut offset: u64,
) -> Result<(), SendError> {
    while !into.is_empty() {
        match image_file.read_at(into, offset) {
            Ok(0) => return Err(SendError::Short),
            Ok(n) => {
                into = into.get_mut(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SendError::Read(error)),
        }
    }
    Ok(())
}

/// Returns whether an error of `sendfile` is about the file rather than the connection.
fn is_of_disk(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EIO | libc::EINVAL | libc::EBADF | libc::EOVERFLOW | libc::ESTALE)
    )
}
