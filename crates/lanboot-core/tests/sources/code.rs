//! Source text without comments, texts and tests; functions and their lengths.

/// Returns `text` without comments and with empty texts and characters; lines stay lines.
pub(super) fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match skipped(rest) {
            0 => {
                out.push(first);
                first.len_utf8()
            }
            len => {
                let lines = rest[..len].matches('\n').count();
                out.extend(std::iter::repeat_n('\n', lines));
                if !rest.starts_with('/') {
                    out.push_str("\"\"");
                }
                len
            }
        };
        // The letters of a name are no prefix of a text.
        let is_name = first.is_alphanumeric() || first == '_';
        rest = &rest[len..];
        if is_name {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let raw = len == 1 && (rest.starts_with('"') || rest.starts_with('#'));
            let end = end.unwrap_or(rest.len());
            if !raw {
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
        }
    }
    out
}

/// Returns the length of the comment, text or character that `rest` begins with; 0 for anything
/// else.
fn skipped(rest: &str) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..]
            .find(end)
            .map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    let raw = rest.trim_start_matches('b');
    if let Some(hashes) = raw.strip_prefix('r') {
        let count = hashes.len() - hashes.trim_start_matches('#').len();
        if rest.len() - raw.len() <= 1 && hashes[count..].starts_with('"') {
            let from = rest.len() - hashes.len() + count + 1;
            return until(&format!("\"{}", "#".repeat(count)), from);
        }
    }
    let (prefix, text) = match rest.strip_prefix('b').or_else(|| rest.strip_prefix('c')) {
        Some(text) if text.starts_with(['"', '\'']) => (1, text),
        _ => (0, rest),
    };
    if text.starts_with('"') {
        return prefix + quoted(text, '"');
    }
    // A lifetime is no character.
    let mut letters = text.chars().skip(1);
    match (text.chars().next(), letters.next(), letters.next()) {
        (Some('\''), Some('\\'), _) => prefix + quoted(text, '\''),
        (Some('\''), Some(letter), Some('\'')) => prefix + 2 + letter.len_utf8(),
        _ => 0,
    }
}

/// Returns the length of a text in quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns `text` without the items marked `#[cfg(test)]`.
pub(super) fn without_tests(text: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let item = &rest[at + MARK.len()..];
        rest = &item[item_end(item)..];
    }
    out + rest
}

/// Returns where the item ends that `text` begins with: behind its block, or its semicolon.
fn item_end(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let len = skipped(&text[at..]);
        if len > 0 {
            at += len;
            continue;
        }
        at += letter.len_utf8();
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && letter == '}' {
                    // `use a::{b};` goes on.
                    let semicolon = text[at..].starts_with(';');
                    return at + usize::from(semicolon);
                }
            }
            ';' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// One function.
pub(super) struct Function {
    /// Its name.
    pub(super) name: String,
    /// The line it begins at, from 1.
    pub(super) line: usize,
    /// Its lines, from `fn` to its last brace.
    pub(super) lines: usize,
}

/// Returns the functions of code without comments.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let is_word = code[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let rest = &code[at..];
        let name: String = rest[3..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let end = item_end(rest);
        if is_word && !name.is_empty() && rest[..end].ends_with('}') {
            found.push(Function {
                name,
                line: code[..at].matches('\n').count() + 1,
                lines: rest[..end].matches('\n').count() + 1,
            });
        }
    }
    found
}
