//! `[[subnet]]` of the configuration file: a network whose machines are served, on an interface or
//! behind a relay.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::{ArgMatches, Args, FromArgMatches as _};
use ipnet::Ipv4Net;

use super::value::{self, ipv4};

/// The key whose value is a table.
pub(super) const OPTION: &str = "option";
/// Most tables in one file: a campus.
const MAX_SUBNETS: usize = 256;
/// Most further options of one subnet: a message has room for fewer.
const MAX_OPTIONS: usize = 64;
/// Longest domain name (RFC 1035 §2.3.4).
const MAX_DOMAIN: usize = 253;

/// A network whose machines are served; each field once: the key, its type, and its text in
/// `docs/configuration.md`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The network, required; that of an interface, or one behind a relay
    #[arg(long, value_name = "ADDRESS/BITS", value_parser = parse_network)]
    pub network: Ipv4Net,
    /// Addresses to assign; default: part of the network
    #[arg(long, value_name = "A-B", value_parser = value::range)]
    pub range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Default routes announced to machines; default: none
    #[arg(id = "router", long = "router", value_name = "ADDRESS", value_parser = value::machine)]
    pub routers: Vec<Ipv4Addr>,
    /// DNS servers announced to machines; default: those of all networks
    #[arg(long, value_name = "ADDRESS", value_parser = value::machine)]
    pub dns: Vec<Ipv4Addr>,
    /// Domain name announced to machines; default: none
    #[arg(long, value_name = "NAME", value_parser = domain)]
    pub domain: Option<String>,
    /// Duration of a lease; default: that of all networks
    #[arg(long, value_name = "DURATION", value_parser = value::lease_time)]
    pub lease_time: Option<Duration>,
    /// Further options by number, such as option.42 = ['10.1.0.3']: a list of addresses, text, or
    /// 'hex:01 02 ff'; sent to machines that request them
    #[arg(id = "option", long = "option", value_name = "VALUE", value_parser = option)]
    pub options: Vec<(u8, Vec<u8>)>,
    /// Numbers of those options that are sent to all other machines too
    #[arg(id = "always-send", long = "always-send", value_name = "NUMBER", value_parser = code)]
    pub always: Vec<u8>,
}

impl Subnet {
    /// Returns the subnet of a table's values.
    ///
    /// # Errors
    /// The network is missing, or an option is given twice.
    pub(super) fn new(matches: &ArgMatches) -> anyhow::Result<Self> {
        let mut subnet = Self::from_arg_matches(matches)?;
        let options = &mut subnet.options;
        if options.len() > MAX_OPTIONS {
            bail!(
                "option: {} options; at most {MAX_OPTIONS} fit",
                options.len()
            );
        }
        options.sort_unstable_by_key(|(code, _)| *code);
        if let Some([(code, _), _]) = options.array_windows().find(|[a, b]| a.0 == b.0) {
            bail!("option: {code} is given twice");
        }
        Ok(subnet)
    }

    /// Returns whether this is the network of an address.
    pub fn is(&self, own: Ipv4Net) -> bool {
        self.network == own.trunc()
    }

    /// Returns a key that has no effect where no addresses are handed out.
    pub(super) fn key_of_addresses(&self) -> Option<&'static str> {
        let keys = [
            ("range", self.range.is_some()),
            ("router", !self.routers.is_empty()),
            ("dns", !self.dns.is_empty()),
            ("domain", self.domain.is_some()),
            ("lease-time", self.lease_time.is_some()),
            (OPTION, !self.options.is_empty()),
        ];
        let given = keys.into_iter().find(|(_, is_given)| *is_given);
        given.map(|(key, _)| key)
    }
}

/// Rejects a second table for one network, of which only one could count, and too many.
pub(super) fn check_another(subnets: &[Subnet], another: &Subnet) -> anyhow::Result<()> {
    if subnets.len() == MAX_SUBNETS {
        bail!("more than {MAX_SUBNETS} [[subnet]]s; at most {MAX_SUBNETS} are served");
    }
    if subnets
        .iter()
        .any(|subnet| subnet.network == another.network)
    {
        let network = another.network;
        bail!("there are two [[subnet]]s {network}; make one of them");
    }
    Ok(())
}

fn parse_network(text: &str) -> anyhow::Result<Ipv4Net> {
    let wrong = || anyhow!("'{text}' is not a network like 10.1.0.0/24");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    if !(1..=30).contains(&prefix) {
        bail!("'{text}': a network to hand out addresses in has a prefix from 1 to 30");
    }
    let given = Ipv4Net::new(address, prefix).map_err(|_| wrong())?;
    let network = given.trunc();
    if network != given {
        bail!("'{text}' is an address in a network; did you mean '{network}'?");
    }
    Ok(network)
}

fn domain(text: &str) -> anyhow::Result<String> {
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        (1..=63).contains(&label.len())
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if text.len() > MAX_DOMAIN || !text.split('.').all(is_label) {
        bail!(
            "'{}' is not a domain name like example.org",
            text.escape_default()
        );
    }
    Ok(text.to_owned())
}

/// Parses the number of an option.
fn code(text: &str) -> anyhow::Result<u8> {
    let code = text.parse().ok().filter(|code| (1..=254).contains(code));
    code.ok_or_else(|| {
        anyhow!(
            "'{}' is not the number of an option, from 1 to 254",
            text.escape_default()
        )
    })
}

/// Parses an option as the reader of the file writes it: `CODE=TEXT`, or `CODE@ADDRESS,ADDRESS`.
fn option(text: &str) -> anyhow::Result<(u8, Vec<u8>)> {
    let at = text.find(['=', '@']).unwrap_or(text.len());
    let (number, value) = text.split_at(at);
    let code = code(number)?;
    let value = match value.strip_prefix('@') {
        Some(list) => addresses(list),
        None => bytes(code, value.strip_prefix('=').unwrap_or_default()),
    };
    let value = value.map_err(|error| anyhow!("{code}: {error}"))?;
    if !(1..=255).contains(&value.len()) {
        bail!("{code}: {} bytes; an option has 1 to 255", value.len());
    }
    Ok((code, value))
}

fn addresses(list: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for text in list.split_terminator(',') {
        bytes.extend_from_slice(&ipv4(text)?.octets());
    }
    Ok(bytes)
}

fn bytes(code: u8, text: &str) -> anyhow::Result<Vec<u8>> {
    match text.strip_prefix("hex:") {
        Some(digits) => hex(digits),
        // Of the options that hold an address, 66 alone has it as text.
        None if code != 66 && text.parse::<Ipv4Addr>().is_ok() => {
            bail!("'{text}' would be sent as text; write ['{text}'] for an address")
        }
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// Parses hexadecimal digits, with blanks or colons between bytes.
fn hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let wrong = || {
        anyhow!(
            "'hex:{}' is not bytes like hex:0a ff",
            text.escape_default()
        )
    };
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !matches!(c, ' ' | ':'))
        .map(|c| c.to_digit(16).ok_or_else(wrong))
        .collect::<anyhow::Result<_>>()?;
    let byte = |pair: &[u32]| match pair {
        [high, low] => u8::try_from(high << 4 | low).map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::super::tests::settings;

    fn subnet(text: &str) -> Result<Subnet, String> {
        let found = settings(&["a.iso"], &format!("[[subnet]]\n{text}"));
        found
            .map(|settings| settings.subnets[0].clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_configures_what_machines_of_a_network_get() {
        let found = subnet(
            "network = '10.1.0.0/16'\nrange = '10.1.2.0-10.1.2.99'\nrouter = '10.1.0.1'\n\
             dns = ['9.9.9.9', '10.1.0.2']\ndomain = 'lab.example'\nlease-time = '30m'\n\
             option.42 = ['10.1.0.3', '10.1.0.4']\noption.43 = 'hex:01 02:ff'\n\
             option.100 = 'EST5EDT'\noption.66 = '10.1.0.3'\nalways-send = [42, 100]\n",
        )
        .unwrap();
        assert_eq!(found.network.addr(), Ipv4Addr::new(10, 1, 0, 0));
        let is = |own: &str| found.is(own.parse().unwrap());
        assert!(is("10.1.255.3/16"));
        assert!(!is("10.1.255.3/24"));
        assert!(!is("10.2.0.3/16"));
        assert_eq!(found.lease_time, Some(Duration::from_secs(1800)));
        assert_eq!(found.dns.len(), 2);
        assert_eq!(found.always, [42, 100]);
        assert_eq!(
            found.options,
            [
                (42, vec![10, 1, 0, 3, 10, 1, 0, 4]),
                (43, vec![1, 2, 255]),
                (66, b"10.1.0.3".to_vec()),
                (100, b"EST5EDT".to_vec()),
            ]
        );
    }

    #[test]
    fn two_tables_for_one_network_are_refused() {
        let table = |text: &str| format!("[[subnet]]\nnetwork = '{text}'\n");
        let twice = ["10.1.0.0/24", "10.2.0.0/24", "10.1.0.0/24"].map(table);
        let error = settings(&["a.iso"], &twice.concat()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "lanboot.toml:5:1: there are two [[subnet]]s 10.1.0.0/24; make one of them"
        );
        settings(&["a.iso"], &twice[..2].concat()).unwrap();
    }

    #[test]
    fn bad_values_name_the_subnet_and_say_what_would_be_right() {
        for (text, part) in [
            (
                "",
                "lanboot.toml:1:1: [[subnet]] has no network; write network = ",
            ),
            (
                "10.1.0.0",
                "lanboot.toml:2:11: subnet 10.1.0.0: network: '10.1.0.0' is not a network",
            ),
            ("10.1.0.9/24", "did you mean '10.1.0.0/24'?"),
            ("10.1.0.0/31", "from 1 to 30"),
            ("0.0.0.0/0", "from 1 to 30"),
        ] {
            let line = format!("network = '{text}'\n");
            let error = subnet(if text.is_empty() { "" } else { &line }).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        for (line, part) in [
            ("range = '10.1.0.9'", "range: '10.1.0.9' is not a range"),
            ("router = 'me'", "router: 'me' is not an IPv4 address"),
            ("dns = ['9.9.9.9', '']", "dns: '' is not"),
            ("domain = 'a..b'", "domain: 'a..b' is not a domain name"),
            ("domain = \"a\\n\"", "domain: 'a\\n' is not"),
            ("lease-time = '5s'", "lease-time: '5s' is not between 2m"),
            ("option.0 = 'x'", "option: '0' is not the number"),
            ("option.255 = 'x'", "option: '255' is not"),
            ("option.ntp = 'x'", "option: 'ntp' is not"),
            (
                "option.42 = '10.1.0.3'",
                "option: 42: '10.1.0.3' would be sent as text",
            ),
            ("option.42 = ['x']", "option: 42: 'x' is not an IPv4"),
            (
                "option.43 = 'hex:012'",
                "option: 43: 'hex:012' is not bytes",
            ),
            ("option.43 = 'hex:'", "option: 43: 0 bytes"),
            ("option.43 = 'hex:0g'", "is not bytes like"),
            (
                "option.\"7\" = 'x'\noption.\"07\" = 'x'",
                "option: 7 is given twice",
            ),
        ] {
            let error = subnet(&format!("network = '10.1.0.0/24'\n{line}\n")).unwrap_err();
            assert!(error.starts_with("lanboot.toml:"), "{error}");
            assert!(error.contains(": subnet 10.1.0.0/24: "), "{error}");
            assert!(error.contains(part), "{line}: {error}");
        }
        let error = subnet("network = '10.1.0.0/24'\noption.42 = 7\n").unwrap_err();
        assert!(error.contains("an option is text"), "{error}");
    }
}
