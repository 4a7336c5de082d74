//! One medium: which family made it, and what it can boot.

pub(crate) mod entry;
pub(crate) mod families;
mod lack;

pub use entry::{Cpu, Dialect, Entry, Fetch, MountSource, NbdRoot, Note, Refusal, Server};
pub use lack::{Lack, Part, ShownBy};
