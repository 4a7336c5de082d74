//! Reads the boot configuration a medium carries for GRUB: the entries with kernel, initramfs and
//! arguments that are written out. Variables, functions and conditions are passed over.

use super::syslinux::{Label, medium_path};

/// Most entries read from one file.
const MAX_ENTRIES: usize = 128;

/// Parses a configuration; whatever it does not know is passed over.
pub(super) fn parse(text: &[u8]) -> Vec<Label> {
    let text = String::from_utf8_lossy(text);
    let mut entries: Vec<Label> = Vec::new();
    for line in text.lines() {
        let mut words = words(line).into_iter();
        let Some(command) = words.next() else {
            continue;
        };
        if command == "menuentry" && entries.len() < MAX_ENTRIES {
            entries.push(Label {
                title: title(words),
                ..Label::default()
            });
            continue;
        }
        let Some(entry) = entries.last_mut() else {
            continue;
        };
        match command.as_str() {
            "linux" | "linuxefi" | "linux16" => {
                entry.kernel = words.next().map(|path| file(&path)).unwrap_or_default();
                entry.append = words.collect();
            }
            "initrd" | "initrdefi" | "initrd16" => {
                entry.initrd = words.map(|path| file(&path)).collect();
            }
            _ => {}
        }
    }
    entries
}

/// The first word that is neither an option nor an option's value.
fn title(words: impl Iterator<Item = String>) -> Option<String> {
    let mut is_value = false;
    for word in words {
        if is_value {
            is_value = false;
        } else if word.starts_with("--") {
            // `--hotkey=a` and `--id x`; the latter names its value apart.
            is_value = !word.contains('=') && word != "--unrestricted";
        } else {
            return Some(word).filter(|word| word != "{");
        }
    }
    None
}

/// A path without its device.
fn file(written: &str) -> String {
    let path = match written.strip_prefix('(') {
        Some(rest) => rest.split_once(')').map_or("", |(_, path)| path),
        None => written,
    };
    medium_path(path)
}

/// The words of a line, quotes taken off; a comment ends it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(end)) if letter == end => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            (_, Some(_)) => word.get_or_insert_default().push(letter),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (' ' | '\t' | ';', None) => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_installers_configuration_is_understood() {
        let entries = parse(
            b"set x=y\nmenuentry 'Install' {\n    set background_color=black\n\
              \tlinux    /debian-installer/amd64/linux vga=788 --- quiet\n\
              \tinitrd   /debian-installer/amd64/initrd.gz\n}\n\
              submenu 'More' {\nmenuentry --hotkey=x \"It's \\\"x\\\"\" {\n\
              linux (cd0)/linux a='b c' # no\ninitrd /a /b\n}\n}\n",
        );
        let [install, other] = &entries[..] else {
            panic!("{entries:?}")
        };
        assert_eq!(install.title.as_deref(), Some("Install"));
        assert_eq!(install.kernel, "debian-installer/amd64/linux");
        assert_eq!(install.initrd, ["debian-installer/amd64/initrd.gz"]);
        assert_eq!(install.append, ["vga=788", "---", "quiet"]);
        assert_eq!(other.title.as_deref(), Some("It's \"x\""));
        assert_eq!(
            (other.kernel.as_str(), &other.append[..]),
            ("linux", &["a=b c".to_owned()][..])
        );
        assert_eq!(other.initrd, ["a", "b"]);
    }

    #[test]
    fn a_hostile_file_is_bounded_and_harmless() {
        assert_eq!(parse(&b"menuentry x {\n".repeat(10_000)).len(), MAX_ENTRIES);
        assert!(parse(b"linux /x\ninitrd\n'\"\\\n\xff\xfe").is_empty());
        assert_eq!(
            parse(b"menuentry --id x {\nlinux\ninitrd\nlinux (x\n")[0].kernel,
            ""
        );
    }
}
