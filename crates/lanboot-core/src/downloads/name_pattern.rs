//! Patterns of file names with a version, and the newest name that matches.

use std::cmp::Ordering;
use std::fmt;

/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 200;
/// Place of the version in a pattern.
const VERSION: &str = "{version}";

/// A pattern such as `debian-{version}-amd64-netinst.iso`. `{version}` stands for digits with dots,
/// dashes or underscores between them, so that no release candidate matches, and is the same wherever it
/// stands; `*` for letters, digits and what may be between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Version,
    Anything,
}

/// The reason why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too long, or with too many `*`.
    #[error("it is too long or has more than 4 of '*' and '{{version}}'")]
    Size,
    /// A brace that begins no `{version}`.
    #[error("its braces hold something else than 'version'")]
    Braces,
}

/// Most wildcards in a pattern: matching tries every way to share a name among them.
const MAX_WILDCARDS: usize = 4;

/// A version, compared number by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

/// A name that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMatch {
    /// The name.
    pub name: String,
    /// The text in place of `{version}`; `None` if the pattern has none.
    pub version: Option<Version>,
}

impl NamePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// It is too long, or has braces with something else.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut parts = Vec::new();
        for (n, piece) in text.split(VERSION).enumerate() {
            if n > 0 {
                parts.push(Part::Version);
            }
            for (n, literal) in piece.split('*').enumerate() {
                if n > 0 {
                    parts.push(Part::Anything);
                }
                if literal.contains(['{', '}']) {
                    return Err(PatternError::Braces);
                }
                if !literal.is_empty() {
                    parts.push(Part::Text(literal.to_owned()));
                }
            }
        }
        let wildcards = parts.iter().filter(|part| !matches!(part, Part::Text(_)));
        match text.len() > MAX_PATTERN_BYTES || wildcards.count() > MAX_WILDCARDS {
            true => Err(PatternError::Size),
            false => Ok(Self { parts }),
        }
    }

    /// Matches a whole name.
    pub fn matches(&self, name: &str) -> Option<NameMatch> {
        if name.len() > MAX_PATTERN_BYTES {
            return None;
        }
        let mut version = None;
        rest_matches(&self.parts, name, &mut version).then(|| NameMatch {
            name: name.to_owned(),
            version: version.map(|version: &str| Version(version.to_owned())),
        })
    }
}

/// Matches the rest of a pattern with the rest of a name, the longest version first.
fn rest_matches<'a>(parts: &[Part], name: &'a str, version: &mut Option<&'a str>) -> bool {
    let Some((part, parts)) = parts.split_first() else {
        return name.is_empty();
    };
    match part {
        Part::Text(text) => name
            .strip_prefix(text.as_str())
            .is_some_and(|rest| rest_matches(parts, rest, version)),
        Part::Version => match *version {
            Some(same) => name
                .strip_prefix(same)
                .is_some_and(|rest| rest_matches(parts, rest, version)),
            None => ends_of(name, is_in_version).rev().any(|end| {
                let (tried, rest) = name.split_at(end);
                if !is_version(tried) {
                    return false;
                }
                *version = Some(tried);
                let is_match = rest_matches(parts, rest, version);
                if !is_match {
                    *version = None;
                }
                is_match
            }),
        },
        Part::Anything => std::iter::once(0)
            .chain(ends_of(name, is_in_anything))
            .any(|end| rest_matches(parts, &name[end..], version)),
    }
}

/// Returns the ends of all beginnings of a name that consist of such bytes, which are ASCII.
fn ends_of(name: &str, is_part: fn(u8) -> bool) -> impl DoubleEndedIterator<Item = usize> {
    let length = name.bytes().take_while(|byte| is_part(*byte)).count();
    1..=length
}

fn is_in_version(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
}

fn is_version(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    is_digit(text.as_bytes().first()) && is_digit(text.as_bytes().last())
}

fn is_in_anything(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'~')
}

impl Version {
    /// Returns its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn numbers(&self) -> impl Iterator<Item = &str> {
        let parts = self.0.split(['.', '-', '_']);
        parts.map(|digits| digits.trim_start_matches('0'))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_value = |a: &str, b: &str| a.len().cmp(&b.len()).then_with(|| a.cmp(b));
        let (mut left, mut right) = (self.numbers(), other.numbers());
        loop {
            let order = match (left.next(), right.next()) {
                (Some(a), Some(b)) => by_value(a, b),
                (Some(_), None) => Ordering::Greater,
                (None, Some(_)) => Ordering::Less,
                (None, None) => return self.0.cmp(&other.0),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
    }
}

/// Returns the names that match, the newest version first.
pub fn newest<'a>(
    pattern: &NamePattern,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<NameMatch> {
    let mut found: Vec<NameMatch> = names
        .into_iter()
        .filter_map(|name| pattern.matches(name))
        .collect();
    found.sort_by(|a, b| b.version.cmp(&a.version).then_with(|| a.name.cmp(&b.name)));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> NamePattern {
        NamePattern::parse(text).unwrap()
    }

    fn version(pattern_text: &str, name: &str) -> Option<String> {
        let found = pattern(pattern_text).matches(name)?;
        Some(found.version.map_or_else(String::new, |v| v.to_string()))
    }

    #[test]
    fn versions_are_read_out_of_real_names() {
        for (pattern, name, expected) in [
            (
                "debian-{version}-amd64-netinst.iso",
                "debian-13.1.0-amd64-netinst.iso",
                Some("13.1.0"),
            ),
            (
                "debian-{version}-amd64-netinst.iso",
                "debian-mac-13.1.0-amd64-netinst.iso",
                None,
            ),
            (
                "Fedora-Workstation-Live-{version}.x86_64.iso",
                "Fedora-Workstation-Live-43-1.6.x86_64.iso",
                Some("43-1.6"),
            ),
            (
                "alpine-standard-{version}-x86_64.iso",
                "alpine-standard-3.22.0_rc1-x86_64.iso",
                None,
            ),
            (
                "openSUSE-Tumbleweed-NET-x86_64-Snapshot{version}-Media.iso",
                "openSUSE-Tumbleweed-NET-x86_64-Snapshot20251120-Media.iso",
                Some("20251120"),
            ),
            (
                "nixos-minimal-{version}.*-x86_64-linux.iso",
                "nixos-minimal-25.11.1234.0a1b2c3d4e5f-x86_64-linux.iso",
                Some("25.11.1234"),
            ),
            (
                "a-{version}/b-{version}.iso",
                "a-1.2/b-1.2.iso",
                Some("1.2"),
            ),
            ("a-{version}-b-{version}.iso", "a-1.2-b-1.3.iso", None),
            ("fixed.iso", "fixed.iso", Some("")),
            ("fixed.iso", "fixed.iso.sig", None),
        ] {
            assert_eq!(version(pattern, name).as_deref(), expected, "{name}");
        }
        assert_eq!(NamePattern::parse("a{b}c"), Err(PatternError::Braces));
        assert_eq!(NamePattern::parse("*****"), Err(PatternError::Size));
    }

    #[test]
    fn the_newest_is_by_number_not_by_letter() {
        let names = [
            "a-9.10.iso",
            "a-10.2.iso",
            "a-10.10.iso",
            "a-10.10-beta.iso",
            "a-09.11.iso",
            "a-10.10.iso",
        ];
        let found = newest(&pattern("a-{version}.iso"), names);
        let found: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
        let expected = ["a-10.10.iso", "a-10.2.iso", "a-09.11.iso", "a-9.10.iso"];
        assert_eq!(found, expected);
        let version = |text: &str| Version(text.to_owned());
        assert!(version("13.0.1") > version("13.0"));
        assert!(version("99999999999999999999999") > version("9999"));
    }

    proptest! {
        #[test]
        fn matching_any_name_ends(text in "[a*{version}0-9.-]{0,40}", name in "[a0-9.\u{e9}-]{0,80}") {
            if let Ok(pattern) = NamePattern::parse(&text) {
                let _ = pattern.matches(&name);
            }
        }
    }
}
