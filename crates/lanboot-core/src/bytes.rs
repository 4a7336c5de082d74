//! Cursors over bytes from the network or from an image. Nothing here panics, whatever the input.

/// The input ended before what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cut short: {what} is missing")]
pub struct Truncated {
    /// What should have been there, in the protocol's own word.
    pub what: &'static str,
}

/// Reads forward over a borrowed buffer.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], Truncated> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Truncated { what })?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Truncated> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Truncated { what })?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Truncated> {
        self.array::<1>(what).map(|[b]| b)
    }

    /// The next two bytes, big-endian.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Truncated> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// The next four bytes, big-endian.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Truncated> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// The next eight bytes, big-endian.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, Truncated> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// The bytes up to the next NUL, which is consumed and not returned.
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

    /// Everything not read yet.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_order_and_says_what_is_missing() {
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
