use crate::images::families;
use crate::images::golden::{detected, line};
use crate::images::{Cpu, Refusal, Transport};
use crate::testing::linux;

/// `pkg/imager/iso/grub.cfg` of Talos, filled in as for bare metal.
const TALOS_MENU: &str = "set default=0\nset timeout=3\n\ninsmod all_video\n\n\
    terminal_input console\nterminal_output console\n\n\
    menuentry \"Talos ISO\" {\n\tset gfxmode=auto\n\tset gfxpayload=text\n\
    \tlinux /boot/vmlinuz talos.platform=metal console=tty0 init_on_alloc=1 slab_nomerge pti=on \
    consoleblank=0 printk.devkmsg=on\n\tinitrd /boot/initramfs.xz\n}\n\n\
    menuentry \"Reset Talos installation\" {\n\tset gfxmode=auto\n\tset gfxpayload=text\n\
    \tlinux /boot/vmlinuz talos.platform=metal console=tty0 init_on_alloc=1 slab_nomerge pti=on \
    consoleblank=0 printk.devkmsg=on talos.experimental.wipe=system\n\
    \tinitrd /boot/initramfs.xz\n}\n";

/// `syslinux/syslinux.cfg`, which `_write_iso_disk` of Flatcar's `vm_image_util.sh` writes.
const FLATCAR_MENU: &str = "default flatcar\nprompt 1\ntimeout 15\n\nlabel flatcar\n  menu default\n\
    \x20 kernel /flatcar/vmlinuz\n  append initrd=/flatcar/cpio.gz flatcar.autologin\n";

/// `board/shredos/iso/isolinux.cfg` and `grub.cfg`, with Buildroot's names filled in.
const SHREDOS_MENU: &str = "default menu.c32\nprompt 0\ntimeout 150\n\nmenu title ShredOS\n\n\
    label shredos\n    menu label ShredOS\n    kernel /boot/bzImage\n\
    \x20   append initrd=/boot/initrd console=tty3 loglevel=3\n\n\
    label shredos-nomodeset\n    menu label ShredOS (nomodeset - display issues? try this)\n\
    \x20   kernel /boot/bzImage\n    append initrd=/boot/initrd console=tty3 loglevel=3 nomodeset\n\n\
    label memtest86-serial\n    menu label Memtest86+ (Serial line RS232, ttyS0,115200 )\n\
    \x20   kernel /boot/memtest\n    append console=ttyS0,115200\n";
const SHREDOS_GRUB: &str = "set default=\"0\"\nset timeout=\"5\"\n\nmenuentry \"ShredOS\" {\n\
    \x20   linux /boot/bzImage console=tty3 loglevel=3\n    initrd /boot/initrd\n}\n\n\
    menuentry \"ShredOS (nomodeset)\" {\n    linux /boot/bzImage console=tty3 loglevel=3 nomodeset\n\
    \x20   initrd /boot/initrd\n}\n";

/// `boot/isolinux/isolinux.cfg` of TinyCore-current.iso.
const TINY_CORE_MENU: &str = "UI menu.c32\nPROMPT 0\nTIMEOUT 600\n\nLABEL tc\n\
    MENU LABEL Boot TinyCore\nTEXT HELP\nBoot TinyCore with embedded X/GUI extensions.\nENDTEXT\n\
    KERNEL /boot/vmlinuz\nINITRD /boot/core.gz\nAPPEND loglevel=3 cde\n\nLABEL tcw\n\
    MENU LABEL Boot TinyCore (on slow devices, waitusb=5)\nKERNEL /boot/vmlinuz\n\
    INITRD /boot/core.gz\nAPPEND loglevel=3 cde waitusb=5\n\nLABEL core\n\
    MENU LABEL Boot Core (command line only).\nKERNEL /boot/vmlinuz\nINITRD /boot/core.gz\n\
    APPEND loglevel=3\n";

/// `isolinux/isolinux.cfg` of slackware64-15.0-install-dvd.iso.
const SLACKWARE_MENU: &str = "default huge.s\nprompt 1\ntimeout 1200\ndisplay message.txt\n\
    F1 message.txt\nlabel huge.s\n  kernel /kernels/huge.s/bzImage\n\
    \x20 append initrd=initrd.img load_ramdisk=1 prompt_ramdisk=0 rw printk.time=0 nomodeset \
    SLACK_KERNEL=huge.s\nlabel kms.s\n  kernel /kernels/huge.s/bzImage\n\
    \x20 append initrd=initrd.img load_ramdisk=1 prompt_ramdisk=0 rw printk.time=0 \
    SLACK_KERNEL=huge.s\nlabel memtest\n  kernel memtest\n";

#[test]
fn talos_has_an_entry_for_its_start_and_one_for_the_reset() {
    let found = detected(&[
        ("boot/grub/grub.cfg", TALOS_MENU),
        ("boot/initramfs.xz", "iii"),
        ("boot/vmlinuz", "k"),
    ]);
    assert_eq!(found.family_name(), "Talos");
    let [plain, wipe] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!((plain.id.as_str(), wipe.id.as_str()), ("disc", "disc-wipe"));
    let own = "talos.platform=metal console=tty0 init_on_alloc=1 slab_nomerge pti=on \
               consoleblank=0 printk.devkmsg=on";
    assert_eq!(line(plain, Transport::Http, ""), own);
    assert_eq!(
        line(
            plain,
            Transport::Http,
            "talos.config=http://192.168.0.1/t.yaml"
        ),
        format!("{own} talos.config=http://192.168.0.1/t.yaml")
    );
    assert_eq!(
        line(wipe, Transport::Http, ""),
        format!("{own} talos.experimental.wipe=system")
    );
    assert_eq!(linux(plain).initrd, ["boot/initramfs.xz"]);
    assert_eq!((plain.initrd_bytes, &plain.root), (3, &None));
    assert_eq!(plain.check(Transport::Nfs, ""), Err(Refusal::NoRoot));
    assert_eq!(plain.notes, []);
}

#[test]
fn a_folder_with_what_talos_and_flatcar_publish_needs_no_menu() {
    let found = detected(&[
        ("initramfs-amd64.xz", "i"),
        ("initramfs-arm64.xz", "i"),
        ("vmlinuz-amd64", "k"),
        ("vmlinuz-arm64", "k"),
    ]);
    assert_eq!(found.family_name(), "Talos");
    let cpus: Vec<Cpu> = found.entries.iter().map(|entry| entry.cpu).collect();
    assert_eq!(cpus, [Cpu::X86_64, Cpu::Aarch64]);
    assert_eq!(
        line(&found.entries[1], Transport::Http, ""),
        "talos.platform=metal slab_nomerge pti=on init_on_alloc=1 consoleblank=0 printk.devkmsg=on"
    );
    let found = detected(&[
        ("flatcar_production_pxe.vmlinuz", "k"),
        ("flatcar_production_pxe_image.cpio.gz", "i"),
    ]);
    assert_eq!(found.family_name(), "Flatcar");
    assert_eq!(
        line(
            &found.entries[0],
            Transport::Http,
            "ignition.config.url=http://192.168.0.1/i"
        ),
        "flatcar.first_boot=1 ignition.config.url=http://192.168.0.1/i"
    );
}

#[test]
fn flatcars_iso_starts_as_its_menu_says() {
    let found = detected(&[
        ("flatcar/cpio.gz", "i"),
        ("flatcar/vmlinuz", "k"),
        ("isolinux/isolinux.cfg", "INCLUDE /syslinux/syslinux.cfg\n"),
        ("syslinux/syslinux.cfg", FLATCAR_MENU),
    ]);
    assert_eq!(found.family_name(), "Flatcar");
    let [entry] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!(linux(entry).kernel, "flatcar/vmlinuz");
    assert_eq!(line(entry, Transport::Http, ""), "flatcar.autologin");
}

#[test]
fn shredos_is_one_entry_and_its_memory_test_none_of_its() {
    let found = detected(&[
        ("boot/bzImage", "k"),
        ("boot/grub/grub.cfg", SHREDOS_GRUB),
        ("boot/initrd", "i"),
        ("boot/memtest", "m"),
        ("isolinux/isolinux.cfg", SHREDOS_MENU),
    ]);
    assert_eq!(found.family_name(), "ShredOS");
    let [entry] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!(line(entry, Transport::Http, ""), "console=tty3 loglevel=3");
}

#[test]
fn tiny_core_starts_without_the_extensions_on_its_medium_and_says_so() {
    let files = [
        ("boot/core.gz", "i"),
        ("boot/isolinux/isolinux.cfg", TINY_CORE_MENU),
        ("boot/vmlinuz", "k"),
        ("cde/onboot.lst", "Xvesa.tcz\n"),
    ];
    let found = detected(&files);
    assert_eq!(found.family_name(), "Tiny Core");
    let [entry] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!(line(entry, Transport::Http, ""), "loglevel=3");
    let notes: Vec<String> = entry.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "the started system does not see the medium: without its desktop and further \
             extensions (cde)"
        ]
    );
    // Core has none.
    let core = detected(&files[..3]);
    assert_eq!(core.entries[0].notes, []);
}

#[test]
fn inspect_names_the_folder_with_slackwares_packages() {
    let found = detected(&[
        ("isolinux/initrd.img", "i"),
        ("isolinux/isolinux.cfg", SLACKWARE_MENU),
        ("kernels/huge.s/bzImage", "k"),
        ("slackware64/a/aaa_base.txz", "p"),
    ]);
    assert_eq!(found.family_name(), "Slackware");
    let [entry] = &found.entries[..] else {
        panic!("{:?}", found.entries)
    };
    assert_eq!(
        line(entry, Transport::Http, "nomodeset"),
        "load_ramdisk=1 prompt_ramdisk=0 rw printk.time=0 SLACK_KERNEL=huge.s nomodeset"
    );
    assert_eq!(
        entry.notes[0].to_string(),
        "its installer asks where its packages are: they are on this server in \
         /iso/disc/slackware64, over HTTP and NFS"
    );
}

#[test]
fn four_m_linux_is_its_ram_disk() {
    let menu = "menuentry \"4MLinux 48.0\" {\nlinux /boot/bzImage root=/dev/ram0 vga=normal\n\
                initrd /boot/initrd.gz\n}\n";
    let files = [
        ("boot/bzImage", "k"),
        ("boot/grub/grub.cfg", menu),
        ("boot/initrd.gz", "i"),
    ];
    let found = detected(&files);
    assert_eq!(found.family_name(), "4MLinux");
    assert_eq!(
        line(&found.entries[0], Transport::Http, ""),
        "root=/dev/ram0 vga=normal"
    );
}

#[test]
fn a_menu_that_starts_another_system_is_not_claimed() {
    let menu = "menuentry \"Rescue\" {\nlinux /boot/bzImage root=/dev/ram0\n\
                initrd /boot/initrd.gz\n}\n";
    let tree = crate::testing::tree(&[
        ("boot/bzImage", "k"),
        ("boot/grub/grub.cfg", menu),
        ("boot/initrd.gz", "i"),
    ]);
    assert!(families::detect(crate::testing::medium(&tree, "disc", "X")).is_none());
    // A kernel without its initramfs is none of them either.
    let tree = crate::testing::tree(&[("boot/grub/grub.cfg", TALOS_MENU), ("boot/vmlinuz", "k")]);
    assert!(families::detect(crate::testing::medium(&tree, "disc", "X")).is_none());
}
