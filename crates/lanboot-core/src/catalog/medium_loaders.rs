//! Loaders on a medium that start over the network with Secure Boot on.

use crate::boot_config::ReadSmall;
use crate::loaders::{Grub, Shim, ShimGrub};
use crate::machine::Arch;
use crate::vfs::{Content, Kind, NodeId, Tree};

/// Most UEFI programs of one medium looked at: installers carry about eight.
const MAX_EFI_FILES: usize = 64;

/// The shims on a medium, and the network loaders behind them.
#[derive(Clone, Debug, Default)]
pub struct MediumLoaders {
    /// Every shim, with its path.
    pub shims: Vec<Shim>,
    /// Shims with the GRUB that starts over the network behind them.
    pub pairs: Vec<ShimGrub>,
}

impl MediumLoaders {
    /// Finds them by content; names only say where to look.
    pub fn find(tree: &Tree, read: ReadSmall<'_>) -> Self {
        let (mut shims, mut grubs, mut mok_managers) = (Vec::new(), Vec::new(), Vec::new());
        for (path, content) in efi_files(tree) {
            let name = path.rsplit('/').next().unwrap_or_default();
            if let Some(shim) = Shim::parse(content, &path, read) {
                shims.push(shim);
            } else if let Some(grub) = Grub::parse(content, &path, read) {
                grubs.push(grub);
            } else if name.eq_ignore_ascii_case("mmx64.efi") {
                mok_managers.push((Arch::X64Uefi, content.clone()));
            } else if name.eq_ignore_ascii_case("mmaa64.efi") {
                mok_managers.push((Arch::Arm64Uefi, content.clone()));
            } else if name.eq_ignore_ascii_case("mmia32.efi") {
                mok_managers.push((Arch::X86Uefi, content.clone()));
            }
        }
        let pairs = ShimGrub::pair(&shims, &grubs, &mok_managers);
        Self { shims, pairs }
    }
}

/// Lists the UEFI programs in `EFI/*`, in either case, and where debian-installer keeps its own.
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
