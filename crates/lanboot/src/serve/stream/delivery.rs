//! Whether a machine has what was sent to it. TCP knows what the machine acknowledged; firmware
//! that has all of a file often leaves without acknowledging its end.
//!
//! The rule: a file counts as sent when all of it was acknowledged; or when all of it has left
//! this host, at most its last [`LAST_BYTES`] and at most half of it are not acknowledged, and the
//! machine has either reset the connection or acknowledged nothing more for [`LAST_ACK`]. More than
//! that missing is a failure when the connection breaks, and is waited for until then.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::{SendError, Watch};
use crate::net::{unacknowledged, unsent};

/// Most bytes whose acknowledgement may be missing at the end of a file: a TCP window without
/// scaling, which is all that simple stacks have.
const LAST_BYTES: u64 = 64 * 1024;
/// How long the last acknowledgement is waited for. EDK2 and iPXE take their network down when they
/// start what they loaded, and the kernel's retransmissions reach nobody then, for a minute and
/// more, until the started system resets them.
const LAST_ACK: Duration = Duration::from_secs(2);
/// Longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Waits until the machine has the `len` bytes of a body that was handed to the kernel, giving up
/// when it acknowledges nothing for `stall`.
///
/// # Errors
/// Why it does not have them, and how many bytes are missing.
pub async fn delivered(
    stream: &TcpStream,
    len: u64,
    stall: Duration,
) -> Result<(), (SendError, u64)> {
    let mut pause = Duration::from_millis(1);
    let mut watch = Watch::new(stall);
    let (mut least, mut since) = (u64::MAX, Instant::now());
    loop {
        let failed = |error| (SendError::Peer(error), len);
        // Before the count, which stands still once there is an error.
        let error = stream.take_error().map_err(failed)?;
        let missing = unacknowledged(stream).map_err(failed)?;
        if missing == 0 {
            return Ok(());
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
        watch.look(stream).map_err(|cut| (cut, missing))?;
    }
}

/// Whether only the acknowledgement of the end of a body of `len` bytes is missing.
fn is_end(missing: u64, unsent: u64, len: u64) -> bool {
    unsent == 0 && missing <= LAST_BYTES && missing <= len / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_end_that_has_left_may_be_unacknowledged() {
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
