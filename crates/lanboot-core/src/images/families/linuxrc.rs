//! SUSE's installation media before Agama: openSUSE Leap up to 15, Tumbleweed's DVD, SLE up to 15.
//! Recognised by the installation system in `boot/ARCH/root`, with a kernel and its initramfs that
//! the menus start from `boot/ARCH`. linuxrc in the initramfs loads the installation system from
//! `install=`, and YaST the packages from there when it installs them, so that the medium is needed
//! to the end.
//!
//! Read in linuxrc (`file.c`: `install`, `netsetup`, `BOOTIF`; `README.linuxrc`: URLs) and in
//! installation-images (`data/boot/grub-efi.cfg`, `syslinux.cfg`: the menus).

use std::sync::Arc;

use crate::boot_config::{self, MenuEntry, file_names};
use crate::images::arguments::NetworkArgs;
use crate::images::detection::Detection;
use crate::images::entry::{Boot, Entry, Refusal, RootSource};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::images::own_menu::{Choice, Common};
use crate::images::transport::Transport;
use crate::vfs::{Content, Tree};

/// SUSE's installer before Agama.
pub(super) static FAMILY: Family = Family {
    name: "linuxrc",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// SUSE's names of the processors.
const ARCHS: [&str; 3] = ["x86_64", "i386", "aarch64"];

/// Keys of arguments that are never inherited: where the packages are, how the network is configured,
/// and a mark for the boot loader's own editor.
const DECIDED_HERE: [&str; 8] = [
    "install",
    "instsys",
    "netsetup",
    "BOOTIF",
    "isofrom",
    "isofrom_device",
    "isofrom_system",
    "showopts",
];

/// Arguments that make an entry a variant of the plain one.
const VARIANTS: [&str; 6] = ["nomodeset", "acpi", "apm", "mce", "textmode", "x11failsafe"];

/// Recognises an installation medium of SUSE's.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let tree = medium.tree;
    let root = |arch: &&str| tree.file(&format!("boot/{arch}/root")).is_some();
    let arch = ARCHS.into_iter().find(root)?;
    let loaders: Vec<String> = ARCHS.map(|arch| format!("boot/{arch}/loader")).into();
    let config = boot_config::read(tree, medium.read, &loaders);
    let is_usable = |entry: &MenuEntry| {
        let not = ["mediacheck", "systemboot"].iter();
        entry.kernel.starts_with("boot/") && !not.clone().any(|key| entry.argument(key).is_some())
    };
    let choice = Choice {
        is_usable: &is_usable,
        mode: &mode,
        variants: &VARIANTS,
    };
    let pairs = choice.pairs(tree, &config);
    let common = Common {
        medium,
        root: Some((format!("boot/{arch}/root"), system_bytes(tree, arch))),
        source: Arc::new(Linuxrc),
        decided_here: &DECIDED_HERE,
        notes: Vec::new(),
    };
    (!pairs.is_empty()).then(|| Detection {
        family: Some("linuxrc"),
        evidence: vec![Evidence::Names],
        entries: common.entries(&pairs),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    })
}

/// Returns what an entry does besides installing.
fn mode(entry: &MenuEntry) -> &'static str {
    let modes = ["rescue", "upgrade"].into_iter();
    let mut asked = modes.filter(|key| entry.argument(key).is_some());
    asked.next().unwrap_or_default()
}

/// Returns the size of the parts of the installation system together, in bytes: they lie beside
/// each other, and linuxrc loads those it needs.
fn system_bytes(tree: &Tree, arch: &str) -> u64 {
    let folder = format!("boot/{arch}");
    let parts = file_names(tree, &folder).filter(|name| !["linux", "initrd"].contains(name));
    let files = parts.filter_map(|name| tree.file(&format!("{folder}/{name}")));
    files.map(Content::len).fold(0, u64::saturating_add)
}

/// An initramfs with linuxrc.
#[derive(Clone, Copy, Debug)]
struct Linuxrc;

impl RootSource for Linuxrc {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let (server, image) = (boot.source.server, boot.source.image);
        let mut words = entry.inherited.clone();
        match boot.transport {
            Transport::Http => words.push(format!("install={}/iso/{image}", server.http)),
            Transport::Nfs => {
                words.push(format!(
                    "install=nfs://{}/iso/{image}",
                    server.http.url_host()
                ));
            }
            Transport::Nbd => {}
        }
        words.push("netsetup=dhcp".to_owned());
        words.extend(NetworkArgs::Interface.words(boot.dialect, server.http.host));
        words.extend(boot.append.split_whitespace().map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        (transport == Transport::Nbd).then_some(Refusal::NbdUnsupported("linuxrc"))
    }

    fn sysappend(&self) -> u32 {
        NetworkArgs::Interface.sysappend()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::golden::{detected, line};
    use crate::testing::{linux, medium, tree};

    /// `EFI/BOOT/grub.cfg`: `data/boot/grub-efi.cfg` of installation-images for x86-64.
    const GRUB: &str = "with_gfx=0\n\ngfxmode=auto\nlang=en_US\n\n\
        search --no-floppy --file /boot/x86_64/efi --set\nprefix=($root)/boot/x86_64/grub2-efi\n\n\
        insmod efi_gop\n\nif sleep --interruptible 0 ; then\n  timeout=60\nfi\n\ndefault=1\n\n\
        menuentry \"Boot from Hard Disk\" --class opensuse {\n\
        \x20 if search --no-floppy --file /efi/boot/fallback.efi --set ; then\n\
        \x20   for os in opensuse sles caasp ; do\n      if [ -f /efi/$os/grub.efi ] ; then\n\
        \x20       chainloader /efi/$os/grub.efi\n        boot\n      fi\n    done\n  fi\n  exit\n}\n\n\
        menuentry 'Installation' --class opensuse --class gnu-linux {\n  set gfxpayload=keep\n\
        \x20 echo 'Loading kernel ...'\n  linux /boot/x86_64/loader/linux splash=silent\n\
        \x20 echo 'Loading initial ramdisk ...'\n  initrd /boot/x86_64/loader/initrd\n}\n\n\
        menuentry 'Upgrade' --class opensuse {\n\
        \x20 linux /boot/x86_64/loader/linux splash=silent upgrade=1\n\
        \x20 initrd /boot/x86_64/loader/initrd\n}\n\nsubmenu 'More ...' {\n\n\
        \x20 menuentry 'Rescue System' --class opensuse {\n\
        \x20   linux /boot/x86_64/loader/linux splash=silent rescue=1\n\
        \x20   initrd /boot/x86_64/loader/initrd\n  }\n\n\
        \x20 menuentry 'Boot Linux System' --class opensuse {\n\
        \x20   linux /boot/x86_64/loader/linux splash=silent systemboot=1\n\
        \x20   initrd /boot/x86_64/loader/initrd\n  }\n\n\
        \x20 menuentry 'Check Installation Media' --class opensuse {\n\
        \x20   linux /boot/x86_64/loader/linux splash=silent mediacheck=1\n\
        \x20   initrd /boot/x86_64/loader/initrd\n  }\n}\n";

    /// `boot/x86_64/loader/isolinux.cfg`.
    const ISOLINUX: &str = "default harddisk\n\n# hard disk\nlabel harddisk\n  kernel linux\n\
        \x20 append SLX=0x202 showopts\n\n# install\nlabel linux\n  kernel linux\n\
        \x20 append initrd=initrd splash=silent showopts\n\n# noacpi\nlabel noacpi\n  kernel linux\n\
        \x20 append initrd=initrd splash=silent showopts acpi=off\n\n# rescue\nlabel rescue\n\
        \x20 kernel linux\n  append initrd=initrd splash=silent rescue=1 showopts\n";

    const FILES: [(&str, &str); 6] = [
        ("boot/x86_64/common", "cc"),
        ("boot/x86_64/loader/initrd", "i"),
        ("boot/x86_64/loader/linux", "k"),
        ("boot/x86_64/rescue", "r"),
        ("boot/x86_64/root", "rrr"),
        ("media.1/media", "openSUSE - openSUSE-Leap-15.6-x86_64\n"),
    ];

    fn with(menu: (&'static str, &'static str)) -> Vec<(&'static str, &'static str)> {
        let mut files = FILES.to_vec();
        files.push(menu);
        files
    }

    #[test]
    fn the_installer_loads_itself_and_its_packages_from_the_medium() {
        let found = detected(&with(("EFI/BOOT/grub.cfg", GRUB)));
        assert_eq!(found.family_name(), "linuxrc");
        let ids: Vec<&str> = found.entries.iter().map(|e| e.id.as_str()).collect();
        assert_eq!(ids, ["disc", "disc-upgrade", "disc-rescue"]);
        let [install, upgrade, rescue] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!(
            line(install, Transport::Http, ""),
            "splash=silent install=http://192.168.0.1/iso/disc netsetup=dhcp \
             BOOTIF=01-${netX/mac:hexhyp}"
        );
        assert_eq!(
            line(
                install,
                Transport::Nfs,
                "autoyast=http://192.168.0.1/a.xml textmode=1"
            ),
            "splash=silent install=nfs://192.168.0.1/iso/disc netsetup=dhcp \
             BOOTIF=01-${netX/mac:hexhyp} autoyast=http://192.168.0.1/a.xml textmode=1"
        );
        assert!(line(upgrade, Transport::Http, "").starts_with("splash=silent upgrade=1 "));
        assert!(line(rescue, Transport::Http, "").starts_with("splash=silent rescue=1 "));
        assert_eq!(linux(install).initrd, ["boot/x86_64/loader/initrd"]);
        assert_eq!(install.root.as_deref(), Some("boot/x86_64/root"));
        assert_eq!(install.root_bytes, 2 + 1 + 3);
        assert_eq!(
            install.check(Transport::Nbd, "").unwrap_err().to_string(),
            "its initramfs (linuxrc) cannot attach the root over NBD; use HTTP or NFS"
        );
        assert!(install.streams(Transport::Nfs, "") && !install.streams(Transport::Http, ""));
    }

    #[test]
    fn isolinux_in_its_own_folder_counts() {
        let found = detected(&with(("boot/x86_64/loader/isolinux.cfg", ISOLINUX)));
        let ids: Vec<&str> = found.entries.iter().map(|e| e.id.as_str()).collect();
        assert_eq!(ids, ["disc", "disc-rescue"]);
        assert_eq!(
            line(&found.entries[0], Transport::Http, ""),
            "splash=silent install=http://192.168.0.1/iso/disc netsetup=dhcp \
             BOOTIF=01-${netX/mac:hexhyp}"
        );
    }

    #[test]
    fn without_its_installation_system_it_is_none() {
        let mut files = with(("EFI/BOOT/grub.cfg", GRUB));
        files.retain(|(path, _)| *path != "boot/x86_64/root");
        assert!(detect(medium(&tree(&files), "disc", "X")).is_none());
        assert!(detect(medium(&tree(&FILES), "disc", "X")).is_none());
    }
}
