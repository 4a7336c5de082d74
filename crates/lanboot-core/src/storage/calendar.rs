//! Dates of media, converted to seconds since 1970.

/// Returns the seconds from 1970-01-01 00:00:00 to this date and time of the Gregorian calendar, for
/// years from 0 on; `None` if it is no date.
pub(crate) fn seconds(
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
) -> Option<i64> {
    let fits = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !fits {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Returns days since 1970-01-01 in the proleptic Gregorian calendar, for years from 0 on. The year
/// starts in March here, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    // 0000-03-01 is 719468 days before 1970-01-01.
    year * 365 + leaps + day_of_year - 719_468
}
