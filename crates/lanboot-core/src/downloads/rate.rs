//! Rate of a download and the time it still takes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::events::bytes;

/// Time over which the rate is averaged.
const WINDOW: Duration = Duration::from_secs(15);
/// Shortest time between two samples.
const INTERVAL: Duration = Duration::from_millis(500);

/// Bytes received over the last seconds.
#[derive(Debug, Default)]
pub struct Rate {
    /// Times since the start, with the bytes received by then; the newest last.
    samples: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// Notes that `received` bytes have arrived `elapsed` after the start.
    pub fn note(&mut self, elapsed: Duration, received: u64) {
        let is_due = self
            .samples
            .back()
            .is_none_or(|(last, _)| elapsed >= *last + INTERVAL);
        if !is_due {
            return;
        }
        self.samples.push_back((elapsed, received));
        // One sample stays that is older than the window, so that a slow download has a rate.
        while self
            .samples
            .get(1)
            .is_some_and(|(second, _)| *second + WINDOW <= elapsed)
        {
            self.samples.pop_front();
        }
    }

    /// Returns the bytes per second `elapsed` after the start; `None` before there is anything to
    /// measure.
    pub fn per_second(&self, elapsed: Duration, received: u64) -> Option<u64> {
        let (since, before) = *self.samples.front()?;
        let millis = elapsed.checked_sub(since)?.as_millis();
        if millis < INTERVAL.as_millis() {
            return None;
        }
        let amount = u128::from(received.checked_sub(before)?);
        u64::try_from(amount * 1000 / millis).ok()
    }
}

/// Returns a line such as `512 MiB of 2.0 GiB (25%), 10 MiB/s, 2 min 33 s left`.
pub fn progress_line(received: u64, total: Option<u64>, per_second: Option<u64>) -> String {
    let mut line = bytes(received);
    if let Some(total) = total {
        let percent = u128::from(received) * 100 / u128::from(total.max(1));
        line = format!("{line} of {} ({percent}%)", bytes(total));
    }
    if let Some(rate) = per_second {
        line = format!("{line}, {}/s", bytes(rate));
        if let Some(left) = total.and_then(|total| total.checked_sub(received))
            && left > 0
            && rate > 0
        {
            line = format!("{line}, {} left", duration(left.div_ceil(rate)));
        }
    }
    line
}

/// Returns a time in words: `45 s`, `2 min 5 s`, `3 h 10 min`.
pub fn duration(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min {} s", seconds / MINUTE, seconds % MINUTE),
        _ => format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(Duration::ZERO, 0), None);
        // Resumed: what was there already is no rate.
        let begun = 1000 * MIB;
        for second in 0..=100 {
            rate.note(Duration::from_secs(second), begun + second * MIB);
        }
        let now = Duration::from_secs(100);
        assert_eq!(rate.per_second(now, begun + 100 * MIB), Some(MIB));
        assert!(rate.samples.len() < 20);
        // Nothing more arrives.
        for second in 101..=130 {
            rate.note(Duration::from_secs(second), begun + 100 * MIB);
        }
        let now = Duration::from_secs(130);
        assert_eq!(rate.per_second(now, begun + 100 * MIB), Some(0));
    }

    #[test]
    fn lines_say_what_is_known() {
        let all = progress_line(512 * MIB, Some(2048 * MIB), Some(10 * MIB));
        assert!(
            all.contains("(25%)") && all.ends_with("2 min 34 s left"),
            "{all}"
        );
        let stalled = progress_line(MIB, Some(2 * MIB), Some(0));
        assert!(!stalled.contains("left"), "{stalled}");
        let unknown = progress_line(MIB, None, Some(MIB));
        assert!(
            !unknown.contains("of") && unknown.ends_with("/s"),
            "{unknown}"
        );
        assert!(progress_line(0, Some(0), None).contains("(0%)"));
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(3 * 3600 + 600), "3 h 10 min");
    }
}
