//! `lanboot doctor`: the machines that can be served with the loaders of this host and of these
//! images, and the packages that bring the rest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanboot_core::catalog::Catalog;
use lanboot_core::loaders::{Authorities, LoaderRoute, Loaders, PxelinuxFile, ShimGrubFile};
use lanboot_core::plan::{BootChoice, bare_grub_image, pxelinux_image, shim_grub, usual_loader};
use lanboot_core::route::Route;
use lanboot_core::text;
use serde::Serialize;

use crate::config::args::Doctor;
use crate::images::library::ImageLibrary;
use crate::images::open_images::OpenImages;
use crate::loaders;
use crate::loaders::advice::shim;
use crate::loaders::machine_kinds::{KINDS, MachineKind};
use crate::loaders::packages::{Distribution, Packages, host};

/// The answer for one kind of machine, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Answer {
    machine: &'static str,
    /// The loader it starts first; `None` when there is nothing for it.
    loader: Option<&'static str>,
    /// The files that is, or the image that carries them.
    files: Vec<String>,
    /// Signers of its shim for firmware; absent where there is no shim.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorities: Option<Vec<&'static str>>,
    /// The machines on which that shim starts with Secure Boot on, as a clause.
    #[serde(skip)]
    starts: Option<String>,
    /// Packages that bring a loader, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Packages>,
    /// Answer for a network where another server hands out the addresses, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Beside>,
}

/// The answer for a machine whose address comes from another server.
#[derive(Debug, Serialize)]
struct Beside {
    loader: Option<&'static str>,
    files: Vec<String>,
    /// Reason it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Packages>,
}

/// Result of the command.
#[derive(Debug)]
pub struct Found {
    /// Text to print.
    pub text: String,
    /// True if BIOS and x64 UEFI machines can be served.
    pub usable: bool,
}

/// Runs it.
pub fn run(doctor: &Doctor) -> anyhow::Result<Found> {
    let folder = doctor.loaders.as_ref().and_then(|dir| dir.as_deref());
    let loaders = loaders::loaders(folder)?;
    let mut faults = Vec::new();
    let catalog = catalog(&doctor.images, &mut faults);
    let answers: Vec<Answer> = KINDS
        .iter()
        .map(|kind| answer(kind, &catalog, &loaders, folder))
        .collect();
    let text = if doctor.json {
        text::json(&serde_json::to_string_pretty(&answers)?) + "\n"
    } else {
        text(&answers, host())
            + &faults
                .iter()
                .map(|f| text::line(f) + "\n")
                .collect::<String>()
    };
    let usable = ["BIOS", "x64 UEFI"].iter().all(|name| {
        let row = answers.iter().find(|answer| answer.machine == *name);
        row.is_some_and(|answer| answer.loader.is_some())
    });
    Ok(Found { text, usable })
}

/// Reads the images. Without one there is nothing to boot, and still something to say about
/// loaders.
fn catalog(images: &[PathBuf], faults: &mut Vec<String>) -> Catalog {
    if images.is_empty() {
        return Catalog::default();
    }
    let scan = ImageLibrary::new(images.to_vec(), Arc::new(OpenImages::default())).scan(None);
    faults.extend(scan.faults.into_iter().map(|fault| fault.text));
    scan.catalog
}

fn answer(
    kind: &MachineKind,
    catalog: &Catalog,
    loaders: &Loaders,
    folder: Option<&Path>,
) -> Answer {
    let file = usual_loader(catalog, loaders, kind.arch.into(), kind.secure, false).ok();
    let shim = file.as_ref().and_then(|file| shim(file, catalog, loaders));
    let authorities = shim.map(|shim| shim.authorities);
    let found = file.map(|file| origin(&file, catalog, loaders, folder));
    let packages = found.is_none().then_some(kind.packages);
    let (loader, files) = found.map_or((None, Vec::new()), |(name, files)| (Some(name), files));
    Answer {
        machine: kind.name,
        loader,
        files,
        authorities: authorities.map(Authorities::names),
        starts: authorities.filter(|_| kind.secure).map(|of| of.to_string()),
        packages,
        proxy: beside(kind, catalog, loaders, folder),
    }
}

/// Returns the answer beside another DHCP server, where it differs.
fn beside(
    kind: &MachineKind,
    catalog: &Catalog,
    loaders: &Loaders,
    folder: Option<&Path>,
) -> Option<Beside> {
    let usual = |proxy| usual_loader(catalog, loaders, kind.arch.into(), kind.secure, proxy);
    let alone = usual(false).ok()?;
    match usual(true) {
        Ok(file) if file == alone => None,
        Ok(file) => {
            let (loader, files) = origin(&file, catalog, loaders, folder);
            Some(Beside {
                loader: Some(loader),
                files,
                reason: None,
                packages: None,
            })
        }
        Err(why) => Some(Beside {
            loader: None,
            files: Vec::new(),
            reason: Some(why.to_string()),
            packages: Some(kind.beside),
        }),
    }
}

const SHIM_AND_GRUB: &str = "shim and GRUB";

/// Returns what a route leads to, and the files that come from.
fn origin(
    route: &Route,
    catalog: &Catalog,
    loaders: &Loaders,
    folder: Option<&Path>,
) -> (&'static str, Vec<String>) {
    match route {
        Route::Loader(LoaderRoute::ShimGrub(ShimGrubFile { arch, http, .. })) => {
            let first = BootChoice::first(catalog);
            let found = shim_grub(catalog, loaders, &first, arch.arch(), *http);
            let files = found.map(|pair| {
                let image = catalog
                    .images()
                    .iter()
                    .find(|i| i.loaders.pairs.contains(pair));
                let of = |path: &String| match image {
                    Some(image) => format!("{}: {path}", image.file),
                    None => path.clone(),
                };
                vec![of(&pair.shim.from), of(&pair.grub.from)]
            });
            (SHIM_AND_GRUB, files.unwrap_or_default())
        }
        Route::Loader(LoaderRoute::SignedIpxe(file)) => {
            let found = loaders.signed_ipxe(file.arch.arch());
            let files = found.map(|signed| vec![signed.shim.from.clone()]);
            ("iPXE behind its own shim", files.unwrap_or_default())
        }
        Route::Loader(LoaderRoute::Pxelinux(PxelinuxFile::Program(_))) => {
            let files = match pxelinux_image(catalog) {
                Some(image) => {
                    let folder = image.found.pxelinux.as_deref().unwrap_or_default();
                    format!("{}: {folder}/lpxelinux.0", image.file)
                }
                None => folder.map_or_else(
                    || "the package pxelinux".into(),
                    |folder| text::path(&folder.join("lpxelinux.0")),
                ),
            };
            ("PXELINUX", vec![files])
        }
        Route::Loader(LoaderRoute::Ipxe(build)) => {
            let from = loaders::program_file(build.name, folder);
            let from = from.map(|path| text::path(&path));
            ("iPXE", from.into_iter().collect())
        }
        Route::Root(path) => {
            let image = bare_grub_image(catalog, path.as_bytes());
            let file = image.map_or_else(|| path.to_string(), |of| format!("{}: {path}", of.file));
            ("GRUB of an image", vec![file])
        }
        _ => ("a loader", vec![route.to_string()]),
    }
}

fn text(answers: &[Answer], host: Distribution) -> String {
    let width = answers.iter().map(|a| a.machine.len()).max().unwrap_or(0);
    let mut out = String::new();
    for answer in answers {
        let says = match (answer.loader, answer.packages) {
            (Some(loader), _) => {
                let starts = answer
                    .starts
                    .iter()
                    .map(|starts| format!("; the shim {starts}"));
                let files = answer.files.join(" and ");
                format!("yes  {loader}: {files}{}", starts.collect::<String>())
            }
            (None, Some(packages)) => format!("no   install {}", packages.of(host)),
            (None, None) => "no".into(),
        };
        let says = says.replace("install no package", "no package");
        let says = text::line(&says);
        out.push_str(&format!("{:width$}  {says}\n", answer.machine));
        if let Some(beside) = &answer.proxy {
            out.push_str(&format!("{:width$}  {}\n", "", beside.text(host)));
        }
    }
    out
}

impl Beside {
    /// Returns the line below that of the machine.
    fn text(&self, host: Distribution) -> String {
        let place = "beside another DHCP server";
        match (self.loader, &self.reason, self.packages) {
            (Some(loader), ..) => format!("yes  {place}: {loader}: {}", self.files.join(" and ")),
            (None, Some(reason), Some(packages)) => {
                let install = format!("install {}", packages.of(host));
                let install = install.replace("install no package", "no package");
                format!("no   {place}: {reason}; {install}")
            }
            (None, ..) => format!("no   {place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loaders::advice::{beside_another, secure_boot};
    use lanboot_core::loaders::{Grub, Shim, ShimGrub};
    use lanboot_core::machine::Arch;
    use lanboot_core::pe::Signed;
    use lanboot_core::vfs::Content;

    fn host_with(names: &[&'static str]) -> Loaders {
        Loaders {
            programs: names.iter().map(|n| (*n, Content::memory(*b"x"))).collect(),
            ..Loaders::default()
        }
    }

    fn row(name: &str, loaders: &Loaders, folder: Option<&Path>) -> Answer {
        let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
        answer(kind, &Catalog::default(), loaders, folder)
    }

    #[test]
    fn what_is_there_is_named_and_what_is_not_has_a_package() {
        let loaders = host_with(&["undionly.kpxe", "snponly-x86_64.efi", "ipxe-riscv64.efi"]);
        let held = tempfile::tempdir().unwrap();
        let file = held.path().join("snponly-x86_64.efi");
        std::fs::write(&file, "x").unwrap();
        let folder = Some(held.path());
        let found = row("x64 UEFI", &loaders, folder);
        assert_eq!(
            (found.loader, &found.files[..]),
            (Some("iPXE"), &[text::path(&file)][..])
        );
        assert_eq!(row("riscv64 UEFI", &loaders, folder).loader, Some("iPXE"));
        let secure = row("x64 UEFI, Secure Boot on", &loaders, folder);
        assert_eq!(secure.loader, None, "plain iPXE does not start there");
        let lines = text(&[found, secure], Distribution::Debian);
        let expected = format!(
            "x64 UEFI                  yes  iPXE: {}\n\
            x64 UEFI, Secure Boot on  no   install shim-signed and grub-efi-amd64-signed\n",
            text::path(&file)
        );
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_grub_that_needs_lanboot_to_give_the_addresses_is_said() {
        let with_proxy = |proxy| ShimGrub {
            grub: Grub {
                proxy,
                version: "2.06".into(),
                from: "grubx64.efi".into(),
                ..shim_grub().grub
            },
            ..shim_grub()
        };
        let with = |proxy, ipxe: &[&'static str]| Loaders {
            shim_grubs: vec![with_proxy(proxy)],
            ..host_with(ipxe)
        };
        let none = Catalog::default();
        let (able, unable) = (with(true, &[]), with(false, &["snponly-x86_64.efi"]));
        assert_eq!(beside_another(&none, &able), None);
        assert!(row("x64 UEFI", &able, None).proxy.is_none());
        let said = beside_another(&none, &unable).unwrap();
        assert!(
            said.starts_with(
                "x64 UEFI machines with Secure Boot on have nothing to start beside another DHCP \
                 server: GRUB 2.06 (grubx64.efi) would look"
            ) && said.contains("; with Secure Boot off they get iPXE ("),
            "{said}"
        );
        let bare = beside_another(&none, &with(false, &[])).unwrap();
        assert!(bare.contains("without iPXE"), "{bare}");
        let rows = ["x64 UEFI", "x64 UEFI, Secure Boot on", "x64 UEFI HTTP Boot"];
        let rows = rows.map(|name| row(name, &unable, None));
        let lines = text(&rows, Distribution::Debian);
        let beside = |line: &str| line.trim_start().to_owned();
        let lines: Vec<String> = lines.lines().map(beside).collect();
        assert_eq!(
            lines[1],
            "yes  beside another DHCP server: iPXE: /usr/lib/ipxe/snponly.efi"
        );
        assert!(
            lines[3].starts_with("no   beside another DHCP server: GRUB 2.06 (grubx64.efi)")
                && lines[3].contains("; install grub-efi-amd64-signed 2.12 or later"),
            "{}",
            lines[3]
        );
        assert_eq!(lines.len(), 5, "HTTP Boot has no such trouble");
    }

    #[test]
    fn doctor_says_on_which_machines_a_shim_starts() {
        let loaders = Loaders {
            shim_grubs: vec![shim_grub()],
            ..Loaders::default()
        };
        let secure = row("x64 UEFI, Secure Boot on", &loaders, None);
        assert_eq!(
            secure.authorities.as_deref(),
            Some(&["Microsoft Corporation UEFI CA 2011"][..])
        );
        let plain = row("x64 UEFI", &loaders, None);
        let lines = text(&[plain, secure], Distribution::Debian);
        let lines: Vec<&str> = lines.lines().collect();
        let said = "; the shim starts only on machines that trust Microsoft's UEFI CA of 2011";
        assert!(lines[1].contains(said), "{lines:?}");
        assert!(
            !lines[0].contains("Microsoft"),
            "it is said of Secure Boot: {lines:?}"
        );
        let bios = host_with(&["undionly.kpxe"]);
        assert_eq!(row("BIOS", &bios, None).authorities, None);
        // Nobody needs one where no image is for such machines.
        assert!(secure_boot(&Catalog::default(), &loaders).is_empty());
    }

    /// One that starts with Secure Boot on.
    fn shim_grub() -> ShimGrub {
        ShimGrub {
            shim: Shim {
                arch: Arch::X64Uefi,
                content: Content::memory(*b"shim"),
                from: "shimx64.efi".into(),
                vendor: Vec::new(),
                denied: Vec::new(),
                authorities: Authorities {
                    of_2011: true,
                    of_2023: false,
                },
            },
            grub: Grub {
                arch: Arch::X64Uefi,
                content: Content::memory(*b"grub"),
                from: String::new(),
                signed: Signed::No,
                http: false,
                tftp: true,
                proxy: true,
                version: String::new(),
                prefix: String::new(),
            },
            mok_manager: None,
        }
    }
}
