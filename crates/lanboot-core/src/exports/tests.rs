//! The text of every format, and that nobody's text breaks out of it.
//!
//! `UPDATE_GOLDEN=1 cargo test -p lanboot-core export` writes the texts anew.

#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use proptest::prelude::*;

use super::rules::{Mark, Rule, Rules, Which, rules};
use super::*;
use crate::catalog::{Cpu, Image, StockMenu, Transport, image_name};
use crate::images::{EntryKind, Linux};
use crate::loaders::LoaderKind;
use crate::machine::{Arch, Stage};
use crate::net::Origin;
use crate::pe::Signed;
use crate::plan::{BootChoice, MenuKind, Offer, Transports};
use crate::testing::{catalog, image, installer, keep, literal, server, shim_grub_without_proxy};
use crate::vfs::Content;

const NETMASK: IpAddr = IpAddr::V4(Ipv4Addr::new(255, 255, 0, 0));

fn menu(append: &str) -> Menu {
    Menu {
        timeout: None,
        boot: BootChoice::default(),
        append: append.into(),
        transports: Transports::default(),
        kind: MenuKind::Generated,
    }
}

fn loaders() -> Loaders {
    Loaders {
        programs: BTreeMap::from([
            ("undionly.kpxe", Content::memory(*b"x")),
            ("snponly-x86_64.efi", Content::memory(*b"x")),
        ]),
        ..Loaders::default()
    }
}

/// Everything but DHCP is made from this.
fn exported(format: Format, catalog: &Catalog, menu: &Menu, server: &Server) -> Fragment {
    let loaders = loaders();
    let flags = ["--append".to_owned(), menu.append.clone()];
    export(
        format,
        &Export {
            catalog,
            loaders: &loaders,
            menu,
            loader: &LoaderChoice::default(),
            server,
            netmask: NETMASK,
            flags: &flags,
        },
    )
}

/// Rules with everything a rule can have: an exception among iPXE machines, HTTP Boot, PXELINUX.
fn all_rules() -> Rules {
    let offer = |file: &str| Offer {
        server: Ipv4Addr::LOCALHOST.into(),
        file: file.into(),
        config: None,
        prefix: None,
        warning: None,
    };
    let pxelinux = Offer {
        config: Some("pxelinux.cfg/default".into()),
        prefix: Some("http://10.0.0.1/loader/pxelinux/".into()),
        ..offer("loader/pxelinux/lpxelinux.0")
    };
    let numbers = |numbers: &[u16], arch| Which::Numbers(numbers.to_vec(), arch);
    let rule = |stage, which, offer| Rule {
        stage,
        which,
        offer,
        except: Vec::new(),
    };
    let x64 = || numbers(&[7, 9, 2, 8], Arch::X64Uefi);
    let bios = || numbers(&[0], Arch::X86Bios);
    let script = offer("http://10.0.0.1/boot.ipxe");
    let http = offer("http://10.0.0.1/loader/snponly-x86_64.efi");
    Rules {
        rules: vec![
            rule(Stage::Ipxe, bios(), Some(pxelinux.clone())),
            rule(Stage::Ipxe, numbers(&[41], Arch::RaspberryPi), None),
            rule(Stage::Ipxe, Which::Other, Some(script)),
            rule(
                Stage::HttpBoot,
                numbers(&[16, 17], Arch::X64Http),
                Some(http),
            ),
            Rule {
                except: vec![
                    Mark::Oui([0xb8, 0x27, 0xeb]),
                    Mark::Oui([0xdc, 0xa6, 0x32]),
                    Mark::Uuid(b"\0RPi"),
                ],
                ..rule(Stage::Firmware, bios(), Some(pxelinux))
            },
            rule(
                Stage::Firmware,
                x64(),
                Some(offer("loader/snponly-x86_64.efi")),
            ),
        ],
        server: server(),
        names: "dual".into(),
        run: "Run on 10.0.0.1: lanboot serve --dhcp off --append 'a b' IMAGE".into(),
        unserved: vec!["x86 UEFI, arm32 UEFI: there is no loader for such machines yet".into()],
        warnings: Vec::new(),
    }
}

fn golden(name: &str, text: &str, expected: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/exports/golden/");
        std::fs::write(format!("{folder}{name}"), text).unwrap();
        return;
    }
    assert!(
        text == expected,
        "golden/{name} differs; now it is:\n{text}\n(UPDATE_GOLDEN=1 writes it anew)"
    );
}

#[test]
fn every_menu_reads_as_it_was_approved() {
    let menu = menu("console=ttyS0,115200 note='a b'");
    let text = |format| exported(format, &catalog(), &menu, &server()).text;
    golden(
        "pxelinux.cfg",
        &text(Format::Pxelinux),
        include_str!("golden/pxelinux.cfg"),
    );
    golden(
        "grub.cfg",
        &text(Format::Grub),
        include_str!("golden/grub.cfg"),
    );
    golden(
        "menu.ipxe",
        &text(Format::Ipxe),
        include_str!("golden/menu.ipxe"),
    );
}

#[test]
fn every_dhcp_fragment_reads_as_it_was_approved() {
    let rules = all_rules();
    for (name, fragment, expected) in [
        (
            "dnsmasq.conf",
            dnsmasq::fragment(&rules, &rules),
            include_str!("golden/dnsmasq.conf"),
        ),
        (
            "dhcpd.conf",
            isc_dhcp::fragment(&rules),
            include_str!("golden/dhcpd.conf"),
        ),
        (
            "kea.json",
            kea::fragment(&rules),
            include_str!("golden/kea.json"),
        ),
        (
            "mikrotik.rsc",
            mikrotik::fragment(&rules),
            include_str!("golden/mikrotik.rsc"),
        ),
        (
            "windows.ps1",
            windows_dhcp::fragment(&rules),
            include_str!("golden/windows.ps1"),
        ),
    ] {
        golden(name, &fragment.text, expected);
    }
}

#[test]
fn images_without_entries_give_one_warning() {
    let catalog = Catalog::new(vec![Arc::new(image("empty", &[]))]);
    for format in Format::ALL {
        let fragment = exported(format, &catalog, &menu(""), &server());
        let why = "nothing will start: no image served has a bootable entry";
        assert_eq!(fragment.warnings, [why], "{format}");
        assert!(
            !fragment.text.contains("/iso/"),
            "{format}: {}",
            fragment.text
        );
    }
}

#[test]
fn an_image_that_starts_as_a_whole_goes_to_http_boot_and_into_no_menu() {
    use crate::testing::whole_image;
    let catalog = Catalog::new(vec![Arc::new(whole_image("memtest", &[Arch::X64Uefi]))]);
    for format in Format::ALL {
        let fragment = exported(format, &catalog, &menu(""), &server());
        let said = fragment.warnings.join("\n");
        let why = "memtest starts only as a whole, by UEFI HTTP Boot";
        assert!(said.contains(why), "{format}: {said}");
        let url = "http://10.0.0.1/loader/ramdisk/memtest.iso";
        let has_url = fragment.text.contains(url);
        assert_eq!(has_url, format.is_dhcp(), "{format}: {}", fragment.text);
        assert!(!fragment.text.contains("/iso/"), "{format}");
    }
}

#[test]
fn a_comment_names_whole_images_and_counts_the_others() {
    let named = |count: usize| {
        let name = |n| Arc::new(image(&format!("archlinux-2026.11.{n:02}"), &[Cpu::X86_64]));
        let catalog = Catalog::new((1..=count).map(name).collect());
        let text = exported(Format::Dnsmasq, &catalog, &menu(""), &server()).text;
        let line = text
            .lines()
            .find(|line| line.contains("They load"))
            .unwrap();
        line.to_owned()
    };
    let two = "# They load archlinux-2026.11.01, archlinux-2026.11.02 from 10.0.0.1.";
    assert_eq!(named(2), two);
    let many = named(30);
    assert!(
        many.contains(", archlinux-2026.11.07 and 23 more from"),
        "{many}"
    );
    assert!(named(7).ends_with(", archlinux-2026.11.07 from 10.0.0.1."));
}

#[test]
fn the_rules_are_what_this_dhcp_would_offer() {
    let (catalog, loaders, menu, server) = (catalog(), loaders(), menu(""), server());
    let with = |all: LoaderKind| {
        let export = Export {
            catalog: &catalog,
            loaders: &loaders,
            menu: &menu,
            loader: &LoaderChoice {
                all,
                ..LoaderChoice::default()
            },
            server: &server,
            netmask: NETMASK,
            flags: &[],
        };
        rules(&export)
    };
    let auto = with(LoaderKind::Auto);
    let given = |rules: &Rules, stage, arch| {
        let rule = rules.giving().find(|(rule, _)| {
            let is_arch = matches!(&rule.which, Which::Numbers(_, a) if *a == arch);
            rule.stage == stage && (is_arch || rule.which == Which::Other)
        });
        rule.map(|(_, offer)| offer.file.clone())
    };
    let script = Some("http://10.0.0.1/boot.ipxe".to_owned());
    let x64 = auto.rules.iter().find(|r| r.slug() == "pxe-x64-uefi");
    let numbers = Which::Numbers(vec![7, 9, 16, 17, 2, 8], Arch::X64Uefi);
    assert_eq!(x64.map(|rule| &rule.which), Some(&numbers));
    let http = auto.rules.iter().find(|r| r.slug() == "http-x64-uefi-http");
    let numbers = Which::Numbers(vec![16, 17, 7, 9], Arch::X64Http);
    assert_eq!(http.map(|rule| &rule.which), Some(&numbers));
    // Of all kinds of machine, only PCs are mistaken for others: Raspberry Pis say they are some.
    let excepting: Vec<&Rule> = auto.rules.iter().filter(|r| !r.except.is_empty()).collect();
    assert_eq!(excepting.len(), 1);
    assert_eq!(excepting[0].slug(), "pxe-x86-bios");
    assert!(excepting[0].except.contains(&Mark::Oui([0x88, 0xa2, 0x9e])));
    assert!(excepting[0].except.contains(&Mark::Uuid(b"\0RPi")));
    let unsaid = auto.rules.iter().filter(|rule| rule.is_for_unsaid());
    let unsaid: Vec<String> = unsaid.map(Rule::slug).collect();
    assert_eq!(
        unsaid,
        ["http-x64-uefi-http", "pxe-x86-bios"],
        "iPXE all get one script"
    );
    assert_eq!(given(&auto, Stage::Ipxe, Arch::X86Bios), script);
    assert_eq!(given(&auto, Stage::Ipxe, Arch::Riscv64Uefi), script);
    assert_eq!(
        given(&auto, Stage::Firmware, Arch::X86Bios).as_deref(),
        Some("loader/undionly.kpxe")
    );
    let pxelinux = with(LoaderKind::Pxelinux);
    let file = Some("loader/pxelinux/lpxelinux.0".to_owned());
    assert_eq!(given(&pxelinux, Stage::Ipxe, Arch::X86Bios), file);
    assert_eq!(given(&pxelinux, Stage::Ipxe, Arch::X64Uefi), script);
    let other = pxelinux
        .rules
        .iter()
        .find(|r| r.stage == Stage::Ipxe && r.which == Which::Other);
    // BIOS machines, and those whose BIOS boots over HTTP.
    assert_eq!(pxelinux.beside(other.unwrap()).count(), 2);
}

/// dnsmasq as the only server names ours as the one with the files; as a proxy it leaves that to
/// the server that gives the addresses.
#[test]
fn a_grub_that_needs_its_server_named_is_not_for_dnsmasq_as_a_proxy() {
    let (catalog, menu, server) = (catalog(), menu(""), server());
    let loaders = Loaders {
        shim_grubs: vec![shim_grub_without_proxy(Arch::X64Uefi, "Debian", false)],
        ..loaders()
    };
    let given = Export {
        catalog: &catalog,
        loaders: &loaders,
        menu: &menu,
        loader: &LoaderChoice::default(),
        server: &server,
        netmask: NETMASK,
        flags: &[],
    };
    let text = export(Format::Dnsmasq, &given).text;
    let lines = |start: &str| -> Vec<&str> {
        let lines = text.lines().filter(|line| line.starts_with(start));
        lines
            .filter(|line| line.contains(",7,") || line.contains("x64-uefi,"))
            .collect()
    };
    let (own, proxied) = (lines("dhcp-boot="), lines("#pxe-service="));
    assert!(
        own[0].ends_with(",loader/secure/x86_64/shimx64.efi,,10.0.0.1"),
        "{own:?}"
    );
    assert!(
        proxied[0].ends_with(",7,lanboot,loader/snponly-x86_64.efi,10.0.0.1"),
        "{proxied:?}"
    );
}

#[test]
fn a_way_that_cannot_start_is_not_offered() {
    let menu = menu("copytoram=n");
    for format in [Format::Pxelinux, Format::Grub, Format::Ipxe] {
        let text = exported(format, &catalog(), &menu, &server()).text;
        assert!(!text.contains("archiso_http_srv"), "{format}: {text}");
        assert!(text.contains("archiso_nfs_srv"), "{format}: {text}");
    }
    let only_http = Server {
        nfs: false,
        nbd: false,
        ..server()
    };
    let fragment = exported(Format::Grub, &catalog(), &menu, &only_http);
    assert!(!fragment.text.contains("menuentry"), "{}", fragment.text);
    assert!(
        fragment.warnings.iter().any(|r| r.contains("copytoram=n")),
        "{:?}",
        fragment.warnings
    );
}

#[test]
fn another_port_is_named_wherever_it_can_be() {
    let server = Server {
        http: Origin::http([10, 0, 0, 1].into(), 8080),
        ..server()
    };
    let text = |format| exported(format, &catalog(), &menu(""), &server).text;
    let grub = text(Format::Grub);
    assert!(
        grub.contains("\nset lanboot=tftp,10.0.0.1\nexport lanboot\n"),
        "{grub}"
    );
    assert!(
        grub.contains("linux ($lanboot)/iso/dual/arch/vmlinuz "),
        "{grub}"
    );
    assert!(
        grub.contains("initrd '(tftp,10.0.0.1)/iso/dual/arch/early img' "),
        "{grub}"
    );
    assert!(text(Format::Ipxe).contains("kernel http://10.0.0.1:8080/iso/dual/arch/vmlinuz "));
    let dnsmasq = text(Format::Dnsmasq);
    assert!(
        dnsmasq.contains(",http://10.0.0.1:8080/boot.ipxe,,10.0.0.1\n"),
        "{dnsmasq}"
    );
}

#[test]
fn a_name_no_configuration_can_hold_is_left_out_and_said() {
    let mut odd = image("dual", &[Cpu::X86_64]);
    odd.found.stock = Some(StockMenu {
        loader: "boot/a\"; }\ninclude \"x/lpxelinux.0".into(),
        config: "archiso.cfg".into(),
        prefix: None,
    });
    let catalog = Catalog::new(vec![Arc::new(odd)]);
    let stock = |format| {
        let (loaders, server) = (loaders(), server());
        let menu = Menu {
            kind: MenuKind::Stock,
            ..menu("")
        };
        export(
            format,
            &Export {
                catalog: &catalog,
                loaders: &loaders,
                menu: &menu,
                loader: &LoaderChoice::default(),
                server: &server,
                netmask: NETMASK,
                flags: &[],
            },
        )
    };
    for format in Format::ALL.into_iter().filter(|f| f.is_dhcp()) {
        let Fragment { text, warnings } = stock(format);
        let code = text.lines().filter(|l| !is_comment(l));
        assert!(!code.clone().any(|l| l.contains("include")), "{text}");
        assert!(
            warnings
                .iter()
                .any(|r| r.contains("no configuration can hold")),
            "{format}: {warnings:?}"
        );
    }
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || line.starts_with("//")
}

/// Names, titles and volumes that try to be something else.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,60}",
        prop::sample::select(vec![
            "x\nLABEL evil\nKERNEL evil",
            "ENDTEXT",
            "endtext evil",
            "' --id x { } menuentry 'evil",
            "'; reboot; '",
            "$(reboot) `reboot` ${reboot}",
            "a || shell",
            "|| shell ||",
            "${net0/mac}",
            "\\",
            "x\\",
            "\r\n:evil\nshell",
            "\"}]} , \"evil\": 1",
            "*/ */ -->",
            "#>",
            "\u{2028}evil",
            "\u{7f}\u{1b}[2J",
        ])
        .prop_map(str::to_owned),
    ]
}

fn hostile_image(name: &str, title: &str, volume: &str, path: &str) -> Image {
    let mut image = image(&image_name(name), &[Cpu::X86_64]);
    for entry in &mut image.found.entries {
        entry.title = title.into();
        entry.volume = volume.into();
        entry.kind = EntryKind::Linux(Linux {
            kernel: path.into(),
            initrd: vec![path.into(), "initramfs.img".into()],
        });
        // The medium's own arguments are words, whatever they hold.
        volume.split_whitespace().for_each(|word| keep(entry, word));
    }
    image
}

/// Returns what PXELINUX makes of a configuration: `KEYWORD rest` lines, with help bodies taken
/// out.
fn pxelinux_lines(text: &str) -> Vec<(&str, &str)> {
    let mut lines = Vec::new();
    let mut in_help = false;
    for line in text.lines().map(str::trim_start) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if in_help {
            in_help = !word.eq_ignore_ascii_case("ENDTEXT");
        } else if word == "TEXT" {
            in_help = true;
        } else if !word.is_empty() && !word.starts_with('#') {
            lines.push((word, rest));
        }
    }
    assert!(!in_help);
    lines
}

/// Returns GRUB's words of one line and how many `;` separate its commands: blanks separate words,
/// quotes join them, `\` escapes the next character, in double quotes only `"`, `\` and `$`.
/// Anything else with a special meaning fails the test, except for what GRUB is meant to expand.
fn grub_words(line: &str) -> (Vec<String>, usize) {
    let (mut words, mut ends) = (Vec::new(), 0);
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            ';' => {
                words.extend(word.take());
                ends += 1;
            }
            '$' => {
                let rest: String = chars.clone().take(7).collect();
                assert!(["lanboot", "lockdow"].contains(&rest.as_str()), "{line}");
                word.get_or_insert_default().push('$');
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => panic!("a quote that does not end: {line}"),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c) if "\"\\$".contains(c) => word.push(c),
                            other => panic!("{other:?} behind a backslash: {line}"),
                        },
                        Some('$') => {
                            let rest: String = chars.clone().take(17).collect();
                            let is_ours =
                                ["{net_default_", "lockdown", "grub_cpu", "grub_platform"];
                            assert!(is_ours.iter().any(|o| rest.starts_with(o)), "{line}");
                            word.push('$');
                        }
                        Some(c) => word.push(c),
                        None => panic!("a quote that does not end: {line}"),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '|' | '&' | '<' | '>' | '#' | '`' => {
                panic!("{c} outside of quotes: {line}")
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (words, ends)
}

proptest! {
    #[test]
    fn nothing_breaks_out_of_a_pxelinux_menu(
        name in hostile(), title in hostile(), volume in hostile(), path in hostile(),
        append in "[ -~]{0,80}",
    ) {
        let image = hostile_image(&name, &title, &volume, &path);
        let catalog = Catalog::new(vec![Arc::new(image)]);
        let fragment = exported(Format::Pxelinux, &catalog, &menu(&append), &server());
        let lines = pxelinux_lines(&fragment.text);
        let known = ["LABEL", "MENU", "LINUX", "INITRD", "APPEND", "SYSAPPEND"];
        for (word, rest) in &lines {
            prop_assert!(known.contains(word), "{}: {}", word, fragment.text);
            prop_assert!(rest.bytes().all(|b| (b' '..=b'~').contains(&b)));
            if *word == "LINUX" || *word == "INITRD" {
                prop_assert!(!rest.contains(' '), "{}", rest);
            }
            if *word == "INITRD" {
                prop_assert_eq!(rest.split(',').count(), 2);
            }
        }
        let labels = lines.iter().filter(|(word, _)| *word == "LABEL").count();
        let appends = lines.iter().filter(|(word, _)| *word == "APPEND").count();
        prop_assert!(appends >= 1 && labels == appends + usize::from(labels > 1));
    }

    #[test]
    fn nothing_breaks_out_of_a_grub_menu(
        name in hostile(), title in hostile(), volume in hostile(), path in hostile(),
        append in "[ -~]{0,80}", port in prop::sample::select(vec![80u16, 8080]),
    ) {
        let image = hostile_image(&name, &title, &volume, &path);
        let catalog = Catalog::new(vec![Arc::new(image)]);
        let server = Server { http: Origin::http([10, 0, 0, 1].into(), port), ..server() };
        let fragment = exported(Format::Grub, &catalog, &menu(&append), &server);
        let mut depth = 0;
        for line in fragment.text.lines().filter(|l| !is_comment(l) && !l.is_empty()) {
            let (words, ends) = grub_words(line.trim_start());
            match words[0].as_str() {
                "menuentry" | "submenu" => {
                    prop_assert_eq!((words.len(), words[4].as_str(), ends), (5, "{", 0));
                    depth += 1;
                }
                "}" => depth -= 1,
                "echo" => prop_assert_eq!((words.len(), ends), (2, 0)),
                "if" if words[1] == "linux" => {
                    let then = words.iter().position(|w| w == "then").unwrap();
                    prop_assert_eq!(&words[then..then + 2], ["then", "initrd"]);
                    prop_assert_eq!((words.len(), ends), (then + 5, 2));
                    let asked: Vec<&str> = append.split_whitespace().collect();
                    let given: Vec<&str> = words.iter().map(String::as_str).collect();
                    // The kernel takes double quotes off, and so they are not in the words.
                    prop_assert!(
                        (append.clone() + &volume).contains('"') || asked.is_empty()
                            || given.windows(asked.len()).any(|w| w == asked)
                    );
                }
                // The lines that choose the device hold nothing of anybody's.
                "set" | "if" | "else" | "fi" | "export" => {}
                "sleep" => prop_assert_eq!(line, "sleep --interruptible 3600"),
                other => prop_assert!(false, "{} in {}", other, fragment.text),
            }
        }
        prop_assert_eq!(depth, 0);
    }

    #[test]
    fn nothing_breaks_out_of_an_ipxe_menu(
        name in hostile(), title in hostile(), volume in hostile(), path in hostile(),
        append in prop_oneof!["[ -~]{0,80}", "([ |&#$\\{\\}x]{1,4} ){1,9}"],
    ) {
        let image = hostile_image(&name, &title, &volume, &path);
        let catalog = Catalog::new(vec![Arc::new(image)]);
        let fragment = exported(Format::Ipxe, &catalog, &menu(&append), &server());
        let commands = [
            ":lanboot", "menu", "item", "choose", "goto", "imgfree", "kernel", "initrd", "boot",
            "echo", "prompt", "exit", "iseq", "isset", "set",
        ];
        for line in fragment.text.lines().skip(1).filter(|l| !l.is_empty()) {
            prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert!(!line.ends_with('\\'), "{} goes on", line);
            let ours = [
                "${netX/mac:hexhyp}", "${lanboot-picked}", "${netX/ip}", "${next-server}",
                "${netX/gateway}", "${netX/netmask}", "${efi/SecureBoot}", "${platform}",
                "${buildarch}", "${lanboot-machine}", "${lanboot-x86_64}", "${lanboot-starts}",
            ];
            let rest = ours.iter().fold(line.to_owned(), |rest, ours| rest.replace(ours, ""));
            prop_assert!(!rest.contains("${"), "{}", line);
            if line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            prop_assert!(commands.iter().any(|c| words[0] == *c || words[0].starts_with(":lanboot")));
            // A title may hold what it likes: `item` takes it only as words.
            if words[0] == "iseq" && words[1] == "${efi/SecureBoot}" {
                prop_assert_eq!(line, "iseq ${efi/SecureBoot} 01 && goto lanboot-unsigned ||");
                continue;
            }
            // The lines that find out what the machine is hold nothing of anybody's.
            if words[0] == "iseq" || words[0] == "set" || line == "isset ${platform} || set lanboot-machine bios" {
                continue;
            }
            let parts = |word: &str| ["||", "&&", ";"].contains(&word) || word.starts_with('#');
            if words.starts_with(&["isset", "${lanboot-x86_64}"]) {
                prop_assert_eq!(words[2], if words[3] == "item" { "&&" } else { "||" });
                if words[3] == "item" {
                    let title = &words[4..words.len() - 1];
                    prop_assert!(!title.iter().any(|w| parts(w)) && words.last() == Some(&"||"), "{}", line);
                } else {
                    prop_assert_eq!(&words[3..], ["goto", "lanboot-nothing"]);
                }
                continue;
            }
            let ends = words.iter().filter(|w| ["||", "&&"].contains(w)).count();
            prop_assert!(ends <= 1, "{}", line);
            if ends == 1 && words[0] != "prompt" {
                let n = words.len();
                prop_assert_eq!((words[n - 3], words[n - 2]), ("||", "goto"));
            }
        }
    }

    #[test]
    fn dhcp_fragments_say_the_same_whatever_images_are_called(
        name in hostile(), file in hostile(),
    ) {
        let code = |name: &str, format| {
            let mut image = image(name, &[Cpu::X86_64]);
            image.file = file.clone();
            let catalog = Catalog::new(vec![Arc::new(image)]);
            let text = exported(format, &catalog, &menu(""), &server()).text;
            let lines = text.lines().filter(|l| !is_comment(l)).map(str::to_owned);
            lines.collect::<Vec<_>>()
        };
        for format in Format::ALL.into_iter().filter(|f| f.is_dhcp()) {
            prop_assert_eq!(code(&name, format), code("dual", format));
        }
    }
}

#[test]
fn a_title_cannot_part_commands_for_ipxe() {
    let image = hostile_image("a", "x || shell && reboot ; exit # y", "", "arch/vmlinuz");
    let catalog = Catalog::new(vec![Arc::new(image)]);
    let text = exported(Format::Ipxe, &catalog, &menu("a || ; shell"), &server()).text;
    let items = text.lines().filter_map(|l| l.split_once(" && item "));
    assert!(items.clone().count() > 1, "{text}");
    for (_, item) in items {
        let title = item.strip_suffix(" ||").unwrap();
        for word in ["||", "&&", ";", "#"] {
            assert!(!title.contains(word), "{item}");
        }
    }
    let (_, kernel) = text.split_once("\nkernel ").unwrap();
    let kernel = kernel.lines().next().unwrap();
    assert!(kernel.contains(" a shell initrd="), "{kernel}");
}

#[test]
fn an_installer_keeps_what_it_hands_on_and_arm_is_nothing_for_pxelinux() {
    let images = [
        installer("debian", Cpu::X86_64, Signed::By(vec!["Debian".into()])),
        installer("arm", Cpu::Aarch64, Signed::No),
    ];
    let catalog = Catalog::new(images.map(Arc::new).to_vec());
    let text = |format| exported(format, &catalog, &menu("a=b"), &server()).text;
    let pxelinux = text(Format::Pxelinux);
    assert_eq!(pxelinux.matches("\nLABEL ").count(), 1, "{pxelinux}");
    assert!(
        pxelinux.contains("\nAPPEND vga=788 a=b --- quiet\nTEXT "),
        "{pxelinux}"
    );
    let ipxe = text(Format::Ipxe);
    let names = "initrd=early%20img initrd=initramfs.img";
    let kernel = format!("/iso/debian/arch/vmlinuz {names} vga=788 a=b --- quiet || goto ");
    assert!(ipxe.contains(&kernel), "{ipxe}");
    assert_eq!(ipxe.matches("goto lanboot-unsigned").count(), 1, "{ipxe}");
    let grub = text(Format::Grub);
    let entries = |id: &str| grub.matches(&format!("menuentry '{id}")).count();
    assert_eq!((entries("debian"), entries("arm")), (1, 2), "{grub}");
}

#[test]
fn grub_says_what_secure_boot_refuses_and_offers_no_other_way_for_it() {
    let signed = |name: &str, signed: Signed| {
        let mut image = image(name, &[Cpu::X86_64]);
        image.found.entries[0].signed = signed;
        Arc::new(image)
    };
    let by = || Signed::By(vec!["Debian".into()]);
    let text = |images: Vec<Arc<Image>>| {
        exported(Format::Grub, &Catalog::new(images), &menu(""), &server()).text
    };
    // What a machine reads of it.
    let seen = |text: &str, is_locked: bool| {
        let mut shown = vec![true];
        let mut seen = Vec::new();
        for line in text.lines() {
            match line.split(' ').next().unwrap() {
                "if" if line.starts_with("if linux") => {}
                "if" if line == "if [ \"$lockdown\" = \"y\" ]; then" => shown.push(is_locked),
                "if" if line == "if [ \"$lockdown\" != \"y\" ]; then" => shown.push(!is_locked),
                "if" => shown.push(true),
                "else" => {
                    let last = shown.pop().unwrap();
                    shown.push(!last);
                }
                "fi" => drop(shown.pop()),
                "menuentry" | "submenu" if shown.iter().all(|shown| *shown) => {
                    seen.push(line.split(" --id ").next().unwrap());
                }
                _ => {}
            }
        }
        assert_eq!(shown, [true], "{text}");
        seen.join("\n")
    };
    let mixed = text(vec![signed("one", Signed::No), signed("two", by())]);
    let locked = seen(&mixed, true);
    let refused = "menuentry 'one (x86_64) - needs Secure Boot off'";
    assert_eq!(locked.matches("'one").count(), 1, "{locked}");
    assert!(locked.contains(refused), "{locked}");
    assert_eq!(locked.matches("'two").count(), 3, "{locked}");
    let open = seen(&mixed, false);
    assert_eq!(
        (open.matches("'one").count(), open.matches("'two").count()),
        (3, 3)
    );
    assert!(!open.contains("Secure Boot"), "{open}");
    let none = text(vec![signed("one", Signed::No)]);
    assert_eq!(seen(&none, true), refused);
    assert!(seen(&none, false).contains("submenu"));
    assert!(!text(vec![signed("two", by())]).contains("needs Secure Boot off"));
}

#[test]
fn what_only_a_person_can_know_is_said() {
    let mut old = image("old", &[]);
    old.found.entries = vec![literal("old")];
    let catalog = Catalog::new(vec![Arc::new(old)]);
    let fragment = exported(Format::Grub, &catalog, &menu(""), &server());
    let argument = "\"ip=${net_default_ip}:10.0.0.1::255.255.0.0\"";
    assert!(fragment.text.contains(argument), "{}", fragment.text);
    assert!(
        fragment.warnings[0].contains("255.255.0.0"),
        "{:?}",
        fragment.warnings
    );
    let text = exported(Format::Pxelinux, &catalog, &menu(""), &server()).text;
    assert!(text.contains("\nSYSAPPEND 3\n"), "{text}");
}

#[test]
fn every_transport_is_somewhere_in_every_menu() {
    for format in [Format::Pxelinux, Format::Grub, Format::Ipxe] {
        let text = exported(format, &catalog(), &menu(""), &server()).text;
        for transport in Transport::ALL {
            let argument = format!("archiso_{transport}_srv=");
            assert_eq!(text.matches(&argument).count(), 2, "{format} {transport}");
        }
    }
}

/// No shell of Windows nor of RouterOS is at hand, so at least every quote and bracket is closed,
/// and every class, option and set that is named was made before.
#[test]
fn powershell_and_routeros_name_only_what_they_made() {
    let rules = all_rules();
    let quoted = |line: &str| -> Vec<String> {
        let parts: Vec<&str> = line.split('\'').collect();
        assert_eq!(parts.len() % 2, 1, "an open quote: {line}");
        parts
            .iter()
            .skip(1)
            .step_by(2)
            .map(|p| (*p).to_owned())
            .collect()
    };
    let text = windows_dhcp::fragment(&rules).text;
    let (mut classes, mut policies) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|l| !is_comment(l) && !l.is_empty()) {
        let names = quoted(line);
        match line.split(' ').next().unwrap() {
            "Add-DhcpServerv4Class" => classes.push(names[0].clone()),
            "Add-DhcpServerv4Policy" => {
                // What the addresses begin with is no class.
                let (named, _) = line.split_once(" -MacAddress ").unwrap_or((line, ""));
                for class in &quoted(named)[1..] {
                    let class = class.trim_end_matches('*');
                    assert!(classes.iter().any(|c| c == class), "{class}: {line}");
                }
                policies.push(names[0].clone());
            }
            "Set-DhcpServerv4OptionValue" => assert!(policies.contains(&names[0]), "{line}"),
            "Add-DhcpServerv4OptionDefinition" | "$scope" => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(policies.len(), 5, "{text}");
    let text = mikrotik::fragment(&rules).text;
    let (mut options, mut sets) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|l| !is_comment(l) && !l.is_empty()) {
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
        quoted(line);
        let value = |key: &str| {
            let (_, rest) = line.split_once(&format!(" {key}="))?;
            Some(rest.split(' ').next().unwrap().to_owned())
        };
        if line.starts_with("/ip dhcp-server option add ") {
            options.push(value("name").unwrap());
        } else if line.starts_with("/ip dhcp-server option sets add ") {
            for option in value("options").unwrap().split(',') {
                assert!(options.iter().any(|o| o == option), "{option}: {line}");
            }
            sets.push(value("name").unwrap());
        } else if line.starts_with("/ip dhcp-server matcher add ") {
            assert!(sets.contains(&value("option-set").unwrap()), "{line}");
        } else {
            assert!(
                line.starts_with(":local ") || line.starts_with("/ip dhcp-server network set "),
                "{line}"
            );
        }
    }
    assert!(sets.len() >= 4, "{text}");
}
