//! Entries that explain why something cannot start.

use std::fmt::Write as _;

use super::quoting::{MAX_WORD, quoted, shown};
use crate::catalog::{Entry, Image, Incomplete};
use crate::menus::{MAX_HELP, incomplete_title};
use crate::text::{ascii, printable};

/// Writes an entry that explains why it cannot start. It waits for Esc, even where the menu would
/// start it at once.
pub(crate) fn refused(out: &mut String, image: &Image, entry: &Entry, id: &str) {
    let title = format!("{} - needs Secure Boot off", image.title(entry));
    let title = shown(&title, MAX_HELP);
    let _ = writeln!(out, "menuentry {title} --id {} {{", quoted(id));
    refused_body(out, image, entry);
    out.push_str("}\n");
}

/// Writes the commands of an entry that the firmware rejects: the reason, until Esc is pressed.
pub(in crate::menus) fn refused_body(out: &mut String, image: &Image, entry: &Entry) {
    let title = image.title(entry);
    let by = match entry.signed.names().first() {
        Some(name) => format!(
            "It is signed by {}, which this shim does not trust.",
            quiet(name)
        ),
        None => "It is not signed.".into(),
    };
    out.push_str("set timeout=-1\n");
    for text in [
        "",
        &format!("Secure Boot is on, and the firmware rejects the kernel of {title}."),
        &by,
        "Switch Secure Boot off in the firmware setup, or enrol the key of its vendor,",
        "and restart this machine.",
        "",
        "Press Esc for the menu.",
    ] {
        let _ = writeln!(out, "echo {}", shown(text, MAX_HELP * 2));
    }
    out.push_str("sleep --interruptible 3600\n");
}

/// Writes an entry that explains what is missing from it; like [`refused`] it waits for Esc.
pub(super) fn incomplete(out: &mut String, entry: &Entry, id: &str, why: &Incomplete) {
    let title = incomplete_title(entry, why);
    let _ = writeln!(out, "menuentry {} --id {} {{", quoted(&title), quoted(id));
    incomplete_body(out, entry, why);
    out.push_str("}\n");
}

/// Writes the commands of an entry that something is missing of: the reason, until Esc is pressed.
pub(in crate::menus) fn incomplete_body(out: &mut String, entry: &Entry, why: &Incomplete) {
    out.push_str("set timeout=-1\n");
    for text in [
        "",
        &format!("{} cannot start:", ascii(&entry.title, 40)),
        &ascii(&why.to_string(), MAX_WORD),
        "Copy or download the image again on the server.",
        "",
        "Press Esc for the menu.",
    ] {
        let _ = writeln!(out, "echo {}", quoted(text));
    }
    out.push_str("sleep --interruptible 3600\n");
}

/// Returns the commands that explain why an entry is not offered.
pub(in crate::menus) fn not_offered(sentence: &str) -> String {
    let sentence = quoted(&printable(sentence.as_bytes(), 4 * MAX_HELP));
    format!("echo {sentence}; sleep --interruptible 30")
}

/// Returns a signer's name as part of a one-line sentence.
fn quiet(name: &str) -> String {
    ascii(name, 36)
}
