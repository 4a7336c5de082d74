//! Evidence of what a live-boot initramfs can do, from its content.

use crate::images::lack::{self, Lack, Part};
use crate::initramfs::Contents;

/// Drivers of common network cards, wired and virtual. live-boot's hook takes every driver the
/// kernel has (`auto_add_modules net`), so that one without any of these has none.
const DRIVERS: [&str; 24] = [
    "e1000",
    "e1000e",
    "igb",
    "igc",
    "ixgbe",
    "i40e",
    "ice",
    "r8169",
    "8139too",
    "8139cp",
    "tg3",
    "bnx2",
    "bnxt_en",
    "virtio_net",
    "vmxnet3",
    "hv_netvsc",
    "xen_netfront",
    "forcedeth",
    "sky2",
    "atl1c",
    "alx",
    "mlx4_en",
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
    let script = |prefix: &str| {
        let is_missing = contents.has_live_script(prefix) == Some(false);
        is_missing.then(|| format!("script {prefix}*"))
    };
    let has_no_driver = DRIVERS
        .iter()
        .all(|driver| contents.has_module(driver) == Some(false));
    let missing = [
        (Part::Ipconfig, program("ipconfig")),
        (Part::NetworkHook, script("9990-netboot")),
        (
            Part::NetworkDriver,
            has_no_driver.then(|| "network driver".to_owned()),
        ),
        (
            Part::Http,
            script("9990-mount-http").or_else(|| program("wget")),
        ),
        (Part::Nfs, program("nfsmount").or_else(|| module("nfs"))),
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

    /// The files that count in an initramfs of Debian 13.
    const WHOLE: [&str; 10] = [
        "usr/bin/ipconfig",
        "usr/bin/nfsmount",
        "usr/bin/wget",
        "usr/lib/live/boot/9990-mount-http.sh",
        "usr/lib/live/boot/9990-netboot.sh",
        "usr/lib/modules/6/kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko.xz",
        "usr/lib/modules/6/kernel/fs/nfs/nfs.ko.xz",
        "usr/lib/modules/6/x/libnvdimm.ko.xz",
        "usr/lib/modules/6/x/nd_pmem.ko.xz",
        "usr/lib/modules/6/x/nfit.ko.xz",
    ];

    fn contents(files: &[&str], lists_builtin: bool) -> Contents {
        let builtin = lists_builtin.then_some(("usr/lib/modules/6/modules.builtin", &b" \n"[..]));
        let files = files.iter().map(|name| (*name, &b""[..])).chain(builtin);
        list(&cpio(&files.collect::<Vec<_>>())[..]).unwrap()
    }

    fn sentences(contents: &Contents) -> Vec<String> {
        let lacks = lacks(contents, "live/initrd.img");
        lacks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_missing_file_is_named_with_what_needs_it() {
        assert_eq!(sentences(&contents(&WHOLE, true)), [""; 0]);
        for (file, sentence) in [
            (
                0,
                "cannot use the network: live/initrd.img has no program ipconfig",
            ),
            (
                1,
                "cannot mount the root over NFS: live/initrd.img has no program nfsmount",
            ),
            (
                2,
                "cannot fetch the root over HTTP: live/initrd.img has no program wget",
            ),
            (
                3,
                "cannot fetch the root over HTTP: live/initrd.img has no script 9990-mount-http*",
            ),
            (
                4,
                "cannot use the network: live/initrd.img has no script 9990-netboot*",
            ),
            (
                5,
                "cannot use the network: live/initrd.img has no network driver",
            ),
            (
                6,
                "cannot mount the root over NFS: live/initrd.img has no kernel module nfs",
            ),
            (
                9,
                "does not see a RAM disk made by the firmware: live/initrd.img has no kernel module nfit",
            ),
        ] {
            let mut files = WHOLE.to_vec();
            let removed = files.remove(file);
            let expected = format!("its initramfs {sentence}");
            assert_eq!(sentences(&contents(&files, true)), [expected], "{removed}");
        }
    }

    #[test]
    fn without_lists_of_scripts_and_modules_nothing_is_concluded() {
        assert_eq!(sentences(&contents(&WHOLE[..3], false)), [""; 0]);
    }
}
