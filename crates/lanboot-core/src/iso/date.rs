//! The two date formats of ECMA-119, converted to seconds since 1970 UTC.

use crate::storage::calendar;

/// Parses seven bytes: years since 1900, month, day, hour, minute, second, and the offset from UTC
/// in quarters of an hour (§9.1.5). `None` if unset or not a date.
pub(super) fn short(bytes: &[u8]) -> Option<i64> {
    let &[year, month, day, hour, minute, second, zone] = bytes.first_chunk::<7>()?;
    let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(i64::from);
    seconds(
        1900 + i64::from(year),
        month,
        day,
        hour,
        minute,
        second,
        zone,
    )
}

/// Parses sixteen digits `YYYYMMDDHHMMSScc` and the same offset (§8.4.26.1).
pub(super) fn long(bytes: &[u8]) -> Option<i64> {
    let (digits, rest) = bytes.split_first_chunk::<16>()?;
    let &zone = rest.first()?;
    let number = |from: usize, to: usize| -> Option<i64> {
        std::str::from_utf8(digits.get(from..to)?)
            .ok()?
            .parse()
            .ok()
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    seconds(
        number(0, 4)?,
        number(4, 6)?,
        number(6, 8)?,
        number(8, 10)?,
        number(10, 12)?,
        number(12, 14)?,
        zone,
    )
}

fn seconds(
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    zone: u8,
) -> Option<i64> {
    // Out-of-range offsets are ignored, as Linux does (§9.1.5 allows -48 to +52).
    let zone = match i64::from(zone.cast_signed()) {
        zone @ -52..=52 => zone,
        _ => 0,
    };
    let local = calendar::seconds(year, month, day, hour, minute, second)?;
    Some(local - zone * 900)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_seconds_since_1970() {
        assert_eq!(short(&[70, 1, 1, 0, 0, 0, 0]), Some(0));
        assert_eq!(short(&[80, 2, 29, 12, 0, 0, 0]), Some(320_673_600));
        // date -u -d '2026-03-01 10:20:30 +0200' +%s
        assert_eq!(short(&[126, 3, 1, 10, 20, 30, 8]), Some(1_772_353_230));
        assert_eq!(
            short(&[126, 3, 1, 10, 20, 30, 0xf8]),
            Some(1_772_353_230 + 4 * 3600)
        );
        assert_eq!(long(b"2026030110203000\x08"), Some(1_772_353_230));
        assert_eq!(long(b"1969123123595900\0"), Some(-1));
    }

    #[test]
    fn invalid_dates_are_none() {
        assert_eq!(short(&[0; 7]), None);
        assert_eq!(short(&[100, 13, 1, 0, 0, 0, 0]), None);
        assert_eq!(short(&[100, 1, 1]), None);
        assert_eq!(long(b"0000000000000000\0"), None);
        assert_eq!(long(b"2026+3 110203000\0"), None);
    }
}
