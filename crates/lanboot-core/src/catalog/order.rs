//! The order of images in a menu: products by name, of each the newest version first.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::str::Chars;

/// Part of a text: a number, or the letters between two.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// A number without its leading zeros, so that one of any length can be compared.
    Number(String),
}

/// Compares two file names or titles: the words before the first number by the alphabet, whatever
/// their case; of the same words the higher version first, number by number, and what follows it by
/// the alphabet. Of two that begin alike `13.1` is newer than `13`, and `13` than `13-rc1`.
pub fn newest_first(a: &str, b: &str) -> Ordering {
    let (left, right) = (tokens(a), tokens(b));
    let mut right_tokens = right.iter();
    for token in &left {
        let order = match (token, right_tokens.next()) {
            (Token::Word(one), Some(Token::Word(other))) => one.cmp(other),
            (Token::Number(one), Some(Token::Number(other))) => by_value(one, other).reverse(),
            // Words without a version come before it has one.
            (Token::Word(_), Some(Token::Number(_)) | None) => Ordering::Greater,
            (Token::Number(_), Some(Token::Word(_)) | None) => Ordering::Less,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    let rest = match right_tokens.next() {
        None => Ordering::Equal,
        Some(Token::Number(_)) => Ordering::Greater,
        Some(Token::Word(_)) => Ordering::Less,
    };
    rest.then_with(|| a.cmp(b))
}

fn by_value(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// Splits a text; what is neither a letter nor a digit only separates.
fn tokens(text: &str) -> Vec<Token> {
    let mut letters = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&letter) = letters.peek() {
        if letter.is_ascii_digit() {
            let number = taken(&mut letters, |c| c.is_ascii_digit());
            tokens.push(Token::Number(number.trim_start_matches('0').to_owned()));
        } else if letter.is_alphanumeric() {
            let word = taken(&mut letters, |c| c.is_alphanumeric() && !c.is_ascii_digit());
            tokens.push(Token::Word(word.to_lowercase()));
        } else {
            letters.next();
        }
    }
    tokens
}

fn taken(letters: &mut Peekable<Chars<'_>>, is_part: impl Fn(&char) -> bool) -> String {
    let mut part = String::new();
    while let Some(letter) = letters.next_if(&is_part) {
        part.push(letter);
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_follow_the_alphabet_and_versions_go_down() {
        let sorted = [
            "Alpine-virt-3.22.1-x86_64",
            "archlinux-2026.11.01-x86_64",
            "archlinux-2026.9.01-x86_64",
            "debian-13.1.0-amd64-netinst",
            "debian-13-amd64",
            "debian-12.10.0-amd64-netinst",
            "debian-12.10.0-i386-netinst",
            "debian-12.9.0-amd64-netinst",
            "Debian-live-13",
            "Fedora-40-1.14",
            "fedora",
            "ubuntu-24.04.3-desktop",
            "ubuntu-24.04",
            "ubuntu-24.04-rc1",
            "ubuntu-9.10",
            "\u{7edf}\u{4fe1}-20",
        ];
        let mut shuffled: Vec<&str> = sorted.into_iter().rev().collect();
        shuffled.sort_by(|a, b| newest_first(a, b));
        assert_eq!(shuffled, sorted);
    }

    #[test]
    fn the_order_is_total() {
        let texts = [
            "",
            "a",
            "A",
            "a1",
            "a01",
            "a 1",
            "1",
            "1a",
            "a1b",
            "a1b2",
            "a-b",
            "ab",
            "a99999999999999999999999",
        ];
        for a in texts {
            assert_eq!(newest_first(a, a), Ordering::Equal);
            for b in texts {
                assert_eq!(newest_first(a, b), newest_first(b, a).reverse(), "{a} {b}");
                for c in texts {
                    let is_chain = newest_first(a, b).is_lt() && newest_first(b, c).is_lt();
                    assert!(!is_chain || newest_first(a, c).is_lt(), "{a} {b} {c}");
                }
            }
        }
    }
}
