//! Evidence of what an archiso initramfs can do, from its content: stronger than any list of
//! packages.

use crate::images::lack::{self, Lack, Part};
use crate::initramfs::Contents;

/// A part with its hook, its programs and its kernel modules.
type Needs = (
    Part,
    Option<&'static str>,
    &'static [&'static str],
    &'static [&'static str],
);

/// The content of each part (mkinitcpio-archiso `install/*`).
const NEEDS: [Needs; 6] = [
    (Part::Ipconfig, None, &["ipconfig"], &[]),
    (Part::NetworkHook, Some("archiso_pxe_common"), &[], &[]),
    (Part::Http, Some("archiso_pxe_http"), &["curl"], &[]),
    (Part::Nfs, Some("archiso_pxe_nfs"), &["nfsmount"], &["nfs"]),
    (
        Part::Nbd,
        Some("archiso_pxe_nbd"),
        &["nbd-client"],
        &["nbd"],
    ),
    // The firmware's RAM disk is an NVDIMM in ACPI's table NFIT.
    (Part::RamDisk, None, &[], &["nfit", "libnvdimm", "nd_pmem"]),
];

/// Returns what the initramfs at `path` lacks.
pub(super) fn lacks(contents: &Contents, path: &str) -> Vec<Lack> {
    let missing = NEEDS.iter().map(|(part, hook, programs, modules)| {
        let hook = hook.filter(|hook| contents.has_hook(hook) == Some(false));
        let hook = hook.map(|hook| format!("hook {hook}"));
        let mut programs = programs.iter().filter(|name| !contents.has_program(name));
        let mut modules = modules
            .iter()
            .filter(|name| contents.has_module(name) == Some(false));
        let missing = hook
            .or_else(|| programs.next().map(|name| format!("program {name}")))
            .or_else(|| modules.next().map(|name| format!("kernel module {name}")));
        (*part, missing)
    });
    lack::in_initramfs(path, missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initramfs::list;
    use crate::initramfs::testing::cpio;

    /// An initramfs with these files; `builtin` are the modules in its kernel.
    fn contents(files: &[&str], builtin: &str) -> Contents {
        let list_of = ("lib/modules/6/modules.builtin", builtin.as_bytes());
        let files = files.iter().map(|name| (*name, &b""[..])).chain([list_of]);
        list(&cpio(&files.collect::<Vec<_>>())[..]).unwrap()
    }

    fn parts(contents: &Contents) -> Vec<Part> {
        let lacks = lacks(contents, "arch/boot/x86_64/initramfs-linux.img");
        lacks.iter().map(|lack| lack.part).collect()
    }

    const PROGRAMS: [&str; 4] = [
        "bin/ipconfig",
        "bin/curl",
        "usr/bin/nfsmount",
        "usr/bin/nbd-client",
    ];

    #[test]
    fn what_is_not_in_the_initramfs_is_lacking() {
        let modules = [
            "x/nfs.ko",
            "x/nbd.ko.zst",
            "x/nfit.ko",
            "x/libnvdimm.ko.xz",
            "x/nd_pmem.ko",
        ];
        let whole = [&PROGRAMS[..], &modules].concat();
        let builtin = " \n";
        assert_eq!(parts(&contents(&whole, builtin)), []);
        let all = "kernel/fs/nfs/nfs.ko\nnbd.ko\nnfit.ko\nlibnvdimm.ko\nnd_pmem.ko\n";
        assert_eq!(parts(&contents(&PROGRAMS, all)), []);
        let without = |name: &str| {
            let rest = whole.iter().copied().filter(|other| *other != name);
            parts(&contents(&rest.collect::<Vec<_>>(), builtin))
        };
        for (name, part) in [
            ("bin/ipconfig", Part::Ipconfig),
            ("bin/curl", Part::Http),
            ("usr/bin/nfsmount", Part::Nfs),
            ("x/nfs.ko", Part::Nfs),
            ("usr/bin/nbd-client", Part::Nbd),
            ("x/nbd.ko.zst", Part::Nbd),
            ("x/nfit.ko", Part::RamDisk),
            ("x/libnvdimm.ko.xz", Part::RamDisk),
            ("x/nd_pmem.ko", Part::RamDisk),
        ] {
            assert_eq!(without(name), [part], "{name}");
        }
    }

    #[test]
    fn hooks_count_where_there_are_any_and_modules_where_they_are_listed() {
        let own = [
            "hooks/archiso",
            "hooks/archiso_pxe_common",
            "hooks/archiso_pxe_nbd",
        ];
        let hooks = [&PROGRAMS[..], &own].concat();
        let builtin = "nfs.ko\nnbd.ko\nnfit.ko\nlibnvdimm.ko\nnd_pmem.ko\n";
        assert_eq!(parts(&contents(&hooks, builtin)), [Part::Http, Part::Nfs]);
        let all = [
            Part::Ipconfig,
            Part::NetworkHook,
            Part::Http,
            Part::Nfs,
            Part::Nbd,
        ];
        assert_eq!(parts(&contents(&own[..1], builtin)), all);
        let files: Vec<(&str, &[u8])> = PROGRAMS.iter().map(|name| (*name, &b""[..])).collect();
        let unlisted = list(&cpio(&files)[..]).unwrap();
        assert_eq!(parts(&unlisted), [], "no list of modules, no conclusion");
        let lack = lacks(&contents(&PROGRAMS, "nfs.ko\nnbd.ko\n"), "a.img")[0].to_string();
        assert_eq!(
            lack,
            "its initramfs does not see a RAM disk made by the firmware: a.img has no kernel \
             module nfit"
        );
    }
}
