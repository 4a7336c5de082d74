//! Cursors over bytes from the network or from an image. No input makes this module panic.

/// Error: the input ended before an expected field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cut short: {what} is missing")]
pub struct Truncated {
    /// Name of the missing field, as the protocol's specification spells it.
    pub what: &'static str,
}

/// Reads forward over a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Creates a reader at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the number of bytes left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Returns whether all bytes have been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next `n` bytes.
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], Truncated> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Truncated { what })?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes the next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Truncated> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Truncated { what })?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes the next byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Truncated> {
        self.array::<1>(what).map(|[b]| b)
    }

    /// Takes the next two bytes, big-endian.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Truncated> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// Takes the next four bytes, big-endian.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Truncated> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// Takes the next eight bytes, big-endian.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, Truncated> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// Takes the bytes up to the next NUL, which is consumed but not returned.
    pub fn c_string(&mut self, what: &'static str) -> Result<&'a [u8], Truncated> {
        let end = self
            .rest
            .iter()
            .position(|&b| b == 0)
            .ok_or(Truncated { what })?;
        let text = self.rest.get(..end).unwrap_or_default();
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Ok(text)
    }

    /// Takes all remaining bytes.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_order_and_names_the_missing_field() {
        let mut reader = Reader::new(&[1, 2, 3, b'a', 0, 9]);
        assert_eq!(reader.u8("op"), Ok(1));
        assert_eq!(reader.u16("xid"), Ok(0x0203));
        assert_eq!(reader.c_string("name"), Ok(&b"a"[..]));
        assert_eq!(reader.u32("secs"), Err(Truncated { what: "secs" }));
        assert_eq!(reader.rest(), &[9]);
        assert!(reader.is_empty());
    }

    #[test]
    fn a_string_without_nul_is_truncated() {
        assert_eq!(
            Reader::new(b"abc").c_string("mode"),
            Err(Truncated { what: "mode" })
        );
    }
}
