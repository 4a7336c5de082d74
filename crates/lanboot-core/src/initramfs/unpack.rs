//! A reader with lookahead, and the compression formats a kernel unpacks by itself.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::Error;

/// Bytes read at once.
const BUFFER: usize = 64 << 10;
/// Lookahead in bytes: the longest magic number.
const AHEAD: usize = 6;
/// Most memory for the dictionary of an xz stream, in KiB. `xz -9` takes 65 MiB.
const XZ_MEMORY_KIB: u32 = 256 << 10;

/// A buffered reader; bytes a decoder does not consume stay in it.
pub(super) struct Input<R> {
    inner: R,
    buffer: Vec<u8>,
    at: usize,
    /// Bytes consumed so far.
    position: u64,
}

impl<R> Input<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            at: 0,
            position: 0,
        }
    }

    pub(super) fn into_inner(self) -> R {
        self.inner
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }
}

impl<R: Read> Input<R> {
    /// Returns the next bytes, at least [`AHEAD`] of them unless the end is nearer.
    pub(super) fn peek(&mut self) -> io::Result<&[u8]> {
        while self.buffer.len() - self.at < AHEAD {
            self.buffer.drain(..self.at);
            self.at = 0;
            let known = self.buffer.len();
            self.buffer.resize(known + BUFFER, 0);
            let read = read_some(
                &mut self.inner,
                self.buffer.get_mut(known..).unwrap_or_default(),
            );
            self.buffer.truncate(known + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                break;
            }
        }
        Ok(self.buffer.get(self.at..).unwrap_or_default())
    }

    /// Skips zeros.
    pub(super) fn skip_zeros(&mut self, left: &mut u64) -> Result<(), Error> {
        loop {
            let ahead = self.peek()?;
            let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                return Ok(());
            }
            count(zeros as u64, left)?;
            self.consume(zeros);
        }
    }

    /// Skips `len` bytes.
    pub(super) fn skip(&mut self, mut len: u64, left: &mut u64) -> Result<(), Error> {
        count(len, left)?;
        while len > 0 {
            let ahead = self.fill_buf()?.len() as u64;
            if ahead == 0 {
                return Err(Error::CutShort);
            }
            let step = ahead.min(len);
            self.consume(usize::try_from(step).unwrap_or(usize::MAX));
            len -= step;
        }
        Ok(())
    }

    /// Reads the next `len` bytes, a number bounded by the caller.
    pub(super) fn bytes(&mut self, len: u64, left: &mut u64) -> Result<Vec<u8>, Error> {
        count(len, left)?;
        let mut bytes = Vec::new();
        let read = self.by_ref().take(len).read_to_end(&mut bytes)?;
        (read as u64 == len).then_some(bytes).ok_or(Error::CutShort)
    }

    /// Reads the next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, left: &mut u64) -> Result<[u8; N], Error> {
        let bytes = self.bytes(N as u64, left)?;
        bytes.try_into().map_err(|_| Error::CutShort)
    }

    /// Detects the compression of the next stream by its first bytes (Linux `lib/decompress.c`).
    pub(super) fn packing(&mut self) -> Result<Option<Packing>, Error> {
        let ahead = self.peek()?;
        let unknown: [(&[u8], &str); 5] = [
            (b"BZh", "bzip2"),
            (&[0x5d, 0, 0], "lzma"),
            (&[0x89, b'L', b'Z'], "lzo"),
            (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
            (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
        ];
        if let Some((_, name)) = unknown.iter().find(|(magic, _)| ahead.starts_with(magic)) {
            return Err(Error::Packing(name));
        }
        let known = [Packing::Gzip, Packing::Xz, Packing::Zstd];
        Ok(known.into_iter().find(|p| ahead.starts_with(p.magic())))
    }
}

/// Counts bytes as read.
fn count(len: u64, left: &mut u64) -> Result<(), Error> {
    *left = left.checked_sub(len).ok_or(Error::TooLarge)?;
    Ok(())
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ahead = self.fill_buf()?;
        let len = ahead.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), ahead.get(..len)) {
            to.copy_from_slice(from);
        }
        self.consume(len);
        Ok(len)
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek()
    }

    fn consume(&mut self, len: usize) {
        self.at = self.buffer.len().min(self.at + len);
        self.position += len as u64;
    }
}

/// Compression format of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Xz,
    Zstd,
}

impl Packing {
    fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => &[0x1f, 0x8b],
            Self::Xz => &[0xfd, b'7', b'z', b'X', b'Z', 0],
            Self::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
        }
    }

    /// Unpacks the consecutive streams of this kind at the front of `input`, as one.
    pub(super) fn unpack<R: Read>(self, input: Input<R>) -> Result<Unpacked<R>, Error> {
        Ok(Unpacked {
            packing: self,
            decoder: self.decoder(input)?,
        })
    }

    fn decoder<R: Read>(self, input: Input<R>) -> io::Result<Decoder<R>> {
        Ok(match self {
            Self::Gzip => Decoder::Gzip(Box::new(GzDecoder::new(input))),
            Self::Xz => {
                let reader = XzReader::new_mem_limit(input, false, XZ_MEMORY_KIB);
                Decoder::Xz(Box::new(reader))
            }
            Self::Zstd => {
                let reader = StreamingDecoder::new(input).map_err(io::Error::other)?;
                Decoder::Zstd(Box::new(reader))
            }
        })
    }
}

/// Reader of unpacked data; a further stream of the same kind continues the same archive.
pub(super) struct Unpacked<R: Read> {
    packing: Packing,
    decoder: Decoder<R>,
}

enum Decoder<R: Read> {
    Gzip(Box<GzDecoder<Input<R>>>),
    Xz(Box<XzReader<Input<R>>>),
    Zstd(Box<StreamingDecoder<Input<R>, FrameDecoder>>),
    /// All was read.
    Done(Input<R>),
    /// A decoder failed, or is being replaced.
    Broken,
}

impl<R: Read> Unpacked<R> {
    /// Returns the input after the compressed data, once all of that was read.
    pub(super) fn into_inner(self) -> Option<Input<R>> {
        match self.decoder {
            Decoder::Done(input) => Some(input),
            _ => None,
        }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match &mut self.decoder {
                Decoder::Gzip(reader) => reader.read(buffer),
                Decoder::Xz(reader) => reader.read(buffer),
                Decoder::Zstd(reader) => reader.read(buffer),
                Decoder::Done(_) | Decoder::Broken => return Ok(0),
            };
            let decoder = std::mem::replace(&mut self.decoder, Decoder::Broken);
            match read {
                Ok(0) if !buffer.is_empty() => {}
                Ok(read) => {
                    self.decoder = decoder;
                    return Ok(read);
                }
                Err(error) => return Err(error),
            }
            let mut input = match decoder {
                Decoder::Gzip(reader) => reader.into_inner(),
                Decoder::Xz(reader) => reader.into_inner(),
                Decoder::Zstd(reader) => reader.into_inner(),
                Decoder::Done(input) => input,
                Decoder::Broken => return Ok(0),
            };
            self.decoder = if input.peek()?.starts_with(self.packing.magic()) {
                self.packing.decoder(input)?
            } else {
                Decoder::Done(input)
            };
        }
    }
}
