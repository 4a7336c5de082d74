//! The DHCP server with everything open and bound: its sockets, the networks, the leases.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::dhcp::server_detection::Policy;
use lanboot_core::dhcp::{BadConfig, Config, Lease, Leases, Mode, Subnet};
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::plan::{LoaderChoice, MenuKind};

use super::link::Opened;
use super::subnets::{subnets, with_ipv4};
use crate::config::Settings;
use crate::events::bus;
use crate::net::{self, ChangeSocket, Interface, PingSocket, ServedInterface};
use crate::store::Store;

/// Everything the DHCP server needs, opened and bound.
#[derive(Debug)]
pub struct Listener {
    /// The interfaces served.
    pub links: Vec<Opened>,
    /// Every address of this host.
    pub own: Vec<Ipv4Addr>,
    /// Socket for probes behind relays and where an ARP answer is doubted; `None` without the
    /// rights.
    pub ping: Option<PingSocket>,
    /// Reports links and addresses that change.
    pub changes: ChangeSocket,
    /// The addresses and options handed out, and the machines that get them.
    pub config: Config,
    /// The lease table.
    pub leases: Leases,
    /// The lease database.
    pub store: Arc<dyn Store>,
    /// Selects the loader of each machine.
    pub loader: LoaderChoice,
    /// Selects lanboot's menu or the medium's own.
    pub menu: MenuKind,
    /// Port of the HTTP server.
    pub http_port: u16,
}

impl Listener {
    /// Opens the server on the interfaces `served`, each with this host's address there. `others` are
    /// all interfaces of the host, and `store` keeps the leases and held those given. Messages for the
    /// operator go to `diagnostics`.
    ///
    /// # Errors
    /// A network cannot be served as configured, or a socket or the lease database not be opened.
    pub fn open(
        settings: &Settings,
        served: &[ServedInterface],
        others: &[Interface],
        (store, records): (Arc<dyn Store>, Vec<Lease>),
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
        let links = with_ipv4(served)
            .map(|(interface, own)| Opened::open(interface, own.addr(), settings.dhcp, diagnostics))
            .collect::<anyhow::Result<_>>()?;
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
            store,
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

/// Returns every IPv4 address of this host, temporary ones included.
fn own(served: &[ServedInterface], others: &[Interface]) -> Vec<Ipv4Addr> {
    let there = others.iter().flat_map(|interface| &interface.addresses);
    let lent = served.iter().map(|(_, address)| address);
    let own = there.chain(lent).filter_map(net::ipv4);
    let mut own: Vec<Ipv4Addr> = own.map(|own| own.addr()).collect();
    own.sort_unstable();
    own.dedup();
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stored_lease_is_one_lease() {
        assert_eq!(unused(0), None);
        assert!(unused(1).unwrap().starts_with("1 stored lease lies "));
        assert!(unused(2).unwrap().starts_with("2 stored leases lie "));
    }
}
