//! What one machine is offered: which loader its firmware gets, and which entry starts when
//! nobody presses a key.

use super::{Catalog, Cpu, Entry, Image, Server};
use crate::machine::{Arch, Machine, Stage};
use crate::vfs::Content;
use std::collections::BTreeMap;

/// The loaders there are, besides those on the media.
#[derive(Clone, Debug, Default)]
pub struct Loaders {
    /// `undionly.kpxe`: iPXE on top of any BIOS network card's own driver.
    pub undionly: Option<Content>,
    /// `snponly.efi`, iPXE on top of a UEFI firmware's own driver, by its name here:
    /// [`efi_loader`].
    pub efi: BTreeMap<&'static str, Content>,
    /// The host's `lpxelinux.0` with its modules, by file name.
    pub pxelinux: BTreeMap<String, Content>,
}

/// The name under which iPXE for a UEFI architecture is served, in the folder `loader`.
pub fn efi_loader(arch: Arch) -> Option<&'static str> {
    match arch {
        Arch::X64Uefi => Some("snponly-x86_64.efi"),
        Arch::Arm64Uefi => Some("snponly-arm64.efi"),
        _ => None,
    }
}

/// Which loader is preferred for BIOS machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoaderChoice {
    /// iPXE where the machine or this host has it, else PXELINUX.
    #[default]
    Auto,
    /// Only iPXE.
    Ipxe,
    /// Only PXELINUX, also for a ROM that is iPXE.
    Pxelinux,
}

/// Whose menu machines see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MenuKind {
    /// The one made here, with every image.
    #[default]
    Generated,
    /// The default image's own, untouched.
    Stock,
}

/// What the DHCP answer says about booting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Boot file: a TFTP path or a URL.
    pub file: String,
    /// Option 209, PXELINUX' configuration file.
    pub config: Option<String>,
    /// Option 210, PXELINUX' path prefix.
    pub prefix: Option<String>,
}

/// Why a machine gets an address but nothing to boot. Each is one plain sentence part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLoader {
    /// An initramfs, an installed system, a phone: it did not ask.
    #[error("it did not ask for a boot file")]
    NotAsked,
    /// Nothing here can be booted.
    #[error("no image served has a bootable entry")]
    NothingToBoot,
    /// The firmware has no loader here.
    #[error(
        "there is no loader for {0} machines yet; BIOS machines and those running iPXE can boot"
    )]
    Firmware(Arch),
    /// There would be one if it were installed.
    #[error(
        "no loader for {0} machines was found on this host: install the package ipxe, or put \
         {1} into a folder and name it with --loaders"
    )]
    NoEfiLoader(Arch, &'static str),
    /// It said no architecture.
    #[error("it did not say its architecture (option 93)")]
    NoArch,
    /// `--menu stock`, and the default image has none.
    #[error("--menu stock was asked for, but {0} carries no PXE menu")]
    NoStockMenu(String),
    /// Neither the host nor a medium has a BIOS loader.
    #[error(
        "no BIOS loader was found: not on an image (lpxelinux.0) nor on this host; \
         install the package ipxe or pxelinux with syslinux-common"
    )]
    NoBiosLoader,
}

/// Where PXELINUX' files are found by machines: a folder of the site.
pub const PXELINUX_FOLDER: &str = "loader/pxelinux";

/// What `machine` gets from `server`.
pub fn offer(
    machine: &Machine,
    catalog: &Catalog,
    loaders: &Loaders,
    choice: LoaderChoice,
    menu: MenuKind,
    server: &Server,
) -> Result<Offer, NoLoader> {
    let arch = match (machine.stage, machine.arch) {
        (Stage::Plain, _) => return Err(NoLoader::NotAsked),
        (_, Some(arch)) => arch,
        // Some ROMs send no option 93; iPXE and everything before 2006 is then BIOS.
        (Stage::Ipxe, None) => Arch::X86Bios,
        (_, None) => return Err(NoLoader::NoArch),
    };
    let Some(default) = catalog
        .default_image()
        .filter(|_| catalog.entries().next().is_some())
    else {
        return Err(NoLoader::NothingToBoot);
    };
    if menu == MenuKind::Stock {
        return stock(default, arch);
    }
    let ipxe_script = || Offer {
        file: format!("{}/boot.ipxe", server.http_origin()),
        config: None,
        prefix: None,
    };
    match (machine.stage, arch) {
        (Stage::Ipxe, Arch::X86Bios) if choice == LoaderChoice::Pxelinux => {
            pxelinux(catalog, loaders, server)
        }
        (Stage::Ipxe, _) => Ok(ipxe_script()),
        (Stage::Firmware, Arch::X86Bios) => match (choice, loaders.undionly.is_some()) {
            (LoaderChoice::Auto | LoaderChoice::Ipxe, true) => Ok(Offer {
                file: "loader/undionly.kpxe".into(),
                config: None,
                prefix: None,
            }),
            (LoaderChoice::Ipxe, false) => Err(NoLoader::NoBiosLoader),
            (LoaderChoice::Auto | LoaderChoice::Pxelinux, _) => pxelinux(catalog, loaders, server),
        },
        (Stage::Firmware, arch) => efi(loaders, arch.program()).map(path),
        // UEFI HTTP Boot takes nothing but a URL.
        (Stage::HttpBoot, arch) => {
            let url = |file| path(format!("{}/{file}", server.http_origin()));
            efi(loaders, arch.program()).map(url)
        }
        (Stage::Plain, _) => Err(NoLoader::NotAsked),
    }
}

/// A file that is fetched over TFTP, or over HTTP from a URL of its own.
fn path(file: String) -> Offer {
    Offer {
        file,
        config: None,
        prefix: None,
    }
}

/// iPXE for this firmware, as a path of the site.
fn efi(loaders: &Loaders, arch: Arch) -> Result<String, NoLoader> {
    match efi_loader(arch) {
        Some(name) if loaders.efi.contains_key(name) => Ok(format!("loader/{name}")),
        Some(name) => Err(NoLoader::NoEfiLoader(arch, name)),
        None => Err(NoLoader::Firmware(arch)),
    }
}

fn stock(image: &Image, arch: Arch) -> Result<Offer, NoLoader> {
    if arch != Arch::X86Bios {
        return Err(NoLoader::Firmware(arch));
    }
    let stock = image
        .stock
        .as_ref()
        .ok_or_else(|| NoLoader::NoStockMenu(image.name.clone()))?;
    Ok(Offer {
        file: stock.loader.clone(),
        config: Some(stock.config.clone()),
        prefix: stock.prefix.clone(),
    })
}

fn pxelinux(catalog: &Catalog, loaders: &Loaders, server: &Server) -> Result<Offer, NoLoader> {
    if pxelinux_image(catalog).is_none() && loaders.pxelinux.is_empty() {
        return Err(NoLoader::NoBiosLoader);
    }
    Ok(Offer {
        file: format!("{PXELINUX_FOLDER}/lpxelinux.0"),
        config: Some("pxelinux.cfg/default".into()),
        // A URL as prefix brings modules, menu, kernel and initramfs over HTTP.
        prefix: Some(format!("{}/{PXELINUX_FOLDER}/", server.http_origin())),
    })
}

/// The first image that carries PXELINUX: preferred over the host's, because a loader and its
/// modules must be of one version.
pub fn pxelinux_image(catalog: &Catalog) -> Option<&Image> {
    catalog
        .images()
        .iter()
        .map(AsRef::as_ref)
        .find(|image| image.pxelinux.is_some())
}

/// The entries that start unattended: one for 64-bit machines, one for 32-bit ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootChoice {
    /// Entry for a 64-bit x86 processor.
    pub x86_64: Option<String>,
    /// Entry for a 32-bit x86 processor.
    pub i686: Option<String>,
}

/// `--boot` or `--transport` names nothing that is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no entry or image called '{wanted}'{}; served are: {}",
    nearest.as_ref().map(|n| format!(" (did you mean '{n}'?)")).unwrap_or_default(),
    known.join(", "))]
pub struct UnknownEntry {
    /// What was asked for.
    pub wanted: String,
    /// The closest name there is.
    pub nearest: Option<String>,
    /// Every valid name.
    pub known: Vec<String>,
}

impl UnknownEntry {
    pub(super) fn new(catalog: &Catalog, wanted: &str) -> Self {
        let mut known: Vec<String> = catalog.entries().map(|(_, e)| e.id.clone()).collect();
        known.extend(catalog.images().iter().map(|i| i.name.clone()));
        known.sort();
        known.dedup();
        Self {
            nearest: nearest(wanted, known.iter().map(String::as_str)).map(str::to_owned),
            wanted: wanted.to_owned(),
            known,
        }
    }
}

impl BootChoice {
    /// Resolves `wanted` — an entry, an image (its entry that fits the processor), or nothing for
    /// the first image that can boot.
    pub fn resolve(catalog: &Catalog, wanted: Option<&str>) -> Result<Self, UnknownEntry> {
        let Some(wanted) = wanted else {
            let bootable = catalog.images().iter().find(|i| !i.entries.is_empty());
            return Ok(bootable.map_or_else(Self::default, |i| Self::of_image(i)));
        };
        if let Some((_, entry)) = catalog.entries().find(|(_, e)| e.id == wanted) {
            let id = || Some(entry.id.clone());
            // An entry named outright starts everywhere: a 64-bit kernel says itself that the
            // processor is too old.
            return Ok(Self {
                x86_64: id(),
                i686: id(),
            });
        }
        match catalog
            .image(wanted.as_bytes())
            .filter(|i| !i.entries.is_empty())
        {
            Some(image) => Ok(Self::of_image(image)),
            None => Err(UnknownEntry::new(catalog, wanted)),
        }
    }

    fn of_image(image: &Image) -> Self {
        let for_cpu = |cpu| image.entries.iter().find(|e: &&Entry| e.cpu == cpu);
        let (wide, narrow) = (for_cpu(Cpu::X86_64), for_cpu(Cpu::I686));
        Self {
            x86_64: wide.or(narrow).map(|e| e.id.clone()),
            i686: narrow.or(wide).map(|e| e.id.clone()),
        }
    }
}

/// The candidate fewest edits away from `wanted`, if it is close enough to be meant.
pub fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = wanted.chars().count() / 3 + 1;
    candidates
        .map(|candidate| (edits(wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance of two short strings.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(256).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(256).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::catalog;
    use crate::machine::Mac;

    fn machine(stage: Stage, arch: u16) -> Machine {
        Machine {
            mac: Mac([2; 6]),
            arch: Some(arch.into()),
            stage,
        }
    }

    fn given(m: &Machine, loaders: &Loaders, choice: LoaderChoice) -> Result<String, NoLoader> {
        let server = crate::catalog::testing::server();
        offer(m, &catalog(), loaders, choice, MenuKind::Generated, &server).map(|o| o.file)
    }

    fn host() -> Loaders {
        Loaders {
            undionly: Some(Content::memory(*b"x")),
            ..Loaders::default()
        }
    }

    #[test]
    fn ipxe_is_preferred_and_the_loader_on_the_medium_is_the_fallback() {
        use LoaderChoice::{Auto, Ipxe, Pxelinux};
        let rom = machine(Stage::Ipxe, 0);
        let bios = machine(Stage::Firmware, 0);
        let none = Loaders::default();
        let script = Ok("http://10.0.0.1/boot.ipxe".to_owned());
        let lpxelinux = Ok("loader/pxelinux/lpxelinux.0".to_owned());
        assert_eq!(given(&rom, &none, Auto), script);
        assert_eq!(given(&rom, &none, Ipxe), script);
        assert_eq!(given(&rom, &host(), Pxelinux), lpxelinux);
        assert_eq!(given(&bios, &none, Auto), lpxelinux);
        assert_eq!(
            given(&bios, &host(), Auto),
            Ok("loader/undionly.kpxe".into())
        );
        assert_eq!(given(&bios, &host(), Pxelinux), lpxelinux);
        assert_eq!(given(&bios, &none, Ipxe), Err(NoLoader::NoBiosLoader));
    }

    #[test]
    fn uefi_machines_get_ipxe_and_then_its_script() {
        let loaders = Loaders {
            efi: BTreeMap::from([("snponly-x86_64.efi", Content::memory(*b"x"))]),
            ..Loaders::default()
        };
        for arch in [7, 9, 16, 17] {
            let given = |stage| given(&machine(stage, arch), &loaders, LoaderChoice::Auto);
            assert_eq!(
                given(Stage::Firmware),
                Ok("loader/snponly-x86_64.efi".into())
            );
            assert_eq!(
                given(Stage::HttpBoot),
                Ok("http://10.0.0.1/loader/snponly-x86_64.efi".into())
            );
            assert_eq!(given(Stage::Ipxe), Ok("http://10.0.0.1/boot.ipxe".into()));
        }
    }

    #[test]
    fn silence_has_a_reason() {
        let auto = LoaderChoice::Auto;
        assert_eq!(
            given(&machine(Stage::Plain, 0), &host(), auto),
            Err(NoLoader::NotAsked)
        );
        let uefi = given(&machine(Stage::Firmware, 7), &host(), auto);
        let name = "snponly-x86_64.efi";
        assert_eq!(uefi, Err(NoLoader::NoEfiLoader(Arch::X64Uefi, name)));
        let itanium = given(&machine(Stage::Firmware, 2), &host(), auto);
        assert_eq!(itanium, Err(NoLoader::Firmware(Arch::Other(2))));
        let silent = Machine {
            arch: None,
            ..machine(Stage::Firmware, 0)
        };
        assert_eq!(given(&silent, &host(), auto), Err(NoLoader::NoArch));
        let server = crate::catalog::testing::server();
        let rom = machine(Stage::Ipxe, 0);
        let empty = offer(
            &rom,
            &Catalog::default(),
            &host(),
            auto,
            MenuKind::Stock,
            &server,
        );
        assert_eq!(empty, Err(NoLoader::NothingToBoot));
    }

    #[test]
    fn boot_takes_an_entry_an_image_or_nothing_and_names_the_nearest() {
        let catalog = catalog();
        let choice = |wanted| BootChoice::resolve(&catalog, wanted);
        let of = |a: &str, b: &str| {
            Ok(BootChoice {
                x86_64: Some(a.into()),
                i686: Some(b.into()),
            })
        };
        assert_eq!(choice(None), of("dual-x86_64", "dual-i686"));
        assert_eq!(choice(Some("dual")), of("dual-x86_64", "dual-i686"));
        assert_eq!(choice(Some("dual-i686")), of("dual-i686", "dual-i686"));
        let error = choice(Some("daul-i686")).unwrap_err();
        assert_eq!(error.nearest.as_deref(), Some("dual-i686"));
        assert!(
            error.to_string().contains("did you mean 'dual-i686'?"),
            "{error}"
        );
        assert_eq!(choice(Some("windows")).unwrap_err().nearest, None);
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
    }
}
