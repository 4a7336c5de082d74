//! `[[subnet]]` of the configuration file: a network whose machines are served, on an interface or
//! behind a relay.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{anyhow, bail};
use serde::Deserialize;

use super::args::one_or_many;
use super::settings::{Cidr, ipv4, lease_time, machine, range};

/// Most tables in one file: a campus.
pub(super) const MAX_SUBNETS: usize = 256;
/// Most further options of one subnet: a message has room for fewer.
const MAX_OPTIONS: usize = 64;
/// Longest domain name (RFC 1035 §2.3.4).
const MAX_DOMAIN: usize = 253;
/// The keys of a table.
pub(super) const KEYS: [&str; 8] = [
    "network",
    "range",
    "router",
    "dns",
    "domain",
    "lease-time",
    "option",
    "always-send",
];

/// A table as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Table {
    network: Option<String>,
    range: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    router: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    dns: Vec<String>,
    domain: Option<String>,
    lease_time: Option<String>,
    option: BTreeMap<String, Value>,
    always_send: Vec<u8>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "an option is text, 'hex:' and digits, or a list of addresses"
)]
enum Value {
    Text(String),
    Addresses(Vec<String>),
}

/// A network whose machines are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The network's own address, and the bits of its prefix.
    pub network: Cidr,
    /// Addresses to hand out, if given.
    pub range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Default routers to tell.
    pub routers: Vec<Ipv4Addr>,
    /// DNS servers to tell.
    pub dns: Vec<Ipv4Addr>,
    /// Domain to tell.
    pub domain: Option<String>,
    /// Lease time, if given.
    pub lease_time: Option<Duration>,
    /// Further options: code and value.
    pub options: Vec<(u8, Vec<u8>)>,
    /// Codes of those that are sent to machines that do not ask for them, too.
    pub always: Vec<u8>,
}

impl Subnet {
    /// What a table says. Errors are one sentence that names the subnet.
    pub(crate) fn new(table: Table, number: usize) -> anyhow::Result<Self> {
        let Some(network) = table.network else {
            bail!("[[subnet]] number {number} has no network; write network = \"10.1.0.0/24\"");
        };
        let network = parse_network(&network)
            .map_err(|error| anyhow!("[[subnet]] number {number}: network: {error}"))?;
        let key = |key: &'static str| {
            move |error| {
                let Cidr { address, prefix } = network;
                anyhow!("subnet {address}/{prefix}: {key}: {error}")
            }
        };
        let addresses = |texts: Vec<String>| {
            let all = texts.iter().map(|text| machine(text));
            all.collect::<anyhow::Result<Vec<_>>>()
        };
        Ok(Self {
            network,
            range: table
                .range
                .map(|text| range(&text))
                .transpose()
                .map_err(key("range"))?,
            routers: addresses(table.router).map_err(key("router"))?,
            dns: addresses(table.dns).map_err(key("dns"))?,
            domain: table
                .domain
                .map(domain)
                .transpose()
                .map_err(key("domain"))?,
            lease_time: table
                .lease_time
                .map(|text| lease_time(&text))
                .transpose()
                .map_err(key("lease-time"))?,
            options: options(table.option).map_err(key("option"))?,
            always: table.always_send,
        })
    }

    /// Whether this is the network of an address with this prefix.
    pub fn is(&self, address: Ipv4Addr, prefix: u8) -> bool {
        self.network.prefix == prefix && base(address, prefix) == self.network.address
    }
}

/// Refuses a second table for one network: only one of the two could count.
pub(super) fn check_distinct(subnets: &[Subnet]) -> anyhow::Result<()> {
    for (at, subnet) in subnets.iter().enumerate() {
        if subnets
            .iter()
            .skip(at + 1)
            .any(|s| s.network == subnet.network)
        {
            let Cidr { address, prefix } = subnet.network;
            bail!("there are two [[subnet]]s {address}/{prefix}; make one of them");
        }
    }
    Ok(())
}

fn base(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & !host_bits)
}

fn parse_network(text: &str) -> anyhow::Result<Cidr> {
    let wrong = || anyhow!("'{text}' is not a network like 10.1.0.0/24");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    if !(1..=30).contains(&prefix) {
        bail!("'{text}': a network to hand out addresses in has a prefix from 1 to 30");
    }
    let first = base(address, prefix);
    if first != address {
        bail!("'{text}' is an address in a network; did you mean '{first}/{prefix}'?");
    }
    Ok(Cidr { address, prefix })
}

fn domain(text: String) -> anyhow::Result<String> {
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
    Ok(text)
}

fn options(table: BTreeMap<String, Value>) -> anyhow::Result<Vec<(u8, Vec<u8>)>> {
    if table.len() > MAX_OPTIONS {
        bail!("{} options; at most {MAX_OPTIONS} fit", table.len());
    }
    let mut options = Vec::new();
    for (key, value) in table {
        let code = key.parse().ok().filter(|code| (1..=254).contains(code));
        let code: u8 = code.ok_or_else(|| {
            anyhow!(
                "'{}' is not the number of an option, from 1 to 254",
                key.escape_default()
            )
        })?;
        if options.iter().any(|(other, _)| *other == code) {
            bail!("{code} is given twice");
        }
        let value = option(code, value).map_err(|error| anyhow!("{code}: {error}"))?;
        options.push((code, value));
    }
    options.sort_unstable_by_key(|(code, _)| *code);
    Ok(options)
}

fn option(code: u8, value: Value) -> anyhow::Result<Vec<u8>> {
    let bytes = match value {
        Value::Addresses(texts) => {
            let mut bytes = Vec::new();
            for text in texts {
                bytes.extend_from_slice(&ipv4(&text)?.octets());
            }
            bytes
        }
        Value::Text(text) => match text.strip_prefix("hex:") {
            Some(digits) => hex(digits)?,
            // Of the options that hold an address, 66 alone has it as text.
            None if code != 66 && text.parse::<Ipv4Addr>().is_ok() => {
                bail!("'{text}' would be sent as text; write ['{text}'] for an address")
            }
            None => text.into_bytes(),
        },
    };
    if !(1..=255).contains(&bytes.len()) {
        bail!("{} bytes; an option has 1 to 255", bytes.len());
    }
    Ok(bytes)
}

/// Hexadecimal digits, with blanks or colons between bytes.
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

    fn subnet(text: &str) -> Result<Subnet, String> {
        let table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        Subnet::new(table, 2).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_says_what_machines_of_a_network_are_told() {
        let found = subnet(
            "network = '10.1.0.0/16'\nrange = '10.1.2.0-10.1.2.99'\nrouter = '10.1.0.1'\n\
             dns = ['9.9.9.9', '10.1.0.2']\ndomain = 'lab.example'\nlease-time = '30m'\n\
             option.42 = ['10.1.0.3', '10.1.0.4']\noption.43 = 'hex:01 02:ff'\n\
             option.100 = 'EST5EDT'\noption.66 = '10.1.0.3'\nalways-send = [42, 100]\n",
        )
        .unwrap();
        assert_eq!(found.network.address, Ipv4Addr::new(10, 1, 0, 0));
        assert!(found.is(Ipv4Addr::new(10, 1, 255, 3), 16));
        assert!(!found.is(Ipv4Addr::new(10, 1, 255, 3), 24));
        assert!(!found.is(Ipv4Addr::new(10, 2, 0, 3), 16));
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
        let one = |text: &str| subnet(&format!("network = '{text}'")).unwrap();
        let twice = [one("10.1.0.0/24"), one("10.2.0.0/24"), one("10.1.0.0/24")];
        let error = check_distinct(&twice).unwrap_err().to_string();
        assert_eq!(
            error,
            "there are two [[subnet]]s 10.1.0.0/24; make one of them"
        );
        check_distinct(&twice[..2]).unwrap();
    }

    #[test]
    fn bad_values_name_the_subnet_and_say_what_would_be_right() {
        for (text, part) in [
            ("", "[[subnet]] number 2 has no network; write network = "),
            ("10.1.0.0", "number 2: network: '10.1.0.0' is not a network"),
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
            assert!(error.starts_with("subnet 10.1.0.0/24: "), "{error}");
            assert!(error.contains(part), "{line}: {error}");
        }
        let error = subnet("network = '10.1.0.0/24'\noption.42 = 7\n").unwrap_err();
        assert!(error.contains("an option is text"), "{error}");
    }
}
