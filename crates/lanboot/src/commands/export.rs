//! `lanboot export`: the boot plan as configuration for another server. Reads the images like
//! `serve`, opens no ports, changes nothing.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use ipnet::IpNet;
use lanboot_core::catalog::{Catalog, Server};
use lanboot_core::exports::{Export, Format, export};
use lanboot_core::menus::Menu;
use lanboot_core::net::Origin;
use lanboot_core::plan::BootChoice;
use lanboot_core::text;

use crate::config::args;
use crate::config::{Settings, ipv4, one_of};
use crate::images::library::{self, ImageLibrary};
use crate::images::open_images::OpenImages;
use crate::loaders;
use crate::net;

/// Prefix length assumed for a network this host is not in.
const USUAL_PREFIX: u8 = 24;

/// Exports and returns the text to print; warnings go to standard error, so that the text can be
/// redirected to a file.
pub fn run(flags: args::Export) -> anyhow::Result<String> {
    let format = format(&flags.format)?;
    let server = flags.server.as_deref().map(ipv4).transpose();
    let server = server.context("--server")?;
    let settings = flags.settings;
    let own = own_address(server.map(IpAddr::V4), &settings)?;
    let server = Server {
        http: Origin::http(own.addr(), settings.http_port),
        nfs: !settings.no_nfs,
        nbd: !settings.no_nbd,
    };
    let mut library = ImageLibrary::new(settings.images.clone(), Arc::new(OpenImages::default()));
    let scan = library.scan(None);
    let found = [scan.faults, scan.warnings].concat();
    let catalog = scan.catalog;
    if catalog.images().is_empty() {
        bail!("nothing can be served:{}", library::list(&found));
    }
    let menu = menu(&settings, &catalog)?;
    menu.check(&catalog, &server)
        .map_err(|(entry, refusal)| anyhow!("{entry}: {refusal}"))?;
    let loaders = loaders::loaders(settings.loaders.as_deref())?;
    let fragment = export(
        format,
        &Export {
            catalog: &catalog,
            loaders: &loaders,
            menu: &menu,
            loader: &settings.loader(),
            server: &server,
            netmask: own.netmask(),
            flags: &flags.repeated,
        },
    );
    let mut warnings: Vec<String> = found.into_iter().map(|found| found.text).collect();
    warnings.extend(fragment.warnings);
    if flags.server.is_none() && settings.interfaces.len() > 1 {
        warnings.push(format!(
            "this is for machines that reach {}; for another network name its address with --server",
            server.http.host
        ));
    }
    warnings.dedup();
    for warning in warnings {
        eprintln!("lanboot: {}", text::line(&warning));
    }
    Ok(fragment.text)
}

fn format(written: &str) -> anyhow::Result<Format> {
    one_of(written, &Format::ALL.map(|format| (format.name(), format)))
}

/// Returns `--server`, else the first address `serve` would use; with the prefix length of its
/// network if this host knows it.
fn own_address(named: Option<IpAddr>, settings: &Settings) -> anyhow::Result<IpNet> {
    let given = settings.addresses.first().map(|(_, given)| *given);
    if let Some(address) = named {
        let interfaces = net::interfaces()?;
        let own = interfaces.iter().flat_map(|i| i.addresses.iter().copied());
        let mut same = own.chain(given).filter(|own| own.addr() == address);
        let usual = || Ok(IpNet::new(address, USUAL_PREFIX)?);
        return same.next().map_or_else(usual, Ok);
    }
    if let Some(given) = given {
        return Ok(given);
    }
    let named = settings.interfaces.first().map(String::as_str);
    let interface = net::choose(&net::interfaces()?, named, false)
        .context("say at which address machines reach lanboot, with --server ADDRESS")?;
    let own = interface.address();
    own.with_context(|| format!("{} has no IPv4 address", interface.name))
}

fn menu(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Menu> {
    let boot = BootChoice::resolve(catalog, settings.boot.as_deref());
    let checked = settings.transports().check(catalog);
    checked.map_err(|error| anyhow!("--transport: {error}"))?;
    Ok(Menu {
        timeout: settings.menu_timeout,
        boot: boot.map_err(|error| anyhow!("--boot: {error}"))?,
        append: settings.append.clone(),
        transports: settings.transports(),
        kind: settings.menu,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_formats_suggest_the_nearest() {
        assert_eq!(format("isc-dhcp").unwrap(), Format::IscDhcp);
        let error = format("iscdhcp").unwrap_err().to_string();
        assert!(error.ends_with("; did you mean 'isc-dhcp'?"), "{error}");
    }
}
