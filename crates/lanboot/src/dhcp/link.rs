//! One interface on which DHCP is served: its sockets, and how an answer leaves through them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use lanboot_core::dhcp::server_detection::{Policy, ServerDetection};
use lanboot_core::dhcp::{Destination, Mode, Outgoing, Port, SERVER_PORT};
use lanboot_core::events::ListenerReason;
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::machine::Mac;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UdpSocket;

use crate::io::udp::{self, Arrival};
use crate::net::{
    self, ArpSocket, Capability, ClientSocket, FrameSocket, Interface, MoreRights, Service, Upper,
};

/// The port of PXE boot servers (PXE 2.1 §2.2.5).
pub(super) const BOOT_SERVER_PORT: u16 = 4011;

/// One interface with its sockets open.
#[derive(Debug)]
pub struct Opened {
    interface: Arc<str>,
    index: u32,
    address: Ipv4Addr,
    mac: Mac,
    policy: Policy,
    server: std::net::UdpSocket,
    boot_server: Option<std::net::UdpSocket>,
    frames: FrameSocket,
    arp: ArpSocket,
    client: ClientSocket,
}

impl Opened {
    /// Opens the sockets that DHCP on `interface` needs, to answer from `address` as `policy` wants.
    /// Messages for the operator go to `diagnostics`.
    ///
    /// # Errors
    /// It is no Ethernet interface, a port is in use, or rights are missing.
    pub fn open(
        interface: &Interface,
        address: Ipv4Addr,
        policy: Policy,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let name = &interface.name;
        let Some(mac) = interface.mac else {
            anyhow::bail!(
                "{name} is not an Ethernet interface; DHCP cannot be served there (--dhcp off)"
            );
        };
        let raw = |what: &str, error: io::Error| match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                let what = format!("a raw socket for {what} on {name}");
                MoreRights::new(&what, Capability::NetRaw).into()
            }
            _ => anyhow::Error::new(error)
                .context(format!("cannot open a raw socket for {what} on {name}")),
        };
        let port = |port, service| {
            let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            let socket = net::udp(Some(name), any, service)?;
            // Broadcasts leave as frames; an answer to a forged sender must reach one host at most.
            socket.set_broadcast(false)?;
            udp::prepare(&socket)
                .with_context(|| format!("UDP port {port}: the receiving interface is unknown"))?;
            anyhow::Ok(socket)
        };
        let boot_server = port(BOOT_SERVER_PORT, Service::BootServer).map_err(|error| {
            let diagnostic = DiagnosticCode::BootServerPortTaken.with(format!(
                "PXE's port 4011 is not served on {name}: {error:#}. Beside another DHCP server, \
                 machines get the name of their boot file at once instead; those that still ask \
                 there (UEFI of before 2017, some of HP's) get that program's answer and may not \
                 boot"
            ));
            diagnostics.push(diagnostic.of_interface(name));
        });
        Ok(Self {
            server: port(SERVER_PORT, Service::Dhcp)?,
            boot_server: boot_server.ok(),
            frames: FrameSocket::open(interface.index).map_err(|error| raw("DHCP", error))?,
            arp: ArpSocket::open(interface.index, mac).map_err(|error| raw("ARP", error))?,
            client: ClientSocket::open(interface.index).map_err(|error| raw("DHCP", error))?,
            interface: name.as_str().into(),
            index: interface.index,
            address,
            mac,
            policy,
        })
    }

    /// Tests whether this is the link of `interface`.
    pub fn is_on(&self, interface: &Interface) -> bool {
        self.index == interface.index
    }

    /// Returns the UDP ports open here.
    pub fn ports(&self) -> Vec<(Service, u16)> {
        let boot_server = self.boot_server.as_ref();
        let boot_server = boot_server.map(|_| (Service::BootServer, BOOT_SERVER_PORT));
        let server = Some((Service::Dhcp, SERVER_PORT));
        server.into_iter().chain(boot_server).collect()
    }

    /// Registers the sockets with the runtime. Server detection starts at time zero.
    pub(super) fn polled(self) -> io::Result<Link> {
        let (address, mac) = (self.address, self.mac);
        let detection = ServerDetection::new(self.policy, address, mac, Duration::ZERO);
        let boot_server = self.boot_server.map(UdpSocket::from_std).transpose()?;
        Ok(Link {
            is_linked: net::has_link(&self.interface),
            has_address: true,
            upper: None,
            interface: self.interface,
            index: self.index,
            address: self.address,
            detection,
            server: UdpSocket::from_std(self.server)?,
            boot_server,
            frames: self.frames,
            arp: self.arp.polled()?,
            client: self.client.polled()?,
        })
    }
}

/// The sockets of a link that can be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ready {
    /// Port 67 or 4011.
    Message(Port),
    /// ARP.
    Arp,
    /// Port 68: what servers send to clients.
    Client,
}

impl Ready {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [
        Self::Message(Port::Server),
        Self::Message(Port::BootServer),
        Self::Arp,
        Self::Client,
    ];
}

/// Everything that can be read.
#[derive(Clone, Copy)]
pub(super) enum Readable {
    Link(usize, Ready),
    Ping,
    /// Changes of the interfaces.
    Changes,
}

/// How a message was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// Number of the link.
    pub(super) link: usize,
    /// The port it came to.
    pub(super) port: Port,
    /// Its sender.
    pub(super) source: SocketAddrV4,
    /// The address of this host it was sent to.
    pub(super) to: Ipv4Addr,
}

/// One interface, polled by the runtime.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) interface: Arc<str>,
    pub(super) address: Ipv4Addr,
    pub(super) detection: ServerDetection,
    pub(super) index: u32,
    /// True if it had a link at the last report.
    pub(super) is_linked: bool,
    /// True if this host had `address` there at the last report.
    pub(super) has_address: bool,
    /// The bridge, bond or the like that this interface is a part of, and that receives in its place.
    pub(super) upper: Option<Upper>,
    server: UdpSocket,
    boot_server: Option<UdpSocket>,
    frames: FrameSocket,
    arp: AsyncFd<ArpSocket>,
    client: AsyncFd<ClientSocket>,
}

impl Link {
    /// Polls one of its sockets for something to read.
    pub(super) fn poll(&self, what: Ready, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match what {
            Ready::Message(port) => match self.socket(port) {
                Some(socket) => socket.poll_recv_ready(cx),
                None => Poll::Pending,
            },
            Ready::Arp => self.arp.poll_read_ready(cx).map_ok(drop),
            Ready::Client => self.client.poll_read_ready(cx).map_ok(drop),
        }
    }

    /// Receives the next message at `port`; `WouldBlock` when there is none.
    pub(super) fn receive(&self, port: Port, buffer: &mut [u8]) -> io::Result<Arrival> {
        let socket = self.socket(port).ok_or(io::ErrorKind::WouldBlock)?;
        socket.try_io(Interest::READABLE, || udp::receive(socket, buffer))
    }

    /// Receives the next ARP answer: an address and its owner; `WouldBlock` when there is none.
    pub(super) fn hear_arp(&self) -> io::Result<Option<(Ipv4Addr, Mac)>> {
        self.arp.try_io(Interest::READABLE, ArpSocket::heard)
    }

    /// Receives the next message of a server to a client; `WouldBlock` when there is none.
    pub(super) fn hear_server(&self) -> io::Result<Option<(Ipv4Addr, Vec<u8>)>> {
        self.client.try_io(Interest::READABLE, ClientSocket::heard)
    }

    /// Sends an ARP probe for an address.
    pub(super) fn probe(&self, address: Ipv4Addr) -> io::Result<()> {
        self.arp.get_ref().probe(address)
    }

    /// Sends a probe for other DHCP servers.
    pub(super) fn probe_servers(&mut self, xid: u32) -> io::Result<()> {
        let probe = self.detection.probe(xid);
        self.client.get_ref().ask(&probe)
    }

    /// Returns whether port 4011 is served here.
    pub(super) fn is_boot_server(&self) -> bool {
        self.boot_server.is_some()
    }

    /// Returns how messages are answered here, or why none is for now.
    pub(super) fn mode(&self) -> Result<Mode, ListenerReason> {
        if !self.has_address {
            return Err(ListenerReason::AddressGone {
                interface: Arc::clone(&self.interface),
                address: IpAddr::V4(self.address),
            });
        }
        if let Some(upper) = &self.upper {
            return Err(ListenerReason::PartOfAnother {
                interface: Arc::clone(&self.interface),
                role: upper.role(),
            });
        }
        self.detection.mode().ok_or(ListenerReason::Undecided)
    }

    /// Returns whether a cable is plugged in and what arrives is for this interface.
    pub(super) fn has_link(&self) -> bool {
        self.upper.is_none() && net::has_link(&self.interface)
    }

    /// Sends an answer to a message that was `received` like this.
    pub(super) fn send(&self, outgoing: &Outgoing, received: &Received) -> io::Result<()> {
        let (own, bytes) = (self.address, &outgoing.bytes);
        match outgoing.to {
            Destination::Relay(target) | Destination::Unicast(target) => {
                self.send_to(received, target, bytes)
            }
            Destination::Frame { mac, address } => self.frames.send(own, address, mac, bytes),
            // By frame too: without a default route the kernel has no way to 255.255.255.255.
            Destination::Broadcast => {
                let everybody = Mac([0xff; 6]);
                self.frames.send(own, Ipv4Addr::BROADCAST, everybody, bytes)
            }
        }
    }

    /// Sends from the port the message came to. A boot server answers from the address it was asked
    /// at; DHCP from the one of this interface, its server identifier.
    fn send_to(&self, received: &Received, target: SocketAddrV4, bytes: &[u8]) -> io::Result<()> {
        let source = match received.port {
            Port::Server => self.address,
            Port::BootServer => received.to,
        };
        let socket = self
            .socket(received.port)
            .ok_or(io::ErrorKind::NotConnected)?;
        let info = libc::in_pktinfo {
            ipi_ifindex: i32::try_from(self.index).unwrap_or(0),
            ipi_spec_dst: libc::in_addr {
                s_addr: source.to_bits().to_be(),
            },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        sendmsg(
            socket.as_raw_fd(),
            &[io::IoSlice::new(bytes)],
            &[ControlMessage::Ipv4PacketInfo(&info)],
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrIn::from(target)),
        )?;
        Ok(())
    }

    fn socket(&self, port: Port) -> Option<&UdpSocket> {
        match port {
            Port::Server => Some(&self.server),
            Port::BootServer => self.boot_server.as_ref(),
        }
    }
}
