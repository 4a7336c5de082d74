//! HTTP dates (RFC 9110 §5.6.7): formatted in the preferred form, parsed in all three.

use crate::bytes::Reader;

/// The last second of the year 9999, the latest the format can express.
const LAST: i64 = 253_402_300_799;
const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Formats `seconds` since 1970 UTC as `Sun, 06 Nov 1994 08:49:37 GMT`; `None` before 1970 and
/// after 9999.
pub fn format(seconds: i64) -> Option<String> {
    if !(0..=LAST).contains(&seconds) {
        return None;
    }
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let weekday = WEEKDAYS.get(usize::try_from(days % 7).ok()?)?;
    let month = MONTHS.get(usize::try_from(month - 1).ok()?)?;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!(
        "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
    ))
}

/// Parses a date in any of the three forms into seconds since 1970 UTC; `None` for anything else.
///
/// A weekday that does not match the date is accepted.
pub fn parse(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let comma = text.iter().position(|&b| b == b',');
    let Some(comma) = comma else {
        return parse_asctime(text);
    };
    let mut rest = Reader::new(text.get(comma + 1..)?);
    literal(&mut rest, b" ")?;
    let day = number(&mut rest, 2)?;
    let separator = rest.u8("separator").ok()?;
    let month = month(&mut rest)?;
    literal(&mut rest, &[separator])?;
    let year = match separator {
        b' ' => number(&mut rest, 4)?,
        // The obsolete RFC 850 form has two digits. No file is older than 1970, so they pivot
        // there.
        b'-' => match number(&mut rest, 2)? {
            year if year < 70 => 2000 + year,
            year => 1900 + year,
        },
        _ => return None,
    };
    literal(&mut rest, b" ")?;
    let time = time(&mut rest)?;
    literal(&mut rest, b" GMT")?;
    rest.is_empty().then_some(())?;
    Some(days(year, month, day)? * DAY + time)
}

/// Parses the form of C's `asctime`: `Sun Nov  6 08:49:37 1994`.
fn parse_asctime(text: &[u8]) -> Option<i64> {
    let mut rest = Reader::new(text);
    rest.take(3, "weekday").ok()?;
    literal(&mut rest, b" ")?;
    let month = month(&mut rest)?;
    literal(&mut rest, b" ")?;
    let day = match rest.array::<2>("day").ok()? {
        [b' ', digit] => number(&mut Reader::new(&[digit]), 1)?,
        both => number(&mut Reader::new(&both), 2)?,
    };
    literal(&mut rest, b" ")?;
    let time = time(&mut rest)?;
    literal(&mut rest, b" ")?;
    let year = number(&mut rest, 4)?;
    rest.is_empty().then_some(())?;
    Some(days(year, month, day)? * DAY + time)
}

fn literal(rest: &mut Reader<'_>, text: &[u8]) -> Option<()> {
    (rest.take(text.len(), "literal").ok()? == text).then_some(())
}

fn number(rest: &mut Reader<'_>, digits: usize) -> Option<i64> {
    rest.take(digits, "number")
        .ok()?
        .iter()
        .try_fold(0, |n, &b| {
            b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
        })
}

fn month(rest: &mut Reader<'_>) -> Option<i64> {
    let name = rest.take(3, "month").ok()?;
    let at = MONTHS.iter().position(|m| m.as_bytes() == name)?;
    i64::try_from(at + 1).ok()
}

fn time(rest: &mut Reader<'_>) -> Option<i64> {
    let hour = number(rest, 2)?;
    literal(rest, b":")?;
    let minute = number(rest, 2)?;
    literal(rest, b":")?;
    let second = number(rest, 2)?;
    // 60 is a leap second.
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Returns year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years
/// start in March here, so that the leap day is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Returns the day number of a date; `None` for an invalid date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let march_year = year - i64::from(month <= 2);
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_three_forms_are_parsed() {
        let moment = 784_111_777;
        assert_eq!(
            format(moment).as_deref(),
            Some("Sun, 06 Nov 1994 08:49:37 GMT")
        );
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(moment), "{text}");
        }
    }

    #[test]
    fn calendar_limits() {
        assert_eq!(format(0).as_deref(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert_eq!(
            format(951_782_400).as_deref(),
            Some("Tue, 29 Feb 2000 00:00:00 GMT")
        );
        assert_eq!(
            format(LAST).as_deref(),
            Some("Fri, 31 Dec 9999 23:59:59 GMT")
        );
        for outside in [-1, LAST + 1, i64::MIN, i64::MAX] {
            assert_eq!(format(outside), None);
        }
    }

    #[test]
    fn invalid_dates_are_none() {
        for text in [
            "",
            ",",
            "0",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT+1",
            "Sun, 06 Nov -994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_round_trip(moment in 0..=LAST) {
            prop_assert_eq!(parse(format(moment).unwrap().as_bytes()), Some(moment));
        }

        #[test]
        fn nothing_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&text);
        }
    }
}
