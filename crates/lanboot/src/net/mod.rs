//! Interfaces, sockets and what the kernel must be asked for. The only room with `unsafe`.

mod address;
mod ask;
mod changes;
mod frame;
mod ping;
mod port;

pub use address::Borrowed;
pub use ask::{is_in_memory, unacknowledged, unsent};
pub use changes::{Change, ChangeSocket};
pub use frame::{ArpSocket, ClientSocket, FrameSocket};
pub use ping::PingSocket;
pub use port::{Protocol, holders};

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};

use anyhow::{Context as _, anyhow, bail};
use lanboot_core::machine::Mac;
use lanboot_core::site::Address;
use nix::net::if_::InterfaceFlags;
use socket2::{Domain, Socket, Type};

/// A network interface of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// Hardware address; machines can only boot over Ethernet.
    pub mac: Option<Mac>,
    /// Its IPv4 addresses.
    pub addresses: Vec<Address>,
    /// Administratively up.
    pub up: bool,
    /// The loopback.
    pub loopback: bool,
}

impl Interface {
    /// Its own address: the first that is not link-local, which a host may have beside another.
    pub fn address(&self) -> Option<Address> {
        let mut all = self.addresses.iter();
        let first = self.addresses.first();
        let own = all.find(|a| !a.address.is_link_local()).or(first);
        own.copied()
    }

    /// Why it cannot be served by itself, in a few words; `None` when it can.
    fn unfit(&self) -> Option<&'static str> {
        if self.loopback {
            Some("loopback")
        } else if self.mac.is_none() {
            Some("not Ethernet")
        } else if !self.up {
            Some("down")
        } else if self.addresses.is_empty() {
            Some("no IPv4 address")
        } else if is_virtual(&self.name) {
            Some("a bridge or tunnel of containers or virtual machines")
        } else {
            let own = self.address()?.address;
            if own.is_link_local() {
                Some("only a link-local address")
            } else {
                is_public(own).then_some("in a public network")
            }
        }
    }
}

/// Interfaces that software makes for its own guests; served only when named.
fn is_virtual(name: &str) -> bool {
    [
        "docker",
        "veth",
        "virbr",
        "br-",
        "cni",
        "tun",
        "tap",
        "wg",
        "tailscale",
        "podman",
        "lxcbr",
        "lxdbr",
        "incusbr",
        "vmnet",
        "vboxnet",
        "zt",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

/// Whether an address is one of the public Internet (RFC 6890 lists those that are not): of a
/// provider's or a university's network, which somebody runs already. Served only when named.
fn is_public(address: Ipv4Addr) -> bool {
    let is_shared = matches!(address.octets(), [100, 64..=127, ..]);
    let is_benchmark = matches!(address.octets(), [198, 18 | 19, ..]);
    let is_reserved = matches!(address.octets(), [0 | 240.., ..] | [192, 0, 0, _]);
    !(address.is_private()
        || address.is_link_local()
        || address.is_loopback()
        || address.is_documentation()
        || is_shared
        || is_benchmark
        || is_reserved)
}

/// Every interface, by name.
pub fn interfaces() -> anyhow::Result<Vec<Interface>> {
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in nix::ifaddrs::getifaddrs().context("cannot list the network interfaces")? {
        let index = nix::net::if_::if_nametoindex(entry.interface_name.as_str()).unwrap_or(0);
        let interface = found
            .entry(entry.interface_name.clone())
            .or_insert_with(|| Interface {
                name: entry.interface_name.clone(),
                index,
                mac: None,
                addresses: Vec::new(),
                up: entry.flags.contains(InterfaceFlags::IFF_UP),
                loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            });
        let Some(address) = entry.address else {
            continue;
        };
        if let Some(link) = address.as_link_addr() {
            interface.mac = link.addr().filter(|m| *m != [0; 6]).map(Mac);
        }
        if let Some(v4) = address.as_sockaddr_in() {
            let mask = entry
                .netmask
                .as_ref()
                .and_then(|m| Some(m.as_sockaddr_in()?.ip()));
            let prefix = mask.map_or(32, |m| m.to_bits().leading_ones());
            let prefix = u8::try_from(prefix).unwrap_or(32);
            interface.addresses.push(Address {
                address: v4.ip(),
                prefix,
            });
        }
    }
    Ok(found.into_values().collect())
}

/// Whether an interface has a link: up, with a cable plugged in or a radio connected.
pub fn has_link(name: &str) -> bool {
    nix::ifaddrs::getifaddrs().is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.interface_name == name && entry.flags.contains(InterfaceFlags::IFF_RUNNING)
        })
    })
}

/// The interface to serve: the one named, or the only one that can be meant.
pub fn choose(
    interfaces: &[Interface],
    named: Option<&str>,
    address_given: bool,
) -> anyhow::Result<Interface> {
    let list = || {
        let line = |i: &Interface| {
            let addresses = i.addresses.iter();
            let addresses = addresses.map(|a| format!(" {}/{}", a.address, a.prefix));
            let why = i
                .unfit()
                .map_or_else(String::new, |why| format!(" ({why})"));
            format!("  {}{}{why}", i.name, addresses.collect::<String>())
        };
        interfaces.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    if let Some(name) = named {
        let found = interfaces
            .iter()
            .find(|i| i.name == name)
            .ok_or_else(|| anyhow!("there is no interface {name}; there are:\n{}", list()))?;
        if found.addresses.is_empty() && !address_given {
            bail!("{name} has no IPv4 address; give it one: --address 192.168.0.1/24");
        }
        return Ok(found.clone());
    }
    let mut fit = interfaces.iter().filter(|i| i.unfit().is_none());
    match (fit.next(), fit.next()) {
        (Some(one), None) if !address_given => Ok(one.clone()),
        (None, _) => bail!(
            "no interface is served unasked; name one with --interface, and where it has no address \
             give it one with --address 192.168.0.1/24:\n{}",
            list()
        ),
        _ => bail!("say which interface to serve with --interface:\n{}", list()),
    }
}

/// A UDP socket on `address`; with an interface it receives only from that one, so that it lives
/// beside a server on another (a bridge of virtual machines).
pub fn udp(interface: Option<&str>, address: SocketAddrV4) -> anyhow::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).context("cannot open a socket")?;
    socket
        .bind_device(interface.map(str::as_bytes))
        .and_then(|()| socket.set_broadcast(true))
        .and_then(|()| socket.bind(&address.into()))
        .and_then(|()| socket.set_nonblocking(true))
        .map_err(|error| {
            let door = format!("UDP port {}", address.port());
            explain(&error, &door, Protocol::Udp, address.port())
        })?;
    Ok(socket.into())
}

/// A listening TCP socket.
pub fn tcp(address: SocketAddrV4) -> anyhow::Result<TcpListener> {
    /// As nginx: a classroom that is switched on at once.
    const BACKLOG: i32 = 511;
    let door = format!("TCP port {}", address.port());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("cannot open a socket")?;
    socket.set_reuse_address(true)?;
    socket
        .bind(&address.into())
        .and_then(|()| socket.listen(BACKLOG))
        .map_err(|error| explain(&error, &door, Protocol::Tcp, address.port()))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A port that only root or a capability opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoreRights {
    door: String,
    capabilities: Vec<&'static str>,
}

impl MoreRights {
    fn new(door: &str) -> Self {
        Self {
            door: door.to_owned(),
            capabilities: vec!["CAP_NET_BIND_SERVICE"],
        }
    }

    /// The same, naming what would be missed next as well.
    pub fn with(mut self, capability: &'static str) -> Self {
        self.capabilities.push(capability);
        self
    }
}

impl std::error::Error for MoreRights {}

impl fmt::Display for MoreRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (door, capabilities) = (&self.door, &self.capabilities);
        let words = match capabilities.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => capabilities.concat(),
        };
        let set = capabilities.join(",").to_lowercase();
        write!(
            f,
            "{door} needs more rights: run as root, or grant {words} (setcap '{set}+ep' lanboot)"
        )
    }
}

/// What to do about a socket that could not be had.
fn explain(error: &std::io::Error, door: &str, protocol: Protocol, port: u16) -> anyhow::Error {
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => {
            let holders = holders(protocol, port);
            let whose = if holders.is_empty() {
                "another program (run as root to see which)".into()
            } else {
                holders.join(" and ")
            };
            let instead = match (protocol, port) {
                (Protocol::Udp, 67) => {
                    "stop it, choose another interface, or use --dhcp off and let it tell machines \
                     what to boot (lanboot export)"
                }
                _ => "stop it, or choose another interface or port",
            };
            anyhow!("{door} is taken by {whose}; {instead}")
        }
        Some(libc::EACCES | libc::EPERM) => MoreRights::new(door).into(),
        Some(libc::EADDRNOTAVAIL) => anyhow!("{door}: this host has no such address"),
        _ => anyhow!("{door} cannot be opened: {error}"),
    }
}

/// The addresses to hand out when none were named: at most 150 of the interface's own network,
/// starting at the hundredth where there are that many, as home routers do.
pub fn default_range(own: Address) -> Option<(Ipv4Addr, Ipv4Addr)> {
    const SKIP: u32 = 100;
    const COUNT: u32 = 150;
    let mask = u32::MAX
        .checked_shl(32 - u32::from(own.prefix))
        .unwrap_or(0);
    let network = own.address.to_bits() & mask;
    let (first, last) = (network.checked_add(1)?, (network | !mask).checked_sub(1)?);
    if first > last {
        return None;
    }
    let roomy = last - first >= SKIP + COUNT - 1;
    let first = if roomy { network + SKIP } else { first };
    let last = if roomy { first + COUNT - 1 } else { last };
    (own.prefix <= 30).then(|| (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, address: Option<&str>) -> Interface {
        let address = address.map(|a| Address {
            address: a.parse().unwrap(),
            prefix: 24,
        });
        Interface {
            name: name.into(),
            index: 2,
            mac: Some(Mac([2; 6])),
            addresses: address.into_iter().collect(),
            up: true,
            loopback: false,
        }
    }

    #[test]
    fn the_only_interface_that_can_be_meant_is_taken() {
        let mut all = vec![
            interface("docker0", Some("172.17.0.1")),
            interface("eth0", Some("10.0.0.1")),
            interface("eth1", None),
        ];
        assert_eq!(choose(&all, None, false).unwrap().name, "eth0");
        assert_eq!(
            choose(&all, Some("docker0"), false).unwrap().name,
            "docker0"
        );
        let error = choose(&all, Some("eth1"), false).unwrap_err().to_string();
        assert!(error.contains("--address"), "{error}");
        assert_eq!(choose(&all, Some("eth1"), true).unwrap().name, "eth1");
        all.push(interface("eth2", Some("10.1.0.1")));
        let error = choose(&all, None, false).unwrap_err().to_string();
        assert!(
            error.contains("eth2 10.1.0.1/24") && error.contains("(no IPv4 address)"),
            "{error}"
        );
        let error = choose(&all, Some("eth9"), false).unwrap_err().to_string();
        assert!(
            error.starts_with("there is no interface eth9; there are:\n"),
            "{error}"
        );
    }

    #[test]
    fn link_local_and_public_networks_are_served_only_when_named() {
        for (address, why) in [
            (
                "169.254.3.3",
                "eth0 169.254.3.3/24 (only a link-local address)",
            ),
            ("8.8.8.1", "eth0 8.8.8.1/24 (in a public network)"),
            ("172.32.0.1", "(in a public network)"),
            ("100.63.0.1", "(in a public network)"),
        ] {
            let all = [interface("eth0", Some(address))];
            let error = choose(&all, None, false).unwrap_err().to_string();
            assert!(error.contains(why), "{address}: {error}");
            assert_eq!(choose(&all, Some("eth0"), false).unwrap().name, "eth0");
            let all = [interface("eth1", Some("10.0.0.1")), all[0].clone()];
            assert_eq!(choose(&all, None, false).unwrap().name, "eth1", "{address}");
        }
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.0.1",
            "192.0.2.1",
            "198.18.0.1",
        ] {
            let all = [interface("eth0", Some(address))];
            assert_eq!(choose(&all, None, false).unwrap().name, "eth0", "{address}");
        }
    }

    #[test]
    fn an_interface_is_served_at_an_address_that_is_not_link_local_where_it_has_one() {
        let mut both = interface("eth0", Some("169.254.3.3"));
        assert_eq!(both.address(), Some(both.addresses[0]));
        both.addresses
            .extend(interface("eth0", Some("10.0.0.1")).addresses);
        assert_eq!(both.address(), Some(both.addresses[1]));
        assert_eq!(both.unfit(), None);
        assert_eq!(interface("eth0", None).address(), None);
    }

    #[test]
    fn nothing_to_serve_says_all_that_is_needed_at_once() {
        let all = [
            interface("eth0", None),
            interface("zt5u4y6w3x", Some("10.4.0.1")),
        ];
        let error = choose(&all, None, false).unwrap_err().to_string();
        for part in [
            "--interface, and where it has no address give it one with --address",
            "\n  eth0 (no IPv4 address)\n",
            "\n  zt5u4y6w3x 10.4.0.1/24 (a bridge or tunnel",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_default_range_stays_inside_the_network() {
        let range = |address: &str, prefix| {
            let (a, b) = default_range(Address {
                address: address.parse().unwrap(),
                prefix,
            })?;
            Some(format!("{a}-{b}"))
        };
        assert_eq!(
            range("192.168.0.1", 24).unwrap(),
            "192.168.0.100-192.168.0.249"
        );
        assert_eq!(range("10.1.2.3", 16).unwrap(), "10.1.0.100-10.1.0.249");
        assert_eq!(range("10.0.0.1", 28).unwrap(), "10.0.0.1-10.0.0.14");
        assert_eq!(range("10.0.0.1", 30).unwrap(), "10.0.0.1-10.0.0.2");
        assert_eq!(range("10.0.0.1", 31), None);
        assert_eq!(range("10.0.0.1", 32), None);
    }

    #[test]
    fn the_rights_that_are_missing_are_named_and_no_others() {
        let one = MoreRights::new("UDP port 69");
        assert_eq!(
            one.to_string(),
            "UDP port 69 needs more rights: run as root, or grant CAP_NET_BIND_SERVICE (setcap \
             'cap_net_bind_service+ep' lanboot)"
        );
        let three = one.with("CAP_NET_RAW").with("CAP_NET_ADMIN").to_string();
        assert!(
            three.ends_with(
                "grant CAP_NET_BIND_SERVICE, CAP_NET_RAW and CAP_NET_ADMIN (setcap \
                 'cap_net_bind_service,cap_net_raw,cap_net_admin+ep' lanboot)"
            ),
            "{three}"
        );
    }

    #[test]
    fn a_taken_port_names_its_holder() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let error = tcp(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
            .unwrap_err()
            .to_string();
        let me = std::process::id().to_string();
        assert!(
            error.contains(&format!("TCP port {port} is taken by ")),
            "{error}"
        );
        assert!(error.contains(&me), "{error}");
    }
}
