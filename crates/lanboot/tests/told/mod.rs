//! What a door tells, as the tests wait for it, and what they serve.

use std::time::{Duration, Instant};

use lanboot_core::journal::{Event, What};
use tokio::sync::mpsc;

/// Nothing in these tests takes this long unless it is broken, on a machine that has much else to
/// do. Shorter than what the doors allow an idle connection.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The next event that `wanted` accepts.
pub fn event<T>(
    events: &mut mpsc::Receiver<Event>,
    mut wanted: impl FnMut(&What) -> Option<T>,
) -> T {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        match events.try_recv() {
            Ok(event) => {
                if let Some(found) = wanted(&event.what) {
                    return found;
                }
            }
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    panic!("the event did not come within {DEADLINE:?}");
}

/// Bytes no two blocks of which are alike, the same in every run; `len` is a multiple of eight.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}
