//! Reads from an image file, clamped to its length and bounded in total.

use std::fmt;
use std::io;

use super::ReadAt;

/// Most bytes of metadata read from one image: enough for 300,000 files with long names and
/// continuation areas, or a million with ordinary names. Small images get less, see [`Disk::new`].
const MAX_METADATA: u64 = 256 << 20;
/// Disk errors after which reading stops: each can take seconds on a failing disk.
const MAX_DISK_ERRORS: u32 = 8;

/// Reason bytes cannot be read. Each is a clause that follows the structure's name.
#[derive(Debug)]
pub(crate) enum Unreadable {
    PastEnd,
    Budget,
    Disk(io::Error),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PastEnd => f.write_str("lies past the end of the file"),
            Self::Budget => f.write_str("is too much: the folders claim more than an image holds"),
            Self::Disk(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

/// The image file.
pub(crate) struct Disk<'a> {
    source: &'a dyn ReadAt,
    len: u64,
    budget: u64,
    disk_errors: u32,
}

impl<'a> Disk<'a> {
    /// Creates a reader of at most `factor` times the image's length, and of [`MAX_METADATA`].
    pub(crate) fn new(source: &'a dyn ReadAt, factor: u64) -> Self {
        let len = source.len();
        Self {
            source,
            len,
            budget: len
                .saturating_mul(factor)
                .saturating_add(1 << 20)
                .min(MAX_METADATA),
            disk_errors: 0,
        }
    }

    /// Returns the length of the image in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the read budget or the error limit is used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.budget == 0 || self.disk_errors >= MAX_DISK_ERRORS
    }

    /// Fills `buf` from byte `at` on.
    pub(crate) fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        let len = buf.len() as u64;
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(Unreadable::PastEnd);
        }
        self.charge(len)?;
        self.fill(at, buf)
    }

    /// Takes `bytes` from what may still be read.
    pub(crate) fn charge(&mut self, bytes: u64) -> Result<(), Unreadable> {
        if bytes > self.budget {
            self.budget = 0;
            return Err(Unreadable::Budget);
        }
        self.budget -= bytes;
        Ok(())
    }

    /// Fills `buf` like [`Self::read`], and takes nothing from what may still be read.
    pub(crate) fn fill(&mut self, at: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        fill(self.source, at, buf).inspect_err(|error| {
            self.disk_errors += u32::from(matches!(error, Unreadable::Disk(_)));
        })
    }
}

fn fill(source: &dyn ReadAt, at: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match source.read_at(rest, at.saturating_add(done as u64)) {
            // The file became shorter after it was opened.
            Ok(0) => return Err(Unreadable::PastEnd),
            Ok(n) => done = done.saturating_add(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Unreadable::Disk(error)),
        }
    }
    Ok(())
}

/// Returns the little-endian number at `at`, or 0 past the end. ECMA-119 records most numbers in
/// both byte orders, and readers agree on this half.
pub(crate) fn u16_le(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u16::from_le_bytes(*b))
}

/// Returns four bytes, like [`u16_le`].
pub(crate) fn u32_le(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u32::from_le_bytes(*b))
}

/// Returns eight bytes, like [`u16_le`].
pub(crate) fn u64_le(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u64::from_le_bytes(*b))
}
