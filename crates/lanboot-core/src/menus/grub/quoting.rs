//! Text from outside in GRUB's language: nothing of it ends its string.

use crate::text::{ascii, printable};

/// GRUB variables that arguments may use; any other `$` is an ordinary character.
const KNOWN: [&str; 2] = ["${net_default_mac}", "${net_default_ip}"];
/// Longest argument, in bytes: kernels truncate their command line at 2048 on x86.
pub(super) const MAX_WORD: usize = 2048;
/// Quotes text for display, in any script: GRUB reads UTF-8 and puts `?` where a terminal (text
/// mode, a serial line) cannot show a character.
pub(in crate::menus) fn shown(text: &str, limit: usize) -> String {
    let text = printable(text.as_bytes(), limit);
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Quotes a word literally. Inside single quotes only the closing quote is special.
pub(in crate::menus) fn quoted(text: &str) -> String {
    format!("'{}'", ascii(text, MAX_WORD).replace('\'', "'\\''"))
}

/// Returns a kernel argument: [`KNOWN`] variables are expanded, anything else is literal.
pub(super) fn argument(word: &str) -> String {
    let word = ascii(word, MAX_WORD);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word;
    }
    let mut out = String::from("\"");
    let mut rest = word.as_str();
    while let Some(letter) = rest.chars().next() {
        if let Some(known) = KNOWN.iter().find(|known| rest.starts_with(**known)) {
            out.push_str(known);
            rest = rest.get(known.len()..).unwrap_or_default();
            continue;
        }
        if matches!(letter, '"' | '\\' | '$') {
            out.push('\\');
        }
        out.push(letter);
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
    }
    out.push('"');
    out
}

/// Splits a kernel command line into words, without the double quotes the kernel would remove: GRUB
/// adds them again around a word with a space.
pub(super) fn arguments(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}
