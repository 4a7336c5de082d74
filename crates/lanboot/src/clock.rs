//! Formats clock times for people and for machines.

use std::time::Duration;

/// Formats a time since 1970 UTC as `HH:MM:SS` in the host's time zone.
pub fn local(at: Duration) -> String {
    let seconds = libc::time_t::try_from(at.as_secs()).unwrap_or(0);
    // SAFETY: `tm` is plain integers and a pointer that is never read here; zeros are valid.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call; the result goes into `parts`.
    unsafe { libc::localtime_r(&raw const seconds, &raw mut parts) };
    format!(
        "{:02}:{:02}:{:02}",
        parts.tm_hour, parts.tm_min, parts.tm_sec
    )
}

/// Formats a time since 1970 UTC as RFC 3339 with milliseconds: `2026-11-22T10:04:05.678Z`.
pub fn rfc3339(at: Duration) -> String {
    let (days, second) = (at.as_secs() / 86_400, at.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        at.subsec_millis()
    )
}

/// Returns the Gregorian date of a day since 1970, computed in eras of 400 years that begin on 1
/// March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_795_348_800, "2026-11-22T12:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), text);
        }
    }
}
