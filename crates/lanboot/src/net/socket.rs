//! Opens ports, and makes answers leave by the interface a request came in by.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use anyhow::{Context as _, anyhow};
use nix::net::if_::InterfaceFlags;
use socket2::{Domain, Socket, Type};

use super::port::{Protocol, holders};
use super::rights::{Capability, MoreRights};

/// Purpose of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// DHCP, UDP 67.
    Dhcp,
    /// The PXE boot server, UDP 4011.
    BootServer,
    /// TFTP, UDP 69.
    Tftp,
    /// HTTP.
    Http,
    /// NFS and MOUNT, 2049.
    Nfs,
    /// The port mapper, 111.
    Portmap,
    /// NBD, 10809.
    Nbd,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 7] = [
        Self::Dhcp,
        Self::BootServer,
        Self::Tftp,
        Self::Http,
        Self::Nfs,
        Self::Portmap,
        Self::Nbd,
    ];

    /// Returns a suggestion for a port in use by another program.
    fn instead(self, port: u16) -> Option<String> {
        let words = match self {
            Self::Dhcp => {
                "stop it, serve another interface with --interface, or use --dhcp off and \
                 configure it with lanboot export"
            }
            Self::BootServer => "stop it if lanboot is to answer there",
            Self::Tftp => "stop it: firmware asks for boot files at no other port",
            Self::Http => {
                let other = if port == 8080 { 8081 } else { 8080 };
                return Some(format!(
                    "stop it, or serve HTTP at another port: --http-port {other}"
                ));
            }
            Self::Nfs => "stop it, or serve no NFS: --no-nfs",
            // Registering with that port mapper comes next.
            Self::Portmap => return None,
            Self::Nbd => "stop it, or serve no NBD: --no-nbd",
        };
        Some(words.into())
    }
}

/// The listeners of one TCP port at one address.
#[derive(Debug)]
pub struct Listeners {
    /// One for machines on the address's own interface, whose answers leave there whatever the
    /// routing table says, and one for all others: other interfaces, this host itself.
    pub all: Vec<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(one: TcpListener) -> Self {
        Self { all: vec![one] }
    }
}

impl Listeners {
    /// Returns the address and port they listen on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let first = self.all.first().ok_or(io::ErrorKind::NotConnected)?;
        first.local_addr()
    }
}

/// Opens a UDP socket on `address`; with an interface it receives only from that one, so that it
/// can coexist with a server on another (a bridge of virtual machines).
pub fn udp(
    interface: Option<&str>,
    address: SocketAddr,
    service: Service,
) -> anyhow::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None);
    let socket = socket.context("cannot open a socket")?;
    socket
        .bind_device(interface.map(str::as_bytes))
        .map_err(|error| {
            explain(
                &error,
                Protocol::Udp,
                address.port(),
                service,
                Capability::NetRaw,
            )
        })?;
    socket
        .set_broadcast(true)
        .and_then(|()| socket.bind(&address.into()))
        .and_then(|()| socket.set_nonblocking(true))
        .map_err(|error| {
            let bind = Capability::NetBindService;
            explain(&error, Protocol::Udp, address.port(), service, bind)
        })?;
    Ok(socket.into())
}

/// Listens on `address`, which belongs to `interface`: connections received there are answered
/// there, even if the routing table prefers another interface of the same network. Others are
/// answered by the routing table.
pub fn listen(
    interface: Option<&str>,
    address: SocketAddr,
    service: Service,
) -> anyhow::Result<Listeners> {
    let wrong = |error: io::Error| {
        let bind = Capability::NetBindService;
        explain(&error, Protocol::Tcp, address.port(), service, bind)
    };
    let near = tcp_socket(address).context("cannot open a socket")?;
    // A kernel before 5.7 may refuse without CAP_NET_RAW; the routing table is mostly right.
    let is_near = interface.is_some_and(|name| near.bind_device(Some(name.as_bytes())).is_ok());
    near.bind(&address.into()).map_err(wrong)?;
    let far = if is_near { far(&near, address) } else { None };
    let mut all = Vec::new();
    for socket in [Some(near), far].into_iter().flatten() {
        start(&socket).map_err(wrong)?;
        all.push(socket);
    }
    for socket in &all {
        // From now on no other program can share the port, nor can a second lanboot.
        socket.set_reuse_port(false)?;
        socket.set_nonblocking(true)?;
    }
    let all = all.into_iter().map(TcpListener::from).collect();
    Ok(Listeners { all })
}

/// Opens a second socket on the port of `near`, for other interfaces; `None` if another program
/// uses it there. The port is shared only after `near` had it alone, so that a conflict with
/// another program is still detected.
fn far(near: &Socket, address: SocketAddr) -> Option<Socket> {
    near.set_reuse_port(true).ok()?;
    let far = tcp_socket(address).ok()?;
    far.set_reuse_port(true).ok()?;
    far.bind(&address.into()).ok()?;
    Some(far)
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // IPv4 has listeners of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn start(socket: &Socket) -> io::Result<()> {
    /// As in nginx: enough for a classroom switched on at once.
    const BACKLOG: i32 = 511;
    socket.listen(BACKLOG)
}

/// Explains why a socket could not be opened.
fn explain(
    error: &io::Error,
    protocol: Protocol,
    port: u16,
    service: Service,
    capability: Capability,
) -> anyhow::Error {
    let place = match protocol {
        Protocol::Udp => format!("UDP port {port}"),
        Protocol::Tcp => format!("TCP port {port}"),
    };
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => anyhow!(taken(&place, &holders(protocol, port), service, port)),
        Some(libc::EACCES | libc::EPERM) => MoreRights::new(&place, capability).into(),
        Some(libc::EADDRNOTAVAIL) => anyhow!("{place}: this host has no such address"),
        Some(libc::ENODEV) => anyhow!("{place}: the interface is gone"),
        _ => anyhow!("{place} cannot be opened: {error}"),
    }
}

fn taken(place: &str, holders: &[String], service: Service, port: u16) -> String {
    let whose = match holders {
        [] => "another program (run as root to see which)".into(),
        // systemd listens for a service that starts with the first request.
        [one] if one.starts_with("systemd (") => {
            format!("{one}; 'systemctl list-sockets' names the unit to stop")
        }
        all => all.join(" and "),
    };
    match service.instead(port) {
        Some(instead) => format!("{place} is taken by {whose}; {instead}"),
        None => format!("{place} is taken by {whose}"),
    }
}

/// Returns whether the kernel drops packets that arrive on an interface where their answer would
/// not leave (`rp_filter` 1, of the interface or of all; RFC 3704 §2.2).
pub fn drops_unexpected(interface: &str) -> bool {
    let value = |name: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.trim().parse::<u8>().unwrap_or(0)
    };
    // The larger of the two applies.
    value("all").max(value(interface)) == 1
}

/// Returns whether an interface is administratively down (`ip link set … down`).
pub fn is_off(name: &str) -> bool {
    nix::ifaddrs::getifaddrs().is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.interface_name == name && !entry.flags.contains(InterfaceFlags::IFF_UP)
        })
    })
}

/// Returns whether an interface has a link: up, with a cable plugged in or a radio connected.
pub fn has_link(name: &str) -> bool {
    nix::ifaddrs::getifaddrs().is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.interface_name == name && entry.flags.contains(InterfaceFlags::IFF_RUNNING)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpStream};

    #[test]
    fn port_conflicts_name_the_program_and_a_flag() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let me = std::process::id().to_string();
        for (service, expected) in [
            (
                Service::Http,
                "or serve HTTP at another port: --http-port 8080",
            ),
            (Service::Nfs, "--no-nfs"),
            (Service::Nbd, "--no-nbd"),
        ] {
            for interface in [None, Some("lo")] {
                let error = listen(interface, here, service).unwrap_err().to_string();
                let taken = format!("TCP port {port} is taken by ");
                assert!(error.starts_with(&taken) && error.contains(&me), "{error}");
                assert!(error.ends_with(expected), "{error}");
            }
        }
    }

    #[test]
    fn suggestions_depend_on_the_service() {
        let said = |service, port| taken("port", &["x (process 7)".into()], service, port);
        assert!(
            said(Service::Tftp, 69)
                .ends_with("; stop it: firmware asks for boot files at no other port")
        );
        assert!(said(Service::Dhcp, 67).contains("--dhcp off"));
        assert!(said(Service::Http, 8080).contains("--http-port 8081"));
        assert_eq!(
            said(Service::Portmap, 111),
            "port is taken by x (process 7)"
        );
        for service in [
            Service::Dhcp,
            Service::BootServer,
            Service::Tftp,
            Service::Nfs,
            Service::Nbd,
        ] {
            let text = said(service, 1);
            let is_port_changed = text.contains("or port") || text.contains("another port");
            assert!(!is_port_changed, "the port is fixed: {text}");
        }
        let text = taken("port", &["systemd (process 1)".into()], Service::Tftp, 69);
        assert!(text.contains("systemctl list-sockets"), "{text}");
        assert!(taken("port", &[], Service::Tftp, 69).contains("run as root to see which"));
    }

    #[test]
    fn both_listeners_share_one_port_exclusively() {
        // Bound to the loopback, the second one receives nothing; this tests that the two share the
        // port.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listeners = listen(Some("lo"), here, Service::Http).unwrap();
        assert_eq!(listeners.all.len(), 2);
        let _stream = TcpStream::connect(here).unwrap();
        // The one bound to the interface receives it.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while listeners.all[0].accept().is_err() {
            assert!(std::time::Instant::now() < deadline, "no connection");
            std::thread::yield_now();
        }
        assert!(TcpListener::bind(here).is_err(), "a second server gets it");
        assert!(listen(Some("lo"), here, Service::Http).is_err());
    }
}
