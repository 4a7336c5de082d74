//! Everything that can fail or needs rights, done before the first answer: images read, the
//! interface chosen, every door bound.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use lanboot_core::catalog::{self, BootChoice, Catalog, Loaders, Memory, MenuKind, Transport};
use lanboot_core::dhcp::{Config, Leases, Mode, Subnet};
use lanboot_core::script::Menu;
use lanboot_core::site::{Address, Site};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{dhcp, nbd, nfs, tftp};
use crate::disks::Disks;
use crate::doctor;
use crate::leases::Store;
use crate::library::Library;
use crate::loaders;
use crate::net::{self, ArpSocket, Borrowed, ClientSocket, FrameSocket, Interface};
use crate::settings::{Dhcp, Settings};

/// The port of the TFTP door.
const TFTP_PORT: u16 = 69;

/// Opened and bound, nothing answered yet.
#[derive(Debug)]
pub(super) struct Opened {
    pub site: Site,
    pub library: Library,
    pub disks: Arc<Disks>,
    pub tftp: std::net::UdpSocket,
    pub http: std::net::TcpListener,
    /// `None` when the port is somebody else's.
    pub nbd: Option<std::net::TcpListener>,
    /// `None` when another NFS server runs here.
    pub nfs: Option<nfs::Door>,
    pub dhcp: Option<dhcp::Door>,
    /// What the operator should know, one line each.
    pub notices: Vec<String>,
    /// Given back when this is dropped.
    pub borrowed: Option<Borrowed>,
}

/// Opens everything `settings` ask for.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Opened> {
    raise_descriptor_limit();
    let disks = Arc::new(Disks::default());
    let mut library = Library::new(settings.images.clone(), Arc::clone(&disks));
    let scan = library.scan(None);
    if let Some(twins) = scan.twins.first() {
        bail!("{twins}");
    }
    let mut notices: Vec<String> = scan.faults;
    notices.extend(scan.remarks);
    let catalog = Arc::new(scan.catalog);
    if catalog.images().is_empty() {
        bail!("nothing can be served:\n  {}", notices.join("\n  "));
    }
    let boot = BootChoice::resolve(&catalog, settings.boot.as_deref())
        .map_err(|error| anyhow::anyhow!("--boot: {error}"))?;
    check_entries(settings, &catalog, &mut notices)?;
    let loaders = Arc::new(loaders::loaders(settings.loaders.as_deref())?);
    notices.extend(about_loaders(settings, &catalog, &loaders));

    let (interface, address, borrowed) = interface(settings)?;
    let own = address.address;
    let tftp_socket = net::udp(None, SocketAddrV4::new(own, TFTP_PORT))?;
    tftp::prepare(&tftp_socket).context("the TFTP socket cannot tell where requests came in")?;
    let http = net::tcp(SocketAddrV4::new(own, settings.http_port))?;
    let transports = &settings.transports;
    let asks = |transport| (transport, transports.ask_for(transport));
    let nfs = door(
        settings.nfs,
        asks(Transport::Nfs),
        &mut notices,
        |notices| nfs::Door::open(own, &settings.state, notices),
    )?;
    let nbd = door(settings.nbd, asks(Transport::Nbd), &mut notices, |_| {
        net::tcp(SocketAddrV4::new(own, nbd::PORT))
    })?;
    let dhcp = match settings.dhcp {
        Dhcp::Off => None,
        Dhcp::Server | Dhcp::ServerIfAlone => {
            Some(dhcp_door(settings, &interface, address, &mut notices)?)
        }
    };
    let site = Site {
        catalog,
        loaders,
        menu: Menu {
            timeout: settings.menu_timeout,
            boot,
            append: settings.append.clone(),
            transports: settings.transports.clone(),
            kind: settings.menu,
        },
        addresses: vec![address],
        http_port: settings.http_port,
        nfs: nfs.is_some(),
        nbd: nbd.is_some(),
    };
    check_plans(settings, &site)?;
    notices.push(about_doors(settings, &site, &interface, dhcp.as_ref()));
    Ok(Opened {
        site,
        library,
        disks,
        tftp: tftp_socket,
        http,
        nbd,
        nfs,
        dhcp,
        notices,
        borrowed,
    })
}

/// A door that can be done without unless it was asked for: another server of its kind may be at
/// home on this host.
fn door<T>(
    is_wanted: bool,
    (transport, is_asked_for): (Transport, bool),
    notices: &mut Vec<String>,
    open: impl FnOnce(&mut Vec<String>) -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    if !is_wanted {
        return Ok(None);
    }
    match open(notices) {
        Ok(door) => Ok(Some(door)),
        Err(error) if is_asked_for => Err(error.context(format!("--transport {transport}"))),
        Err(error) => {
            let name = transport.name().to_uppercase();
            notices.push(format!("{name} is not served: {error:#}"));
            Ok(None)
        }
    }
}

/// Allows as many open files as the system lets this process have: the usual soft limit of 1024
/// is less than a thousand TFTP transfers need.
fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Without it fewer machines are served at once; each door says so when it comes to that.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// The interface, our address on it, and what must be given back at the end.
fn interface(settings: &Settings) -> anyhow::Result<(Interface, Address, Option<Borrowed>)> {
    let named = settings.interface.as_deref();
    let interface = net::choose(&net::interfaces()?, named, settings.address.is_some())?;
    match settings.address {
        Some(cidr) => {
            let (name, up) = (&interface.name, interface.up);
            let borrowed = Borrowed::give(interface.index, name, cidr.address, cidr.prefix, up)?;
            let address = Address {
                address: cidr.address,
                prefix: cidr.prefix,
            };
            Ok((interface, address, Some(borrowed)))
        }
        None => {
            let first = interface.addresses.first().copied();
            let address =
                first.with_context(|| format!("{} has no IPv4 address", interface.name))?;
            Ok((interface, address, None))
        }
    }
}

fn dhcp_door(
    settings: &Settings,
    interface: &Interface,
    address: Address,
    notices: &mut Vec<String>,
) -> anyhow::Result<dhcp::Door> {
    let name = &interface.name;
    let Some(mac) = interface.mac else {
        bail!("{name} is not an Ethernet interface; DHCP cannot be served there (--dhcp off)");
    };
    let Some(range) = settings.range.or_else(|| net::default_range(address)) else {
        bail!(
            "{}/{} has no room for machines; use a larger network",
            address.address,
            address.prefix
        );
    };
    let config = Config {
        mode: Mode::Server,
        subnets: vec![Subnet {
            network: address.address,
            prefix: address.prefix,
            range,
            lease_time: settings.lease_time,
            routers: settings.router.into_iter().collect(),
            dns: settings.dns.clone(),
            domain: None,
        }],
        only: settings.only.clone(),
        check: true,
    };
    config.check().context("--range")?;
    let (store, records) = Store::open(&settings.state)?;
    let mut leases = Leases::new(&config.subnets);
    let restored = leases.restore(records.into_iter());
    if restored.dropped > 0 {
        notices.push(format!(
            "{} stored leases lie outside the range and are not used",
            restored.dropped
        ));
    }
    for own in interface.addresses.iter().chain([&address]) {
        leases.withhold(own.address);
    }
    let raw = |what: &str| {
        format!("cannot open a raw socket for {what} on {name}; it needs root or CAP_NET_RAW")
    };
    let alone = match settings.dhcp {
        Dhcp::ServerIfAlone => Some((
            ClientSocket::open(interface.index).with_context(|| raw("DHCP"))?,
            mac,
        )),
        Dhcp::Server | Dhcp::Off => None,
    };
    Ok(dhcp::Door {
        socket: net::udp(Some(name), SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67))?,
        frames: FrameSocket::open(interface.index).with_context(|| raw("DHCP"))?,
        arp: Arc::new(ArpSocket::open(interface.index, mac).with_context(|| raw("ARP"))?),
        alone,
        interface: name.as_str().into(),
        index: interface.index,
        address: address.address,
        config,
        leases,
        store,
        loader: settings.loader.clone(),
        menu: settings.menu,
        http_port: settings.http_port,
    })
}

/// Refuses arguments that no entry could start with, and says so when there is none to start.
fn check_entries(
    settings: &Settings,
    catalog: &Catalog,
    notices: &mut Vec<String>,
) -> anyhow::Result<()> {
    let transports = &settings.transports;
    transports
        .check(catalog)
        .map_err(|error| anyhow::anyhow!("--transport: {error}"))?;
    for (image, entry) in catalog.entries() {
        if let Some(transport) = transports.of(image, entry)
            && let Err(refusal) = entry.check(transport, &settings.append)
        {
            bail!("{}: {refusal}", entry.id);
        }
    }
    if catalog.entries().next().is_none() {
        notices.push("no image can be booted; machines get an address and nothing to load".into());
    }
    Ok(())
}

/// Refuses arguments that the transports left by the open doors cannot do.
fn check_plans(settings: &Settings, site: &Site) -> anyhow::Result<()> {
    let own = site.addresses.first().map(|a| IpAddr::V4(a.address));
    let Some(server) = own.and_then(|own| site.server(own)) else {
        return Ok(());
    };
    let (asked, append) = (&settings.transports, &settings.append);
    for (image, entry) in site.catalog.entries() {
        let plan = catalog::plan(image, entry, asked, &server, Memory::Unknown, append);
        if let Err(refusal) = entry.check(plan.transport, append) {
            bail!("{}: {refusal}", entry.id);
        }
    }
    Ok(())
}

fn about_loaders(settings: &Settings, catalog: &Catalog, loaders: &Loaders) -> Option<String> {
    if settings.menu == MenuKind::Stock {
        let image = catalog.default_image()?;
        return image.stock.is_none().then(|| {
            format!(
                "--menu stock: {} carries no PXE menu of its own; nothing will start",
                image.file
            )
        });
    }
    doctor::missing(catalog, loaders)
}

fn about_doors(
    settings: &Settings,
    site: &Site,
    interface: &Interface,
    dhcp: Option<&dhcp::Door>,
) -> String {
    let own = site
        .addresses
        .first()
        .map_or(Ipv4Addr::UNSPECIFIED, |a| a.address);
    let leases = dhcp
        .and_then(|door| door.config.subnets.first())
        .map_or_else(
            || "no DHCP".into(),
            |subnet| format!("DHCP {}-{}", subnet.range.0, subnet.range.1),
        );
    let nfs = if site.nfs { ", NFS" } else { "" };
    let nbd = if site.nbd { ", NBD" } else { "" };
    format!(
        "serving {} on {} ({own}): {leases}, TFTP, HTTP port {}{nfs}{nbd}",
        site.catalog.names(),
        interface.name,
        settings.http_port
    )
}
