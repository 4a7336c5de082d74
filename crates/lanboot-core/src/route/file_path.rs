//! Paths of files below an image or a folder.

use std::fmt;

use crate::loaders::AUTOEXEC;

/// A path inside an image, with `/` between its names; not always UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePath(Vec<u8>);

impl FilePath {
    /// Joins names, from the root.
    pub(super) fn of(names: &[&[u8]]) -> Self {
        Self(names.join(&b'/'))
    }

    /// Returns the path as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path as text, where it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the names, from the root.
    pub fn names(&self) -> Vec<&[u8]> {
        let names = self.0.split(|byte| *byte == b'/');
        names.filter(|name| !name.is_empty()).collect()
    }

    /// Returns whether it has no name, and is the root.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether this is iPXE's own script, in whichever folder.
    pub fn is_autoexec(&self) -> bool {
        self.names().last() == Some(&AUTOEXEC.as_bytes())
    }
}

impl From<Vec<u8>> for FilePath {
    fn from(path: Vec<u8>) -> Self {
        Self(path)
    }
}

impl From<&str> for FilePath {
    fn from(path: &str) -> Self {
        Self(path.as_bytes().to_vec())
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}
