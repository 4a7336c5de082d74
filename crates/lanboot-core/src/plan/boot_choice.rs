//! The unattended choice: the entry that starts when nobody presses a key, for each kind of
//! firmware.

use std::borrow::Cow;

use super::unknown_entry::UnknownEntry;
use crate::catalog::{AmbiguousName, Catalog, Cpu, Entry, Firmware, Image, Incomplete};
use crate::images::EntryKind;
use crate::machine::Arch;
use crate::machine_plans::Start;

/// The unattended choice: a kernel entry for every kind of firmware that can start one, or a
/// whole image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootChoice {
    /// In the order of [`Firmware::ALL`].
    starts: [Option<String>; Firmware::ALL.len()],
    /// Name of the image that was asked for.
    image: Option<String>,
    /// True if it is the local disk.
    is_disk: bool,
}

/// The reason why `--boot` cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotBoot {
    /// It names nothing.
    #[error(transparent)]
    Unknown(UnknownEntry),
    /// It names an image that is only files.
    #[error("nothing on the image '{0}' can be started over the network")]
    OnlyFiles(String),
    /// It names several images.
    #[error(transparent)]
    Ambiguous(#[from] AmbiguousName),
    /// The named entry cannot start, because something of it is missing.
    #[error("'{0}' is {1}; copy or download the image again")]
    Incomplete(String, Incomplete),
}

impl BootChoice {
    /// Resolves `wanted` — an entry, an image (its entry that fits the firmware) by its name or its
    /// file's own, or nothing for the first image that each firmware can start. Nothing incomplete
    /// starts unattended.
    pub fn resolve(catalog: &Catalog, wanted: Option<&str>) -> Result<Self, CannotBoot> {
        let Some(wanted) = wanted else {
            return Ok(Self::first(catalog));
        };
        let wanted = &*catalog.meant(wanted)?;
        if let Some((image, entry)) = catalog.entries().find(|(_, e)| e.id == wanted) {
            let fits = |firmware: Firmware| entry.starts_on(firmware);
            let start = |firmware| fits(firmware).then(|| entry.id.clone());
            return Ok(Self::each(start).named(image));
        }
        let mut incomplete = catalog.incomplete_entries();
        if let Some((_, entry, why)) = incomplete.find(|(_, entry, _)| entry.id == wanted) {
            return Err(CannotBoot::Incomplete(entry.id.clone(), why));
        }
        match catalog.image(wanted.as_bytes()) {
            // Whether a whole image that its system would miss is served depends on the loader asked for.
            Some(image)
                if image.starts().next().is_some() || image.whole_image_lack().is_some() =>
            {
                Ok(Self::each(|firmware| of_image(image, firmware)).named(image))
            }
            Some(image) => Err(match image.unusable() {
                Some(why) => CannotBoot::Incomplete(image.name.clone(), why),
                None => CannotBoot::OnlyFiles(image.name.clone()),
            }),
            None => {
                let able = catalog.images().iter();
                let able = able.filter(|image| image.starts().next().is_some());
                let known = able.flat_map(|image| image.names().chain([image.own_name()]));
                Err(CannotBoot::Unknown(UnknownEntry::new(wanted, known)))
            }
        }
    }

    /// Chooses the local disk.
    pub fn disk() -> Self {
        Self {
            is_disk: true,
            ..Self::default()
        }
    }

    /// Returns the choice for a machine whose plan starts this, where `self` is that of every machine.
    ///
    /// # Errors
    /// It names nothing that can start.
    pub fn planned(&self, catalog: &Catalog, start: &Start) -> Result<Cow<'_, Self>, CannotBoot> {
        match start {
            Start::Menu => Ok(Cow::Borrowed(self)),
            Start::Disk => Ok(Cow::Owned(Self::disk())),
            Start::Entry(name) | Start::Install(name) => {
                Self::resolve(catalog, Some(name)).map(Cow::Owned)
            }
        }
    }

    /// Chooses the first image that each firmware can start.
    pub fn first(catalog: &Catalog) -> Self {
        Self::each(|firmware| {
            let images = || catalog.images().iter();
            let better = images().find_map(|image| best_of_image(image, firmware));
            better.or_else(|| images().find_map(|image| of_image(image, firmware)))
        })
    }

    fn each(of: impl Fn(Firmware) -> Option<String>) -> Self {
        Self {
            starts: Firmware::ALL.map(of),
            ..Self::default()
        }
    }

    fn named(self, image: &Image) -> Self {
        Self {
            image: Some(image.name.clone()),
            ..self
        }
    }

    /// Returns the image that firmware of this kind is to start as a whole, because nothing else of
    /// what was chosen starts there: one that was asked for, else the first.
    pub fn whole_image<'a>(&self, catalog: &'a Catalog, arch: Arch) -> Option<&'a Image> {
        let start = Firmware::of(arch).and_then(|firmware| self.entry(catalog, firmware));
        match start {
            None => {
                let fits = |image: &&Image| image.is_whole_entry() && image.starts_whole_on(arch);
                self.images(catalog).find(fits)
            }
            // A disk that firmware makes in memory is one that a system can find, too.
            Some((image, entry)) => {
                let is_disk = matches!(entry.kind, EntryKind::Disk(_));
                (is_disk && image.starts_whole_on(arch)).then_some(image)
            }
        }
    }

    /// Returns the image that firmware of this kind gets as a RAM disk where `--loader iso` asks
    /// for one, whatever else starts on it.
    pub fn ram_disk<'a>(&self, catalog: &'a Catalog, arch: Arch) -> Option<&'a Image> {
        self.images(catalog)
            .find(|image| image.starts_whole_on(arch))
    }

    /// Returns whether an entry or an image was asked for.
    pub fn is_named(&self) -> bool {
        self.image.is_some()
    }

    /// Returns the image that was asked for, or all of them; none of them for the local disk.
    pub fn images<'a>(&self, catalog: &'a Catalog) -> impl Iterator<Item = &'a Image> {
        let images = catalog.images().iter().map(AsRef::as_ref);
        let is_named = |image: &Image| self.image.as_ref().is_none_or(|name| *name == image.name);
        let is_meant = move |image: &&Image| !self.is_disk && is_named(image);
        images.filter(is_meant)
    }

    /// Returns the kernel entry for this firmware.
    pub fn of(&self, firmware: Firmware) -> Option<&str> {
        let mut starts = Firmware::ALL.iter().zip(&self.starts);
        let (_, start) = starts.find(|(of, _)| **of == firmware)?;
        start.as_deref()
    }

    /// Returns the kernel entry for this firmware, with its image.
    pub fn entry<'a>(
        &self,
        catalog: &'a Catalog,
        firmware: Firmware,
    ) -> Option<(&'a Image, &'a Entry)> {
        let id = self.of(firmware)?;
        let mut entries = catalog.entries();
        let (image, entry) = entries.find(|(_, entry)| entry.id == id)?;
        Some((image, entry))
    }
}

/// Returns the entry of `image` that fits best: a generic way only where there is nothing else.
fn of_image(image: &Image, firmware: Firmware) -> Option<String> {
    let generic = || {
        let mut entries = complete(image).filter(|entry| entry.is_last_resort());
        let found = entries.find(|entry| entry.starts_on(firmware))?;
        Some(found.id.clone())
    };
    best_of_image(image, firmware).or_else(generic)
}

/// Returns the entry of `image` that fits best, by no generic way.
fn best_of_image(image: &Image, firmware: Firmware) -> Option<String> {
    let entries = || complete(image).filter(|entry| !entry.is_last_resort());
    let is_kernel = |entry: &&Entry| matches!(entry.kind, EntryKind::Linux(_));
    let kernel = |cpu: &Cpu| entries().filter(is_kernel).find(|e| e.cpu == *cpu);
    let kernel = firmware.cpus().iter().find_map(kernel);
    let found = kernel.or_else(|| entries().find(|entry| entry.starts_on(firmware)));
    found.map(|entry| entry.id.clone())
}

/// Lists the entries of `image` of which nothing is missing.
fn complete(image: &Image) -> impl Iterator<Item = &Entry> {
    let entries = image.found.entries.iter();
    entries.filter(|entry| image.incomplete(entry).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{catalog, image};
    use std::sync::Arc;

    #[test]
    fn boot_takes_an_entry_an_image_or_nothing_and_names_the_nearest() {
        let catalog = catalog();
        let choice = |wanted| BootChoice::resolve(&catalog, wanted);
        let starts =
            |wanted| Firmware::ALL.map(|f| choice(wanted).unwrap().of(f).map(str::to_owned));
        let ids = |ids: [&str; 6]| ids.map(|id| (!id.is_empty()).then(|| format!("dual-{id}")));
        let (wide, narrow) = ("x86_64", "i686");
        let both = ids([wide, narrow, wide, narrow, "", ""]);
        assert_eq!(starts(None), both);
        assert_eq!(starts(Some("dual")), both);
        // 64-bit UEFI starts no 32-bit kernel, and a 32-bit processor runs no 64-bit one.
        assert_eq!(
            starts(Some("dual-i686")),
            ids([narrow, narrow, "", narrow, "", ""])
        );
        assert_eq!(
            starts(Some("dual-x86_64")),
            ids([wide, "", wide, "", "", ""])
        );
        let unknown = |wanted| match choice(Some(wanted)).unwrap_err() {
            CannotBoot::Unknown(error) => error,
            other => panic!("{other}"),
        };
        let error = unknown("daul-i686");
        assert_eq!(error.nearest.as_deref(), Some("dual-i686"));
        assert!(
            error.to_string().contains("did you mean 'dual-i686'?"),
            "{error}"
        );
        assert_eq!(unknown("windows").nearest, None);
    }

    #[test]
    fn a_whole_image_is_chosen_like_any_other() {
        use crate::testing::whole_image;
        let (x64, arm) = (Arch::X64Uefi, Arch::Arm64Uefi);
        let images = [
            whole_image("a-memtest", &[x64]),
            image("live", &[Cpu::X86_64]),
            image("files", &[]),
        ];
        let catalog = Catalog::new(images.map(Arc::new).to_vec());
        let whole = |wanted, arch| {
            let choice = BootChoice::resolve(&catalog, wanted).unwrap();
            choice.whole_image(&catalog, arch).map(|i| i.name.clone())
        };
        // Unasked, a kernel starts wherever there is one: PXE machines can start nothing else.
        assert_eq!(whole(None, x64), None);
        assert_eq!(whole(Some("live"), x64), None);
        assert_eq!(whole(Some("a-memtest"), x64).as_deref(), Some("a-memtest"));
        assert_eq!(whole(Some("a-memtest"), arm), None);
        assert_eq!(whole(Some("a-memtest"), Arch::X86Bios), None);
        let named = BootChoice::resolve(&catalog, Some("a-memtest")).unwrap();
        assert!(Firmware::ALL.iter().all(|f| named.of(*f).is_none()));
        let files = BootChoice::resolve(&catalog, Some("files")).unwrap_err();
        assert_eq!(files, CannotBoot::OnlyFiles("files".into()));
        let unknown = BootChoice::resolve(&catalog, Some("filez")).unwrap_err();
        assert!(
            unknown
                .to_string()
                .ends_with("served are: a-memtest, live, live-x86_64"),
            "{unknown}"
        );
        // `--loader iso` asks for a RAM disk, also of an image that has kernels.
        let mut both = image("both", &[Cpu::X86_64]);
        both.found.efi_boot = true;
        let catalog = Catalog::new(vec![Arc::new(both), Arc::new(whole_image("memtest", &[]))]);
        let ram_disk = |wanted| {
            let choice = BootChoice::resolve(&catalog, wanted).unwrap();
            choice.ram_disk(&catalog, x64).unwrap().name.clone()
        };
        assert_eq!(ram_disk(None), "both");
        assert_eq!(ram_disk(Some("memtest")), "memtest");
        assert_eq!(ram_disk(Some("both-x86_64")), "both");
    }

    #[test]
    fn the_local_disk_is_no_image() {
        use crate::testing::whole_image;
        let images = [
            whole_image("memtest", &[Arch::X64Uefi]),
            image("live", &[Cpu::X86_64]),
        ];
        let catalog = Catalog::new(images.map(Arc::new).to_vec());
        let disk = BootChoice::disk();
        assert!(
            Firmware::ALL
                .iter()
                .all(|firmware| disk.of(*firmware).is_none())
        );
        assert!(disk.whole_image(&catalog, Arch::X64Uefi).is_none());
        assert!(disk.ram_disk(&catalog, Arch::X64Uefi).is_none());
        assert!(!disk.is_named());
    }

    #[test]
    fn each_firmware_starts_the_first_image_that_it_can() {
        let of = |name, cpus: &[Cpu]| Arc::new(image(name, cpus));
        let images = [
            of("arm", &[Cpu::Aarch64]),
            of("old", &[Cpu::I686]),
            of("new", &[Cpu::X86_64]),
            of("dual", &[Cpu::I686, Cpu::X86_64]),
            of("risc", &[Cpu::Riscv64]),
        ];
        let catalog = Catalog::new(images.to_vec());
        let choice = |wanted| BootChoice::resolve(&catalog, wanted).unwrap();
        let starts = |wanted| Firmware::ALL.map(|f| choice(wanted).of(f).map(str::to_owned));
        let ids = |ids: [&str; 6]| ids.map(|id| (!id.is_empty()).then(|| id.to_owned()));
        let unasked = ids([
            "old-i686",
            "old-i686",
            "new-x86_64",
            "old-i686",
            "arm-aarch64",
            "risc-riscv64",
        ]);
        assert_eq!(starts(None), unasked);
        assert_eq!(
            starts(Some("arm")),
            ids(["", "", "", "", "arm-aarch64", ""])
        );
        assert_eq!(starts(Some("arm")), starts(Some("arm-aarch64")));
        let new = ids(["new-x86_64", "", "new-x86_64", "", "", ""]);
        assert_eq!(starts(Some("new")), new);
        let dual = choice(Some("dual"));
        let (image, entry) = dual.entry(&catalog, Firmware::Bios64).unwrap();
        assert_eq!(
            (image.name.as_str(), entry.id.as_str()),
            ("dual", "dual-x86_64")
        );
    }
}
