//! Images that start as a whole: UEFI HTTP Boot loads one into memory and starts it as a disk.

use super::{Catalog, Entry, Image, Lack};
use crate::loaders::MEMDISK_MAX_IMAGE;
use crate::machine::Arch;

/// Something a person can start. Which of them a machine can start depends on its firmware, and
/// for a whole image also on how it asked.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// An entry, by the loaders that start its kind.
    Kernel(&'a Image, &'a Entry),
    /// The image as a RAM disk, by UEFI HTTP Boot only. Its name is the image's name.
    WholeImage(&'a Image),
}

impl Start<'_> {
    /// Returns what `--boot` takes for it.
    pub fn id(&self) -> &str {
        match self {
            Self::Kernel(_, entry) => &entry.id,
            Self::WholeImage(image) => &image.name,
        }
    }
}

impl Catalog {
    /// Lists everything that can be started: the kernel entries of every image, and the images that
    /// have none and start as a whole.
    pub fn starts(&self) -> impl Iterator<Item = Start<'_>> {
        self.images().iter().flat_map(|image| image.starts())
    }

    /// Lists the images whose only entry is the whole image.
    pub fn whole_images(&self) -> impl Iterator<Item = &Image> {
        let images = self.images().iter().map(AsRef::as_ref);
        images.filter(|image| image.is_whole_entry())
    }

    /// Returns a sentence about the images that start as a whole, for machines that cannot start
    /// them so; `None` when there is no such image.
    pub fn about_whole_images(&self) -> Option<String> {
        let names: Vec<&str> = self.whole_images().map(|i| i.name.as_str()).collect();
        let (first, more) = names.split_first()?;
        Some(match more.len() {
            0 => format!("{first} starts only as a whole, by UEFI HTTP Boot"),
            n => format!("{first} and {n} more start only as a whole, by UEFI HTTP Boot"),
        })
    }
}

impl Image {
    /// Returns what of this image can be started.
    pub fn starts(&self) -> impl Iterator<Item = Start<'_>> {
        let kernels = self.found.entries.iter();
        let kernels = kernels.filter(|entry| self.incomplete(entry).is_none());
        let kernels = kernels.map(move |entry| Start::Kernel(self, entry));
        kernels.chain(self.is_whole_entry().then_some(Start::WholeImage(self)))
    }

    /// Returns whether memdisk can hold it.
    pub fn fits_memdisk(&self) -> bool {
        self.size <= MEMDISK_MAX_IMAGE
    }

    /// Returns the words by which memdisk knows the kind of the image, and that it is to copy it by itself:
    /// some BIOSes cannot move it. Small images of drives are floppies or not by their size.
    pub fn memdisk_words(&self) -> &'static str {
        /// Images below this are floppies for memdisk (its documentation, `memdisk.txt`).
        const FLOPPY: u64 = 4 << 20;
        match self.found.is_drive() {
            true if self.size < FLOPPY => "raw",
            true => "harddisk raw",
            false => "iso raw",
        }
    }

    /// Returns whether no part of the image is known to be missing.
    fn is_complete(&self) -> bool {
        self.whole().damage().is_none()
    }

    /// Returns whether the whole image is an entry: it has no kernel entry, firmware can start it,
    /// and its system is not known to miss the RAM disk.
    pub fn is_whole_entry(&self) -> bool {
        self.is_only_whole() && self.found.ram_disk_lack().is_none()
    }

    /// Returns why the whole image is not an entry although firmware can start it and nothing else
    /// of it starts. `--loader iso` serves it nevertheless.
    pub fn whole_image_lack(&self) -> Option<&Lack> {
        let is_only_whole = self.is_only_whole();
        self.found.ram_disk_lack().filter(|_| is_only_whole)
    }

    fn is_only_whole(&self) -> bool {
        self.found.efi_boot && self.found.entries.is_empty() && self.is_complete()
    }

    /// Returns whether firmware that runs programs for `arch` can start it as a RAM disk.
    pub fn starts_whole_on(&self, arch: Arch) -> bool {
        let archs = &self.found.efi_archs;
        self.found.efi_boot
            && self.is_complete()
            && arch.program() != Arch::X86Bios
            && (archs.is_empty() || archs.contains(&arch.program()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Cpu;
    use crate::testing::{image, whole_image, without_ram_disk};
    use std::sync::Arc;

    #[test]
    fn an_image_whose_system_misses_the_ram_disk_is_no_entry() {
        let image = without_ram_disk("live", &[]);
        assert!(!image.is_whole_entry() && image.starts().next().is_none());
        assert!(image.whole_image_lack().is_some());
        assert!(image.starts_whole_on(Arch::X64Http), "if asked for");
        let memtest = whole_image("memtest", &[]);
        assert!(memtest.is_whole_entry() && memtest.whole_image_lack().is_none());
        // One with a kernel is an entry all the same.
        let mut kernel = without_ram_disk("live", &[]);
        kernel.found.entries.append(&mut kernel.found.unreachable);
        assert!(kernel.starts().next().is_some() && kernel.whole_image_lack().is_none());
    }

    #[test]
    fn an_image_without_a_kernel_is_an_entry_where_firmware_can_start_it() {
        let (plain, mut kernel) = (image("files", &[]), image("live", &[Cpu::X86_64]));
        kernel.found.efi_boot = true;
        let whole = whole_image("memtest", &[]);
        let images = [plain, kernel, whole].map(Arc::new);
        let catalog = Catalog::new(images.to_vec());
        let ids: Vec<String> = catalog.starts().map(|s| s.id().to_owned()).collect();
        assert_eq!(ids, ["live-x86_64", "memtest"]);
        let said = catalog.about_whole_images().unwrap();
        assert!(said.starts_with("memtest starts only"), "{said}");
        assert_eq!(Catalog::default().about_whole_images(), None);
    }

    #[test]
    fn a_whole_image_starts_on_the_firmware_it_has_a_program_for() {
        let unknown = whole_image("a", &[]);
        let x64 = whole_image("b", &[Arch::X64Uefi]);
        for (arch, expected) in [
            (Arch::X64Http, [true, true]),
            (Arch::X64Uefi, [true, true]),
            (Arch::Riscv64Http, [true, false]),
            (Arch::BiosHttp, [false, false]),
        ] {
            let starts = [&unknown, &x64].map(|image| image.starts_whole_on(arch));
            assert_eq!(starts, expected, "{arch}");
        }
    }
}
