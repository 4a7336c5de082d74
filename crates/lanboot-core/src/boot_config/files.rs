//! Finds and reads the configuration files of a medium, within limits.

use std::collections::HashSet;

use super::{Limit, MAX_EXPANDED_BYTES, MAX_FILE_BYTES, MAX_FILES, MAX_STEPS, MAX_TOTAL_BYTES};
use crate::vfs::{Content, Kind, NodeId, Path, Tree};

/// Reads the bytes of a small file; `None` if the disk fails.
pub type ReadSmall<'a> = &'a dyn Fn(&Content) -> Option<Vec<u8>>;

/// Least cost of expanding one part of a word, in bytes.
const PART_COST: usize = 16;

/// Reads files and counts bytes, files and steps.
pub(super) struct Files<'a> {
    pub(super) tree: &'a Tree,
    read_small: ReadSmall<'a>,
    /// Paths read so far, as the medium spells them.
    seen: HashSet<String>,
    count: usize,
    bytes: usize,
    steps: usize,
    /// Bytes to which variables were expanded.
    expanded: usize,
    pub(super) limits: Vec<Limit>,
}

impl<'a> Files<'a> {
    pub(super) fn new(tree: &'a Tree, read_small: ReadSmall<'a>) -> Self {
        Self {
            tree,
            read_small,
            seen: HashSet::new(),
            count: 0,
            bytes: 0,
            steps: 0,
            expanded: 0,
            limits: Vec::new(),
        }
    }

    /// Records a limit, once.
    pub(super) fn limit(&mut self, limit: Limit) {
        if !self.limits.contains(&limit) {
            self.limits.push(limit);
        }
    }

    /// Counts a script command; `false` if there were too many, or if they expanded to too much.
    pub(super) fn step(&mut self) -> bool {
        if self.expanded > MAX_EXPANDED_BYTES {
            return false;
        }
        self.steps += 1;
        if self.steps > MAX_STEPS {
            self.limit(Limit::TooManySteps);
        }
        self.steps <= MAX_STEPS
    }

    /// Counts a part of a word that expands to `bytes` bytes; `false` if there were too many.
    pub(super) fn expand(&mut self, bytes: usize) -> bool {
        self.expanded = self.expanded.saturating_add(bytes.max(PART_COST));
        if self.expanded > MAX_EXPANDED_BYTES {
            self.limit(Limit::TooMuchText);
        }
        self.expanded <= MAX_EXPANDED_BYTES
    }

    /// Returns whether this file has been read.
    pub(super) fn was_read(&self, path: &str) -> bool {
        self.seen.contains(path)
    }

    /// Returns the text of an existing file, replacing invalid UTF-8.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        let content = self.tree.file(path)?;
        self.seen.insert(path.to_owned());
        if content.len() > MAX_FILE_BYTES {
            self.limit(Limit::FileTooLong(path.to_owned()));
            return None;
        }
        self.count += 1;
        if self.count > MAX_FILES || self.bytes > MAX_TOTAL_BYTES {
            self.limit(Limit::TooManyFiles);
            return None;
        }
        let Some(bytes) = (self.read_small)(content) else {
            self.limit(Limit::Unreadable(path.to_owned()));
            return None;
        };
        self.bytes += bytes.len();
        let text = String::from_utf8_lossy(&bytes);
        Some(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
    }

    /// Finds the file a menu refers to as `written`: from the root if it is absolute, else beside
    /// the file that refers to it, in one of the folders above, or from the root.
    pub(super) fn locate(&self, written: &str, folder: &str) -> Option<String> {
        let is_absolute = written.starts_with('/') || written.starts_with("::");
        let path = medium_path(written);
        let mut base = folder;
        while !is_absolute && !base.is_empty() {
            if let Some(found) = find_file(self.tree, &format!("{base}/{path}")) {
                return Some(found);
            }
            base = base.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        // Configurations of 2013 write some paths relative to their base folder, with or without a
        // slash.
        find_file(self.tree, &path)
    }
}

/// Returns the folder of a path; empty for one at the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Makes a path from a menu relative to the medium's root: `::/arch/x` is TFTP from the server's
/// root, `../../x` leaves the configuration's folder, `(cd0)/x` names a device, and EFI writes
/// backslashes.
pub(super) fn medium_path(written: &str) -> String {
    let written = written.trim();
    let path = written.strip_prefix("::").unwrap_or(written);
    let path = match path.strip_prefix('(') {
        Some(rest) => rest.split_once(')').map_or("", |(_, path)| path),
        None => path,
    };
    let path = path.replace('\\', "/");
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}

/// Returns the path of a regular file as the medium spells it. ISOLINUX and firmware ignore case,
/// so case is ignored where the exact name is missing.
pub fn find_file(tree: &Tree, path: &str) -> Option<String> {
    if path.is_empty() || path.len() > Path::MAX_BYTES {
        return None;
    }
    if tree.file(path).is_some() {
        return Some(path.to_owned());
    }
    let mut at = Tree::ROOT;
    let mut found = String::new();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let entries = tree.entries(at).iter();
        let mut alike = entries.filter_map(|(other, id)| {
            let other = std::str::from_utf8(other).ok()?;
            other.eq_ignore_ascii_case(name).then_some((other, *id))
        });
        let exact = tree.lookup(at, name.as_bytes()).map(|id| (name, id));
        let (name, id) = exact.or_else(|| alike.next())?;
        if !found.is_empty() {
            found.push('/');
        }
        found.push_str(name);
        at = id;
    }
    tree.file(&found).is_some().then_some(found)
}

/// Returns the folder at `path`, following links.
pub(super) fn folder(tree: &Tree, path: &str) -> Option<NodeId> {
    Some(tree.resolve(&Path::parse(path.as_bytes()).ok()?)?.id)
}

/// Lists the names of the files in `directory` that are valid UTF-8, sorted.
pub(crate) fn file_names<'a>(
    tree: &'a Tree,
    directory: &str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let entries = folder(tree, directory).map_or(&[][..], |id| tree.entries(id));
    entries.iter().filter_map(|(name, id)| {
        let is_file = matches!(tree.node(*id)?.kind, Kind::File(_) | Kind::Symlink(_));
        std::str::from_utf8(name).ok().filter(|_| is_file)
    })
}
