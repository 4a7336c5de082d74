//! Checksums of files, and the lists in which they are published.

use std::fmt;

/// Most lines read of a list.
const MAX_LINES: usize = 100_000;

/// Hash function of a checksum. MD5 and SHA-1 are left out: they protect nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// 256 bits of SHA-2.
    Sha256,
    /// 512 bits of SHA-2.
    Sha512,
}

/// A checksum that a file must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// The function.
    pub algorithm: Algorithm,
    /// The value in lower-case hexadecimal digits.
    pub hex: String,
}

impl Algorithm {
    const ALL: [Self; 2] = [Self::Sha512, Self::Sha256];

    fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Parses hexadecimal digits as the checksum of the function with that many; `None` for any other text.
pub fn parse_hex(text: &str) -> Option<Checksum> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut all = Algorithm::ALL.into_iter();
    let algorithm = all.find(|algorithm| is_hex && text.len() == algorithm.digits())?;
    Some(Checksum {
        algorithm,
        hex: text.to_ascii_lowercase(),
    })
}

/// Finds the checksum of a file in a list: lines of `sha256sum`, of BSD's (`SHA256 (file) = …`), or
/// those in the text of a signed message; the longer function if there are both. A file listed with two
/// values of one function has none.
pub fn checksum_of(list: &str, file: &str) -> Option<Checksum> {
    let lines = list.lines().take(MAX_LINES);
    let found: Vec<Checksum> = lines
        .filter_map(entry)
        .filter(|(name, _)| last_part(name) == file)
        .map(|(_, checksum)| checksum)
        .collect();
    let of = |algorithm: Algorithm| {
        let mut same = found.iter().filter(|found| found.algorithm == algorithm);
        let first = same.next()?;
        same.all(|other| other == first).then(|| first.clone())
    };
    Algorithm::ALL.into_iter().find_map(of)
}

/// Returns the checksum in a file for one image alone, such as `a.iso.sha256`: the only one in it, with
/// the name that stands beside it, if any.
pub fn only_checksum(list: &str) -> Option<(Checksum, Option<String>)> {
    let mut found = list.lines().take(MAX_LINES).filter_map(|line| {
        let named = entry(line).map(|(name, sum)| (sum, Some(last_part(name).to_owned())));
        named.or_else(|| Some((parse_hex(line.trim())?, None)))
    });
    let first = found.next()?;
    found.all(|other| other.0 == first.0).then_some(first)
}

/// Reads a line: the name and its checksum.
fn entry(line: &str) -> Option<(&str, Checksum)> {
    let line = line.trim_end_matches('\r');
    gnu_entry(line).or_else(|| bsd_entry(line))
}

/// Reads `HEX  NAME` or `HEX *NAME`; `\HEX` marks a name with escaped characters, which no image has.
fn gnu_entry(line: &str) -> Option<(&str, Checksum)> {
    let (hex, rest) = line.trim_start().split_once([' ', '\t'])?;
    let checksum = parse_hex(hex)?;
    let name = rest.trim_start().trim_end();
    let name = name.strip_prefix('*').unwrap_or(name);
    (!name.is_empty()).then_some((name, checksum))
}

/// Reads `SHA256 (NAME) = HEX`.
fn bsd_entry(line: &str) -> Option<(&str, Checksum)> {
    let (function, rest) = line.trim().split_once(" (")?;
    let (name, hex) = rest.rsplit_once(") = ")?;
    let checksum = parse_hex(hex.trim())?;
    let is_named = function.eq_ignore_ascii_case(checksum.algorithm.name());
    is_named.then_some((name, checksum))
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Returns the names of the files in a list.
pub fn names_in_list(list: &str) -> Vec<String> {
    let lines = list.lines().take(MAX_LINES).filter_map(entry);
    lines.map(|(name, _)| last_part(name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(digit: char, algorithm: Algorithm) -> String {
        digit.to_string().repeat(algorithm.digits())
    }

    #[test]
    fn lists_of_every_kind_are_read() {
        let a = sum('a', Algorithm::Sha256);
        let long = sum('b', Algorithm::Sha512);
        for list in [
            format!("{a}  x.iso\n"),
            format!("{a} *x.iso\r\n"),
            format!("{a}\tx.iso"),
            format!("{a}  ./iso/x.iso"),
            format!("{}  x.iso", a.to_uppercase()),
            format!("# x.iso: 12 bytes\nSHA256 (x.iso) = {a}\n"),
            format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSHA256 (x.iso) = {a}\n"),
            format!(
                "### SHA256SUMS:\n{a}  x.iso\n### MD5SUMS:\n0123456789abcdef0123456789abcdef  x.iso"
            ),
        ] {
            let found = checksum_of(&list, "x.iso");
            assert_eq!(found.map(|found| found.hex), Some(a.clone()), "{list}");
            assert_eq!(checksum_of(&list, "y.iso"), None);
            assert_eq!(names_in_list(&list).last().unwrap(), "x.iso");
        }
        let both = format!("{a}  x.iso\n{long}  x.iso\n");
        let found = checksum_of(&both, "x.iso").unwrap();
        assert_eq!((found.algorithm, found.hex), (Algorithm::Sha512, long));
    }

    #[test]
    fn ambiguous_weak_and_malformed_entries_are_none() {
        let (a, b) = (sum('a', Algorithm::Sha256), sum('b', Algorithm::Sha256));
        for list in [
            format!("{a}  x.iso\n{b}  x.iso\n"),
            "0123456789abcdef0123456789abcdef  x.iso".to_owned(),
            format!("SHA512 (x.iso) = {a}"),
            format!("{a}x.iso"),
            format!("g{}  x.iso", &a[1..]),
            String::new(),
        ] {
            assert_eq!(checksum_of(&list, "x.iso"), None, "{list}");
        }
        assert!(checksum_of(&format!("{a}  x.iso\n{a}  x.iso\n"), "x.iso").is_some());
    }

    #[test]
    fn a_file_for_one_image_may_leave_the_name_out() {
        let a = sum('a', Algorithm::Sha256);
        let only = |list: &str| only_checksum(list).map(|(sum, name)| (sum.hex, name));
        assert_eq!(only(&format!("{a}\n")), Some((a.clone(), None)));
        let named = (a.clone(), Some("x.iso".to_owned()));
        assert_eq!(only(&format!("{a}  /build/x.iso\n")), Some(named));
        let b = sum('b', Algorithm::Sha256);
        assert_eq!(only(&format!("{a}  x.iso\n{b}  y.iso\n")), None);
        assert_eq!(only("<html>not found</html>"), None);
    }

    proptest! {
        #[test]
        fn any_list_is_read_without_a_panic(list in ".*", name in ".*") {
            checksum_of(&list, &name);
            only_checksum(&list);
            names_in_list(&list);
        }
    }
}
