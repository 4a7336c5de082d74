//! One image as it is served: its tree, what it says of itself, what it can boot.

use std::sync::Arc;

use super::{Entry, Lack, MountSource, Part, ReadSmall, Server, Transport, whole};
use crate::images::entry::RootSource;
use crate::images::families::{archiso, debian_installer};
use crate::initramfs::Contents;
use crate::iso::{Medium, Platform};
use crate::loaders::{Grub, Shim, ShimGrub};
use crate::machine::Arch;
use crate::vfs::{Content, Identity, ImageId, Kind, NodeId, Piece, Tree};

/// An image of the catalog.
#[derive(Clone, Debug)]
pub struct Image {
    /// The name machines see in paths and menus; safe in a URL and in a shell. No other image has
    /// it.
    pub name: String,
    /// The file as the operator named it, printable.
    pub file: String,
    /// Its number among the open images.
    pub id: ImageId,
    /// Size of the file, in bytes.
    pub size: u64,
    /// Bytes it should have: more than `size` when it was cut short.
    pub recorded_size: u64,
    /// Tells this file from another one of the same name: changes when the file does.
    pub version: u64,
    /// Survives a restart and a rename: what NFS handles and NBD export names hold on to.
    pub identity: Identity,
    /// Volume label.
    pub label: String,
    /// Volume UUID as `blkid` prints it.
    pub uuid: Option<String>,
    /// Its files.
    pub tree: Arc<Tree>,
    /// What it is, and what it can boot.
    pub found: Detection,
}

impl Image {
    /// This image at the doors of `server`.
    pub fn at<'a>(&'a self, server: &'a Server) -> MountSource<'a> {
        MountSource {
            server,
            image: &self.name,
            identity: self.identity,
        }
    }

    /// The whole image, as a disk or as one file. What is missing of it cannot be read.
    pub fn whole(&self) -> Content {
        Content::new(Piece::of_image(self.id, 0, self.recorded_size, self.size))
    }

    /// Every word that means it or one of its entries, in paths, in menus and to `--boot`. No two
    /// images may have one in common.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let entries = self.found.entries.iter().map(|entry| &entry.id);
        [&self.name].into_iter().chain(entries).map(String::as_str)
    }

    /// A name that means this very file: `NAME@IDENTITY`, which [`super::Catalog::pinned`] finds
    /// also when the file was renamed or another one took its place, and never anything else.
    ///
    /// A machine that streams its root asks again by name whenever its connection broke, and goes
    /// on with what it gets, under a file system it has mounted. So what menus tell it to ask for
    /// must not be a plain name: after a new image came under the old name, it would read the
    /// blocks of another file system.
    pub fn pinned_name(&self) -> String {
        pinned_name(&self.name, self.identity)
    }
}

pub(crate) fn pinned_name(image: &str, identity: Identity) -> String {
    format!("{image}@{identity}")
}

/// The identity in a [`Image::pinned_name`]. No image's own name holds an `@`.
pub(super) fn pinned_identity(name: &[u8]) -> Option<Identity> {
    let name = std::str::from_utf8(name).ok()?;
    let (_, hex) = name.rsplit_once('@')?;
    let is_hex = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let number = is_hex.then(|| u128::from_str_radix(hex, 16).ok())??;
    Some(Identity(number.to_be_bytes()))
}

/// Which tool made an image, and so how its initramfs finds its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// archiso: Arch Linux, SystemRescue and many others.
    Archiso {
        /// `archisobasedir`.
        base: String,
        /// The layout of 2012 to 2014.
        aitab: bool,
    },
    /// debian-installer for the network: everything is in its initramfs.
    DebianInstaller,
    /// None that is known.
    #[default]
    Unknown,
}

impl Family {
    /// The name people know it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Archiso { aitab: false, .. } => "archiso",
            Self::Archiso { aitab: true, .. } => "archiso (2013 layout)",
            Self::DebianInstaller => "debian-installer",
            Self::Unknown => "unknown",
        }
    }
}

/// How to hand out the medium's own PXE menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockMenu {
    /// The loader's path on the medium.
    pub loader: String,
    /// Option 209, relative to the prefix.
    pub config: String,
    /// Option 210, where the loader's own folder is not it.
    pub prefix: Option<String>,
}

/// What the recognisers found on a medium; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detection {
    /// Who made it.
    pub family: Family,
    /// What it can boot; empty when nothing was recognised.
    pub entries: Vec<Entry>,
    /// What it could boot if its initramfs could use the network; in no menu.
    pub unreachable: Vec<Entry>,
    /// The menu it carries for PXE.
    pub stock: Option<StockMenu>,
    /// The folder on it with `lpxelinux.0` and its modules.
    pub pxelinux: Option<String>,
    /// The shims on it, each with its path.
    pub shims: Vec<Shim>,
    /// The loaders on it that start over the network with Secure Boot on.
    pub chains: Vec<ShimGrub>,
    /// Whether firmware can start it as a disk: it has an El Torito boot image for UEFI.
    pub efi_boot: bool,
    /// Which UEFI firmware that is; empty when it cannot be told.
    pub efi_archs: Vec<Arch>,
    /// What a person should know: one sentence each.
    pub warnings: Vec<String>,
}

impl Detection {
    /// Takes entries out of the menus to which no root can travel, and says why. Every other lack
    /// is said, too.
    pub(crate) fn withdraw(&mut self) {
        let (unreachable, entries) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(Entry::is_unreachable);
        self.entries = entries;
        self.unreachable = unreachable;
        self.warnings.extend(self.lack_sentences());
    }

    fn lack_sentences(&self) -> Vec<String> {
        let silent = self.unreachable.iter().filter_map(|entry| {
            let lack = entry.lack_for(Transport::Http)?;
            Some(format!("{} is not offered: {lack}", entry.id))
        });
        let mut sentences: Vec<String> = silent.collect();
        let of_transports = |lack: &&Lack| lack.part != Part::RamDisk;
        let lacks = self.entries.iter().flat_map(|entry| &entry.lacks);
        for lack in lacks.filter(of_transports).map(ToString::to_string) {
            if !sentences.contains(&lack) {
                sentences.push(lack);
            }
        }
        sentences
    }

    /// Takes what the initramfs of each entry holds for what the medium can do, in place of what its
    /// list of packages says. `list` gives `None` where an initramfs cannot be listed.
    pub fn examine(&mut self, mut list: impl FnMut(&Entry) -> Option<Contents>) {
        let before = self.lack_sentences();
        self.warnings.retain(|warning| !before.contains(warning));
        self.entries.append(&mut self.unreachable);
        let archiso = self.entries.iter_mut();
        for entry in archiso.filter(|entry| entry.finds == RootSource::Archiso) {
            if let Some(contents) = list(entry) {
                let path = entry.initrd.last().map_or("", String::as_str);
                entry.lacks = archiso::lacks_of(&contents, path);
            }
        }
        self.withdraw();
    }

    /// Why the system of a machine that got the whole image as a RAM disk would not find its root
    /// there, as far as [`Self::examine`] found out: what the first entry lacks.
    pub fn ram_disk_lack(&self) -> Option<&Lack> {
        let entry = self.entries.iter().chain(&self.unreachable).next()?;
        let mut lacks = entry.lacks.iter();
        lacks.find(|lack| lack.part == Part::RamDisk)
    }
}

/// A medium, as recognisers see it.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// Its files.
    pub(crate) tree: &'a Tree,
    /// The name its image gets.
    pub(crate) name: &'a str,
    /// The volume's label.
    pub(crate) label: &'a str,
    /// The volume's date, `YYYY-MM-DD…`.
    pub(crate) date: Option<&'a str>,
    pub(crate) read: ReadSmall<'a>,
}

/// Recognises a medium by content. `read` gives the bytes of a small file, or `None` when the
/// disk fails.
pub fn detect(medium: &Medium, name: &str, read: ReadSmall<'_>) -> Detection {
    let tree = &medium.tree;
    let given = Given {
        tree,
        name,
        label: &medium.label,
        date: medium.uuid.as_deref(),
        read,
    };
    let is_efi = |entry: &crate::iso::BootEntry| {
        let is_whole = !entry.content.is_empty() && entry.content.damage().is_none();
        entry.platform == Platform::Uefi && entry.bootable && is_whole
    };
    // A loader stops at the first of its modules that is damaged; the host's are whole.
    let is_whole = |folder: &str| {
        let mut names = archiso::file_names(tree, folder);
        names.all(|name| {
            let file = tree.file(&format!("{folder}/{name}"));
            file.is_none_or(|content| content.damage().is_none())
        })
    };
    let of_loader = |stock: &StockMenu| {
        stock
            .loader
            .rsplit_once('/')
            .map_or("", |(at, _)| at)
            .to_owned()
    };
    let efi_boot = medium.boot.iter().any(is_efi);
    let found = archiso::detect(given)
        .or_else(|| debian_installer::detect(given))
        .unwrap_or_else(|| Detection {
            warnings: vec![no_kernel(efi_boot).into()],
            ..Detection::default()
        });
    let (shims, chains) = secure_loaders(tree, read);
    Detection {
        shims,
        chains,
        efi_boot,
        efi_archs: whole::efi_archs(tree),
        pxelinux: found.pxelinux.filter(|folder| is_whole(folder)),
        stock: found.stock.filter(|stock| is_whole(&of_loader(stock))),
        ..found
    }
}

/// The warning for a medium no recogniser knows.
fn no_kernel(efi_boot: bool) -> &'static str {
    if efi_boot {
        "no kernel for the network was found on it; UEFI HTTP Boot can start the whole image as a \
         RAM disk, and nothing else can"
    } else {
        "no known way to boot it over the network was found; its files are served all the same"
    }
}

/// Most UEFI programs of one medium looked at: installers carry about eight.
const MAX_EFI_FILES: usize = 64;

/// The shims of a medium and the network loaders behind them. Which is which is told by content;
/// names only say where to look.
fn secure_loaders(tree: &Tree, read: ReadSmall<'_>) -> (Vec<Shim>, Vec<ShimGrub>) {
    let (mut shims, mut grubs, mut managers) = (Vec::new(), Vec::new(), Vec::new());
    for (path, content) in efi_files(tree) {
        let name = path.rsplit('/').next().unwrap_or_default();
        if let Some(shim) = Shim::parse(content, &path, read) {
            shims.push(shim);
        } else if let Some(grub) = Grub::parse(content, &path, read) {
            grubs.push(grub);
        } else if name.eq_ignore_ascii_case("mmx64.efi") {
            managers.push((Arch::X64Uefi, content.clone()));
        } else if name.eq_ignore_ascii_case("mmaa64.efi") {
            managers.push((Arch::Arm64Uefi, content.clone()));
        }
    }
    let chains = ShimGrub::pair(&shims, &grubs, &managers);
    (shims, chains)
}

/// The UEFI programs in `EFI/*`, in either case, and where debian-installer keeps its own.
fn efi_files(tree: &Tree) -> Vec<(String, &Content)> {
    let folders = |parent: NodeId, path: &str, is_wanted: &dyn Fn(&str) -> bool| {
        let entries = tree.entries(parent).iter();
        let found = entries.filter_map(|(name, id)| {
            let name = std::str::from_utf8(name)
                .ok()
                .filter(|name| is_wanted(name))?;
            let is_folder = matches!(tree.node(*id)?.kind, Kind::Directory(_));
            is_folder.then(|| (format!("{path}{name}/"), *id))
        });
        found.take(MAX_EFI_FILES).collect::<Vec<_>>()
    };
    let top = folders(Tree::ROOT, "", &|name| {
        name.eq_ignore_ascii_case("efi") || name == "debian-installer"
    });
    let below = top
        .iter()
        .flat_map(|(path, id)| folders(*id, path, &|_| true));
    let files = below.flat_map(|(path, id)| {
        let entries = tree.entries(id).iter();
        entries.filter_map(move |(name, id)| {
            let name = std::str::from_utf8(name).ok()?;
            let is_efi = name.to_ascii_lowercase().ends_with(".efi");
            match &tree.node(*id).filter(|_| is_efi)?.kind {
                Kind::File(content) if content.damage().is_some() => None,
                Kind::File(content) => Some((format!("{path}{name}"), content)),
                Kind::Directory(_) | Kind::Symlink(_) => None,
            }
        })
    });
    files.take(MAX_EFI_FILES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_name_holds_the_identity() {
        let image = crate::catalog::testing::image("dual", &[]);
        let name = image.pinned_name();
        assert_eq!(name, "dual@6475616c000000000000000000000000");
        assert_eq!(pinned_identity(name.as_bytes()), Some(image.identity));
        let upper = name.to_uppercase();
        assert_eq!(pinned_identity(upper.as_bytes()), Some(image.identity));
        for wrong in [
            "dual",
            "dual@",
            "dual@6475616c00000000000000000000000",
            "dual@6475616c0000000000000000000000000",
            "dual@+475616c000000000000000000000000",
            "dual@6475616c00000000000000000000000\u{e9}",
        ] {
            assert_eq!(pinned_identity(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
