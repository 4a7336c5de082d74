//! The menus of a medium: SYSLINUX, GRUB and systemd-boot, with what they include.

use lanboot_core::boot_config::{self, MAX_ENTRIES, MAX_INITRDS, MAX_WORDS};

use super::input::{Input, part, read, tree};

/// The paths of the parts of an input, in this order.
const FILES: [&str; 8] = [
    "boot/syslinux/syslinux.cfg",
    "boot/syslinux/more.cfg",
    "boot/grub/grub.cfg",
    "boot/grub/more.cfg",
    "loader/loader.conf",
    "loader/entries/a.conf",
    "arch/vmlinuz",
    "arch/initramfs.img",
];

/// Reads the menus of a medium whose configuration files are the parts of `data`.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let parts = FILES.map(|path| (path, input.part()));
    let tree = tree(parts);
    let config = boot_config::read(&tree, &read, &["arch/boot".into()]);
    assert!(config.entries.len() <= MAX_ENTRIES);
    for entry in &config.entries {
        assert!(entry.initrds.len() <= MAX_INITRDS && entry.arguments.len() <= MAX_WORDS);
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let syslinux: &[u8] = b"DEFAULT a\nTIMEOUT 50\nINCLUDE more.cfg\nLABEL a\nMENU LABEL ^Arch\n\
        LINUX /arch/vmlinuz\nINITRD /arch/initramfs.img,/x\nAPPEND quiet x=y\n";
    let more: &[u8] = b"label b\n  kernel /arch/vmlinuz\n  append initrd=/arch/initramfs.img a\n\
        text help\nhello\nendtext\nMENU BEGIN\nMENU END\n";
    let grub: &[u8] =
        b"set default=0\nif [ \"$grub_platform\" = efi ]; then\n  set x=\"a b\"\nelse\n\
        x=c\nfi\nfunction f { set y=$1; }\nf 3\nfor i in a b; do\nmenuentry \"T $i\" --id t$i \
        {\n linux /arch/vmlinuz ${x} y='z'\n initrd /arch/initramfs.img\n}\ndone\n\
        submenu 'More' { source /boot/grub/more.cfg }\nwhile false; do true; done\n";
    let more_grub: &[u8] = b"search --set=root --file /x\nmenuentry m --class a {\n\
        chainloader /EFI/x.efi\n}\nsource $prefix/grub.cfg\n";
    let loader: &[u8] = b"default a.conf\ntimeout 3\n";
    let entry: &[u8] = b"title A\nlinux /arch/vmlinuz\ninitrd /arch/initramfs.img\noptions a b\n\
        architecture x64\n";
    let all = [syslinux, more, grub, more_grub, loader, entry, b"k", b"i"];
    let only = |kept: usize| -> Vec<u8> {
        let keep = |(n, text): (usize, &&[u8])| part(if n / 2 == kept { text } else { b"" });
        all.iter().enumerate().flat_map(keep).collect()
    };
    let whole = all.iter().flat_map(|text| part(text)).collect();
    vec![whole, only(0), only(1), only(2)]
}
