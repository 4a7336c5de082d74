//! Makes text from outside (file names, labels, host names, requested paths) safe to display. All
//! output to a terminal, a log or a menu passes through this module.
//!
//! Printable characters of any script are kept; everything else is escaped visibly (`\n`, `\x1b`,
//! `\u{202e}`), so that no text can start a new line, move the cursor, change the writing direction
//! or imitate another text.

mod nearest;

pub use nearest::{nearest, one_of};

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Longest path displayed, in bytes: `PATH_MAX` with every byte escaped.
const MAX_PATH: usize = 16 * 1024;
/// Longest line displayed, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// Most combining marks displayed on one letter. Living scripts use up to three; more would overlap
/// neighbouring lines.
const MAX_MARKS: usize = 4;
/// Replaces the part that was cut off.
const CUT: &str = "...";

/// Formats bytes that should be UTF-8, at most about `limit` bytes of them.
pub fn printable(bytes: &[u8], limit: usize) -> String {
    let mut out = String::new();
    let mut marks = 0;
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if out.len() >= limit {
                out.push_str(CUT);
                return out;
            }
            push(&mut out, letter, &mut marks);
        }
        for byte in chunk.invalid() {
            if out.len() >= limit {
                out.push_str(CUT);
                return out;
            }
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Formats a path.
pub fn path(path: &Path) -> String {
    printable(path.as_os_str().as_bytes(), MAX_PATH)
}

/// Formats a text on a single line.
pub fn line(text: &str) -> String {
    printable(text.as_bytes(), MAX_LINE)
}

/// Formats a text of several lines, keeping its line breaks.
pub fn lines(text: &str) -> String {
    let shown: Vec<String> = text.split('\n').map(line).collect();
    shown.join("\n")
}

/// Escapes JSON text so that it contains no byte a terminal could act on: unprintable characters
/// become `\uXXXX`, which a parser restores.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == '\n' || is_shown(letter) || is_mark(letter) {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// Reduces text to ASCII for loaders that display nothing else: any other character becomes `?`,
/// and at most `limit` bytes are kept.
pub fn ascii(text: &str, limit: usize) -> String {
    let shown = |c: char| {
        let is_fit = c.is_ascii_graphic() || c == ' ';
        if is_fit { c } else { '?' }
    };
    text.chars().take(limit).map(shown).collect()
}

fn push(out: &mut String, letter: char, marks: &mut usize) {
    if is_shown(letter) {
        *marks = 0;
        out.push(letter);
    } else if is_mark(letter) && *marks < MAX_MARKS && !out.is_empty() {
        *marks += 1;
        out.push(letter);
    } else {
        let code = u32::from(letter);
        let _ = match letter {
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            _ if code < 0x100 => write!(out, "\\x{code:02x}"),
            _ => write!(out, "\\u{{{code:x}}}"),
        };
    }
}

/// Returns whether a character is displayed as itself. The standard library's tables separate
/// letters and symbols from controls, formats, separators and unassigned code points.
fn is_shown(letter: char) -> bool {
    match letter {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        _ => letter.escape_debug().len() == 1 && !is_blank(letter),
    }
}

/// Returns whether a character is a mark that combines with the one before it.
fn is_mark(letter: char) -> bool {
    // `str::escape_debug` treats a mark as combining unless it comes first.
    let pair: String = ['a', letter].iter().collect();
    !letter.is_ascii()
        && !is_shown(letter)
        && !is_blank(letter)
        && pair.escape_debug().eq(pair.chars())
}

/// Returns whether a character displays as nothing: fillers, joiners and variation selectors.
fn is_blank(letter: char) -> bool {
    matches!(letter,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn printable_text_is_kept_and_the_rest_is_escaped() {
        for (text, shown) in [
            (
                "late\x1b[2J\n00:00:00 forged line.iso",
                "late\\x1b[2J\\n00:00:00 forged line.iso",
            ),
            (
                "统信 优麒麟 Müller Ünïcode日本 العربية",
                "统信 优麒麟 Müller Ünïcode日本 العربية",
            ),
            // Decomposed, as macOS stores names.
            ("Mu\u{308}ller", "Mu\u{308}ller"),
            ("\u{308}x", "\\u{308}x"),
            ("a\u{202e}osi.exe\u{202c}", "a\\u{202e}osi.exe\\u{202c}"),
            ("a\u{2066}b\u{2069}", "a\\u{2066}b\\u{2069}"),
            (
                "a\u{200b}\u{200d}\u{feff}\u{ad}b",
                "a\\u{200b}\\u{200d}\\u{feff}\\xadb",
            ),
            ("a\u{9b}2Jb\u{85}c\x7f", "a\\x9b2Jb\\x85c\\x7f"),
            ("a\u{2028}b\u{2029}c\u{a0}d", "a\\u{2028}b\\u{2029}c\\xa0d"),
            (
                "a\u{3164}b\u{fe0f}c\u{e000}d",
                "a\\u{3164}b\\u{fe0f}c\\u{e000}d",
            ),
            ("tab\tcr\r\0", "tab\\tcr\\r\\x00"),
            (
                "back\\slash 'quotes' \"too\"",
                "back\\slash 'quotes' \"too\"",
            ),
        ] {
            assert_eq!(line(text), shown, "{text:?}");
        }
        assert_eq!(printable(b"caf\xe9.iso \xff", 99), "caf\\xe9.iso \\xff");
        assert_eq!(printable(b"abcdef", 3), "abc...");
        assert_eq!(printable("ab".as_bytes(), 2), "ab");
        let marks = line(&format!("a{}", "\u{308}".repeat(9)));
        assert_eq!(marks.matches('\u{308}').count(), MAX_MARKS, "{marks}");
        assert_eq!(lines("a\n\x1bb\n"), "a\n\\x1bb\n");
    }

    #[test]
    fn json_round_trips_and_contains_no_control_bytes() {
        assert_eq!(
            json("{\"a\":\"统\u{9b}\u{202e}\u{7f}\"}\n"),
            "{\"a\":\"统\\u009b\\u202e\\u007f\"}\n"
        );
        assert_eq!(json("\u{e0101}\u{10ffff}"), "\\udb40\\udd01\\udbff\\udfff");
    }

    #[test]
    fn menu_text_is_ascii() {
        assert_eq!(ascii("a\x1b[2Jb\n统", 64), "a?[2Jb??");
        assert_eq!(ascii("abcdef", 3), "abc");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_become_printable(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let shown = printable(&bytes, 1000);
            prop_assert!(shown.chars().all(|c| c == ' ' || !c.is_control() && !c.is_whitespace()));
            // Formatting is idempotent.
            prop_assert_eq!(line(&shown), shown);
        }

        #[test]
        fn arbitrary_text_becomes_printable_and_bounded(text in "\\PC*|[\u{80}-\u{9f}\u{200b}-\u{206f}\n\r\x1b]{0,20}", limit in 0usize..60) {
            let shown = printable(text.as_bytes(), limit);
            prop_assert!(shown.len() <= limit + 12 + CUT.len(), "{}", shown.len());
            prop_assert_eq!(line(&shown), shown);
        }
    }
}
