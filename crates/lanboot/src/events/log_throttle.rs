//! The limit of log lines that a listener repeats for every connection or packet.

use std::time::Duration;

use lanboot_core::events::rate_limit::{RateLimit, TokenBucket};

use crate::events::bus;

/// One line of a kind in ten seconds.
const LIMIT: RateLimit = RateLimit {
    burst: 1,
    refill: Duration::from_secs(10),
};

/// Limits the rate of one log line.
#[derive(Debug, Default)]
pub struct LogThrottle {
    bucket: TokenBucket,
}

impl LogThrottle {
    /// Returns whether the line may be logged (again).
    pub fn is_due(&mut self) -> bool {
        self.bucket.take(LIMIT, bus::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_throttled() {
        let mut throttle = LogThrottle::default();
        assert!(throttle.is_due());
        assert!(!throttle.is_due());
    }
}
