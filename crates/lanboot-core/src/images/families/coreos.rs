//! Fedora CoreOS, CentOS Stream CoreOS and RHEL CoreOS: a live system that also installs itself.
//! Recognised by the root in an archive of its own (`images/pxeboot/rootfs.img`), and a menu that
//! starts a kernel with `coreos.liveiso=`. The initramfs downloads that archive over HTTP and
//! unpacks it into memory; it knows no other way.
//!
//! Read in fedora-coreos-config (`live/isolinux/isolinux.cfg`, `live/EFI/fedora/grub.cfg`,
//! `coreos-livepxe-rootfs.sh`) and in Fedora's documentation on booting live by PXE.

use std::sync::Arc;

use crate::boot_config::MenuEntry;
use crate::images::detection::Detection;
use crate::images::entry::{Boot, Entry, Refusal, RootSource};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::images::own_menu::{Choice, Common, Pair};
use crate::images::transport::Transport;

/// Fedora CoreOS and its kin.
pub(super) static FAMILY: Family = Family {
    name: "CoreOS",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// The archive with the root.
const ROOT: &str = "images/pxeboot/rootfs.img";

/// Keys of arguments that are never inherited: the volume's label, and a root elsewhere.
const DECIDED_HERE: [&str; 2] = ["coreos.liveiso", "coreos.live.rootfs_url"];

/// Recognises a live medium.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let root = medium.tree.file(ROOT)?.len();
    let config = medium.menus();
    let is_usable = |entry: &MenuEntry| entry.argument("coreos.liveiso").is_some();
    let choice = Choice {
        is_usable: &is_usable,
        mode: &|_| "",
        variants: &["console", "nomodeset"],
    };
    let mut pairs: Vec<Pair> = choice.pairs(medium.tree, config);
    for pair in &mut pairs {
        // The menus have a filler, in whose place coreos-installer writes arguments.
        pair.arguments.retain(|word| !word.starts_with('#'));
    }
    let common = Common {
        medium,
        root: Some((ROOT.to_owned(), root)),
        source: Arc::new(CoreOs),
        decided_here: &DECIDED_HERE,
        notes: Vec::new(),
    };
    (!pairs.is_empty()).then(|| Detection {
        family: Some("CoreOS"),
        evidence: vec![Evidence::Menu],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// An initramfs with CoreOS' dracut modules. It configures every card by DHCP where its root is on the
/// network.
#[derive(Clone, Copy, Debug)]
struct CoreOs;

impl RootSource for CoreOs {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let (server, image) = (boot.source.server, boot.source.image);
        let mut words = entry.inherited.clone();
        words.push(format!(
            "coreos.live.rootfs_url={}/iso/{image}/{ROOT}",
            server.http
        ));
        words.extend(boot.append.split_whitespace().map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        (transport != Transport::Http).then_some(Refusal::OnlyHttp("CoreOS"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::golden::{detected, line};
    use crate::testing::{linux, medium, tree};

    /// The menus of Fedora CoreOS 34, whose last argument is a filler for others.
    fn grub() -> String {
        format!(
            "set default=\"1\"\nmenuentry 'Fedora CoreOS (Live)' --class fedora --class gnu-linux {{\n\
             \tlinux /images/pxeboot/vmlinuz mitigations=auto,nosmt \
             coreos.liveiso=fedora-coreos-34.20210529.3.0 ignition.firstboot \
             ignition.platform.id=metal\n{}\n\tinitrd /images/pxeboot/initrd.img \
             /images/ignition.img\n}}\n",
            "#".repeat(1000)
        )
    }

    fn isolinux() -> String {
        format!(
            "serial 0\ndefault vesamenu.c32\ntimeout 50\nlabel linux\n  menu label ^Fedora CoreOS \
             (Live)\n  menu default\n  kernel /images/pxeboot/vmlinuz\n  append \
             initrd=/images/pxeboot/initrd.img,/images/ignition.img mitigations=auto,nosmt \
             coreos.liveiso=fedora-coreos-34.20210529.3.0 ignition.firstboot \
             ignition.platform.id=metal {}\n",
            "#".repeat(1000)
        )
    }

    #[test]
    fn the_root_is_downloaded_and_the_place_for_ignition_stays() {
        let (grub, isolinux) = (grub(), isolinux());
        let files = [
            ("EFI/fedora/grub.cfg", grub.as_str()),
            ("images/ignition.img", "\0\0"),
            ("images/pxeboot/initrd.img", "i"),
            ("images/pxeboot/rootfs.img", "root"),
            ("images/pxeboot/vmlinuz", "k"),
            ("isolinux/isolinux.cfg", isolinux.as_str()),
        ];
        for skipped in ["EFI", "isolinux", "none"] {
            let mut files = files.to_vec();
            files.retain(|(path, _)| !path.starts_with(skipped));
            let found = detected(&files);
            assert_eq!(found.family_name(), "CoreOS");
            let [entry] = &found.entries[..] else {
                panic!("{:?}", found.entries)
            };
            assert_eq!(
                line(
                    entry,
                    Transport::Http,
                    "ignition.config.url=http://192.168.0.1/a.ign"
                ),
                "mitigations=auto,nosmt ignition.firstboot ignition.platform.id=metal \
                 coreos.live.rootfs_url=http://192.168.0.1/iso/disc/images/pxeboot/rootfs.img \
                 ignition.config.url=http://192.168.0.1/a.ign"
            );
            assert_eq!(
                linux(entry).initrd,
                ["images/pxeboot/initrd.img", "images/ignition.img"]
            );
            for transport in [Transport::Nfs, Transport::Nbd] {
                let said = entry.check(transport, "").unwrap_err().to_string();
                assert_eq!(
                    said,
                    "its initramfs (CoreOS) fetches the root over HTTP only"
                );
            }
        }
    }

    #[test]
    fn without_its_root_it_is_none() {
        let grub = grub();
        let files = [
            ("EFI/fedora/grub.cfg", grub.as_str()),
            ("images/ignition.img", "\0"),
            ("images/pxeboot/initrd.img", "i"),
            ("images/pxeboot/vmlinuz", "k"),
        ];
        assert!(detect(medium(&tree(&files), "disc", "X")).is_none());
    }
}
