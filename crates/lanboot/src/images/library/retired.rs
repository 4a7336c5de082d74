//! Images whose file is gone, was replaced or was overwritten, and that machines may still read.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use lanboot_core::catalog::Image;
use lanboot_core::events::DiagnosticCode;

use super::{ImageLibrary, Known, Scan};
use crate::events::bus;

/// Most replaced or removed images kept for machines that still stream them. Each keeps its disk
/// space.
const MAX_RETIRED: usize = 16;
/// Time a retired image is kept after a machine last read it. A machine with everything in memory
/// may not read for days.
const RETIRED_UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);

impl ImageLibrary {
    /// Takes an image out of service because its file is gone or was replaced. It is kept while
    /// machines may still read it.
    pub(super) fn retire(&mut self, known: Known, scan: &mut Scan) {
        let Ok(image) = known.image else {
            return;
        };
        self.check_bytes(&image, scan);
        let image_file = self.open_images.get(image.id);
        if image_file.is_some_and(|image_file| {
            image_file.last_streamed().is_some() && !image_file.is_overwritten()
        }) {
            self.retired.push(image);
        } else {
            self.open_images.remove(image.id);
        }
    }

    /// Marks an open image whose file was overwritten in place, as `cp new.iso old.iso` does: a
    /// machine must get an error rather than bytes of another image.
    pub(super) fn check_bytes(&self, image: &Image, scan: &mut Scan) {
        let Some(image_file) = self.open_images.get(image.id) else {
            return;
        };
        if image_file.check().is_ok() || !image_file.take_report() {
            return;
        }
        scan.changed = true;
        if image_file.last_streamed().is_some() {
            let diagnostic = DiagnosticCode::ImageOverwritten.with(format!(
                "{}: was overwritten while machines used it as their disk, so they cannot \
                 continue; copy a new image under another name and rename it",
                image.file
            ));
            let diagnostic = diagnostic.of_image(&image.name).of_file(&image.file);
            scan.warnings.push(diagnostic);
        }
    }

    /// Drops retired images that were not read for long, and those beyond the limit.
    pub(super) fn expire(&mut self, scan: &mut Scan) {
        let open_images = &self.open_images;
        let used = |retired: &Arc<Image>| {
            let image_file = open_images.get(retired.id)?;
            // An image in use through an open connection counts as used now.
            image_file
                .last_streamed()
                .filter(|_| !image_file.is_overwritten())
        };
        let now = bus::now();
        self.retired.sort_by_key(|retired| Reverse(used(retired)));
        let is_kept = |n: usize, retired: &Arc<Image>| {
            let is_used = |at| now.saturating_sub(at) < RETIRED_UNUSED;
            n < MAX_RETIRED && used(retired).is_some_and(is_used)
        };
        let all = std::mem::take(&mut self.retired);
        for (n, retired) in all.into_iter().enumerate() {
            if is_kept(n, &retired) {
                self.retired.push(retired);
            } else {
                self.open_images.remove(retired.id);
                scan.changed = true;
            }
        }
    }
}
