//! Takes fuzzing input apart: a few bytes that steer a target, then what it parses.

use lanboot_core::vfs::{Content, Kind, Meta, NodeId, Tree, TreeBuilder};

/// The rest of an input. Past its end everything is zero or empty.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// Takes one byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// Takes a number of two bytes, little-endian.
    pub fn short(&mut self) -> u16 {
        u16::from(self.byte()) | u16::from(self.byte()) << 8
    }

    /// Takes up to `len` bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Takes a length of two bytes and that many bytes.
    pub fn part(&mut self) -> &'a [u8] {
        let len = self.short();
        self.take(usize::from(len))
    }

    /// Returns whether everything was taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes what [`Input::part`] reads.
pub fn part(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("seeds are short");
    [&len.to_le_bytes(), bytes].concat()
}

/// Cuts `bytes` into pieces of varying length, steered by `steer`: as a stream arrives.
pub fn pieces(bytes: &[u8], steer: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Input(bytes);
    let mut number = u32::from(steer);
    std::iter::from_fn(move || {
        // 255 sends everything at once, 0 each byte alone.
        number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let len = match steer {
            0 => 1,
            255 => usize::MAX,
            _ => 1 + (number >> 16) as usize % (usize::from(steer) * 4),
        };
        (!rest.is_empty()).then(|| rest.take(len))
    })
}

/// Returns a tree of files in memory. Paths use `/`; a path that is taken or bad is left out.
pub fn tree<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Tree {
    let mut tree = TreeBuilder::new(Meta::default());
    let mut folders = std::collections::BTreeMap::from([(String::new(), Tree::ROOT)]);
    for (path, bytes) in files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(folder) = make_folder(&mut tree, &mut folders, folder) else {
            continue;
        };
        let file = Kind::File(Content::memory(bytes));
        let _ = tree.add(folder, name.as_bytes(), file, Meta::default());
    }
    tree.build()
}

fn make_folder(
    tree: &mut TreeBuilder,
    folders: &mut std::collections::BTreeMap<String, NodeId>,
    path: &str,
) -> Option<NodeId> {
    if let Some(&known) = folders.get(path) {
        return Some(known);
    }
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = make_folder(tree, folders, parent)?;
    let kind = Kind::Directory(Vec::new());
    let made = tree
        .add(parent, name.as_bytes(), kind, Meta::default())
        .ok()?;
    folders.insert(path.to_owned(), made);
    Some(made)
}

/// Reads a small file of such a tree.
pub fn read(content: &Content) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for piece in content.pieces() {
        bytes.extend_from_slice(piece.memory()?);
    }
    Some(bytes)
}
