//! Media: trees of files, and functions that read them.

use crate::images::medium::Medium;
use crate::vfs::{Content, Kind, Meta, NodeId, Source, Tree, TreeBuilder};

pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    tree_of(files)
}

/// As [`tree`], of bytes.
pub(crate) fn tree_of<B: AsRef<[u8]>>(files: &[(&str, B)]) -> Tree {
    let mut builder = TreeBuilder::new(Meta::default());
    let mut directories: std::collections::BTreeMap<String, NodeId> = Default::default();
    for (path, text) in files {
        let mut at = Tree::ROOT;
        let mut walked = String::new();
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        for part in directory.split('/').filter(|p| !p.is_empty()) {
            walked = format!("{walked}/{part}");
            at = *directories.entry(walked.clone()).or_insert_with(|| {
                let kind = Kind::Directory(Vec::new());
                builder
                    .add(at, part.as_bytes(), kind, Meta::default())
                    .unwrap()
            });
        }
        let kind = Kind::File(Content::memory(text.as_ref()));
        builder
            .add(at, name.as_bytes(), kind, Meta::default())
            .unwrap();
    }
    builder.build()
}

/// A medium with these files.
pub(crate) fn medium<'a>(tree: &'a Tree, name: &'a str, label: &'a str) -> Medium<'a> {
    Medium {
        tree,
        name,
        label,
        date: None,
        whole: crate::images::medium::Whole::Disc(4096),
        read: &read,
        // Kept to the end of the tests, as they keep trees of their own.
        menus_read: Box::leak(Box::default()),
    }
}

pub(crate) fn read(content: &Content) -> Option<Vec<u8>> {
    Some(
        content
            .pieces()
            .iter()
            .flat_map(|p| match p.source {
                Source::Zero => vec![0; usize::try_from(p.len).unwrap()],
                _ => p.memory().unwrap().to_vec(),
            })
            .collect(),
    )
}

pub(crate) fn no_disk(_: &Content) -> Option<Vec<u8>> {
    None
}
