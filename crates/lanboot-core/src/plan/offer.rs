//! The offer for one machine: the loader its firmware gets, or the script iPXE gets.

use std::net::IpAddr;

use super::bare_grub::bare_grub;
use super::boot_choice::BootChoice;
use super::loader_choice::LoaderChoice;
use super::menu_kind::MenuKind;
use super::programs::Programs;
use crate::catalog::{Catalog, Image, Server};
use crate::images::{Firmware, MenuLoader};
use crate::loaders::{
    AnyLoader, BootRequest, GrubBehindShim, IpxeBehindShim, IpxeLoader, LoaderKind, LoaderOffer,
    LoaderRoute, Loaders, NoLoader, Pxelinux, SecureArch, ShimGrub, ShimGrubPart,
};
use crate::machine::{Arch, Machine, Stage};
use crate::route::{FilePath, Route};

/// The warning in an offer of iPXE without a shim of its own.
const NEEDS_SECURE_BOOT_OFF: &str =
    "it starts only with Secure Boot off (lanboot doctor names the packages for on)";

/// The file that a machine loads. DHCP and the exports turn it into options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The server it is on.
    pub server: IpAddr,
    /// Its path for TFTP, or a whole URL for those that read one.
    pub file: String,
    /// PXELINUX' configuration file (option 209).
    pub config: Option<String>,
    /// PXELINUX' path prefix (option 210), with its last slash.
    pub prefix: Option<String>,
    /// The warning to log: why this machine does not get what it was to get.
    pub warning: Option<String>,
}

/// The input of offers.
#[derive(Clone, Copy, Debug)]
pub struct Offers<'a> {
    /// The images.
    pub catalog: &'a Catalog,
    /// The loaders there are.
    pub loaders: &'a Loaders,
    /// The operator's choice of loader.
    pub choice: &'a LoaderChoice,
    /// The entry that starts when nobody presses a key.
    pub boot: &'a BootChoice,
    /// The menu to show.
    pub menu: MenuKind,
    /// Another server gives the addresses, and the answer that does so names another one as the
    /// server with the files (`siaddr`).
    pub proxy: bool,
}

/// Returns the offer of `server` for `machine`, or the reason for none.
pub fn offer(machine: &Machine, from: &Offers<'_>, server: &Server) -> Result<Offer, NoLoader> {
    let Offers { catalog, menu, .. } = *from;
    // Plain clients say theirs at times and load nothing all the same.
    let unsaid = machine.stage.unsaid_arch().ok_or(NoLoader::NotAsked)?;
    let arch = machine.arch.unwrap_or(unsaid);
    let (kind, is_named) = from.choice.of(machine.mac);
    // What is no entry because its system would miss the RAM disk is served to those it was asked for.
    let is_iso = kind == LoaderKind::Iso && machine.stage == Stage::HttpBoot;
    let gets_iso = || is_iso && from.boot.ram_disk(catalog, arch).is_some();
    if catalog.starts().next().is_none() && !gets_iso() {
        return Err(NoLoader::nothing(catalog));
    }
    let asked = LoaderRequest {
        programs: Programs {
            catalog,
            loaders: from.loaders,
            boot: from.boot,
        },
        request: BootRequest {
            arch: arch.program(),
            http: machine.stage == Stage::HttpBoot,
            proxy: from.proxy,
        },
    };
    if let (MenuKind::Generated, Some(whole)) = (menu, asked.whole_image(kind)) {
        return whole.map(|offer| asked.at(offer, server));
    }
    if machine.stage == Stage::Ipxe {
        return match (menu, kind.loader()) {
            (MenuKind::Stock, _) => asked.stock().map(|offer| asked.at(offer, server)),
            (MenuKind::Generated, Some(loader)) if loader.replaces_ipxe(asked.request.arch) => {
                asked.of(loader).map(|offer| asked.at(offer, server))
            }
            // What iPXE cannot start, PXELINUX may.
            (MenuKind::Generated, None)
                if kind == LoaderKind::Auto
                    && asked.request.arch == Arch::X86Bios
                    && asked.is_not_for(MenuLoader::Ipxe)
                    && asked.of(&Pxelinux).is_ok() =>
            {
                asked.of(&Pxelinux).map(|offer| asked.at(offer, server))
            }
            (MenuKind::Generated, _) => Ok(Offer {
                server: server.http.host,
                file: Route::IpxeMenu.url(&server.http),
                config: None,
                prefix: None,
                warning: asked.nothing_fits(),
            }),
        };
    }
    let unable = asked.unable(kind);
    let offer = match (menu, &unable) {
        (MenuKind::Stock, _) => return asked.stock().map(|offer| asked.at(offer, server)),
        (MenuKind::Generated, None) => asked.by(kind),
        (MenuKind::Generated, Some(_)) => asked.by(LoaderKind::Auto),
    };
    let unable = unable.filter(|_| is_named).map(|why| why.to_string());
    // A RAM disk brings its own loader and kernel.
    let empty = asked.nothing_fits().filter(|_| kind != LoaderKind::Iso);
    offer.map(|offer| Offer {
        warning: unable.or_else(|| joined(offer.warning.clone(), empty)),
        ..asked.at(offer, server)
    })
}

/// Joins two warnings.
fn joined(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    }
}

/// Returns the file that firmware of this kind gets where nobody says otherwise. With `secure`,
/// only one that also starts with Secure Boot on; with `proxy`, only one that boots where another
/// server gives the addresses.
pub fn usual_loader(
    catalog: &Catalog,
    loaders: &Loaders,
    arch: Arch,
    secure: bool,
    proxy: bool,
) -> Result<Route, NoLoader> {
    let boot = &BootChoice::first(catalog);
    let asked = LoaderRequest {
        programs: Programs {
            catalog,
            loaders,
            boot,
        },
        request: BootRequest {
            arch: arch.program(),
            http: arch.is_http(),
            proxy,
        },
    };
    let offer = match secure {
        true => asked.secure(),
        false => asked.by(LoaderKind::Auto),
    };
    offer.map(|offer| offer.route)
}

/// The file to load, before it is written for one machine.
#[derive(Clone, Debug)]
struct Planned {
    route: Route,
    /// PXELINUX' configuration file, relative to the prefix.
    config: Option<String>,
    prefix: Option<Prefix>,
    warning: Option<String>,
}

/// PXELINUX' path prefix.
#[derive(Clone, Debug)]
enum Prefix {
    /// A folder below `loader`.
    Loader(&'static str),
    /// A folder of the default image.
    Medium(String),
}

impl Planned {
    fn new(route: Route) -> Self {
        Self {
            route,
            config: None,
            prefix: None,
            warning: None,
        }
    }
}

impl From<LoaderOffer<LoaderRoute>> for Planned {
    fn from(offer: LoaderOffer<LoaderRoute>) -> Self {
        Self {
            config: offer.config.map(str::to_owned),
            prefix: offer.folder.map(Prefix::Loader),
            ..Self::new(Route::Loader(offer.file))
        }
    }
}

/// A request of firmware, and what there is for it.
struct LoaderRequest<'a> {
    programs: Programs<'a>,
    request: BootRequest,
}

impl LoaderRequest<'_> {
    /// Returns why such firmware cannot use this kind, whatever is installed here.
    fn unable(&self, kind: LoaderKind) -> Option<NoLoader> {
        let BootRequest { arch, http, .. } = self.request;
        let able = match (kind, kind.loader()) {
            (LoaderKind::Grub, _) if self.bare_grub().is_some() => true,
            (_, Some(loader)) => loader.supports(&self.request),
            (LoaderKind::Iso, None) if arch == Arch::X86Bios => false,
            (LoaderKind::Iso, None) if !http => return Some(NoLoader::NotByPxe),
            (_, None) => true,
        };
        (!able).then(|| NoLoader::NotForThis(kind.name(), arch))
    }

    /// Returns the warning where its menu will be empty.
    fn nothing_fits(&self) -> Option<String> {
        let is_known = !matches!(self.request.arch, Arch::Other(_));
        let mut entries = self.programs.catalog.entries();
        let fits = entries.any(|(_, entry)| entry.runs_on(self.request.arch));
        if self.is_whole_asked_for() {
            return self.about_whole_images();
        }
        (is_known && !fits)
            .then(|| format!("no image served is for {} machines", self.request.arch))
    }

    /// Returns whether what is to start unattended is a whole image, on whatever machine.
    fn is_whole_asked_for(&self) -> bool {
        let named = self.programs.boot.images(self.programs.catalog).next();
        self.programs.boot.is_named() && named.is_some_and(Image::is_whole_entry)
    }

    /// Returns the whole image where that is what starts on this machine, or the reason where
    /// nothing else could start and this machine cannot start it.
    fn whole_image(&self, kind: LoaderKind) -> Option<Result<Planned, NoLoader>> {
        if self.request.http && kind == LoaderKind::Iso {
            // What was asked for by name is answered for by name.
            return None;
        }
        let chosen = self
            .programs
            .boot
            .whole_image(self.programs.catalog, self.request.arch);
        // iPXE that was asked for by name starts a disk itself.
        let is_ipxe = matches!(kind, LoaderKind::Ipxe | LoaderKind::IpxeNative);
        let by_ipxe = |image: &Image| is_ipxe && !image.is_whole_entry();
        let chosen = chosen.filter(|image| self.request.http && !by_ipxe(image));
        if let Some(image) = chosen {
            return Some(Ok(ram_disk(image)));
        }
        if self.programs.catalog.entries().next().is_some() {
            return None;
        }
        Some(Err(NoLoader::OnlyWhole(self.about_whole_images()?)))
    }

    /// Returns the reason why this machine does not start an image that starts as a whole.
    fn about_whole_images(&self) -> Option<String> {
        let said = self.programs.catalog.about_whole_images()?;
        let BootRequest { arch, http, .. } = self.request;
        Some(match http {
            _ if arch == Arch::X86Bios => format!("{said}, and this machine has a BIOS"),
            true => format!("{said}, and not on {arch} machines"),
            false => format!("{said}: choose HTTP Boot in the firmware's boot menu"),
        })
    }

    fn by(&self, kind: LoaderKind) -> Result<Planned, NoLoader> {
        if let Some(loader) = kind.loader() {
            return match self.of(loader) {
                Err(why @ NoLoader::GrubWithoutProxy(..)) => self.instead(why),
                Err(why) if kind == LoaderKind::Grub => self.bare_grub().ok_or(why),
                offer => offer,
            };
        }
        match kind {
            LoaderKind::Iso => self.asked_ram_disk(),
            // Behind its own shim it starts with Secure Boot on and off.
            LoaderKind::Ipxe => self.of(&IpxeBehindShim).or_else(|_| self.firmware_ipxe()),
            _ if self.request.arch == Arch::X86Bios && self.is_not_for(MenuLoader::Ipxe) => {
                self.of(&Pxelinux).or_else(|_| self.firmware_ipxe())
            }
            _ if self.request.arch == Arch::X86Bios => {
                self.firmware_ipxe().or_else(|_| self.of(&Pxelinux))
            }
            _ if self.is_not_for(MenuLoader::Grub) => {
                let signed = self.of(&IpxeBehindShim);
                let ipxe = signed.or_else(|_| self.firmware_ipxe());
                let grub = ipxe.or_else(|_| self.secure());
                grub.or_else(|why| self.bare_grub().ok_or(why))
            }
            _ => {
                let secure = self.secure();
                let offer = secure.or_else(|why| self.bare_grub().ok_or(why));
                offer.or_else(|why| self.unsigned(why))
            }
        }
    }

    /// Offers a medium's own GRUB for firmware for which nobody signs one. It was built to come over TFTP.
    fn bare_grub(&self) -> Option<Planned> {
        let found = bare_grub(self.programs.catalog, self.request.arch);
        let (_, path) = found.filter(|_| !self.request.http)?;
        Some(Planned::new(Route::Root(FilePath::from(path))))
    }

    /// Returns whether a menu of `loader` cannot start what is to start here unattended.
    fn is_not_for(&self, loader: MenuLoader) -> bool {
        let Some(firmware) = Firmware::of(self.request.arch) else {
            return false;
        };
        let start = self.programs.boot.entry(self.programs.catalog, firmware);
        start.is_some_and(|(_, entry)| !entry.starts_by(loader, firmware))
    }

    /// Returns the offer of this loader.
    fn of(&self, loader: &dyn AnyLoader) -> Result<Planned, NoLoader> {
        loader.offer(&self.request, &self.programs).map(Into::into)
    }

    /// Offers iPXE on top of the firmware's driver.
    fn firmware_ipxe(&self) -> Result<Planned, NoLoader> {
        self.of(&IpxeLoader { native: false })
    }

    /// Offers the image as a RAM disk where `--loader iso` asks for it.
    fn asked_ram_disk(&self) -> Result<Planned, NoLoader> {
        let Programs { catalog, boot, .. } = self.programs;
        let arch = self.request.arch;
        if let Some(image) = boot.ram_disk(catalog, arch) {
            return Ok(ram_disk(image));
        }
        let image = boot.images(catalog).next().ok_or(NoLoader::NothingToBoot)?;
        if let Some(damage) = image.whole().damage() {
            let said = format!("{} is {damage}", image.file);
            return Err(NoLoader::Incomplete(said));
        }
        Err(NoLoader::NoEfiImage(image.file.clone(), arch))
    }

    /// Offers a loader that also starts with Secure Boot on. Where GRUB would need a disk made for
    /// it, iPXE behind its own shim is the shorter way.
    fn secure(&self) -> Result<Planned, NoLoader> {
        let (pair, ipxe) = (self.of(&GrubBehindShim), self.of(&IpxeBehindShim));
        let needs_disk = |planned: &Planned| {
            matches!(&planned.route, Route::Loader(LoaderRoute::ShimGrub(file))
                if file.part == ShimGrubPart::Disk)
        };
        match (pair, ipxe) {
            (Ok(pair), Ok(ipxe)) if needs_disk(&pair) => Ok(ipxe),
            (Err(_), Ok(ipxe)) => Ok(ipxe),
            (pair, _) => pair,
        }
    }

    /// Offers what replaces GRUB where that was asked for by name and cannot boot.
    fn instead(&self, why: NoLoader) -> Result<Planned, NoLoader> {
        match self.of(&IpxeBehindShim) {
            Ok(offer) => Ok(Planned {
                warning: Some(format!("iPXE behind its own shim instead of GRUB: {why}")),
                ..offer
            }),
            Err(_) => self.unsigned(why),
        }
    }

    /// Offers iPXE, where there is nothing that starts with Secure Boot on, for the reason `why`.
    fn unsigned(&self, why: NoLoader) -> Result<Planned, NoLoader> {
        let is_reported = matches!(why, NoLoader::GrubWithoutProxy(..));
        match self.firmware_ipxe() {
            Ok(offer) if is_reported => Ok(Planned {
                warning: Some(format!(
                    "iPXE, which does not start with Secure Boot on, instead of GRUB: {why} (lanboot \
                     doctor names a package with one that boots here)"
                )),
                ..offer
            }),
            Err(no_ipxe) if is_reported => Err(NoLoader::Neither(Box::new(why), Box::new(no_ipxe))),
            // Firmware that refuses it says so on the machine's screen only.
            Ok(offer) if SecureArch::of(self.request.arch).is_some() => Ok(Planned {
                warning: Some(NEEDS_SECURE_BOOT_OFF.into()),
                ..offer
            }),
            ipxe => ipxe,
        }
    }

    /// Offers the default image's own menu: for BIOS its PXELINUX, for UEFI its shim with the GRUB
    /// and the `grub.cfg` that belong to it.
    fn stock(&self) -> Result<Planned, NoLoader> {
        let image = self.programs.catalog.default_image();
        let image = image.ok_or(NoLoader::NothingToBoot)?;
        let none = || NoLoader::NoStockMenu(image.name.clone());
        if self.request.arch == Arch::X86Bios && !self.request.http {
            let stock = image.found.stock.as_ref().ok_or_else(none)?;
            return Ok(Planned {
                config: Some(stock.config.clone()),
                prefix: stock.prefix.clone().map(Prefix::Medium),
                ..Planned::new(Route::Root(FilePath::from(&*stock.loader)))
            });
        }
        let has_menu = |pair: &&ShimGrub| {
            let menu = format!("{}/grub.cfg", pair.grub.prefix);
            let knows = if self.request.http {
                pair.grub.http
            } else {
                pair.grub.tftp
            };
            pair.arch() == self.request.arch && knows && image.tree.file(&menu).is_some()
        };
        let pairs = || image.loaders.pairs.iter().filter(has_menu);
        let mut fit = pairs().filter(|pair| pair.boots_for(&self.request).is_ok());
        let Some(pair) = fit.next().or_else(|| pairs().next()) else {
            let bare = bare_grub(self.programs.catalog, self.request.arch);
            let is_own = bare.is_some_and(|(of, _)| of.name == image.name);
            return self.bare_grub().filter(|_| is_own).ok_or_else(none);
        };
        pair.boots_for(&self.request)?;
        Ok(Planned::new(Route::Root(FilePath::from(&*pair.shim.from))))
    }

    /// Writes the offer as this firmware takes it: a URL for HTTP Boot, and for PXELINUX a URL as
    /// prefix, which brings modules, menu, kernel and initramfs over HTTP.
    fn at(&self, planned: Planned, server: &Server) -> Offer {
        let origin = &server.http;
        let Planned { route, config, .. } = planned;
        Offer {
            server: server.http.host,
            file: if self.request.http {
                route.url(origin)
            } else {
                route.to_string()
            },
            config,
            prefix: planned.prefix.map(|prefix| match prefix {
                Prefix::Loader(folder) => format!("{origin}/loader/{folder}/"),
                Prefix::Medium(folder) => folder,
            }),
            warning: planned.warning,
        }
    }
}

/// Offers the image as firmware makes a disk of it in memory: by its media type, a disc or a drive.
fn ram_disk(image: &Image) -> Planned {
    let name = image.name.clone();
    Planned::new(match image.found.is_drive() {
        true => Route::RamDrive(name),
        false => Route::RamDisk(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Cpu, StockMenu};
    use crate::machine::Mac;
    use crate::testing::{catalog, image, server, shim_grub as made, shim_grub_without_proxy};
    use crate::vfs::{Content, Kind, Meta, Tree, TreeBuilder};
    use std::sync::Arc;

    const MAC: Mac = Mac([2; 6]);

    fn machine(stage: Stage, arch: u16) -> Machine {
        Machine {
            mac: MAC,
            arch: Some(arch.into()),
            stage,
            uuid: None,
        }
    }

    fn all(kind: LoaderKind) -> LoaderChoice {
        LoaderChoice {
            all: kind,
            of: Vec::new(),
        }
    }

    fn offered(m: &Machine, loaders: &Loaders, choice: &LoaderChoice) -> Result<Offer, NoLoader> {
        offered_as(m, loaders, choice, false)
    }

    fn offered_as(
        m: &Machine,
        loaders: &Loaders,
        choice: &LoaderChoice,
        proxy: bool,
    ) -> Result<Offer, NoLoader> {
        let from = Offers {
            catalog: &catalog(),
            loaders,
            choice,
            boot: &BootChoice::default(),
            menu: MenuKind::Generated,
            proxy,
        };
        offer(m, &from, &server())
    }

    /// Returns what is made for these images when everything else is as usual.
    fn of<'a>(
        catalog: &'a Catalog,
        loaders: &'a Loaders,
        choice: &'a LoaderChoice,
        boot: &'a BootChoice,
    ) -> Offers<'a> {
        Offers {
            catalog,
            loaders,
            choice,
            boot,
            menu: MenuKind::Generated,
            proxy: false,
        }
    }

    fn given(m: &Machine, loaders: &Loaders, kind: LoaderKind) -> Result<String, NoLoader> {
        offered(m, loaders, &all(kind)).map(|o| o.file)
    }

    fn signed_ipxe() -> crate::loaders::SignedIpxe {
        crate::testing::signed_ipxe(Arch::X64Uefi)
    }

    fn host(names: &[&'static str]) -> Loaders {
        let file = |name: &&'static str| (*name, Content::memory(*b"x"));
        Loaders {
            programs: names.iter().map(file).collect(),
            ..Loaders::default()
        }
    }

    #[test]
    fn ipxe_is_preferred_and_the_loader_on_the_medium_is_the_fallback() {
        use LoaderKind::{Auto, Ipxe, IpxeNative, Pxelinux};
        let rom = machine(Stage::Ipxe, 0);
        let bios = machine(Stage::Firmware, 0);
        let none = Loaders::default();
        let host = host(&["undionly.kpxe", "ipxe.pxe"]);
        let script = Ok("http://10.0.0.1/boot.ipxe".to_owned());
        let lpxelinux = Ok("loader/pxelinux/lpxelinux.0".to_owned());
        assert_eq!(given(&rom, &none, Auto), script);
        assert_eq!(given(&rom, &none, Ipxe), script);
        assert_eq!(given(&rom, &host, Pxelinux), lpxelinux);
        assert_eq!(given(&bios, &none, Auto), lpxelinux);
        assert_eq!(given(&bios, &host, Auto), Ok("loader/undionly.kpxe".into()));
        assert_eq!(
            given(&bios, &host, IpxeNative),
            Ok("loader/ipxe.pxe".into())
        );
        assert_eq!(given(&bios, &host, Pxelinux), lpxelinux);
        assert_eq!(given(&bios, &none, Ipxe), Err(NoLoader::NoBiosLoader));
    }

    #[test]
    fn uefi_machines_get_ipxe_and_then_its_script() {
        let loaders = host(&["snponly-x86_64.efi", "ipxe-x86_64.efi"]);
        let snponly = "loader/snponly-x86_64.efi";
        for arch in [7, 9, 16, 17] {
            let given = |stage, kind| given(&machine(stage, arch), &loaders, kind);
            assert_eq!(given(Stage::Firmware, LoaderKind::Auto), Ok(snponly.into()));
            assert_eq!(
                given(Stage::HttpBoot, LoaderKind::Auto),
                Ok(format!("http://10.0.0.1/{snponly}"))
            );
            let native = Ok("loader/ipxe-x86_64.efi".into());
            assert_eq!(given(Stage::Firmware, LoaderKind::IpxeNative), native);
            let script = Ok("http://10.0.0.1/boot.ipxe".into());
            assert_eq!(given(Stage::Ipxe, LoaderKind::Auto), script);
        }
        // Debian builds arm64 with its own drivers only.
        let debian = host(&["ipxe-arm64.efi"]);
        let arm = given(&machine(Stage::Firmware, 11), &debian, LoaderKind::Auto);
        assert_eq!(arm, Ok("loader/ipxe-arm64.efi".into()));
        let native = given(
            &machine(Stage::Firmware, 7),
            &host(&["snponly-x86_64.efi"]),
            LoaderKind::IpxeNative,
        );
        assert_eq!(
            native,
            Err(NoLoader::NoEfiLoader(Arch::X64Uefi, "ipxe-x86_64.efi"))
        );
    }

    #[test]
    fn a_chain_that_works_with_secure_boot_goes_before_ipxe() {
        let (x64, arm) = (Arch::X64Uefi, Arch::Arm64Uefi);
        let loaders = Loaders {
            shim_grubs: vec![made(x64, "Debian", false), made(arm, "Debian", true)],
            ..host(&["snponly-x86_64.efi"])
        };
        let given = |stage, arch, kind| given(&machine(stage, arch), &loaders, kind);
        let pair = Ok("loader/secure/x86_64/shimx64.efi".into());
        assert_eq!(given(Stage::Firmware, 7, LoaderKind::Auto), pair);
        assert_eq!(given(Stage::Firmware, 9, LoaderKind::Grub), pair);
        let url = "http://10.0.0.1/loader/secure-http/arm64/shimaa64.efi".to_owned();
        assert_eq!(given(Stage::HttpBoot, 19, LoaderKind::Auto), Ok(url));
        // A GRUB that only knows TFTP would hang behind HTTP Boot, and does not on a disk.
        let disk = Ok("http://10.0.0.1/loader/secure-http/x86_64/boot.img".into());
        assert_eq!(given(Stage::HttpBoot, 16, LoaderKind::Auto), disk);
        let ipxe = Ok("http://10.0.0.1/loader/snponly-x86_64.efi".into());
        assert_eq!(given(Stage::HttpBoot, 16, LoaderKind::Ipxe), ipxe);
        let ipxe = Ok("loader/snponly-x86_64.efi".into());
        assert_eq!(given(Stage::Firmware, 7, LoaderKind::Ipxe), ipxe);
    }

    /// A GRUB without proxyDHCP support asks the router for its files, for ever: Debian 12's was
    /// seen to.
    #[test]
    fn beside_another_dhcp_server_only_a_grub_that_finds_its_files_is_offered() {
        let (x64, able, unable) = (Arch::X64Uefi, made(Arch::X64Uefi, "Debian", false), {
            shim_grub_without_proxy(Arch::X64Uefi, "Debian", false)
        });
        let host_has = |pair: &ShimGrub, ipxe: &[&'static str], signed: bool| Loaders {
            shim_grubs: vec![pair.clone()],
            signed_ipxe: signed.then(signed_ipxe).into_iter().collect(),
            ..host(ipxe)
        };
        let (shim, snponly) = ("loader/secure/x86_64/shimx64.efi", "snponly-x86_64.efi");
        let its_shim = "loader/secure-ipxe/x86_64/snponly-shimx64.efi";
        let pxe = machine(Stage::Firmware, 7);
        let file = |loaders: &Loaders, kind, proxy| {
            offered_as(&pxe, loaders, &all(kind), proxy).map(|offer| (offer.file, offer.warning))
        };
        let plain = |file: &str| Ok((file.to_owned(), None));
        for (pair, signed, kinds, proxy, expected) in [
            (
                &able,
                false,
                [LoaderKind::Auto, LoaderKind::Grub],
                true,
                shim,
            ),
            (
                &unable,
                false,
                [LoaderKind::Auto, LoaderKind::Grub],
                false,
                shim,
            ),
            (
                &unable,
                true,
                [LoaderKind::Auto, LoaderKind::Auto],
                true,
                its_shim,
            ),
        ] {
            for kind in kinds {
                let loaders = host_has(pair, &[snponly], signed);
                assert_eq!(
                    file(&loaders, kind, proxy),
                    plain(expected),
                    "{kind} {proxy}"
                );
            }
        }
        for (signed, kind, expected, said) in [
            (
                false,
                LoaderKind::Auto,
                "loader/snponly-x86_64.efi",
                "iPXE, which does not start with",
            ),
            (
                false,
                LoaderKind::Grub,
                "loader/snponly-x86_64.efi",
                "iPXE, which does not start with",
            ),
            (
                true,
                LoaderKind::Grub,
                its_shim,
                "iPXE behind its own shim instead of GRUB: ",
            ),
        ] {
            let loaders = host_has(&unable, &[snponly], signed);
            let (file, warning) = file(&loaders, kind, true).unwrap();
            let warning = warning.unwrap();
            assert_eq!(file, expected, "{kind}");
            assert!(warning.starts_with(said), "{warning}");
            assert!(
                warning.contains("GRUB 2.06 (grub) would look for its files on"),
                "{warning}"
            );
        }
        let bare = host_has(&unable, &[], false);
        let why = file(&bare, LoaderKind::Auto, true).unwrap_err();
        assert!(matches!(why, NoLoader::Neither(..)), "{why}");
        // HTTP Boot's GRUB learns the server in another way.
        let http = machine(Stage::HttpBoot, 16);
        let disk = offered_as(&http, &bare, &all(LoaderKind::Auto), true).unwrap();
        assert!(disk.file.ends_with("/loader/secure-http/x86_64/boot.img"));
        assert_eq!(disk.warning, None);
        let usual = |secure, proxy| {
            let loaders = host_has(&unable, &[snponly], false);
            let route = usual_loader(&catalog(), &loaders, x64, secure, proxy);
            route.map(|route| route.to_string())
        };
        assert_eq!(usual(true, false), Ok(shim.into()));
        assert_eq!(usual(false, true), Ok("loader/snponly-x86_64.efi".into()));
        assert!(usual(true, true).is_err());
    }

    /// Its own menu is all a machine gets then, whatever loaders and transports there are.
    #[test]
    fn a_stock_menu_is_offered_with_its_own_loader() {
        let mut image = image("live", &[Cpu::X86_64]);
        image.found.stock = Some(StockMenu {
            loader: "boot/syslinux/lpxelinux.0".into(),
            config: "archiso.cfg".into(),
            prefix: Some("/boot/".into()),
        });
        let catalog = Catalog::new(vec![Arc::new(image)]);
        let first = BootChoice::first(&catalog);
        let loaders = host(&["undionly.kpxe", "snponly-x86_64.efi", "lpxelinux.0"]);
        let expected = Offer {
            server: server().http.host,
            file: "boot/syslinux/lpxelinux.0".into(),
            config: Some("archiso.cfg".into()),
            prefix: Some("/boot/".into()),
            warning: None,
        };
        for kind in [LoaderKind::Auto, LoaderKind::Ipxe, LoaderKind::Pxelinux] {
            let choice = all(kind);
            let from = Offers {
                menu: MenuKind::Stock,
                ..of(&catalog, &loaders, &choice, &first)
            };
            let offered = |stage, arch| offer(&machine(stage, arch), &from, &server());
            assert_eq!(
                offered(Stage::Firmware, 0).as_ref(),
                Ok(&expected),
                "{kind:?}"
            );
            assert_eq!(offered(Stage::Ipxe, 0).as_ref(), Ok(&expected), "{kind:?}");
            // The medium has none for these.
            let none = Err(NoLoader::NoStockMenu("live".into()));
            assert_eq!(offered(Stage::Firmware, 7), none, "{kind:?}");
            assert_eq!(offered(Stage::HttpBoot, 16), none, "{kind:?}");
        }
    }

    /// The image's own shim and GRUB meet the same rule.
    #[test]
    fn a_stock_menu_behind_a_grub_that_would_hang_is_refused() {
        let offered = |pairs: &[ShimGrub], proxy| {
            let mut image = image("live", &[Cpu::X86_64]);
            image.loaders.pairs = pairs.to_vec();
            let mut tree = TreeBuilder::new(Meta::default());
            let folder = Kind::Directory(Vec::new());
            let folder = tree
                .add(Tree::ROOT, b"grub", folder, Meta::default())
                .unwrap();
            let menu = Kind::File(Content::memory(*b"menu"));
            tree.add(folder, b"grub.cfg", menu, Meta::default())
                .unwrap();
            image.tree = Arc::new(tree.build());
            let catalog = Catalog::new(vec![Arc::new(image)]);
            let (choice, first) = (all(LoaderKind::Auto), BootChoice::first(&catalog));
            let loaders = host(&["snponly-x86_64.efi"]);
            let from = Offers {
                menu: MenuKind::Stock,
                proxy,
                ..of(&catalog, &loaders, &choice, &first)
            };
            offer(&machine(Stage::Firmware, 7), &from, &server()).map(|offer| offer.file)
        };
        let (old, mut new) = (
            shim_grub_without_proxy(Arch::X64Uefi, "Debian", false),
            made(Arch::X64Uefi, "Debian", false),
        );
        new.shim.from = "EFI/new/shim".into();
        assert_eq!(
            offered(std::slice::from_ref(&old), false),
            Ok("shim".into())
        );
        let refused = offered(std::slice::from_ref(&old), true);
        assert!(
            matches!(refused, Err(NoLoader::GrubWithoutProxy(..))),
            "{refused:?}"
        );
        assert_eq!(offered(&[old, new], true), Ok("EFI/new/shim".into()));
    }

    #[test]
    fn ipxe_behind_its_own_shim_serves_http_boot_too() {
        let loaders = Loaders {
            shim_grubs: vec![made(Arch::X64Uefi, "Debian", false)],
            signed_ipxe: vec![signed_ipxe()],
            ..Loaders::default()
        };
        let given = given(&machine(Stage::HttpBoot, 16), &loaders, LoaderKind::Auto);
        let url = "http://10.0.0.1/loader/secure-ipxe/x86_64/snponly-shimx64.efi";
        assert_eq!(given, Ok(url.into()));
        let ipxe = |kind, ipxe: &[&'static str]| {
            let loaders = Loaders {
                signed_ipxe: vec![signed_ipxe()],
                ..host(ipxe)
            };
            offered(&machine(Stage::Firmware, 7), &loaders, &all(kind)).map(|o| o.file)
        };
        let both = ["snponly-x86_64.efi", "ipxe-x86_64.efi"];
        let shim = Ok("loader/secure-ipxe/x86_64/snponly-shimx64.efi".to_owned());
        assert_eq!(ipxe(LoaderKind::Ipxe, &both), shim);
        // For machines on which the signed build hangs.
        let native = Ok("loader/ipxe-x86_64.efi".into());
        assert_eq!(ipxe(LoaderKind::IpxeNative, &both), native);
    }

    #[test]
    fn an_offer_says_that_its_loader_needs_secure_boot_off() {
        let unsigned = host(&["undionly.kpxe", "snponly-x86_64.efi", "ipxe-i386.efi"]);
        let signed = Loaders {
            shim_grubs: vec![made(Arch::X64Uefi, "Debian", false)],
            ..host(&["snponly-x86_64.efi"])
        };
        for (loaders, stage, arch, off) in [
            (&unsigned, Stage::Firmware, 7, true),
            (&unsigned, Stage::HttpBoot, 16, true),
            (&unsigned, Stage::Firmware, 0, false),
            (&unsigned, Stage::Firmware, 6, true),
            (&unsigned, Stage::Ipxe, 7, false),
            (&signed, Stage::Firmware, 7, false),
        ] {
            let offer = offered(&machine(stage, arch), loaders, &all(LoaderKind::Auto)).unwrap();
            let off = off.then_some(NEEDS_SECURE_BOOT_OFF);
            assert_eq!(offer.warning.as_deref(), off, "{stage:?} {arch}");
        }
    }

    #[test]
    fn what_firmware_cannot_do_falls_back_with_a_warning_where_it_was_asked_for_by_name() {
        let loaders = host(&["undionly.kpxe", "snponly-x86_64.efi", "ipxe-riscv64.efi"]);
        let named = |kind| LoaderChoice {
            all: LoaderKind::Auto,
            of: vec![(MAC, kind)],
        };
        for (stage, arch, kind, file) in [
            (
                Stage::Firmware,
                7,
                LoaderKind::Pxelinux,
                "loader/snponly-x86_64.efi",
            ),
            (
                Stage::Firmware,
                7,
                LoaderKind::Iso,
                "loader/snponly-x86_64.efi",
            ),
            (Stage::Firmware, 0, LoaderKind::Grub, "loader/undionly.kpxe"),
            (Stage::Firmware, 0, LoaderKind::Iso, "loader/undionly.kpxe"),
            (
                Stage::Firmware,
                27,
                LoaderKind::Grub,
                "loader/ipxe-riscv64.efi",
            ),
        ] {
            let machine = machine(stage, arch);
            let named = offered(&machine, &loaders, &named(kind)).unwrap();
            assert_eq!(named.file, file);
            let warning = named.warning.unwrap();
            assert!(warning.contains(&format!("--loader {kind} ")), "{warning}");
            let silent = offered(&machine, &loaders, &all(kind)).unwrap();
            let said = match arch {
                7 => Some(NEEDS_SECURE_BOOT_OFF),
                27 => Some("no image served is for riscv64 UEFI machines"),
                _ => None,
            };
            assert_eq!(
                (silent.file.as_str(), silent.warning.as_deref()),
                (file, said)
            );
        }
        let missing = offered(
            &machine(Stage::Firmware, 7),
            &loaders,
            &named(LoaderKind::Grub),
        );
        assert_eq!(missing, Err(NoLoader::NoShimGrub(Arch::X64Uefi)));
    }

    #[test]
    fn riscv_machines_get_the_mediums_own_grub_for_which_there_is_no_shim() {
        let path = "debian-installer/riscv64/bootnetriscv64.efi";
        let mut riscv = image("risc", &[Cpu::Riscv64]);
        riscv.tree = Arc::new(crate::testing::tree(&[(path, "g")]));
        let catalog = Catalog::new(vec![Arc::new(riscv)]);
        let host = host(&["ipxe-riscv64.efi"]);
        let first = BootChoice::first(&catalog);
        let asked = |menu, stage, code, kind| {
            let choice = LoaderChoice {
                all: LoaderKind::Auto,
                of: vec![(MAC, kind)],
            };
            let from = Offers {
                menu,
                ..of(&catalog, &host, &choice, &first)
            };
            let offer = offer(&machine(stage, code), &from, &server());
            offer.map(|offer| (offer.file, offer.warning))
        };
        let generated = |kind| asked(MenuKind::Generated, Stage::Firmware, 27, kind);
        for kind in [LoaderKind::Auto, LoaderKind::Grub] {
            assert_eq!(generated(kind), Ok((path.to_owned(), None)));
        }
        let ipxe = |(file, _): (String, _)| file.ends_with("loader/ipxe-riscv64.efi");
        assert!(generated(LoaderKind::Ipxe).is_ok_and(ipxe));
        // It came over TFTP when it was built, and is asked for nothing else.
        let http = asked(MenuKind::Generated, Stage::HttpBoot, 28, LoaderKind::Auto);
        assert!(http.is_ok_and(ipxe));
        let stock = asked(MenuKind::Stock, Stage::Firmware, 27, LoaderKind::Auto);
        assert_eq!(stock, Ok((path.to_owned(), None)));
        let x64 = asked(MenuKind::Stock, Stage::Firmware, 7, LoaderKind::Auto);
        assert!(x64.is_err());
    }

    #[test]
    fn a_whole_image_is_a_ram_disk_where_firmware_can_start_it() {
        let iso = |efi_boot| {
            let mut image = image("live", &[Cpu::X86_64]);
            image.found.efi_boot = efi_boot;
            let catalog = Catalog::new(vec![Arc::new(image)]);
            let machine = machine(Stage::HttpBoot, 16);
            let (choice, first) = (all(LoaderKind::Iso), BootChoice::first(&catalog));
            let host = host(&[]);
            let from = of(&catalog, &host, &choice, &first);
            offer(&machine, &from, &server()).map(|o| o.file)
        };
        assert_eq!(
            iso(true),
            Ok("http://10.0.0.1/loader/ramdisk/live.iso".into())
        );
        let none = NoLoader::NoEfiImage("live.iso".into(), Arch::X64Uefi);
        assert_eq!(iso(false), Err(none));
    }

    #[test]
    fn an_image_that_starts_only_as_a_whole_goes_to_machines_that_can_start_it() {
        use crate::testing::whole_image;
        let whole = || Arc::new(whole_image("memtest", &[Arch::X64Uefi]));
        let live = || Arc::new(image("live", &[Cpu::X86_64]));
        let (alone, beside) = (vec![whole()], vec![live(), whole()]);
        let loaders = host(&["undionly.kpxe", "snponly-x86_64.efi", "snponly-arm64.efi"]);
        let given = |images: &[Arc<Image>], wanted, kind, (stage, arch)| {
            let catalog = Catalog::new(images.to_vec());
            let boot = BootChoice::resolve(&catalog, wanted).unwrap();
            let choice = all(kind);
            let from = of(&catalog, &loaders, &choice, &boot);
            let offered = offer(&machine(stage, arch), &from, &server());
            offered.map(|offer| (offer.file, offer.warning))
        };
        let by_name = Some("memtest");
        let disk = Ok((
            "http://10.0.0.1/loader/ramdisk/memtest.iso".to_owned(),
            None,
        ));
        let http = (Stage::HttpBoot, 16);
        for kind in [LoaderKind::Auto, LoaderKind::Iso] {
            assert_eq!(given(&alone, None, kind, http), disk);
            assert_eq!(given(&alone, by_name, kind, http), disk);
            assert_eq!(given(&beside, by_name, kind, http), disk);
        }
        // The first that can start as a whole, where that is asked for; else a kernel's menu.
        assert_eq!(given(&beside, None, LoaderKind::Iso, http), disk);
        let (file, warning) = given(&beside, None, LoaderKind::Auto, http).unwrap();
        assert!(file.ends_with("snponly-x86_64.efi"));
        assert_eq!(warning.as_deref(), Some(NEEDS_SECURE_BOOT_OFF));
        for (machine, says) in [
            ((Stage::Firmware, 0), "this machine has a BIOS"),
            (
                (Stage::Firmware, 7),
                "choose HTTP Boot in the firmware's boot menu",
            ),
            ((Stage::Ipxe, 0), "this machine has a BIOS"),
            ((Stage::HttpBoot, 19), "not on arm64 UEFI machines"),
        ] {
            let none = given(&alone, None, LoaderKind::Auto, machine).unwrap_err();
            assert!(matches!(none, NoLoader::OnlyWhole(_)));
            assert!(none.to_string().contains(says), "{none}");
            let (_, warning) = given(&beside, by_name, LoaderKind::Auto, machine).unwrap();
            let warning = warning.unwrap();
            assert!(
                warning.contains("memtest starts only as a whole"),
                "{warning}"
            );
        }
    }

    #[test]
    fn a_machine_gets_a_loader_that_starts_its_entry() {
        use crate::testing::{disk, multiboot};
        let mut loaders = host(&["undionly.kpxe", "snponly-x86_64.efi"]);
        loaders.shim_grubs = vec![made(Arch::X64Uefi, "Debian", false)];
        loaders.pxelinux = [("lpxelinux.0".to_owned(), Content::memory(*b"x"))].into();
        let given = |image: &Image, wanted, kind, (stage, arch)| {
            // The files of these images are not looked at: none is missing.
            let live = Arc::new(self::image("live", &[Cpu::X86_64]));
            let catalog = Catalog::new(vec![Arc::new(image.clone()), live]);
            let boot = BootChoice::resolve(&catalog, wanted).unwrap();
            let choice = all(kind);
            let from = of(&catalog, &loaders, &choice, &boot);
            offer(&machine(stage, arch), &from, &server()).unwrap().file
        };
        let mut odd = disk("odd");
        (odd.found.efi_boot, odd.found.family) = (true, None);
        odd.found.entries[0].notes = vec![crate::images::Note::AsDisk];
        let named = Some("odd");
        let (auto, pxe, http) = (
            LoaderKind::Auto,
            (Stage::Firmware, 7),
            (Stage::HttpBoot, 16),
        );
        assert!(given(&odd, named, auto, pxe).ends_with("snponly-x86_64.efi"));
        assert!(given(&odd, named, auto, http).ends_with("/loader/ramdisk/odd.iso"));
        assert!(given(&odd, named, LoaderKind::Ipxe, http).ends_with("snponly-x86_64.efi"));
        // Anything else is better than a generic way.
        assert!(given(&odd, None, auto, pxe).contains("/secure/"));
        assert!(!given(&odd, None, auto, http).contains("ramdisk"));
        // iPXE does not unpack a kernel.
        let mut xen = multiboot("xen");
        if let crate::images::EntryKind::Multiboot(of) = &mut xen.found.entries[0].kind {
            of.kernel = "boot/xen.gz".into();
        }
        let (bios, ipxe) = ((Stage::Firmware, 0), (Stage::Ipxe, 0));
        assert!(given(&xen, Some("xen"), auto, bios).ends_with("lpxelinux.0"));
        assert!(given(&xen, Some("xen"), auto, ipxe).ends_with("lpxelinux.0"));
        assert!(given(&xen, Some("live"), auto, bios).ends_with("undionly.kpxe"));
        assert!(given(&xen, Some("xen"), auto, pxe).contains("/secure/"));
    }

    #[test]
    fn an_image_whose_system_misses_the_ram_disk_is_served_only_if_asked_for() {
        use crate::testing::{whole_image, without_ram_disk};
        let live = || Arc::new(without_ram_disk("live", &[Arch::X64Uefi]));
        let loaders = host(&["snponly-x86_64.efi"]);
        let given = |images: Vec<Arc<Image>>, wanted, kind, (stage, arch)| {
            let catalog = Catalog::new(images);
            let boot = BootChoice::resolve(&catalog, wanted).unwrap();
            let choice = all(kind);
            let from = of(&catalog, &loaders, &choice, &boot);
            offer(&machine(stage, arch), &from, &server()).map(|offer| offer.file)
        };
        let disk = |name| Ok(format!("http://10.0.0.1/loader/ramdisk/{name}.iso"));
        let (http, nothing) = ((Stage::HttpBoot, 16), Err(NoLoader::NothingToBoot));
        let auto = LoaderKind::Auto;
        for wanted in [None, Some("live")] {
            assert_eq!(given(vec![live()], wanted, auto, http), nothing);
            assert_eq!(
                given(vec![live()], wanted, LoaderKind::Iso, http),
                disk("live")
            );
            let by_pxe = given(vec![live()], wanted, LoaderKind::Iso, (Stage::Firmware, 7));
            assert_eq!(by_pxe, nothing);
        }
        let memtest = Arc::new(whole_image("memtest", &[]));
        assert_eq!(
            given(vec![live(), memtest], None, auto, http),
            disk("memtest")
        );
    }

    #[test]
    fn a_menu_that_will_be_empty_is_remarked() {
        let loaders = host(&["undionly.kpxe", "ipxe-arm64.efi", "snponly-x86_64.efi"]);
        let narrow = Catalog::new(vec![Arc::new(image("old", &[Cpu::I686]))]);
        let warning = |catalog: &Catalog, stage, arch| {
            let (choice, first) = (all(LoaderKind::Auto), BootChoice::first(catalog));
            let from = of(catalog, &loaders, &choice, &first);
            let offered = offer(&machine(stage, arch), &from, &server());
            let warning = offered.unwrap().warning?;
            let rest = warning.strip_prefix(NEEDS_SECURE_BOOT_OFF);
            let rest = rest.map_or(&*warning, |rest| rest.trim_start_matches("; "));
            (!rest.is_empty()).then(|| rest.to_owned())
        };
        let none_for = |arch: &str| Some(format!("no image served is for {arch} machines"));
        let both = catalog();
        for stage in [Stage::Firmware, Stage::Ipxe] {
            assert_eq!(warning(&both, stage, 0), None);
            assert_eq!(warning(&both, stage, 7), None);
            assert_eq!(warning(&both, stage, 11), none_for("arm64 UEFI"));
            assert_eq!(warning(&narrow, stage, 0), None);
            assert_eq!(warning(&narrow, stage, 7), none_for("x64 UEFI"));
        }
        let riscv = warning(&both, Stage::Ipxe, 27);
        assert_eq!(riscv, none_for("riscv64 UEFI"));
        assert_eq!(warning(&both, Stage::Ipxe, 65535), None);
    }

    #[test]
    fn silence_has_a_reason() {
        let auto = LoaderKind::Auto;
        let host = host(&["undionly.kpxe"]);
        let plain = given(&machine(Stage::Plain, 0), &host, auto);
        assert_eq!(plain, Err(NoLoader::NotAsked));
        let uefi = given(&machine(Stage::Firmware, 7), &host, auto);
        let name = "snponly-x86_64.efi";
        // Which package, depends on the machine and the distribution.
        let said = uefi.clone().unwrap_err().to_string();
        assert!(said.contains("lanboot doctor says") && !said.contains("install"));
        assert_eq!(uefi, Err(NoLoader::NoEfiLoader(Arch::X64Uefi, name)));
        for code in [2, 41, 65535] {
            let unknown = given(&machine(Stage::Firmware, code), &host, auto);
            assert_eq!(unknown, Err(NoLoader::Firmware(code.into())));
        }
        let silent = Machine {
            arch: None,
            ..machine(Stage::Firmware, 0)
        };
        let bios = given(&machine(Stage::Firmware, 0), &host, auto);
        assert!(bios.is_ok());
        assert_eq!(given(&silent, &host, auto), bios, "BIOS unless it says");
        let rom = machine(Stage::Ipxe, 0);
        let (none, stock) = (Catalog::default(), MenuKind::Stock);
        let first = BootChoice::first(&none);
        let choice = all(auto);
        let from = Offers {
            menu: stock,
            ..of(&none, &host, &choice, &first)
        };
        let empty = offer(&rom, &from, &server());
        assert_eq!(empty, Err(NoLoader::NothingToBoot));
    }
}
