//! The loaders there are, by the names they are served under, and which of them an operator wants.

use std::collections::BTreeMap;
use std::fmt;

use super::secure::{Shim, ShimGrub, secure_names};
use super::shim_names::{Wanted, ipxe_build, wanted};
use super::{BootChoice, Catalog, Entry, Firmware, Image};
use crate::machine::{Arch, Mac};
use crate::vfs::Content;

/// The loaders there are, besides those on the media.
#[derive(Clone, Debug, Default)]
pub struct Loaders {
    /// iPXE for every kind of firmware, by its name in the folder `loader`: see [`ipxe_loader`].
    pub ipxe: BTreeMap<&'static str, Content>,
    /// The host's `lpxelinux.0` with its modules, by file name.
    pub pxelinux: BTreeMap<String, Content>,
    /// Loaders that also start with Secure Boot on, best first.
    pub chains: Vec<ShimGrub>,
    /// iPXE behind its own signed shim.
    pub signed_ipxe: Vec<SignedIpxe>,
}

impl Loaders {
    /// iPXE behind its own shim for this firmware.
    pub fn signed_ipxe(&self, arch: Arch) -> Option<&SignedIpxe> {
        self.signed_ipxe.iter().find(|signed| signed.arch == arch)
    }
}

/// iPXE's own signed shim and the signed builds of iPXE that it starts (iPXE 2.0). It finds one by
/// taking `-shim` and the architecture out of its own name, or asks for `ipxe.efi`, beside itself or
/// at the root of TFTP (ipxe/ipxe#1684): each name is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIpxe {
    /// The firmware it runs on.
    pub arch: Arch,
    /// The shim.
    pub shim: Shim,
    /// The build that is started.
    pub build: SignedBuild,
    /// The other one, for whoever asks for it by name.
    pub other: Option<SignedBuild>,
}

/// A signed build of iPXE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBuild {
    /// `snponly` or `ipxe`.
    pub kind: &'static str,
    /// The program.
    pub content: Content,
}

impl SignedIpxe {
    /// The name its shim is offered under, which leads to the build that is to be started.
    pub fn shim_name(&self) -> String {
        let (_, suffix) = secure_names(self.arch).unwrap_or_default();
        format!("{}-shim{suffix}.efi", self.build.kind)
    }

    /// The file beside the shim for a request of this name.
    pub fn file(&self, name: &[u8]) -> Option<&Content> {
        match wanted(name, self.arch) {
            Wanted::Shim => Some(&self.shim.content),
            Wanted::SecondStage => {
                let kind = ipxe_build(name).map(|(kind, _)| kind);
                let other = self.other.as_ref();
                let named = other.filter(|other| kind == Some(other.kind));
                Some(&named.unwrap_or(&self.build).content)
            }
            Wanted::Other => None,
        }
    }
}

/// A build of iPXE: for which firmware, with which driver, and its name in the folder `loader`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipxe {
    /// The firmware it runs on.
    pub arch: Arch,
    /// With drivers of its own; else on top of the firmware's driver, so that it works with every
    /// card the firmware can boot from.
    pub native: bool,
    /// Its name in the folder `loader`.
    pub name: &'static str,
}

/// Every build of iPXE that can be served.
pub const IPXE: [Ipxe; 14] = {
    const fn build(arch: Arch, native: bool, name: &'static str) -> Ipxe {
        Ipxe { arch, native, name }
    }
    [
        build(Arch::X86Bios, false, "undionly.kpxe"),
        build(Arch::X86Bios, true, "ipxe.pxe"),
        build(Arch::X64Uefi, false, "snponly-x86_64.efi"),
        build(Arch::X64Uefi, true, "ipxe-x86_64.efi"),
        build(Arch::X86Uefi, false, "snponly-i386.efi"),
        build(Arch::X86Uefi, true, "ipxe-i386.efi"),
        build(Arch::Arm64Uefi, false, "snponly-arm64.efi"),
        build(Arch::Arm64Uefi, true, "ipxe-arm64.efi"),
        build(Arch::Arm32Uefi, false, "snponly-arm32.efi"),
        build(Arch::Arm32Uefi, true, "ipxe-arm32.efi"),
        build(Arch::Riscv64Uefi, false, "snponly-riscv64.efi"),
        build(Arch::Riscv64Uefi, true, "ipxe-riscv64.efi"),
        build(Arch::Loong64Uefi, false, "snponly-loong64.efi"),
        build(Arch::Loong64Uefi, true, "ipxe-loong64.efi"),
    ]
};

/// The name under which iPXE for this firmware is served, with drivers of its own (`native`) or on
/// top of the firmware's.
pub fn ipxe_loader(arch: Arch, native: bool) -> Option<&'static str> {
    let fits = |build: &&Ipxe| build.arch == arch && build.native == native;
    IPXE.iter().find(fits).map(|build| build.name)
}

/// What a machine shall load first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoaderKind {
    /// What works most widely: for BIOS iPXE, else PXELINUX; for UEFI a loader that also starts
    /// with Secure Boot on, else iPXE.
    #[default]
    Auto,
    /// iPXE on top of the firmware's own network driver, behind its own signed shim where there is
    /// one.
    Ipxe,
    /// iPXE with its own drivers.
    IpxeNative,
    /// PXELINUX, also for a ROM that is iPXE.
    Pxelinux,
    /// shim and GRUB.
    Grub,
    /// The whole image as a RAM disk, by UEFI HTTP Boot.
    Iso,
}

impl LoaderKind {
    /// Every way.
    pub const ALL: [Self; 6] = [
        Self::Auto,
        Self::Ipxe,
        Self::IpxeNative,
        Self::Pxelinux,
        Self::Grub,
        Self::Iso,
    ];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ipxe => "ipxe",
            Self::IpxeNative => "ipxe-native",
            Self::Pxelinux => "pxelinux",
            Self::Grub => "grub",
            Self::Iso => "iso",
        }
    }
}

impl fmt::Display for LoaderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the operator decided about loaders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoaderChoice {
    /// For every machine that is not named.
    pub all: LoaderKind,
    /// For single machines, the later one counting more.
    pub of: Vec<(Mac, LoaderKind)>,
}

impl LoaderChoice {
    /// The way of one machine, and whether it was named.
    pub fn of(&self, mac: Mac) -> (LoaderKind, bool) {
        let named = self.of.iter().rev().find(|(of, _)| *of == mac);
        named.map_or((self.all, false), |(_, way)| (*way, true))
    }

    /// Whether some machine is to get the whole image as a RAM disk.
    pub fn asks_for_iso(&self) -> bool {
        self.all == LoaderKind::Iso
            || self
                .of
                .iter()
                .any(|(mac, _)| self.of(*mac).0 == LoaderKind::Iso)
    }

    /// What the operator should know before the first machine comes: `iso` was asked for, for all
    /// or for some, and no firmware could start what it would get, where `boot` says what starts.
    pub fn warning(&self, catalog: &Catalog, boot: &BootChoice) -> Option<String> {
        let image = boot
            .images(catalog)
            .next()
            .filter(|_| self.asks_for_iso())?;
        let none = !boot.images(catalog).any(|image| image.found.efi_boot);
        none.then(|| {
            format!(
                "--loader iso: {} has no EFI boot image; machines this is for get nothing to load \
                 by UEFI HTTP Boot",
                image.file
            )
        })
    }
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

/// Where PXELINUX' files are found by machines: a folder of the site.
pub const PXELINUX_FOLDER: &str = "loader/pxelinux";

/// The first image that carries PXELINUX: preferred over the host's, because a loader and its
/// modules must be of one version.
pub fn pxelinux_image(catalog: &Catalog) -> Option<&Image> {
    catalog
        .images()
        .iter()
        .map(AsRef::as_ref)
        .find(|image| image.found.pxelinux.is_some())
}

/// The shim and GRUB that machines of this kind get, over HTTP or over TFTP. First one whose shim
/// trusts the kernel that starts there when nobody presses a key (`boot`); among those one whose
/// GRUB speaks the protocol; then one whose GRUB boots beside another DHCP server too, because the
/// files are the same for everybody; then one whose shim starts on the most machines
/// ([`Authorities`](super::Authorities)); then that kernel's image's own, because its vendor made
/// them for each other; then the host's, which are kept up to date; then any image's.
///
/// A few comparisons of names: nothing of it is kept from one request to the next.
pub fn chain<'a>(
    catalog: &'a Catalog,
    loaders: &'a Loaders,
    boot: &BootChoice,
    arch: Arch,
    http: bool,
) -> Option<&'a ShimGrub> {
    secure_names(arch)?;
    let start = boot.entry(catalog, Firmware::of(arch)?);
    let kernel = start.map(|(_, entry)| entry);
    let image = start.map(|(image, _)| image);
    let image = image.or_else(|| catalog.default_image().map(AsRef::as_ref));
    let own = image.map_or(&[][..], |image| &image.found.chains);
    let images = catalog.images().iter();
    let candidates = own
        .iter()
        .map(|chain| (chain, true))
        .chain(loaders.chains.iter().map(|chain| (chain, false)))
        .chain(
            images
                .flat_map(|image| &image.found.chains)
                .map(|chain| (chain, false)),
        );
    let rank = |(chain, is_own): &(&ShimGrub, bool)| {
        let trusts = kernel.is_some_and(|kernel: &Entry| chain.shim.trusts(&kernel.signed));
        let speaks = if http {
            chain.grub.http
        } else {
            chain.grub.tftp
        };
        let proxy = http || chain.grub.proxy;
        // One that does not trust its own image's kernel is no better than the host's.
        let machines = chain.shim.authorities.count();
        (trusts, speaks, proxy, machines, trusts || !is_own)
    };
    let fitting: Vec<_> = candidates
        .filter(|(chain, _)| chain.arch() == arch)
        .collect();
    // The first of the best.
    let best = fitting.into_iter().rev().max_by_key(rank);
    best.map(|(chain, _)| chain)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{chain as made, chain_without_proxy, image};
    use super::super::{Cpu, Signed};
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_chain_that_trusts_the_default_kernel_wins() {
        let arch = Arch::X64Uefi;
        let by = |name: &str| Signed::By(vec![name.to_owned()]);
        let catalog = |signed: Signed, own: &[&str]| {
            let mut image = image("one", &[Cpu::X86_64]);
            image.found.entries[0].signed = signed;
            image.found.chains = own.iter().map(|vendor| made(arch, vendor, false)).collect();
            Catalog::new(vec![Arc::new(image)])
        };
        let loaders = Loaders {
            chains: vec![made(arch, "Debian", false), made(arch, "Fedora", true)],
            ..Loaders::default()
        };
        let vendor = |catalog: &Catalog| {
            let first = BootChoice::first(catalog);
            let chain = chain(catalog, &loaders, &first, arch, false);
            chain.unwrap().shim.vendor.clone()
        };
        assert_eq!(vendor(&catalog(by("Fedora"), &[])), ["Fedora"]);
        assert_eq!(vendor(&catalog(by("Ubuntu"), &["Ubuntu"])), ["Ubuntu"]);
        assert_eq!(vendor(&catalog(by("Debian"), &["Ubuntu"])), ["Debian"]);
        assert_eq!(vendor(&catalog(Signed::No, &["Ubuntu"])), ["Debian"]);
        let unsigned = catalog(Signed::No, &["Ubuntu"]);
        let first = BootChoice::first(&unsigned);
        let arm = chain(&unsigned, &loaders, &first, Arch::Arm64Uefi, false);
        assert_eq!(arm, None);
        let none = Loaders::default();
        let own = chain(&unsigned, &none, &first, arch, false);
        assert_eq!(own.unwrap().shim.vendor, ["Ubuntu"]);
    }

    #[test]
    fn the_chain_is_that_of_the_image_that_will_be_booted() {
        let (x64, arm) = (Arch::X64Uefi, Arch::Arm64Uefi);
        let signed = |name: &str, cpu, vendor: &str| {
            let mut image = image(name, &[cpu]);
            image.found.entries[0].signed = Signed::By(vec![vendor.to_owned()]);
            image.found.chains = [x64, arm].map(|arch| made(arch, vendor, false)).to_vec();
            Arc::new(image)
        };
        let mut empty = image("empty", &[]);
        empty.found.chains = vec![made(x64, "Nobody", false)];
        let catalog = Catalog::new(vec![
            Arc::new(empty),
            signed("arm", Cpu::Aarch64, "Fedora"),
            signed("one", Cpu::X86_64, "Debian"),
            signed("two", Cpu::X86_64, "Ubuntu"),
        ]);
        let none = Loaders::default();
        let vendor = |boot, arch| {
            let boot = BootChoice::resolve(&catalog, boot).unwrap();
            let chain = chain(&catalog, &none, &boot, arch, false);
            chain.unwrap().shim.vendor.concat()
        };
        assert_eq!(vendor(None, x64), "Debian");
        assert_eq!(vendor(None, arm), "Fedora");
        assert_eq!(vendor(Some("two"), x64), "Ubuntu");
        assert_eq!(vendor(Some("two-x86_64"), x64), "Ubuntu");
        // Nothing starts there by itself: any image's own does.
        assert_eq!(vendor(Some("arm"), x64), "Nobody");
        assert_eq!(vendor(Some("arm"), arm), "Fedora");
    }

    #[test]
    fn http_boot_gets_a_grub_with_http_where_its_shim_trusts_the_kernel() {
        let arch = Arch::X64Uefi;
        let mut image = image("one", &[Cpu::X86_64]);
        image.found.entries[0].signed = Signed::By(vec!["Debian".into()]);
        image.found.chains = vec![made(arch, "Debian", false)];
        let catalog = Catalog::new(vec![Arc::new(image)]);
        let first = BootChoice::first(&catalog);
        let speaks = |vendor: &str, http| {
            let loaders = Loaders {
                chains: vec![made(arch, vendor, true)],
                ..Loaders::default()
            };
            let chain = chain(&catalog, &loaders, &first, arch, http);
            chain.unwrap().grub.http
        };
        assert!(speaks("Debian", true) && !speaks("Debian", false));
        assert!(!speaks("Fedora", true), "a trusted one on a disk is better");
    }

    #[test]
    fn a_grub_that_boots_beside_another_dhcp_server_goes_before_the_images_own() {
        let arch = Arch::X64Uefi;
        let vendor_of = |own: ShimGrub, host: ShimGrub, http| {
            let mut image = image("one", &[Cpu::X86_64]);
            image.found.entries[0].signed = Signed::By(vec!["Debian".into()]);
            image.found.chains = vec![own];
            let catalog = Catalog::new(vec![Arc::new(image)]);
            let first = BootChoice::first(&catalog);
            let loaders = Loaders {
                chains: vec![host],
                ..Loaders::default()
            };
            chain(&catalog, &loaders, &first, arch, http)
                .unwrap()
                .grub
                .proxy
        };
        let (able, unable) = (
            made(arch, "Debian", false),
            chain_without_proxy(arch, "Debian", false),
        );
        assert!(vendor_of(unable.clone(), able.clone(), false));
        assert!(vendor_of(able.clone(), unable.clone(), false));
        assert!(
            !vendor_of(unable.clone(), able, true),
            "over HTTP it makes no difference"
        );
        let fedora = made(arch, "Fedora", false);
        assert!(
            !vendor_of(unable, fedora, false),
            "one that refuses the kernel is worse"
        );
    }

    #[test]
    fn a_machine_that_is_named_has_its_own_way() {
        let (one, two) = (Mac([1; 6]), Mac([2; 6]));
        let choice = LoaderChoice {
            all: LoaderKind::Grub,
            of: vec![(one, LoaderKind::Iso), (one, LoaderKind::Ipxe)],
        };
        assert_eq!(choice.of(one), (LoaderKind::Ipxe, true));
        assert_eq!(choice.of(two), (LoaderKind::Grub, false));
    }

    #[test]
    fn an_image_that_makes_no_ram_disk_is_said_at_the_start() {
        let with = |efi_boot| {
            let mut image = image("one", &[Cpu::X86_64]);
            image.found.efi_boot = efi_boot;
            Catalog::new(vec![Arc::new(image)])
        };
        let mac = Mac([1; 6]);
        let choice = |all, of: &[LoaderKind]| LoaderChoice {
            all,
            of: of.iter().map(|way| (mac, *way)).collect(),
        };
        let warning = |choice: LoaderChoice, catalog: &Catalog| {
            choice.warning(catalog, &BootChoice::first(catalog))
        };
        let said = warning(choice(LoaderKind::Iso, &[]), &with(false)).unwrap();
        assert!(
            said.starts_with("--loader iso: one.iso has no EFI"),
            "{said}"
        );
        assert!(warning(choice(LoaderKind::Auto, &[LoaderKind::Iso]), &with(false)).is_some());
        for (choice, efi_boot) in [
            (choice(LoaderKind::Iso, &[]), true),
            (choice(LoaderKind::Auto, &[]), false),
            (
                choice(LoaderKind::Auto, &[LoaderKind::Iso, LoaderKind::Grub]),
                false,
            ),
        ] {
            assert_eq!(warning(choice, &with(efi_boot)), None);
        }
        assert_eq!(
            warning(choice(LoaderKind::Iso, &[]), &Catalog::default()),
            None
        );
    }

    #[test]
    fn every_build_of_ipxe_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = IPXE.iter().map(|build| build.name).collect();
        assert_eq!(names.len(), IPXE.len());
        assert_eq!(
            ipxe_loader(Arch::X64Uefi, false),
            Some("snponly-x86_64.efi")
        );
        assert_eq!(ipxe_loader(Arch::X86Bios, true), Some("ipxe.pxe"));
        assert_eq!(ipxe_loader(Arch::Other(2), true), None);
    }
}
