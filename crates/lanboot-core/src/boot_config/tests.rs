use super::*;
use crate::testing::{read as read_small, tree};
use proptest::prelude::*;

fn menus(files: &[(&str, &str)]) -> BootConfig {
    read(&tree(files), &read_small, &["arch/boot/syslinux".into()])
}

fn entries(files: &[(&str, &str)]) -> Vec<MenuEntry> {
    let found = menus(files);
    assert_eq!(found.limits, []);
    found.entries
}

fn line(entry: &MenuEntry) -> String {
    format!(
        "{}: {} [{}] {}{}",
        entry.id,
        entry.kernel,
        entry.initrds.join(" "),
        entry.arguments.join(" "),
        if entry.is_default { " (default)" } else { "" }
    )
}

fn lines(files: &[(&str, &str)]) -> Vec<String> {
    entries(files).iter().map(line).collect()
}

const KERNEL: (&str, &str) = ("arch/boot/x86_64/vmlinuz-linux", "k");
const INITRD: (&str, &str) = ("arch/boot/x86_64/initramfs-linux.img", "i");

#[test]
fn todays_archiso_syslinux_menus_are_followed_through_their_files() {
    let found = lines(&[
        INITRD,
        KERNEL,
        (
            "boot/syslinux/archiso_head.cfg",
            "SERIAL 0 115200\nUI vesamenu.c32\nMENU TITLE Arch Linux\n",
        ),
        (
            "boot/syslinux/archiso_pxe-linux.cfg",
            "LABEL arch_http\nTEXT HELP\nBoot it.\nLABEL not this\nENDTEXT\n\
             MENU LABEL ^Arch Linux (x86_64, HTTP)\nLINUX ::/arch/boot/x86_64/vmlinuz-linux\n\
             INITRD ::/arch/boot/x86_64/initramfs-linux.img\n\
             APPEND archisobasedir=arch archiso_http_srv=http://${pxeserver}/ cms_verify=y\n\
             SYSAPPEND 3\n",
        ),
        (
            "boot/syslinux/archiso_pxe.cfg",
            "INCLUDE archiso_head.cfg\n\nINCLUDE archiso_pxe-linux.cfg\n",
        ),
        (
            "boot/syslinux/archiso_sys-linux.cfg",
            "LABEL arch\nMENU LABEL Arch Linux (x86_64, BIOS)\n\
             LINUX /arch/boot/x86_64/vmlinuz-linux\nINITRD /arch/boot/x86_64/initramfs-linux.img\n\
             APPEND archisobasedir=arch archisosearchuuid=2026-11-01\n\
             LABEL archspeech\nLINUX /arch/boot/x86_64/vmlinuz-linux\n\
             INITRD /arch/boot/x86_64/initramfs-linux.img\n\
             APPEND archisobasedir=arch archisosearchuuid=2026-11-01 accessibility=on\n",
        ),
        (
            "boot/syslinux/archiso_sys.cfg",
            "INCLUDE archiso_head.cfg\nDEFAULT arch\nTIMEOUT 150\nINCLUDE archiso_sys-linux.cfg\n",
        ),
        (
            "boot/syslinux/syslinux.cfg",
            "DEFAULT select\nLABEL select\nCOM32 whichsys.c32\nAPPEND -pxe- pxe -sys- sys\n\
             LABEL pxe\nCONFIG archiso_pxe.cfg\nLABEL sys\nCONFIG archiso_sys.cfg\n",
        ),
    ]);
    let files = "arch/boot/x86_64/vmlinuz-linux [arch/boot/x86_64/initramfs-linux.img]";
    assert_eq!(
        found,
        [
            format!(
                "arch_http: {files} archisobasedir=arch archiso_http_srv=http://${{pxeserver}}/ \
                 cms_verify=y"
            ),
            format!("arch: {files} archisobasedir=arch archisosearchuuid=2026-11-01 (default)"),
            format!(
                "archspeech: {files} archisobasedir=arch archisosearchuuid=2026-11-01 \
                 accessibility=on"
            ),
        ]
    );
}

#[test]
fn syslinux_keywords_paths_and_defaults_are_understood() {
    let found = entries(&[
        ("arch/boot/i686/archiso.img", "i"),
        ("arch/boot/i686/vmlinuz", "k"),
        (
            // From 2013: relative to the base folder.
            "arch/boot/syslinux/archiso.cfg",
            "APPEND for=all\nlabel a\n menu label A ^B\n kernel boot/i686/vmlinuz x=1\n \
             append initrd=boot/i686/none.img,boot/i686/archiso.img quiet\n\
             label b\nmenu default\nlinux boot/i686/vmlinuz\nlabel c\nkernel vesamenu.c32\n\
             label d\nlinux /arch/boot/i686/vmlinuz\nappend -\n\
             label e\nKERNEL ../../boot/i686/vmlinuz\nINITRD ../i686/archiso.img\nappend a\nappend b\n",
        ),
        ("ISOLINUX/LINUX", "k"),
        (
            "isolinux.cfg",
            "default x\nlabel x\nkernel /isolinux/linux\n",
        ),
    ]);
    let found: Vec<String> = found.iter().map(line).collect();
    assert_eq!(
        found,
        [
            "x: ISOLINUX/LINUX []  (default)",
            "a: arch/boot/i686/vmlinuz [boot/i686/none.img arch/boot/i686/archiso.img] x=1 quiet",
            "b: arch/boot/i686/vmlinuz [] for=all (default)",
            "d: arch/boot/i686/vmlinuz [] ",
            "e: arch/boot/i686/vmlinuz [arch/boot/i686/archiso.img] b",
        ]
    );
}

/// Modelled on archiso's `configs/releng/grub/grub.cfg`.
const RELENG_GRUB: &str = "insmod part_gpt\n\
    if loadfont \"${prefix}/fonts/unicode.pf2\" ; then\n    set gfxmode=\"auto\"\nfi\n\
    if serial --unit=0 --speed=115200; then\n    terminal_input --append serial\nfi\n\
    if [ \"${grub_platform}\" == 'efi' ]; then\n    archiso_platform='UEFI'\n\
    elif [ \"${grub_platform}\" == 'pc' ]; then\n    archiso_platform='BIOS'\n\
    else\n    archiso_platform=\"${grub_cpu}-${grub_platform}\"\nfi\n\
    default=archlinux\ntimeout=15\n\
    menuentry \"Arch Linux (x86_64, ${archiso_platform})\" --class arch --class os --id 'archlinux' {\n\
    \tset gfxpayload=keep\n\
    \tlinux /arch/boot/x86_64/vmlinuz-linux archisobasedir=arch archisosearchuuid=2026-11-01\n\
    \tinitrd /arch/boot/x86_64/initramfs-linux.img\n}\n\
    menuentry \"with speech\" --hotkey s --id 'archlinux-accessibility' {\n\
    \tlinux /arch/boot/x86_64/vmlinuz-linux archisobasedir=arch accessibility=on\n\
    \tinitrd /arch/boot/x86_64/initramfs-linux.img\n}\n\
    if [ \"${grub_platform}\" == 'efi' -a -f '/boot/memtest86+/memtest.efi' ]; then\n\
    \tmenuentry 'Run Memtest86+' {\n\t\tlinux /boot/memtest86+/memtest.efi\n\t}\nfi\n\
    if [ \"${grub_platform}\" == 'pc' ]; then\n\
    \tmenuentry 'Memtest BIOS' { linux /boot/memtest86+/memtest; }\nfi\n\
    if [ -f \"/shellx64.efi\" ]; then\n\
    \tmenuentry 'UEFI Shell' --class efi {\n\t\tchainloader /shellx64.efi\n\t}\nfi\n\
    menuentry 'System shutdown' {\n\techo 'Shutting down...'\n\thalt\n}\nplay 600 988 1\n";

#[test]
fn archisos_grub_menu_is_followed_with_its_conditions() {
    let found = entries(&[
        INITRD,
        KERNEL,
        ("boot/grub/grub.cfg", RELENG_GRUB),
        ("boot/memtest86+/memtest.efi", "m"),
        ("shellx64.efi", "s"),
    ]);
    let described: Vec<_> = found
        .iter()
        .map(|e| {
            (
                e.title.as_str(),
                e.is_shown,
                e.is_default,
                e.program,
                e.line,
            )
        })
        .collect();
    assert_eq!(
        described,
        [
            ("Arch Linux (x86_64, UEFI)", true, true, Program::Linux, 17),
            ("with speech", true, false, Program::Linux, 22),
            ("Run Memtest86+", true, false, Program::Linux, 27),
            ("Memtest BIOS", false, false, Program::Linux, 32),
            ("UEFI Shell", true, false, Program::Efi, 35),
        ]
    );
    assert_eq!(
        line(&found[0]),
        "archlinux: arch/boot/x86_64/vmlinuz-linux [arch/boot/x86_64/initramfs-linux.img] \
         archisobasedir=arch archisosearchuuid=2026-11-01 (default)"
    );
}

#[test]
fn systemrescues_grub_menu_has_its_variables() {
    let menu = "if [ -z \"$srcd_skip_init\" ]; then\n\tset timeout=90\n\tset default=1\nfi\n\
        if [ -z \"$archiso_param\" ]; then\n\tarchiso_param=\"archisolabel=RESCUE1302\"\nfi\n\
        menuentry 'Boot from the disk' {\n\tset root=(hd0)\n\tchainloader +1\n}\n\
        menuentry 'Boot using default options' {\n\tset gfxpayload=keep\n\
        \tlinux /sysresccd/boot/x86_64/vmlinuz archisobasedir=sysresccd $archiso_param iomem=relaxed\n\
        \tinitrd /sysresccd/boot/intel_ucode.img /sysresccd/boot/amd_ucode.img \
        /sysresccd/boot/x86_64/sysresccd.img\n}\n\
        submenu 'More' --id more {\n\tmenuentry 'Copy to RAM' {\n\
        \t\tlinux /sysresccd/boot/x86_64/vmlinuz archisobasedir=sysresccd $archiso_param copytoram\n\
        \t\tinitrd /sysresccd/boot/x86_64/sysresccd.img\n\t}\n}\n";
    let files = [
        ("boot/grub/grub.cfg", "source /boot/grub/grubsrcd.cfg\n"),
        ("boot/grub/grubsrcd.cfg", menu),
        ("sysresccd/boot/amd_ucode.img", "u"),
        ("sysresccd/boot/intel_ucode.img", "u"),
        ("sysresccd/boot/x86_64/sysresccd.img", "i"),
        ("sysresccd/boot/x86_64/vmlinuz", "k"),
    ];
    let expected = [
        "Boot using default options: sysresccd/boot/x86_64/vmlinuz [sysresccd/boot/intel_ucode.img \
         sysresccd/boot/amd_ucode.img sysresccd/boot/x86_64/sysresccd.img] \
         archisobasedir=sysresccd archisolabel=RESCUE1302 iomem=relaxed (default)",
        "Copy to RAM: sysresccd/boot/x86_64/vmlinuz [sysresccd/boot/x86_64/sysresccd.img] \
         archisobasedir=sysresccd archisolabel=RESCUE1302 copytoram",
    ];
    assert_eq!(lines(&files), expected);
    assert_eq!(
        lines(&files[1..]),
        expected,
        "without the file GRUB starts with"
    );
}

#[test]
fn other_families_grub_menus_are_understood() {
    let found = lines(&[
        (
            "boot/grub/config.cfg",
            "set default=0\nif [ x$feature_default_font_path = xy ] ; then\n   font=unicode\nfi\n\
             set linux_cmd=linux\nexport linux_cmd\nfunction boot_it {\n  $linux_cmd /live/vmlinuz-6.1 \
             boot=live $1 \"${2}\" \"$@\"\n  initrd /live/initrd.img-6.1\n}\n",
        ),
        (
            "boot/grub/grub.cfg",
            "source /boot/grub/config.cfg\n\n# Live boot\nsearch --set -f /live/vmlinuz-6.1\n\
             for word in one two; do\n  menuentry \"Live $word\" --hotkey=l { boot_it a$word b; }\ndone\n\
             submenu 'More' {\n menuentry 'Fedora' {\n  linux ($root)/live/vmlinuz-6.1 quiet  \
             root=live:CDLABEL=X\\ Y \\\n  rhgb 'a b' # not this\n  initrd ($root)/live/initrd.img-6.1 /x\n }\n\
             menuentry 'Back' {\n  configfile /boot/grub/grub.cfg\n }\n}\n",
        ),
        ("live/initrd.img-6.1", "i"),
        ("live/vmlinuz-6.1", "k"),
    ]);
    let files = "live/vmlinuz-6.1 [live/initrd.img-6.1";
    assert_eq!(
        found,
        [
            // GRUB follows an entry's commands when it is chosen: both loops have ended by then.
            format!("Live one: {files}] boot=live atwo b atwo b (default)"),
            format!("Live two: {files}] boot=live atwo b atwo b"),
            format!("Fedora: {files} x] quiet root=live:CDLABEL=X Y rhgb a b"),
        ]
    );
}

#[test]
fn systemd_boots_entries_are_sorted_and_its_default_is_known() {
    let entry = |title: &str, more: &str| {
        format!(
            "# comment\ntitle   {title}\n{more}linux   /arch/boot/x86_64/vmlinuz-linux\n\
             initrd  /arch/boot/intel-ucode.img\ninitrd  \\arch\\boot\\x86_64\\initramfs-linux.img\n\
             options archisobasedir=arch\noptions cow_spacesize=10G\n"
        )
    };
    let (ram, plain) = (
        entry("RAM", "sort-key 03\n"),
        entry("Plain", "sort-key 01\n"),
    );
    let old = entry("Old", "architecture x64\nversion 6.9\n");
    let files = [
        INITRD,
        KERNEL,
        ("loader/entries/01-arch.conf", plain.as_str()),
        ("loader/entries/03-ram.conf", &ram),
        ("loader/entries/zz-old+2-1.conf", &old),
        (
            "loader/entries/yy-shell.conf",
            "title Shell\nefi /shell.efi\n",
        ),
        ("loader/entries/uki.conf", "uki /EFI/Linux/arch.efi\n"),
        ("loader/entries/empty.conf", "title Nothing\n"),
        ("loader/loader.conf", "timeout 15\ndefault 03-*.conf\n"),
    ];
    let found = entries(&files);
    let ids: Vec<&str> = found.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["01-arch", "03-ram", "zz-old", "yy-shell", "uki"]);
    assert_eq!(
        line(&found[1]),
        "03-ram: arch/boot/x86_64/vmlinuz-linux [arch/boot/intel-ucode.img \
         arch/boot/x86_64/initramfs-linux.img] archisobasedir=arch cow_spacesize=10G (default)"
    );
    assert_eq!(found[2].architecture.as_deref(), Some("x64"));
    assert_eq!(
        (found[3].program, found[4].program, found[4].title.as_str()),
        (Program::Efi, Program::Uki, "uki")
    );
    let defaults = found.iter().filter(|e| e.is_default).count();
    assert_eq!(defaults, 1);
    assert!(
        entries(&files[..files.len() - 1])[0].is_default,
        "the first one else"
    );
}

#[test]
fn circular_includes_end() {
    let found = menus(&[
        KERNEL,
        ("boot/grub/a.cfg", "source /boot/grub/grub.cfg\n"),
        (
            "boot/grub/grub.cfg",
            "source /boot/grub/a.cfg\nconfigfile /boot/grub/grub.cfg\nfunction f {\n f\n}\nf\n\
             menuentry x { f; linux /arch/boot/x86_64/vmlinuz-linux; configfile /boot/grub/grub.cfg; }\n",
        ),
        (
            "isolinux/isolinux.cfg",
            "INCLUDE isolinux.cfg\nMENU INCLUDE b.cfg\nLABEL a\nCONFIG isolinux.cfg\n",
        ),
        (
            "isolinux/b.cfg",
            "INCLUDE isolinux.cfg\nLABEL b\nCONFIG b.cfg\nLINUX /arch/boot/x86_64/vmlinuz-linux\n",
        ),
    ]);
    let ids: Vec<&str> = found.entries.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["b", "x"]);
    assert_eq!(found.limits, [Limit::TooDeep("boot/grub/grub.cfg".into())]);
}

#[test]
fn limits_are_enforced_and_reported() {
    let long = "menuentry x {\n".repeat(10_000);
    let labels = "LABEL x\nLINUX /k\nAPPEND a\n".repeat(2000);
    let words = format!("APPEND {}\nLABEL x\nLINUX /k\n", "w ".repeat(100_000));
    let growing = format!(
        "set a=xxxxxxxxxxxxxxxx\n{}menuentry \"$a\" {{ linux /k \"$a$a\"; }}\n",
        "set a=$a$a\n".repeat(60)
    );
    let steps = format!(
        "for x in {}; do for y in {}; do set z=$x$y; done; done\nmenuentry x {{ linux /k; }}\n",
        "1 ".repeat(1000),
        "1 ".repeat(1000)
    );
    let nested = "if true; then\n".repeat(15_000);
    let ten_megabytes = "# GRUB\n".repeat(1_500_000);
    let found = |menu: &str| menus(&[("boot/grub/grub.cfg", menu), ("k", "k")]);
    let here = || Limit::TooDeep("boot/grub/grub.cfg".into());
    assert_eq!(found(&long).limits, [here()]);
    assert_eq!(found(&nested).limits, [here()]);
    assert_eq!(
        found(&ten_megabytes).limits,
        [Limit::FileTooLong("boot/grub/grub.cfg".into())]
    );
    assert_eq!(found(&steps).limits, [Limit::TooManySteps]);
    let growing = found(&growing);
    assert_eq!(growing.entries[0].title.len(), MAX_WORD_BYTES - "a=".len());
    assert_eq!(growing.entries[0].arguments[0].len(), MAX_WORD_BYTES);
    let many = menus(&[("isolinux/isolinux.cfg", &labels), ("k", "k")]);
    assert_eq!(
        (many.entries.len(), &many.limits[..]),
        (MAX_ENTRIES, &[Limit::TooManyEntries][..])
    );
    let words = menus(&[("isolinux/isolinux.cfg", &words), ("k", "k")]);
    assert_eq!(words.entries[0].arguments.len(), MAX_WORDS);
    let names: Vec<String> = (0..400).map(|n| format!("boot/grub/{n:03}.cfg")).collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(|n| (n.as_str(), "menuentry x {\n}\n"))
        .collect();
    assert_eq!(menus(&files).limits, [Limit::TooManyFiles]);
    let folder: Vec<String> = (0..300).map(|n| format!("m/{n:03}")).collect();
    let all = folder.iter().map(|path| format!("configfile /{path}\n"));
    let all: String = all.collect();
    let mut files: Vec<(&str, &str)> = folder.iter().map(|path| (&path[..], "")).collect();
    files.push(("boot/grub/grub.cfg", &all));
    assert_eq!(menus(&files).limits, [Limit::TooManyFiles]);
    // The same menu over and over is one.
    let again = format!("for x in {}; do configfile /k; done\n", "1 ".repeat(1000));
    assert_eq!(found(&again).limits, []);
    for limit in [
        here(),
        Limit::TooManyFiles,
        Limit::TooManySteps,
        Limit::TooMuchText,
        Limit::Unreadable("x".into()),
    ] {
        assert!(limit.to_string().starts_with("it"), "{limit}");
    }
}

#[test]
fn unreadable_menus_are_reported() {
    let tree = tree(&[("boot/grub/grub.cfg", "x")]);
    let found = read(&tree, &|_| None, &[]);
    assert_eq!(
        found.limits,
        [Limit::Unreadable("boot/grub/grub.cfg".into())]
    );
}

/// Generates words of all three languages and troublesome input, in any order.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop_oneof![
        Just("menuentry "),
        Just("submenu "),
        Just("{"),
        Just("}"),
        Just("\n"),
        Just(";"),
        Just("if "),
        Just("then "),
        Just("elif "),
        Just("else "),
        Just("fi"),
        Just("[ "),
        Just(" ]"),
        Just("-a"),
        Just("-f "),
        Just("! "),
        Just("for "),
        Just("x "),
        Just("in "),
        Just("do "),
        Just("done"),
        Just("while "),
        Just("function "),
        Just("$x"),
        Just("${x"),
        Just("}"),
        Just("$"),
        Just("\""),
        Just("'"),
        Just("\\"),
        Just("set x="),
        Just("source a.cfg"),
        Just("configfile grub.cfg"),
        Just("linux /k "),
        Just("initrd /i"),
        Just("LABEL "),
        Just("KERNEL "),
        Just("APPEND "),
        Just("INCLUDE "),
        Just("isolinux.cfg"),
        Just("MENU "),
        Just("CONFIG "),
        Just("TEXT HELP"),
        Just("ENDTEXT"),
        Just("options "),
        Just("search --set "),
        Just("--id "),
        Just("\u{0}"),
        Just("é"),
        Just("unset "),
        Just(" "),
        Just("=="),
        Just("(cd0)"),
        Just("../"),
    ];
    proptest::collection::vec(scrap, 0..200).prop_map(|scraps| scraps.concat())
}

proptest! {
    #[test]
    fn no_text_stops_a_reader(text in scraps(), more in scraps()) {
        let found = menus(&[
            ("boot/grub/a.cfg", &more),
            ("boot/grub/grub.cfg", &text),
            ("i", "i"),
            ("isolinux/isolinux.cfg", &text),
            ("isolinux/txt.cfg", &more),
            ("k", "k"),
            ("loader/entries/a.conf", &text),
            ("loader/loader.conf", &more),
        ]);
        prop_assert!(found.entries.len() <= MAX_ENTRIES);
        for entry in found.entries {
            prop_assert!(entry.arguments.len() <= MAX_WORDS && entry.initrds.len() <= MAX_INITRDS);
        }
    }

    #[test]
    fn no_bytes_stop_a_reader(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let text = String::from_utf8_lossy(&bytes);
        menus(&[
            ("boot/grub/grub.cfg", &text),
            ("isolinux/isolinux.cfg", &text),
            ("loader/entries/a.conf", &text),
            ("loader/loader.conf", &text),
        ]);
    }
}

/// The memory and time that a menu of a few KiB takes are bounded by its expansion.
#[test]
fn variables_that_grow_cost_no_more_than_their_limit() {
    let big = "set b=xxxxxxxxxxxxxxxx\nset w=\" a a a a a a a\"\n".to_owned()
        + &"set b=$b$b\nset w=\"$w$w\"\n".repeat(10);
    let many = "1 ".repeat(1000);
    let loops = |body: &str| {
        format!(
            "{big}function f {{ true; }}\nsubmenu x {{\nfor a in {many}; do for c in {many}; do\n\
             {body}\ndone; done\n}}\nmenuentry y {{ linux /k; }}\n"
        )
    };
    for body in [
        // Arguments of a function are kept under several names.
        "f $b $b".to_owned(),
        // One word that becomes many.
        format!("f {}", "$w".repeat(50_000)),
        format!("f {}", "$none".repeat(20_000)),
        format!("set z={}", "$b".repeat(50_000)),
    ] {
        let found = menus(&[("boot/grub/grub.cfg", &loops(&body)), ("k", "k")]);
        assert_eq!(found.limits, [Limit::TooMuchText]);
    }
    // What a submenu changes is restored, however often it does.
    let kept = "set k=/k\nsubmenu x { for a in 1 2 3; do set k=/$a; unset k; set n=$a; done; }\n\
         menuentry y { linux $k $n; }\n";
    assert_eq!(
        lines(&[("boot/grub/grub.cfg", kept), ("k", "k")]),
        ["y: k [] "]
    );
}
