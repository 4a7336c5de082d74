//! Everything that can fail or needs rights, done before the first answer: images read, the
//! interfaces chosen, every port bound.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use ipnet::IpNet;
use lanboot_core::catalog::{Catalog, Transport};
use lanboot_core::dhcp::server_detection::Policy;
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::loaders::Loaders;
use lanboot_core::menus::Menu;
use lanboot_core::plan::{BootChoice, MenuKind};
use lanboot_core::routes::Routes;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::indexing::Indexing;
use super::interface_watch::Watch;
use super::known_machines::Known;
use super::ram_disks;
use crate::config::Settings;
use crate::dhcp;
use crate::events::logger::EventLogger;
use crate::images::library::{self, ImageLibrary};
use crate::images::open_images::OpenImages;
use crate::loaders::{self, advice};
use crate::nbd;
use crate::net::{
    self, Capability, Interface, Listeners, MoreRights, Protocol, ServedInterface, Service,
    TemporaryAddress, first_free_port,
};
use crate::nfs;
use crate::store::{IndexCache, Sqlite, StateLock, Store};
use crate::tftp;

/// The port of the TFTP server.
const TFTP_PORT: u16 = 69;

/// Opened and bound, nothing answered yet.
#[derive(Debug)]
pub(super) struct Opened {
    pub routes: Routes,
    pub library: ImageLibrary,
    pub open_images: Arc<OpenImages>,
    pub sockets: Sockets,
    pub dhcp: Option<dhcp::Listener>,
    /// Machines are known by what DHCP hears.
    pub known: Known,
    /// One for each interface.
    pub watches: Vec<Watch>,
    /// Messages for the operator, one line each.
    pub diagnostics: Vec<Diagnostic>,
    /// Given back when this is dropped.
    pub temporary_addresses: Vec<TemporaryAddress>,
    /// So is the folder with the leases.
    pub lock: Option<StateLock>,
}

/// Opens everything `settings` ask for. Work that takes long is said through `logger`, which is not started
/// yet.
pub(super) fn open(settings: &Settings, logger: &EventLogger) -> anyhow::Result<Opened> {
    open_all(settings, logger).map_err(|error| all_rights(settings, error))
}

/// Adds the rights for all that comes after the first port that cannot be had.
fn all_rights(settings: &Settings, error: anyhow::Error) -> anyhow::Error {
    let mut rights = match error.downcast::<MoreRights>() {
        Ok(rights) => rights,
        Err(error) => return error,
    };
    if settings.dhcp != Policy::Off {
        rights = rights.with(Capability::NetRaw);
    }
    if !settings.addresses.is_empty() {
        rights = rights.with(Capability::NetAdmin);
    }
    if first_free_port() > TFTP_PORT {
        rights = rights.with(Capability::NetBindService);
    }
    rights.into()
}

fn open_all(settings: &Settings, logger: &EventLogger) -> anyhow::Result<Opened> {
    raise_descriptor_limit();
    // First of all: with many images the rest takes time.
    let has_leases = settings.dhcp != Policy::Off;
    let lock = has_leases.then(|| StateLock::take(&settings.state));
    let lock = lock.transpose()?;
    let mut diagnostics = Vec::new();
    let images = Images::open(settings, logger, &mut diagnostics)?;
    let interfaces = net::interfaces()?;
    let (served, temporary_addresses) = served(settings, &interfaces)?;
    diagnostics.extend(about_interfaces(settings, &interfaces, &served));
    let sockets = Sockets::bind(settings, &served, &mut diagnostics)?;
    let (dhcp, known) = match settings.dhcp {
        Policy::Off => (None, Known::default()),
        Policy::Auto | Policy::Server | Policy::Proxy => {
            let (store, mut kept) = Sqlite::open(&settings.state)?;
            let store: Arc<dyn Store> = Arc::new(store);
            let leases = (Arc::clone(&store), std::mem::take(&mut kept.leases));
            let dhcp =
                dhcp::Listener::open(settings, &served, &interfaces, leases, &mut diagnostics)?;
            let known = Known::open(settings, store, kept, &mut diagnostics);
            (Some(dhcp), known)
        }
    };
    let subnets = settings.subnets.iter();
    let networks = subnets.map(|subnet| IpNet::V4(subnet.network));
    let routes = Routes {
        catalog: images.catalog,
        loaders: images.loaders,
        menu: Menu {
            timeout: settings.menu_timeout,
            boot: images.boot,
            append: settings.append.clone(),
            transports: settings.transports(),
            kind: settings.menu,
        },
        addresses: served.iter().map(|(_, address)| *address).collect(),
        subnets: networks.collect(),
        http_port: settings.http_port,
        nfs: !sockets.nfs.is_empty(),
        nbd: !sockets.nbd.is_empty(),
    };
    check_plans(&routes)?;
    let watches = watches(settings, &served, dhcp.as_ref(), &sockets);
    diagnostics.push(about_services(settings, &routes, &served, dhcp.as_ref()));
    Ok(Opened {
        routes,
        library: images.library,
        open_images: images.open_images,
        sockets,
        dhcp,
        known,
        watches,
        diagnostics,
        temporary_addresses,
        lock,
    })
}

/// The images, and what machines are to get of them.
struct Images {
    library: ImageLibrary,
    open_images: Arc<OpenImages>,
    catalog: Arc<Catalog>,
    boot: BootChoice,
    loaders: Arc<Loaders>,
}

impl Images {
    /// Reads the images and finds the loaders; fails where nothing could be served.
    fn open(
        settings: &Settings,
        logger: &EventLogger,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> anyhow::Result<Self> {
        let open_images = Arc::new(OpenImages::default());
        let library = ImageLibrary::new(settings.images.clone(), Arc::clone(&open_images));
        let mut library = library.with_index(Arc::new(IndexCache::open(&settings.state)));
        let report = |diagnostic| logger.report(diagnostic);
        let mut indexing = Indexing::new(&report, logger.status_line());
        let scan = library.scan_watched(None, &mut |progress| indexing.watch(progress));
        drop(indexing);
        diagnostics.extend(scan.faults);
        diagnostics.extend(scan.warnings);
        let catalog = Arc::new(scan.catalog);
        if catalog.images().is_empty() {
            bail!("nothing can be served:{}", library::list(diagnostics));
        }
        let boot = BootChoice::resolve(&catalog, settings.boot.as_deref())
            .map_err(|error| anyhow::anyhow!("--boot: {error}"))?;
        check_entries(settings, &catalog, diagnostics)?;
        let loaders = Arc::new(loaders::loaders(settings.loaders.as_deref())?);
        diagnostics.extend(about_loaders(settings, &catalog, &boot, &loaders));
        ram_disks::check_named(settings, &catalog, &boot)?;
        diagnostics.extend(ram_disks::warnings(settings, &catalog, &boot, &open_images));
        Ok(Self {
            library,
            open_images,
            catalog,
            boot,
            loaders,
        })
    }
}

/// The sockets of the file servers, one for each of our addresses.
#[derive(Debug)]
pub(super) struct Sockets {
    pub tftp: Vec<UdpSocket>,
    pub http: Vec<Listeners>,
    /// None when the port is somebody else's.
    pub nbd: Vec<Listeners>,
    /// None when another NFS server runs here.
    pub nfs: Vec<nfs::Listener>,
}

impl Sockets {
    fn bind(
        settings: &Settings,
        served: &[ServedInterface],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> anyhow::Result<Self> {
        let listen = |interface: &Interface, own, port, service| {
            // The loopback is nobody's wire.
            let name = Some(interface.name.as_str()).filter(|_| !interface.loopback);
            net::listen(name, SocketAddr::new(own, port), service)
        };
        let transports = settings.transports();
        let asks = |transport| (transport, transports.ask_for(transport));
        Ok(Self {
            tftp: each(served, |_, own| {
                let socket = net::udp(None, SocketAddr::new(own, TFTP_PORT), Service::Tftp)?;
                tftp::prepare(&socket)
                    .context("the TFTP socket does not report the receiving interface")?;
                Ok(socket)
            })?,
            http: each(served, |interface, own| {
                listen(interface, own, settings.http_port, Service::Http)
            })?,
            nfs: protocol(
                !settings.no_nfs,
                asks(Transport::Nfs),
                diagnostics,
                |diagnostics| {
                    each(served, |interface, own| {
                        nfs::Listener::open(&interface.name, own, &settings.state, diagnostics)
                    })
                },
            )?,
            nbd: protocol(!settings.no_nbd, asks(Transport::Nbd), diagnostics, |_| {
                each(served, |interface, own| {
                    listen(interface, own, nbd::PORT, Service::Nbd)
                })
            })?,
        })
    }
}

/// Opens one listener for each of our addresses.
fn each<T>(
    served: &[ServedInterface],
    mut open: impl FnMut(&Interface, IpAddr) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    served
        .iter()
        .map(|(interface, address)| open(interface, address.addr()))
        .collect()
}

/// Opens the listeners of a protocol that is optional unless it was asked for: another server of
/// its kind may run on this host.
fn protocol<T>(
    is_wanted: bool,
    (transport, is_asked_for): (Transport, bool),
    diagnostics: &mut Vec<Diagnostic>,
    open: impl FnOnce(&mut Vec<Diagnostic>) -> anyhow::Result<Vec<T>>,
) -> anyhow::Result<Vec<T>> {
    if !is_wanted {
        return Ok(Vec::new());
    }
    match open(diagnostics) {
        Ok(listeners) => Ok(listeners),
        Err(error) if is_asked_for => Err(error.context(format!("--transport {transport}"))),
        Err(error) => {
            let name = transport.name().to_uppercase();
            let text = format!("{name} is not served: {error:#}");
            diagnostics.push(DiagnosticCode::ProtocolNotServed.with(text));
            Ok(Vec::new())
        }
    }
}

/// Allows as many open files as the system lets this process have: the usual soft limit of 1024
/// is less than a thousand TFTP transfers need.
fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Without it fewer machines are served at once; each server logs it when it happens.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Returns the interfaces, our address on each, and what must be given back at the end.
fn served(
    settings: &Settings,
    interfaces: &[Interface],
) -> anyhow::Result<(Vec<ServedInterface>, Vec<TemporaryAddress>)> {
    let mut names: Vec<Option<&str>> = settings
        .interfaces
        .iter()
        .map(|name| Some(name.as_str()))
        .collect();
    if names.is_empty() {
        names.push(None);
    }
    let given = |name: Option<&str>| {
        let mut all = settings.addresses.iter();
        let given = all.find(|(whose, _)| whose.is_none() || whose.as_deref() == name);
        given.map(|(_, given)| *given)
    };
    let (mut served, mut temporary_addresses) = (Vec::new(), Vec::new());
    let chosen = names
        .iter()
        .map(|name| net::choose(interfaces, *name, given(*name).is_some()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for (interface, name) in chosen.into_iter().zip(names) {
        let address = match given(name) {
            Some(given) => {
                let Interface {
                    index, name, up, ..
                } = &interface;
                temporary_addresses.push(TemporaryAddress::give(*index, name, given, *up)?);
                given
            }
            None => {
                let own = interface.address();
                own.with_context(|| format!("{} has no IPv4 address", interface.name))?
            }
        };
        served.push((interface, address));
    }
    Ok((served, temporary_addresses))
}

/// Watches each interface for requests to the ports that are ours there.
fn watches(
    settings: &Settings,
    served: &[ServedInterface],
    dhcp: Option<&dhcp::Listener>,
    sockets: &Sockets,
) -> Vec<Watch> {
    let both = [Protocol::Udp, Protocol::Tcp];
    let mut all = vec![
        (Service::Tftp, Protocol::Udp, TFTP_PORT),
        (Service::Http, Protocol::Tcp, settings.http_port),
    ];
    for (nfs, portmap) in sockets.nfs.iter().take(1).map(nfs::Listener::ports) {
        all.extend(both.map(|protocol| (Service::Nfs, protocol, nfs.port())));
        let portmap = portmap.map(|at| both.map(|p| (Service::Portmap, p, at.port())));
        all.extend(portmap.into_iter().flatten());
    }
    if !sockets.nbd.is_empty() {
        all.push((Service::Nbd, Protocol::Tcp, nbd::PORT));
    }
    let watch = |(interface, address): &ServedInterface| {
        let mut links = dhcp.iter().flat_map(|protocol| &protocol.links);
        let link = links.find(|link| link.is_on(interface));
        let ports = link.map(dhcp::Opened::ports).unwrap_or_default();
        let ports = ports
            .into_iter()
            .map(|(service, port)| (service, Protocol::Udp, port));
        let ports: Vec<_> = ports.chain(all.iter().copied()).collect();
        Watch::open(interface, *address, &ports, dhcp.is_some())
    };
    served.iter().map(watch).collect()
}

/// Returns the diagnostics about the interfaces served, and about those that are not.
fn about_interfaces(
    settings: &Settings,
    interfaces: &[Interface],
    served: &[ServedInterface],
) -> Vec<Diagnostic> {
    let names: Vec<&str> = served.iter().map(|(i, _)| i.name.as_str()).collect();
    let is_named = !settings.interfaces.is_empty();
    let mut said = net::unserved(interfaces, &names, is_named);
    said.extend(net::shared_networks(
        interfaces,
        served,
        net::drops_unexpected,
    ));
    let with_xdp = served.iter().filter(|(interface, _)| interface.has_xdp);
    said.extend(with_xdp.map(|(Interface { name, .. }, _)| {
        let text = format!(
            "an XDP program is attached to {name} and may take packets before lanboot hears them \
             (ip link show {name})"
        );
        DiagnosticCode::XdpProgram.with(text).of_interface(name)
    }));
    said
}

/// Refuses arguments that no entry could start with, and says so when there is none to start.
fn check_entries(
    settings: &Settings,
    catalog: &Catalog,
    diagnostics: &mut Vec<Diagnostic>,
) -> anyhow::Result<()> {
    let transports = &settings.transports();
    transports
        .check(catalog)
        .map_err(|error| anyhow::anyhow!("--transport: {error}"))?;
    for (image, entry) in catalog.entries() {
        if let Some(transport) = transports.of(image, entry)
            && let Err(refusal) = entry.check(transport, &settings.append)
        {
            bail!("{}: {refusal}", entry.id);
        }
        if let (Some(asked), None) = (transports.all, transports.of(image, entry))
            && let Some(refusal) = entry.unsupported(asked)
        {
            let text = format!("{}: --transport {asked} is not used: {refusal}", entry.id);
            diagnostics.push(
                DiagnosticCode::TransportUnused
                    .with(text)
                    .of_image(&image.name),
            );
        }
    }
    if catalog.starts().next().is_none() {
        diagnostics.push(
            DiagnosticCode::NothingToStart
                .with("no image can be booted; machines get an address and nothing to load"),
        );
    }
    Ok(())
}

/// Refuses arguments that none of the transports served can apply.
fn check_plans(routes: &Routes) -> anyhow::Result<()> {
    let own = routes.addresses.first().map(IpNet::addr);
    let Some(server) = own.and_then(|own| routes.server(own)) else {
        return Ok(());
    };
    let checked = routes.menu.check(&routes.catalog, &server);
    checked.map_err(|(entry, refusal)| anyhow::anyhow!("{entry}: {refusal}"))
}

fn about_loaders(
    settings: &Settings,
    catalog: &Catalog,
    boot: &BootChoice,
    loaders: &Loaders,
) -> Vec<Diagnostic> {
    if settings.menu == MenuKind::Stock {
        let image = catalog.default_image();
        let none = image.filter(|image| image.found.stock.is_none());
        let said = none.map(|image| {
            let text = format!(
                "--menu stock: {} carries no PXE menu of its own; nothing will start",
                image.file
            );
            let diagnostic = DiagnosticCode::NoStockMenu.with(text);
            diagnostic.of_image(&image.name).of_file(&image.file)
        });
        return said.into_iter().collect();
    }
    let missing = advice::missing(catalog, loaders);
    let missing = missing.map(|text| DiagnosticCode::NoLoader.with(text));
    let choice = settings.loader().warning(catalog, boot);
    let choice = choice.map(|text| DiagnosticCode::LoaderChoiceUnusable.with(text));
    let secure_boot = advice::secure_boot(catalog, loaders);
    missing
        .into_iter()
        .chain(secure_boot)
        .chain(choice)
        .collect()
}

fn about_services(
    settings: &Settings,
    routes: &Routes,
    served: &[ServedInterface],
    dhcp: Option<&dhcp::Listener>,
) -> Diagnostic {
    let places: Vec<String> = served
        .iter()
        .map(|(interface, address)| format!("{} ({})", interface.name, address.addr()))
        .collect();
    let ranges = || {
        let subnets = dhcp.iter().flat_map(|protocol| &protocol.config.subnets);
        let ranges = subnets.map(|subnet| format!("{}-{}", subnet.range.0, subnet.range.1));
        ranges.collect::<Vec<_>>().join(" and ")
    };
    let addresses = match settings.dhcp {
        Policy::Off => "no DHCP".into(),
        Policy::Proxy => "proxy DHCP".into(),
        Policy::Server => format!("DHCP {}", ranges()),
        Policy::Auto => format!("DHCP {} unless another server is there", ranges()),
    };
    let nfs = if routes.nfs { ", NFS" } else { "" };
    let nbd = if routes.nbd { ", NBD" } else { "" };
    DiagnosticCode::Serving.with(format!(
        "serving {} on {}: {addresses}, TFTP, HTTP port {}{nfs}{nbd}",
        routes.catalog.sentence(),
        places.join(" and "),
        settings.http_port
    ))
}
