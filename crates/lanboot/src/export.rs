//! `lanboot export`: the boot plan as configuration for another server. Reads the images like
//! `serve`, opens no ports, changes nothing.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::catalog::{BootChoice, Catalog, Server, nearest};
use lanboot_core::exports::{Export, Format, export};
use lanboot_core::menus::Menu;
use lanboot_core::routes::Address;
use lanboot_core::text;

use crate::config::args;
use crate::config::{Settings, ipv4};
use crate::library::{self, ImageLibrary};
use crate::open_images::OpenImages;
use crate::{loaders, net};

/// Prefix length assumed for a network this host is not in.
const USUAL_PREFIX: u8 = 24;

/// Exports and returns the text to print; warnings go to standard error, so that the text can be
/// redirected to a file.
pub fn run(flags: args::Export) -> anyhow::Result<String> {
    let format = format(&flags.format)?;
    let server = flags.server.as_deref().map(ipv4).transpose();
    let server = server.context("--server")?;
    let repeated = repeated(&flags.serve);
    let settings = Settings::new(flags.serve)?;
    let own = own_address(server, &settings)?;
    let server = Server {
        http: SocketAddrV4::new(own.address, settings.http_port),
        nfs: settings.nfs,
        nbd: settings.nbd,
    };
    let mut library = ImageLibrary::new(settings.images.clone(), Arc::new(OpenImages::default()));
    let scan = library.scan(None);
    let mut warnings = scan.faults;
    warnings.extend(scan.warnings);
    let catalog = scan.catalog;
    if catalog.images().is_empty() {
        bail!("nothing can be served:{}", library::list(&warnings));
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
            loader: &settings.loader,
            server: &server,
            netmask: own.mask(),
            flags: &repeated,
        },
    );
    warnings.extend(fragment.warnings);
    if flags.server.is_none() && settings.interfaces.len() > 1 {
        warnings.push(format!(
            "this is for machines that reach {}; for another network name its address with --server",
            server.http.ip()
        ));
    }
    warnings.dedup();
    for warning in warnings {
        eprintln!("lanboot: {}", text::line(&warning));
    }
    Ok(fragment.text)
}

fn format(written: &str) -> anyhow::Result<Format> {
    let names = Format::ALL.map(Format::name);
    let found = Format::ALL.into_iter().find(|f| f.name() == written);
    found.ok_or_else(|| {
        let hint = nearest(written, names.into_iter());
        let hint = hint.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
        anyhow!("'{written}' is none of {}{hint}", names.join(", "))
    })
}

/// Returns the flags that affect what a fragment refers to, as given: `serve` needs them too.
fn repeated(flags: &args::Serve) -> Vec<String> {
    // Named one by one, so that a new flag cannot be forgotten here.
    let args::Serve {
        interface,
        address,
        transport,
        no_nfs,
        no_nbd,
        boot,
        append,
        menu,
        menu_timeout,
        loader,
        config,
        http_port,
        loaders,
        // They follow the flags.
        images: _,
        // The other server's task.
        dhcp: _,
        range: _,
        lease_time: _,
        router: _,
        dns: _,
        only: _,
        subnet: _,
        // Runtime behaviour, not content.
        state: _,
        once: _,
        until_idle: _,
        log: _,
        ready_file: _,
        tftp_single_port: _,
    } = flags;
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| text::path(path));
    let (config, loaders) = (path(config), path(loaders));
    let values = [
        ("--config", config.as_slice()),
        ("--interface", interface),
        ("--address", address),
        ("--http-port", http_port.as_slice()),
        ("--transport", transport),
        ("--loader", loader),
        ("--loaders", loaders.as_slice()),
        ("--menu", menu.as_slice()),
        ("--menu-timeout", menu_timeout.as_slice()),
        ("--boot", boot.as_slice()),
        ("--append", append.as_slice()),
    ];
    let mut words = Vec::new();
    for (name, values) in values {
        for value in values {
            if value.starts_with('-') {
                words.push(format!("{name}={value}"));
            } else {
                words.extend([name.to_owned(), value.clone()]);
            }
        }
    }
    let switches = [("--no-nfs", no_nfs), ("--no-nbd", no_nbd)];
    let given = switches.iter().filter(|(_, is_given)| **is_given);
    words.extend(given.map(|(name, _)| (*name).to_owned()));
    words
}

/// Returns `--server`, else the first address `serve` would use; with the prefix length of its
/// network if this host knows it.
fn own_address(named: Option<Ipv4Addr>, settings: &Settings) -> anyhow::Result<Address> {
    let given = settings.addresses.first().map(|(_, cidr)| Address {
        address: cidr.address,
        prefix: cidr.prefix,
    });
    if let Some(address) = named {
        let interfaces = net::interfaces()?;
        let own = interfaces.iter().flat_map(|i| i.addresses.iter().copied());
        let mut same = own.chain(given).filter(|own| own.address == address);
        return Ok(same.next().unwrap_or(Address {
            address,
            prefix: USUAL_PREFIX,
        }));
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
    let checked = settings.transports.check(catalog);
    checked.map_err(|error| anyhow!("--transport: {error}"))?;
    Ok(Menu {
        timeout: settings.menu_timeout,
        boot: boot.map_err(|error| anyhow!("--boot: {error}"))?,
        append: settings.append.clone(),
        transports: settings.transports.clone(),
        kind: settings.menu,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn serve(words: &[String]) -> args::Serve {
        let command = ["lanboot", "serve"].map(OsString::from).into_iter();
        let line = command.chain(words.iter().map(OsString::from));
        match args::Cli::of(line).unwrap().command {
            args::Command::Serve(serve) => *serve,
            other => panic!("not serve: {other:?}"),
        }
    }

    #[test]
    fn relevant_flags_are_repeated_and_valid() {
        let words = |line: &[&str]| -> Vec<String> { line.iter().map(|w| (*w).into()).collect() };
        let given = words(&[
            "--http-port",
            "8080",
            "--append",
            "-x 'y'",
            "--transport",
            "nfs",
            "--transport",
            "a=nbd",
            "--loaders",
            "/srv/my loaders",
            "--boot=-odd",
            "--no-nbd",
            "--dhcp",
            "proxy",
            "--once",
            "--lease-time",
            "2h",
            "--only",
            "00:1a:02:03:04:05",
            "a.iso",
        ]);
        let kept = repeated(&serve(&given));
        let expected = words(&[
            "--http-port",
            "8080",
            "--transport",
            "nfs",
            "--transport",
            "a=nbd",
            "--loaders",
            "/srv/my loaders",
            "--boot=-odd",
            "--append=-x 'y'",
            "--no-nbd",
        ]);
        assert_eq!(kept, expected);
        assert_eq!(repeated(&serve(&kept)), kept);
        let all = words(&[
            "--config",
            "c.toml",
            "--interface",
            "eth0",
            "--address",
            "10.0.0.1/24",
            "--loader",
            "grub",
            "--menu",
            "stock",
            "--menu-timeout",
            "3",
            "--no-nfs",
        ]);
        assert_eq!(repeated(&serve(&all)), all);
        assert!(repeated(&serve(&words(&["a.iso"]))).is_empty());
    }

    #[test]
    fn unknown_formats_suggest_the_nearest() {
        assert_eq!(format("isc-dhcp").unwrap(), Format::IscDhcp);
        let error = format("iscdhcp").unwrap_err().to_string();
        assert!(error.ends_with("; did you mean 'isc-dhcp'?"), "{error}");
    }
}
