//! One image as it is served: its tree, what it says of itself, what it can boot.

use std::sync::Arc;

use super::medium_loaders::MediumLoaders;
use crate::images::{Detection, MountSource, Server};
use crate::media::Format;
use crate::vfs::{Content, File, Identity, ImageId, Kind, Missing, Path, Piece, Tree};

/// An image of the catalog.
#[derive(Clone, Debug)]
pub struct Image {
    /// The name machines see in paths and menus; safe in a URL and in a shell. No other image has
    /// it.
    pub name: String,
    /// The file as the operator named it, printable.
    pub file: String,
    /// The folders it lies in below the one the operator named, printable: the outermost first.
    pub folder: Vec<String>,
    /// Its number among the open images.
    pub id: ImageId,
    /// Size of the file, in bytes.
    pub size: u64,
    /// Bytes it should have: more than `size` when it was cut short.
    pub recorded_size: u64,
    /// Distinguishes this file from another one of the same name: changes when the file does.
    pub version: u64,
    /// Survives a restart and a rename: what NFS handles and NBD export names hold on to.
    pub identity: Identity,
    /// Volume label.
    pub label: String,
    /// Volume UUID as `blkid` prints it.
    pub uuid: Option<String>,
    /// Its files.
    pub tree: Arc<Tree>,
    /// The kind of medium, and what it can boot.
    pub found: Detection,
    /// The loaders on it for machines with Secure Boot on.
    pub loaders: MediumLoaders,
}

impl Image {
    /// Returns this image as a source of roots on `server`.
    pub fn at<'a>(&'a self, server: &'a Server) -> MountSource<'a> {
        MountSource {
            server,
            image: &self.name,
            identity: self.identity,
        }
    }

    /// Returns the whole image, as a disk or as one file. What is missing of it cannot be read, and of
    /// a folder or an archive nothing.
    pub fn whole(&self) -> Content {
        if self.is_files() {
            return Content::unusable(self.size, Missing::NoDisk);
        }
        Content::new(Piece::of_image(self.id, 0, self.recorded_size, self.size))
    }

    /// Tests whether it is a folder or an archive, and so no disk.
    pub fn is_files(&self) -> bool {
        self.found.format.is_some_and(Format::is_files)
    }

    /// Returns the file of the image at a path, as machines send it.
    pub fn file(&self, path: &[u8]) -> Option<File> {
        let found = self.tree.resolve(&Path::parse(path).ok()?)?;
        match &found.node.kind {
            Kind::File(content) if found.id != Tree::ROOT => Some(File {
                content: content.clone(),
                modified: Some(found.node.meta.modified),
                version: self.version.rotate_left(20) ^ u64::from(found.id.0),
                warning: None,
            }),
            Kind::File(_) | Kind::Directory(_) | Kind::Symlink(_) => None,
        }
    }

    /// Lists every word that means it or one of its entries, in paths, in menus and to `--boot`. No
    /// two images may have one in common.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let entries = self.found.entries.iter().map(|entry| &entry.id);
        [&self.name].into_iter().chain(entries).map(String::as_str)
    }

    /// Returns a name that means this very file: `NAME@IDENTITY`, which [`super::Catalog::pinned`]
    /// finds also when the file was renamed or another one took its place, and never anything else.
    ///
    /// A machine that streams its root requests it again by name after its connection broke, and
    /// continues with whatever it gets, under a file system it has mounted. So menus must not use a
    /// plain name: after a new image appeared under the old name, the machine would read the blocks
    /// of another file system.
    pub fn pinned_name(&self) -> String {
        self.identity.pinned_name(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_name_holds_the_identity() {
        let image = crate::testing::image("dual", &[]);
        let name = image.pinned_name();
        assert_eq!(name, "dual@6475616c000000000000000000000000");
        assert_eq!(
            Identity::of_pinned_name(name.as_bytes()),
            Some(image.identity)
        );
        let upper = name.to_uppercase();
        assert_eq!(
            Identity::of_pinned_name(upper.as_bytes()),
            Some(image.identity)
        );
        for wrong in [
            "dual",
            "dual@",
            "dual@6475616c00000000000000000000000",
            "dual@6475616c0000000000000000000000000",
            "dual@+475616c000000000000000000000000",
            "dual@6475616c00000000000000000000000\u{e9}",
        ] {
            assert_eq!(Identity::of_pinned_name(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
