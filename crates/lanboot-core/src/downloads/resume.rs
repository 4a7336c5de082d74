//! Decides from where a partial file is continued, and what a server's answer makes of it (RFC 9110, sections
//! 13.1.5, 14 and 15.3.7).

use std::fmt;

use super::Checksum;
use super::checksums::parse_hex;

/// The facts about a partial file: kept beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartState {
    /// Address it came from.
    pub url: String,
    /// `ETag` of the answer.
    pub etag: Option<String>,
    /// `Last-Modified` of the answer.
    pub last_modified: Option<String>,
    /// Length of the whole file.
    pub length: Option<u64>,
    /// Checksum of the whole file, in hexadecimal digits.
    pub checksum: Option<String>,
}

/// Condition of a request for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `If-Range` with this value: the rest, if the file is still the same, else the whole.
    IfRange(String),
    /// None: the checksum of the whole file decides.
    Checksum,
}

/// The beginning of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With the first byte.
    Whole(Option<Discarded>),
    /// With the byte behind the partial file.
    From {
        /// Length of the partial file.
        offset: u64,
        /// Condition of the request.
        condition: Condition,
    },
}

/// The reason why a partial file is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// Nothing beside it says what it is a part of.
    Unknown,
    /// It is part of a file with another checksum.
    OtherChecksum,
    /// It is longer than the whole file.
    TooLong,
    /// Neither a checksum nor the server can confirm that the rest belongs to it.
    Unconfirmed,
    /// The server has another file now.
    Changed,
    /// The server does not send parts.
    NoRanges,
}

impl fmt::Display for Discarded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Unknown => "nothing beside it says what it is a part of",
            Self::OtherChecksum => "it is part of another version",
            Self::TooLong => "it is longer than the whole file",
            Self::Unconfirmed => "nothing can confirm that the rest belongs to it",
            Self::Changed => "the server has another file now",
            Self::NoRanges => "the server does not send parts of files",
        })
    }
}

/// Decides how the download of `url` begins, with `offset` bytes at hand from an earlier one. `expected`
/// is the checksum the whole file must have; `is_own` is true if this process wrote all these bytes.
pub fn begin(
    state: Option<&PartState>,
    offset: u64,
    url: &str,
    expected: Option<&Checksum>,
    is_own: bool,
) -> Begin {
    if offset == 0 {
        return Begin::Whole(None);
    }
    let Some(state) = state else {
        return Begin::Whole(Some(Discarded::Unknown));
    };
    let recorded = state.checksum.as_deref().and_then(parse_hex);
    if recorded.as_ref() != expected {
        return Begin::Whole(Some(Discarded::OtherChecksum));
    }
    if state.length.is_some_and(|length| offset > length) {
        return Begin::Whole(Some(Discarded::TooLong));
    }
    let condition = match validator(state).filter(|_| state.url == url) {
        // Without a checksum nothing would reveal bytes of an earlier process that a crash of the host
        // lost.
        Some(value) if is_own || expected.is_some() => Condition::IfRange(value.to_owned()),
        _ if expected.is_some() => Condition::Checksum,
        _ => return Begin::Whole(Some(Discarded::Unconfirmed)),
    };
    Begin::From { offset, condition }
}

/// Returns a value for `If-Range`: a strong entity tag, else a date.
fn validator(state: &PartState) -> Option<&str> {
    let strong = state.etag.as_deref().filter(|tag| tag.starts_with('"'));
    strong.or(state.last_modified.as_deref())
}

/// An answer to a request for the rest, as far as it decides how to go on.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Status code.
    pub status: u16,
    /// `Content-Range`.
    pub content_range: Option<&'a str>,
    /// `Content-Length`.
    pub content_length: Option<u64>,
}

/// The consequence of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continued {
    /// The body is the whole file; `length` is its length, and `discarded` the reason why what was at
    /// hand is not used.
    Whole {
        /// Length of the file.
        length: Option<u64>,
        /// Reason, if anything was at hand.
        discarded: Option<Discarded>,
    },
    /// The body is the rest of the file, whose whole length this is.
    Rest {
        /// Length of the file.
        length: u64,
    },
    /// Everything is at hand.
    Complete,
    /// The answer is of no use here: the file has to be asked for again, from its first byte.
    AskForWhole(Discarded),
    /// The server refuses, with this status.
    Refused(u16),
}

/// Decides what an answer means, with `offset` bytes at hand of a file of the length `known`.
pub fn answer(answer: Answer<'_>, offset: u64, known: Option<u64>) -> Continued {
    match answer.status {
        200 => Continued::Whole {
            length: answer.content_length,
            discarded: (offset > 0).then_some(Discarded::Changed),
        },
        206 => match answer.content_range.and_then(range) {
            Some((start, end, Some(length)))
                if start == offset
                    && end.checked_add(1) == Some(length)
                    && known.is_none_or(|known| known == length) =>
            {
                Continued::Rest { length }
            }
            Some((start, _, Some(_))) if start == offset => {
                Continued::AskForWhole(Discarded::Changed)
            }
            _ => Continued::AskForWhole(Discarded::NoRanges),
        },
        416 => match answer.content_range.and_then(unsatisfied) {
            Some(length) if length == offset && offset > 0 => Continued::Complete,
            Some(_) => Continued::AskForWhole(Discarded::Changed),
            None => Continued::AskForWhole(Discarded::NoRanges),
        },
        status => Continued::Refused(status),
    }
}

/// Reads `bytes 10-99/100`, or `bytes 10-99/*`.
fn range(field: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, length) = field.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (number(start)?, number(end)?);
    let length = match length {
        "*" => None,
        length => Some(number(length)?),
    };
    (start <= end).then_some((start, end, length))
}

/// Reads `bytes */100`.
fn unsatisfied(field: &str) -> Option<u64> {
    number(field.trim().strip_prefix("bytes */")?)
}

fn number(digits: &str) -> Option<u64> {
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const URL: &str = "https://h/a.iso";

    fn sum(digit: &str) -> Checksum {
        parse_hex(&digit.repeat(64)).unwrap()
    }

    fn state() -> PartState {
        PartState {
            url: URL.to_owned(),
            etag: Some("\"strong\"".to_owned()),
            last_modified: Some("Fri, 27 Nov 2026 01:00:00 GMT".to_owned()),
            length: Some(100),
            checksum: Some(sum("a").hex),
        }
    }

    #[test]
    fn a_part_is_continued_only_if_it_is_of_the_same_file() {
        let expected = sum("a");
        let of =
            |state: PartState, offset| begin(Some(&state), offset, URL, Some(&expected), false);
        let from = |condition: Condition| Begin::From {
            offset: 10,
            condition,
        };
        let if_range = |value: &str| from(Condition::IfRange(value.to_owned()));
        assert_eq!(of(state(), 0), Begin::Whole(None));
        assert_eq!(of(state(), 10), if_range("\"strong\""));
        let weak = PartState {
            etag: Some("W/\"weak\"".to_owned()),
            ..state()
        };
        assert_eq!(of(weak, 10), if_range("Fri, 27 Nov 2026 01:00:00 GMT"));
        let bare = PartState {
            etag: None,
            last_modified: None,
            ..state()
        };
        assert_eq!(of(bare, 10), from(Condition::Checksum));
        let mirror = begin(
            Some(&state()),
            10,
            "https://other/a.iso",
            Some(&expected),
            false,
        );
        assert_eq!(mirror, from(Condition::Checksum));
        for (offset, state, expected, reason) in [
            (10, None, Some(sum("a")), Discarded::Unknown),
            (10, Some(state()), Some(sum("b")), Discarded::OtherChecksum),
            (10, Some(state()), None, Discarded::OtherChecksum),
            (101, Some(state()), Some(sum("a")), Discarded::TooLong),
        ] {
            let begun = begin(state.as_ref(), offset, URL, expected.as_ref(), false);
            assert_eq!(begun, Begin::Whole(Some(reason)));
        }
        let unchecked = PartState {
            checksum: None,
            ..state()
        };
        let of = |is_own| begin(Some(&unchecked), 10, URL, None, is_own);
        assert_eq!(of(false), Begin::Whole(Some(Discarded::Unconfirmed)));
        assert_eq!(of(true), if_range("\"strong\""));
    }

    #[test]
    fn answers_are_believed_only_if_they_fit() {
        let of = |status, range: Option<&str>| {
            let fields = Answer {
                status,
                content_range: range,
                content_length: Some(90),
            };
            answer(fields, 10, Some(100))
        };
        let again = Continued::AskForWhole;
        for (status, range, expected) in [
            (
                206,
                Some("bytes 10-99/100"),
                Continued::Rest { length: 100 },
            ),
            (206, Some("bytes 10-49/100"), again(Discarded::Changed)),
            (206, Some("bytes 10-199/200"), again(Discarded::Changed)),
            (206, Some("bytes 0-99/100"), again(Discarded::NoRanges)),
            (206, Some("bytes 10-99/*"), again(Discarded::NoRanges)),
            (
                206,
                Some("bytes 10-18446744073709551615/100"),
                again(Discarded::Changed),
            ),
            (206, None, again(Discarded::NoRanges)),
            (416, Some("bytes */10"), Continued::Complete),
            (416, Some("bytes */5"), again(Discarded::Changed)),
            (416, None, again(Discarded::NoRanges)),
            (404, None, Continued::Refused(404)),
            (503, None, Continued::Refused(503)),
        ] {
            assert_eq!(of(status, range), expected, "{status} {range:?}");
        }
        let whole = |discarded| Continued::Whole {
            length: Some(90),
            discarded,
        };
        assert_eq!(of(200, None), whole(Some(Discarded::Changed)));
        let fresh = Answer {
            status: 200,
            content_range: None,
            content_length: Some(90),
        };
        assert_eq!(answer(fresh, 0, None), whole(None));
    }

    proptest! {
        #[test]
        fn any_range_is_read_without_a_panic(field in ".*", digits in "bytes [0-9*/-]{0,40}", offset: u64) {
            for field in [field.as_str(), digits.as_str()] {
                for status in [206, 416] {
                    let fields = Answer { status, content_range: Some(field), content_length: None };
                    if let Continued::Rest { length } = answer(fields, offset, None) {
                        prop_assert!(length > offset);
                    }
                }
            }
        }
    }
}
