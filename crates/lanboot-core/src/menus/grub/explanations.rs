//! Entries that explain why something cannot start.

use std::fmt::Write as _;

use super::quoting::{MAX_WORD, quoted, shown};
use crate::catalog::{Entry, Image, Incomplete};
use crate::menus::{MAX_HELP, incomplete_title};
use crate::text::ascii;

/// Writes an entry that explains why it cannot start. It waits for Esc, even where the menu would
/// start it at once.
pub(crate) fn refused(out: &mut String, image: &Image, entry: &Entry, id: &str) {
    let title = image.title(entry);
    let by = match entry.signed.names().first() {
        Some(name) => format!(
            "It is signed by {}, which this shim does not trust.",
            quiet(name)
        ),
        None => "It is not signed.".into(),
    };
    let _ = write!(
        out,
        "menuentry {} --id {} {{\nset timeout=-1\n",
        shown(&format!("{title} - needs Secure Boot off"), MAX_HELP),
        quoted(id),
    );
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
    out.push_str("sleep --interruptible 3600\n}\n");
}

/// Writes an entry that explains what is missing from it; like [`refused`] it waits for Esc.
pub(super) fn incomplete(out: &mut String, entry: &Entry, id: &str, why: &Incomplete) {
    let title = incomplete_title(entry, why);
    let _ = write!(
        out,
        "menuentry {} --id {} {{\nset timeout=-1\n",
        quoted(&title),
        quoted(id)
    );
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
    out.push_str("sleep --interruptible 3600\n}\n");
}

/// Returns a signer's name as part of a one-line sentence.
fn quiet(name: &str) -> String {
    ascii(name, 36)
}
