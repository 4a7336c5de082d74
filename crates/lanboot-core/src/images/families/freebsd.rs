//! FreeBSD's installation media, mfsBSD, and what is built like them (pfSense, OPNsense, TrueNAS CORE, …).
//! Recognised by `boot/kernel/kernel`, packed or not, and FreeBSD's loader.
//!
//! No loader here starts its kernel: its own does, which reads kernel, modules and configuration
//! from where it was started. From the image as a disk that works as long as the firmware reads it.
//! The kernel then looks for its root on a drive, unless the root is in memory (`mfsroot`, as mfsBSD has
//! it). Over a network, `loader.efi` and `pxeboot` ask DHCP for `root-path` (option 17) themselves and read
//! all of that over NFS or TFTP.
//!
//! Read in FreeBSD (`stand/efi/loader`, `stand/common/dev_net.c`, pxeboot(8), `release/amd64/mkisoimages.sh`)
//! and mfsBSD (`Makefile`).

use crate::images::detection::Detection;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::vfs::Tree;

/// FreeBSD.
pub(super) static FAMILY: Family = Family {
    name: "FreeBSD",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// The kernel, as it is or packed.
const KERNELS: [&str; 2] = ["boot/kernel/kernel", "boot/kernel/kernel.gz"];
/// Its loaders: for CDs, for disks, for UEFI, over the network.
const LOADERS: [&str; 5] = [
    "boot/cdboot",
    "boot/loader",
    "boot/loader.efi",
    "boot/loader_lua",
    "boot/pxeboot",
];
/// A root in memory, which the loader loads.
const ROOTS_IN_MEMORY: [&str; 4] = ["mfsroot.gz", "mfsroot", "boot/mfsroot.gz", "boot/mfsroot"];
/// The warning for media without one.
const ROOT_IS_LOST: &str = "FreeBSD's kernel looks for its root on a drive, and what it was started from over \
    the network is none: it starts and asks for its root (mountroot), except on a disk that UEFI HTTP Boot \
    made and that the kernel knows how to find; mfsBSD's root is in memory";

/// Recognises FreeBSD's media.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let has = |tree: &Tree, paths: &[&str]| paths.iter().any(|path| tree.file(path).is_some());
    if !has(medium.tree, &KERNELS) || !has(medium.tree, &LOADERS) {
        return None;
    }
    let in_memory = has(medium.tree, &ROOTS_IN_MEMORY);
    Some(Detection {
        family: Some(if in_memory {
            "FreeBSD (mfsBSD)"
        } else {
            "FreeBSD"
        }),
        evidence: vec![Evidence::Names],
        as_disk: true,
        warnings: (!in_memory)
            .then(|| ROOT_IS_LOST.into())
            .into_iter()
            .collect(),
        ..Detection::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{medium, tree};

    fn found(files: &[(&str, &str)]) -> Option<Detection> {
        detect(medium(&tree(files), "freebsd", "14_2_RELEASE_AMD64_CD"))
    }

    #[test]
    fn the_installers_start_as_a_disk_and_lose_their_root() {
        let disc1 = [
            ("boot/cdboot", ""),
            ("boot/kernel/kernel", ""),
            ("boot/loader.efi", ""),
        ];
        let disc1 = found(&disc1).unwrap();
        assert_eq!((disc1.family_name(), disc1.as_disk), ("FreeBSD", true));
        assert!(
            disc1.warnings[0].contains("mountroot"),
            "{:?}",
            disc1.warnings
        );
    }

    #[test]
    fn mfsbsds_root_is_in_memory() {
        let mfsbsd = [
            ("boot/kernel/kernel.gz", ""),
            ("boot/loader", ""),
            ("mfsroot.gz", ""),
        ];
        let mfsbsd = found(&mfsbsd).unwrap();
        assert_eq!(mfsbsd.family_name(), "FreeBSD (mfsBSD)");
        assert!(mfsbsd.as_disk);
        assert_eq!(mfsbsd.warnings, [""; 0]);
    }

    #[test]
    fn other_systems_are_not_claimed() {
        assert!(found(&[("boot/kernel/kernel", "")]).is_none());
        assert!(found(&[("boot/loader", ""), ("mfsroot.gz", "")]).is_none());
    }
}
