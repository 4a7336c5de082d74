//! External Data Representation (RFC 4506): the types used by these programs.
//!
//! Reading borrows; a length is checked against its limit and the available data first, so no
//! length costs memory.

use crate::bytes;

/// Error: data of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The data ends early.
    #[error("cut short: {0} is missing")]
    Truncated(&'static str),
    /// The data is longer than allowed.
    #[error("{0} is too long")]
    TooLong(&'static str),
}

impl From<bytes::Truncated> for Fault {
    fn from(truncated: bytes::Truncated) -> Self {
        Self::Truncated(truncated.what)
    }
}

/// Returns the padding that extends `len` to a multiple of four (RFC 4506 §3).
pub fn padding(len: usize) -> usize {
    len.wrapping_neg() % 4
}

/// Reads forward over the arguments of a call.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: bytes::Reader<'a>,
}

impl<'a> Reader<'a> {
    /// Creates a reader at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes::Reader::new(bytes),
        }
    }

    /// Reads an unsigned integer (§4.2).
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Fault> {
        Ok(self.rest.u32(what)?)
    }

    /// Reads an unsigned hyper integer (§4.5).
    pub fn u64(&mut self, what: &'static str) -> Result<u64, Fault> {
        Ok(self.rest.u64(what)?)
    }

    /// Reads opaque data of `N` bytes, a multiple of four (§4.9).
    pub fn fixed<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Fault> {
        Ok(self.rest.array(what)?)
    }

    /// Reads opaque data or a string of at most `most` bytes (§4.10, §4.11). The contents of the
    /// padding are ignored: some libraries leave memory in it.
    pub fn opaque(&mut self, most: usize, what: &'static str) -> Result<&'a [u8], Fault> {
        let len = usize::try_from(self.rest.u32(what)?).map_err(|_| Fault::TooLong(what))?;
        if len > most {
            return Err(Fault::TooLong(what));
        }
        let bytes = self.rest.take(len, what)?;
        self.rest.take(padding(len), what)?;
        Ok(bytes)
    }

    /// Reads an array of at most `most` unsigned integers (§4.13).
    pub fn u32s(
        &mut self,
        most: usize,
        what: &'static str,
    ) -> Result<impl Iterator<Item = u32> + use<'a>, Fault> {
        let count = usize::try_from(self.rest.u32(what)?).map_err(|_| Fault::TooLong(what))?;
        if count > most {
            return Err(Fault::TooLong(what));
        }
        let bytes = self.rest.take(count * 4, what)?;
        let (words, _) = bytes.as_chunks::<4>();
        Ok(words.iter().map(|word| u32::from_be_bytes(*word)))
    }

    /// Returns the number of bytes left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Returns whether all bytes have been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Writes results.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Creates a writer with a capacity of `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    /// Writes an unsigned integer or an enumeration.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes an unsigned hyper integer.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes a boolean.
    pub fn bool(&mut self, value: bool) {
        self.u32(u32::from(value));
    }

    /// Writes opaque data of a fixed length, a multiple of four.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes opaque data or a string, with its length.
    pub fn opaque(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.bytes.extend_from_slice(bytes);
        let padded = self.bytes.len() + padding(bytes.len());
        self.bytes.resize(padded, 0);
    }

    /// Returns the number of bytes written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Drops everything after the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Returns the bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn invalid_lengths_are_rejected_before_use() {
        let past = [0xff, 0xff, 0xff, 0xff, b'a'];
        let read = |most| Reader::new(&past).opaque(most, "a name");
        assert_eq!(read(255), Err(Fault::TooLong("a name")));
        assert_eq!(read(usize::MAX), Err(Fault::Truncated("a name")));
        assert!(Reader::new(&past).u32s(16, "groups").is_err());
        let unpadded = [0, 0, 0, 1, b'a'];
        let read = Reader::new(&unpadded).opaque(9, "a name");
        assert_eq!(read, Err(Fault::Truncated("a name")));
    }

    #[test]
    fn padding_fills_up_to_four() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(padding), [0, 3, 2, 1, 0, 3]);
    }

    proptest! {
        #[test]
        fn values_round_trip(
            a in any::<u32>(), b in any::<u64>(), text in proptest::collection::vec(any::<u8>(), 0..40),
            words in proptest::collection::vec(any::<u32>(), 0..16),
        ) {
            let mut out = Writer::default();
            out.u32(a);
            out.opaque(&text);
            out.u64(b);
            out.u32(u32::try_from(words.len()).unwrap());
            words.iter().for_each(|word| out.u32(*word));
            let bytes = out.into_bytes();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.u32("a"), Ok(a));
            prop_assert_eq!(reader.opaque(40, "text"), Ok(&text[..]));
            prop_assert_eq!(reader.u64("b"), Ok(b));
            prop_assert_eq!(reader.u32s(16, "words").unwrap().collect::<Vec<_>>(), words);
            prop_assert!(reader.is_empty());
        }
    }
}
