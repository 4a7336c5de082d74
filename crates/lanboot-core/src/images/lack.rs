//! Needs of a root transport that a medium does not meet, and how that is known.

use std::fmt;

use super::transport::Transport;

/// A part of an initramfs that some transport needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// `ipconfig`, which gives the initramfs its address; every transport needs it.
    Ipconfig,
    /// The hook or script that configures the network (`archiso_pxe_common`, live-boot's
    /// `9990-netboot.sh`).
    NetworkHook,
    /// A driver for a network card.
    NetworkDriver,
    /// The hook that finds the root of a live system (dracut's `dmsquash-live`); every transport needs
    /// it.
    Live,
    /// `curl` and the hook that fetches the root over HTTP.
    Http,
    /// `nfsmount` and the hook that mounts the root over NFS.
    Nfs,
    /// `nbd-client`, its kernel module and the hook that attaches the disk.
    Nbd,
    /// The kernel modules that find a RAM disk which the firmware made.
    RamDisk,
}

impl Part {
    /// Tests whether `transport` needs it.
    pub fn is_needed_by(self, transport: Transport) -> bool {
        match self {
            Self::Ipconfig | Self::NetworkHook | Self::NetworkDriver | Self::Live => true,
            Self::Http => transport == Transport::Http,
            Self::Nfs => transport == Transport::Nfs,
            Self::Nbd => transport == Transport::Nbd,
            Self::RamDisk => false,
        }
    }
}

/// Something a medium does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The part.
    pub part: Part,
    /// The exact thing that is missing: a program, a hook, a module, or the package that brings
    /// them.
    pub missing: String,
    /// The file on the medium that shows it.
    pub shown_by: ShownBy,
}

/// Returns the lacks that the initramfs at `path` shows: of each part the thing that is missing, `None`
/// where nothing is.
pub(super) fn in_initramfs(
    path: &str,
    missing: impl IntoIterator<Item = (Part, Option<String>)>,
) -> Vec<Lack> {
    let missing = missing.into_iter();
    missing
        .filter_map(|(part, missing)| {
            Some(Lack {
                part,
                missing: missing?,
                shown_by: ShownBy::Initramfs(path.to_owned()),
            })
        })
        .collect()
}

/// The evidence of a [`Lack`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownBy {
    /// The medium's list of packages, at this path.
    PackageList(String),
    /// The initramfs itself, at this path.
    Initramfs(String),
    /// A file, at this path, that marks media of which it is known.
    Marker(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cannot = match self.part {
            Part::Ipconfig | Part::NetworkHook | Part::NetworkDriver => "cannot use the network",
            Part::Live => "cannot start a live system over the network",
            Part::Http => "cannot fetch the root over HTTP",
            Part::Nfs => "cannot mount the root over NFS",
            Part::Nbd => "cannot attach the root over NBD",
            Part::RamDisk => "does not see a RAM disk made by the firmware",
        };
        let missing = &self.missing;
        match &self.shown_by {
            ShownBy::PackageList(path) => write!(
                f,
                "its initramfs {cannot}: the package {missing} is not in {path}"
            ),
            ShownBy::Initramfs(path) => {
                write!(f, "its initramfs {cannot}: {path} has no {missing}")
            }
            ShownBy::Marker(path) => {
                write!(
                    f,
                    "its initramfs {cannot}: media with {path} have no {missing} in it"
                )
            }
        }
    }
}
