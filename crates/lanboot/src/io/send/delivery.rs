//! Waits until a machine has received what was sent to it. TCP knows what was acknowledged;
//! firmware with a complete file often leaves without acknowledging its end.
//!
//! A file counts as delivered if all of it was acknowledged; or if all of it has left this host, at
//! most its last [`LAST_BYTES`] and at most half of it are not acknowledged, and the machine has
//! either reset the connection or acknowledged nothing more for [`LAST_ACK`]. With more missing,
//! delivery waits, and fails if the connection breaks.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::outcome::SendError;
use super::watch::Watch;
use crate::net::{unacknowledged, unsent};

/// Most bytes at the end of a file whose acknowledgement may be missing: a TCP window without
/// scaling, which is all that simple stacks have.
const LAST_BYTES: u64 = 64 * 1024;
/// Time to wait for the last acknowledgement. EDK2 and iPXE shut their network down when they start
/// the loaded program; the kernel's retransmissions then get no answer for a minute or more, until
/// the started system resets them.
const LAST_ACK: Duration = Duration::from_secs(2);
/// Longest pause between two checks.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Waits until the machine has received the `len` bytes of a body that was handed to the kernel,
/// giving up if it acknowledges nothing for `stall`, or once `is_evicted` returns true: the
/// connection was closed in favour of another one, and the bytes still missing will not be sent.
///
/// # Errors
/// Fails with the reason and the number of missing bytes.
pub async fn delivered(
    stream: &TcpStream,
    len: u64,
    stall: Duration,
    mut is_evicted: impl FnMut() -> bool,
) -> Result<(), (SendError, u64)> {
    let mut pause = Duration::from_millis(1);
    let mut watch = Watch::new(stall);
    let (mut least, mut since) = (u64::MAX, Instant::now());
    loop {
        let failed = |error| (SendError::Peer(error), len);
        // Before the count, which is frozen after an error.
        let error = stream.take_error().map_err(failed)?;
        let missing = unacknowledged(stream).map_err(failed)?;
        if missing == 0 {
            return Ok(());
        }
        if is_evicted() {
            let evicted = io::ErrorKind::ConnectionAborted.into();
            return Err((SendError::Peer(evicted), missing));
        }
        if missing < least {
            (least, since) = (missing, Instant::now());
        }
        let is_end = is_end(missing, unsent(stream).map_err(failed)?, len);
        match error {
            Some(_) if is_end => return Ok(()),
            Some(error) => return Err((SendError::Peer(error), missing)),
            None if is_end && since.elapsed() >= LAST_ACK => return Ok(()),
            None => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        watch.look(stream).map_err(|error| (error, missing))?;
    }
}

/// Waits until the peer has acknowledged all data, giving up if it acknowledges nothing for
/// `stall`.
///
/// # Errors
/// Fails with the reason.
pub async fn acknowledged(stream: &TcpStream, stall: Duration) -> Result<(), SendError> {
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
        pause = (pause * 2).min(LONGEST_PAUSE);
        watch.look(stream)?;
    }
}

/// Returns whether only the acknowledgement of the end of a body of `len` bytes is missing.
fn is_end(missing: u64, unsent: u64, len: u64) -> bool {
    unsent == 0 && missing <= LAST_BYTES && missing <= len / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_end_may_be_unacknowledged() {
        const LEN: u64 = 57 << 20;
        for (missing, unsent, len, expected) in [
            (1460, 0, LEN, true),
            (LAST_BYTES, 0, LEN, true),
            (LAST_BYTES + 1, 0, LEN, false),
            (1460, 1, LEN, false),
            (1460, 0, 2920, true),
            (1460, 0, 2919, false),
            (300, 0, 300, false),
        ] {
            assert_eq!(is_end(missing, unsent, len), expected, "{missing} of {len}");
        }
    }
}
