use super::*;

use std::net::Ipv4Addr;
use std::time::Duration;

use lanboot_core::dhcp::server_detection::Policy;
use lanboot_core::images::Transport;
use lanboot_core::loaders::LoaderKind;
use lanboot_core::machine::Mac;
use lanboot_core::machine_plans::KEYS;
use lanboot_core::plan::LoaderChoice;
use lanboot_core::plan::Transports;

const CONFIGURATION: &str = include_str!("../../../../docs/configuration.md");
const EXAMPLE: &str = include_str!("../../../../docs/lanboot.toml");

/// Returns the flags of `lanboot serve WORDS`.
fn flags(words: &[&str]) -> Result<ArgMatches, Refusal> {
    let line = ["lanboot", "serve"].iter().chain(words);
    let mut matches = Cli::matches(line.map(OsString::from))?;
    Ok(matches.remove_subcommand().unwrap().1)
}

/// Returns the schema that flags and file share.
fn keys() -> clap::Command {
    file::schema(Settings::augment_args)
}

/// Merges flags with a file `lanboot.toml`.
pub(super) fn settings(words: &[&str], text: &str) -> anyhow::Result<Settings> {
    match flags(words) {
        Ok(flags) => with_file(flags, &keys(), "lanboot.toml", text),
        Err(Refusal::Config(error)) => Err(error),
        Err(Refusal::Usage(error)) => panic!("{words:?}: {error}"),
    }
}

fn error(text: &str) -> String {
    settings(&["a.iso"], text).unwrap_err().to_string()
}

#[test]
fn flags_win_over_the_file_and_defaults_fill_the_rest() {
    let config = "menu-timeout = 3\nappend = 'quiet'\nonly = '00:1a:02:03:04:05'\nrange = '10.0.0.5-10.0.0.9'\n";
    let found = settings(&["--append", "console=ttyS0", "a.iso"], config).unwrap();
    assert_eq!(found.append, "console=ttyS0");
    assert_eq!(found.menu_timeout, Some(Duration::from_secs(3)));
    assert_eq!(found.only.len(), 1);
    assert_eq!(found.range.unwrap().1, Ipv4Addr::new(10, 0, 0, 9));
    assert_eq!((found.dhcp, found.http_port), (Policy::Auto, 80));
    assert_eq!(found.lease_time(), Duration::from_secs(3600));
    let named = settings(&["--dhcp", "server", "a.iso"], "").unwrap();
    assert_eq!(named.lease_time(), Duration::from_secs(43_200));
}

#[test]
fn transports_are_for_all_or_for_one() {
    let config = "transport = ['nbd', 'small=nfs', 'old=auto']\n";
    let found = settings(&["a.iso"], config).unwrap().transports();
    assert_eq!(found.all, Some(Transport::Nbd));
    let small = ("small".to_owned(), Some(Transport::Nfs));
    assert_eq!(found.of, [small, ("old".to_owned(), None)]);
    let found = settings(&["a.iso"], "").unwrap();
    assert_eq!(found.transports(), Transports::default());
    assert!(!found.no_nfs && !found.no_nbd);
}

#[test]
fn loaders_are_for_all_or_for_one_machine() {
    let config = "loader = ['grub', '00:1a:02:03:04:05=ipxe-native', '00-1a-02-03-04-06=iso']\n";
    let found = settings(&["a.iso"], config).unwrap().loader();
    assert_eq!(found.all, LoaderKind::Grub);
    let (one, other) = (Mac([0, 0x1a, 2, 3, 4, 5]), Mac([0, 0x1a, 2, 3, 4, 6]));
    assert_eq!(
        found.of,
        [(one, LoaderKind::IpxeNative), (other, LoaderKind::Iso)]
    );
    let one = settings(&["a.iso"], "loader = 'pxelinux'\n")
        .unwrap()
        .loader();
    assert_eq!((one.all, one.of.len()), (LoaderKind::Pxelinux, 0));
    let flags = settings(&["--loader", "auto", "a.iso"], config).unwrap();
    assert_eq!(flags.loader(), LoaderChoice::default(), "flags win");
}

#[test]
fn interfaces_and_subnets_come_from_flags_and_tables() {
    let config = "interface = ['eth0', 'eth1']\naddress = 'eth1=10.9.0.1/24'\ndhcp = 'server'\n\
                  [[subnet]]\nnetwork = '10.1.0.0/24'\n[[subnet]]\nnetwork = '10.2.0.0/24'\n";
    let found = settings(&["a.iso"], config).unwrap();
    assert_eq!(found.interfaces, ["eth0", "eth1"]);
    assert_eq!(found.addresses[0].0.as_deref(), Some("eth1"));
    assert_eq!(found.subnets.len(), 2);
    let line = ["--interface", "br0", "--address", "10.9.0.1/24", "a.iso"];
    let found = settings(&line, config).unwrap();
    assert_eq!((found.interfaces.len(), found.addresses.len()), (1, 1));
    // A flag overrules the file without a word.
    let found = settings(
        &["--dhcp", "proxy", "a.iso"],
        "range = '10.0.0.5-10.0.0.9'\n",
    );
    assert_eq!(found.unwrap().dhcp, Policy::Proxy);
}

#[test]
fn the_configuration_in_the_readme_can_be_used() {
    let readme = include_str!("../../../../README.md");
    let (_, example) = readme.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let found = settings(&[], example).unwrap();
    assert_eq!(found.subnets.len(), 1);
}

#[test]
fn bad_values_say_what_would_be_right() {
    for (words, part) in [
        (&["--range", "10.0.0.9-10.0.0.5"][..], "runs backwards"),
        (&["--range", "10.0.0.9"], "not a range like"),
        (&["--dhcp", "sever"], "did you mean 'server'?"),
        (&["--dhcp", "prox"], "did you mean 'proxy'?"),
        (
            &["--dhcp", "proxy", "--range", "10.0.0.5-10.0.0.9"],
            "--dhcp proxy hands out no addresses, and --range says which",
        ),
        (
            &[
                "--interface",
                "a",
                "--interface",
                "b",
                "--router",
                "10.0.0.1",
            ],
            "--router is for one interface",
        ),
        (
            &["--interface", "a", "--interface", "a"],
            "a is given more than once",
        ),
        (
            &[
                "--interface",
                "a",
                "--interface",
                "b",
                "--address",
                "10.0.0.1/24",
            ],
            "write a=10.0.0.1/24 or b=10.0.0.1/24",
        ),
        (
            &["--interface", "a", "--address", "b=10.0.0.1/24"],
            "add --interface b",
        ),
        (
            &["--address", "10.0.0.1/24", "--address", "10.0.0.2/24"],
            "only one --address per interface",
        ),
        (&["--address", "10.0.0.1"], "like 192.168.0.1/24"),
        (&["--address", "10.0.0.0/24"], "give a host's"),
        (&["--router", "0.0.0.0"], "--router: machines cannot reach"),
        (&["--dns", "127.0.0.53"], "--dns: machines cannot reach"),
        (&["--only", "00:11"], "write it like"),
        (&["--menu-timeout", "soon"], "or 'never'"),
        (&["--append", "a\nb"], "on one line"),
        (&["--lease-time", "5s"], "not between 2m"),
        (&["--until-idle", "10 minutes"], "like 90s"),
        (&["--http-port", "0"], "from 1 to 65535"),
        (&["--transport", "smb"], "none of auto, http, nfs, nbd"),
        (&["--transport", "a=nfss"], "did you mean 'nfs'?"),
        (&["--transport", "a=nbd", "--no-nbd"], "contradict"),
        (&["--loader", "grubb"], "did you mean 'grub'?"),
        (
            &["--loader", "efi"],
            "none of auto, ipxe, ipxe-native, pxelinux",
        ),
        (&["--loader", "00:11=ipxe"], "write it like"),
        (&["--loader", "00:1a:02:03:04:05="], "none of auto"),
    ] {
        let mut line = words.to_vec();
        line.push("a.iso");
        let error = settings(&line, "").unwrap_err().to_string();
        assert!(error.contains(part), "{words:?}: {error}");
    }
    assert!(
        settings(&[], "")
            .unwrap_err()
            .to_string()
            .contains("no image to serve")
    );
}

#[test]
fn a_wrong_key_is_named_with_its_place_and_the_nearest_valid_one() {
    assert_eq!(
        error("once = true\n\n  menu_timeout = 3\n"),
        "lanboot.toml:3:3: there is no key 'menu_timeout'; did you mean 'menu-timeout'?"
    );
    let config = "once = true\n[[subnet]]\nnetwork = '10.1.0.0/24'\n\n[[subnet]]\nnetwrok = 1\n";
    assert_eq!(
        error(config),
        "lanboot.toml:6:1: there is no key 'netwrok' in [[subnet]]; did you mean 'network'?"
    );
    let other = error("config = 'other.toml'\n");
    assert!(
        other.starts_with("lanboot.toml:1:1: there is no key 'config'; "),
        "{other}"
    );
    let other = error("[[subnets]]\n");
    assert!(other.ends_with("did you mean 'subnet'?"), "{other}");
}

#[test]
fn a_wrong_value_is_named_with_its_place_its_key_and_what_would_be_right() {
    for (text, expected) in [
        (
            "once = true\ndhcp = \"sever\"\n",
            "2:8: dhcp: 'sever' is none of auto, server, proxy, off; did you mean 'server'?",
        ),
        ("append = 'é' ; dhcp", "1:14: "),
        ("once = maybe\n", "1:8: "),
        (
            "once = 'yes'\n",
            "1:8: once: write true or false, without quotes",
        ),
        (
            "range = ['10.0.0.5-10.0.0.9']\n",
            "1:9: range: takes one value, not a list",
        ),
        (
            "dns = [\n  '9.9.9.9',\n  'x',\n]\n",
            "3:3: dns: 'x' is not an IPv4 address",
        ),
        (
            "dns = ['9.9.9.9', 1.5]\n",
            "1:19: dns: write 'text', or a list of texts",
        ),
        (
            "http-port = 99999\n",
            "1:13: http-port: '99999' is not a port number",
        ),
        ("boot = { a = 1 }\n", "1:8: boot: write 'text', in quotes"),
        (
            "transport = ['nfs', 'a=nbdd']\n",
            "1:21: transport: 'nbdd' is none of",
        ),
        (
            "only = '00:1a:02:03:04:05 00:1a:02:03:04:06'\n",
            "1:8: only takes one value or a list; write only = [",
        ),
        ("subnet = 'x'\n", "1:10: subnet: write [[subnet]]"),
        (
            "dhcp = 'proxy'\nrange = '10.0.0.5-10.0.0.9'\n",
            "2:1: --dhcp proxy hands out no addresses",
        ),
        (
            "interface = ['a', 'a']\n",
            "1:1: --interface a is given more than once",
        ),
    ] {
        let error = error(text);
        assert!(
            error.starts_with(&format!("lanboot.toml:{expected}")),
            "{text}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn numbers_switches_and_lists_of_the_file_are_values_of_flags() {
    let text = "http-port = 0x1F90\nmenu-timeout = 0\nonce = true\nno-nfs = false\nappend = ''\n\
                images = ['--odd.iso', 'b.iso']\nboot = '-x'\n";
    let found = settings(&["--menu-timeout", "never"], text).unwrap();
    assert_eq!((found.http_port, found.menu_timeout), (8080, None));
    assert!(found.once && !found.no_nfs && found.append.is_empty());
    assert_eq!(found.images, ["--odd.iso", "b.iso"].map(PathBuf::from));
    assert_eq!(found.boot.as_deref(), Some("-x"));
    // A value that a flag overrides is not looked at.
    settings(&["--dhcp", "off", "a.iso"], "dhcp = 'sever'\n").unwrap();
}

/// Returns the keys of a schema with what they take and mean.
fn rows(augment: fn(clap::Command) -> clap::Command) -> String {
    let schema = file::schema(augment);
    let args = schema.get_arguments().filter(|arg| {
        let id = arg.get_id().as_str();
        !settings::FLAG_ONLY.contains(&id)
    });
    let mut rows = String::from("| key | value | meaning |\n|---|---|---|\n");
    for arg in args {
        let names = arg.get_value_names().unwrap_or_default();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let value = match arg.get_action() {
            clap::ArgAction::SetTrue => "true".into(),
            clap::ArgAction::Append => format!("{}, or a list", names.join(" ")),
            _ => names.join(" "),
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help
            .replace(". May be repeated", "")
            .replace(", shown below", "");
        let default = match arg.get_default_values() {
            [value] if !arg.is_hide_default_value_set() && arg.get_action().takes_values() => {
                format!(" [default: {}]", value.to_string_lossy())
            }
            _ => String::new(),
        };
        let value = value.replace('|', "\\|");
        rows.push_str(&format!(
            "| `{}` | {value} | {help}{default} |",
            file::key(arg)
        ));
        rows.push('\n');
    }
    rows
}

#[test]
fn the_documentation_lists_every_key_with_the_text_of_its_definition() {
    let plans = KEYS.iter();
    let plans: String = plans
        .map(|(key, text)| format!("| `{key}` | {text} |\n"))
        .collect();
    let head = "| key | meaning |\n|---|---|\n";
    let tables = [
        rows(Settings::augment_args),
        rows(Subnet::augment_args),
        format!("{head}{plans}"),
    ];
    let mut parts: Vec<String> = CONFIGURATION
        .split("<!-- keys -->\n")
        .map(str::to_owned)
        .collect();
    assert_eq!(parts.len(), 7, "three tables between marks");
    for (part, table) in [1, 3, 5].into_iter().zip(tables) {
        parts[part] = table;
    }
    let expected = parts.join("<!-- keys -->\n");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        std::fs::write(file, &expected).unwrap();
        return;
    }
    assert!(
        CONFIGURATION == expected,
        "docs/configuration.md differs; `UPDATE_GOLDEN=1 cargo test -p lanboot config` writes it anew"
    );
}

#[test]
fn the_example_in_the_documentation_is_valid_and_so_is_each_of_its_comments() {
    let found = settings(&[], EXAMPLE).unwrap();
    assert_eq!(found.subnets.len(), 1);
    // Lines such as `#key = value` are keys that are not set.
    let mut tried = 0;
    for line in EXAMPLE.lines().filter_map(|line| line.strip_prefix('#')) {
        if line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains(" = ") {
            settings(&["a.iso"], line).unwrap();
            tried += 1;
        }
    }
    assert!(tried > 5, "{tried}");
}

#[test]
fn every_flag_but_config_is_a_key_of_the_same_name() {
    use clap::CommandFactory as _;
    let top = Cli::command();
    for arg in top.find_subcommand("serve").unwrap().get_arguments() {
        let key = file::key(arg);
        if key == "help" {
            continue;
        }
        // A table is a wrong value for every key.
        let error = error(&format!("{key} = {{ x = 1 }}\n"));
        let is_known =
            error.starts_with(&format!("lanboot.toml:1:{}: {key}: write ", key.len() + 4));
        assert_eq!(is_known, key != "config", "{error}");
    }
}

#[test]
fn export_repeats_every_key_or_has_a_reason_not_to() {
    let schema = file::schema(Settings::augment_args);
    let mut keys: Vec<&str> = schema.get_arguments().map(file::key).collect();
    let mut decided = [&REPEATED_BY_EXPORT[..], &settings::NOT_REPEATED_BY_EXPORT].concat();
    keys.sort_unstable();
    decided.sort_unstable();
    assert_eq!(keys, decided);
}

fn serve(words: &[String]) -> ArgMatches {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    flags(&words).unwrap()
}

#[test]
fn relevant_flags_are_repeated_and_valid() {
    let words = |line: &[&str]| -> Vec<String> { line.iter().map(|w| (*w).into()).collect() };
    let given = words(&[
        "--http-port",
        "8080",
        "--append",
        "-x 'y'",
        "--transport",
        "nfs",
        "--transport",
        "a=nbd",
        "--loaders",
        "/srv/my loaders",
        "--boot=-odd",
        "--no-nbd",
        "--dhcp",
        "proxy",
        "--once",
        "--lease-time",
        "2h",
        "--only",
        "00:1a:02:03:04:05",
        "a.iso",
    ]);
    let kept = repeated(&serve(&given), &keys());
    let expected = words(&[
        "--http-port",
        "8080",
        "--transport",
        "nfs",
        "--transport",
        "a=nbd",
        "--loaders",
        "/srv/my loaders",
        "--boot=-odd",
        "--append=-x 'y'",
        "--no-nbd",
    ]);
    assert_eq!(kept, expected);
    assert_eq!(repeated(&serve(&kept), &keys()), kept);
    let all = words(&[
        "--config",
        "c.toml",
        "--interface",
        "eth0",
        "--address",
        "10.0.0.1/24",
        "--loader",
        "grub",
        "--menu",
        "stock",
        "--menu-timeout",
        "3",
        "--no-nfs",
    ]);
    assert_eq!(repeated(&serve(&all), &keys()), all);
    assert!(repeated(&serve(&words(&["a.iso"])), &keys()).is_empty());
}

/// It takes as long as the rest of the start.
#[test]
fn the_schema_of_the_keys_is_made_once() {
    let sources = [include_str!("mod.rs"), include_str!("file.rs")];
    assert_eq!(
        sources.concat().matches("Settings::augment_args").count(),
        1
    );
}
