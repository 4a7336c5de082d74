use super::*;
use crate::images::{EntryKind, Linux};
use crate::net::Origin;
use crate::plan::{BootChoice, MenuKind, Transports};
use crate::testing::{image, installer, server};
use crate::vfs::Content;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

const MASK: IpAddr = IpAddr::V4(Ipv4Addr::new(255, 255, 0, 0));

fn by(name: &str) -> Signed {
    Signed::By(vec![name.to_owned()])
}

/// Returns a catalog of an unsigned image for x86 and an installer signed by Debian for both kinds
/// of processor.
fn mixed() -> Catalog {
    let deb = |name, cpu| Arc::new(installer(name, cpu, by("Debian")));
    Catalog::new(vec![
        Arc::new(image("dual", &[Cpu::X86_64, Cpu::I686])),
        deb("deb", Cpu::X86_64),
        deb("arm", Cpu::Aarch64),
    ])
}

fn loaders(http: bool) -> Loaders {
    use crate::testing::shim_grub;
    let names = ["snponly-x86_64.efi", "ipxe-x86_64.efi", "ipxe-arm64.efi"];
    Loaders {
        programs: names.map(|n| (n, Content::memory(*b"x"))).into(),
        shim_grubs: vec![
            shim_grub(Arch::X64Uefi, "Debian", http),
            shim_grub(Arch::Arm64Uefi, "Debian", http),
        ],
        ..Loaders::default()
    }
}

fn menu(catalog: &Catalog, timeout: Option<Duration>, append: &str) -> Menu {
    Menu {
        timeout,
        boot: BootChoice::resolve(catalog, None).unwrap(),
        append: append.to_owned(),
        transports: Transports::default(),
        kind: MenuKind::Generated,
    }
}

/// Returns both files.
fn texts(catalog: &Catalog, loaders: &Loaders, menu: &Menu, server: &Server) -> (String, String) {
    let grub = Grub {
        catalog,
        loaders,
        menu,
        server,
        netmask: MASK,
    };
    let shim = shim_grub(catalog, loaders, &menu.boot, Arch::X64Uefi, false).map(|pair| &pair.shim);
    (grub.first(), grub.locked(shim))
}

fn usual(timeout: Option<Duration>) -> (String, String) {
    let catalog = mixed();
    let menu = menu(&catalog, timeout, "console=ttyS0");
    texts(&catalog, &loaders(false), &menu, &server())
}

/// Returns the body of the entry with this id.
fn entry<'a>(text: &'a str, id: &str) -> &'a str {
    let begin = text.split_once(&format!(" --id '{id}' {{\n")).unwrap().1;
    begin.split_once("\n}\n").unwrap().0
}

/// Splits a script into words like GRUB's lexer. The end of a command is a word of its own, after
/// [`MARK`], unlike a quoted `{`. `None` if a string never ends.
fn lex(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\'', Some('\'')) | ('"', Some('"')) => quote = None,
            ('\\', Some('"')) => {
                let next = letters.next()?;
                if !matches!(next, '"' | '\\' | '$') {
                    word.get_or_insert_default().push('\\');
                }
                word.get_or_insert_default().push(next);
            }
            (_, Some(_)) => word.get_or_insert_default().push(letter),
            ('\\', None) => word.get_or_insert_default().push(letters.next()?),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => {
                for rest in letters.by_ref() {
                    if rest == '\n' {
                        break;
                    }
                }
            }
            (' ' | '\n' | ';' | '{' | '}', None) => {
                words.extend(word.take());
                if letter != ' ' {
                    words.push(format!("{MARK}{letter}"));
                }
            }
            (_, None) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

const MARK: char = '\u{1}';

/// Returns whether a command begins after this word.
fn begins(word: &str) -> bool {
    word.starts_with(MARK) || matches!(word, "then" | "if" | "elif")
}

/// Checks what GRUB would: strings end, blocks close, every default is an entry.
fn check(text: &str) -> Result<(), String> {
    let words = lex(text).ok_or("a string does not end")?;
    let mut depth = 0i32;
    let mut ifs = 0i32;
    let mut is_first = true;
    for word in &words {
        match word.as_str() {
            "\u{1}{" => depth += 1,
            "\u{1}}" => depth -= 1,
            "if" if is_first => ifs += 1,
            "fi" if is_first => ifs -= 1,
            _ => {}
        }
        is_first = begins(word);
        if depth < 0 || ifs < 0 {
            return Err(format!("a block ends that never began, at {word}"));
        }
    }
    let ids: Vec<&String> = words
        .windows(2)
        .filter(|w| w[0] == "--id")
        .map(|w| &w[1])
        .collect();
    let mut defaults = words.iter().filter_map(|w| w.strip_prefix("default="));
    let lost = defaults.find(|id| !ids.iter().any(|known| known == id));
    match (depth, ifs, lost) {
        (0, 0, None) => Ok(()),
        open => Err(format!("open at the end: {open:?}")),
    }
}

#[test]
fn entries_load_over_grubs_own_protocol() {
    let (first, _) = usual(Some(Duration::from_secs(5)));
    let expected = "echo 'Loading dual (x86_64) ...'\n\
        if linux ($lanboot)/iso/dual/arch/vmlinuz archisobasedir=arch \
        archiso_http_srv=http://10.0.0.1/iso/dual/ ip=dhcp \"BOOTIF=01-${net_default_mac}\" \
        net.ifnames=0 console=ttyS0; then initrd \
        '(tftp,10.0.0.1)/iso/dual/arch/early img' ($lanboot)/iso/dual/arch/initramfs.img; fi";
    assert_eq!(entry(&first, "entry-dual-x86_64"), expected);
    assert!(
        first.contains("\nset lanboot=tftp,10.0.0.1\nset lanboot_secure=secure\nif [ \"$root\" = \"http,10.0.0.1\" ]; then\n"),
        "{first}"
    );
    assert!(first.contains("\nset timeout=5\n"), "{first}");
    let arm = entry(&first, "entry-arm-aarch64");
    assert!(
        arm.contains(" vga=788 console=ttyS0 --- quiet; then initrd "),
        "{arm}"
    );
}

#[test]
fn without_secure_boot_the_first_file_is_the_menu_and_ipxe_is_not_started() {
    let (first, locked) = usual(None);
    for text in [&first, &locked] {
        assert!(!text.contains("chainloader"), "{text}");
    }
    assert!(entry(&first, "entry-dual-x86_64").contains("if linux "));
    assert!(!first.contains("timeout"), "it waits for ever: {first}");
}

#[test]
fn with_secure_boot_the_second_file_explains_what_cannot_start() {
    let (first, locked) = usual(Some(Duration::ZERO));
    assert!(
        first.contains(
            "if [ \"$grub_cpu\" = \"x86_64\" ]; then configfile \
             ($lanboot)/loader/$lanboot_secure/x86_64/locked.cfg; fi\n"
        ),
        "{first}"
    );
    let refused = entry(&locked, "entry-dual-x86_64");
    assert!(!refused.contains("linux "), "{refused}");
    assert!(
        refused.starts_with("set timeout=-1\n")
            && refused.ends_with("\nsleep --interruptible 3600")
    );
    assert!(
        refused.contains("the firmware rejects the kernel of dual (x86_64)."),
        "{refused}"
    );
    assert!(
        locked.contains("menuentry 'dual (x86_64) - needs Secure Boot off'"),
        "{locked}"
    );
    assert!(entry(&locked, "entry-deb-x86_64").contains("if linux ($lanboot)/iso/deb/"));
    assert!(
        locked.contains("\nset timeout=0\n") && locked.contains("{ fwsetup }"),
        "{locked}"
    );
    assert!(
        locked
            .lines()
            .all(|line| line.len() < 90 || !line.starts_with("echo"))
    );
}

#[test]
fn the_warning_names_rejected_entries() {
    let (catalog, loaders, server) = (mixed(), loaders(false), server());
    let menu = menu(&catalog, None, "");
    let grub = Grub {
        catalog: &catalog,
        loaders: &loaders,
        menu: &menu,
        server: &server,
        netmask: MASK,
    };
    let shim = |arch| shim_grub(&catalog, &loaders, &menu.boot, arch, false).map(|pair| &pair.shim);
    let x64 = grub.locked_warning(Arch::X64Uefi, shim(Arch::X64Uefi)).text;
    assert!(x64.contains("rejects the kernel of dual-x86_64: "), "{x64}");
    assert!(!x64.contains("i686") && !x64.contains("deb"), "{x64}");
    let arm = grub
        .locked_warning(Arch::Arm64Uefi, shim(Arch::Arm64Uefi))
        .text;
    assert_eq!(
        arm,
        "Secure Boot is on; every kernel served is signed for it"
    );
    let other = grub.locked_warning(Arch::X86Uefi, None).text;
    assert!(other.contains("rejects the kernel of dual-i686"), "{other}");
    let none = grub.locked_warning(Arch::Riscv64Uefi, None).text;
    assert_eq!(
        none,
        "Secure Boot is on; no image served is for riscv64 UEFI machines"
    );
}

/// Returns the lines of a menu that are in effect on a machine, by `$grub_cpu` and
/// `$grub_platform`: a subset of GRUB's language.
fn seen<'a>(text: &'a str, cpu: &str, platform: &str, long_mode: bool) -> Vec<&'a str> {
    let mut fits = "";
    let mut seen = Vec::new();
    let mut holds = vec![true];
    let mut depth = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(rest) = line.strip_prefix("if ").filter(|_| depth == 0) {
            let words = lex(rest).unwrap();
            let mut tests = rest
                .split("; then")
                .map(|t| t.trim().trim_start_matches("if "));
            let is_closed = words.last().is_some_and(|word| word == "fi");
            let test = |test: &str| match test {
                "cpuid -l" => long_mode,
                test => {
                    let words = lex(test).unwrap();
                    let value = |word: &str| match word {
                        "$grub_cpu" => cpu.to_owned(),
                        "$grub_platform" => platform.to_owned(),
                        "$lanboot_fits" => fits.to_owned(),
                        word => word.trim_start_matches('$').to_owned(),
                    };
                    let is = |w: &[String]| match w[1].as_str() {
                        "=" => value(&w[0]) == w[2],
                        _ => value(&w[0]) != w[2],
                    };
                    let words = &words[1..words.len() - 1];
                    match words.get(3).map(String::as_str) {
                        Some("-o") => is(words) || is(&words[4..]),
                        Some("-a") => is(words) && is(&words[4..]),
                        _ => is(words),
                    }
                }
            };
            let first = test(tests.next().unwrap());
            if is_closed {
                let rest: Vec<&str> = tests.collect();
                let (command, more) = rest.split_last().unwrap();
                if first && more.iter().all(|t| test(t)) && *holds.last().unwrap() {
                    seen.push(command.trim_end_matches("; fi"));
                }
            } else {
                holds.push(first && *holds.last().unwrap());
            }
        } else if line == "fi" && depth == 0 {
            holds.pop();
        } else {
            depth += line.ends_with('{') as usize;
            depth -= (line == "}") as usize;
            if *holds.last().unwrap() {
                seen.push(line);
                if line == "set lanboot_fits=y" {
                    fits = "y";
                }
            }
        }
    }
    assert_eq!((holds.len(), depth), (1, 0));
    seen
}

/// Returns the ids of the entries on the first page, and of the default one.
fn page(text: &str, cpu: &str, platform: &str, long_mode: bool) -> (Vec<String>, String) {
    let lines = seen(text, cpu, platform, long_mode);
    let (mut ids, mut default, mut depth) = (Vec::new(), String::new(), 0);
    for line in lines {
        let words = lex(line).unwrap();
        let id = words.windows(2).find(|w| w[0] == "--id");
        ids.extend(id.filter(|_| depth == 0).map(|w| w[1].clone()));
        let start = words.iter().find_map(|w| w.strip_prefix("default="));
        default = start.map_or(default, str::to_owned);
        depth += line.ends_with('{') as usize;
        depth -= (line == "}") as usize;
    }
    (ids, default)
}

#[test]
fn entries_and_default_match_the_machine() {
    let (first, _) = usual(None);
    let (wide, narrow, deb, arm) = (
        "entry-dual-x86_64",
        "entry-dual-i686",
        "entry-deb-x86_64",
        "entry-arm-aarch64",
    );
    for (cpu, platform, long_mode, entries, start) in [
        ("x86_64", "efi", true, &[wide, deb][..], wide),
        ("i386", "efi", true, &[narrow], narrow),
        ("i386", "pc", true, &[wide, deb, narrow], wide),
        ("i386", "pc", false, &[wide, deb, narrow], narrow),
        ("arm64", "efi", false, &[arm], arm),
        (
            "riscv64",
            "efi",
            false,
            &["lanboot-nothing"],
            "lanboot-nothing",
        ),
        ("arm", "efi", false, &["lanboot-nothing"], "lanboot-nothing"),
    ] {
        let (ids, default) = page(&first, cpu, platform, long_mode);
        let expected: Vec<&str> = entries.iter().copied().chain(["lanboot-local"]).collect();
        assert_eq!(
            (ids, default.as_str()),
            (expected.iter().map(|s| s.to_string()).collect(), start),
            "{cpu} {platform}"
        );
    }
    let nothing = entry(&first, "lanboot-nothing");
    assert!(
        nothing.contains("starts kernels for $grub_cpu."),
        "{nothing}"
    );
    let served = "echo 'The images served here are for x86_64 and i686 and aarch64.'\n";
    assert!(nothing.contains(served), "{nothing}");
}

#[test]
fn default_image_may_not_support_this_firmware() {
    let images = [image("old", &[Cpu::I686]), image("new", &[Cpu::X86_64])];
    let catalog = Catalog::new(images.map(Arc::new).to_vec());
    let menu = menu(&catalog, None, "");
    let (first, locked) = texts(&catalog, &loaders(false), &menu, &server());
    for text in [first, locked] {
        let start = |cpu, platform| page(&text, cpu, platform, true).1;
        assert_eq!(start("x86_64", "efi"), "entry-new-x86_64");
        assert_eq!(start("i386", "pc"), "entry-old-i686");
        assert_eq!(start("arm64", "efi"), "lanboot-nothing");
    }
}

#[test]
fn http_is_used_on_the_default_port() {
    let catalog = mixed();
    let menu = menu(&catalog, None, "");
    let usual = texts(&catalog, &loaders(true), &menu, &server()).0;
    assert!(
        usual.contains("source (http,10.0.0.1)/loader/secure/http.cfg"),
        "{usual}"
    );
    let other = Server {
        http: Origin::http([10, 0, 0, 1].into(), 8080),
        ..server()
    };
    let other = texts(&catalog, &loaders(true), &menu, &other).0;
    assert!(!other.contains("(http,"), "{other}");
}

#[test]
fn every_service_is_a_root_transport() {
    let (first, _) = usual(None);
    let nfs = entry(&first, "nfs-dual-i686");
    assert!(
        nfs.contains(" archiso_nfs_srv=10.0.0.1:/iso/dual copytoram=n "),
        "{nfs}"
    );
    assert!(!first.contains("nfs-deb"), "{first}");
}

#[test]
fn the_2013_layout_gets_its_address_from_grub() {
    let words = Dialect::Grub { netmask: MASK };
    let entry = crate::testing::literal("old");
    let server = server();
    let catalog = image("old", &[]);
    let line = entry.command_line(Transport::Http, catalog.at(&server), words, "");
    assert!(
        line.contains(" ip=${net_default_ip}:10.0.0.1::255.255.0.0 BOOTIF=01-${net_default_mac} "),
        "{line}"
    );
}

#[test]
fn arguments_reach_the_kernel_unchanged() {
    for (line, expected) in [
        ("a=b  c", vec!["a=b", "c"]),
        ("a=\"b c\" d", vec!["a=b c", "d"]),
        ("\"a=b c", vec!["a=b c"]),
        ("", vec![]),
    ] {
        assert_eq!(arguments(line), expected, "{line}");
    }
    for (word, expected) in [
        ("console=ttyS0,115200n8", "console=ttyS0,115200n8"),
        ("a;reboot", "\"a;reboot\""),
        ("a=$root'`\\\"", "\"a=\\$root'`\\\\\\\"\""),
        ("x=${net_default_mac}", "\"x=${net_default_mac}\""),
        ("x=${net_default_macx}", "\"x=\\${net_default_macx}\""),
        ("", "\"\""),
        ("a b", "\"a b\""),
    ] {
        assert_eq!(argument(word), expected, "{word}");
        assert_eq!(lex(expected).unwrap().len(), 1, "{word}");
    }
}

#[test]
fn both_files_are_whole() {
    for timeout in [None, Some(Duration::ZERO), Some(Duration::from_millis(200))] {
        let (first, locked) = usual(timeout);
        assert_eq!(check(&first), Ok(()), "{first}");
        assert_eq!(check(&locked), Ok(()), "{locked}");
    }
    let empty = Catalog::default();
    let menu = menu(&empty, None, "");
    let (first, locked) = texts(&empty, &Loaders::default(), &menu, &server());
    assert_eq!((check(&first), check(&locked)), (Ok(()), Ok(())), "{first}");
}

proptest! {
    #[test]
    fn no_title_path_or_argument_ends_its_string(
        title in ".{0,40}", path in "[ -~]{0,30}", kept in "[!-~]{0,30}", append in "[ -~]{0,40}",
    ) {
        let mut hostile = image("x", &[Cpu::X86_64]);
        let entry = &mut hostile.found.entries[0];
        entry.title = title;
        entry.kind = EntryKind::Linux(Linux {
            kernel: path.clone(),
            initrd: vec![path],
        });
        crate::testing::keep(entry, &kept);
        let catalog = Catalog::new(vec![Arc::new(hostile)]);
        let menu = menu(&catalog, None, &append);
        let (first, locked) = texts(&catalog, &loaders(false), &menu, &server());
        prop_assert_eq!(check(&first), Ok(()));
        prop_assert_eq!(check(&locked), Ok(()));
        // No text from outside is a command of its own.
        let words = lex(&first).unwrap();
        let mut is_first = true;
        for word in words {
            if is_first {
                let ours = ["set", "if", "export", "source", "configfile", "true", "elif", "fi",
                    "menuentry", "echo", "linux", "initrd", "submenu",
                    "exit", "fwsetup", "sleep", "then", "["];
                prop_assert!(word.starts_with(MARK) || ours.contains(&word.as_str()), "{}", word);
            }
            is_first = begins(&word);
        }
    }
}
