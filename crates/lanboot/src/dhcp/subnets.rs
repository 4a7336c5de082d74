//! The networks served, and what is handed out in each.

use anyhow::bail;
use ipnet::{IpNet, Ipv4Net};
use lanboot_core::dhcp::server_detection::Policy;
use lanboot_core::dhcp::{Code, Subnet};
use lanboot_core::events::{Diagnostic, DiagnosticCode};

use crate::config::{self, Settings};
use crate::net::{self, Interface, ServedInterface};

/// Lists the served interfaces with an IPv4 address.
pub(super) fn with_ipv4(served: &[ServedInterface]) -> impl Iterator<Item = (&Interface, Ipv4Net)> {
    let served = served.iter();
    served.filter_map(|(interface, own)| Some((interface, net::ipv4(own)?)))
}

/// Returns the networks of the interfaces, then those behind relays.
pub(super) fn subnets(
    settings: &Settings,
    served: &[ServedInterface],
    others: &[Interface],
    diagnostics: &mut Vec<Diagnostic>,
) -> anyhow::Result<Vec<Subnet>> {
    let mut subnets = Vec::new();
    let is_here = |subnet: &config::Subnet| with_ipv4(served).any(|(_, own)| subnet.is(own));
    for (_, own) in with_ipv4(served) {
        let configured = settings.subnets.iter().find(|s| s.is(own));
        subnets.push(here(settings, own, configured)?);
    }
    for configured in settings.subnets.iter().filter(|s| !is_here(s)) {
        if let Some(why) = beside(settings.dhcp, configured, served, others) {
            diagnostics.push(DiagnosticCode::SubnetNotServed.with(why));
        } else if configured.routers.is_empty() && settings.dhcp != Policy::Proxy {
            diagnostics.push(DiagnosticCode::SubnetWithoutRouter.with(format!(
                "subnet {}: no router configured; machines there cannot reach lanboot",
                configured.network
            )));
        }
        subnets.push(behind_a_relay(settings, configured)?);
    }
    Ok(subnets)
}

/// Returns why no machine on the wire is served in the network of a `[[subnet]]` although this host
/// has an address in it: a second one of a served interface, or one of an interface not served. Where
/// another server hands out the addresses, a second one of a served interface changes nothing.
fn beside(
    dhcp: Policy,
    configured: &config::Subnet,
    served: &[ServedInterface],
    others: &[Interface],
) -> Option<String> {
    let network = configured.network;
    let mut there = others
        .iter()
        .flat_map(|i| i.addresses.iter().map(move |own| (i, own.addr())));
    let (interface, own) = there.find(|(_, own)| IpNet::V4(network).contains(own))?;
    let (name, prefix) = (&interface.name, network.prefix_len());
    let is_it = |(other, _): &&ServedInterface| other.name == *name;
    Some(match served.iter().find(is_it) {
        Some(_) if dhcp == Policy::Proxy => return None,
        Some((_, first)) => format!(
            "subnet {network}: {own} is a second address of {name}, not served: machines on \
             {name} get addresses of the network of {}. To serve this one instead: --address \
             {own}/{prefix}",
            first.addr()
        ),
        None => format!(
            "subnet {network}: {own} is the address of {name}, which is not served: add \
             --interface {name}"
        ),
    })
}

/// Returns the network of an interface, with what its `[[subnet]]` configures.
fn here(
    settings: &Settings,
    address: Ipv4Net,
    configured: Option<&config::Subnet>,
) -> anyhow::Result<Subnet> {
    let (own, prefix) = (address.addr(), address.prefix_len());
    check_scope(settings, address)?;
    let own_range = configured.and_then(|configured| configured.range);
    if settings.range.is_some() && own_range.is_some() {
        bail!("--range and the range of [[subnet]] {address} contradict each other");
    }
    let range = settings.range.or(own_range);
    let range = match (range.or_else(|| net::default_range(address)), settings.dhcp) {
        (Some(range), _) => range,
        // Nothing is handed out: this host's own address never is.
        (None, Policy::Proxy) if prefix < 32 => (own, own),
        (None, Policy::Proxy) => bail!(
            "{address} names no network, so its machines cannot be distinguished from \
             others; give \
             the address the prefix of its network"
        ),
        (None, _) => bail!(
            "{address} has no room for machines; use a larger network, or --dhcp proxy or \
             --dhcp off"
        ),
    };
    let routers = configured
        .map(|configured| configured.routers.clone())
        .unwrap_or_default();
    let routers = match settings.router {
        Some(router) if routers.is_empty() => vec![router],
        _ => routers,
    };
    let subnet = Subnet {
        network: own,
        prefix,
        range,
        lease_time: settings.lease_time(),
        routers,
        dns: settings.dns.clone(),
        domain: None,
        options: Vec::new(),
        always: Vec::new(),
    };
    Ok(match configured {
        Some(configured) => with(subnet, configured),
        None => subnet,
    })
}

fn behind_a_relay(settings: &Settings, configured: &config::Subnet) -> anyhow::Result<Subnet> {
    let network = configured.network;
    check_scope(settings, network)?;
    let range = configured.range.or_else(|| net::default_range(network));
    let Some(range) = range else {
        bail!("subnet {network} has no room for machines; use a larger network");
    };
    let subnet = Subnet {
        network: network.addr(),
        prefix: network.prefix_len(),
        range,
        lease_time: settings.lease_time(),
        routers: configured.routers.clone(),
        dns: settings.dns.clone(),
        domain: None,
        options: Vec::new(),
        always: Vec::new(),
    };
    Ok(with(subnet, configured))
}

/// Refuses to hand out link-local addresses: machines give them to themselves (RFC 3927 §1.6).
fn check_scope(settings: &Settings, network: Ipv4Net) -> anyhow::Result<()> {
    if network.addr().is_link_local() && settings.dhcp != Policy::Proxy {
        bail!(
            "{network} is a link-local network, whose addresses no DHCP server may hand \
             out (RFC 3927); give the interface another one, --address 192.168.0.1/24, or use \
             --dhcp proxy or --dhcp off"
        );
    }
    Ok(())
}

/// Applies a `[[subnet]]`, which overrides what holds for all networks.
fn with(subnet: Subnet, configured: &config::Subnet) -> Subnet {
    let options = configured.options.iter();
    Subnet {
        lease_time: configured.lease_time.unwrap_or(subnet.lease_time),
        dns: if configured.dns.is_empty() {
            subnet.dns
        } else {
            configured.dns.clone()
        },
        domain: configured.domain.clone(),
        options: options.map(|(c, v)| (Code(*c), v.clone())).collect(),
        always: configured.always.iter().map(|code| Code(*code)).collect(),
        ..subnet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_this_host_stands_in_and_does_not_serve_is_named() {
        let address = |last: [u8; 4]| IpNet::new(last.into(), 24).unwrap();
        let interface = |name: &str, addresses: &[[u8; 4]]| Interface {
            name: name.to_owned(),
            index: 2,
            addresses: addresses.iter().map(|a| address(*a)).collect(),
            up: true,
            ..Interface::default()
        };
        let br0 = interface("br0", &[[192, 168, 0, 1], [10, 1, 0, 1]]);
        let all = [br0.clone(), interface("eth1", &[[10, 2, 0, 1]])];
        let served = [(br0, address([192, 168, 0, 1]))];
        let said = |dhcp: Policy, network: &str| {
            let configured = config::Subnet {
                network: network.parse().unwrap(),
                range: None,
                routers: Vec::new(),
                dns: Vec::new(),
                domain: None,
                lease_time: None,
                options: Vec::new(),
                always: Vec::new(),
            };
            beside(dhcp, &configured, &served, &all)
        };
        for dhcp in [Policy::Auto, Policy::Server] {
            assert_eq!(
                said(dhcp, "10.1.0.0/24").unwrap(),
                "subnet 10.1.0.0/24: 10.1.0.1 is a second address of br0, not served: machines on br0 \
                 get addresses of the network of 192.168.0.1. To serve this one instead: --address \
                 10.1.0.1/24"
            );
        }
        // As a proxy lanboot hands out no addresses.
        assert_eq!(said(Policy::Proxy, "10.1.0.0/24"), None);
        for dhcp in [Policy::Auto, Policy::Server, Policy::Proxy] {
            let other = said(dhcp, "10.2.0.0/24").unwrap();
            assert!(other.ends_with("add --interface eth1"), "{other}");
            assert_eq!(said(dhcp, "10.3.0.0/24"), None);
        }
    }
}
