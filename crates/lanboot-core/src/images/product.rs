//! The name a medium gives itself: what a menu shows instead of a file name.

use crate::boot_config::ReadSmall;
use crate::vfs::Tree;

/// Longest name kept, in characters: it leaves space on a line of a text screen for what
/// distinguishes the entries of a medium.
const MAX: usize = 56;

/// Returns the name and version that a medium states: `.disk/info` (Debian, Ubuntu and their kin),
/// `.treeinfo` (Fedora, RHEL and theirs), `os-release` where it lies on the medium itself. `None`
/// where there is no such file, or nothing readable in it.
///
/// Titles of boot menus are no source: they name an action ("Install", "Try or install"), not a
/// product. Volume labels are none either: file names are chosen by people for people, and labels
/// by a build script for 32 bytes of capitals.
pub(super) fn product(tree: &Tree, read: ReadSmall<'_>) -> Option<String> {
    let text = |path: &str| String::from_utf8(read(tree.file(path)?)?).ok();
    let info = || disk_info(&text(".disk/info")?);
    let treeinfo = || tree_info(&text(".treeinfo")?);
    let os_release = || {
        let mut paths = ["etc/os-release", "usr/lib/os-release", "os-release"].into_iter();
        paths.find_map(|path| quoted_value(&text(path)?, "PRETTY_NAME"))
    };
    let found = info().or_else(treeinfo).or_else(os_release)?;
    tidy(&found)
}

/// Returns the first line of `.disk/info`: `Debian GNU/Linux 13.1.0 "Trixie" - Official amd64
/// NETINST with firmware 20250906-10:22`.
fn disk_info(text: &str) -> Option<String> {
    text.lines().next().map(str::to_owned)
}

/// Returns the name in `.treeinfo`, an INI file (productmd): `name` of `[general]` and of the older
/// `[product]`, else `family` and `version`, else those of `[release]`.
fn tree_info(text: &str) -> Option<String> {
    let value = |section: &str, key: &str| {
        let lines = text.lines().map(str::trim);
        let mut inside = lines
            .skip_while(|line| !is_section(line, section))
            .skip(1)
            .take_while(|line| !line.starts_with('['));
        inside.find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    let both = |section: &str, name: &str| {
        Some(format!(
            "{} {}",
            value(section, name)?,
            value(section, "version")?
        ))
    };
    let name = value("general", "name").or_else(|| both("general", "family"));
    name.or_else(|| both("release", "name"))
        .or_else(|| both("product", "name"))
}

fn is_section(line: &str, name: &str) -> bool {
    let inside = line
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inside == Some(name)
}

/// Returns the value of a shell variable as os-release(5) writes it.
fn quoted_value(text: &str, key: &str) -> Option<String> {
    let mut lines = text.lines();
    lines.find_map(|line| {
        let value = line.strip_prefix(key)?.strip_prefix('=')?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned())
    })
}

/// Reduces a name to one line of words without quotation marks; one that is too long ends before a
/// word. `None` when no letter is left.
fn tidy(name: &str) -> Option<String> {
    let plain: String = crate::text::line(name)
        .chars()
        .filter(|letter| !"\"'`\\".contains(*letter))
        .collect();
    let mut tidy = String::new();
    let mut letters = 0;
    for word in plain.split_whitespace() {
        let len = word.chars().count();
        if letters > 0 && letters + 1 + len > MAX {
            break;
        }
        if letters > 0 {
            tidy.push(' ');
            letters += 1;
        }
        tidy.extend(word.chars().take(MAX));
        letters += len;
    }
    let tidy = tidy.trim_end_matches([' ', '-', ',', '(', '[']);
    tidy.chars()
        .any(char::is_alphabetic)
        .then(|| tidy.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::{Content, Kind, Meta, Source, TreeBuilder};

    fn of(files: &[(&str, &str)]) -> Option<String> {
        let mut tree = TreeBuilder::new(Meta::default());
        for (path, text) in files {
            let mut at = Tree::ROOT;
            let mut names: Vec<&str> = path.split('/').collect();
            let file = names.pop().unwrap();
            for folder in names {
                let kind = Kind::Directory(Vec::new());
                at = tree
                    .add(at, folder.as_bytes(), kind, Meta::default())
                    .unwrap();
            }
            let kind = Kind::File(Content::memory(text.as_bytes()));
            tree.add(at, file.as_bytes(), kind, Meta::default())
                .unwrap();
        }
        let read = |content: &Content| match &content.pieces().first()?.source {
            Source::Memory { .. } => Some(content.pieces().first()?.memory()?.to_vec()),
            _ => None,
        };
        product(&tree.build(), &read)
    }

    #[test]
    fn media_name_themselves() {
        for (path, text, expected) in [
            (
                ".disk/info",
                "Debian GNU/Linux 13.1.0 \"Trixie\" - Official amd64 NETINST with firmware 20250906-10:22",
                "Debian GNU/Linux 13.1.0 Trixie - Official amd64 NETINST",
            ),
            (
                ".disk/info",
                "Ubuntu 24.04.3 LTS \"Noble Numbat\" - Release amd64 (20250805.1)\nmore\n",
                "Ubuntu 24.04.3 LTS Noble Numbat - Release amd64",
            ),
            (
                ".treeinfo",
                "[checksums]\nname = x\n[general]\n; WARNING.0 = old\narch = x86_64\nfamily = Fedora\n\
                 name = Fedora 41\nversion = 41\n\n[header]\ntype = productmd.treeinfo\n",
                "Fedora 41",
            ),
            (
                ".treeinfo",
                "[release]\nname = Rocky Linux\nshort = Rocky\nversion = 9.4\n[tree]\narch=x\n",
                "Rocky Linux 9.4",
            ),
            (
                "etc/os-release",
                "NAME=\"Alpine\"\nPRETTY_NAME=\"Alpine Linux v3.22\"\n",
                "Alpine Linux v3.22",
            ),
        ] {
            assert_eq!(of(&[(path, text)]).as_deref(), Some(expected), "{path}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_hostile_name_is_words_on_one_line() {
        let name = |text: &str| of(&[(".disk/info", text)]);
        assert_eq!(name("\n\n"), None);
        assert_eq!(name("  13.1 - \u{0}"), Some("13.1 - x00".into()));
        assert_eq!(name("   "), None);
        let long = name(&"x".repeat(1 << 20)).unwrap();
        assert_eq!(long.len(), MAX);
        let escape = name("a\x1b[2Jb \"|| shell\" \u{202e}c").unwrap();
        assert_eq!(escape, "ax1b[2Jb || shell u{202e}c");
    }
}
