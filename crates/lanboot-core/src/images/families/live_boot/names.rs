//! Names that distinguish the entries of one medium.

use super::pairs::Pair;
use crate::images::cpu::Cpu;

/// A pair with the processor of its kernel.
pub(super) type Named<'a> = (&'a Pair, Cpu);

/// Returns the words that follow the image's name in that of each entry: the processor where there
/// are several, a word of the kernel, the root or the initramfs where one processor has several
/// pairs, and the mode where one pair has several. No two entries get the same words.
pub(super) fn names(entries: &[Named<'_>]) -> Vec<Vec<String>> {
    let has_other_cpu = |cpu| entries.iter().any(|(_, other)| *other != cpu);
    let mut names: Vec<Vec<String>> = Vec::new();
    for (pair, cpu) in entries {
        let of_cpu: Vec<&Pair> = entries
            .iter()
            .filter_map(|(pair, other)| (other == cpu).then_some(*pair))
            .collect();
        let mut same = of_cpu.iter().filter(|other| is_same(other, pair));
        let has_other_mode = same.any(|other| other.mode != pair.mode);
        let mut parts: Vec<String> = Vec::new();
        parts.extend(has_other_cpu(*cpu).then(|| cpu.name().to_owned()));
        parts.extend(distinction(pair, &of_cpu));
        let mode = word(&pair.mode);
        parts.extend((has_other_mode && !mode.is_empty()).then_some(mode));
        if names.contains(&parts) {
            parts.push((names.len() + 1).to_string());
        }
        names.push(parts);
    }
    names
}

fn is_same(one: &Pair, other: &Pair) -> bool {
    one.kernel == other.kernel && one.initrd == other.initrd && one.root == other.root
}

/// Returns the word that distinguishes the files of `pair` from those of the others; `None` where
/// all have the same.
fn distinction(pair: &Pair, all: &[&Pair]) -> Option<String> {
    let mut distinct: Vec<&Pair> = Vec::new();
    for other in all {
        if !distinct.iter().any(|known| is_same(known, other)) {
            distinct.push(other);
        }
    }
    if distinct.len() < 2 {
        return None;
    }
    let words: [fn(&Pair) -> String; 4] = [
        |pair| word(stem(&pair.kernel, "vmlinuz-")),
        |pair| word(parent(&pair.kernel)),
        |pair| word(stem(&pair.root.path, "")),
        |pair| {
            word(stem(
                pair.initrd.last().map_or("", String::as_str),
                "initrd",
            ))
        },
    ];
    let distinguishing = words.into_iter().find(|of| {
        let mut found: Vec<String> = distinct.iter().map(|pair| of(pair)).collect();
        found.sort();
        found.dedup();
        found.len() == distinct.len()
    });
    let number = || distinct.iter().position(|other| is_same(other, pair));
    match distinguishing {
        Some(of) => Some(of(pair)),
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

/// Returns the processor that a kernel's path names, x86-64 where it names none.
pub(super) fn cpu(path: &str) -> Cpu {
    let path = path.to_ascii_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| path.contains(word));
    if names(&["arm64", "aarch64"]) {
        Cpu::Aarch64
    } else if names(&["686", "586", "486", "386", "grml32"]) && !names(&["x86_64"]) {
        Cpu::I686
    } else {
        Cpu::X86_64
    }
}
