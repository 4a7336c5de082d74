//! Opens the DHCP server: its sockets, the networks and what is handed out in each, the leases.

use std::net::Ipv4Addr;

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::dhcp::server_detection::Policy;
use lanboot_core::dhcp::{BadConfig, Code, Config, Leases, Mode, Subnet};
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::routes::Address;

use super::{Listener, Opened};
use crate::config::{self, Settings};
use crate::events::bus;
use crate::net::{self, ChangeSocket, Interface, PingSocket, ServedInterface};
use crate::store::Sqlite;

impl Listener {
    /// Opens the server on the interfaces `served`, each with this host's address there. `others` are
    /// all interfaces of the host. Messages for the operator go to `diagnostics`.
    ///
    /// # Errors
    /// A network cannot be served as configured, or a socket or the lease database not be opened.
    pub fn open(
        settings: &Settings,
        served: &[ServedInterface],
        others: &[Interface],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> anyhow::Result<Self> {
        let subnets = subnets(settings, served, others, diagnostics)?;
        let config = Config {
            subnets,
            only: settings.only.clone(),
            check: true,
        };
        let mode = match settings.dhcp {
            Policy::Proxy => Mode::Proxy,
            Policy::Auto | Policy::Server | Policy::Off => Mode::Server,
        };
        config.check(mode).map_err(|error| match error {
            BadConfig::Overlap(..) | BadConfig::Router(..) => anyhow!("{error}"),
            _ if settings.range.is_some() => anyhow!("--range: {error}"),
            _ => anyhow!("[[subnet]]: {error}"),
        })?;
        let links = served
            .iter()
            .map(|(interface, address)| {
                Opened::open(interface, address.address, settings.dhcp, diagnostics)
            })
            .collect::<anyhow::Result<_>>()?;
        let (store, records) = Sqlite::open(&settings.state)?;
        let mut leases = Leases::new(&config.subnets);
        let restored = leases.restore(records.into_iter(), bus::now());
        diagnostics.extend(
            unused(restored.dropped).map(|text| DiagnosticCode::StoredLeasesUnused.with(text)),
        );
        let own = own(served, others);
        for address in &own {
            leases.exclude(*address);
        }
        if settings.dhcp != Policy::Proxy {
            check_ranges(settings, &config.subnets, &leases)?;
        }
        Ok(Self {
            changes: ChangeSocket::open()
                .context("cannot ask the kernel about changes (netlink)")?,
            links,
            own,
            // Without the rights for it, addresses behind relays are offered without a probe, and ARP
            // is believed longer.
            ping: PingSocket::open().ok(),
            config,
            leases,
            store: Box::new(store),
            loader: settings.loader(),
            menu: settings.menu,
            http_port: settings.http_port,
        })
    }
}

/// Refuses a range without an address that a machine could get.
fn check_ranges(settings: &Settings, subnets: &[Subnet], leases: &Leases) -> anyhow::Result<()> {
    let Some(Subnet { range, .. }) = subnets.iter().find(|s| !leases.has_room(s)) else {
        return Ok(());
    };
    let (first, last) = *range;
    let key = match settings.range {
        Some(own) if own == *range => "--range",
        _ => "[[subnet]]: the range",
    };
    bail!(
        "{key} {first}-{last} has no address for a machine: all are lanboot's own, a router's or a DNS \
         server's, or the first and last of their network; give a range with other ones"
    )
}

/// Returns the diagnostic for stored leases that were dropped.
fn unused(dropped: usize) -> Option<String> {
    match dropped {
        0 => None,
        1 => Some("1 stored lease lies outside the range and is not used".into()),
        n => Some(format!(
            "{n} stored leases lie outside the range and are not used"
        )),
    }
}

/// Returns every address of this host, temporary ones included.
fn own(served: &[ServedInterface], others: &[Interface]) -> Vec<Ipv4Addr> {
    let there = others.iter().flat_map(|interface| &interface.addresses);
    let lent = served.iter().map(|(_, address)| address);
    let mut own: Vec<Ipv4Addr> = there.chain(lent).map(|a| a.address).collect();
    own.sort_unstable();
    own.dedup();
    own
}

/// Refuses to hand out link-local addresses: machines give them to themselves (RFC 3927 §1.6).
fn check_scope(settings: &Settings, network: Ipv4Addr, prefix: u8) -> anyhow::Result<()> {
    if network.is_link_local() && settings.dhcp != Policy::Proxy {
        bail!(
            "{network}/{prefix} is a link-local network, whose addresses no DHCP server may hand \
             out (RFC 3927); give the interface another one, --address 192.168.0.1/24, or use \
             --dhcp proxy or --dhcp off"
        );
    }
    Ok(())
}

/// Returns the networks of the interfaces, then those behind relays.
fn subnets(
    settings: &Settings,
    served: &[ServedInterface],
    others: &[Interface],
    diagnostics: &mut Vec<Diagnostic>,
) -> anyhow::Result<Vec<Subnet>> {
    let mut subnets = Vec::new();
    let is_here = |subnet: &config::Subnet| {
        let mut here = served.iter();
        here.any(|(_, a)| subnet.is(a.address, a.prefix))
    };
    for (_, address) in served {
        let mut configured = settings.subnets.iter();
        let configured = configured.find(|s| s.is(address.address, address.prefix));
        subnets.push(here(settings, *address, configured)?);
    }
    for configured in settings.subnets.iter().filter(|s| !is_here(s)) {
        if let Some(why) = beside(settings.dhcp, configured, served, others) {
            diagnostics.push(DiagnosticCode::SubnetNotServed.with(why));
        } else if configured.routers.is_empty() && settings.dhcp != Policy::Proxy {
            diagnostics.push(DiagnosticCode::SubnetWithoutRouter.with(format!(
                "subnet {}/{}: no router configured; machines there cannot reach lanboot",
                configured.network.address, configured.network.prefix
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
    let config::Cidr { address, prefix } = configured.network;
    let mut there = others
        .iter()
        .flat_map(|i| i.addresses.iter().map(move |a| (i, a)));
    let (interface, own) = there.find(|(_, own)| configured.is(own.address, prefix))?;
    let (name, own) = (&interface.name, own.address);
    let is_it = |(other, _): &&ServedInterface| other.name == *name;
    Some(match served.iter().find(is_it) {
        Some(_) if dhcp == Policy::Proxy => return None,
        Some((_, first)) => format!(
            "subnet {address}/{prefix}: {own} is a second address of {name}, not served: machines on \
             {name} get addresses of the network of {}. To serve this one instead: --address \
             {own}/{prefix}",
            first.address
        ),
        None => format!(
            "subnet {address}/{prefix}: {own} is the address of {name}, which is not served: add \
             --interface {name}"
        ),
    })
}

/// Returns the network of an interface, with what its `[[subnet]]` configures.
fn here(
    settings: &Settings,
    address: Address,
    configured: Option<&config::Subnet>,
) -> anyhow::Result<Subnet> {
    let Address {
        address: own,
        prefix,
    } = address;
    check_scope(settings, own, prefix)?;
    let own_range = configured.and_then(|configured| configured.range);
    if settings.range.is_some() && own_range.is_some() {
        bail!("--range and the range of [[subnet]] {own}/{prefix} contradict each other");
    }
    let range = settings.range.or(own_range);
    let range = match (range.or_else(|| net::default_range(address)), settings.dhcp) {
        (Some(range), _) => range,
        // Nothing is handed out: this host's own address never is.
        (None, Policy::Proxy) if prefix < 32 => (own, own),
        (None, Policy::Proxy) => bail!(
            "{own}/{prefix} names no network, so its machines cannot be distinguished from \
             others; give \
             the address the prefix of its network"
        ),
        (None, _) => bail!(
            "{own}/{prefix} has no room for machines; use a larger network, or --dhcp proxy or \
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
    let config::Cidr { address, prefix } = configured.network;
    check_scope(settings, address, prefix)?;
    let Some(range) = configured
        .range
        .or_else(|| net::default_range(Address { address, prefix }))
    else {
        bail!("subnet {address}/{prefix} has no room for machines; use a larger network");
    };
    let subnet = Subnet {
        network: address,
        prefix,
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
        let address = |last: [u8; 4]| Address {
            address: last.into(),
            prefix: 24,
        };
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
                network: config::Cidr {
                    address: network.trim_end_matches("/24").parse().unwrap(),
                    prefix: 24,
                },
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

    #[test]
    fn one_stored_lease_is_one_lease() {
        assert_eq!(unused(0), None);
        assert!(unused(1).unwrap().starts_with("1 stored lease lies "));
        assert!(unused(2).unwrap().starts_with("2 stored leases lie "));
    }
}
