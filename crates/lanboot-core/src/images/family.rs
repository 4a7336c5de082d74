//! The interface of a family: what one module under `families` provides.

use super::detection::Detection;
use super::medium::Medium;
use super::test_boot::TestBoot;

/// A family of media.
pub(crate) struct Family {
    /// The name people know it by, where [`Self::detect`] finds no other one, and that of its row in
    /// `docs/images.md`.
    pub(crate) name: &'static str,
    /// Recognises a medium by content; `None` when it is of another family.
    pub(crate) detect: fn(Medium<'_>) -> Option<Detection>,
    /// Paths, besides `/iso/NAME`, at which an initramfs mounts the default image over NFS when its
    /// command line names none. Absolute and normalised.
    pub(crate) mount_paths: &'static [&'static str],
    /// Names, besides the image's own, by which an initramfs asks for the default image over NBD.
    pub(crate) disk_names: &'static [&'static str],
    /// The boots of its media by this project's tests; `docs/images.md` has them in the same words.
    pub(crate) boots: &'static [TestBoot],
}
