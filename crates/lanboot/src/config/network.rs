//! Which interfaces and networks: what was written, joined and checked.

use anyhow::bail;

use super::settings::{Cidr, cidr};
use super::subnet::{MAX_SUBNETS, Subnet, Table};

/// Most interfaces served at once.
const MAX_INTERFACES: usize = 16;

pub(super) fn check_interfaces(interfaces: &[String]) -> anyhow::Result<()> {
    if interfaces.len() > MAX_INTERFACES {
        bail!(
            "--interface: {} of them; at most {MAX_INTERFACES} are served",
            interfaces.len()
        );
    }
    for (at, name) in interfaces.iter().enumerate() {
        if interfaces.iter().skip(at + 1).any(|other| other == name) {
            bail!("--interface {name} is given more than once");
        }
    }
    Ok(())
}

/// `ADDRESS/BITS` for the only interface, `IF=ADDRESS/BITS` for one of several.
pub(super) fn addresses(
    written: &[String],
    interfaces: &[String],
) -> anyhow::Result<Vec<(Option<String>, Cidr)>> {
    let mut found: Vec<(Option<String>, Cidr)> = Vec::new();
    for text in written {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (Some(name.to_owned()), cidr(address)?),
            None => (None, cidr(text)?),
        };
        match &name {
            Some(name) if !interfaces.contains(name) => {
                bail!("'{text}' is for an interface that is not served; add --interface {name}")
            }
            None if interfaces.len() > 1 => bail!(
                "'{text}' names no interface; write {}={text}",
                interfaces.join(&format!("={text} or "))
            ),
            _ => {}
        }
        // Without a name it is for the only interface, whatever its name.
        if found
            .iter()
            .any(|(other, _)| *other == name || interfaces.len() < 2)
        {
            bail!("only one --address per interface: '{text}'");
        }
        found.push((name, address));
    }
    Ok(found)
}

pub(super) fn subnets(tables: Vec<Table>) -> anyhow::Result<Vec<Subnet>> {
    if tables.len() > MAX_SUBNETS {
        bail!(
            "{} [[subnet]]s; at most {} are served",
            tables.len(),
            MAX_SUBNETS
        );
    }
    let tables = tables.into_iter().zip(1..);
    let subnets = tables.map(|(table, n)| Subnet::new(table, n));
    let subnets: Vec<Subnet> = subnets.collect::<anyhow::Result<_>>()?;
    super::subnet::check_distinct(&subnets)?;
    Ok(subnets)
}
