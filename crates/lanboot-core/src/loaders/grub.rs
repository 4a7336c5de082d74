//! GRUB behind a signed shim: for firmware with Secure Boot.

use std::fmt;

use super::loader::{
    Available, BootRequest, GeneratedMenu, Loader, LoaderFile, LoaderOffer, Served,
};
use super::no_loader::NoLoader;
use super::secure_arch::SecureArch;
use super::shim_grub::{Shim, ShimGrub};
use super::shim_names::{Wanted, is_grub_cfg, wanted};

/// Name of the menu for machines with Secure Boot on.
pub(crate) const LOCKED: &str = "locked.cfg";
/// Name of the disk with shim and GRUB.
const DISK: &str = "boot.img";

/// shim and GRUB.
pub struct GrubBehindShim;

/// A file beside shim, of the pair of shim and GRUB for a kind of firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShimGrubFile {
    /// The firmware.
    pub arch: SecureArch,
    /// The pair is the one for HTTP Boot, not that for PXE.
    pub http: bool,
    /// The file.
    pub part: ShimGrubPart,
}

/// A file of a pair of shim and GRUB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShimGrubPart {
    /// The program that the firmware starts.
    Shim,
    /// The program that shim starts, by whatever name it asks for it.
    Grub,
    /// shim's program to enrol keys.
    MokManager,
    /// Both on a disk, for a GRUB that cannot read over HTTP.
    Disk,
    /// The menu, also one for a single machine.
    Menu,
    /// The menu for machines with Secure Boot on.
    LockedMenu,
}

/// The file that only a GRUB with the module `http` can source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrubHttpTest;

impl Loader for GrubBehindShim {
    type File = ShimGrubFile;

    fn supports(&self, request: &BootRequest) -> bool {
        SecureArch::of(request.arch).is_some()
    }

    fn offer(
        &self,
        request: &BootRequest,
        available: &dyn Available,
    ) -> Result<LoaderOffer<ShimGrubFile>, NoLoader> {
        let none = || NoLoader::NoShimGrub(request.arch);
        let arch = SecureArch::of(request.arch).ok_or_else(none)?;
        let http = request.http;
        let pair = available.shim_grub(request.arch, http).ok_or_else(none)?;
        pair.boots_for(request)?;
        // GRUB goes on with the protocol it came by; with Secure Boot on it can learn no other.
        // One that is started from a disk does DHCP by itself and then uses what it has.
        let part = match (http, pair.grub.http, pair.grub.tftp) {
            (true, true, _) | (false, _, true) => ShimGrubPart::Shim,
            (true, false, true) => ShimGrubPart::Disk,
            (_, _, false) => return Err(none()),
        };
        Ok(LoaderOffer::new(ShimGrubFile { arch, http, part }))
    }
}

impl ShimGrub {
    /// Checks that GRUB will find its files. Behind HTTP Boot it does in any case: it takes their
    /// server out of the device path, and the disk made for one without HTTP names ours.
    ///
    /// # Errors
    /// Returns the reason where it would look for them on another server.
    pub fn boots_for(&self, request: &BootRequest) -> Result<(), NoLoader> {
        let grub = &self.grub;
        if request.http || !request.proxy || grub.proxy {
            return Ok(());
        }
        let (name, from) = (grub.name(), grub.from.clone());
        Err(NoLoader::GrubWithoutProxy(name, from))
    }
}

impl LoaderFile for ShimGrubFile {
    fn parse(names: &[&[u8]]) -> Option<Self> {
        let (http, folder, file) = match names {
            [b"secure", folder, file] => (false, folder, *file),
            [b"secure-http", folder, file] => (true, folder, *file),
            _ => return None,
        };
        let arch = SecureArch::of_folder(folder)?;
        let mok_manager = format!("mm{}.efi", arch.suffix());
        let part = match wanted(file, arch.arch()) {
            _ if file == LOCKED.as_bytes() => ShimGrubPart::LockedMenu,
            _ if file == DISK.as_bytes() => ShimGrubPart::Disk,
            _ if file == mok_manager.as_bytes() => ShimGrubPart::MokManager,
            Wanted::Shim => ShimGrubPart::Shim,
            Wanted::SecondStage => ShimGrubPart::Grub,
            Wanted::Other if is_grub_cfg(file) => ShimGrubPart::Menu,
            Wanted::Other => return None,
        };
        Some(Self { arch, http, part })
    }

    fn is_menu(&self) -> bool {
        matches!(self.part, ShimGrubPart::Menu | ShimGrubPart::LockedMenu)
    }

    fn find<'a>(&self, available: &'a dyn Available) -> Option<Served<'a>> {
        let (arch, http) = (self.arch, self.http);
        let pair = available.shim_grub(arch.arch(), http);
        Some(match self.part {
            ShimGrubPart::Shim => Served::Program(&pair?.shim.content),
            ShimGrubPart::Grub => Served::Program(&pair?.grub.content),
            ShimGrubPart::MokManager => Served::Program(pair?.mok_manager.as_ref()?),
            ShimGrubPart::Disk => Served::Menu(GeneratedMenu::GrubDisk(pair?)),
            ShimGrubPart::Menu => Served::Menu(GeneratedMenu::Grub),
            ShimGrubPart::LockedMenu => {
                let shim = pair.map(|pair| &pair.shim);
                Served::Menu(GeneratedMenu::GrubLocked { arch, http, shim })
            }
        })
    }

    fn shim<'a>(&self, available: &'a dyn Available) -> Option<&'a Shim> {
        let pair = available.shim_grub(self.arch.arch(), self.http)?;
        (self.part == ShimGrubPart::Shim).then_some(&pair.shim)
    }
}

impl fmt::Display for ShimGrubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = if self.http { "secure-http" } else { "secure" };
        let (folder, suffix) = (self.arch.folder(), self.arch.suffix());
        write!(f, "{parent}/{folder}/")?;
        match self.part {
            ShimGrubPart::Shim => write!(f, "shim{suffix}.efi"),
            ShimGrubPart::Grub => write!(f, "grub{suffix}.efi"),
            ShimGrubPart::MokManager => write!(f, "mm{suffix}.efi"),
            ShimGrubPart::Disk => f.write_str(DISK),
            ShimGrubPart::Menu => f.write_str("grub.cfg"),
            ShimGrubPart::LockedMenu => f.write_str(LOCKED),
        }
    }
}

impl LoaderFile for GrubHttpTest {
    fn parse(names: &[&[u8]]) -> Option<Self> {
        matches!(names, [b"secure", b"http.cfg"]).then_some(Self)
    }

    fn is_menu(&self) -> bool {
        true
    }

    fn find<'a>(&self, _available: &'a dyn Available) -> Option<Served<'a>> {
        Some(Served::Menu(GeneratedMenu::GrubHttpTest))
    }
}

impl fmt::Display for GrubHttpTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secure/http.cfg")
    }
}
