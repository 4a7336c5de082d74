//! Reasons an entry cannot start.

use super::lack::Lack;
use super::overlay::NoOverlay;

/// Reason an entry cannot start the way it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// archiso's HTTP hook always copies the root into memory.
    #[error(
        "copytoram=n in --append cannot work with an HTTP root: over HTTP the root file system is \
         always downloaded into memory; leave copytoram=n out, or stream the root with NFS or NBD"
    )]
    CopyToRamOff,
    /// Its hooks disconnect an NBD disk in any case.
    #[error(
        "copytoram=n in --append cannot work with an NBD root here: the hooks on this medium \
         (archiso before v27, 2016) disconnect the disk before the system starts from it; leave \
         copytoram=n out, or stream the root with NFS"
    )]
    NbdDisconnects,
    /// The initramfs has not what this way needs.
    #[error("{0}")]
    Lacks(Lack),
    /// The family whose initramfs has nothing that attaches a network disk.
    #[error("its initramfs ({0}) cannot attach the root over NBD; use HTTP or NFS")]
    NbdUnsupported(&'static str),
    /// The medium is a folder or an archive.
    #[error("it needs its medium as a disk image, and this one is files: a folder or an archive")]
    NoDisk,
    /// dracut finds a network disk by the label of its volume.
    #[error("its volume has no label by which its initramfs would find the disk; use HTTP or NFS")]
    NoDiskLabel,
    /// The family whose initramfs knows no other transport than HTTP.
    #[error("its initramfs ({0}) fetches the root over HTTP only")]
    OnlyHttp(&'static str),
    /// The family whose initramfs knows no other transport than NFS.
    #[error("its initramfs ({0}) mounts the root over NFS only")]
    OnlyNfs(&'static str),
    /// The family whose initramfs cannot mount its root over NFS.
    #[error("its initramfs ({0}) cannot mount the root over NFS")]
    NfsUnsupported(&'static str),
    /// The family whose root is its medium, which its initramfs mounts or attaches.
    #[error(
        "its root is the medium itself, which its initramfs ({0}) does not copy into memory; use NFS \
         or NBD"
    )]
    NoDownload(&'static str),
    /// live-boot's `fetch=` takes one file.
    #[error(
        "its root is in {0} files, and its initramfs (live-boot) fetches only one over HTTP; use NFS"
    )]
    SeveralLayers(usize),
    /// The files its initramfs needs besides its own cannot be made.
    #[error("its initramfs needs files that cannot be added to it: {0}")]
    NoOverlay(NoOverlay),
    /// No loader takes as much.
    #[error(
        "its initramfs files have {} MiB together, and no loader starts a kernel with 4 GiB or more",
        .0 >> 20
    )]
    InitramfsTooLarge(u64),
    /// There is no root to transport.
    #[error(
        "its initramfs is the whole system and is loaded over HTTP; there is nothing to serve \
         over NFS or NBD"
    )]
    NoRoot,
    /// It is loaded whole.
    #[error("it is loaded whole over HTTP; there is nothing to serve over NFS or NBD")]
    Complete,
    /// The loader attaches the image.
    #[error("it starts from the image as a disk, which its loader reads over HTTP")]
    AsDisk,
    /// There is no kernel either.
    #[error(
        "it starts only as a whole, by UEFI HTTP Boot; there is nothing to serve over NFS or NBD"
    )]
    WholeImage,
}
