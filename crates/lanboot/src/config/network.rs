//! Checks interfaces, their addresses and networks against each other.

use anyhow::{anyhow, bail};
use ipnet::IpNet;

use super::given::GivenKeys;
use super::settings::Settings;

/// Most interfaces served at once.
const MAX_INTERFACES: usize = 16;

/// Rejects interfaces given twice, addresses of others, and what is for one interface where there are
/// several.
pub(super) fn check_networks(settings: &Settings, given: &GivenKeys) -> anyhow::Result<()> {
    let interfaces = &settings.interfaces;
    let at = |key| move |error: anyhow::Error| anyhow!("{}--{key}{error}", given.place(key));
    check_interfaces(interfaces).map_err(at("interface"))?;
    check_addresses(&settings.addresses, interfaces).map_err(at("address"))?;
    let alone = [
        ("range", settings.range.is_some()),
        ("router", settings.router.is_some()),
    ];
    for (key, is_given) in alone {
        if is_given && interfaces.len() > 1 {
            bail!(
                "{}--{key} is for one interface; for several, write a [[subnet]] for each into the \
                 configuration file",
                given.place(key)
            );
        }
    }
    Ok(())
}

fn check_interfaces(interfaces: &[String]) -> anyhow::Result<()> {
    if interfaces.len() > MAX_INTERFACES {
        bail!(
            ": {} of them; at most {MAX_INTERFACES} are served",
            interfaces.len()
        );
    }
    for (at, name) in interfaces.iter().enumerate() {
        if interfaces.iter().skip(at + 1).any(|other| other == name) {
            bail!(" {name} is given more than once");
        }
    }
    Ok(())
}

/// Checks `ADDRESS/BITS` for the only interface, `IF=ADDRESS/BITS` for one of several.
fn check_addresses(
    addresses: &[(Option<String>, IpNet)],
    interfaces: &[String],
) -> anyhow::Result<()> {
    for (at, (name, address)) in addresses.iter().enumerate() {
        match name {
            Some(name) if !interfaces.contains(name) => bail!(
                ": '{name}={address}' is for an interface that is not served; add --interface {name}"
            ),
            None if interfaces.len() > 1 => bail!(
                ": '{address}' names no interface; write {}={address}",
                interfaces.join(&format!("={address} or "))
            ),
            _ => {}
        }
        // Without a name it is for the only interface, whatever its name.
        let mut earlier = addresses.iter().take(at);
        if earlier.any(|(other, _)| other == name || interfaces.len() < 2) {
            let name = name
                .as_ref()
                .map_or_else(String::new, |name| format!("{name}="));
            bail!(": only one --address per interface: '{name}{address}'");
        }
    }
    Ok(())
}
