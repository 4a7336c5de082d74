//! Bytes received on a connection and not parsed yet.

use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd as _;

use lanboot_core::nbd::{Exports, MAX_MESSAGE_BYTES, Received, Session};
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Initial size of the input buffer, in bytes: for 146 requests, and Linux has 128 under way per
/// connection. It grows to [`MAX_MESSAGE_BYTES`] for clients that negotiate with long options.
const INPUT_BYTES: usize = 4096;

/// Received bytes that are not parsed yet.
pub(super) struct Input {
    /// Longer than what is in it.
    bytes: Vec<u8>,
    /// The range of these bytes.
    range: Range<usize>,
}

impl Input {
    /// Returns an empty buffer.
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; INPUT_BYTES],
            range: 0..0,
        }
    }

    /// Takes the next message off the front.
    pub(super) fn advance(&mut self, session: &mut Session, exports: &dyn Exports) -> Received {
        let mut rest = self.bytes.get(self.range.clone()).unwrap_or_default();
        let step = session.advance(&mut rest, exports);
        self.range.start = self.range.end - rest.len();
        step
    }

    /// Waits until more has arrived.
    pub(super) async fn wait(&mut self, stream: &TcpStream) -> io::Result<()> {
        if self.receive(stream).await? {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Waits until more has arrived; `false` when nothing more will.
    pub(super) async fn receive(&mut self, stream: &TcpStream) -> io::Result<bool> {
        self.bytes.copy_within(self.range.clone(), 0);
        self.range = 0..self.range.len();
        if self.range.end == self.bytes.len() {
            // Only a long option fills it.
            let more = (2 * self.bytes.len()).min(MAX_MESSAGE_BYTES);
            self.bytes.resize(more, 0);
        }
        let free = self.bytes.get_mut(self.range.end..).unwrap_or_default();
        loop {
            let mut got = 0;
            let tried = stream.try_io(Interest::READABLE, || {
                got = recv(stream.as_raw_fd(), free, MsgFlags::MSG_DONTWAIT)?;
                // A read that does not fill the buffer was the last one: saying so saves the call
                // that would only report that.
                if 0 < got && got < free.len() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            self.range.end += got;
            match tried {
                _ if got > 0 => return Ok(true),
                Ok(()) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.readable().await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
