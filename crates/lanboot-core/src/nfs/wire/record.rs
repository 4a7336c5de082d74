//! Record marking (RFC 5531 §11): splits a TCP stream into messages.
//!
//! A record is a sequence of fragments, each preceded by four bytes with its length; the topmost
//! bit marks the last one. A call in a single complete fragment, as sent by every known client, is
//! borrowed from the input without a copy.

use super::super::limits::{KEPT_BYTES, MAX_FRAGMENTS, MAX_RECORD_BYTES};

/// Length of a fragment's mark, in bytes.
pub const MARK_BYTES: usize = 4;
const LAST: u32 = 1 << 31;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The message, or its first [`KEPT_BYTES`].
    pub bytes: &'a [u8],
}

/// Reason a stream is not a valid sequence of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A record longer than [`MAX_RECORD_BYTES`].
    #[error("it announces a message of more than {MAX_RECORD_BYTES} bytes")]
    TooLong,
    /// A record of more than [`MAX_FRAGMENTS`].
    #[error("it sends one message in more than {MAX_FRAGMENTS} fragments")]
    TooManyFragments,
}

reason_codes!(Refused {
    Self::TooLong => "record_too_long",
    Self::TooManyFragments => "too_many_fragments",
});

/// Assembles the records of one stream.
#[derive(Debug, Default)]
pub struct Records {
    /// Bytes of a record that has several fragments or is longer than [`KEPT_BYTES`].
    stored: Vec<u8>,
    /// Bytes of this record so far, including announced ones.
    total: usize,
    /// Bytes of the current fragment still to come.
    left: usize,
    fragments: u32,
    is_last: bool,
    /// True once the record in `stored` was returned.
    is_over: bool,
}

impl Records {
    /// Returns the next complete record of `input` and advances past it; `None` if more must be
    /// read. Bytes then left in `input` must be passed in again before the new ones, and are at
    /// most [`KEPT_BYTES`] and a mark.
    ///
    /// # Errors
    /// After an error the stream is unusable.
    pub fn next<'r, 'i: 'r>(
        &'r mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Record<'r>>, Refused> {
        if self.is_over {
            *self = Self::default();
        }
        loop {
            if self.left > 0 {
                self.keep(input);
                if self.left > 0 {
                    return Ok(None);
                }
            }
            if self.fragments > 0 && self.is_last {
                self.is_over = true;
                return Ok(Some(Record {
                    bytes: &self.stored,
                }));
            }
            let Some((mark, rest)) = input.split_first_chunk::<MARK_BYTES>() else {
                return Ok(None);
            };
            let mark = u32::from_be_bytes(*mark);
            let len = usize::try_from(mark & !LAST).map_err(|_| Refused::TooLong)?;
            if len > MAX_RECORD_BYTES - self.total {
                return Err(Refused::TooLong);
            }
            if self.fragments >= MAX_FRAGMENTS {
                return Err(Refused::TooManyFragments);
            }
            let is_last = mark & LAST != 0;
            if self.fragments == 0 && is_last && len <= KEPT_BYTES {
                let Some((bytes, behind)) = rest.split_at_checked(len) else {
                    return Ok(None);
                };
                *input = behind;
                return Ok(Some(Record { bytes }));
            }
            *input = rest;
            self.is_last = is_last;
            self.fragments += 1;
            self.total += len;
            self.left = len;
        }
    }

    /// Returns whether an incomplete record has begun.
    pub fn is_mid_record(&self) -> bool {
        self.fragments > 0 && !self.is_over
    }

    fn keep(&mut self, input: &mut &[u8]) {
        let here = self.left.min(input.len());
        let (part, rest) = input.split_at_checked(here).unwrap_or_default();
        let space = KEPT_BYTES.saturating_sub(self.stored.len());
        self.stored
            .extend_from_slice(part.get(..space).unwrap_or(part));
        self.left -= part.len();
        *input = rest;
    }
}

/// Returns the mark of a single-fragment record of `len` bytes.
pub fn mark(len: u64) -> [u8; MARK_BYTES] {
    // Nothing sent here comes near two gigabytes.
    let len = u32::try_from(len).unwrap_or(LAST - 1).min(LAST - 1);
    (len | LAST).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `stream` in steps of `step` bytes, like a connection.
    fn feed(stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, Refused> {
        let mut records = Records::default();
        let mut found = Vec::new();
        let mut buffer: Vec<u8> = Vec::new();
        for part in stream.chunks(step.max(1)) {
            buffer.extend_from_slice(part);
            let mut input = &buffer[..];
            while let Some(record) = records.next(&mut input)? {
                found.push(record.bytes.to_vec());
            }
            let left = input.len();
            assert!(left <= KEPT_BYTES + MARK_BYTES);
            buffer.drain(..buffer.len() - left);
        }
        Ok(found)
    }

    fn fragment(bytes: &[u8], is_last: bool) -> Vec<u8> {
        let len = u32::try_from(bytes.len()).unwrap() | if is_last { LAST } else { 0 };
        [&len.to_be_bytes()[..], bytes].concat()
    }

    #[test]
    fn too_long_records_are_rejected_at_their_mark() {
        for mark in [u32::MAX, LAST - 1, LAST | 0x11_0001] {
            assert_eq!(feed(&mark.to_be_bytes(), 4), Err(Refused::TooLong));
        }
        // Also as many fragments.
        let many = fragment(&[7; 1000], false).repeat(1200);
        assert_eq!(feed(&many, 1 << 16), Err(Refused::TooLong));
        assert_eq!(Records::default().stored.capacity(), 0);
    }

    #[test]
    fn a_hundred_thousand_empty_fragments_are_refused() {
        let empty = fragment(&[], false).repeat(100_000);
        assert_eq!(feed(&empty, 1000), Err(Refused::TooManyFragments));
    }

    #[test]
    fn long_records_are_truncated_and_the_next_one_is_found() {
        let long: Vec<u8> = (0..=255).cycle().take(1024 * 1024 + 200).collect();
        let stream = [fragment(&long, true), fragment(b"next", true)].concat();
        for step in [1000, 65536, 1 << 21] {
            let found = feed(&stream, step).unwrap();
            assert_eq!(found.len(), 2);
            assert!(found[0] == long[..KEPT_BYTES]);
            assert_eq!(found[1], b"next");
        }
    }

    proptest! {
        #[test]
        fn records_do_not_depend_on_segmentation(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..6),
            cuts in proptest::collection::vec(0..20usize, 1..30), step in 1..50usize,
        ) {
            let mut cuts = cuts.iter().copied().cycle();
            let mut stream = Vec::new();
            for message in &messages {
                let mut rest = &message[..];
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(cuts.next().unwrap().clamp(1, rest.len()));
                    stream.extend(fragment(now, false));
                    stream.extend(fragment(&[], false));
                    rest = later;
                }
                stream.extend(fragment(&[], true));
            }
            prop_assert_eq!(feed(&stream, step).unwrap(), messages);
        }

        #[test]
        fn random_bytes_never_panic(stream in proptest::collection::vec(any::<u8>(), 0..4000), step in 1..500usize) {
            let _ = feed(&stream, step);
        }
    }
}
