//! Warnings about an image, bounded however damaged it is.

/// Most single warnings kept for one image.
pub const MAX_WARNINGS: usize = 16;
/// Longest path displayed in a warning, in characters.
const MAX_SHOWN: usize = 160;

/// Collects warnings up to a limit and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    lines: Vec<String>,
    more: usize,
    sums: Vec<String>,
}

impl Notes {
    /// Adds one warning. Beyond the limit `line` is not called.
    pub(crate) fn add(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < MAX_WARNINGS {
            self.lines.push(line());
        } else {
            self.more += 1;
        }
    }

    /// Adds a summary of many faults; to be called at most once per call site.
    pub(crate) fn sum_up(&mut self, line: impl Into<String>) {
        self.sums.push(line.into());
    }

    /// Returns all warnings, summaries first.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let mut all = self.sums;
        all.append(&mut self.lines);
        if self.more > 0 {
            all.push(format!("has {} more faults like these", self.more));
        }
        all
    }
}

/// Count of things of one kind, and the first of them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    pub(crate) first: String,
}

impl Tally {
    pub(crate) fn add(&mut self, name: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = name();
        }
        self.count += 1;
    }

    /// Formats as `1 file` or `7 files`, then ` ('/a/b')` or ` (the first is '/a/b')`.
    pub(crate) fn describe(&self, one: &str, many: &str) -> String {
        match self.count {
            1 => format!("1 {one} ('{}')", self.first),
            n => format!("{n} {many} (the first is '{}')", self.first),
        }
    }
}

/// Formats a path for a terminal: without control characters, bounded in length.
fn shown(path: &[u8]) -> String {
    // A character has at most four bytes.
    let head = path.get(..MAX_SHOWN * 4).unwrap_or(path);
    let text = String::from_utf8_lossy(head);
    let mut out: String = text
        .chars()
        .take(MAX_SHOWN)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if head.len() < path.len() || text.chars().nth(MAX_SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// Directories read so far, to name the place of a fault.
#[derive(Debug)]
pub(crate) struct Paths {
    /// Parent and name of every directory, parents before children; the root is the first.
    folders: Vec<(usize, Box<[u8]>)>,
}

impl Paths {
    pub(crate) const ROOT: usize = 0;

    pub(crate) fn new() -> Self {
        let root = (Self::ROOT, Box::default());
        Self {
            folders: vec![root],
        }
    }

    /// Adds a directory and returns its number.
    pub(crate) fn add(&mut self, parent: usize, name: &[u8]) -> usize {
        self.folders.push((parent, name.into()));
        self.folders.len() - 1
    }

    /// Returns the path of a directory.
    pub(crate) fn folder(&self, number: usize) -> String {
        match self.folders.get(number) {
            Some((parent, name)) if number != Self::ROOT => self.of(*parent, name),
            _ => "/".to_owned(),
        }
    }

    /// Returns the path of `name` in a directory.
    pub(crate) fn of(&self, folder: usize, name: &[u8]) -> String {
        let mut names = vec![name];
        let mut at = folder;
        while let Some((parent, name)) = self.folders.get(at).filter(|_| at != Self::ROOT) {
            names.push(name);
            at = *parent;
        }
        names.push(b"");
        names.reverse();
        shown(&names.join(&b'/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_printable() {
        let mut paths = Paths::new();
        let a = paths.add(Paths::ROOT, b"a");
        let b = paths.add(a, b"b\x1b[2J");
        assert_eq!(paths.folder(Paths::ROOT), "/");
        assert_eq!(paths.folder(a), "/a");
        assert_eq!(paths.of(Paths::ROOT, b"x"), "/x");
        assert_eq!(paths.of(b, b"\xff"), "/a/b?[2J/\u{fffd}");
        let long = paths.of(a, &[b'x'; 2000]);
        assert_eq!(long.chars().count(), MAX_SHOWN + 1);
    }

    #[test]
    fn warnings_are_bounded() {
        let mut notes = Notes::default();
        for n in 0..1000 {
            notes.add(|| n.to_string());
        }
        notes.sum_up("sum");
        let lines = notes.finish();
        assert_eq!(lines.len(), MAX_WARNINGS + 2);
        assert_eq!(lines.first().map(String::as_str), Some("sum"));
        assert_eq!(lines.last().unwrap(), "has 984 more faults like these");
    }
}
