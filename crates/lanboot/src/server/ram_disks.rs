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
    if settings.loader().asks_for_iso() {
        without_root(catalog, boot, open_images)
    } else {
        Vec::new()
    }
}

/// Warns of the images served as RAM disks whose system would not find its root there.
fn without_root(catalog: &Catalog, boot: &BootChoice, open_images: &OpenImages) -> Vec<Diagnostic> {
    let lack = |image: &Image| {
        if let Some(lack) = image.whole_image_lack() {
            // The library has read it.
            return Some(lack.clone());
        }
        let mut examined = image.clone();
        let _not_listed = initramfs::examine(&mut examined, open_images);
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
            let diagnostic = DiagnosticCode::RamDiskWithoutRoot.with(format!(
                "{}: the whole image as a RAM disk will not start: {lack}{others}",
                image.file
            ));
            Some(diagnostic.of_image(&image.name).of_file(&image.file))
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
    use crate::images::library::ImageLibrary;
    use lanboot_core::catalog::{Detection, MediumLoaders};
    use lanboot_core::vfs::{Identity, ImageId, Meta, TreeBuilder};
    use std::sync::Arc;

    fn image(id: u64, archs: &[Arch]) -> Arc<Image> {
        Arc::new(Image {
            name: format!("image{id}"),
            file: format!("image{id}.iso"),
            folder: Vec::new(),
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

    /// Builds an archive (`newc`) of files that hold one byte.
    fn cpio(names: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for name in names.iter().chain(&["TRAILER!!!"]) {
            let len = usize::from(*name != "TRAILER!!!");
            let numbers = [1, 0o100_644, 0, 0, 1, 0, len, 0, 0, 0, 0, name.len() + 1, 0];
            out.extend_from_slice(b"070701");
            for number in numbers {
                out.extend_from_slice(format!("{number:08X}").as_bytes());
            }
            out.extend_from_slice(name.as_bytes());
            out.push(0);
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend_from_slice(&b"x"[..len]);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    /// Opens an archiso image whose entry boots over the network, with these kernel modules in its
    /// initramfs.
    fn archiso(name: &str, modules: &[&str], open_images: &Arc<OpenImages>) -> Catalog {
        const CONFIG: &[u8] = b"title Live\nlinux /arch/boot/x86_64/vmlinuz-linux\n\
            initrd /arch/boot/x86_64/initramfs-linux.img\noptions archisobasedir=arch\n";
        let folder = tempfile::tempdir().unwrap();
        let module = |name: &&str| format!("usr/lib/modules/6.12/kernel/drivers/{name}.ko");
        let modules: Vec<String> = modules.iter().map(module).collect();
        let mut files: Vec<&str> = modules.iter().map(String::as_str).collect();
        files.extend(["usr/bin/ipconfig", "usr/lib/modules/6.12/modules.builtin"]);
        let initramfs = cpio(&files);
        for (name, bytes) in [
            ("arch/boot/x86_64/vmlinuz-linux", &b"kernel"[..]),
            ("arch/boot/x86_64/initramfs-linux.img", &initramfs),
            ("arch/x86_64/airootfs.sfs", b"root"),
            ("loader/entries/01.conf", CONFIG),
            ("efi.img", &[1; 4096]),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let path = folder.path().join(format!("{name}.iso"));
        let output = std::process::Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-R", "-eltorito-alt-boot"])
            .args(["-e", "efi.img", "-no-emul-boot", "-o"])
            .args([&path, folder.path()])
            .output()
            .expect("xorriso is missing: apt-get install -y xorriso");
        assert!(output.status.success(), "{output:?}");
        let mut library = ImageLibrary::new(vec![path], Arc::clone(open_images));
        library.scan(None).catalog
    }

    #[test]
    fn an_image_whose_initramfs_misses_the_ram_disk_is_warned_of() {
        let open_images = Arc::new(OpenImages::default());
        let said = |name, modules: &[&str]| {
            let catalog = archiso(name, modules, &open_images);
            assert_eq!(catalog.entries().count(), 1, "it boots over the network");
            let boot = BootChoice::first(&catalog);
            without_root(&catalog, &boot, &open_images)
        };
        assert_eq!(said("able", &["nfit", "libnvdimm", "nd_pmem"]), []);
        let [warning] = &said("unable", &["libnvdimm", "nd_pmem"])[..] else {
            panic!("no warning, or several");
        };
        assert_eq!(warning.code, DiagnosticCode::RamDiskWithoutRoot);
        assert_eq!(warning.image.as_deref(), Some("unable"));
        let (_, sentence) = warning.text.split_once("/unable.iso: ").unwrap();
        assert_eq!(
            sentence,
            "the whole image as a RAM disk will not start: its initramfs does not see a \
             RAM disk made by the firmware: arch/boot/x86_64/initramfs-linux.img has no kernel module \
             nfit; without --loader iso its entries boot over the network"
        );
    }
}
