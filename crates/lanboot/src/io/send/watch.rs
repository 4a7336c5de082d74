//! Detects a peer that acknowledges nothing any more.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::outcome::SendError;
use crate::net::unacknowledged;

/// Distinguishes a slow reader from a stalled one. Writability is no criterion: a socket accepts
/// nothing until a third of its buffer, up to megabytes, is free. Acknowledgements by the peer are.
pub(super) struct Watch {
    stall: Duration,
    since: Instant,
    left: Option<u64>,
}

impl Watch {
    /// Returns a watch that begins now, to fail after `stall`.
    pub(super) fn new(stall: Duration) -> Self {
        Self {
            stall,
            since: Instant::now(),
            left: None,
        }
    }

    /// Checks a connection that accepts nothing.
    ///
    /// # Errors
    /// Nothing was acknowledged for too long, or the connection broke.
    pub(super) fn look(&mut self, stream: &TcpStream) -> Result<(), SendError> {
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
