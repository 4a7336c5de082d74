//! The disks that NBD exports.
//!
//! ```text
//! NAME, NAME.iso        an image, whole
//! archiso               the default image, by a name that a family's initramfs asks for
//! (empty)               the default image, for clients that give no name
//! NAME@IDENTITY         exactly that file, for machines that reconnect: Image::pinned_name
//! ```
//!
//! An image called `archiso` takes precedence over the default one.

use std::sync::Arc;

use super::Routes;
use crate::catalog::{Catalog, Image};
use crate::images::families;
use crate::nbd::{Export, Exports};
use crate::text::printable;

/// Longest part of a volume label that is shown, in bytes.
const LABEL_BYTES: usize = 64;

impl Exports for Routes {
    fn find(&self, name: &[u8]) -> Option<Export> {
        if let Some(image) = named(&self.catalog, name).filter(|image| !image.is_files()) {
            return Some(export(image, image.name.clone()));
        }
        // Its own name may be another image's by now.
        let pinned = self.catalog.pinned(name);
        let image = pinned.filter(|image| !image.is_files())?;
        Some(export(image, image.pinned_name()))
    }

    fn is_without_disk(&self, name: &[u8]) -> bool {
        let image = named(&self.catalog, name).or_else(|| self.catalog.pinned(name));
        image.is_some_and(|image| image.is_files())
    }

    fn names(&self) -> Vec<String> {
        let images = self.catalog.images();
        let disks = images.iter().filter(|image| !image.is_files());
        let names = disks.map(|image| image.name.clone());
        let of_families = families::disk_names().filter(|name| {
            let is_taken = self.catalog.image(name.as_bytes()).is_some();
            let default = self.catalog.default_image();
            default.is_some_and(|image| !image.is_files()) && !is_taken
        });
        names.chain(of_families.map(str::to_owned)).collect()
    }
}

/// Returns the image that `name` requests by its own name, or as the default one.
fn named<'a>(catalog: &'a Catalog, name: &[u8]) -> Option<&'a Arc<Image>> {
    let stem = name.strip_suffix(b".iso");
    let named = catalog.image(name).or_else(|| catalog.image(stem?));
    named.or_else(|| {
        let mut names = families::disk_names().map(str::as_bytes);
        let is_default = name.is_empty() || names.any(|disk| disk == name);
        is_default.then(|| catalog.default_image())?
    })
}

fn export(image: &Image, name: String) -> Export {
    let label = printable(image.label.as_bytes(), LABEL_BYTES);
    let description = format!("{label} ({})", image.found.family_name());
    Export::new(name, description, image.whole())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loaders::Loaders;
    use crate::media::Format;
    use crate::menus::Menu;
    use crate::plan::Transports;
    use crate::testing::image;
    use crate::vfs::{Content, Identity, ImageId};

    /// Images by name and number; only the number distinguishes them.
    fn routes(images: &[(&str, u64)], retired: &[(&str, u64)]) -> Routes {
        let make = |named: &[(&str, u64)]| -> Vec<_> {
            let one = |&(name, id): &(&str, u64)| {
                Arc::new(Image {
                    id: ImageId(id),
                    identity: Identity([u8::try_from(id).unwrap(); 16]),
                    ..image(name, &[])
                })
            };
            named.iter().map(one).collect()
        };
        Routes {
            catalog: Arc::new(Catalog::with_retired(make(images), &make(retired))),
            loaders: Arc::new(Loaders::default()),
            menu: Menu {
                timeout: None,
                boot: crate::plan::BootChoice::default(),
                append: String::new(),
                transports: Transports::default(),
                kind: crate::plan::MenuKind::Generated,
            },
            addresses: Vec::new(),
            subnets: Vec::new(),
            http_port: 80,
            nfs: true,
            nbd: true,
        }
    }

    /// Name and number of the image behind `asked`.
    fn found(routes: &Routes, asked: &str) -> Option<(String, u64)> {
        let export = Exports::find(routes, asked.as_bytes())?;
        let id = (0..100).find(|&id| *export.content() == Content::in_image(ImageId(id), 0, 4096));
        Some((export.name, id.unwrap()))
    }

    #[test]
    fn a_folder_is_no_disk_under_any_name() {
        let mut folder = image("tree", &[]);
        folder.found.format = Some(Format::Folder);
        let pinned = folder.pinned_name();
        let routes = Routes {
            catalog: Arc::new(Catalog::new(vec![Arc::new(folder)])),
            ..routes(&[], &[])
        };
        assert_eq!(routes.names(), [""; 0]);
        for name in ["tree", "tree.iso", "", "archiso", &pinned] {
            assert!(Exports::find(&routes, name.as_bytes()).is_none(), "{name}");
            assert!(routes.is_without_disk(name.as_bytes()), "{name}");
        }
        assert!(!routes.is_without_disk(b"other"));
    }

    #[test]
    fn an_image_has_its_name_and_the_default_one_two_more() {
        let routes = routes(&[("a", 1), ("b", 2), ("c.iso", 3), ("c", 4)], &[]);
        for (asked, name, id) in [
            ("a", "a", 1),
            ("b", "b", 2),
            ("b.iso", "b", 2),
            ("", "a", 1),
            ("archiso", "a", 1),
            ("c.iso", "c.iso", 3),
            ("c", "c", 4),
        ] {
            assert_eq!(found(&routes, asked), Some((name.into(), id)), "{asked}");
        }
        for asked in ["A", "a.ISO", ".iso", "archiso.iso", "a@", "@", "d"] {
            assert_eq!(found(&routes, asked), None, "{asked}");
        }
        assert_eq!(routes.names(), ["a", "b", "c.iso", "c", "archiso"]);
    }

    #[test]
    fn an_image_called_archiso_goes_before_the_default_one() {
        let routes = routes(&[("a", 1), ("archiso", 2)], &[]);
        assert_eq!(found(&routes, "archiso"), Some(("archiso".into(), 2)));
        assert_eq!(found(&routes, "archiso.iso"), Some(("archiso".into(), 2)));
        assert_eq!(found(&routes, ""), Some(("a".into(), 1)));
        assert_eq!(routes.names(), ["a", "archiso"]);
    }

    #[test]
    fn a_pinned_name_finds_the_replaced_image_and_nothing_when_it_is_gone() {
        let old = "a@01010101010101010101010101010101";
        let new = "a@02020202020202020202020202020202";
        let before = routes(&[("a", 1)], &[]);
        assert_eq!(found(&before, old), Some((old.into(), 1)));
        let replaced = routes(&[("a", 2)], &[("a", 1)]);
        assert_eq!(found(&replaced, "a"), Some(("a".into(), 2)));
        assert_eq!(found(&replaced, old), Some((old.into(), 1)));
        assert_eq!(found(&replaced, new), Some((new.into(), 2)));
        let renamed = routes(&[("z", 1)], &[]);
        assert_eq!(found(&renamed, old), Some((old.replace('a', "z"), 1)));
        let gone = routes(&[("a", 2)], &[]);
        assert_eq!(found(&gone, old), None);
    }

    #[test]
    fn routes_without_images_have_no_exports() {
        let routes = routes(&[], &[]);
        assert_eq!(found(&routes, ""), None);
        assert!(routes.names().is_empty());
    }
}
