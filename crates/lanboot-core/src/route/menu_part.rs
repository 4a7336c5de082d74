//! The parts of a menu that are files of their own, because all of it would be too large for a
//! loader: further pages, and what starts one entry.

use std::fmt;

use crate::loaders::SecureArch;

/// A part of a menu, as one loader reads it. Displays as its path below `loader/menu`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuPart {
    /// The loader that reads it.
    pub reader: MenuReader,
    /// The part.
    pub kind: PartKind,
    /// The name of the page or the entry.
    pub name: String,
}

/// The loader that reads a part of a menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuReader {
    /// iPXE.
    Ipxe,
    /// PXELINUX.
    Pxelinux,
    /// GRUB, on a machine without Secure Boot.
    Grub,
    /// GRUB behind this shim, which Secure Boot holds to what shim trusts.
    LockedGrub {
        /// The shim's firmware.
        arch: SecureArch,
        /// Shim came over HTTP.
        http: bool,
    },
}

/// A kind of part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// A page of the menu.
    Page,
    /// The commands that start an entry.
    Boot,
    /// A page whose entries lead to [`Self::Transports`].
    TransportsPage,
    /// An entry by each of its root transports.
    Transports,
}

impl PartKind {
    const ALL: [Self; 4] = [
        Self::Page,
        Self::Boot,
        Self::TransportsPage,
        Self::Transports,
    ];

    /// Returns its word in a path.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Boot => "boot",
            Self::TransportsPage => "transports-page",
            Self::Transports => "transports",
        }
    }
}

impl MenuPart {
    /// Parses the names behind `loader/menu`.
    pub(crate) fn parse(names: &[&[u8]]) -> Option<Self> {
        let (reader, rest) = match names {
            [b"ipxe", rest @ ..] => (MenuReader::Ipxe, rest),
            [b"pxelinux", rest @ ..] => (MenuReader::Pxelinux, rest),
            [b"grub", rest @ ..] => (MenuReader::Grub, rest),
            [way @ (b"secure" | b"secure-http"), folder, rest @ ..] => {
                let arch = SecureArch::of_folder(folder)?;
                let http = *way == b"secure-http";
                (MenuReader::LockedGrub { arch, http }, rest)
            }
            _ => return None,
        };
        let [kind, name] = rest else { return None };
        let mut kinds = PartKind::ALL.into_iter();
        Some(Self {
            reader,
            kind: kinds.find(|one| one.word().as_bytes() == *kind)?,
            name: String::from_utf8(name.to_vec()).ok()?,
        })
    }
}

impl fmt::Display for MenuReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipxe => f.write_str("ipxe"),
            Self::Pxelinux => f.write_str("pxelinux"),
            Self::Grub => f.write_str("grub"),
            Self::LockedGrub { arch, http: false } => write!(f, "secure/{}", arch.folder()),
            Self::LockedGrub { arch, http: true } => write!(f, "secure-http/{}", arch.folder()),
        }
    }
}

impl fmt::Display for MenuPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.reader, self.kind.word(), self.name)
    }
}
