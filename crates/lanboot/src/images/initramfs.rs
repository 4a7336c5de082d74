//! Reads the initramfs of an image's entries to determine their features. This takes seconds for a
//! large one, so only `inspect` does it, and `serve` if whole images are served.

use std::io::{self, Read};
use std::sync::Arc;

use lanboot_core::catalog::Image;
use lanboot_core::initramfs;
use lanboot_core::iso::ReadAt as _;
use lanboot_core::vfs::{Piece, Source};

use crate::images::open_images::OpenImages;

/// Most different initramfs of one image read.
const MAX_READ: usize = 4;

/// Updates each entry with the contents of its initramfs, and returns a warning for each that
/// cannot be listed.
pub fn examine(image: &mut Image, open_images: &OpenImages) -> Vec<String> {
    let tree = Arc::clone(&image.tree);
    let mut read: Vec<(Vec<String>, Option<initramfs::Contents>)> = Vec::new();
    let mut failed = Vec::new();
    image.found.examine(|initrd| {
        if let Some((_, contents)) = read.iter().find(|(files, _)| files == initrd) {
            return contents.clone();
        }
        if read.len() >= MAX_READ {
            return None;
        }
        let files = initrd.iter().filter_map(|path| tree.file(path));
        let pieces: Vec<Piece> = files.flat_map(|file| file.pieces().to_vec()).collect();
        let contents = match initramfs::list(Pieces::new(open_images, pieces)) {
            Ok(contents) => Some(contents),
            Err(error) => {
                let path = initrd.last().map_or("", String::as_str);
                failed.push(format!("{path} was not examined: {error}"));
                None
            }
        };
        read.push((initrd.to_vec(), contents.clone()));
        contents
    });
    failed
}

/// Reader over files of an image, concatenated.
struct Pieces<'a> {
    open_images: &'a OpenImages,
    /// Remaining pieces, the next one last.
    left: Vec<Piece>,
    /// Bytes read of the next piece.
    at: u64,
}

impl<'a> Pieces<'a> {
    fn new(open_images: &'a OpenImages, mut pieces: Vec<Piece>) -> Self {
        pieces.reverse();
        Self {
            open_images,
            left: pieces,
            at: 0,
        }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.left.last() {
            let rest = usize::try_from(piece.len - self.at).unwrap_or(usize::MAX);
            let len = rest.min(buffer.len());
            let Some(part) = buffer.get_mut(..len).filter(|_| rest > 0) else {
                self.left.pop();
                self.at = 0;
                continue;
            };
            let read = match &piece.source {
                Source::Image { image, offset } => {
                    let image_file = self.open_images.get(*image);
                    let image_file = image_file.ok_or_else(|| io::Error::other("it is gone"))?;
                    image_file.read_at(part, offset + self.at)?
                }
                Source::Memory { .. } | Source::Zero | Source::Missing(_) => {
                    return Err(io::Error::other("it is not on the disk"));
                }
            };
            if read == 0 && len > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.at += read as u64;
            return Ok(read);
        }
        Ok(0)
    }
}
