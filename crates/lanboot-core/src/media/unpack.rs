//! Unpacks a compressed archive, bounded.

use std::io::{self, BufReader, Read, Write};

use flate2::bufread::MultiGzDecoder;

/// Most bytes unpacked of one archive: ten times Debian's largest tree to boot from the network.
pub const MAX_UNPACKED: u64 = 1 << 30;
/// Bytes written at a time.
const STEP: usize = 256 << 10;

/// Reason an archive is not unpacked. Each is a clause that follows the file's name.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The compressed data are damaged, or lack their end.
    #[error("is compressed with gzip and damaged or incomplete: {0}")]
    Damaged(io::Error),
    /// It is larger than [`MAX_UNPACKED`].
    #[error("has more than {} MiB when it is unpacked", MAX_UNPACKED >> 20)]
    TooLarge,
    /// The unpacked bytes cannot be kept.
    #[error("cannot be unpacked: {0}")]
    Write(io::Error),
}

/// Unpacks a gzip file into `into` and returns the number of bytes written.
///
/// # Errors
/// Fails if the data are damaged, there are more than [`MAX_UNPACKED`] bytes, or writing fails.
pub fn gzip(packed: impl Read, into: &mut impl Write) -> Result<u64, UnpackError> {
    let mut decoder = MultiGzDecoder::new(BufReader::with_capacity(STEP, packed));
    let mut buffer = vec![0; STEP];
    let mut written = 0u64;
    loop {
        let n = match decoder.read(&mut buffer) {
            Ok(0) => return Ok(written),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(UnpackError::Damaged(error)),
        };
        written += n as u64;
        if written > MAX_UNPACKED {
            return Err(UnpackError::TooLarge);
        }
        let bytes = buffer.get(..n).unwrap_or_default();
        into.write_all(bytes).map_err(UnpackError::Write)?;
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn an_archive_in_several_parts_is_unpacked_whole() {
        let bytes = [packed(&[7; 700_000]), packed(b"end")].concat();
        let mut out = Vec::new();
        assert_eq!(gzip(&bytes[..], &mut out).unwrap(), 700_003);
        assert!(out.ends_with(b"\x07end"));
    }

    #[test]
    fn a_cut_or_damaged_one_is_an_error() {
        let whole = packed(&(0..=255u8).cycle().take(100_000).collect::<Vec<u8>>());
        let cut = &whole[..whole.len() - 3];
        let said = gzip(cut, &mut Vec::new()).unwrap_err();
        assert!(matches!(said, UnpackError::Damaged(_)), "{said}");
        let mut other = whole.clone();
        let last = other.len() - 6;
        other[last] ^= 1;
        let said = gzip(&other[..], &mut Vec::new()).unwrap_err();
        assert!(matches!(said, UnpackError::Damaged(_)), "checksum: {said}");
    }

    /// A gigabyte of zeros has a megabyte packed.
    #[test]
    fn a_bomb_ends_at_the_limit() {
        struct Zeros(u64);
        impl Read for Zeros {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let n = buf.len().min(usize::try_from(self.0).unwrap());
                self.0 -= n as u64;
                buf[..n].fill(0);
                Ok(n)
            }
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        io::copy(&mut Zeros(MAX_UNPACKED + 1), &mut encoder).unwrap();
        let bomb = encoder.finish().unwrap();
        let said = gzip(&bomb[..], &mut io::sink()).unwrap_err();
        assert!(matches!(said, UnpackError::TooLarge), "{said}");
    }
}
