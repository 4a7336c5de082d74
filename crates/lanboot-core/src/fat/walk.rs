//! Walks the directories breadth first.

use std::collections::VecDeque;

use super::chains::{Chain, Chains};
use super::directory::{Entries, Entry, Node};
use super::geometry::{ENTRY, ENTRY_BYTES, Geometry, Root};
use crate::storage::{Disk, Notes, Paths, Tally, Unreadable};
use crate::vfs::{
    Content, Damage, ImageId, Kind, MAX_NODES, Meta, Missing, NodeId, Path, Piece, Source, Tree,
    TreeBuilder, TreeError,
};

/// Most bytes of a directory: 65,536 entries (FAT specification §6.1).
const MAX_DIRECTORY: u64 = (1 << 16) * ENTRY_BYTES;
/// Directory bytes read at once.
const CHUNK: u64 = 32 * 1024;

/// Result of the walk.
pub(super) struct Found {
    pub(super) tree: Tree,
    /// The label that the root directory holds.
    pub(super) label: Option<String>,
}

/// Reads every directory.
pub(super) fn walk(
    disk: &mut Disk<'_>,
    image: ImageId,
    geometry: &Geometry,
    notes: &mut Notes,
) -> Found {
    let mut walk = Walk {
        disk,
        image,
        geometry,
        chains: Chains::new(geometry),
        tree: TreeBuilder::new(Meta::default()),
        queue: VecDeque::new(),
        files: Vec::new(),
        nodes: 1,
        extents: 0,
        paths: Paths::new(),
        notes,
        cut: Tally::default(),
        unlocated: Tally::default(),
        label: None,
        full: false,
    };
    walk.root();
    while let Some(folder) = walk.queue.pop_front() {
        walk.folder(&folder);
        if walk.full || walk.disk.is_spent() {
            break;
        }
    }
    walk.finish()
}

/// A directory to be read.
struct Folder {
    node: NodeId,
    /// Its number in `Walk::paths`.
    number: usize,
    depth: usize,
    first: u32,
}

/// A file; it is added to the tree once all chains are known.
struct File {
    folder: NodeId,
    /// The folder's number in `Walk::paths`.
    number: usize,
    node: Node,
    chain: Chain,
}

struct Walk<'w, 'a> {
    disk: &'w mut Disk<'a>,
    image: ImageId,
    geometry: &'w Geometry,
    chains: Chains<'w>,
    tree: TreeBuilder,
    queue: VecDeque<Folder>,
    files: Vec<File>,
    /// Files and directories, the root included.
    nodes: usize,
    /// Runs of clusters of files; they use memory like files.
    extents: usize,
    paths: Paths,
    notes: &'w mut Notes,
    /// Files partly or wholly past the end.
    cut: Tally,
    /// Files whose clusters are not all known, or belong to another one too.
    unlocated: Tally,
    label: Option<String>,
    /// True once a limit is reached.
    full: bool,
}

impl Walk<'_, '_> {
    fn root(&mut self) {
        match &self.geometry.root {
            Root::Chain(first) => self.queue.push_back(Folder {
                node: Tree::ROOT,
                number: Paths::ROOT,
                depth: 0,
                first: *first,
            }),
            Root::Fixed(bytes) => {
                let root = Folder {
                    node: Tree::ROOT,
                    number: Paths::ROOT,
                    depth: 0,
                    first: 0,
                };
                let mut entries = Entries::default();
                self.bytes(&root, &mut entries, bytes.start, bytes.end - bytes.start);
            }
        }
    }

    fn folder(&mut self, folder: &Folder) {
        let limit = MAX_DIRECTORY.div_ceil(self.geometry.cluster_bytes);
        let chain = self.chains.follow(self.disk, folder.first, limit);
        let mut entries = Entries::default();
        for run in &chain.runs {
            let Some(at) = self.geometry.cluster(run.first) else {
                break;
            };
            let len = u64::from(run.count) * self.geometry.cluster_bytes;
            self.bytes(folder, &mut entries, at, len);
            if entries.is_at_end || self.full {
                return;
            }
        }
        if chain.is_broken {
            self.notes.add(|| {
                let path = self.paths.folder(folder.number);
                format!("is damaged: the folder '{path}' has no end, or leads back to another one")
            });
        }
    }

    /// Reads the entries in `len` bytes of a directory.
    fn bytes(&mut self, folder: &Folder, entries: &mut Entries, at: u64, len: u64) {
        let mut done = 0;
        let mut chunk = Vec::new();
        while done < len && !entries.is_at_end && !self.full {
            let part = (len - done).min(CHUNK);
            // Lossless: at most CHUNK.
            chunk.resize(usize::try_from(part).unwrap_or(0), 0);
            let from = at.saturating_add(done);
            let read = match from.saturating_add(part) <= self.geometry.end {
                true => self.disk.read(from, &mut chunk),
                false => Err(Unreadable::PastEnd),
            };
            if let Err(error) = read {
                self.notes.add(|| {
                    let path = self.paths.folder(folder.number);
                    format!("cannot be read whole: the folder '{path}' at byte {from} {error}")
                });
                return;
            }
            for bytes in chunk.chunks(ENTRY) {
                match entries.next(bytes) {
                    Some(Entry::Node(node)) => self.node(folder, node),
                    Some(Entry::Label(label)) if folder.node == Tree::ROOT => {
                        self.label.get_or_insert(label);
                    }
                    Some(Entry::Label(_)) | None => {}
                }
                if entries.is_at_end || self.full {
                    return;
                }
            }
            done += part;
        }
    }

    fn node(&mut self, folder: &Folder, node: Node) {
        if self.nodes >= MAX_NODES || self.extents > MAX_NODES || self.chains.is_spent() {
            self.full = true;
            self.notes
                .sum_up("has more files, or more pieces of files, than are read");
            return;
        }
        if node.is_directory {
            self.directory(folder, &node);
            return;
        }
        self.nodes += 1;
        let clusters = node.len.div_ceil(self.geometry.cluster_bytes);
        let chain = self.chains.follow(self.disk, node.first, clusters);
        self.extents += chain.runs.len();
        self.files.push(File {
            folder: folder.node,
            number: folder.number,
            node,
            chain,
        });
    }

    fn directory(&mut self, folder: &Folder, node: &Node) {
        let name = node.name.as_bytes();
        let kind = Kind::Directory(Vec::new());
        let Some(id) = self.add(folder.node, folder.number, name, kind, node.modified) else {
            return;
        };
        self.nodes += 1;
        let depth = folder.depth + 1;
        if depth >= Path::MAX_NAMES {
            self.notes.add(|| {
                let path = self.paths.of(folder.number, name);
                format!("has a folder that is too deep to be asked for: '{path}'")
            });
            return;
        }
        let number = self.paths.add(folder.number, name);
        self.queue.push_back(Folder {
            node: id,
            number,
            depth,
            first: node.first,
        });
    }

    /// Adds a node to the tree; a name that cannot be served is a warning.
    fn add(
        &mut self,
        folder: NodeId,
        number: usize,
        name: &[u8],
        kind: Kind,
        modified: i64,
    ) -> Option<NodeId> {
        let meta = Meta {
            modified,
            ..Meta::default()
        };
        match self.tree.add(folder, name, kind, meta) {
            Ok(id) => Some(id),
            Err(TreeError::TooMany) => {
                self.full = true;
                None
            }
            Err(error) => {
                self.notes.add(|| {
                    let path = self.paths.of(number, name);
                    format!("has {error}: '{path}'")
                });
                None
            }
        }
    }

    fn finish(mut self) -> Found {
        for file in std::mem::take(&mut self.files) {
            let content = self.content(&file);
            let name = file.node.name.as_bytes();
            match content.damage() {
                Some(Damage::Incomplete { .. }) => {
                    self.cut.add(|| self.paths.of(file.number, name));
                }
                Some(_) => self.unlocated.add(|| self.paths.of(file.number, name)),
                None => {}
            }
            let modified = file.node.modified;
            self.add(
                file.folder,
                file.number,
                name,
                Kind::File(content),
                modified,
            );
        }
        if self.disk.is_spent() {
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
                "is damaged: its table of clusters does not say where all of {files} is"
            ));
        }
        Found {
            tree: self.tree.build(),
            label: self.label,
        }
    }

    /// Returns the pieces of a file: its clusters, and what is missing of it.
    fn content(&self, file: &File) -> Content {
        let len = file.node.len;
        if self.chains.is_crossed(&file.chain) {
            return Content::unusable(len, Missing::Unlocated);
        }
        let mut pieces = Vec::new();
        let mut known = 0;
        for run in &file.chain.runs {
            let Some(at) = self.geometry.cluster(run.first) else {
                break;
            };
            let bytes = u64::from(run.count) * self.geometry.cluster_bytes;
            let bytes = bytes.min(len - known);
            pieces.extend(Piece::of_image(self.image, at, bytes, self.geometry.end));
            known += bytes;
        }
        pieces.push(Piece {
            source: Source::Missing(Missing::Unlocated),
            len: len - known,
        });
        Content::new(pieces)
    }
}
