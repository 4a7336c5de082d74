//! Parses single values: the text of a flag, or of a key of the file.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{anyhow, bail};
use ipnet::{IpNet, Ipv4Net};
use lanboot_core::dhcp::server_detection::Policy;
use lanboot_core::downloads::{Algorithm, parse_hex};
use lanboot_core::images::Transport;
use lanboot_core::loaders::LoaderKind;
use lanboot_core::machine::Mac;
use lanboot_core::machine_plans::{PlanFields, Start, kernel_arguments};
use lanboot_core::plan::MenuKind;
use lanboot_core::text;

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Plain lines.
    Plain,
    /// One JSON object per line.
    Json,
}

/// Time for which a menu waits for a key; `None` for ever.
pub(super) type MenuTimeout = Option<Duration>;

/// The reason why a value of a key that may be repeated is rejected.
#[derive(Debug)]
pub(super) enum WrongValue {
    /// It is several values in one text.
    Several(Vec<String>),
    /// Anything else.
    Other(anyhow::Error),
}

impl fmt::Display for WrongValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Several(parts) => write!(f, "{} values in one", parts.len()),
            Self::Other(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for WrongValue {}

/// Parses one value of a list with `parse`, and rejects several in one text.
fn single<T>(text: &str, parse: impl Fn(&str) -> anyhow::Result<T>) -> Result<T, WrongValue> {
    let parts = parts(text);
    if parts.len() > 1 {
        return Err(WrongValue::Several(parts));
    }
    parse(text).map_err(WrongValue::Other)
}

/// Splits at commas, semicolons and spaces.
fn parts(text: &str) -> Vec<String> {
    let parts = text.split([',', ';', ' ']).map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// Parses `IF`.
pub(super) fn interface(text: &str) -> Result<String, WrongValue> {
    single(text, |name| Ok(name.to_owned()))
}

/// Parses `[IF=]ADDRESS/BITS`.
pub(super) fn address(text: &str) -> Result<(Option<String>, IpNet), WrongValue> {
    single(text, |text| {
        Ok(match text.split_once('=') {
            Some((name, address)) => (Some(name.to_owned()), cidr(address)?),
            None => (None, cidr(text)?),
        })
    })
}

/// Parses the address of a DNS server.
pub(super) fn dns(text: &str) -> Result<Ipv4Addr, WrongValue> {
    single(text, machine)
}

/// Parses `MAC`.
pub(super) fn mac(text: &str) -> Result<Mac, WrongValue> {
    single(text, |text| Ok(text.parse()?))
}

/// Parses `[ENTRY=]TRANSPORT`; `None` stands for `auto`. The name of an image may contain commas,
/// blanks and `=`, so a text is several values only where each part would be one by itself.
pub(super) fn transport(text: &str) -> Result<(Option<String>, Option<Transport>), WrongValue> {
    let parts = parts(text);
    if parts.len() > 1 && parts.iter().all(|part| one_transport(part).is_ok()) {
        return Err(WrongValue::Several(parts));
    }
    one_transport(text).map_err(WrongValue::Other)
}

fn one_transport(text: &str) -> anyhow::Result<(Option<String>, Option<Transport>)> {
    let named = Transport::ALL.map(|transport| (transport.name(), Some(transport)));
    let choices = [&[("auto", None)], &named[..]].concat();
    Ok(match text.rsplit_once('=') {
        Some((name, text)) => (Some(name.to_owned()), one_of(text, &choices)?),
        None => (None, one_of(text, &choices)?),
    })
}

/// Parses `[MAC=]LOADER`.
pub(super) fn loader(text: &str) -> Result<(Option<Mac>, LoaderKind), WrongValue> {
    let kind = |text: &str| one_of(text, &LoaderKind::ALL.map(|kind| (kind.name(), kind)));
    single(text, |text| {
        Ok(match text.split_once('=') {
            Some((mac, text)) => (Some(mac.parse()?), kind(text)?),
            None => (None, kind(text)?),
        })
    })
}

/// Parses `auto|server|proxy|off`.
pub(super) fn dhcp(text: &str) -> anyhow::Result<Policy> {
    one_of(text, &Policy::ALL.map(|policy| (policy.name(), policy)))
}

/// Parses `generated|stock`.
pub(super) fn menu(text: &str) -> anyhow::Result<MenuKind> {
    let choices = [
        ("generated", MenuKind::Generated),
        ("stock", MenuKind::Stock),
    ];
    one_of(text, &choices)
}

/// Parses `plain|json`.
pub(super) fn log(text: &str) -> anyhow::Result<Log> {
    one_of(text, &[("plain", Log::Plain), ("json", Log::Json)])
}

/// Returns the choice called `text`; the error names all, and the nearest one.
pub(crate) fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> anyhow::Result<T> {
    text::one_of(text, choices).map_err(anyhow::Error::msg)
}

/// Parses an IPv4 address.
pub(crate) fn ipv4(text: &str) -> anyhow::Result<Ipv4Addr> {
    text.trim()
        .parse()
        .map_err(|_| anyhow!("'{text}' is not an IPv4 address like 192.168.0.1"))
}

/// Parses the address of a machine that others can reach.
pub(super) fn machine(text: &str) -> anyhow::Result<Ipv4Addr> {
    let address = ipv4(text)?;
    let is_none = address.octets().first() == Some(&0);
    if is_none || address.is_loopback() || address.is_multicast() || address.is_broadcast() {
        bail!("machines cannot reach {address}; name a host's address");
    }
    Ok(address)
}

fn cidr(text: &str) -> anyhow::Result<IpNet> {
    let wrong = || anyhow!("'{text}' is not an address with its prefix, like 192.168.0.1/24");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix = prefix.parse().ok().filter(|p| (1..=30).contains(p));
    let network = Ipv4Net::new(address, prefix.ok_or_else(wrong)?).map_err(|_| wrong())?;
    if address == network.network() || address == network.broadcast() {
        bail!(
            "{address} is the network or broadcast address of /{}; give a host's",
            network.prefix_len()
        );
    }
    Ok(network.into())
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

pub(super) fn duration(text: &str) -> anyhow::Result<Duration> {
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

/// Parses a lease time. RFC 2131 counts seconds in 32 bits, all ones being "for ever"; under two
/// minutes a machine would renew while it boots (dnsmasq has the same floor).
pub(super) fn lease_time(text: &str) -> anyhow::Result<Duration> {
    let time = duration(text)?;
    if !(120..u64::from(u32::MAX)).contains(&time.as_secs()) {
        bail!("'{text}' is not between 2m and 49710d");
    }
    Ok(time)
}

pub(super) fn menu_timeout(text: &str) -> anyhow::Result<MenuTimeout> {
    if text == "never" {
        return Ok(None);
    }
    match duration(text) {
        Ok(timeout) if timeout.as_secs() <= 3599 => Ok(Some(timeout)),
        _ => bail!("'{text}' is not a number of seconds from 0 to 3599, or 'never'"),
    }
}

pub(super) fn append(text: &str) -> anyhow::Result<String> {
    kernel_arguments(text).map_err(anyhow::Error::msg)
}

/// Parses a SHA-256 in hexadecimal digits.
pub(super) fn sha256(text: &str) -> anyhow::Result<String> {
    match parse_hex(text) {
        Some(sum) if sum.algorithm == Algorithm::Sha256 => Ok(sum.hex),
        _ => bail!("'{text}' is no SHA-256, which has 64 hexadecimal digits"),
    }
}

/// Parses `menu|disk|ENTRY`.
pub(super) fn boot_policy(text: &str) -> anyhow::Result<Start> {
    let mut fields = PlanFields::default();
    fields.set("boot", Some(text)).map_err(|error| {
        let error = error.to_string();
        anyhow!("{}", error.trim_start_matches("boot: "))
    })?;
    match fields.boot {
        Some(Start::Install(_)) => bail!("an installation needs a plan of its own: [[machine]]"),
        start => Ok(start.unwrap_or_default()),
    }
}

pub(super) fn port(text: &str) -> anyhow::Result<u16> {
    text.parse()
        .ok()
        .filter(|p| *p != 0)
        .ok_or_else(|| anyhow!("'{text}' is not a port number from 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_do_not_overflow() {
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("7d").unwrap(), Duration::from_secs(604_800));
        assert!(duration("99999999999999999999d").is_err());
        assert!(duration("18446744073709551615d").is_err());
    }
}
