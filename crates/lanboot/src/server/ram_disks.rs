//! Images that machines get whole, as RAM disks, and whose system would not find its root there.

use anyhow::bail;
use lanboot_core::catalog::{Catalog, Image};
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::machine::Arch;
use lanboot_core::plan::BootChoice;

use crate::config::Settings;
use crate::images::initramfs;
use crate::images::open_images::OpenImages;

/// Rejects an image selected by `--boot` that only `--loader iso` would serve.
pub(super) fn check_named(
    settings: &Settings,
    catalog: &Catalog,
    boot: &BootChoice,
) -> anyhow::Result<()> {
    let named = boot.images(catalog).next().filter(|_| boot.is_named());
    if let Some(image) = named
        && let Some(lack) = image.whole_image_lack()
        && !settings.loader().asks_for_iso()
    {
        bail!(
            "--boot: nothing on the image '{}' can be started: {lack}",
            image.name
        );
    }
    Ok(())
}

/// Warns of images that `--loader iso` serves as RAM disks and whose system would not find its root
/// there. Reads the initramfs of these images, and of no others.
pub(super) fn warnings(
    settings: &Settings,
    catalog: &Catalog,
    boot: &BootChoice,
    open_images: &OpenImages,
) -> Vec<Diagnostic> {
    if !settings.loader().asks_for_iso() {
        return Vec::new();
    }
    let lack = |image: &Image| {
        if let Some(lack) = image.whole_image_lack() {
            // The library has read it.
            return Some(lack.clone());
        }
        let mut examined = image.clone();
        let _not_listed = initramfs::examine(&mut examined, &*open_images.get(image.id)?);
        examined.found.ram_disk_lack().cloned()
    };
    let images = images(catalog, boot).into_iter();
    images
        .filter_map(|image| {
            let lack = lack(image)?;
            let others = match image.found.entries.is_empty() {
                true => "",
                false => "; without --loader iso its entries boot over the network",
            };
            Some(DiagnosticCode::RamDiskWithoutRoot.with(format!(
                "{}: the whole image as a RAM disk will not start: {lack}{others}",
                image.file
            )))
        })
        .collect()
}

/// Returns the images that `--loader iso` serves, one at most for each kind of firmware.
fn images<'a>(catalog: &'a Catalog, boot: &BootChoice) -> Vec<&'a Image> {
    const FIRMWARE: [Arch; 6] = [
        Arch::X86Http,
        Arch::X64Http,
        Arch::Arm32Http,
        Arch::Arm64Http,
        Arch::Riscv64Http,
        Arch::Loong64Http,
    ];
    let mut images: Vec<&Image> = Vec::new();
    for image in FIRMWARE
        .iter()
        .filter_map(|arch| boot.ram_disk(catalog, *arch))
    {
        if !images.iter().any(|other| other.id == image.id) {
            images.push(image);
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::catalog::{Detection, MediumLoaders};
    use lanboot_core::vfs::{Identity, ImageId, Meta, TreeBuilder};
    use std::sync::Arc;

    fn image(id: u64, archs: &[Arch]) -> Arc<Image> {
        Arc::new(Image {
            name: format!("image{id}"),
            file: format!("image{id}.iso"),
            id: ImageId(id),
            size: 4096,
            recorded_size: 4096,
            version: id,
            identity: Identity([u8::try_from(id).unwrap(); 16]),
            label: String::new(),
            uuid: None,
            tree: Arc::new(TreeBuilder::new(Meta::default()).build()),
            found: Detection {
                efi_boot: !archs.is_empty(),
                efi_archs: archs.to_vec(),
                ..Detection::default()
            },
            loaders: MediumLoaders::default(),
        })
    }

    #[test]
    fn only_images_that_a_firmware_gets_are_examined() {
        let (x64, arm64) = (Arch::X64Uefi, Arch::Arm64Uefi);
        let all = [&[][..], &[x64], &[x64], &[arm64], &[x64, arm64]];
        let catalog = Catalog::new((1..).zip(all).map(|(id, archs)| image(id, archs)).collect());
        let served = |wanted| {
            let boot = BootChoice::resolve(&catalog, wanted).unwrap();
            let images = images(&catalog, &boot).into_iter();
            images.map(|image| image.id.0).collect::<Vec<_>>()
        };
        assert_eq!(served(None), [2, 4]);
        assert_eq!(served(Some("image5")), [5]);
    }
}
