//! Parses paths as sent by machines. Firmware doubles slashes, writes backslashes and appends
//! garbage to names; the result is a list of plain names.

/// Names in order from the root; none empty, `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    names: Vec<&'a [u8]>,
}

/// Reason a path is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It contains `..`.
    #[error("the path climbs with '..'")]
    Climbs,
    /// It contains a NUL byte.
    #[error("the path holds a NUL byte")]
    Nul,
    /// More bytes or names than any medium has.
    #[error(
        "the path is longer than {} bytes or deeper than {} names",
        Path::MAX_BYTES,
        Path::MAX_NAMES
    )]
    TooLong,
}

impl<'a> Path<'a> {
    /// Longest path accepted, in bytes.
    pub const MAX_BYTES: usize = 4096;
    /// Most names accepted in a path.
    pub const MAX_NAMES: usize = 128;

    /// Splits `text` at slashes. A leading slash, doubled slashes and `.` are ignored: UEFI
    /// requests `/ipxe//ipxe.efi` and lpxelinux `/arch//boot/syslinux/ldlinux.c32`.
    ///
    /// # Errors
    /// Fails if the path contains `..` or a NUL byte, or exceeds a limit.
    pub fn parse(text: &'a [u8]) -> Result<Self, PathError> {
        if text.len() > Self::MAX_BYTES {
            return Err(PathError::TooLong);
        }
        if text.contains(&0) {
            return Err(PathError::Nul);
        }
        let mut names = Vec::new();
        for name in text.split(|&b| b == b'/') {
            match name {
                b"" | b"." => {}
                b".." => return Err(PathError::Climbs),
                name if names.len() < Self::MAX_NAMES => names.push(name),
                _ => return Err(PathError::TooLong),
            }
        }
        Ok(Self { names })
    }

    /// Returns the names, from the root.
    pub fn names(&self) -> &[&'a [u8]] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_may_be_doubled_and_leading() {
        let path = Path::parse(b"//arch//boot/./x").unwrap();
        assert_eq!(path.names(), &[&b"arch"[..], b"boot", b"x"]);
        assert_eq!(Path::parse(b"/").unwrap().names().len(), 0);
    }

    #[test]
    fn parent_components_are_rejected_anywhere() {
        for text in [&b".."[..], b"/../etc/passwd", b"a/../../b"] {
            assert_eq!(Path::parse(text), Err(PathError::Climbs));
        }
        assert!(Path::parse(b"..a/b..").is_ok());
    }

    #[test]
    fn length_and_depth_have_a_limit() {
        assert_eq!(Path::parse(&[b'a'; 5000]), Err(PathError::TooLong));
        assert_eq!(Path::parse(&b"a/".repeat(200)), Err(PathError::TooLong));
    }
}
