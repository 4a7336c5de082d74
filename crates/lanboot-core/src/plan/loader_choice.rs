//! The operator's choice of loader, for all machines and for single ones.

use super::boot_choice::BootChoice;
use crate::catalog::Catalog;
use crate::loaders::LoaderKind;
use crate::machine::Mac;

/// The operator's choice of loaders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoaderChoice {
    /// For every machine that is not named.
    pub all: LoaderKind,
    /// For single machines, the later one counting more.
    pub of: Vec<(Mac, LoaderKind)>,
}

impl LoaderChoice {
    /// Returns the loader for one machine, and whether the machine was named.
    pub fn of(&self, mac: Mac) -> (LoaderKind, bool) {
        let named = self.of.iter().rev().find(|(of, _)| *of == mac);
        named.map_or((self.all, false), |(_, kind)| (*kind, true))
    }

    /// Returns whether some machine is to get the whole image as a RAM disk.
    pub fn asks_for_iso(&self) -> bool {
        self.all == LoaderKind::Iso
            || self
                .of
                .iter()
                .any(|(mac, _)| self.of(*mac).0 == LoaderKind::Iso)
    }

    /// Returns the warning before the first machine comes: `iso` was asked for,
    /// for all or for some, and no firmware could start what it would get, where `boot` says what
    /// starts.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Cpu;
    use crate::testing::image;
    use std::sync::Arc;

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
            of: of.iter().map(|kind| (mac, *kind)).collect(),
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
}
