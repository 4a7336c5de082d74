//! Times of server detection.

use std::time::Duration;

/// Time for other servers to answer the first probe. Most routers answer at once; dnsmasq
/// pings the address it is going to offer for 3 s.
pub(super) const PROBE_TIME: Duration = Duration::from_secs(4);
/// Time after which the first probe is sent again: one packet may be lost.
pub(super) const PROBE_REPEAT: Duration = Duration::from_secs(1);
/// Longest pause between two probes while lanboot hands out addresses; the shortest is three
/// quarters of it. With dnsmasq's ping, a new server is heard within 14 s.
pub(super) const SERVER_PROBE_PAUSE: Duration = Duration::from_secs(10);
/// Longest pause before a new server probes again, for two that were started together.
pub(super) const FIRST_PROBE_PAUSE: Duration = Duration::from_secs(3);
/// Longest pause between two probes where the operator wants addresses handed out in any case.
pub(super) const FORCED_PROBE_PAUSE: Duration = Duration::from_secs(60);
/// Time from hearing another server to stepping down, in which a lanboot can announce itself. The
/// probe is sent four times in it, for one may be lost.
pub const STEP_DOWN_DELAY: Duration = Duration::from_secs(1);
/// Validity of an announcement. A lanboot that hands out addresses repeats it at least every ten
/// seconds; afterwards something else may run at its address.
pub(super) const ANNOUNCEMENT_TIME: Duration = Duration::from_secs(35);
/// Shortest time between two warnings about one server.
pub(super) const WARNING_PAUSE: Duration = Duration::from_secs(600);
/// Returns whether an announcement made at `at` still counts.
pub(super) fn is_fresh(at: Duration, now: Duration) -> bool {
    now < at.saturating_add(ANNOUNCEMENT_TIME)
}

/// Returns a part of `time`: from three quarters to all of it, from a sixth of a short one.
pub(super) fn spread(time: Duration, random: u64) -> Duration {
    let part = u32::try_from(random % 1000).unwrap_or(0);
    let least = match time <= FIRST_PROBE_PAUSE {
        true => time / 6,
        false => time * 3 / 4,
    };
    least + (time - least) * part / 1000
}
