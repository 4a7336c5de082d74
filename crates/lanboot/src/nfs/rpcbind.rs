//! Port 111 when the host has a port mapper of its own: lanboot registers there, again when the
//! port mapper was started anew, and takes that back when it ends.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use lanboot_core::nfs::{Ask, Mapping, PORTMAP_PORT, ask, mappings, word};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Ports only root may use, by which a port mapper knows that it may trust; from the top, as
/// `bindresvport` does, down to what is given to services.
const RESERVED: std::ops::RangeInclusive<u16> = 665..=1023;
/// Wait for an answer from this host.
const PATIENCE: Duration = Duration::from_millis(500);
/// Times a question is asked.
const TRIES: u32 = 3;

/// Interval of repeated registration: a port mapper that was restarted has forgotten everything.
const RENEW: Duration = Duration::from_secs(10);

/// Keeps `registered` true until `drain` becomes true, then takes it back.
pub(super) async fn keep(registered: Option<Registered>, mut drain: watch::Receiver<bool>) {
    let Some(mut registered) = registered else {
        return;
    };
    while timeout(RENEW, drain.wait_for(|is_draining| *is_draining))
        .await
        .is_err()
    {
        let renewed = spawn_blocking(move || {
            registered.renew();
            registered
        });
        match renewed.await {
            Ok(same) => registered = same,
            // The program ends.
            Err(_) => return,
        }
    }
    let _ = spawn_blocking(move || drop(registered)).await;
}

/// A registration with the port mapper.
#[derive(Debug)]
pub(super) struct Registered {
    asker: Asker,
    mappings: Vec<Mapping>,
}

/// Reason the port mapper does not know this server.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRegistered {
    /// There is no way to ask.
    #[error("it does not answer ({0})")]
    Silent(#[from] io::Error),
    /// It does not want to.
    #[error("it refuses")]
    Refused,
    /// Another program is registered.
    #[error("another NFS server is registered there at port {0}")]
    Taken(u32),
}

impl Registered {
    /// Registers NFS and MOUNT at `port`.
    pub(super) fn new(port: u16) -> Result<Self, NotRegistered> {
        let mut registered = Self {
            asker: Asker::new()?,
            mappings: Vec::new(),
        };
        for mapping in mappings(port) {
            if registered.asker.ask(Ask::Set, mapping)? == 0 {
                // A run that was killed is registered still.
                match registered.asker.ask(Ask::Port, mapping)? {
                    0 => return Err(NotRegistered::Refused),
                    known if known == u32::from(port) => {}
                    other => return Err(NotRegistered::Taken(other)),
                }
            }
            registered.mappings.push(mapping);
        }
        Ok(registered)
    }

    /// Registers again. The port mapper refuses what it has already; and asking it first would be
    /// no use, because it answers for a version it does not know with another one.
    fn renew(&mut self) {
        for mapping in &self.mappings {
            // It may not run at the moment.
            if self.asker.ask(Ask::Set, *mapping).is_err() {
                return;
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        for mapping in &self.mappings {
            // It may have ended before us.
            if self.asker.ask(Ask::Unset, *mapping).is_err() {
                return;
            }
        }
    }
}

#[derive(Debug)]
struct Asker {
    socket: UdpSocket,
    xid: u32,
}

impl Asker {
    fn new() -> io::Result<Self> {
        let bind = |port| UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        let mut bound = Err(io::ErrorKind::AddrInUse.into());
        for port in RESERVED.rev() {
            bound = bind(port);
            match &bound {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                _ => break,
            }
        }
        let socket = bound?;
        socket.connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, PORTMAP_PORT))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            xid: std::process::id(),
        })
    }

    fn ask(&mut self, what: Ask, mapping: Mapping) -> io::Result<u32> {
        self.xid = self.xid.wrapping_add(1);
        let call = ask(self.xid, what, mapping);
        let mut buffer = [0; 128];
        let mut last = io::ErrorKind::TimedOut.into();
        for _ in 0..TRIES {
            self.socket.send(&call)?;
            match self.socket.recv(&mut buffer) {
                Ok(len) => match word(buffer.get(..len).unwrap_or_default(), self.xid) {
                    Some(word) => return Ok(word),
                    None => last = io::ErrorKind::InvalidData.into(),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

/// Returns what to do when neither port 111 nor who has it is to be had.
pub(super) fn advice(taken: &anyhow::Error, why: &NotRegistered) -> String {
    format!(
        "machines will not find NFS: {taken:#}, and lanboot cannot register there: {why}. Stop it \
         (systemctl stop rpcbind.socket rpcbind.service) and start lanboot again, or mount with \
         the options vers=3,port={port},mountport={port}",
        port = lanboot_core::nfs::PORT
    )
}

/// Returns what to say in front of "port 2049 is taken" when it is the kernel's own server, which
/// is no process.
pub(super) fn kernel_server() -> Option<&'static str> {
    let threads = fs::read_to_string("/proc/fs/nfsd/threads").ok()?;
    let is_running = threads.trim().parse::<u32>().is_ok_and(|n| n > 0);
    is_running.then_some(
        "the NFS server of this host's kernel is running; stop it (systemctl stop nfs-server) to \
         serve images over NFS",
    )
}
