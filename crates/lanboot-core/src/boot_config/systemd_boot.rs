//! Reads the entries of systemd-boot, one small file each (Boot Loader Specification, type #1;
//! `loader.conf(5)`).

use std::cmp::Ordering;

use super::files::{Files, file_names, medium_path};
use super::{Dialect, MAX_ENTRIES, MAX_INITRDS, MenuEntry, Program, within_limit};

/// Reads `FOLDER/entries/*.conf` and appends the entries in menu order.
pub(super) fn read(files: &mut Files<'_>, folder: &str, entries: &mut Vec<MenuEntry>) {
    let names = file_names(files.tree, &format!("{folder}/entries"));
    let names: Vec<String> = names
        .filter(|name| name.to_ascii_lowercase().ends_with(".conf"))
        .take(MAX_ENTRIES)
        .map(str::to_owned)
        .collect();
    let mut found: Vec<Found> = Vec::new();
    for name in names {
        let path = format!("{folder}/entries/{name}");
        if let Some(text) = files.text(&path) {
            found.extend(parse(&text, &name, &path));
        }
    }
    found.sort_by(Found::order);
    let mut found: Vec<MenuEntry> = found.into_iter().map(|one| one.entry).collect();
    let settings = files.text(&format!("{folder}/loader.conf"));
    let default = settings.and_then(|text| {
        let mut lines = text.lines().filter_map(key_and_value);
        let default = lines.find(|(key, _)| *key == "default");
        default.map(|(_, value)| value.to_owned())
    });
    let meant = default.and_then(|pattern| {
        let is_meant = |entry: &MenuEntry| {
            matches(&pattern, &entry.id) || matches(&pattern, &format!("{}.conf", entry.id))
        };
        found.iter().position(is_meant)
    });
    if let Some(entry) = found.get_mut(meant.unwrap_or(0)) {
        entry.is_default = true;
    }
    entries.extend(found);
}

struct Found {
    entry: MenuEntry,
    sort_key: Option<String>,
    version: String,
}

impl Found {
    /// Orders entries with a `sort-key` first, by it and then newest version first; the others by
    /// descending name.
    fn order(&self, other: &Self) -> Ordering {
        let by_key = match (&self.sort_key, &other.sort_key) {
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        by_key
            .then_with(|| versions(&other.version, &self.version))
            .then_with(|| versions(&other.entry.id, &self.entry.id))
    }
}

fn parse(text: &str, name: &str, path: &str) -> Option<Found> {
    let (mut title, mut version, mut sort_key, mut architecture) = (None, None, None, None);
    let mut program = None;
    let (mut initrds, mut arguments) = (Vec::new(), Vec::new());
    for (key, value) in text.lines().filter_map(key_and_value) {
        match key {
            "title" => title = Some(value.to_owned()),
            "version" => version = Some(value.to_owned()),
            "sort-key" => sort_key = Some(value.to_owned()),
            "architecture" => architecture = Some(value.to_owned()),
            "linux" => program = Some((Program::Linux, medium_path(value))),
            "efi" => program = Some((Program::Efi, medium_path(value))),
            "uki" => program = Some((Program::Uki, medium_path(value))),
            "initrd" if initrds.len() < MAX_INITRDS => initrds.push(medium_path(value)),
            "options" => arguments.extend(value.split_whitespace().map(str::to_owned)),
            _ => {}
        }
    }
    let (program, kernel) = program?;
    let arguments = within_limit(arguments.into_iter());
    let stem = name.get(..name.len().saturating_sub(".conf".len()));
    let id = without_tries(stem.unwrap_or(name)).to_owned();
    let entry = MenuEntry {
        title: title.unwrap_or_else(|| id.clone()),
        id,
        program,
        kernel,
        initrds,
        modules: Vec::new(),
        arguments,
        architecture,
        dialect: Dialect::SystemdBoot,
        file: path.to_owned(),
        line: 1,
        is_default: false,
        is_shown: true,
    };
    Some(Found {
        entry,
        sort_key,
        version: version.unwrap_or_default(),
    })
}

/// Parses a configuration line; `None` for comments and empty lines.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once(char::is_whitespace)?;
    Some((key, value.trim()))
}

/// Returns an entry's name without the boot counter: `arch+3-1` becomes `arch`.
fn without_tries(name: &str) -> &str {
    match name.rsplit_once('+') {
        Some((stem, tries)) if tries.bytes().all(|b| b.is_ascii_digit() || b == b'-') => stem,
        _ => name,
    }
}

/// Compares versions: numbers by value, the rest by letters (a subset of UAPI.10).
fn versions(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| {
        let mut parts: Vec<String> = Vec::new();
        for letter in text.chars() {
            match parts.last_mut() {
                Some(last)
                    if last.chars().all(|c| c.is_ascii_digit()) == letter.is_ascii_digit() =>
                {
                    last.push(letter);
                }
                _ => parts.push(letter.into()),
            }
        }
        parts
    };
    let (a, b) = (parts(a), parts(b));
    for (a, b) in a.iter().zip(&b) {
        let order = match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Returns whether a shell pattern with `*` and `?` matches, ignoring case.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut p, mut n) = (0, 0);
    // Position of the last star, and how much of the name it has matched.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match (pattern.get(p), name.get(n)) {
            (Some('*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (Some(a), Some(b)) if *a == '?' || a == b => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}
