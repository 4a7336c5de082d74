//! Finds the loaders in the distribution's packages, or in a folder named by the operator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use lanboot_core::loaders::{
    Grub, LoaderRoute, Loaders, Program, SecureArch, Shim, ShimGrub, SignedBuild, SignedIpxe,
    ipxe_build, is_shim_name, secure_names,
};
use lanboot_core::machine::Arch;
use lanboot_core::pe::efi_arch;
use lanboot_core::text;
use lanboot_core::vfs::Content;

use super::host_paths::{CHAIN_PATHS, INSTALLERS};

/// Largest loader file, in bytes.
const MAX_LOADER_BYTES: u64 = 16 << 20;
/// Most shims, and most builds of iPXE, examined in one folder.
const MAX_SIGNED: usize = 16;
/// Most installer releases searched for loaders.
const MAX_RELEASES: usize = 16;

/// Returns the loaders of this host, or only those in `folder` if given.
pub fn loaders(folder: Option<&Path>) -> anyhow::Result<Loaders> {
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
    const SIGNED_IPXE: [&str; 4] = [
        "/usr/lib/ipxe",
        "/usr/share/ipxe",
        "/usr/share/ipxe/x86_64",
        "/usr/share/ipxe/arm64",
    ];
    let Some(folder) = folder else {
        let programs = LoaderRoute::programs();
        let programs = programs.filter_map(|of| Some((of.name, first_of(of.paths)?)));
        return Ok(Loaders {
            programs: programs.collect(),
            pxelinux: first_of(&LPXELINUX)
                .map(|loader| pxelinux(loader, MODULES.iter().map(Path::new)))
                .unwrap_or_default(),
            shim_grubs: host_shim_grubs(),
            signed_ipxe: signed_ipxe(SIGNED_IPXE.iter().map(Path::new)),
        });
    };
    if !folder.is_dir() {
        let fault = match folder.exists() {
            true => "is not a folder",
            false => "there is no such folder",
        };
        bail!("--loaders {}: {fault}", text::path(folder));
    }
    let own = LoaderRoute::programs().filter_map(|program| {
        let path = in_folder(folder, program)?;
        Some((program.name, small_file(&path)?))
    });
    let archs = SecureArch::ALL.into_iter().map(SecureArch::arch);
    Ok(Loaders {
        programs: own.collect(),
        pxelinux: small_file(&folder.join("lpxelinux.0"))
            .map(|loader| pxelinux(loader, [folder].into_iter()))
            .unwrap_or_default(),
        shim_grubs: chosen(archs.flat_map(|arch| shim_grubs_in(folder, arch))),
        signed_ipxe: signed_ipxe([folder].into_iter()),
    })
}

/// Returns the file served as `name` in the folder `loader`: of this host, or of `folder`.
pub fn program_file(name: &str, folder: Option<&Path>) -> Option<PathBuf> {
    let program = LoaderRoute::programs().find(|program| program.name == name)?;
    match folder {
        Some(folder) => in_folder(folder, program),
        None => {
            let mut paths = program.paths.iter().map(PathBuf::from);
            paths.find(|path| path.is_file())
        }
    }
}

/// Returns a program in a folder: under its own name, or under that of a package, which may be the
/// same for several processors.
fn in_folder(folder: &Path, program: &Program) -> Option<PathBuf> {
    let own = folder.join(program.name);
    if own.is_file() {
        return Some(own);
    }
    let names = program.paths.iter().map(Path::new);
    let paths = names.filter_map(|path| Some(folder.join(path.file_name()?)));
    let fits = |path: &PathBuf| {
        let is_efi = path.extension().is_some_and(|e| e == "efi");
        let of = || small_file(path).and_then(|content| efi_arch(&content));
        path.is_file() && (!is_efi || of() == Some(program.arch))
    };
    paths.into_iter().find(fits)
}

fn host_shim_grubs() -> Vec<ShimGrub> {
    let paths = CHAIN_PATHS
        .iter()
        .map(|(shim, grub, mok_manager)| [shim, grub, mok_manager].map(PathBuf::from));
    chosen(
        paths
            .chain(installers())
            .flat_map(|paths| shim_grub(&paths)),
    )
}

/// Selects the pairs some machine can get: of equivalent ones only the first would ever be used,
/// and each takes 5 MiB of memory.
fn chosen(all: impl Iterator<Item = ShimGrub>) -> Vec<ShimGrub> {
    let is_alike = |a: &ShimGrub, b: &ShimGrub| {
        let capabilities = |of: &ShimGrub| (of.arch(), of.grub.http, of.grub.tftp, of.grub.proxy);
        let names = |of: &ShimGrub| {
            let shim = &of.shim;
            (shim.vendor.clone(), shim.denied.clone(), shim.authorities)
        };
        capabilities(a) == capabilities(b) && names(a) == names(b)
    };
    let mut selected: Vec<ShimGrub> = Vec::new();
    for pair in all {
        if !selected.iter().any(|other| is_alike(other, &pair)) {
            selected.push(pair);
        }
    }
    selected
}

/// Returns the shims and GRUBs of Debian's installers, newest release first.
fn installers() -> impl Iterator<Item = [PathBuf; 3]> {
    let folders = std::fs::read_dir(INSTALLERS)
        .into_iter()
        .flatten()
        .flatten();
    let mut releases: Vec<PathBuf> = folders.map(|folder| folder.path()).collect();
    let number = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    releases.sort_by_key(|path| std::cmp::Reverse(number(path)));
    releases.truncate(MAX_RELEASES);
    releases.into_iter().flat_map(|release| {
        [("amd64", "x64"), ("arm64", "aa64"), ("i386", "ia32")].map(|(arch, suffix)| {
            let folder = release.join(arch).join("text/debian-installer").join(arch);
            ["bootnet", "grub", "mm"].map(|stem| folder.join(format!("{stem}{suffix}.efi")))
        })
    })
}

/// Finds the shims and GRUBs in a folder, under their own names or those of packages.
fn shim_grubs_in(folder: &Path, arch: Arch) -> Vec<ShimGrub> {
    let Some((_, suffix)) = secure_names(arch) else {
        return Vec::new();
    };
    let paths = |shim: &str, grub: &str| {
        let mok_manager = format!("mm{suffix}.efi");
        [
            format!("{shim}{suffix}.efi"),
            format!("{grub}{suffix}.efi"),
            mok_manager,
        ]
        .map(|name| folder.join(name))
    };
    let names = [("shim", "grub"), ("shim", "grubnet"), ("bootnet", "grub")];
    let found = names.map(|(shim, grub)| shim_grub(&paths(shim, grub)));
    found.into_iter().flatten().collect()
}

/// Parses the shim, GRUB and MokManager at these paths, if they belong together.
fn shim_grub([shim, grub, mok_manager]: &[PathBuf; 3]) -> Vec<ShimGrub> {
    // They are in memory already.
    let no_disk = |_: &Content| None;
    let file = |path: &PathBuf| Some((small_file(path)?, text::path(path)));
    let shim = file(shim).and_then(|(content, from)| Shim::parse(&content, &from, &no_disk));
    let grub = file(grub).and_then(|(content, from)| Grub::parse(&content, &from, &no_disk));
    let (Some(shim), Some(grub)) = (shim, grub) else {
        return Vec::new();
    };
    let mok_manager = small_file(mok_manager).map(|content| (shim.arch, content));
    ShimGrub::pair(&[shim], &[grub], mok_manager.as_slice())
}

/// Finds iPXE behind its own shim: the best shim of these folders for each firmware, with the
/// builds it starts. The release has them in `x86_64-sb` and `arm64-sb`, the shim under three names
/// (`shimx64.efi`, `ipxe-shim.efi`, `snponly-shim.efi`); they are distinguished by content.
fn signed_ipxe<'a>(folders: impl Iterator<Item = &'a Path>) -> Vec<SignedIpxe> {
    let parts = ["", "x86_64-sb", "arm64-sb"];
    let folders = folders.flat_map(|folder| parts.map(|part| folder.join(part)));
    let mut best: Vec<SignedIpxe> = Vec::new();
    for one in folders.flat_map(|folder| signed_ipxe_in(&folder)) {
        match best.iter_mut().find(|other| other.arch == one.arch) {
            Some(other) if starts_on(&one.shim) > starts_on(&other.shim) => *other = one,
            Some(_) => {}
            None => best.push(one),
        }
    }
    best
}

/// Returns the number of kinds of machines a shim starts on.
fn starts_on(shim: &Shim) -> u8 {
    shim.authorities.count()
}

/// Finds every shim in this folder that starts an iPXE in it, in the order of their names.
fn signed_ipxe_in(folder: &Path) -> Vec<SignedIpxe> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    let shims = names.iter().filter(|name| is_shim_name(name.as_bytes()));
    let shims = shims.take(MAX_SIGNED).filter_map(|name| {
        let path = folder.join(name);
        Shim::parse(&small_file(&path)?, &text::path(&path), &|_| None)
    });
    let shims: Vec<Shim> = shims.collect();
    if shims.is_empty() {
        return Vec::new();
    }
    let builds = names.iter().filter_map(|name| {
        let (kind, _) = ipxe_build(name.as_bytes())?;
        let content = small_file(&folder.join(name))?;
        Some(SignedBuild { kind, content })
    });
    let builds: Vec<SignedBuild> = builds.take(MAX_SIGNED).collect();
    let behind = |shim: Shim| {
        // The folder may contain iPXE for another processor under the same name.
        let of = |kind| {
            let mut of_kind = builds.iter().filter(|build| build.kind == kind);
            let trusts = |build: &&SignedBuild| shim.trusts_program(&build.content, &|_| None);
            of_kind.find(trusts).cloned()
        };
        let mut found = ["snponly", "ipxe"].into_iter().filter_map(of);
        let (build, other) = (found.next()?, found.next());
        Some(SignedIpxe {
            arch: shim.arch,
            shim,
            build,
            other,
        })
    };
    shims.into_iter().filter_map(behind).collect()
}

/// Returns the first of these files that exists.
fn first_of(paths: &[&str]) -> Option<Content> {
    paths.iter().find_map(|path| small_file(Path::new(path)))
}

/// Adds to `lpxelinux.0` the modules of the first folder with its core module; `None` if there is
/// none.
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
    use lanboot_core::loaders::{IpxePart, SecureArch, SignedIpxeFile};
    use lanboot_core::route::Route;

    #[test]
    fn a_folder_replaces_the_hosts_loaders() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "undionly.kpxe",
            "snponly-x86_64.efi",
            "shimx64.efi",
            "grubx64.efi",
            "lpxelinux.0",
            "ldlinux.c32",
            "menu.c32",
        ] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let found = loaders(Some(folder.path())).unwrap();
        assert_eq!(
            found.programs.keys().collect::<Vec<_>>(),
            [&"snponly-x86_64.efi", &"undionly.kpxe"]
        );
        assert_eq!(
            found.pxelinux.keys().collect::<Vec<_>>(),
            ["ldlinux.c32", "lpxelinux.0", "menu.c32"]
        );
        assert!(found.shim_grubs.is_empty(), "those are no programs");
        std::fs::remove_file(folder.path().join("ldlinux.c32")).unwrap();
        assert!(loaders(Some(folder.path())).unwrap().pxelinux.is_empty());
        assert!(loaders(Some(Path::new("/nonexistent"))).is_err());
    }

    #[test]
    fn package_names_are_recognised() {
        // A minimal UEFI program for x64: headers without sections.
        let mut program = vec![0; 0x200];
        program[..2].copy_from_slice(b"MZ");
        program[0x3c] = 0x40;
        program[0x40..0x46].copy_from_slice(b"PE\0\0\x64\x86");
        program[0x54] = 240;
        program[0x58..0x5a].copy_from_slice(&[0x0b, 2]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("snponly.efi"), program).unwrap();
        let found = loaders(Some(folder.path())).unwrap().programs;
        assert_eq!(found.keys().collect::<Vec<_>>(), [&"snponly-x86_64.efi"]);
        let file = program_file("snponly-x86_64.efi", Some(folder.path()));
        assert_eq!(file, Some(folder.path().join("snponly.efi")));
        assert_eq!(program_file("snponly-arm64.efi", Some(folder.path())), None);
    }

    #[test]
    fn the_first_of_equivalent_pairs_is_selected() {
        use lanboot_core::loaders::Authorities;
        use lanboot_core::pe::Signed;
        let made = |from: &str, vendor: &str, http, proxy| ShimGrub {
            shim: Shim {
                arch: Arch::X64Uefi,
                content: Content::memory(*b"shim"),
                from: from.to_owned(),
                vendor: vec![vendor.to_owned()],
                denied: Vec::new(),
                authorities: Authorities::default(),
            },
            grub: Grub {
                arch: Arch::X64Uefi,
                content: Content::memory(*b"grub"),
                from: String::new(),
                signed: Signed::No,
                http,
                tftp: true,
                proxy,
                version: String::new(),
                prefix: String::new(),
            },
            mok_manager: None,
        };
        let all = [
            made("13", "Debian", true, true),
            made("12", "Debian", false, false),
            made("11", "Debian", false, false),
            made("fedora", "Fedora", true, true),
            made("backports", "Debian", false, true),
            made("10", "Debian", true, true),
        ];
        let selected = chosen(all.into_iter());
        let from: Vec<&str> = selected
            .iter()
            .map(|pair| pair.shim.from.as_str())
            .collect();
        assert_eq!(from, ["13", "12", "fedora", "backports"]);
    }

    /// Encodes a certificate's common name, as in a signature and in `.vendor_cert`.
    fn common_name(name: &str) -> Vec<u8> {
        let len = u8::try_from(name.len()).unwrap();
        [
            &[0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, len][..],
            name.as_bytes(),
        ]
        .concat()
    }

    /// Builds a UEFI program for this processor, signed by `signers`; a shim if it trusts a vendor.
    fn efi(machine: u16, vendor: Option<&str>, signers: &[&str]) -> Vec<u8> {
        let mut program = vec![0; 0x400];
        program[..2].copy_from_slice(b"MZ");
        program[0x3c] = 0x40;
        program[0x40..0x44].copy_from_slice(b"PE\0\0");
        program[0x44..0x46].copy_from_slice(&machine.to_le_bytes());
        program[0x46] = u8::from(vendor.is_some());
        program[0x54] = 240;
        program[0x58..0x5a].copy_from_slice(&[0x0b, 2]);
        let word = |program: &mut Vec<u8>, at: usize, value: usize| {
            let value = u32::try_from(value).unwrap().to_le_bytes();
            program[at..at + 4].copy_from_slice(&value);
        };
        if let Some(vendor) = vendor {
            // The name has more than eight bytes, so it is stored after the symbols, of which there
            // are none.
            let cert = common_name(vendor);
            word(&mut program, 0x4c, 0x300);
            program[0x304..0x310].copy_from_slice(b".vendor_cert");
            let section = 0x58 + 240;
            program[section..section + 2].copy_from_slice(b"/4");
            word(&mut program, section + 16, 16 + cert.len());
            word(&mut program, section + 20, 0x320);
            word(&mut program, 0x320, cert.len());
            word(&mut program, 0x328, 16);
            program[0x330..0x330 + cert.len()].copy_from_slice(&cert);
        }
        let table: Vec<u8> = signers.iter().flat_map(|name| common_name(name)).collect();
        if !table.is_empty() {
            let at = program.len();
            word(&mut program, 0x58 + 112 + 32, at);
            word(&mut program, 0x58 + 112 + 36, table.len());
            program.extend(table);
        }
        program
    }

    const OLD: &str = "Microsoft Corporation UEFI CA 2011";
    const NEW: &str = "Microsoft UEFI CA 2023";

    /// iPXE 2.0 as published, and with the file names in its shim's documentation.
    #[test]
    fn ipxe_with_its_own_shim_is_found_under_all_published_names() {
        let shim = |machine| efi(machine, Some("iPXE Secure Boot CA"), &[OLD, NEW]);
        let ipxe = |machine| efi(machine, None, &["iPXE Secure Boot CA"]);
        for (machine, arch, part, offered, shims) in [
            (
                0x8664,
                Arch::X64Uefi,
                "",
                "snponly-shimx64.efi",
                &["snponly-shim.efi"][..],
            ),
            (
                0x8664,
                Arch::X64Uefi,
                "",
                "snponly-shimx64.efi",
                &["ipxe-shimx64.efi"],
            ),
            (
                0x8664,
                Arch::X64Uefi,
                "",
                "snponly-shimx64.efi",
                &["shimx64.efi"],
            ),
            (
                0x8664,
                Arch::X64Uefi,
                "x86_64-sb",
                "snponly-shimx64.efi",
                &["ipxe-shim.efi", "shimx64.efi", "snponly-shim.efi"],
            ),
            (
                0xaa64,
                Arch::Arm64Uefi,
                "arm64-sb",
                "snponly-shimaa64.efi",
                &["ipxe-shim.efi"],
            ),
            (
                0xaa64,
                Arch::Arm64Uefi,
                "",
                "snponly-shimaa64.efi",
                &["snponly-shimaa64.efi"],
            ),
        ] {
            let held = tempfile::tempdir().unwrap();
            let folder = held.path().join(part);
            std::fs::create_dir_all(&folder).unwrap();
            for name in shims {
                std::fs::write(folder.join(name), shim(machine)).unwrap();
            }
            for name in ["ipxe.efi", "snponly.efi"] {
                std::fs::write(folder.join(name), ipxe(machine)).unwrap();
            }
            let found = loaders(Some(held.path())).unwrap().signed_ipxe;
            let [signed] = &found[..] else {
                panic!("{shims:?}: {}", found.len())
            };
            assert_eq!((signed.arch, signed.build.kind), (arch, "snponly"));
            let shim = SignedIpxeFile {
                arch: SecureArch::of(arch).unwrap(),
                part: IpxePart::Shim(signed.build.kind),
            };
            let shim = Route::Loader(shim.into());
            assert_eq!(shim.to_string().rsplit('/').next(), Some(offered));
            assert_eq!(signed.other.as_ref().map(|build| build.kind), Some("ipxe"));
            assert_eq!(signed.shim.authorities.count(), 2);
        }
    }

    #[test]
    fn untrusted_ipxe_is_ignored_and_the_most_compatible_shim_wins() {
        let held = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes| std::fs::write(held.path().join(name), bytes).unwrap();
        let found = || loaders(Some(held.path())).unwrap().signed_ipxe;
        put("a-shim.efi", efi(0x8664, Some("iPXE"), &[OLD]));
        // Debian's own build, which is unsigned.
        put("snponly.efi", efi(0x8664, None, &[]));
        assert!(found().is_empty());
        put("ipxe.efi", efi(0x8664, None, &["iPXE"]));
        let one = found().remove(0);
        assert_eq!((one.build.kind, one.other), ("ipxe", None));
        assert_eq!(one.shim.authorities.count(), 1);
        put("b-shim.efi", efi(0x8664, Some("iPXE"), &[NEW, OLD]));
        assert!(found().remove(0).shim.from.ends_with("b-shim.efi"));
    }
}
