//! Reads from the image file, clamped to its length and bounded in total.

use std::fmt;
use std::io;

use super::ReadAt;

/// Bytes in a logical sector (ECMA-119 §6.1.2 allows more, which is not used).
pub(super) const SECTOR_BYTES: usize = 2048;
/// `SECTOR_BYTES` as an offset.
pub(super) const SECTOR: u64 = SECTOR_BYTES as u64;
/// Most directory and continuation bytes read from one image: enough for 300,000 files with long
/// names and continuation areas, or a million with ordinary names. Small images get less, see
/// [`Storage::new`].
const MAX_METADATA: u64 = 256 << 20;
/// Least cost charged for a continuation area, so that a million tiny ones are bounded too.
const CONTINUATION_COST: u64 = 512;
/// Longest continuation area read, in bytes. Linux takes 2048; some writers exceed that slightly.
const MAX_CONTINUATION: u64 = 32 * 1024;
/// Bytes read at once for continuation areas, which follow one another on the medium.
const WINDOW: u64 = 16 * 1024;
/// Disk errors after which reading stops: each can take seconds on a failing disk.
const MAX_DISK_ERRORS: u32 = 8;

/// A run of bytes of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// First byte.
    pub(super) at: u64,
    /// Length in bytes.
    pub(super) len: u64,
}

/// Reason bytes cannot be read. Each is a clause that follows the structure's name.
#[derive(Debug)]
pub(super) enum Unreadable {
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
pub(super) struct Storage<'a> {
    source: &'a dyn ReadAt,
    len: u64,
    budget: u64,
    disk_errors: u32,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Storage<'a> {
    pub(super) fn new(source: &'a dyn ReadAt) -> Self {
        let len = source.len();
        Self {
            source,
            len,
            // Directories and continuation areas are disjoint in any sane image, so they cannot
            // be longer than it; the factor allows for `CONTINUATION_COST`.
            budget: len
                .saturating_mul(4)
                .saturating_add(1 << 20)
                .min(MAX_METADATA),
            disk_errors: 0,
            window: Vec::new(),
            window_at: 0,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the read budget or the error limit is used up.
    pub(super) fn is_spent(&self) -> bool {
        self.budget == 0 || self.disk_errors >= MAX_DISK_ERRORS
    }

    /// Fills `buf` from byte `at` on.
    pub(super) fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        let len = buf.len() as u64;
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(Unreadable::PastEnd);
        }
        if len > self.budget {
            self.budget = 0;
            return Err(Unreadable::Budget);
        }
        self.budget -= len;
        fill(self.source, at, buf).inspect_err(|e| {
            self.disk_errors += u32::from(matches!(e, Unreadable::Disk(_)));
        })
    }

    /// Reads one sector at byte `at`.
    pub(super) fn sector(&mut self, at: u64) -> Result<[u8; SECTOR_BYTES], Unreadable> {
        let mut sector = [0; SECTOR_BYTES];
        self.read(at, &mut sector)?;
        Ok(sector)
    }

    /// Reads a continuation area (SUSP 1.12 §5.1).
    pub(super) fn continuation(&mut self, area: Extent) -> Result<&[u8], Unreadable> {
        let end = area.at.saturating_add(area.len);
        if area.len > MAX_CONTINUATION || end > self.len {
            return Err(Unreadable::PastEnd);
        }
        let buffered = self.window_at..=self.window_at + self.window.len() as u64;
        if !buffered.contains(&area.at) || !buffered.contains(&end) {
            let len = WINDOW.max(area.len).min(self.len - area.at);
            // Lossless: at most MAX_CONTINUATION.
            let mut window = std::mem::take(&mut self.window);
            window.resize(usize::try_from(len).unwrap_or(0), 0);
            let filled = fill(self.source, area.at, &mut window);
            if let Err(error) = filled {
                self.disk_errors += 1;
                return Err(error);
            }
            self.window = window;
            self.window_at = area.at;
        }
        let cost = area.len.max(CONTINUATION_COST);
        if cost > self.budget {
            self.budget = 0;
            return Err(Unreadable::Budget);
        }
        self.budget -= cost;
        let from = usize::try_from(area.at - self.window_at).unwrap_or(usize::MAX);
        let len = usize::try_from(area.len).unwrap_or(usize::MAX);
        self.window
            .get(from..from.saturating_add(len))
            .ok_or(Unreadable::PastEnd)
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
pub(super) fn u16_le(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u16::from_le_bytes(*b))
}

/// Returns four bytes, like [`u16_le`].
pub(super) fn u32_le(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u32::from_le_bytes(*b))
}
