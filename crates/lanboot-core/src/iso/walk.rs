//! Walks the directory tree breadth first, reading each directory once however many records name
//! it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::record::Record;
use super::root::{self, Names, Root};
use super::storage::{Extent, SECTOR, SECTOR_BYTES, Storage};
use super::susp::{self, Attributes};
use crate::storage::{Notes, Paths, Tally};
use crate::vfs::{
    Content, Damage, ImageId, Kind, MAX_NODES, Meta, Missing, NodeId, Path, Piece, Tree,
    TreeBuilder, TreeError,
};

/// Directory bytes read at once.
const CHUNK: u64 = 16 * SECTOR;
/// Deepest directory entered: deeper ones cannot be requested.
const MAX_DEPTH: usize = Path::MAX_NAMES;
/// Most bytes of a directory read to see whether it holds only relocated directories.
const MAX_PEEK: u64 = 64 * SECTOR;

/// Reads everything below `root`.
pub(super) fn walk(
    storage: &mut Storage<'_>,
    image: ImageId,
    root: &Root,
    notes: &mut Notes,
) -> Tree {
    let mut walk = Walk {
        storage,
        image,
        block_size: root.volume.block_size,
        names: root.names,
        tree: TreeBuilder::new(root.meta),
        queue: VecDeque::new(),
        paths: Paths::new(),
        notes,
        cut: Tally::default(),
        damaged: Tally::default(),
        special: Tally::default(),
        compressed: Tally::default(),
        extents: 0,
        full: false,
    };
    if root.damaged {
        walk.damaged.add(|| "/".to_owned());
    }
    let mut next = Some(Folder {
        node: Tree::ROOT,
        number: Paths::ROOT,
        depth: 0,
        extent: root.volume.root,
        above: None,
    });
    while let Some(folder) = next {
        walk.folder(&folder);
        if walk.full || walk.storage.is_spent() {
            break;
        }
        next = walk.queue.pop_front();
    }
    walk.finish()
}

/// A directory to be read.
#[derive(Clone, Debug)]
struct Folder {
    node: NodeId,
    /// Its number in `Walk::paths`.
    number: usize,
    depth: usize,
    extent: Extent,
    /// The directories it is in. One found again below itself is a loop; two records of one
    /// directory beside each other are two names for it.
    above: Option<Arc<Above>>,
}

/// Start of a directory, and of its parents.
#[derive(Debug)]
struct Above {
    at: u64,
    next: Option<Arc<Self>>,
}

impl Folder {
    /// Returns whether the directory that starts at `at` is this one or an ancestor.
    fn is_inside(&self, at: u64) -> bool {
        let mut above = self.above.as_ref();
        let mut found = self.extent.at == at;
        while let Some(next) = above.filter(|_| !found) {
            found = next.at == at;
            above = next.next.as_ref();
        }
        found
    }
}

/// A file whose extents are being collected.
struct Open {
    /// Recorded name, to recognise the next extent by.
    identifier: Vec<u8>,
    name: Vec<u8>,
    meta: Meta,
    pieces: Vec<Piece>,
    /// Reason it cannot be read whatever its extents are, and the length to report if it is not the
    /// sum of theirs.
    unusable: Option<(Missing, Option<u64>)>,
}

struct Walk<'w, 'a> {
    storage: &'w mut Storage<'a>,
    image: ImageId,
    block_size: u64,
    names: Names,
    tree: TreeBuilder,
    queue: VecDeque<Folder>,
    paths: Paths,
    notes: &'w mut Notes,
    /// Files partly or wholly past the end.
    cut: Tally,
    /// Files whose Rock Ridge entries are damaged.
    damaged: Tally,
    /// Devices, pipes and sockets.
    special: Tally,
    /// Files compressed by zisofs.
    compressed: Tally,
    /// Extents beyond the first of their files; they use memory like files.
    extents: usize,
    /// True once the tree is full.
    full: bool,
}

impl Walk<'_, '_> {
    /// Reads one directory into the tree and queues its subdirectories.
    fn folder(&mut self, folder: &Folder) {
        let mut extent = folder.extent;
        let mut open = None;
        let mut chunk = Vec::new();
        let mut at = extent.at;
        // The first record, in the first sector, states the length.
        let mut end = at.saturating_add(extent.len.max(SECTOR - at % SECTOR));
        let mut is_first = true;
        while at < end.min(self.storage.len()) && !self.full {
            // Records do not cross sectors (ECMA-119 §6.8.1.1); with small blocks, a directory may
            // start in the middle of one.
            let len = (CHUNK - at % SECTOR).min(end.min(self.storage.len()) - at);
            chunk.resize(usize::try_from(len).unwrap_or(0), 0);
            if let Err(error) = self.storage.read(at, &mut chunk) {
                self.notes.add(|| {
                    let path = self.paths.folder(folder.number);
                    format!("cannot be read whole: the folder '{path}' at byte {at} {error}")
                });
                break;
            }
            if std::mem::take(&mut is_first) {
                if let Ok(Some(own)) = Record::next(&mut chunk.as_slice()) {
                    let (size, end) = (self.block_size, self.storage.len());
                    extent.len = root::directory_len(&own, extent, size, end);
                }
                end = extent.at.saturating_add(extent.len);
                let left = usize::try_from(end - at).unwrap_or(usize::MAX);
                chunk.truncate(left);
            }
            let first = usize::try_from(SECTOR - at % SECTOR).unwrap_or(0);
            let (first, rest) = chunk.split_at_checked(first).unwrap_or((&chunk, &[]));
            for sector in std::iter::once(first).chain(rest.chunks(SECTOR_BYTES)) {
                self.sector(folder, sector, &mut open);
            }
            at += chunk.len() as u64;
            if chunk.is_empty() {
                break;
            }
        }
        if end > self.storage.len() {
            self.notes.add(|| {
                let path = self.paths.folder(folder.number);
                let (at, len) = (extent.at, self.storage.len());
                let what = format!("the folder '{path}' at byte {at}");
                format!("is cut short: {what} reaches past the end (file has {len} bytes)")
            });
        }
        if let Some(file) = open {
            self.broken_off(folder, file);
        }
    }

    fn sector(&mut self, folder: &Folder, sector: &[u8], open: &mut Option<Open>) {
        let mut rest = sector;
        while !self.full {
            match Record::next(&mut rest) {
                Ok(Some(record)) => self.record(folder, &record, open),
                Ok(None) => return,
                Err(_) => {
                    self.notes.add(|| {
                        let path = self.paths.folder(folder.number);
                        format!("is damaged: a record in the folder '{path}' makes no sense")
                    });
                    return;
                }
            }
        }
    }

    fn record(&mut self, folder: &Folder, record: &Record<'_>, open: &mut Option<Open>) {
        if let Some(mut file) = open.take() {
            if file.identifier == record.identifier && !record.is_directory() {
                file.pieces.extend(self.pieces(record));
                self.extents += 1;
                if self.extents > MAX_NODES {
                    self.full = true;
                    self.notes
                        .add(|| format!("has more than {MAX_NODES} extents of files"));
                }
                if record.continues() {
                    *open = Some(file);
                } else {
                    self.file(folder, file);
                }
                return;
            }
            self.broken_off(folder, file);
        }
        if record.is_dot() || record.is_associated() {
            return;
        }
        let attributes = match self.names {
            Names::RockRidge(skip) => susp::read(self.storage, record, skip, self.block_size),
            Names::Joliet | Names::Plain => Attributes::default(),
        };
        if attributes.relocated {
            // It is reached through the `CL` that refers to it (RRIP §4.1.5).
            return;
        }
        let name = self.name(record, &attributes);
        if attributes.damaged {
            self.damaged.add(|| self.paths.of(folder.number, &name));
        }
        let meta = root::meta(record, &attributes);
        if let Some(block) = attributes.child {
            self.relocated(folder, &name, block, meta);
        } else if record.is_directory() {
            self.directory(folder, &name, record.extent(self.block_size), meta);
        } else if attributes.is_link() {
            self.link(folder, &name, &attributes, meta);
        } else if attributes.is_special() {
            self.special.add(|| self.paths.of(folder.number, &name));
        } else {
            let mut file = Open {
                identifier: Vec::new(),
                unusable: self.unusable(folder, &name, record, &attributes),
                name,
                meta,
                pieces: self.pieces(record).into(),
            };
            if record.continues() {
                file.identifier = record.identifier.to_vec();
                *open = Some(file);
            } else {
                self.file(folder, file);
            }
        }
    }

    fn name(&self, record: &Record<'_>, attributes: &Attributes) -> Vec<u8> {
        match (self.names, &attributes.name) {
            (Names::Joliet, _) => record.joliet_name(),
            (Names::RockRidge(_), Some(name)) if !name.is_empty() => name.clone(),
            _ => record.plain_name().to_vec(),
        }
    }

    /// Returns the extent of one record: the part inside the image, and the part past its end.
    fn pieces(&self, record: &Record<'_>) -> [Piece; 2] {
        let Extent { at, len } = record.extent(self.block_size);
        Piece::of_image(self.image, at, len, self.storage.len())
    }

    /// Returns the reason, if any, that the recorded bytes are not the file's contents.
    fn unusable(
        &mut self,
        folder: &Folder,
        name: &[u8],
        record: &Record<'_>,
        attributes: &Attributes,
    ) -> Option<(Missing, Option<u64>)> {
        if record.interleaved {
            self.notes.add(|| {
                let path = self.paths.of(folder.number, name);
                format!("has an interleaved file, which is not read: '{path}'")
            });
            return Some((Missing::Interleaved, None));
        }
        let unpacked = attributes.zisofs?;
        self.compressed.add(|| self.paths.of(folder.number, name));
        Some((Missing::Zisofs, Some(unpacked)))
    }

    fn file(&mut self, folder: &Folder, file: Open) {
        let content = Content::new(file.pieces);
        let content = match file.unusable {
            Some((reason, len)) => Content::unusable(len.unwrap_or(content.len()), reason),
            None => content,
        };
        if let Some(Damage::Incomplete { .. }) = content.damage() {
            self.cut.add(|| self.paths.of(folder.number, &file.name));
        }
        self.add(folder, &file.name, Kind::File(content), file.meta);
    }

    /// Adds a file whose last extent is not recorded, so that its length is unknown.
    fn broken_off(&mut self, folder: &Folder, file: Open) {
        self.notes.add(|| {
            let path = self.paths.of(folder.number, &file.name);
            format!("is damaged: the last extent of '{path}' is missing from its folder")
        });
        let unusable = Some((Missing::ExtentMissing, None));
        self.file(folder, Open { unusable, ..file });
    }

    fn link(&mut self, folder: &Folder, name: &[u8], attributes: &Attributes, meta: Meta) {
        if let Some(text) = attributes.usable_link() {
            self.add(folder, name, Kind::Symlink(text.into()), meta);
        } else {
            self.damaged.add(|| self.paths.of(folder.number, name));
        }
    }

    /// Adds a directory relocated by RRIP, because ISO 9660 allows only eight levels (§4.1.5.1).
    fn relocated(&mut self, folder: &Folder, name: &[u8], block: u32, fallback: Meta) {
        let at = u64::from(block) * self.block_size;
        let found = self.storage.sector(at);
        let own = match &found {
            Ok(sector) => Record::next(&mut sector.as_slice()).ok().flatten(),
            Err(_) => None,
        };
        let Some(own) = own.filter(|own| own.is_self() && own.is_directory()) else {
            self.notes.add(|| {
                let path = self.paths.of(folder.number, name);
                format!(
                    "is damaged: the folder '{path}' is not at byte {at}, where it was moved to"
                )
            });
            return;
        };
        let mut own_meta = fallback;
        if let Names::RockRidge(skip) = self.names {
            let attributes = susp::read(self.storage, &own, skip, self.block_size);
            if attributes.posix.is_some() {
                own_meta = root::meta(&own, &attributes);
            }
        }
        let extent = Extent {
            at,
            len: own.extent(self.block_size).len,
        };
        self.directory(folder, name, extent, own_meta);
    }

    fn directory(&mut self, folder: &Folder, name: &[u8], extent: Extent, meta: Meta) {
        // mkisofs collects relocated directories in one of this name and leaves it visible.
        let collects = folder.depth == 0 && matches!(name, b"rr_moved" | b".rr_moved");
        if collects && self.holds_only_relocated(extent) {
            return;
        }
        let Some(node) = self.add(folder, name, Kind::Directory(Vec::new()), meta) else {
            return;
        };
        let depth = folder.depth + 1;
        let refused = if depth >= MAX_DEPTH {
            Some("is too deep to be asked for")
        } else if folder.is_inside(extent.at) {
            Some("leads back to a parent folder")
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
            extent,
            above: Some(Arc::new(Above {
                at: folder.extent.at,
                next: folder.above.clone(),
            })),
        });
    }

    /// Returns whether a directory has entries and all of them are marked `RE`.
    fn holds_only_relocated(&mut self, extent: Extent) -> bool {
        let Names::RockRidge(skip) = self.names else {
            return false;
        };
        let mut moved = 0;
        for n in 0..extent.len.min(MAX_PEEK).div_ceil(SECTOR) {
            let Ok(sector) = self.storage.sector(extent.at + n * SECTOR) else {
                return false;
            };
            let mut rest = sector.as_slice();
            while let Ok(Some(record)) = Record::next(&mut rest) {
                if record.is_dot() {
                    continue;
                }
                if !susp::read(self.storage, &record, skip, self.block_size).relocated {
                    return false;
                }
                moved += 1;
            }
        }
        moved > 0
    }

    fn add(&mut self, folder: &Folder, name: &[u8], kind: Kind, meta: Meta) -> Option<NodeId> {
        match self.tree.add(folder.node, name, kind, meta) {
            Ok(id) => Some(id),
            Err(error @ TreeError::TooMany) => {
                self.full = true;
                self.notes
                    .add(|| format!("has {error}; those beyond are left out"));
                None
            }
            Err(error @ (TreeError::BadName | TreeError::NotADirectory)) => {
                self.notes.add(|| {
                    let path = self.paths.of(folder.number, name);
                    format!("has {error}, left out: '{path}'")
                });
                None
            }
        }
    }

    fn finish(self) -> Tree {
        if self.storage.is_spent() {
            let left = self.queue.len();
            self.notes.sum_up(format!(
                "is too damaged to be read on: {left} folders are left out"
            ));
        }
        if self.cut.count > 0 {
            self.notes.sum_up(format!(
                "is incomplete: {} would end past the end (file has {} bytes)",
                self.cut.describe("file", "files"),
                self.storage.len()
            ));
        }
        if self.damaged.count > 0 {
            self.notes.sum_up(format!(
                "is damaged: {} with unreadable Rock Ridge entries",
                self.damaged.describe("name", "names")
            ));
        }
        if self.special.count > 0 {
            self.notes.sum_up(format!(
                "has {}, left out",
                self.special
                    .describe("device file or pipe", "device files or pipes")
            ));
        }
        if self.compressed.count > 0 {
            self.notes.sum_up(format!(
                "has {} compressed by zisofs, which is not unpacked: reading is an error",
                self.compressed.describe("file", "files")
            ));
        }
        self.tree.build()
    }
}
