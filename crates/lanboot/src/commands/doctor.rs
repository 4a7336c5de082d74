//! `lanboot doctor`: which machines can be served with what is on this host and on these images,
//! and which package brings the rest.

use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::text;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanboot_core::catalog::{Catalog, Entry};
use lanboot_core::loaders::{Authorities, Loaders, Shim};
use lanboot_core::machine::Arch;
use lanboot_core::plan::{BootChoice, pxelinux_image, shim_grub, usual_loader};
use lanboot_core::route::{LoaderRoute, Route};
use serde::Serialize;

use crate::config::args::Doctor;
use crate::images::library::ImageLibrary;
use crate::images::open_images::OpenImages;
use crate::loaders;

/// A kind of machine, as people call it.
struct Kind {
    name: &'static str,
    /// As its firmware says it (option 93).
    arch: u16,
    /// Whether Secure Boot is on.
    secure: bool,
    /// Packages that bring its loader.
    packages: Packages,
    /// Packages that bring one for where another server gives the addresses.
    beside: Packages,
}

/// Where a loader comes from: the names of packages by distribution, or what else there is.
#[derive(Clone, Copy, Debug, Serialize)]
struct Packages {
    debian: &'static str,
    fedora: &'static str,
    arch: &'static str,
}

const IPXE: Packages = Packages {
    debian: "ipxe",
    fedora: "ipxe-bootimgs-x86",
    arch: "ipxe",
};
const NO_PACKAGE: &str = "no package; a Debian network installer image carries one: serve it, or \
    unpack its debian-installer/ARCH folder for --loaders";
const SIGNED_X64: Packages = Packages {
    debian: "shim-signed and grub-efi-amd64-signed",
    fedora: "shim-x64 and grub2-efi-x64",
    arch: NO_PACKAGE,
};
const SIGNED_ARM64: Packages = Packages {
    debian: "debian-installer-12-netboot-arm64",
    fedora: "shim-aa64 and grub2-efi-aa64 of an arm64 host",
    arch: NO_PACKAGE,
};
/// GRUBs with proxyDHCP support: Debian's since 2.12 (checked in the files of bookworm-backports,
/// trixie and sid), Fedora's since the middle of 2021.
const PROXY_X64: Packages = Packages {
    debian: "grub-efi-amd64-signed 2.12 or later (for Debian 12 it is in bookworm-backports)",
    fedora: "shim-x64 and grub2-efi-x64",
    arch: "no package; a network installer image of Debian 13 carries one: serve it, or unpack its \
        debian-installer/ARCH folder for --loaders",
};
const PROXY_ARM64: Packages = Packages {
    debian: "debian-installer-13-netboot-arm64",
    fedora: "shim-aa64 and grub2-efi-aa64 of an arm64 host",
    arch: PROXY_X64.arch,
};
const IPXE_ARM64: Packages = Packages {
    debian: "ipxe of Debian 13 or later, or debian-installer-12-netboot-arm64",
    fedora: "ipxe-bootimgs-aarch64",
    arch: "ipxe",
};
const IPXE_RARE: Packages = Packages {
    debian: "ipxe 2.0 or later",
    fedora: "no package; build iPXE and use --loaders",
    arch: "no package; build iPXE and use --loaders",
};
const IPXE_IA32: Packages = Packages {
    debian: "no package; build iPXE (bin-i386-efi/snponly.efi) and use --loaders",
    fedora: "ipxe-bootimgs-x86",
    arch: "ipxe",
};

const KINDS: [Kind; 12] = {
    const fn kind(name: &'static str, arch: u16, secure: bool, packages: Packages) -> Kind {
        let beside = match (secure, arch) {
            (true, 7) => PROXY_X64,
            (true, 11) => PROXY_ARM64,
            _ => packages,
        };
        Kind {
            name,
            arch,
            secure,
            packages,
            beside,
        }
    }
    [
        kind("BIOS", 0, false, IPXE),
        kind("x64 UEFI", 7, false, IPXE),
        kind("x64 UEFI, Secure Boot on", 7, true, SIGNED_X64),
        kind("x64 UEFI HTTP Boot", 16, false, IPXE),
        kind("x64 UEFI HTTP Boot, Secure Boot on", 16, true, SIGNED_X64),
        kind("arm64 UEFI", 11, false, IPXE_ARM64),
        kind("arm64 UEFI, Secure Boot on", 11, true, SIGNED_ARM64),
        kind("arm64 UEFI HTTP Boot", 19, false, IPXE_ARM64),
        kind(
            "arm64 UEFI HTTP Boot, Secure Boot on",
            19,
            true,
            SIGNED_ARM64,
        ),
        kind("ia32 UEFI", 6, false, IPXE_IA32),
        kind("riscv64 UEFI", 27, false, IPXE_RARE),
        kind("loong64 UEFI", 39, false, IPXE_RARE),
    ]
};

/// The answer for one kind of machine, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Answer {
    machine: &'static str,
    /// What it loads first; `None` when there is nothing for it.
    loader: Option<&'static str>,
    /// The files that is, or the image that carries them.
    files: Vec<String>,
    /// Who signed its shim for firmware; absent where there is no shim.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorities: Option<Vec<&'static str>>,
    /// On which machines that shim starts with Secure Boot on.
    #[serde(skip)]
    starts: Option<String>,
    /// Packages that bring a loader, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Packages>,
    /// What it loads where another server gives the addresses, if that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Beside>,
}

/// The answer for a machine whose address comes from another server.
#[derive(Debug, Serialize)]
struct Beside {
    loader: Option<&'static str>,
    files: Vec<String>,
    /// Why it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Packages>,
}

/// What was found, and whether it is enough.
#[derive(Debug)]
pub struct Found {
    /// What to print.
    pub text: String,
    /// Whether BIOS and x64 UEFI machines can be served.
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

/// What the server should say at its start of machines it has nothing for: those nearly every
/// network has.
pub fn missing(catalog: &Catalog, loaders: &Loaders) -> Option<String> {
    let lacks = |kind: &&Kind| {
        matches!(kind.name, "BIOS" | "x64 UEFI")
            && usual_loader(catalog, loaders, kind.arch.into(), kind.secure, false).is_err()
    };
    let lacking: Vec<&Kind> = KINDS.iter().filter(lacks).collect();
    let names: Vec<&str> = lacking.iter().map(|kind| kind.name).collect();
    let packages = lacking.first()?.packages.of(host());
    Some(format!(
        "no loader for {} machines: install {packages}; until then only those that already run \
         iPXE can boot (lanboot doctor says more)",
        names.join(" and ")
    ))
}

/// What the server should say when another one gives the addresses, of machines that would have had
/// something to start if it did not.
pub fn beside_another(catalog: &Catalog, loaders: &Loaders) -> Option<String> {
    let said = KINDS.iter().filter(|kind| kind.secure).filter_map(|kind| {
        let usual = |proxy| usual_loader(catalog, loaders, kind.arch.into(), true, proxy);
        let why = usual(false).and_then(|_| usual(true)).err()?;
        // Without anything for either of them the machine is none of this network's.
        usual(false).ok()?;
        let unlocked = match usual_loader(catalog, loaders, kind.arch.into(), false, true) {
            Ok(_) => "; with Secure Boot off they get iPXE",
            Err(_) => "; nor has one with Secure Boot off, without iPXE",
        };
        Some(format!(
            "{} machines with Secure Boot on have nothing to start beside another DHCP server: {why}; \
             install {}{unlocked} (lanboot doctor says more)",
            Arch::from(kind.arch),
            kind.beside.of(host())
        ))
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Without an image there is nothing to boot, and still something to say about loaders.
fn catalog(images: &[PathBuf], faults: &mut Vec<String>) -> Catalog {
    if images.is_empty() {
        return Catalog::default();
    }
    let scan = ImageLibrary::new(images.to_vec(), Arc::new(OpenImages::default())).scan(None);
    faults.extend(scan.faults.into_iter().map(|fault| fault.text));
    scan.catalog
}

fn answer(kind: &Kind, catalog: &Catalog, loaders: &Loaders, folder: Option<&Path>) -> Answer {
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

/// The answer beside another DHCP server, where it differs.
fn beside(
    kind: &Kind,
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

/// Returns the shim that a route leads to, if it leads to one.
fn shim<'a>(route: &Route, catalog: &'a Catalog, loaders: &'a Loaders) -> Option<&'a Shim> {
    match route {
        Route::Loader(LoaderRoute::ShimGrub { arch, http, .. }) => {
            let first = BootChoice::first(catalog);
            Some(&shim_grub(catalog, loaders, &first, arch.arch(), *http)?.shim)
        }
        Route::Loader(LoaderRoute::SignedIpxe { arch, .. }) => {
            Some(&loaders.signed_ipxe(arch.arch())?.shim)
        }
        _ => None,
    }
}

/// What the server should say at its start of Secure Boot: on which machines the shims start that they
/// get, and which have nothing to start. Only of machines that some image is for.
pub fn secure_boot(catalog: &Catalog, loaders: &Loaders) -> Vec<Diagnostic> {
    let kinds = KINDS.iter().filter(|kind| kind.secure);
    let said = kinds.filter_map(|kind| {
        let arch = Arch::from(kind.arch);
        let is_for = |entry: &Entry| entry.cpu.runs_on(arch);
        if arch.is_http() || !catalog.entries().any(|(_, entry)| is_for(entry)) {
            return None;
        }
        let Ok(file) = usual_loader(catalog, loaders, arch, true, false) else {
            // Nor without Secure Boot: that is said already.
            usual_loader(catalog, loaders, arch, false, false).ok()?;
            return Some(DiagnosticCode::SecureBootNoLoader.with(format!(
                "{arch} machines with Secure Boot on have nothing to start: iPXE is not signed by \
                 a trusted key; install {} (lanboot doctor says more)",
                kind.packages.of(host())
            )));
        };
        let shim = shim(&file, catalog, loaders)?;
        Some(DiagnosticCode::SecureBootShim.with(format!(
            "{}: the shim {} {}",
            kind.name, shim.from, shim.authorities
        )))
    });
    said.collect()
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
        Route::Loader(LoaderRoute::ShimGrub { arch, http, .. }) => {
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
        Route::Loader(LoaderRoute::SignedIpxe { arch, .. }) => {
            let found = loaders.signed_ipxe(arch.arch());
            let files = found.map(|signed| vec![signed.shim.from.clone()]);
            ("iPXE behind its own shim", files.unwrap_or_default())
        }
        Route::Loader(LoaderRoute::Pxelinux(_)) => {
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
            let from = loaders::ipxe_file(build.name, folder);
            let from = from.map(|path| text::path(&path));
            ("iPXE", from.into_iter().collect())
        }
        _ => ("a loader", vec![route.to_string()]),
    }
}

/// The family of this host's distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    Debian,
    Fedora,
    Arch,
    Other,
}

fn host() -> Host {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    distribution(&text)
}

/// Out of os-release(5): `ID`, else what it says it is like.
fn distribution(os_release: &str) -> Host {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default()
            .trim_matches(['"', '\''])
            .to_owned()
    };
    let words = format!("{} {}", value("ID="), value("ID_LIKE="));
    let family = |word: &str| match word {
        "debian" | "ubuntu" => Some(Host::Debian),
        "fedora" | "rhel" | "centos" => Some(Host::Fedora),
        "arch" | "archlinux" => Some(Host::Arch),
        _ => None,
    };
    words
        .split_whitespace()
        .find_map(family)
        .unwrap_or(Host::Other)
}

impl Packages {
    fn of(&self, host: Host) -> String {
        match host {
            Host::Debian => self.debian.into(),
            Host::Fedora => self.fedora.into(),
            Host::Arch => self.arch.into(),
            Host::Other => format!(
                "{} (Debian, Ubuntu); {} (Fedora); {} (Arch Linux)",
                self.debian, self.fedora, self.arch
            ),
        }
    }
}

fn text(answers: &[Answer], host: Host) -> String {
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
    /// A line below that of the machine.
    fn text(&self, host: Host) -> String {
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
    use lanboot_core::loaders::{Grub, ShimGrub};
    use lanboot_core::pe::Signed;
    use lanboot_core::vfs::Content;

    fn host_with(names: &[&'static str]) -> Loaders {
        Loaders {
            ipxe: names.iter().map(|n| (*n, Content::memory(*b"x"))).collect(),
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
        let lines = text(&[found, secure], Host::Debian);
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
        let lines = text(&rows, Host::Debian);
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
        let lines = text(&[plain, secure], Host::Debian);
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

    #[test]
    fn the_server_names_what_nearly_every_network_has() {
        let none = Catalog::default();
        assert_eq!(
            missing(&none, &host_with(&["undionly.kpxe", "snponly-x86_64.efi"])),
            None
        );
        let bios = missing(&none, &host_with(&["snponly-x86_64.efi"])).unwrap();
        assert!(
            bios.starts_with("no loader for BIOS machines: install "),
            "{bios}"
        );
        let both = missing(&none, &host_with(&[])).unwrap();
        assert!(
            both.starts_with("no loader for BIOS and x64 UEFI machines: "),
            "{both}"
        );
    }

    #[test]
    fn a_distribution_is_known_by_its_name_or_its_kin() {
        for (text, host) in [
            ("NAME=x\nID=debian\n", Host::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Host::Debian),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                Host::Fedora,
            ),
            ("ID=arch\n", Host::Arch),
            ("ID=nixos\n", Host::Other),
            ("", Host::Other),
        ] {
            assert_eq!(distribution(text), host, "{text}");
        }
    }

    #[test]
    fn every_kind_of_machine_is_one_that_is_known() {
        for kind in KINDS {
            let arch = Arch::from(kind.arch);
            assert!(!matches!(arch, Arch::Other(_)), "{}", kind.name);
            assert_eq!(arch.is_http(), kind.name.contains("HTTP"), "{}", kind.name);
        }
    }
}
