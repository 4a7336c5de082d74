//! What was written becomes what is used. Only this module reads arguments, the environment and
//! the configuration file; everything travels on from here by value.

use lanboot_core::text;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::catalog::{Transport, Transports, nearest};
use lanboot_core::loaders::LoaderKind;
use lanboot_core::machine::Mac;
use lanboot_core::plan::{LoaderChoice, MenuKind};
use toml::de::{DeTable, DeValue};

use super::args::Serve;
use super::{effect, subnet};

use subnet::Subnet;

use super::network::{addresses, check_interfaces, subnets};

/// Where the configuration is looked for when `--config` names none.
pub const DEFAULT_CONFIG: &str = "/etc/lanboot/lanboot.toml";
/// Largest configuration file read, in bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Longest `--append`, in bytes: kernels cut command lines at 2048 on x86.
const MAX_APPEND: usize = 1024;

/// What `serve` uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Images and folders, as written.
    pub images: Vec<PathBuf>,
    /// The interfaces named, if any were.
    pub interfaces: Vec<String>,
    /// Addresses to give them; without a name, to the only one.
    pub addresses: Vec<(Option<String>, Cidr)>,
    /// What to do about DHCP.
    pub dhcp: Dhcp,
    /// Addresses to hand out on the only interface, if given.
    pub range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Networks, on interfaces or behind relays.
    pub subnets: Vec<Subnet>,
    /// Lease time where a subnet has none of its own.
    pub lease_time: Duration,
    /// Default route to tell.
    pub router: Option<Ipv4Addr>,
    /// DNS servers to tell.
    pub dns: Vec<Ipv4Addr>,
    /// How roots travel.
    pub transports: Transports,
    /// Whether NFS is served where its ports are free.
    pub nfs: bool,
    /// Whether NBD is served where its port is free.
    pub nbd: bool,
    /// `--boot`.
    pub boot: Option<String>,
    /// `--append`.
    pub append: String,
    /// Whose menu.
    pub menu: MenuKind,
    /// How long a menu waits; `None` for ever.
    pub menu_timeout: Option<Duration>,
    /// What machines load first.
    pub loader: LoaderChoice,
    /// Folder for the lease database.
    pub state: PathBuf,
    /// Machines served; empty for all.
    pub only: Vec<Mac>,
    /// `--once`.
    pub once: bool,
    /// `--until-idle`.
    pub until_idle: Option<Duration>,
    /// `--log`.
    pub log: Log,
    /// Whether log lines begin with the time: journald stamps them itself.
    pub stamped: bool,
    /// `--ready-file`.
    pub ready_file: Option<PathBuf>,
    /// Port of the boot door.
    pub http_port: u16,
    /// `--tftp-single-port`.
    pub tftp_single_port: bool,
    /// Folder with loaders.
    pub loaders: Option<PathBuf>,
}

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of the prefix.
    pub prefix: u8,
}

/// What to do about DHCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dhcp {
    /// Hand out addresses for as long as nobody else is heard doing so.
    Auto,
    /// Hand out addresses: the operator said so outright.
    Server,
    /// Hand out none, and only say what to boot.
    Proxy,
    /// Answer nothing.
    Off,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// A live line per machine on a terminal, plain lines elsewhere.
    Auto,
    /// Plain lines.
    Plain,
    /// One JSON object per line.
    Json,
}

impl Settings {
    /// Joins flags with the configuration file; flags win.
    pub fn new(flags: Serve) -> anyhow::Result<Self> {
        let path = match &flags.config {
            Some(path) => Some(path.clone()),
            None => Some(PathBuf::from(DEFAULT_CONFIG)).filter(|p| p.exists()),
        };
        let file = path
            .map(|path| read_config(&path))
            .transpose()?
            .unwrap_or_default();
        Self::merged(flags, file)
    }

    fn merged(flags: Serve, file: Serve) -> anyhow::Result<Self> {
        effect::check_lists(&flags, &file)?;
        let is_overruled = flags.dhcp.is_some();
        let word = flags.dhcp.clone().or_else(|| file.dhcp.clone());
        let dhcp = parsed("dhcp", word, dhcp)?.unwrap_or(Dhcp::Auto);
        effect::check(&flags, &file, dhcp)?;
        let many = |a: Vec<String>, b: Vec<String>| if a.is_empty() { b } else { a };
        let images = if flags.images.is_empty() {
            file.images
        } else {
            flags.images
        };
        if images.is_empty() {
            bail!("no image to serve; name an ISO file or a folder of them: lanboot serve IMAGE");
        }
        let transports = transports(&many(flags.transport, file.transport))
            .map_err(|error| anyhow!("--transport: {error}"))?;
        let (no_nfs, no_nbd) = (flags.no_nfs || file.no_nfs, flags.no_nbd || file.no_nbd);
        for (transport, off) in [(Transport::Nfs, no_nfs), (Transport::Nbd, no_nbd)] {
            if off && transports.ask_for(transport) {
                bail!("--transport {transport} and --no-{transport} contradict each other");
            }
        }
        let state = flags.state.or(file.state).unwrap_or_else(default_state);
        let interfaces = many(flags.interface, file.interface);
        check_interfaces(&interfaces)?;
        let addresses = addresses(&many(flags.address, file.address), &interfaces)
            .map_err(|error| anyhow!("--address: {error}"))?;
        let range = parsed("range", flags.range.or(file.range), range)?;
        let router = parsed("router", flags.router.or(file.router), machine)?;
        effect::check_alone(range.is_some(), router.is_some(), interfaces.len() > 1)?;
        let subnets = subnets(file.subnet)?;
        effect::check_subnets(&subnets, dhcp, is_overruled)?;
        Ok(Self {
            images,
            interfaces,
            addresses,
            dhcp,
            range,
            subnets,
            lease_time: parsed(
                "lease-time",
                flags.lease_time.or(file.lease_time),
                lease_time,
            )?
            .unwrap_or_else(|| default_lease_time(dhcp)),
            router,
            dns: many(flags.dns, file.dns)
                .into_iter()
                .map(|text| parsed("dns", Some(text), machine))
                .filter_map(Result::transpose)
                .collect::<anyhow::Result<_>>()?,
            transports,
            nfs: !no_nfs,
            nbd: !no_nbd,
            boot: flags.boot.or(file.boot),
            append: parsed("append", flags.append.or(file.append), append)?.unwrap_or_default(),
            menu: parsed("menu", flags.menu.or(file.menu), |text| {
                one_of(
                    text,
                    &[
                        ("generated", MenuKind::Generated),
                        ("stock", MenuKind::Stock),
                    ],
                )
            })?
            .unwrap_or_default(),
            menu_timeout: parsed(
                "menu-timeout",
                flags.menu_timeout.or(file.menu_timeout),
                menu_timeout,
            )?
            .unwrap_or(Some(Duration::from_secs(10))),
            loader: loader(&many(flags.loader, file.loader))
                .map_err(|error| anyhow!("--loader: {error}"))?,
            state,
            only: many(flags.only, file.only)
                .into_iter()
                .map(|text| parsed("only", Some(text), |t| Ok(t.parse()?)))
                .filter_map(Result::transpose)
                .collect::<anyhow::Result<_>>()?,
            once: flags.once || file.once,
            until_idle: parsed("until-idle", flags.until_idle.or(file.until_idle), duration)?,
            log: parsed("log", flags.log.or(file.log), |text| {
                one_of(text, &[("plain", Log::Plain), ("json", Log::Json)])
            })?
            .unwrap_or(Log::Auto),
            stamped: std::env::var_os("JOURNAL_STREAM").is_none(),
            ready_file: flags.ready_file.or(file.ready_file),
            http_port: parsed("http-port", flags.http_port.or(file.http_port), port)?.unwrap_or(80),
            tftp_single_port: flags.tftp_single_port || file.tftp_single_port,
            loaders: flags.loaders.or(file.loaders),
        })
    }
}

/// A working day; by default an hour, because another server may only be away: machines that came
/// in between shall soon be told by it where the Internet is.
fn default_lease_time(dhcp: Dhcp) -> Duration {
    let hours = if dhcp == Dhcp::Auto { 1 } else { 12 };
    Duration::from_secs(hours * 3600)
}

/// systemd's `StateDirectory=` first, then where such programs keep their state.
fn default_state() -> PathBuf {
    std::env::var_os("STATE_DIRECTORY").map_or_else(|| "/var/lib/lanboot".into(), PathBuf::from)
}

fn read_config(path: &Path) -> anyhow::Result<Serve> {
    let size = std::fs::metadata(path)
        .with_context(|| format!("cannot read the configuration file {}", text::path(path)))?
        .len();
    if size > MAX_CONFIG_BYTES {
        bail!(
            "{} is {size} bytes long; a configuration file has at most {MAX_CONFIG_BYTES}",
            text::path(path)
        );
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file {}", text::path(path)))?;
    parse_config(&text).map_err(|error| anyhow!("{}: {error}", text::path(path)))
}

/// Parses a configuration. Errors name the line and, for an unknown key, the nearest valid one.
fn parse_config(text: &str) -> anyhow::Result<Serve> {
    let table = DeTable::parse(text).map_err(|error| located(text, &error))?;
    check_keys(text, table.get_ref(), &KEYS, "")?;
    if let Some(DeValue::Array(subnets)) = table.get_ref().get("subnet").map(|v| v.get_ref()) {
        for subnet in subnets.iter() {
            if let DeValue::Table(subnet) = subnet.get_ref() {
                check_keys(text, subnet, &subnet::KEYS, " in [[subnet]]")?;
            }
        }
    }
    toml::from_str(text).map_err(|error| located(text, &error))
}

fn check_keys(text: &str, table: &DeTable<'_>, valid: &[&str], place: &str) -> anyhow::Result<()> {
    for key in table.keys() {
        if !valid.contains(&key.get_ref().as_ref()) {
            let line = line_of(text, key.span().start);
            let hint = nearest(key.get_ref(), valid.iter().copied()).map_or_else(
                || format!("valid keys: {}", valid.join(", ")),
                |near| format!("did you mean '{near}'?"),
            );
            let key = key.get_ref().escape_default();
            bail!("line {line}: there is no key '{key}'{place}; {hint}");
        }
    }
    Ok(())
}

fn located(text: &str, error: &toml::de::Error) -> anyhow::Error {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    anyhow!("line {line}: {}", error.message())
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&b| b == b'\n').count() + 1
}

/// The keys of the configuration file: every flag of `serve` but `--config`, and the tables
/// `[[subnet]]`.
const KEYS: [&str; 26] = [
    "images",
    "interface",
    "address",
    "dhcp",
    "range",
    "lease-time",
    "router",
    "dns",
    "transport",
    "no-nfs",
    "no-nbd",
    "boot",
    "append",
    "menu",
    "menu-timeout",
    "loader",
    "state",
    "only",
    "once",
    "until-idle",
    "log",
    "ready-file",
    "http-port",
    "tftp-single-port",
    "loaders",
    "subnet",
];

fn parsed<T>(
    key: &str,
    text: Option<String>,
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    text.map(|text| parse(&text).map_err(|error| anyhow!("--{key}: {error}")))
        .transpose()
}

fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> anyhow::Result<T> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let hint = nearest(text, names.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
    bail!("'{text}' is none of {}{hint}", names.join(", "))
}

/// `WAY` for every entry, `ENTRY=WAY` for one of them or for all of one image.
pub(super) fn transports(written: &[String]) -> anyhow::Result<Transports> {
    let way = |text: &str| {
        let named = Transport::ALL.map(|transport| (transport.name(), Some(transport)));
        one_of(text, &[&[("auto", None)], &named[..]].concat())
    };
    let mut transports = Transports::default();
    for text in written {
        // A name may contain one as well.
        match text.rsplit_once('=') {
            Some((name, text)) => transports.of.push((name.to_owned(), way(text)?)),
            None => transports.all = way(text)?,
        }
    }
    Ok(transports)
}

fn dhcp(text: &str) -> anyhow::Result<Dhcp> {
    let words = [
        ("auto", Dhcp::Auto),
        ("server", Dhcp::Server),
        ("proxy", Dhcp::Proxy),
        ("off", Dhcp::Off),
    ];
    one_of(text, &words)
}

/// `WAY` for every machine, `MAC=WAY` for one of them.
fn loader(written: &[String]) -> anyhow::Result<LoaderChoice> {
    let way = |text: &str| one_of(text, &LoaderKind::ALL.map(|way| (way.name(), way)));
    let mut choice = LoaderChoice::default();
    for text in written {
        match text.split_once('=') {
            Some((mac, text)) => choice.of.push((mac.parse()?, way(text)?)),
            None => choice.all = way(text)?,
        }
    }
    Ok(choice)
}

pub(crate) fn ipv4(text: &str) -> anyhow::Result<Ipv4Addr> {
    text.trim()
        .parse()
        .map_err(|_| anyhow!("'{text}' is not an IPv4 address like 192.168.0.1"))
}

/// The address of a machine that others can reach.
pub(crate) fn machine(text: &str) -> anyhow::Result<Ipv4Addr> {
    let address = ipv4(text)?;
    let is_none = address.octets().first() == Some(&0);
    if is_none || address.is_loopback() || address.is_multicast() || address.is_broadcast() {
        bail!("machines cannot reach {address}; name a host's address");
    }
    Ok(address)
}

pub(super) fn cidr(text: &str) -> anyhow::Result<Cidr> {
    let wrong = || anyhow!("'{text}' is not an address with its prefix, like 192.168.0.1/24");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let cidr = Cidr {
        address: address.parse().map_err(|_| wrong())?,
        prefix: prefix
            .parse()
            .ok()
            .filter(|p| (1..=30).contains(p))
            .ok_or_else(wrong)?,
    };
    let host = cidr.address.to_bits() & (u32::MAX >> cidr.prefix);
    if host == 0 || host == u32::MAX >> cidr.prefix {
        bail!(
            "{} is the network or broadcast address of /{}; give a host's",
            cidr.address,
            cidr.prefix
        );
    }
    Ok(cidr)
}

pub(super) fn range(text: &str) -> anyhow::Result<(Ipv4Addr, Ipv4Addr)> {
    let (first, last) = text
        .split_once(['-', ','])
        .ok_or_else(|| anyhow!("'{text}' is not a range like 192.168.0.100-192.168.0.199"))?;
    let (first, last) = (ipv4(first)?, ipv4(last)?);
    if first > last {
        bail!("the range {first}-{last} runs backwards");
    }
    Ok((first, last))
}

fn duration(text: &str) -> anyhow::Result<Duration> {
    let wrong = || anyhow!("'{text}' is not a duration like 90s, 10m, 12h or 7d");
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(
        number.checked_mul(seconds).ok_or_else(wrong)?,
    ))
}

/// RFC 2131 counts seconds in 32 bits, all ones being "for ever"; under two minutes a machine
/// would renew while it boots (dnsmasq has the same floor).
pub(super) fn lease_time(text: &str) -> anyhow::Result<Duration> {
    let time = duration(text)?;
    if !(120..u64::from(u32::MAX)).contains(&time.as_secs()) {
        bail!("'{text}' is not between 2m and 49710d");
    }
    Ok(time)
}

fn menu_timeout(text: &str) -> anyhow::Result<Option<Duration>> {
    if text == "never" {
        return Ok(None);
    }
    match duration(text) {
        Ok(timeout) if timeout.as_secs() <= 3599 => Ok(Some(timeout)),
        _ => bail!("'{text}' is not a number of seconds from 0 to 3599, or 'never'"),
    }
}

fn append(text: &str) -> anyhow::Result<String> {
    if text.len() > MAX_APPEND {
        bail!(
            "{} bytes of arguments; at most {MAX_APPEND} fit on a kernel command line",
            text.len()
        );
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
        bail!("{odd:?} cannot stand on a kernel command line; use printable ASCII on one line");
    }
    Ok(text.to_owned())
}

fn port(text: &str) -> anyhow::Result<u16> {
    text.parse()
        .ok()
        .filter(|p| *p != 0)
        .ok_or_else(|| anyhow!("'{text}' is not a port number from 1 to 65535"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clap::Parser as _;

    fn flags(words: &[&str]) -> Serve {
        let line = ["lanboot", "serve"].iter().chain(words);
        match crate::config::args::Cli::try_parse_from(line)
            .unwrap()
            .command
        {
            crate::config::args::Command::Serve(serve) => *serve,
            other => panic!("not serve: {other:?}"),
        }
    }

    pub(in crate::config) fn settings(words: &[&str], config: &str) -> anyhow::Result<Settings> {
        Settings::merged(flags(words), parse_config(config)?)
    }

    #[test]
    fn flags_win_over_the_file_and_defaults_fill_the_rest() {
        let config = "menu-timeout = 3\nappend = 'quiet'\nonly = '00:1a:02:03:04:05'\nrange = '10.0.0.5-10.0.0.9'\n";
        let found = settings(&["--append", "console=ttyS0", "a.iso"], config).unwrap();
        assert_eq!(found.append, "console=ttyS0");
        assert_eq!(found.menu_timeout, Some(Duration::from_secs(3)));
        assert_eq!(found.only.len(), 1);
        assert_eq!(found.range.unwrap().1, Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!((found.dhcp, found.http_port), (Dhcp::Auto, 80));
        assert_eq!(found.lease_time, Duration::from_secs(3600));
        let named = settings(&["--dhcp", "server", "a.iso"], "").unwrap();
        assert_eq!(named.lease_time, Duration::from_secs(43_200));
    }

    #[test]
    fn transports_are_for_all_or_for_one() {
        let config = "transport = ['nbd', 'small=nfs', 'old=auto']\n";
        let found = settings(&["a.iso"], config).unwrap().transports;
        assert_eq!(found.all, Some(Transport::Nbd));
        let small = ("small".to_owned(), Some(Transport::Nfs));
        assert_eq!(found.of, [small, ("old".to_owned(), None)]);
        let found = settings(&["a.iso"], "").unwrap();
        assert_eq!(found.transports, Transports::default());
        assert!(found.nfs && found.nbd);
    }

    #[test]
    fn loaders_are_for_all_or_for_one_machine() {
        let config =
            "loader = ['grub', '00:1a:02:03:04:05=ipxe-native', '00-1a-02-03-04-06=iso']\n";
        let found = settings(&["a.iso"], config).unwrap().loader;
        assert_eq!(found.all, LoaderKind::Grub);
        let (one, other) = (Mac([0, 0x1a, 2, 3, 4, 5]), Mac([0, 0x1a, 2, 3, 4, 6]));
        assert_eq!(
            found.of,
            [(one, LoaderKind::IpxeNative), (other, LoaderKind::Iso)]
        );
        let one = settings(&["a.iso"], "loader = 'pxelinux'\n")
            .unwrap()
            .loader;
        assert_eq!((one.all, one.of.len()), (LoaderKind::Pxelinux, 0));
        let flags = settings(&["--loader", "auto", "a.iso"], config).unwrap();
        assert_eq!(flags.loader, LoaderChoice::default(), "flags win");
    }

    #[test]
    fn every_flag_is_a_key_and_every_key_but_the_tables_a_flag() {
        use clap::CommandFactory as _;
        let command = crate::config::args::Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        let mut flags: Vec<String> = serve
            .get_arguments()
            .map(|a| a.get_long().unwrap_or("images").to_owned())
            .filter(|name| name != "help" && name != "config")
            .collect();
        flags.sort();
        let mut keys: Vec<String> = KEYS.iter().map(|k| (*k).to_owned()).collect();
        keys.retain(|key| key != "subnet");
        keys.sort();
        assert_eq!(flags, keys);
        for key in subnet::KEYS {
            let text = format!("[[subnet]]\n{key} = 1\n");
            let error = toml::from_str::<Serve>(&text).unwrap_err().to_string();
            assert!(!error.contains("unknown field"), "{key}: {error}");
        }
        for key in KEYS {
            // A key serde does not know would say so; a wrong type is fine here.
            let error = toml::from_str::<Serve>(&format!("{key} = {{}}"))
                .unwrap_err()
                .to_string();
            assert!(!error.contains("unknown field"), "{key}: {error}");
        }
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
        assert_eq!(found.unwrap().dhcp, Dhcp::Proxy);
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
    fn a_wrong_key_is_named_with_its_line_and_the_nearest_valid_one() {
        let error = parse_config("once = true\n\nmenu_timeout = 3\n")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "line 3: there is no key 'menu_timeout'; did you mean 'menu-timeout'?"
        );
        let config =
            "once = true\n[[subnet]]\nnetwork = '10.1.0.0/24'\n\n[[subnet]]\nnetwrok = 1\n";
        let error = parse_config(config).unwrap_err().to_string();
        assert_eq!(
            error,
            "line 6: there is no key 'netwrok' in [[subnet]]; did you mean 'network'?"
        );
        let error = parse_config("once = maybe\n").unwrap_err().to_string();
        assert!(error.starts_with("line 1: "), "{error}");
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
    fn durations_have_units_and_do_not_overflow() {
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("7d").unwrap(), Duration::from_secs(604_800));
        assert!(duration("99999999999999999999d").is_err());
        assert!(duration("18446744073709551615d").is_err());
    }
}
