//! The paths a machine can ask for, as a type: parsed once where a request comes in, printed where
//! a menu, an export or a DHCP offer names a file.
//!
//! ```text
//! boot.ipxe                     the menu for iPXE
//! loader/undionly.kpxe          iPXE: for BIOS, and for every kind of UEFI
//! loader/snponly-x86_64.efi
//! loader/pxelinux/…             lpxelinux.0, its modules, pxelinux.cfg/default
//! loader/secure/x86_64/…        shim and GRUB, which start with Secure Boot on too
//! loader/secure-http/x86_64/…   the same for HTTP Boot; boot.img is a disk with both
//! loader/secure-ipxe/x86_64/…   iPXE behind its own shim
//! loader/…/autoexec.ipxe        wherever iPXE looks for it
//! loader/menu/ipxe/page/NAME    a further page of a large menu, and what starts one entry
//! loader/menu/ipxe/boot/ENTRY
//! loader/ramdisk/NAME.iso       an image as UEFI HTTP Boot makes a disk of it
//! iso/NAME.iso                  an image as it is
//! iso/NAME/…                    the files of an image
//! overlay/NAME/ENTRY.img        the initramfs of one of its entries, with what is added to it
//! …                             the files of the default image, and what loaders look for there
//! ```
//!
//! Many paths are one route: a shim makes up the name of the program it starts. A route prints as
//! the one path that is given out for it, and that path parses to the same route again.

mod derived;
mod file_path;
mod file_use;
mod menu_part;
#[cfg(test)]
mod tests;

pub use derived::{Derived, SecondStage};
pub use file_path::FilePath;
pub use file_use::{Expected, FileUse, Role};
pub use menu_part::{MenuPart, MenuReader, PartKind};

use std::fmt;

use crate::loaders::{AUTOEXEC, LoaderRoute, SecureArch};
use crate::machine::Mac;
use crate::net::Origin;
use crate::vfs::Path;

/// A path a machine can ask for, whether or not there is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The list of what is served, for a browser.
    Index,
    /// The menu for iPXE.
    IpxeMenu,
    /// A file of a loader, in the folder `loader`.
    Loader(LoaderRoute),
    /// A part of a menu that is a file of its own.
    MenuPart(MenuPart),
    /// iPXE's own script, in this folder below `loader`.
    Autoexec(FilePath),
    /// An image as firmware makes a RAM disk of it, by the image's name.
    RamDisk(String),
    /// An image of a disk drive, for the same.
    RamDrive(String),
    /// A whole image, by its name.
    WholeImage(String),
    /// A file of an image.
    Image {
        /// The image's name.
        image: String,
        /// The file in it.
        path: FilePath,
    },
    /// The initramfs of an entry with its overlay.
    Overlay {
        /// The image's name.
        image: String,
        /// The entry's name.
        entry: String,
    },
    /// Any other path: a file of the default image, or a [`Derived`] one.
    Root(FilePath),
}

impl Route {
    /// Parses a path as a machine sends it. Returns `None` for one that climbs, is too long, or is
    /// none of the folder `loader`.
    pub fn parse(path: &[u8]) -> Option<Self> {
        let path = Path::parse(path).ok()?;
        let names = path.names();
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).ok();
        let stem =
            |name: &[u8], suffix: &[u8]| text(name.strip_suffix(suffix).filter(|n| !n.is_empty())?);
        let image = |name: &[u8]| stem(name, b".iso");
        let route = match names {
            [] => Some(Self::Index),
            [b"boot.ipxe"] => Some(Self::IpxeMenu),
            [b"loader", b"ramdisk", name] => {
                let drive = || stem(name, b".img").map(Self::RamDrive);
                return image(name).map(Self::RamDisk).or_else(drive);
            }
            [b"loader", b"menu", inside @ ..] => {
                return MenuPart::parse(inside).map(Self::MenuPart);
            }
            [b"loader", inside @ ..] => return Self::below_loader(inside),
            [b"iso", name] if image(name).is_some() => image(name).map(Self::WholeImage),
            [b"iso", name, inside @ ..] => text(name).map(|image| Self::Image {
                image,
                path: FilePath::of(inside),
            }),
            [b"overlay", image, file] => text(image)
                .zip(stem(file, b".img"))
                .map(|(image, entry)| Self::Overlay { image, entry }),
            _ => None,
        };
        Some(route.unwrap_or_else(|| Self::Root(FilePath::of(names))))
    }

    /// Parses the names behind `loader`.
    fn below_loader(names: &[&[u8]]) -> Option<Self> {
        if let Some(file) = LoaderRoute::parse(names) {
            return Some(Self::Loader(file));
        }
        match names {
            // There is no such firmware, so nothing of it looks there.
            [b"secure" | b"secure-http" | b"secure-ipxe", folder, _]
                if SecureArch::of_folder(folder).is_none() =>
            {
                None
            }
            [folder @ .., file] if *file == AUTOEXEC.as_bytes() => {
                Some(Self::Autoexec(FilePath::of(folder)))
            }
            _ => None,
        }
    }

    /// Returns the route of a file of an image.
    pub fn of_image(image: &str, path: &str) -> Self {
        Self::Image {
            image: image.to_owned(),
            path: FilePath::from(path),
        }
    }

    /// Returns the path as bytes, as [`Route::parse`] takes it. Of a path that is no UTF-8 the
    /// printed form is not the same.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Image { image, path } if !path.is_empty() => {
                [format!("iso/{image}/").as_bytes(), path.as_bytes()].concat()
            }
            Self::Root(path) => path.as_bytes().to_vec(),
            Self::Autoexec(folder) if !folder.is_empty() => {
                [b"loader/", folder.as_bytes(), b"/", AUTOEXEC.as_bytes()].concat()
            }
            _ => self.to_string().into_bytes(),
        }
    }

    /// Returns the URL of this route below `origin`, unencoded.
    pub fn url(&self, origin: &Origin) -> String {
        format!("{origin}/{self}")
    }

    /// Returns whether it is a menu, or a part of one, which a machine's plan may change.
    pub fn is_menu(&self) -> bool {
        self.role() == Some(Role::Menu)
    }

    /// Returns the hardware address in the name of a menu that PXELINUX or GRUB ask for in the name of
    /// one machine: `01-52-54-00-12-34-56`.
    pub fn machine(&self) -> Option<Mac> {
        /// Length of `52-54-00-12-34-56`.
        const LEN: usize = 17;
        let path = self.to_string();
        let name = path.get(path.len().checked_sub(LEN)?..)?;
        let is_ethernet = path.strip_suffix(name)?.ends_with("01-");
        name.parse().ok().filter(|_| is_ethernet)
    }

    /// Returns the role of the file in a boot, where the path alone decides that: a file of an
    /// image has the role its entries give it.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Index => Some(Role::Other),
            // Some initramfs download the one; the other may be the whole system.
            Self::WholeImage(_) | Self::Overlay { .. } => None,
            Self::IpxeMenu => Some(Role::Menu),
            Self::Loader(file) if file.file().is_menu() => Some(Role::Menu),
            Self::Loader(_) => Some(Role::Loader),
            Self::MenuPart(_) | Self::Autoexec(_) => Some(Role::Menu),
            // The RAM disk is the root.
            Self::RamDisk(_) | Self::RamDrive(_) => Some(Role::Root),
            Self::Image { path, .. } => path.is_autoexec().then_some(Role::Menu),
            Self::Root(path) => match path.derived()? {
                Derived::Autoexec | Derived::GrubMenu { .. } => Some(Role::Menu),
                Derived::GrubModuleList | Derived::SecondStage(_) => None,
            },
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => Ok(()),
            Self::IpxeMenu => f.write_str("boot.ipxe"),
            Self::Loader(file) => write!(f, "loader/{file}"),
            Self::MenuPart(part) => write!(f, "loader/menu/{part}"),
            Self::Autoexec(folder) if folder.is_empty() => write!(f, "loader/{AUTOEXEC}"),
            Self::Autoexec(folder) => write!(f, "loader/{folder}/{AUTOEXEC}"),
            Self::RamDisk(image) => write!(f, "loader/ramdisk/{image}.iso"),
            Self::RamDrive(image) => write!(f, "loader/ramdisk/{image}.img"),
            Self::WholeImage(image) => write!(f, "iso/{image}.iso"),
            Self::Image { image, path } if path.is_empty() => write!(f, "iso/{image}"),
            Self::Image { image, path } => write!(f, "iso/{image}/{path}"),
            Self::Overlay { image, entry } => write!(f, "overlay/{image}/{entry}.img"),
            Self::Root(path) => path.fmt(f),
        }
    }
}
