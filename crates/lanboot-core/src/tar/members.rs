//! Members of an archive by their paths, and the tree made of them.

use std::collections::BTreeMap;

use crate::storage::{Notes, Tally};
use crate::vfs::{Content, Kind, MAX_NAME_BYTES, Meta, NodeId, Path, Tree, TreeBuilder};

/// Names of a path, from the root.
type Names = Vec<Box<[u8]>>;

/// Nodes of the folders by their paths; `None` for a file.
type Folders = BTreeMap<Names, Option<NodeId>>;

/// Members by their paths: of several with the same path the last one counts, as when they are unpacked.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_path: BTreeMap<Names, (Kind, Meta)>,
    /// Members added, those that are left out included.
    count: usize,
    left_out: Tally,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds a member; `kind` is `None` for one that is left out in any case.
    pub(super) fn add(&mut self, path: &[u8], kind: Option<Kind>, meta: Meta) {
        self.count += 1;
        let names = names(path);
        match (names, kind) {
            // The archive's own folder.
            (Some(names), Some(Kind::Directory(_))) if names.is_empty() => {}
            (Some(names), Some(kind)) if !names.is_empty() => {
                self.by_path.insert(names, (kind, meta));
            }
            _ => self.leave_out(path),
        }
    }

    /// Returns the file that an earlier member with this path is.
    pub(super) fn file(&self, path: &[u8]) -> Option<Content> {
        match self.by_path.get(&names(path)?)? {
            (Kind::File(content), _) => Some(content.clone()),
            _ => None,
        }
    }

    /// Makes the tree, with the folders that no member stands for.
    pub(super) fn finish(mut self) -> (Tree, Vec<String>) {
        let mut builder = TreeBuilder::new(Meta::default());
        let mut folders = Folders::new();
        // Parents come before what is in them.
        for (names, (kind, meta)) in std::mem::take(&mut self.by_path) {
            let is_folder = matches!(kind, Kind::Directory(_));
            let added = add(&mut builder, &mut folders, &names, kind, meta);
            match added {
                Some(id) => {
                    folders.insert(names, is_folder.then_some(id));
                }
                None => self.leave_out(&names.join(&b'/')),
            }
        }
        let mut notes = Notes::default();
        if self.left_out.count > 0 {
            let said = self.left_out.describe("member", "members");
            notes.sum_up(format!(
                "{said} left out: devices, names with '..' or too long, or files below a file"
            ));
        }
        (builder.build(), notes.finish())
    }

    fn leave_out(&mut self, path: &[u8]) {
        let shown = || crate::text::printable(path, MAX_NAME_BYTES);
        self.left_out.add(shown);
    }
}

/// Adds a node with the folders above it; `None` where one of these is no folder.
fn add(
    builder: &mut TreeBuilder,
    folders: &mut Folders,
    names: &[Box<[u8]>],
    kind: Kind,
    meta: Meta,
) -> Option<NodeId> {
    let (name, above) = names.split_last()?;
    let mut parent = Tree::ROOT;
    for depth in 1..=above.len() {
        let path = above.get(..depth)?;
        parent = match folders.get(path) {
            Some(id) => (*id)?,
            None => {
                let directory = Kind::Directory(Vec::new());
                let id = builder
                    .add(parent, path.last()?, directory, Meta::default())
                    .ok()?;
                folders.insert(path.to_vec(), Some(id));
                id
            }
        };
    }
    builder.add(parent, name, kind, meta).ok()
}

/// Splits a path; `None` for one that climbs, or has more or longer names than a path may have.
fn names(path: &[u8]) -> Option<Names> {
    let path = Path::parse(path).ok()?;
    let fits = path.names().iter().all(|name| name.len() <= MAX_NAME_BYTES);
    fits.then(|| path.names().iter().map(|name| (*name).into()).collect())
}
