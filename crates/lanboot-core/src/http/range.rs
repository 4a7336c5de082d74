//! Parses `Range` fields (RFC 9110 §14.1.2, §14.2).

use std::ops::Range;

use super::limits::MAX_RANGES;

/// The part of a file to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The whole file: no range, or one that is not understood and therefore ignored.
    Whole,
    /// These ranges, in the order requested; at least one, each non-empty and inside the file.
    /// Their total is at most the length of the file, so overlaps cannot multiply the data sent.
    Parts(Vec<Range<u64>>),
    /// None of the ranges exists: 416.
    Unsatisfiable,
    /// The positions are not numbers, as in `bytes=u-u`: 416.
    ///
    /// Sent by iPXE builds whose printf lacks 64-bit formats (ipxe/ipxe#767); 32-bit builds print
    /// signed positions past 2 GiB. RFC 9110 §14.2 lets a server ignore or reject an invalid range.
    /// Such a loader fails either way, and ignoring the range would send it the whole image for
    /// every block.
    Misprinted,
}

/// Parses the value of a `Range` field for a file of `len` bytes.
pub fn select(value: &[u8], len: u64) -> Selection {
    let Some((unit, list)) = split_at_byte(value, b'=') else {
        return Selection::Whole;
    };
    if !unit.trim_ascii().eq_ignore_ascii_case(b"bytes") {
        return Selection::Whole;
    }
    let mut parts = Vec::new();
    let mut count = 0;
    let mut total = 0u64;
    // RFC 9110 §5.6.1.2: empty list elements are skipped.
    for item in list
        .split(|&b| b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|i| !i.is_empty())
    {
        let Some(spec) = Spec::parse(item) else {
            return if is_misprinted(item) {
                Selection::Misprinted
            } else {
                Selection::Whole
            };
        };
        count += 1;
        if count > MAX_RANGES {
            return Selection::Whole;
        }
        if let Some(part) = spec.within(len) {
            total = total.saturating_add(part.end - part.start);
            parts.push(part);
        }
    }
    if count == 0 || total > len {
        return Selection::Whole;
    }
    if !parts.is_empty() {
        return Selection::Parts(parts);
    }
    // A suffix of an empty file is satisfiable, but no Content-Range can say so.
    if len == 0 && !list.contains(&b',') && list.trim_ascii().starts_with(b"-") {
        return Selection::Whole;
    }
    Selection::Unsatisfiable
}

#[derive(Clone, Copy, Debug)]
enum Spec {
    /// First position and optional last position, inclusive.
    From(u64, Option<u64>),
    /// Number of bytes at the end.
    Suffix(u64),
}

impl Spec {
    fn parse(item: &[u8]) -> Option<Self> {
        let (first, last) = split_at_byte(item, b'-')?;
        match (first, last) {
            (b"", n) => Some(Self::Suffix(number(n)?)),
            (first, b"") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                // RFC 9110 §14.1.1: last before first is invalid, not unsatisfiable.
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    fn within(self, len: u64) -> Option<Range<u64>> {
        let part = match self {
            Self::From(first, None) => first..len,
            Self::From(first, Some(last)) => first..last.saturating_add(1).min(len),
            Self::Suffix(n) => len.saturating_sub(n)..len,
        };
        (part.start < part.end).then_some(part)
    }
}

/// Parses a position. One too large for 64 bits is past the end of any file, as is the maximum.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, &b| {
        b.is_ascii_digit()
            .then(|| n.saturating_mul(10).saturating_add(u64::from(b - b'0')))
    })
}

/// Returns whether `item` is the output of a broken printf for `%llu-%llu` (letters for numbers) or
/// `%d` (a minus sign before a position).
fn is_misprinted(item: &[u8]) -> bool {
    let letters = |text: &[u8]| {
        !text.is_empty() && text.iter().all(|b| b.is_ascii_alphabetic() || *b == b'%')
    };
    let signed = |text: &[u8]| text.strip_prefix(b"-").and_then(number).is_some();
    let printed = |text: &[u8]| letters(text) || signed(text) || number(text).is_some();
    // The separating dash is the first one that is not the first position's sign.
    let Some(at) = item.iter().skip(1).position(|&b| b == b'-') else {
        return false;
    };
    let (Some(first), Some(last)) = (item.get(..=at), item.get(at + 2..)) else {
        return false;
    };
    let wrong = letters(first) || signed(first) || letters(last) || signed(last);
    wrong && printed(first) && (last.is_empty() || printed(last))
}

fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(parts: &[Range<u64>]) -> Selection {
        Selection::Parts(parts.to_vec())
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn rfc_forms() {
        for (value, want) in [
            ("bytes=0-0", parts(&[0..1])),
            ("bytes=0-499", parts(&[0..500])),
            ("BYTES=500-999", parts(&[500..1000])),
            ("bytes=-500", parts(&[9500..10000])),
            ("bytes=9500-", parts(&[9500..10000])),
            ("bytes=0-0,-1", parts(&[0..1, 9999..10000])),
            ("bytes= 0-0 ,, 5-6,", parts(&[0..1, 5..7])),
            ("bytes=9999-20000", parts(&[9999..10000])),
            ("bytes=-20000", parts(&[0..10000])),
            ("bytes=0-99999999999999999999999999", parts(&[0..10000])),
            ("bytes=20000-,3-3", parts(&[3..4])),
            ("bytes=10000-", Selection::Unsatisfiable),
            ("bytes=99999999999999999999999-", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=5-2", Selection::Whole),
            ("bytes=0-0,5-2", Selection::Whole),
            ("bytes=", Selection::Whole),
            ("bytes=,", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=0", Selection::Whole),
            ("bytes=0x0-0x5", Selection::Whole),
            ("bytes=1 -2", Selection::Whole),
            ("bytes 0-0", Selection::Whole),
            ("lines=0-0", Selection::Whole),
            ("", Selection::Whole),
        ] {
            assert_eq!(select(value.as_bytes(), 10000), want, "{value}");
        }
    }

    #[test]
    fn misprinted_positions_are_recognised() {
        for value in [
            "bytes=u-u",
            "bytes=lu-lu",
            "bytes=%zd-%zd",
            "bytes=u-",
            "bytes=0-u",
            "bytes=2147481600--2147483648",
            "bytes=-2147483648--2147481601",
        ] {
            assert_eq!(
                select(value.as_bytes(), 10000),
                Selection::Misprinted,
                "{value}"
            );
        }
        for value in [
            "bytes=--5",
            "bytes=a",
            "bytes=-u",
            "bytes=1-2-3",
            "bytes=--",
        ] {
            assert_eq!(select(value.as_bytes(), 10000), Selection::Whole, "{value}");
        }
    }

    #[test]
    fn an_empty_file_has_no_ranges() {
        assert_eq!(select(b"bytes=0-", 0), Selection::Unsatisfiable);
        assert_eq!(select(b"bytes=0-0", 0), Selection::Unsatisfiable);
        assert_eq!(select(b"bytes=-5", 0), Selection::Whole);
    }

    #[test]
    fn overlaps_cannot_multiply_the_data_sent() {
        let value = format!("bytes={}", vec!["0-"; MAX_RANGES].join(","));
        assert_eq!(select(value.as_bytes(), 10000), Selection::Whole);
        let value = format!("bytes={}", vec!["0-0"; MAX_RANGES + 1].join(","));
        assert_eq!(select(value.as_bytes(), 10000), Selection::Whole);
        let value = format!("bytes={}", vec!["99999-"; 1_000_000].join(","));
        assert_eq!(select(value.as_bytes(), 10000), Selection::Whole);
    }

    /// Computes the selection byte by byte.
    fn naive(specs: &[(Option<u64>, Option<u64>)], len: u64) -> Selection {
        let mut out = Vec::new();
        for spec in specs {
            let chosen: Vec<u64> = (0..len)
                .filter(|&at| match *spec {
                    (Some(first), Some(last)) => first <= at && at <= last,
                    (Some(first), None) => first <= at,
                    (None, Some(n)) => at + n >= len,
                    (None, None) => false,
                })
                .collect();
            if let (Some(first), Some(last)) = (chosen.first(), chosen.last()) {
                out.push(*first..*last + 1);
            }
        }
        let invalid = specs
            .iter()
            .any(|s| matches!(s, (Some(a), Some(b)) if a > b));
        let total: u64 = out.iter().map(|p| p.end - p.start).sum();
        match out {
            _ if invalid || total > len || specs.len() > MAX_RANGES => Selection::Whole,
            out if out.is_empty() => Selection::Unsatisfiable,
            out => Selection::Parts(out),
        }
    }

    fn any_spec() -> impl Strategy<Value = (Option<u64>, Option<u64>)> {
        prop_oneof![
            (0..80u64, 0..80u64).prop_map(|(a, b)| (Some(a), Some(b))),
            (0..80u64).prop_map(|a| (Some(a), None)),
            (0..80u64).prop_map(|n| (None, Some(n))),
        ]
    }

    proptest! {
        #[test]
        fn ranges_equal_a_naive_selection(
            specs in proptest::collection::vec(any_spec(), 1..5), len in 1..64u64,
        ) {
            let text = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
            let list: Vec<String> =
                specs.iter().map(|(a, b)| format!("{}-{}", text(*a), text(*b))).collect();
            let value = format!("bytes={}", list.join(", "));
            prop_assert_eq!(select(value.as_bytes(), len), naive(&specs, len), "{}", value);
        }

        #[test]
        fn ranges_stay_inside_the_file(
            value in "bytes=[0-9u,\\- ]{0,40}", len in 0..2000u64,
        ) {
            if let Selection::Parts(parts) = select(value.as_bytes(), len) {
                prop_assert!(!parts.is_empty() && parts.len() <= MAX_RANGES);
                prop_assert!(parts.iter().all(|p| p.start < p.end && p.end <= len));
                prop_assert!(parts.iter().map(|p| p.end - p.start).sum::<u64>() <= len);
            }
        }

        #[test]
        fn nothing_panics(value in proptest::collection::vec(any::<u8>(), 0..64), len: u64) {
            let _ = select(&value, len);
            let _ = select(&[&b"bytes="[..], &value].concat(), len);
        }
    }
}
