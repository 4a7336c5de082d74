//! Reading of file systems in images: random access, bounded; and what their readers say of damage.
//!
//! Invariant: no image makes a reader read without bound, and a failing disk is asked only a few
//! times.

pub(crate) mod calendar;
mod disk;
mod notes;
mod read_at;

pub(crate) use disk::{Disk, Unreadable, u16_le, u32_le, u64_le};
pub use notes::MAX_WARNINGS;
pub(crate) use notes::{Notes, Paths, Tally};
pub use read_at::ReadAt;
