//! The loaders that are at hand: the distribution's packages, or a folder the operator names.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;
use lanboot_core::catalog::{Loaders, efi_loader};
use lanboot_core::machine::Arch;
use lanboot_core::vfs::Content;

/// Largest loader file, in bytes.
const MAX_LOADER_BYTES: u64 = 16 << 20;

/// The loaders of this host, or those in `folder` alone when it is given.
pub fn loaders(folder: Option<&Path>) -> anyhow::Result<Loaders> {
    // Debian, Ubuntu; Fedora; Arch.
    const UNDIONLY: [&str; 3] = [
        "/usr/lib/ipxe/undionly.kpxe",
        "/usr/share/ipxe/undionly.kpxe",
        "/usr/share/ipxe/x86_64/undionly.kpxe",
    ];
    // On top of the firmware's own network driver, so every card works that PXE works with.
    const EFI: [(Arch, &[&str]); 2] = [
        (
            Arch::X64Uefi,
            &[
                "/usr/lib/ipxe/snponly.efi",
                "/usr/share/ipxe/ipxe-snponly-x86_64.efi",
                "/usr/share/ipxe/x86_64/snponly.efi",
            ],
        ),
        (
            Arch::Arm64Uefi,
            &[
                "/usr/lib/ipxe/snponly-arm64.efi",
                "/usr/lib/ipxe/ipxe-arm64.efi",
                "/usr/share/ipxe/arm64-efi/snponly.efi",
            ],
        ),
    ];
    const LPXELINUX: [&str; 3] = [
        "/usr/lib/PXELINUX/lpxelinux.0",
        "/usr/share/syslinux/lpxelinux.0",
        "/usr/lib/syslinux/bios/lpxelinux.0",
    ];
    const MODULES: [&str; 3] = [
        "/usr/lib/syslinux/modules/bios",
        "/usr/share/syslinux",
        "/usr/lib/syslinux/bios",
    ];
    let Some(folder) = folder else {
        return Ok(Loaders {
            undionly: first_of(&UNDIONLY),
            efi: EFI
                .iter()
                .filter_map(|(arch, paths)| Some((efi_loader(*arch)?, first_of(paths)?)))
                .collect(),
            pxelinux: first_of(&LPXELINUX)
                .map(|loader| pxelinux(loader, MODULES.iter().map(Path::new)))
                .unwrap_or_default(),
        });
    };
    if !folder.is_dir() {
        bail!("--loaders {}: there is no such folder", folder.display());
    }
    Ok(Loaders {
        undionly: small_file(&folder.join("undionly.kpxe")),
        efi: EFI
            .iter()
            .filter_map(|(arch, _)| efi_loader(*arch))
            .filter_map(|name| Some((name, small_file(&folder.join(name))?)))
            .collect(),
        pxelinux: small_file(&folder.join("lpxelinux.0"))
            .map(|loader| pxelinux(loader, [folder].into_iter()))
            .unwrap_or_default(),
    })
}

/// The first of these files there is.
fn first_of(paths: &[&str]) -> Option<Content> {
    paths.iter().find_map(|path| small_file(Path::new(path)))
}

/// `lpxelinux.0` with the modules of the first folder that has its core module; nothing when
/// none does.
fn pxelinux<'a>(
    loader: Content,
    mut folders: impl Iterator<Item = &'a Path>,
) -> BTreeMap<String, Content> {
    let Some(folder) = folders.find(|folder| folder.join("ldlinux.c32").is_file()) else {
        return BTreeMap::new();
    };
    let modules = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry
                .file_name()
                .into_string()
                .ok()
                .filter(|name| name.ends_with(".c32"))?;
            Some((name, small_file(&entry.path())?))
        });
    modules
        .chain([("lpxelinux.0".to_owned(), loader)])
        .collect()
}

fn small_file(path: &Path) -> Option<Content> {
    let meta = std::fs::metadata(path)
        .ok()
        .filter(|m| m.is_file() && m.len() <= MAX_LOADER_BYTES)?;
    let bytes = std::fs::read(path)
        .ok()
        .filter(|bytes| bytes.len() as u64 == meta.len())?;
    Some(Content::memory(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_loaders_is_used_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "undionly.kpxe",
            "snponly-x86_64.efi",
            "lpxelinux.0",
            "ldlinux.c32",
            "menu.c32",
        ] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let found = loaders(Some(folder.path())).unwrap();
        assert!(found.undionly.is_some());
        assert_eq!(
            found.efi.keys().collect::<Vec<_>>(),
            [&"snponly-x86_64.efi"]
        );
        assert_eq!(
            found.pxelinux.keys().collect::<Vec<_>>(),
            ["ldlinux.c32", "lpxelinux.0", "menu.c32"]
        );
        std::fs::remove_file(folder.path().join("ldlinux.c32")).unwrap();
        assert!(loaders(Some(folder.path())).unwrap().pxelinux.is_empty());
        assert!(loaders(Some(Path::new("/nonexistent"))).is_err());
    }
}
