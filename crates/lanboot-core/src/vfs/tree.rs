//! The files of one image, immutable once built. Names are bytes, compared exactly.

use super::{Content, Path};

/// Most nodes of one tree: fifty times the largest installer medium known.
pub const MAX_NODES: usize = 1 << 20;
/// Longest file name, in bytes (Rock Ridge allows 255 on Linux).
pub const MAX_NAME_BYTES: usize = 255;
/// Most symbolic links followed for one path, as in Linux.
pub const MAX_SYMLINKS: usize = 40;

/// Number of a node; stable for one image, whatever else is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// Attributes of a node recorded on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// POSIX permission bits, without the file type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last modification, seconds since 1970 UTC.
    pub modified: i64,
    /// Link count as recorded on the medium.
    pub links: u32,
}

impl Default for Meta {
    /// Returns the attributes used without Rock Ridge: readable by everyone.
    fn default() -> Self {
        Self {
            mode: 0o555,
            uid: 0,
            gid: 0,
            modified: 0,
            links: 1,
        }
    }
}

/// Kind of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Entries sorted by name.
    Directory(Vec<(Box<[u8]>, NodeId)>),
    /// A regular file.
    File(Content),
    /// A symbolic link with its target.
    Symlink(Box<[u8]>),
}

/// One file, directory or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Directory that contains it; the root is its own parent.
    pub parent: NodeId,
    /// Kind and contents.
    pub kind: Kind,
    /// Permissions, owner, times.
    pub meta: Meta,
}

/// The node a path resolves to.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The node's number.
    pub id: NodeId,
    /// The node.
    pub node: &'a Node,
}

/// The files of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// The root directory of every tree.
    pub const ROOT: NodeId = NodeId(0);

    /// Returns the number of nodes; their ids are `0..len`.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// Returns the node with this number.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    /// Returns the entries of a directory, sorted by name; empty for anything else.
    pub fn entries(&self, directory: NodeId) -> &[(Box<[u8]>, NodeId)] {
        match self.node(directory).map(|n| &n.kind) {
            Some(Kind::Directory(entries)) => entries,
            _ => &[],
        }
    }

    /// Looks up one name in a directory; links are not followed.
    pub fn lookup(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        let entries = self.entries(directory);
        let at = entries
            .binary_search_by(|(n, _)| n.as_ref().cmp(name))
            .ok()?;
        entries.get(at).map(|(_, id)| *id)
    }

    /// Resolves `path` from the root, following links (including the last name) inside the tree.
    pub fn resolve(&self, path: &Path<'_>) -> Option<Found<'_>> {
        let mut pending: Vec<&[u8]> = path.names().iter().rev().copied().collect();
        let mut at = Self::ROOT;
        let mut links = 0;
        while let Some(name) = pending.pop() {
            at = match name {
                b"" | b"." => at,
                // Only link targets bring `..` here; the root is its own parent, so nothing leaves
                // the tree.
                b".." => self.node(at)?.parent,
                name => {
                    let next = self.lookup(at, name)?;
                    match &self.node(next)?.kind {
                        Kind::Symlink(target) => {
                            links += 1;
                            if links > MAX_SYMLINKS || pending.len() > Path::MAX_NAMES {
                                return None;
                            }
                            pending.extend(target.split(|&b| b == b'/').rev());
                            if target.first() == Some(&b'/') {
                                Self::ROOT
                            } else {
                                at
                            }
                        }
                        Kind::Directory(_) | Kind::File(_) => next,
                    }
                }
            };
        }
        Some(Found {
            id: at,
            node: self.node(at)?,
        })
    }

    /// Returns the content of the regular file at `path`, following links.
    pub fn file(&self, path: &str) -> Option<&Content> {
        match &self.resolve(&Path::parse(path.as_bytes()).ok()?)?.node.kind {
            Kind::File(content) => Some(content),
            Kind::Directory(_) | Kind::Symlink(_) => None,
        }
    }

    /// Returns whether `path` resolves to a directory.
    pub fn is_directory(&self, path: &str) -> bool {
        let Ok(path) = Path::parse(path.as_bytes()) else {
            return false;
        };
        self.resolve(&path)
            .is_some_and(|f| matches!(f.node.kind, Kind::Directory(_)))
    }
}

/// Reason a node cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The tree has [`MAX_NODES`] nodes.
    #[error("more than {MAX_NODES} files and folders")]
    TooMany,
    /// A name no request could contain.
    #[error("a file name that is empty, longer than {MAX_NAME_BYTES} bytes, or holds '/' or NUL")]
    BadName,
    /// The parent does not exist or is no directory.
    #[error("a file inside something that is no folder")]
    NotADirectory,
}

impl Tree {
    /// Returns this tree with a file `name` in its root, behind its own nodes. As it is where there is
    /// such a name, or with too many nodes.
    pub fn with_file(mut self, name: &[u8], content: Content) -> Self {
        let id = u32::try_from(self.nodes.len()).map(NodeId);
        let (Ok(id), true) = (id, self.nodes.len() < MAX_NODES) else {
            return self;
        };
        let Some(Kind::Directory(entries)) = self.nodes.first_mut().map(|root| &mut root.kind)
        else {
            return self;
        };
        if let Err(at) = entries.binary_search_by(|(found, _)| found.as_ref().cmp(name)) {
            entries.insert(at, (name.into(), id));
            self.nodes.push(Node {
                parent: Self::ROOT,
                kind: Kind::File(content),
                meta: Meta::default(),
            });
        }
        self
    }

    /// Returns this tree with the nodes of `other` in a new folder `name` of its root, behind its own
    /// nodes, whose numbers stay. As it is where there is such a name, or with too many nodes.
    pub fn with_folder(mut self, name: &[u8], other: Self) -> Self {
        let first = self.nodes.len();
        let fits = first + other.nodes.len() <= MAX_NODES;
        let Ok(shift) = u32::try_from(first) else {
            return self;
        };
        let Some(Kind::Directory(entries)) = self.nodes.first_mut().map(|root| &mut root.kind)
        else {
            return self;
        };
        let Err(at) = entries.binary_search_by(|(found, _)| found.as_ref().cmp(name)) else {
            return self;
        };
        if !fits {
            return self;
        }
        entries.insert(at, (name.into(), NodeId(shift)));
        let moved = |id: NodeId| NodeId(id.0.saturating_add(shift));
        self.nodes
            .extend(other.nodes.into_iter().enumerate().map(|(n, mut node)| {
                node.parent = match n {
                    0 => Self::ROOT,
                    _ => moved(node.parent),
                };
                if let Kind::Directory(entries) = &mut node.kind {
                    for (_, id) in entries {
                        *id = moved(*id);
                    }
                }
                node
            }));
        self
    }
}

/// Builds a [`Tree`] node by node; parents first.
#[derive(Debug)]
pub struct TreeBuilder {
    nodes: Vec<Node>,
}

impl TreeBuilder {
    /// Creates a tree with an empty root directory.
    pub fn new(root: Meta) -> Self {
        let node = Node {
            parent: Tree::ROOT,
            kind: Kind::Directory(Vec::new()),
            meta: root,
        };
        Self { nodes: vec![node] }
    }

    /// Adds `kind` as `name` in `parent`. Of several nodes with the same name in one
    /// directory, the first is kept when the tree is built.
    ///
    /// # Errors
    /// Fails if the tree is full, the name is invalid or the parent is not a directory.
    pub fn add(
        &mut self,
        parent: NodeId,
        name: &[u8],
        kind: Kind,
        meta: Meta,
    ) -> Result<NodeId, TreeError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(TreeError::TooMany);
        }
        let unusable = name.contains(&b'/') || name.contains(&0) || name.len() > MAX_NAME_BYTES;
        if unusable || matches!(name, b"" | b"." | b"..") {
            return Err(TreeError::BadName);
        }
        let id = NodeId(u32::try_from(self.nodes.len()).map_err(|_| TreeError::TooMany)?);
        match self.nodes.get_mut(parent.0 as usize).map(|n| &mut n.kind) {
            Some(Kind::Directory(entries)) => entries.push((name.into(), id)),
            _ => return Err(TreeError::NotADirectory),
        }
        self.nodes.push(Node { parent, kind, meta });
        Ok(id)
    }

    /// Sorts every directory and returns the finished tree.
    pub fn build(mut self) -> Tree {
        for node in &mut self.nodes {
            if let Kind::Directory(entries) = &mut node.kind {
                entries.sort();
                entries.dedup_by(|later, first| later.0 == first.0);
                entries.shrink_to_fit();
            }
        }
        self.nodes.shrink_to_fit();
        Tree { nodes: self.nodes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Kind {
        Kind::File(Content::memory(text.as_bytes()))
    }

    fn directory() -> Kind {
        Kind::Directory(Vec::new())
    }

    fn link(target: &str) -> Kind {
        Kind::Symlink(target.as_bytes().into())
    }

    fn sample() -> Tree {
        let mut tree = TreeBuilder::new(Meta::default());
        let meta = Meta::default();
        let boot = tree.add(Tree::ROOT, b"boot", directory(), meta).unwrap();
        tree.add(boot, b"vmlinuz", file("kernel"), meta).unwrap();
        tree.add(boot, b"up", link("../boot/vmlinuz"), meta)
            .unwrap();
        tree.add(boot, b"absolute", link("/boot/up"), meta).unwrap();
        tree.add(boot, b"loop", link("loop"), meta).unwrap();
        tree.add(boot, b"out", link("../../../boot/vmlinuz"), meta)
            .unwrap();
        tree.add(Tree::ROOT, b"b", link("boot/"), meta).unwrap();
        tree.build()
    }

    #[test]
    fn links_are_followed_inside_the_tree_and_never_out_of_it() {
        let tree = sample();
        for path in [
            "boot/vmlinuz",
            "boot/up",
            "boot/absolute",
            "b/up",
            "boot/out",
            "//boot//up",
        ] {
            assert_eq!(
                tree.file(path),
                Some(&Content::memory(*b"kernel")),
                "{path}"
            );
        }
        assert_eq!(tree.file("boot/loop"), None);
        assert_eq!(tree.file("boot"), None);
        assert_eq!(tree.file("Boot/vmlinuz"), None, "names are case-sensitive");
        assert!(tree.is_directory("b"));
    }

    #[test]
    fn the_first_of_two_equal_names_wins() {
        let mut tree = TreeBuilder::new(Meta::default());
        tree.add(Tree::ROOT, b"a", file("first"), Meta::default())
            .unwrap();
        tree.add(Tree::ROOT, b"a", file("second"), Meta::default())
            .unwrap();
        assert_eq!(tree.build().file("a"), Some(&Content::memory(*b"first")));
    }

    #[test]
    fn unservable_names_are_rejected() {
        let mut tree = TreeBuilder::new(Meta::default());
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
            let result = tree.add(Tree::ROOT, name, file(""), Meta::default());
            assert_eq!(result, Err(TreeError::BadName));
        }
        let a = tree
            .add(Tree::ROOT, b"a", file(""), Meta::default())
            .unwrap();
        assert_eq!(
            tree.add(a, b"b", file(""), Meta::default()),
            Err(TreeError::NotADirectory)
        );
    }

    #[test]
    fn a_tree_in_a_folder_of_another_keeps_its_files_and_changes_no_number() {
        let tree = sample().with_folder(b"inside", sample());
        let of = |path: &str| tree.file(path).map(Content::len);
        assert_eq!(
            (of("boot/vmlinuz"), of("inside/boot/vmlinuz")),
            (Some(6), Some(6))
        );
        for id in (0..sample().len())
            .map(|n| NodeId(u32::try_from(n).unwrap()))
            .skip(1)
        {
            assert_eq!(tree.node(id), sample().node(id));
        }
        let inside = tree.lookup(Tree::ROOT, b"inside").unwrap();
        let boot = tree.lookup(inside, b"boot").unwrap();
        assert_eq!(tree.node(boot).unwrap().parent, inside);
        assert_eq!(tree.node(inside).unwrap().parent, Tree::ROOT);
        let added = sample().with_file(b"boot.cfg", Content::memory(&b"x"[..]));
        assert_eq!(added.file("boot.cfg").map(Content::len), Some(1));
        assert_eq!(
            added.clone().with_file(b"boot", Content::memory(&b""[..])),
            added
        );
        // Links in it lead out of it: they are those of another root.
        assert_eq!(tree.clone().with_folder(b"boot", sample()), tree);
    }
}
