//! Names that distinguish the entries of one medium.

use super::cpu::Cpu;

/// What distinguishes one entry of a medium from the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming<'a> {
    /// The processor of its kernel.
    pub(super) cpu: Cpu,
    /// Path of the kernel on the medium.
    pub(super) kernel: &'a str,
    /// Paths of the initramfs files.
    pub(super) initrd: &'a [String],
    /// Path of the root file system.
    pub(super) root: &'a str,
    /// What the system does besides running; empty for the plain one.
    pub(super) mode: &'a str,
}

/// Returns the name and the title of an entry: the image's name, then `parts`.
pub(super) fn id_and_title(name: &str, parts: &[String]) -> (String, String) {
    match parts {
        [] => (name.to_owned(), name.to_owned()),
        parts => (
            format!("{name}-{}", parts.join("-")),
            format!("{name} ({})", parts.join(", ")),
        ),
    }
}

/// Returns the words that follow the image's name in that of each entry: the processor where there
/// are several, a word of the kernel, the root or the initramfs where one processor has several
/// pairs, and the mode where one pair has several. No two entries get the same words.
pub(super) fn names(entries: &[Naming<'_>]) -> Vec<Vec<String>> {
    let has_other_cpu = |cpu| entries.iter().any(|other| other.cpu != cpu);
    let mut names: Vec<Vec<String>> = Vec::new();
    for entry in entries {
        let of_cpu = entries.iter().filter(|other| other.cpu == entry.cpu);
        let of_cpu: Vec<&Naming<'_>> = of_cpu.collect();
        let mut same = of_cpu.iter().filter(|other| is_same(other, entry));
        let has_other_mode = same.any(|other| other.mode != entry.mode);
        let mut parts: Vec<String> = Vec::new();
        parts.extend(has_other_cpu(entry.cpu).then(|| entry.cpu.name().to_owned()));
        parts.extend(distinction(entry, &of_cpu));
        let mode = word(entry.mode);
        parts.extend((has_other_mode && !mode.is_empty()).then_some(mode));
        if names.contains(&parts) {
            parts.push((names.len() + 1).to_string());
        }
        names.push(parts);
    }
    names
}

fn is_same(one: &Naming<'_>, other: &Naming<'_>) -> bool {
    one.kernel == other.kernel && one.initrd == other.initrd && one.root == other.root
}

/// Returns the word that distinguishes the files of `entry` from those of the others; `None` where
/// all have the same.
fn distinction(entry: &Naming<'_>, all: &[&Naming<'_>]) -> Option<String> {
    let mut distinct: Vec<&Naming<'_>> = Vec::new();
    for other in all {
        if !distinct.iter().any(|known| is_same(known, other)) {
            distinct.push(other);
        }
    }
    if distinct.len() < 2 {
        return None;
    }
    let words: [fn(&Naming<'_>) -> String; 4] = [
        |entry| word(stem(entry.kernel, "vmlinuz-")),
        |entry| word(parent(entry.kernel)),
        |entry| word(stem(entry.root, "")),
        |entry| {
            let last = entry.initrd.last();
            word(stem(last.map_or("", String::as_str), "initrd"))
        },
    ];
    let distinguishing = words.into_iter().find(|of| {
        let mut found: Vec<String> = distinct.iter().map(|entry| of(entry)).collect();
        found.sort();
        found.dedup();
        found.len() == distinct.len()
    });
    let number = || distinct.iter().position(|other| is_same(other, entry));
    match distinguishing {
        Some(of) => Some(of(entry)),
        None => number().map(|at| (at + 1).to_string()),
    }
}

/// The last name of a path, without a suffix of an image and without `prefix`.
fn stem<'a>(path: &'a str, prefix: &str) -> &'a str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let suffixes = [".squashfs", ".img", ".gz"];
    let cut = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
    let name = cut.unwrap_or(name);
    name.strip_prefix(prefix).unwrap_or(name)
}

/// The name of the folder a file is in.
fn parent(path: &str) -> &str {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.rsplit('/').next().unwrap_or(folder)
}

/// Makes part of an entry's name: plain, and not long.
fn word(text: &str) -> String {
    const MAX: usize = 32;
    let plain = text.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() || "._-".contains(c) => c,
        _ => '-',
    });
    plain.take(MAX).collect()
}
