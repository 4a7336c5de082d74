//! Reads from the image file, clamped to its length and bounded in total.

use crate::storage::{Disk, ReadAt};
pub(super) use crate::storage::{Unreadable, u16_le, u32_le};

/// Bytes in a logical sector (ECMA-119 §6.1.2 allows more, which is not used).
pub(super) const SECTOR_BYTES: usize = 2048;
/// `SECTOR_BYTES` as an offset.
pub(super) const SECTOR: u64 = SECTOR_BYTES as u64;
/// Least cost charged for a continuation area, so that a million tiny ones are bounded too.
const CONTINUATION_COST: u64 = 512;
/// Longest continuation area read, in bytes. Linux takes 2048; some writers exceed that slightly.
const MAX_CONTINUATION: u64 = 32 * 1024;
/// Bytes read at once for continuation areas, which follow one another on the medium.
const WINDOW: u64 = 16 * 1024;

/// A run of bytes of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// First byte.
    pub(super) at: u64,
    /// Length in bytes.
    pub(super) len: u64,
}

/// The image file.
pub(super) struct Storage<'a> {
    disk: Disk<'a>,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Storage<'a> {
    pub(super) fn new(source: &'a dyn ReadAt) -> Self {
        Self {
            // Directories and continuation areas are disjoint in any sane image, so they cannot
            // be longer than it; the factor allows for `CONTINUATION_COST`.
            disk: Disk::new(source, 4),
            window: Vec::new(),
            window_at: 0,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.disk.len()
    }

    /// Returns whether the read budget or the error limit is used up.
    pub(super) fn is_spent(&self) -> bool {
        self.disk.is_spent()
    }

    /// Fills `buf` from byte `at` on.
    pub(super) fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.disk.read(at, buf)
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
        if area.len > MAX_CONTINUATION || end > self.len() {
            return Err(Unreadable::PastEnd);
        }
        let buffered = self.window_at..=self.window_at + self.window.len() as u64;
        if !buffered.contains(&area.at) || !buffered.contains(&end) {
            let len = WINDOW.max(area.len).min(self.len() - area.at);
            // Lossless: at most MAX_CONTINUATION.
            let mut window = std::mem::take(&mut self.window);
            window.resize(usize::try_from(len).unwrap_or(0), 0);
            self.disk.fill(area.at, &mut window)?;
            self.window = window;
            self.window_at = area.at;
        }
        self.disk.charge(area.len.max(CONTINUATION_COST))?;
        let from = usize::try_from(area.at - self.window_at).unwrap_or(usize::MAX);
        let len = usize::try_from(area.len).unwrap_or(usize::MAX);
        self.window
            .get(from..from.saturating_add(len))
            .ok_or(Unreadable::PastEnd)
    }
}
