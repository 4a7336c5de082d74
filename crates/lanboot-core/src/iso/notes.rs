//! What is wrong with an image, kept short however much is wrong.

use super::MAX_WARNINGS;

/// Longest path shown in a warning, in characters.
const MAX_SHOWN: usize = 160;

/// Collects warnings up to a limit; the rest is only counted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    lines: Vec<String>,
    more: usize,
    sums: Vec<String>,
}

impl Notes {
    /// One fault. Beyond the limit `line` is not called.
    pub(super) fn add(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < MAX_WARNINGS {
            self.lines.push(line());
        } else {
            self.more += 1;
        }
    }

    /// A line that stands for many faults; for use at most once per line of source.
    pub(super) fn sum_up(&mut self, line: impl Into<String>) {
        self.sums.push(line.into());
    }

    /// The sums first: they weigh most.
    pub(super) fn finish(mut self) -> Vec<String> {
        let mut all = self.sums;
        all.append(&mut self.lines);
        if self.more > 0 {
            all.push(format!("has {} more faults like these", self.more));
        }
        all
    }
}

/// Things of one sort: how many, and the first.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) count: usize,
    pub(super) first: String,
}

impl Tally {
    pub(super) fn add(&mut self, name: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = name();
        }
        self.count += 1;
    }

    /// `1 file` or `7 files`, then ` ('/a/b')` or ` (the first is '/a/b')`.
    pub(super) fn told(&self, one: &str, many: &str) -> String {
        match self.count {
            1 => format!("1 {one} ('{}')", self.first),
            n => format!("{n} {many} (the first is '{}')", self.first),
        }
    }
}

/// A path as it may appear on a terminal: no control characters, not endless.
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

/// The directories met, to say where something is wrong.
#[derive(Debug)]
pub(super) struct Paths {
    /// Parent and name of every directory; the root is the first. Parents come before children.
    folders: Vec<(usize, Box<[u8]>)>,
}

impl Paths {
    pub(super) const ROOT: usize = 0;

    pub(super) fn new() -> Self {
        let root = (Self::ROOT, Box::default());
        Self {
            folders: vec![root],
        }
    }

    /// Numbers a directory.
    pub(super) fn add(&mut self, parent: usize, name: &[u8]) -> usize {
        self.folders.push((parent, name.into()));
        self.folders.len() - 1
    }

    /// The path of a directory.
    pub(super) fn folder(&self, number: usize) -> String {
        match self.folders.get(number) {
            Some((parent, name)) if number != Self::ROOT => self.of(*parent, name),
            _ => "/".to_owned(),
        }
    }

    /// The path of `name` in a directory.
    pub(super) fn of(&self, folder: usize, name: &[u8]) -> String {
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
    fn paths_are_told_from_the_root_and_cannot_paint_the_terminal() {
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
