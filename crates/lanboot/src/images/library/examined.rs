//! Images whose initramfs decides what is offered.

use lanboot_core::catalog::Image;

use super::ImageLibrary;
use crate::images::initramfs;

impl ImageLibrary {
    /// Reads the initramfs of an image where nothing else shows how it finds its root. This takes
    /// seconds.
    pub(super) fn examine_contents(&self, image: &mut Image) {
        if image
            .found
            .entries
            .iter()
            .any(|entry| entry.needs_contents())
        {
            // What cannot be listed stays as it was recognised.
            let _not_listed = initramfs::examine(image, &self.open_images);
        }
    }

    /// Determines whether the system of an image that starts only as a whole would find its root on
    /// the RAM disk. This reads its initramfs, which takes seconds.
    pub(super) fn examine_whole_image(&self, image: &mut Image) {
        if !image.is_whole_entry() || image.found.unreachable.is_empty() {
            return;
        }
        // What cannot be listed is not known to be missing.
        let _not_listed = initramfs::examine(image, &self.open_images);
        if let Some(lack) = image.whole_image_lack().map(ToString::to_string) {
            let warning = format!("the whole image is not offered either: {lack}");
            image.found.warnings.push(warning);
        }
    }
}
