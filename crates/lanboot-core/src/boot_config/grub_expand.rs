//! Expands the variables in the words of a GRUB command.

use std::collections::HashMap;

use super::files::Files;
use super::grub_parser::{Part, Word};
use super::{MAX_COMMAND_BYTES, MAX_WORD_BYTES, within_limit};

/// Expands the variables in `words`, within the limits of one command and of the medium. A value that
/// is not quoted becomes a word at each of its spaces.
pub(super) fn expand(
    words: &[Word],
    variables: &HashMap<String, String>,
    files: &mut Files<'_>,
) -> Vec<String> {
    let mut out = Words::default();
    for word in words {
        let mut text = word.quoted.then(String::new);
        for part in &word.parts {
            let (value, is_split) = match part {
                Part::Text(part) => (part.as_str(), false),
                Part::Variable { name, quoted } => {
                    (variables.get(name).map_or("", String::as_str), !quoted)
                }
            };
            if out.is_full() || !files.expand(value.len()) {
                return within_limit(out.all.into_iter());
            }
            if !is_split {
                append(text.get_or_insert_default(), value);
                continue;
            }
            if value.starts_with(char::is_whitespace) {
                out.extend(text.take());
            }
            for (at, part) in value.split_whitespace().enumerate() {
                if at > 0 {
                    out.extend(text.take());
                }
                append(text.get_or_insert_default(), part);
            }
        }
        out.extend(text);
    }
    within_limit(out.all.into_iter())
}

/// Words after expansion.
#[derive(Default)]
struct Words {
    all: Vec<String>,
    bytes: usize,
}

impl Words {
    fn extend(&mut self, word: Option<String>) {
        self.bytes += word.as_ref().map_or(0, |word| word.len() + 1);
        self.all.extend(word);
    }

    /// Returns whether no further word fits into a command.
    fn is_full(&self) -> bool {
        self.bytes > MAX_COMMAND_BYTES
    }
}

/// Appends as much of `text` as fits into a word.
fn append(word: &mut String, text: &str) {
    let space = MAX_WORD_BYTES.saturating_sub(word.len());
    let end = (0..=text.len().min(space))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    word.push_str(text.get(..end.unwrap_or(0)).unwrap_or_default());
}
