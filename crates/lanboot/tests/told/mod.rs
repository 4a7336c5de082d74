//! What a door tells, as the tests wait for it, and what they serve.

use std::time::{Duration, Instant};

use lanboot_core::journal::{Event, What};
use tokio::sync::mpsc;

/// Nothing in these tests takes this long unless it is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);

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
