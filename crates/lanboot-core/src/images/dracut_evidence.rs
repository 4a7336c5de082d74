//! Evidence of what a dracut initramfs can do, from its content. Every hook that counts has a
//! program of its own there.

use crate::images::lack::{self, Lack, Part};
use crate::images::transport::Transport;
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

/// Returns what the initramfs at `path` lacks that finds its root with `dmsquash-live`.
pub(super) fn lacks(contents: &Contents, path: &str) -> Vec<Lack> {
    let evidence = Evidence(contents);
    let own = [
        // kiwi's own live module has another way to its root.
        (Part::Live, evidence.first_missing(&["dmsquash-live-root"])),
        (Part::Http, evidence.first_missing(&["livenetroot", "curl"])),
        (
            Part::Nfs,
            evidence
                .first_missing(&["livenetroot"])
                .or_else(|| evidence.nfs()),
        ),
        (Part::Nbd, evidence.disc_over_nbd()),
        evidence.ram_disk(),
    ];
    lack::in_initramfs(path, evidence.network().into_iter().chain(own))
}

/// Returns what the initramfs at `path` lacks that finds its root with kiwi's own live module. That
/// module can download where it has `brd` and `curl` (kiwi 11; 9.24 cannot), and knows no NFS.
pub(super) fn lacks_of_kiwi(contents: &Contents, path: &str) -> Vec<Lack> {
    let evidence = Evidence(contents);
    let download = || evidence.first_missing(&["curl"]);
    let own = [
        (Part::Live, evidence.first_missing(&["kiwi-live-root"])),
        (Part::Http, evidence.module("brd").or_else(download)),
        (Part::Nbd, evidence.disc_over_nbd()),
        evidence.ram_disk(),
    ];
    lack::in_initramfs(path, evidence.network().into_iter().chain(own))
}

/// Returns what the initramfs at `path` lacks that mounts its medium as the root.
pub(super) fn lacks_for_medium(contents: &Contents, path: &str) -> Vec<Lack> {
    let evidence = Evidence(contents);
    let own = [
        (Part::Nfs, evidence.nfs()),
        (Part::Nbd, evidence.disc_over_nbd()),
        evidence.ram_disk(),
    ];
    lack::in_initramfs(path, evidence.network().into_iter().chain(own))
}

/// Returns the argument with which it puts an overlay in memory above a root that comes by `transport`;
/// `None` where it cannot.
pub(super) fn overlay_argument(contents: &Contents, transport: Transport) -> Option<&'static str> {
    // systemd does it when its own mount of the root is there, and dracut mounts one over NFS.
    let of_systemd = ("systemd-volatile-root", "systemd.volatile=overlay");
    let of_disks = (transport == Transport::Nbd).then_some(of_systemd);
    // Scripts that dracut runs before the switch to the root: `overlay-root`, and `overlayfs` since 107.
    let of_dracut = [
        ("10-overlay-mount.sh", "rootovl"),
        ("00-prepare-overlayfs.sh", "rd.overlay=1"),
    ];
    let mut known = of_disks.into_iter().chain(of_dracut);
    let found = known.find(|(program, _)| contents.has_program(program));
    let has_overlays = contents.has_module("overlay") == Some(true);
    found.filter(|_| has_overlays).map(|(_, argument)| argument)
}

/// Returns whether it is kiwi's own live module, and not `dmsquash-live`, that finds the root.
pub(super) fn is_kiwi(contents: &Contents) -> bool {
    contents.has_program("kiwi-live-root") && !contents.has_program("dmsquash-live-root")
}

/// The contents of an initramfs as evidence.
struct Evidence<'a>(&'a Contents);

impl Evidence<'_> {
    /// Returns the first of these programs that is not there.
    fn first_missing(&self, programs: &[&str]) -> Option<String> {
        let mut missing = programs.iter().filter(|name| !self.0.has_program(name));
        missing.next().map(|name| format!("program {name}"))
    }

    /// Returns a module that is not there.
    fn module(&self, name: &str) -> Option<String> {
        let is_missing = self.0.has_module(name) == Some(false);
        is_missing.then(|| format!("kernel module {name}"))
    }

    /// Returns what is missing for any network.
    fn network(&self) -> [(Part, Option<String>); 2] {
        let has_no_driver = DRIVERS
            .iter()
            .all(|driver| self.0.has_module(driver) == Some(false));
        let no_driver = has_no_driver.then(|| "network driver".to_owned());
        [
            (Part::NetworkHook, self.first_missing(&["netroot"])),
            (Part::NetworkDriver, no_driver),
        ]
    }

    /// Returns what is missing for a mount over NFS.
    fn nfs(&self) -> Option<String> {
        let program = self.first_missing(&["nfsroot", "mount.nfs"]);
        program.or_else(|| self.module("nfs"))
    }

    /// Returns what is missing for the medium as a network disk.
    fn disc_over_nbd(&self) -> Option<String> {
        let program = self.first_missing(&["nbdroot", "nbd-client"]);
        program.or_else(|| {
            ["nbd", "isofs"]
                .into_iter()
                .find_map(|name| self.module(name))
        })
    }

    /// Returns what is missing for the firmware's RAM disk: an NVDIMM in ACPI's table NFIT.
    fn ram_disk(&self) -> (Part, Option<String>) {
        let mut modules = ["nfit", "libnvdimm", "nd_pmem"].into_iter();
        (Part::RamDisk, modules.find_map(|name| self.module(name)))
    }
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

    /// The files that count in kiwi 11's own.
    const KIWI: [&str; 9] = [
        "usr/bin/curl",
        "usr/bin/nbd-client",
        "usr/sbin/kiwi-live-root",
        "usr/sbin/nbdroot",
        "usr/sbin/netroot",
        "usr/lib/modules/6/kernel/drivers/block/brd.ko.xz",
        "usr/lib/modules/6/kernel/drivers/net/virtio_net.ko.xz",
        "usr/lib/modules/6/kernel/drivers/block/nbd.ko.xz",
        "usr/lib/modules/6/kernel/fs/isofs/isofs.ko.xz",
    ];

    #[test]
    fn kiwi_downloads_only_with_a_ram_disk_and_curl() {
        let of = |left_out: Option<usize>| {
            let files = KIWI.iter().enumerate();
            let files = files.filter(|(at, _)| Some(*at) != left_out);
            let files = files.map(|(_, name)| (*name, &b""[..]));
            let builtin = ("usr/lib/modules/6/modules.builtin", &b"x/nfit.ko\n"[..]);
            let contents = list(&cpio(&files.chain([builtin]).collect::<Vec<_>>())[..]).unwrap();
            assert!(is_kiwi(&contents) || left_out == Some(2));
            let lacks = lacks_of_kiwi(&contents, "initrd").into_iter();
            let lacks = lacks.filter(|lack| lack.part != Part::RamDisk);
            lacks
                .map(|lack| (lack.part, lack.missing))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(None), []);
        for (file, part, missing) in [
            (0, Part::Http, "program curl"),
            (1, Part::Nbd, "program nbd-client"),
            (2, Part::Live, "program kiwi-live-root"),
            (3, Part::Nbd, "program nbdroot"),
            (4, Part::NetworkHook, "program netroot"),
            (5, Part::Http, "kernel module brd"),
            (6, Part::NetworkDriver, "network driver"),
        ] {
            assert_eq!(of(Some(file)), [(part, missing.to_owned())]);
        }
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
