//! The folders that NFS exports:
//!
//! ```text
//! /iso/NAME                     the files of an image
//! /run/archiso/bootmnt          those of the default image, at a path that a family's
//!                               initramfs mounts
//! ```
//!
//! and every folder in them. `/` is not exported: its contents differ from protocol to protocol.

use ipnet::IpNet;

use super::Routes;
use crate::catalog::Image;
use crate::images::families;
use crate::nfs::{Exports, Found, NotExported, Volume};
use crate::vfs::{Identity, Kind, Path, PathError};

impl Exports for Routes {
    fn folder(&self, path: &[u8]) -> Result<Found<'_>, NotExported> {
        let path = Path::parse(path).map_err(|why| match why {
            PathError::Climbs | PathError::TooLong => NotExported::Forbidden,
            PathError::Nul => NotExported::NotFound,
        })?;
        let names = path.names();
        let (image, inside) = match names {
            [b"iso", name, inside @ ..] => (self.catalog.image(name), inside),
            _ => match families::mount_paths().find_map(|mounted| below(names, mounted)) {
                Some(inside) => (self.catalog.default_image(), inside),
                None => (None, &[][..]),
            },
        };
        let image = image.ok_or(NotExported::NotFound)?;
        let inside = inside.join(&b'/');
        let inside = Path::parse(&inside).map_err(|_| NotExported::NotFound)?;
        let found = image.tree.resolve(&inside).ok_or(NotExported::NotFound)?;
        match found.node.kind {
            Kind::Directory(_) => Ok(Found {
                volume: volume(image),
                node: found.id,
            }),
            Kind::File(_) | Kind::Symlink(_) => Err(NotExported::NotADirectory),
        }
    }

    fn paths(&self) -> Vec<String> {
        let has_default = self.catalog.default_image().is_some();
        let of_families = families::mount_paths().filter(|_| has_default);
        let each = self.catalog.images().iter();
        let each = each.map(|image| format!("/iso/{}", image.name));
        of_families.map(str::to_owned).chain(each).collect()
    }

    fn networks(&self) -> Vec<String> {
        let networks = self.addresses.iter().map(IpNet::trunc);
        networks.map(|network| network.to_string()).collect()
    }

    fn volume(&self, identity: Identity) -> Option<Volume<'_>> {
        self.catalog
            .of_identity(identity)
            .map(|image| volume(image))
    }
}

/// Returns what of the path `names` is below the absolute path `mounted`; `None` when it is elsewhere.
fn below<'a>(names: &'a [&'a [u8]], mounted: &str) -> Option<&'a [&'a [u8]]> {
    let mut rest = names;
    for part in mounted.split('/').filter(|part| !part.is_empty()) {
        let (first, after) = rest.split_first()?;
        if *first != part.as_bytes() {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

fn volume(image: &Image) -> Volume<'_> {
    Volume {
        identity: image.identity,
        image: image.id,
        tree: &image.tree,
        size: image.size,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::routes;
    use super::*;
    use crate::catalog::Catalog;
    use crate::testing::{catalog, image};
    use crate::vfs::Tree;
    use std::sync::Arc;

    #[test]
    fn the_default_image_is_where_the_recipe_mounts_it() {
        let routes = routes(catalog());
        for path in [
            "/run/archiso/bootmnt",
            "/iso/dual",
            "iso//dual/",
            "/run/archiso//bootmnt/",
        ] {
            let found = routes.folder(path.as_bytes()).unwrap();
            assert_eq!(found.node, Tree::ROOT, "{path}");
        }
        let folder = routes.folder(b"/run/archiso/bootmnt/arch").unwrap();
        assert_eq!(folder.node, routes.folder(b"/iso/dual/arch").unwrap().node);
        assert_ne!(folder.node, Tree::ROOT);
        assert_eq!(routes.paths(), ["/run/archiso/bootmnt", "/iso/dual"]);
        assert_eq!(routes.networks(), ["192.168.0.0/24", "10.0.0.0/16"]);
    }

    #[test]
    fn nothing_else_can_be_mounted() {
        let routes = routes(catalog());
        for (path, why) in [
            ("/", NotExported::NotFound),
            ("", NotExported::NotFound),
            ("/arch", NotExported::NotFound),
            ("/iso", NotExported::NotFound),
            ("/iso/other", NotExported::NotFound),
            ("/iso/dual.iso", NotExported::NotFound),
            ("/iso/dual/nothing", NotExported::NotFound),
            ("/iso/dual/arch/vmlinuz", NotExported::NotADirectory),
            ("/iso/dual/../other", NotExported::Forbidden),
        ] {
            assert_eq!(routes.folder(path.as_bytes()).unwrap_err(), why, "{path}");
        }
    }

    #[test]
    fn an_image_that_was_replaced_can_be_used_and_not_mounted() {
        let old = Arc::new(image("old", &[]));
        let routes = routes(Catalog::with_retired(
            vec![Arc::new(image("new", &[]))],
            &[Arc::clone(&old)],
        ));
        assert!(routes.volume(old.identity).is_some());
        assert!(routes.folder(b"/iso/old").is_err());
        assert_eq!(routes.paths(), ["/run/archiso/bootmnt", "/iso/new"]);
    }
}
