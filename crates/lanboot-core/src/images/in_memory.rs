//! Media whose whole system is put into memory by the loader: their initramfs looks for a disk with
//! the medium and finds the image, or a file of it, in its own root folder, where an overlay puts it.
//! Their families differ in files and arguments only.

use super::arguments::before_break;
use super::entry::{Boot, Entry, Refusal, RootSource};
use super::overlay::{NoOverlay, Overlay};
use super::transport::Transport;

/// An initramfs that finds its system in its overlay.
#[derive(Clone, Debug)]
pub(super) struct InMemory {
    /// The overlay, or the reason there is none.
    pub(super) overlay: Result<Overlay, NoOverlay>,
    /// Arguments that name what is in it.
    pub(super) words: Vec<String>,
}

/// With `root=` the kernel makes its first file system a ramfs, which may take all of the memory; a
/// tmpfs would end at half of what is left beside the packed initramfs (`init_rootfs` in Linux
/// `init/do_mounts.c`).
pub(super) const RAMFS: &str = "root=/dev/ram0";

impl RootSource for InMemory {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        before_break(&entry.inherited, self.words.clone(), boot.append)
    }

    /// Words behind a medium's `---` are for the system that it installs.
    fn loader_words_go_first(&self) -> bool {
        true
    }

    fn unsupported(&self, _transport: Transport) -> Option<Refusal> {
        let error = self.overlay.as_ref().err()?;
        Some(Refusal::NoOverlay(error.clone()))
    }

    /// Without `root=` the kernel's first file system is a tmpfs, which takes at most half of what the
    /// packed initramfs leaves: a third of the memory.
    fn copied_bytes(&self, _root_bytes: u64, _transport: Transport, _append: &str) -> u64 {
        let is_ramfs = self.words.iter().any(|word| word.starts_with("root="));
        match &self.overlay {
            Ok(overlay) if !is_ramfs => overlay.bytes(),
            _ => 0,
        }
    }

    fn overlay(&self) -> Option<&Overlay> {
        self.overlay.as_ref().ok()
    }
}
