//! Files that an entry's initramfs gets besides its own: one that it looks for, a script, or the
//! image itself for media that only look for a file. They are a further initramfs, which this server
//! makes when it is asked for and never stores.

use super::medium::{Medium, Whole};
use crate::initramfs::{self, Member, MemberKind, Unwritable};
use crate::vfs::{Content, ImageId, Kind, Path, Tree};

/// Files besides those of an initramfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    files: Vec<OverlayFile>,
    /// Length of the archive in bytes.
    bytes: u64,
}

/// A file of an [`Overlay`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayFile {
    /// Path in the initramfs, without a slash at its front.
    pub path: String,
    /// True for programs and scripts (mode 0755), false for others (0644).
    pub is_executable: bool,
    /// Contents.
    pub body: OverlayBody,
}

/// Contents of an [`OverlayFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverlayBody {
    /// This text.
    Text(String),
    /// A file of the medium, by its path there.
    File(String),
    /// The image as it is.
    WholeImage,
    /// A symbolic link with this target.
    Link(String),
}

/// Reason there is no overlay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOverlay {
    /// The archive cannot be made.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// The image is one of a drive, with partitions.
    #[error("the image is one of a drive, which cannot be mounted as a file")]
    Drive,
    /// The medium is a folder or an archive.
    #[error("the medium is files, and no disk image that could be one of them")]
    Files,
    /// The medium is looked for by its label.
    #[error("its systemd mounts a disk by its label, and no file in the initramfs has one")]
    ByLabel,
    /// The medium has no such file.
    #[error("{0} is not on the medium")]
    NoFile(String),
}

impl Overlay {
    /// Makes an overlay of these files of a medium whose image has `image_bytes` bytes.
    pub fn new(files: Vec<OverlayFile>, tree: &Tree, image_bytes: u64) -> Result<Self, NoOverlay> {
        let mut overlay = Self { files, bytes: 0 };
        // Any image of this length makes an archive of the same length.
        let image = Content::in_image(ImageId(0), 0, image_bytes);
        overlay.bytes = overlay.archive(tree, &image)?.len();
        Ok(overlay)
    }

    /// Makes an overlay that is the image of a medium as it is, at this path.
    pub(crate) fn of_image(path: &str, medium: Medium<'_>) -> Result<Self, NoOverlay> {
        let file = OverlayFile {
            path: path.into(),
            is_executable: false,
            body: OverlayBody::WholeImage,
        };
        let bytes = match medium.whole {
            Whole::Disc(bytes) => bytes,
            Whole::Drive => return Err(NoOverlay::Drive),
            Whole::Files => return Err(NoOverlay::Files),
        };
        Self::new(vec![file], medium.tree, bytes)
    }

    /// Returns the files.
    pub fn files(&self) -> &[OverlayFile] {
        &self.files
    }

    /// Returns the length of the archive in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tests whether the image as it is is in it.
    pub fn has_whole_image(&self) -> bool {
        let mut files = self.files.iter();
        files.any(|file| file.body == OverlayBody::WholeImage)
    }

    /// Lists the files of the medium that are in it, by their paths there.
    pub fn medium_files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter_map(|file| match &file.body {
            OverlayBody::File(path) => Some(path.as_str()),
            OverlayBody::Text(_) | OverlayBody::WholeImage | OverlayBody::Link(_) => None,
        })
    }

    /// Makes the archive out of the medium's files and its image.
    pub fn archive(&self, tree: &Tree, image: &Content) -> Result<Content, NoOverlay> {
        let members = self.files.iter().map(|file| member(file, tree, image));
        let members: Vec<Member> = members.collect::<Result<_, _>>()?;
        Ok(initramfs::write(&members)?)
    }
}

fn member(file: &OverlayFile, tree: &Tree, image: &Content) -> Result<Member, NoOverlay> {
    let is_executable = file.is_executable;
    let content = |content| MemberKind::File {
        content,
        is_executable,
    };
    let (kind, modified) = match &file.body {
        OverlayBody::Text(text) => (content(Content::memory(text.as_bytes())), 0),
        OverlayBody::WholeImage => (content(image.clone()), 0),
        OverlayBody::Link(target) => (MemberKind::Link(target.clone()), 0),
        OverlayBody::File(path) => {
            let (found, modified) =
                medium_file(tree, path).ok_or_else(|| NoOverlay::NoFile(path.clone()))?;
            (content(found), modified)
        }
    };
    Ok(Member {
        path: file.path.clone(),
        kind,
        modified,
    })
}

/// Returns a file of the medium and the time of its last modification, in seconds since 1970.
fn medium_file(tree: &Tree, path: &str) -> Option<(Content, u32)> {
    let found = tree.resolve(&Path::parse(path.as_bytes()).ok()?)?;
    match &found.node.kind {
        Kind::File(content) => Some((
            content.clone(),
            u32::try_from(found.node.meta.modified).unwrap_or(0),
        )),
        Kind::Directory(_) | Kind::Symlink(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{read, tree};
    use crate::vfs::Source;

    fn file(path: &str, body: OverlayBody) -> OverlayFile {
        OverlayFile {
            path: path.into(),
            is_executable: false,
            body,
        }
    }

    #[test]
    fn the_length_is_known_before_the_image_is_open() {
        let tree = tree(&[("boot/store", "1234567")]);
        let files = vec![
            file("conf/param.conf", OverlayBody::Text("IP=dhcp\n".into())),
            file("nix-store.squashfs", OverlayBody::File("boot/store".into())),
            file("medium.iso", OverlayBody::WholeImage),
            file("link", OverlayBody::Link("medium.iso".into())),
        ];
        let overlay = Overlay::new(files, &tree, 4097).unwrap();
        assert!(overlay.has_whole_image());
        assert_eq!(overlay.medium_files().collect::<Vec<_>>(), ["boot/store"]);
        let image = Content::in_image(ImageId(9), 0, 4097);
        let archive = overlay.archive(&tree, &image).unwrap();
        assert_eq!((archive.len(), archive.len() % 4), (overlay.bytes(), 0));
        let of_image: Vec<u64> = archive
            .pieces()
            .iter()
            .filter(|piece| {
                matches!(
                    piece.source,
                    Source::Image {
                        image: ImageId(9),
                        ..
                    }
                )
            })
            .map(|piece| piece.len)
            .collect();
        assert_eq!(of_image, [4097]);
    }

    #[test]
    fn what_is_not_on_the_medium_is_named() {
        let of = |body| Overlay::new(vec![file("a", body)], &tree(&[("b/c", "d")]), 1);
        let error = of(OverlayBody::File("b".into())).unwrap_err();
        assert_eq!(error.to_string(), "b is not on the medium");
        assert!(of(OverlayBody::File("b/c".into())).is_ok());
        let large = Overlay::new(
            vec![file("a", OverlayBody::WholeImage)],
            &tree(&[]),
            1 << 32,
        );
        let too_large = matches!(
            large,
            Err(NoOverlay::Unwritable(Unwritable::TooLarge { bytes, .. })) if bytes == 1 << 32
        );
        assert!(too_large);
        let text = Overlay::new(
            vec![file("a", OverlayBody::Text("xyz".into()))],
            &tree(&[]),
            0,
        );
        let text = text.unwrap();
        let bytes = read(&text.archive(&tree(&[]), &Content::new([])).unwrap()).unwrap();
        assert!(bytes.windows(3).any(|window| window == b"xyz"));
        assert!(!text.has_whole_image());
    }
}
