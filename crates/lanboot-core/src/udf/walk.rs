//! Walks the directories breadth first.

use std::collections::{HashSet, VecDeque};

use super::extents::{self, Extents};
use super::icb::{self, Icb};
use super::partitions::Partitions;
use super::{names, tag};
use crate::storage::{Disk, Notes, Paths, Tally, u16_le, u32_le};
use crate::vfs::{
    Damage, ImageId, Kind, MAX_NODES, Meta, NodeId, Path, Tree, TreeBuilder, TreeError,
};

/// Longest directory, in bytes.
const MAX_DIRECTORY: u64 = 64 << 20;
/// Longest symbolic link, in bytes.
const MAX_LINK: u64 = 4096;
/// Characteristics of a name (ECMA-167 4/14.4.3).
const DELETED: u8 = 0x04;
const PARENT: u8 = 0x08;
const METADATA: u8 = 0x10;
/// Bytes of a file identifier descriptor before its variable part.
const IDENTIFIER: usize = 38;

/// Reads everything below the directory whose entry is `root`, at `place`.
pub(super) fn walk(
    disk: &mut Disk<'_>,
    image: ImageId,
    partitions: &Partitions,
    (root, place): (Icb, (u16, u32)),
    notes: &mut Notes,
) -> Tree {
    let mut walk = Walk {
        disk,
        extents: Extents::new(partitions, image),
        tree: TreeBuilder::new(root.meta),
        nodes: 1,
        queue: VecDeque::new(),
        seen: HashSet::from([place]),
        paths: Paths::new(),
        notes,
        cut: Tally::default(),
        unlocated: Tally::default(),
        special: Tally::default(),
        full: false,
    };
    let mut next = Some(Folder {
        node: Tree::ROOT,
        number: Paths::ROOT,
        depth: 0,
        icb: root,
    });
    while let Some(folder) = next {
        walk.folder(&folder);
        if walk.full || walk.disk.is_spent() || walk.extents.is_spent() {
            break;
        }
        next = walk.queue.pop_front();
    }
    walk.finish()
}

/// A directory to be read.
struct Folder {
    node: NodeId,
    /// Its number in `Walk::paths`.
    number: usize,
    depth: usize,
    icb: Icb,
}

struct Walk<'w, 'a> {
    disk: &'w mut Disk<'a>,
    extents: Extents<'w>,
    tree: TreeBuilder,
    /// Files and directories, the root included.
    nodes: usize,
    queue: VecDeque<Folder>,
    /// Entries of the directories found so far.
    seen: HashSet<(u16, u32)>,
    paths: Paths,
    notes: &'w mut Notes,
    /// Files partly or wholly past the end.
    cut: Tally,
    /// Files whose place is not wholly recorded.
    unlocated: Tally,
    /// Devices, pipes and sockets.
    special: Tally,
    /// True once the tree is full.
    full: bool,
}

impl Walk<'_, '_> {
    fn folder(&mut self, folder: &Folder) {
        let content = self.extents.content(self.disk, &folder.icb);
        let bytes = match extents::bytes(self.disk, &content, MAX_DIRECTORY) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.notes.add(|| {
                    let path = self.paths.folder(folder.number);
                    format!("cannot be read whole: the folder '{path}' {error}")
                });
                return;
            }
        };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && !self.full && !self.disk.is_spent() {
            let Some((identifier, after)) = Identifier::next(rest) else {
                self.notes.add(|| {
                    let path = self.paths.folder(folder.number);
                    format!("is damaged: a name in the folder '{path}' makes no sense")
                });
                return;
            };
            rest = after;
            if identifier.characteristics & (DELETED | PARENT | METADATA) == 0 {
                self.file(folder, &identifier);
            }
        }
    }

    fn file(&mut self, folder: &Folder, identifier: &Identifier<'_>) {
        let Some(name) = names::text(identifier.name) else {
            self.notes.add(|| {
                let path = self.paths.folder(folder.number);
                format!("is damaged: a name in the folder '{path}' is in no known encoding")
            });
            return;
        };
        let name = name.as_bytes();
        if self.nodes >= MAX_NODES || self.extents.is_spent() {
            self.full = true;
            return;
        }
        let icb = match icb::read(self.disk, self.extents.partitions, identifier.icb) {
            Ok(icb) => icb,
            Err(fault) => {
                self.notes.add(|| {
                    let path = self.paths.of(folder.number, name);
                    format!("is damaged: '{path}' {fault}")
                });
                return;
            }
        };
        match icb.file_type {
            icb::DIRECTORY => self.directory(folder, name, icb, identifier.icb),
            icb::REGULAR | icb::UNSPECIFIED | icb::REAL_TIME => {
                let content = self.extents.content(self.disk, &icb);
                match content.damage() {
                    Some(Damage::Incomplete { .. }) => {
                        self.cut.add(|| self.paths.of(folder.number, name));
                    }
                    Some(_) => self.unlocated.add(|| self.paths.of(folder.number, name)),
                    None => {}
                }
                self.add(folder, name, Kind::File(content), icb.meta);
            }
            icb::SYMLINK => self.link(folder, name, &icb),
            _ => self.special.add(|| self.paths.of(folder.number, name)),
        }
    }

    fn link(&mut self, folder: &Folder, name: &[u8], icb: &Icb) {
        let content = self.extents.content(self.disk, icb);
        let target = extents::bytes(self.disk, &content, MAX_LINK).ok();
        match target.and_then(|bytes| names::link(&bytes)) {
            Some(target) => {
                self.add(folder, name, Kind::Symlink(target.into()), icb.meta);
            }
            None => self.notes.add(|| {
                let path = self.paths.of(folder.number, name);
                format!("is damaged: the symbolic link '{path}' leads nowhere")
            }),
        }
    }

    fn directory(&mut self, folder: &Folder, name: &[u8], icb: Icb, place: (u16, u32)) {
        let kind = Kind::Directory(Vec::new());
        let Some(node) = self.add(folder, name, kind, icb.meta) else {
            return;
        };
        let depth = folder.depth + 1;
        let refused = if depth >= Path::MAX_NAMES {
            Some("is too deep to be asked for")
        } else if !self.seen.insert(place) {
            Some("is another folder's too")
        } else {
            None
        };
        if let Some(reason) = refused {
            self.notes.add(|| {
                let path = self.paths.of(folder.number, name);
                format!("has a folder that {reason}: '{path}'")
            });
            return;
        }
        let number = self.paths.add(folder.number, name);
        self.queue.push_back(Folder {
            node,
            number,
            depth,
            icb,
        });
    }

    /// Adds a node to the tree; a name that cannot be served is a warning.
    fn add(&mut self, folder: &Folder, name: &[u8], kind: Kind, meta: Meta) -> Option<NodeId> {
        match self.tree.add(folder.node, name, kind, meta) {
            Ok(id) => {
                self.nodes += 1;
                Some(id)
            }
            Err(TreeError::TooMany) => {
                self.full = true;
                None
            }
            Err(error) => {
                self.notes.add(|| {
                    let path = self.paths.of(folder.number, name);
                    format!("has {error}: '{path}'")
                });
                None
            }
        }
    }

    fn finish(self) -> Tree {
        if self.full || self.disk.is_spent() || self.extents.is_spent() {
            self.notes
                .sum_up("was not read whole: the disk fails, or the folders claim too much");
        }
        if self.cut.count > 0 {
            let files = self.cut.describe("file", "files");
            self.notes
                .sum_up(format!("is cut short: {files} reach past the end"));
        }
        if self.unlocated.count > 0 {
            let files = self.unlocated.describe("file", "files");
            self.notes.sum_up(format!(
                "is damaged: it does not record where all of {files} is"
            ));
        }
        if self.special.count > 0 {
            let files = self
                .special
                .describe("device, pipe or socket", "devices, pipes or sockets");
            self.notes.sum_up(format!("has {files}, left out"));
        }
        self.tree.build()
    }
}

/// A name in a directory (ECMA-167 4/14.4).
struct Identifier<'a> {
    characteristics: u8,
    /// Partition and block of the file's entry.
    icb: (u16, u32),
    name: &'a [u8],
}

impl<'a> Identifier<'a> {
    /// Parses the first name of `bytes`; returns it and what follows.
    fn next(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let name_len = usize::from(*bytes.get(19)?);
        let use_len = usize::from(u16_le(bytes, 36));
        let len = IDENTIFIER + use_len + name_len;
        let own = bytes.get(..len)?;
        // Some writers' CRCs cover the padding.
        if tag::anywhere(bytes) != Some(tag::FILE_IDENTIFIER) {
            return None;
        }
        let identifier = Self {
            characteristics: *own.get(18)?,
            icb: (u16_le(own, 28), u32_le(own, 24)),
            name: own.get(IDENTIFIER + use_len..)?,
        };
        let padded = len.next_multiple_of(4).min(bytes.len());
        Some((identifier, bytes.get(padded..)?))
    }
}
