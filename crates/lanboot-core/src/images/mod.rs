//! One medium: which family it belongs to, and what can be booted from it.
//!
//! * `medium` — what a family sees of a medium; `detection` — what it finds there.
//! * `entry_kind` — the things a loader starts; `entry` — an entry, and `entry::RootSource`: how its
//!   initramfs finds its root.
//! * `generic` — the ways for a medium of no family; `bare` — files that are started as they are.
//! * `families` — one module per family, and the table that registers them.
//!
//! A further family is one module under `families` and its row in that table.

mod arguments;
mod bare;
mod cpu;
mod detect;
pub(crate) mod detection;
mod downloaded;
mod dracut_evidence;
mod efi;
pub(crate) mod entry;
pub(crate) mod entry_kind;
mod evidence;
pub(crate) mod families;
mod family;
mod generic;
#[cfg(test)]
mod golden;
mod in_memory;
mod kernel;
mod lack;
pub(crate) mod medium;
mod menu_groups;
mod naming;
mod note;
mod overlay;
mod own_menu;
mod product;
mod program_files;
mod refusal;
mod server;
mod standalone;
mod test_boot;
mod transport;

pub use arguments::Dialect;
#[cfg(test)]
pub(crate) use arguments::NetworkArgs;
pub use cpu::{Cpu, Firmware};
pub use detect::detect;
pub use detection::{Added, Detection, StockMenu};
pub use entry::{Entry, Fetch, Fetched};
pub(crate) use entry_kind::without_placeholder;
pub use entry_kind::{
    Disk, EntryKind, Linux, MenuLoader, Module, Multiboot, MultibootVersion, Program, ProgramFile,
};
pub use evidence::{Evidence, Sureness};
pub use lack::{Lack, Part, ShownBy};
pub use note::Note;
pub use overlay::{NoOverlay, Overlay, OverlayBody, OverlayFile};
pub use refusal::Refusal;
pub use server::{MountSource, Server};
#[cfg(test)]
pub(crate) use standalone::Standalone;
pub use test_boot::{Boots, RootFrom, Setup, Setups, TestBoot};
pub use transport::Transport;
