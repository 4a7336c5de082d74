//! The token bucket behind every limit on what is logged.

use std::time::Duration;

/// Frequency at which something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Times at once.
    pub burst: u32,
    /// Time in which as many are allowed again.
    pub refill: Duration,
}

/// A bucket that starts full, and holds as many tokens as its [`RateLimit`] allows times at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenBucket {
    /// Tokens that are missing.
    spent: u32,
    /// Until when tokens have been given back.
    filled: Duration,
}

impl TokenBucket {
    /// Takes a token, if there is one at `now`.
    pub fn take(&mut self, limit: RateLimit, now: Duration) -> bool {
        let has_token = self.has_token(limit, now);
        if has_token {
            self.spend();
        }
        has_token
    }

    /// Returns whether there is a token at `now`.
    pub fn has_token(&mut self, limit: RateLimit, now: Duration) -> bool {
        self.fill(limit, now);
        self.spent < limit.burst
    }

    /// Takes a token that is there.
    pub fn spend(&mut self) {
        self.spent = self.spent.saturating_add(1);
    }

    fn fill(&mut self, limit: RateLimit, now: Duration) {
        // The host's clock was set back.
        self.filled = self.filled.min(now);
        let pause = limit.refill / limit.burst.max(1);
        let earned = (now - self.filled).as_nanos() / pause.as_nanos().max(1);
        match u32::try_from(earned) {
            Ok(earned) if earned < self.spent => {
                self.spent -= earned;
                self.filled += pause * earned;
            }
            _ => {
                self.spent = 0;
                self.filled = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_token_comes_back_after_the_whole_time() {
        let limit = RateLimit {
            burst: 1,
            refill: at(10),
        };
        let mut bucket = TokenBucket::default();
        let taken = [1000, 1000, 1009, 1010, 1011, 1020].map(|now| bucket.take(limit, at(now)));
        assert_eq!(taken, [true, false, false, true, false, true]);
    }

    #[test]
    fn tokens_come_back_one_by_one() {
        let limit = RateLimit {
            burst: 4,
            refill: at(40),
        };
        let mut bucket = TokenBucket::default();
        let mut taken = |now| (0..8).filter(|_| bucket.take(limit, at(now))).count();
        assert_eq!(
            [1000, 1009, 1010, 1035, 9000].map(&mut taken),
            [4, 0, 1, 2, 4]
        );
    }

    #[test]
    fn a_clock_that_is_set_back_costs_one_refill_at_most() {
        let limit = RateLimit {
            burst: 1,
            refill: at(10),
        };
        let mut bucket = TokenBucket::default();
        assert!(bucket.take(limit, at(1000)));
        assert!(!bucket.take(limit, at(100)));
        assert!(bucket.take(limit, at(110)));
    }
}
