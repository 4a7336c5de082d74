//! Notes on an entry.

use std::fmt;

/// Something a person should know of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The medium's own menu says `copytoram=n`, which is not inherited: what its maker chose for
    /// a disk does not bind a boot over the network.
    CopyToRamOverridden {
        /// The menu's path on the medium.
        menu: String,
    },
    /// systemd's stub takes no arguments from a loader with Secure Boot on.
    OwnArgumentsWithSecureBoot,
    /// This is on the medium, which the started system does not see.
    OnlyOnMedium(&'static str),
    /// Its installer asks where its packages are; they are in this folder of this server.
    AsksForPackages(String),
    /// Its medium has not what the system is made of: an argument like this names where that is.
    NeedsArgument(&'static str),
    /// No boot of this project's tests shows it.
    NotBooted,
    /// A kernel without an initramfs: only what is built into it starts.
    KernelAlone,
    /// The generic way for a medium of no known family: the image as a disk.
    AsDisk,
    /// The generic way for one with an EFI program: that alone.
    WithoutMedium,
    /// The medium is a folder or an archive: no image of it can be downloaded or attached.
    WithoutDisk,
    /// A kernel is started as its menu does, and what it looks for on the medium is not there.
    WithoutRoot,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CopyToRamOverridden { menu } => write!(
                f,
                "copytoram=n in its own menu ({menu}) is not used: over HTTP the root is always \
                 copied into memory, over NFS and NBD --transport and --append decide"
            ),
            Self::OwnArgumentsWithSecureBoot => f.write_str(
                "with Secure Boot on it starts with the arguments inside it, not with these",
            ),
            Self::OnlyOnMedium(what) => write!(
                f,
                "the started system does not see the medium: without {what}"
            ),
            Self::AsksForPackages(folder) => write!(
                f,
                "its installer asks where its packages are: they are on this server in {folder}, \
                 over HTTP and NFS"
            ),
            Self::NeedsArgument(argument) => write!(
                f,
                "what it starts from is not on the medium: name it with --append {argument}"
            ),
            Self::NotBooted => f.write_str(
                "this project's tests have booted no medium like it",
            ),
            Self::AsDisk => f.write_str(
                "the image is its disk until a system takes over: Linux on it does not find it again; \
                 iPXE reads it over HTTP as needed, PXELINUX and GRUB (with memdisk) and UEFI HTTP Boot \
                 copy it into memory whole",
            ),
            Self::KernelAlone => f.write_str(
                "a kernel by itself starts only a system that is built into it: it is given no initramfs; \
                 arguments of yours (--append) may name a root on the machine's own disk",
            ),
            Self::WithoutMedium => f.write_str(
                "its EFI program is started without its medium: a program that is complete works, a \
                 boot loader does not find its menu",
            ),
            Self::WithoutDisk => f.write_str(
                "the medium is files, and no disk image: nothing can attach or download it as a whole",
            ),
            Self::WithoutRoot => f.write_str(
                "it is started as by its own menu; what its system looks for on the medium is not there",
            ),
        }
    }
}
