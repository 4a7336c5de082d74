//! Evidence of what a dracut initramfs can do, from its content. Every hook that counts has a
//! program of its own there.

use crate::images::lack::{self, Lack, Part};
use crate::initramfs::Contents;

/// Drivers of common network cards, wired and virtual. dracut's module `kernel-network-modules` takes
/// every driver the kernel has, so that an initramfs without any of these has none.
const DRIVERS: [&str; 14] = [
    "e1000",
    "e1000e",
    "igb",
    "igc",
    "ixgbe",
    "i40e",
    "ice",
    "r8169",
    "tg3",
    "bnxt_en",
    "virtio_net",
    "vmxnet3",
    "mlx5_core",
    "r8152",
];

/// Returns what the initramfs at `path` lacks.
pub(super) fn lacks(contents: &Contents, path: &str) -> Vec<Lack> {
    let program = |name: &str| (!contents.has_program(name)).then(|| format!("program {name}"));
    let module = |name: &str| {
        let is_missing = contents.has_module(name) == Some(false);
        is_missing.then(|| format!("kernel module {name}"))
    };
    let has_no_driver = DRIVERS
        .iter()
        .all(|driver| contents.has_module(driver) == Some(false));
    let missing = [
        // kiwi's own live module has another way to its root.
        (Part::Live, program("dmsquash-live-root")),
        (Part::NetworkHook, program("netroot")),
        (
            Part::NetworkDriver,
            has_no_driver.then(|| "network driver".to_owned()),
        ),
        (
            Part::Http,
            program("livenetroot").or_else(|| program("curl")),
        ),
        (
            Part::Nfs,
            ["livenetroot", "nfsroot", "mount.nfs"]
                .into_iter()
                .find_map(program)
                .or_else(|| module("nfs")),
        ),
        (
            Part::Nbd,
            ["nbdroot", "nbd-client"]
                .into_iter()
                .find_map(program)
                .or_else(|| ["nbd", "isofs"].into_iter().find_map(module)),
        ),
        // The firmware's RAM disk is an NVDIMM in ACPI's table NFIT.
        (
            Part::RamDisk,
            ["nfit", "libnvdimm", "nd_pmem"]
                .into_iter()
                .find_map(module),
        ),
    ];
    lack::in_initramfs(path, missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initramfs::list;
    use crate::initramfs::testing::cpio;

    /// The files that count in an initramfs of dracut 112 with every module.
    const WHOLE: [&str; 15] = [
        "usr/bin/curl",
        "usr/bin/dmsquash-live-root",
        "usr/bin/livenetroot",
        "usr/bin/mount.nfs",
        "usr/bin/nbd-client",
        "usr/bin/nbdroot",
        "usr/bin/netroot",
        "usr/bin/nfsroot",
        "usr/lib/modules/6/kernel/drivers/net/virtio_net.ko.xz",
        "usr/lib/modules/6/kernel/drivers/block/nbd.ko.xz",
        "usr/lib/modules/6/kernel/fs/isofs/isofs.ko.xz",
        "usr/lib/modules/6/kernel/fs/nfs/nfs.ko.xz",
        "usr/lib/modules/6/x/libnvdimm.ko.xz",
        "usr/lib/modules/6/x/nd_pmem.ko.xz",
        "usr/lib/modules/6/x/nfit.ko.xz",
    ];

    fn sentences(files: &[&str]) -> Vec<String> {
        let builtin = ("usr/lib/modules/6/modules.builtin", &b" \n"[..]);
        let files = files.iter().map(|name| (*name, &b""[..])).chain([builtin]);
        let contents = list(&cpio(&files.collect::<Vec<_>>())[..]).unwrap();
        let lacks = lacks(&contents, "initrd");
        lacks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_missing_file_is_named_with_what_needs_it() {
        assert_eq!(sentences(&WHOLE), [""; 0]);
        for (file, expected) in [
            (
                0,
                "cannot fetch the root over HTTP: initrd has no program curl",
            ),
            (
                1,
                "cannot start a live system over the network: initrd has no program \
                 dmsquash-live-root",
            ),
            (
                3,
                "cannot mount the root over NFS: initrd has no program mount.nfs",
            ),
            (
                4,
                "cannot attach the root over NBD: initrd has no program nbd-client",
            ),
            (
                5,
                "cannot attach the root over NBD: initrd has no program nbdroot",
            ),
            (6, "cannot use the network: initrd has no program netroot"),
            (
                7,
                "cannot mount the root over NFS: initrd has no program nfsroot",
            ),
            (8, "cannot use the network: initrd has no network driver"),
            (
                9,
                "cannot attach the root over NBD: initrd has no kernel module nbd",
            ),
            (
                11,
                "cannot mount the root over NFS: initrd has no kernel module nfs",
            ),
            (
                14,
                "does not see a RAM disk made by the firmware: initrd has no kernel module nfit",
            ),
        ] {
            let mut files = WHOLE.to_vec();
            let removed = files.remove(file);
            let expected = format!("its initramfs {expected}");
            assert_eq!(sentences(&files), [expected], "{removed}");
        }
        let mut without_livenet = WHOLE.to_vec();
        without_livenet.remove(2);
        assert_eq!(sentences(&without_livenet).len(), 2);
    }
}
