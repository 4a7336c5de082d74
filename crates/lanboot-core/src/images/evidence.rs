//! Evidence for the family of a medium.

use std::fmt;

/// Something on a medium that shows its family, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Programs, hooks or kernel modules in its initramfs.
    Initramfs,
    /// The header or a section of a program.
    Program,
    /// A file that only media of this family have.
    Mark,
    /// Arguments in its boot menus that only this family's initramfs takes, or its own boot
    /// configuration.
    Menu,
    /// The label of the volume, or titles in its menus.
    Title,
    /// Names of files that media of other families may have too.
    Names,
}

/// The certainty of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sureness {
    /// Its own files, programs or arguments show it.
    Sure,
    /// Titles show it, which are free text.
    Likely,
    /// Only names show it.
    Guess,
}

impl Evidence {
    /// Returns the word for it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Initramfs => "initramfs",
            Self::Program => "program",
            Self::Mark => "mark",
            Self::Menu => "menu",
            Self::Title => "title",
            Self::Names => "names",
        }
    }

    /// Returns how sure it makes the family by itself.
    pub fn sureness(self) -> Sureness {
        match self {
            Self::Initramfs | Self::Program | Self::Mark | Self::Menu => Sureness::Sure,
            Self::Title => Sureness::Likely,
            Self::Names => Sureness::Guess,
        }
    }
}

impl fmt::Display for Evidence {
    /// Writes what shows the family.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initramfs => "the contents of its initramfs",
            Self::Program => "the header of a program",
            Self::Mark => "a file that only its media have",
            Self::Menu => "the arguments in its boot menus",
            Self::Title => "the volume's label or the titles in its menus",
            Self::Names => "the names of its files only",
        })
    }
}

impl Sureness {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sure => "sure",
            Self::Likely => "likely",
            Self::Guess => "a guess",
        }
    }
}
