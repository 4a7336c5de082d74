//! Random access to an image.

/// Random access to an image, implemented by the shell.
pub trait ReadAt {
    /// Reads up to `buf.len()` bytes at `offset`; returns 0 only at or after the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize>;
    /// Returns the length in bytes at the time the image was opened.
    fn len(&self) -> u64;
    /// Returns whether the image is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An image held in memory.
impl ReadAt for Vec<u8> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(from..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        for (to, byte) in buf.iter_mut().zip(rest) {
            *to = *byte;
        }
        Ok(n)
    }

    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }
}
