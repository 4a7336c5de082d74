//! Advice at the start of the server: machines that have nothing to start, and the packages to install.

use lanboot_core::catalog::{Catalog, Entry};
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::loaders::{LoaderRoute, Loaders, Shim, ShimGrubFile};
use lanboot_core::machine::Arch;
use lanboot_core::plan::{BootChoice, shim_grub, usual_loader};
use lanboot_core::route::Route;

use super::machine_kinds::{KINDS, MachineKind};
use super::packages::host;

/// Returns the warning about machines without a loader, of the kinds that nearly every network
/// has.
pub fn missing(catalog: &Catalog, loaders: &Loaders) -> Option<String> {
    let lacks = |kind: &&MachineKind| {
        matches!(kind.name, "BIOS" | "x64 UEFI")
            && usual_loader(catalog, loaders, kind.arch.into(), kind.secure, false).is_err()
    };
    let lacking: Vec<&MachineKind> = KINDS.iter().filter(lacks).collect();
    let names: Vec<&str> = lacking.iter().map(|kind| kind.name).collect();
    let packages = lacking.first()?.packages.of(host());
    Some(format!(
        "no loader for {} machines: install {packages}; until then only those that already run \
         iPXE can boot (lanboot doctor says more)",
        names.join(" and ")
    ))
}

/// Returns the warning about machines that have nothing to start because another server hands out
/// the addresses.
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

/// Returns the diagnostics about Secure Boot: the machines that the shims start on, and those that
/// have nothing to start. Only of machines that some image is for.
pub fn secure_boot(catalog: &Catalog, loaders: &Loaders) -> Vec<Diagnostic> {
    let kinds = KINDS.iter().filter(|kind| kind.secure);
    let said = kinds.filter_map(|kind| {
        let arch = Arch::from(kind.arch);
        let is_for = |entry: &Entry| entry.runs_on(arch);
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

/// Returns the shim that a route leads to, if it leads to one.
pub fn shim<'a>(route: &Route, catalog: &'a Catalog, loaders: &'a Loaders) -> Option<&'a Shim> {
    match route {
        Route::Loader(LoaderRoute::ShimGrub(ShimGrubFile { arch, http, .. })) => {
            let first = BootChoice::first(catalog);
            Some(&shim_grub(catalog, loaders, &first, arch.arch(), *http)?.shim)
        }
        Route::Loader(LoaderRoute::SignedIpxe(file)) => {
            Some(&loaders.signed_ipxe(file.arch.arch())?.shim)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use lanboot_core::vfs::Content;

    use super::*;

    fn host_with(names: &[&'static str]) -> Loaders {
        Loaders {
            programs: names.iter().map(|n| (*n, Content::memory(*b"x"))).collect(),
            ..Loaders::default()
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
}
