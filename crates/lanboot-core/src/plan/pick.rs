//! Picks one of several loaders of a kind: by what starts, by its protocol, by who signed it.

use super::boot_choice::BootChoice;
use crate::catalog::{Catalog, Entry, Firmware, Image};
use crate::loaders::{Loaders, ShimGrub, secure_names};
use crate::machine::Arch;

/// Finds the first image that carries PXELINUX: preferred over the host's, because a loader and its
/// modules must be of one version.
pub fn pxelinux_image(catalog: &Catalog) -> Option<&Image> {
    catalog
        .images()
        .iter()
        .map(AsRef::as_ref)
        .find(|image| image.found.pxelinux.is_some())
}

/// Picks the shim and GRUB that machines of this kind get, over HTTP or over TFTP. First one whose
/// shim trusts the kernel that starts there when nobody presses a key (`boot`); among those one
/// whose GRUB speaks the protocol; then one whose GRUB boots beside another DHCP server too,
/// because the files are the same for everybody; then one whose shim starts on the most machines
/// ([`Authorities`](crate::loaders::Authorities)); then that kernel's image's own, because its
/// vendor made them for each other; then the host's, which are kept up to date; then any image's.
///
/// A few comparisons of names: nothing of it is kept from one request to the next.
pub fn shim_grub<'a>(
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
    let own = image.map_or(&[][..], |image| &image.loaders.pairs);
    let images = catalog.images().iter();
    let candidates = own
        .iter()
        .map(|pair| (pair, true))
        .chain(loaders.shim_grubs.iter().map(|pair| (pair, false)))
        .chain(
            images
                .flat_map(|image| &image.loaders.pairs)
                .map(|pair| (pair, false)),
        );
    let rank = |(pair, is_own): &(&ShimGrub, bool)| {
        let trusts = kernel.is_some_and(|kernel: &Entry| pair.shim.trusts(&kernel.signed));
        let speaks = if http { pair.grub.http } else { pair.grub.tftp };
        let proxy = http || pair.grub.proxy;
        // One that does not trust its own image's kernel is no better than the host's.
        let machines = pair.shim.authorities.count();
        (trusts, speaks, proxy, machines, trusts || !is_own)
    };
    let fitting: Vec<_> = candidates.filter(|(pair, _)| pair.arch() == arch).collect();
    // The first of the best.
    let best = fitting.into_iter().rev().max_by_key(rank);
    best.map(|(pair, _)| pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Cpu;
    use crate::pe::Signed;
    use crate::testing::{image, shim_grub as made, shim_grub_without_proxy};
    use std::sync::Arc;

    #[test]
    fn the_chain_that_trusts_the_default_kernel_wins() {
        let arch = Arch::X64Uefi;
        let by = |name: &str| Signed::By(vec![name.to_owned()]);
        let catalog = |signed: Signed, own: &[&str]| {
            let mut image = image("one", &[Cpu::X86_64]);
            image.found.entries[0].signed = signed;
            image.loaders.pairs = own.iter().map(|vendor| made(arch, vendor, false)).collect();
            Catalog::new(vec![Arc::new(image)])
        };
        let loaders = Loaders {
            shim_grubs: vec![made(arch, "Debian", false), made(arch, "Fedora", true)],
            ..Loaders::default()
        };
        let vendor = |catalog: &Catalog| {
            let first = BootChoice::first(catalog);
            let pair = shim_grub(catalog, &loaders, &first, arch, false);
            pair.unwrap().shim.vendor.clone()
        };
        assert_eq!(vendor(&catalog(by("Fedora"), &[])), ["Fedora"]);
        assert_eq!(vendor(&catalog(by("Ubuntu"), &["Ubuntu"])), ["Ubuntu"]);
        assert_eq!(vendor(&catalog(by("Debian"), &["Ubuntu"])), ["Debian"]);
        assert_eq!(vendor(&catalog(Signed::No, &["Ubuntu"])), ["Debian"]);
        let unsigned = catalog(Signed::No, &["Ubuntu"]);
        let first = BootChoice::first(&unsigned);
        let arm = shim_grub(&unsigned, &loaders, &first, Arch::Arm64Uefi, false);
        assert_eq!(arm, None);
        let none = Loaders::default();
        let own = shim_grub(&unsigned, &none, &first, arch, false);
        assert_eq!(own.unwrap().shim.vendor, ["Ubuntu"]);
    }

    #[test]
    fn the_chain_is_that_of_the_image_that_will_be_booted() {
        let (x64, arm) = (Arch::X64Uefi, Arch::Arm64Uefi);
        let signed = |name: &str, cpu, vendor: &str| {
            let mut image = image(name, &[cpu]);
            image.found.entries[0].signed = Signed::By(vec![vendor.to_owned()]);
            image.loaders.pairs = [x64, arm].map(|arch| made(arch, vendor, false)).to_vec();
            Arc::new(image)
        };
        let mut empty = image("empty", &[]);
        empty.loaders.pairs = vec![made(x64, "Nobody", false)];
        let catalog = Catalog::new(vec![
            Arc::new(empty),
            signed("arm", Cpu::Aarch64, "Fedora"),
            signed("one", Cpu::X86_64, "Debian"),
            signed("two", Cpu::X86_64, "Ubuntu"),
        ]);
        let none = Loaders::default();
        let vendor = |boot, arch| {
            let boot = BootChoice::resolve(&catalog, boot).unwrap();
            let pair = shim_grub(&catalog, &none, &boot, arch, false);
            pair.unwrap().shim.vendor.concat()
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
        image.loaders.pairs = vec![made(arch, "Debian", false)];
        let catalog = Catalog::new(vec![Arc::new(image)]);
        let first = BootChoice::first(&catalog);
        let speaks = |vendor: &str, http| {
            let loaders = Loaders {
                shim_grubs: vec![made(arch, vendor, true)],
                ..Loaders::default()
            };
            let pair = shim_grub(&catalog, &loaders, &first, arch, http);
            pair.unwrap().grub.http
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
            image.loaders.pairs = vec![own];
            let catalog = Catalog::new(vec![Arc::new(image)]);
            let first = BootChoice::first(&catalog);
            let loaders = Loaders {
                shim_grubs: vec![host],
                ..Loaders::default()
            };
            shim_grub(&catalog, &loaders, &first, arch, http)
                .unwrap()
                .grub
                .proxy
        };
        let (able, unable) = (
            made(arch, "Debian", false),
            shim_grub_without_proxy(arch, "Debian", false),
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
}
