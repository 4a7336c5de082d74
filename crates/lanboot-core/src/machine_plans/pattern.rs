//! Patterns for serial numbers, asset tags and hardware addresses: `*` stands for any characters,
//! `?` for one; letters of either case are the same.

use std::fmt;

/// A text that may hold `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// Makes a pattern of its text.
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// Makes a pattern of a hardware address, with `:` or `-` between the pairs.
    pub fn of_mac(text: &str) -> Self {
        Self::new(&text.replace('-', ":"))
    }

    /// Returns whether it has no `*` and no `?`.
    pub fn is_exact(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Tests whether it stands for `text`. Takes at most the product of the lengths of both.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (
            self.0.chars().collect(),
            text.to_lowercase().chars().collect(),
        );
        let (mut p, mut t) = (0, 0);
        // The latest `*`, and how much of the text it stands for so far.
        let mut star: Option<(usize, usize)> = None;
        while let Some(character) = text.get(t) {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(wanted) if wanted == character || *wanted == '?' => {
                    p += 1;
                    t += 1;
                }
                _ => {
                    let Some((at, taken)) = star else {
                        return false;
                    };
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
            }
        }
        pattern.iter().skip(p).all(|c| *c == '*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
