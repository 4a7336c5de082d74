//! Images that stay open while they are sent.

use std::sync::Arc;

use lanboot_core::vfs::{ImageId, Piece, Source};

use super::outcome::SendError;
use crate::images::open_images::{ImageFile, OpenImages, Unavailable};

/// Images kept open while they are streamed, even after they leave the catalog.
#[derive(Clone, Debug, Default)]
pub struct PinnedImages(Vec<(ImageId, Result<Arc<ImageFile>, Unavailable>)>);

impl PinnedImages {
    /// Pins every open image among `pieces`.
    pub fn of(pieces: impl Iterator<Item = Piece>, open_images: &OpenImages) -> Self {
        let mut held = Vec::new();
        for piece in pieces {
            if let Source::Image { image, .. } = piece.source
                && !held.iter().any(|(id, _)| *id == image)
            {
                held.push((image, open_images.open(image)));
            }
        }
        Self(held)
    }

    /// Returns whether this image is pinned.
    pub fn has(&self, image: ImageId) -> bool {
        let mut held = self.0.iter();
        held.any(|(id, image_file)| *id == image && image_file.is_ok())
    }

    /// Returns the open images.
    pub fn open_images(&self) -> impl Iterator<Item = &ImageFile> {
        let held = self.0.iter();
        held.filter_map(|(_, image_file)| image_file.as_deref().ok())
    }

    /// Returns the image, unless it is known to be overwritten.
    pub(crate) fn image_file(&self, image: ImageId) -> Result<&ImageFile, SendError> {
        let (_, image_file) = self
            .0
            .iter()
            .find(|(id, _)| *id == image)
            .ok_or(SendError::Gone)?;
        let image_file = image_file.as_ref().map_err(|why| SendError::from(*why))?;
        image_file.known_change()?;
        Ok(image_file)
    }

    /// Fails if the image was overwritten; every server calls it between reading and sending.
    pub(crate) fn check(&self, image: ImageId) -> Result<(), SendError> {
        Ok(self.image_file(image)?.check()?)
    }

    /// Checks all pinned images.
    pub(crate) fn check_all(&self) -> Result<(), SendError> {
        self.0.iter().try_for_each(|(image, _)| self.check(*image))
    }
}
