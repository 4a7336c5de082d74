//! The bound sockets of the server: TCP and UDP, for NFS and for the port mapper.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::nfs::{Handles, PORT, PORTMAP_PORT, Port};

use super::key;
use super::rpcbind::{self, Registered};
use crate::net::{self, Listeners, Service};

/// The bound sockets.
#[derive(Debug)]
pub struct Listener {
    pub(super) nfs: Sockets,
    pub(super) portmap: Option<Sockets>,
    pub(super) handles: Handles,
    /// Removed when the server stops.
    pub(super) registered: Option<Registered>,
}

/// One port over both protocols.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) address: SocketAddr,
    pub(super) tcp: Listeners,
    pub(super) udp: std::net::UdpSocket,
}

impl Sockets {
    fn bind(
        interface: Option<&str>,
        address: SocketAddr,
        service: Service,
    ) -> anyhow::Result<Self> {
        let tcp = net::listen(interface, address, service)?;
        let address = tcp.local_addr()?;
        let udp = net::udp(None, address, service)?;
        // An answer to a forged sender must never reach everybody.
        udp.set_broadcast(false)?;
        Ok(Self { address, tcp, udp })
    }
}

impl Listener {
    /// Binds both ports of `address`, which is one of `interface`. The key of the handles is kept
    /// in the folder `state`. Without port 111, which the host's own port mapper may have, the
    /// server is registered there; messages for the operator go to `diagnostics`.
    ///
    /// # Errors
    /// Fails when NFS cannot be served at all: one sentence that says what to do.
    pub fn open(
        interface: &str,
        address: IpAddr,
        state: &Path,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> anyhow::Result<Self> {
        let bind =
            |port, service| Sockets::bind(Some(interface), SocketAddr::new(address, port), service);
        let nfs = bind(PORT, Service::Nfs).map_err(|error| match rpcbind::kernel_server() {
            Some(why) => error.context(why),
            None => error,
        })?;
        let handles = Handles::new(key::load(state)?);
        let (portmap, registered) = match bind(PORTMAP_PORT, Service::Portmap) {
            Ok(sockets) => (Some(sockets), None),
            Err(error) => match Registered::new(PORT) {
                Ok(registered) => {
                    diagnostics.push(
                        DiagnosticCode::NfsRegistered
                            .with("NFS is registered with the port mapper of this host"),
                    );
                    (None, Some(registered))
                }
                Err(why) => {
                    diagnostics
                        .push(DiagnosticCode::NfsNotRegistered.with(rpcbind::advice(&error, &why)));
                    (None, None)
                }
            },
        };
        Ok(Self {
            nfs,
            portmap,
            handles,
            registered,
        })
    }

    /// Binds any free ports of `address`, for tests; [`Self::ports`] returns them.
    pub fn anywhere(address: IpAddr, key: [u8; 16]) -> anyhow::Result<Self> {
        Ok(Self {
            nfs: anywhere(address)?,
            portmap: Some(anywhere(address)?),
            handles: Handles::new(key),
            registered: None,
        })
    }

    /// Returns the addresses of NFS and, if it is ours, of the port mapper.
    pub fn ports(&self) -> (SocketAddr, Option<SocketAddr>) {
        (self.nfs.address, self.portmap.as_ref().map(|p| p.address))
    }
}

/// Binds a port that is free over both protocols.
fn anywhere(address: IpAddr) -> anyhow::Result<Sockets> {
    const TRIES: usize = 20;
    let bind = || Sockets::bind(None, SocketAddr::new(address, 0), Service::Nfs);
    (1..TRIES).find_map(|_| bind().ok()).map_or_else(bind, Ok)
}

/// Returns the port of the host that a port of the protocol is.
pub(super) fn service(port: Port) -> Service {
    match port {
        Port::Nfs => Service::Nfs,
        Port::Portmap => Service::Portmap,
    }
}
