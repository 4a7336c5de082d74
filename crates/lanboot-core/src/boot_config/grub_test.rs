//! GRUB's `[` and `test`: comparisons of words and checks for files of the medium. `None` is a
//! result only a running GRUB can know.

use super::files::{find_file, folder, medium_path};
use crate::vfs::Tree;

/// Evaluates the words after `[` or `test`; `-o` binds weaker than `-a`.
pub(super) fn evaluate(words: &[String], tree: &Tree) -> Option<bool> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = match words.split_last() {
        Some((&"]", rest)) => rest,
        _ => &words[..],
    };
    let any: Vec<Option<bool>> = words
        .split(|word| *word == "-o")
        .map(|all| {
            let each = all.split(|word| *word == "-a");
            let each: Vec<Option<bool>> = each.map(|one| single(one, tree)).collect();
            decide(&each, false)
        })
        .collect();
    decide(&any, true)
}

/// Returns `winner` if one of the values is it, its opposite if none is and all are known.
fn decide(values: &[Option<bool>], winner: bool) -> Option<bool> {
    if values.contains(&Some(winner)) {
        return Some(winner);
    }
    (!values.contains(&None)).then_some(!winner)
}

fn negate(value: Option<bool>) -> Option<bool> {
    value.map(|value| !value)
}

fn single(words: &[&str], tree: &Tree) -> Option<bool> {
    let is_file = |path: &str| find_file(tree, &medium_path(path)).is_some();
    let is_folder = |path: &str| folder(tree, &medium_path(path)).is_some() && !is_file(path);
    let numbers = |a: &str, b: &str| Some((a.parse::<i64>().ok()?, b.parse::<i64>().ok()?));
    match words {
        [] => Some(false),
        // `!!…!` of any length.
        ["!", ..] => {
            let rest = words.iter().skip_while(|word| **word == "!");
            let rest: Vec<&str> = rest.copied().collect();
            let is_odd = (words.len() - rest.len()) % 2 == 1;
            let value = plain(&rest, is_file, is_folder, numbers);
            if is_odd { negate(value) } else { value }
        }
        words => plain(words, is_file, is_folder, numbers),
    }
}

fn plain(
    words: &[&str],
    is_file: impl Fn(&str) -> bool,
    is_folder: impl Fn(&str) -> bool,
    numbers: impl Fn(&str, &str) -> Option<(i64, i64)>,
) -> Option<bool> {
    match words {
        [] => Some(false),
        [word] => Some(!word.is_empty()),
        ["-n", word] => Some(!word.is_empty()),
        ["-z", word] => Some(word.is_empty()),
        ["-f" | "-s", path] => Some(is_file(path)),
        ["-d", path] => Some(is_folder(path)),
        ["-e", path] => Some(is_file(path) || is_folder(path)),
        [a, "=" | "==", b] => Some(a == b),
        [a, "!=", b] => Some(a != b),
        [a, "<", b] => Some(a < b),
        [a, ">", b] => Some(a > b),
        [a, "<=", b] => Some(a <= b),
        [a, ">=", b] => Some(a >= b),
        [a, "-eq", b] => numbers(a, b).map(|(a, b)| a == b),
        [a, "-ne", b] => numbers(a, b).map(|(a, b)| a != b),
        [a, "-lt", b] => numbers(a, b).map(|(a, b)| a < b),
        [a, "-le", b] => numbers(a, b).map(|(a, b)| a <= b),
        [a, "-gt", b] => numbers(a, b).map(|(a, b)| a > b),
        [a, "-ge", b] => numbers(a, b).map(|(a, b)| a >= b),
        _ => None,
    }
}
