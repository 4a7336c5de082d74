//! Kernel arguments as live-boot's scripts (`lib/live/boot/9990-*`) read them.

use super::evidence;
use super::layout;
use crate::images::arguments::NetworkArgs;
use crate::images::entry::{Boot, Entry, Examiner, Refusal, RootSource};
use crate::images::transport::Transport;

/// An initramfs with live-boot's scripts.
#[derive(Clone, Debug)]
pub(crate) struct LiveBoot {
    /// The folder on the medium with the layers of the root.
    pub(crate) folder: String,
    /// Number of these layers.
    pub(crate) layers: usize,
    /// Size of all files of the medium together.
    pub(crate) medium_bytes: u64,
}

/// Configuration of the network: `do_netsetup` runs klibc's `ipconfig` on every card, or on the one
/// in `BOOTIF=`, without being asked (`9990-networking.sh`). `ip=` is read later, as
/// `IFACE:ADDRESS:NETMASK:GATEWAY:DNS` for `/etc/network/interfaces` (`9990-netbase.sh`): `ip=dhcp`
/// would make an interface `dhcp` with the address `dhcp`, and a name server of that name.
const NETWORK: NetworkArgs = NetworkArgs::Interface;

impl RootSource for LiveBoot {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let Boot {
            transport, append, ..
        } = *boot;
        let (server, image) = (boot.source.server, boot.source.image);
        let (address, host) = (server.http.host, server.http.url_host());
        let mut words = entry.inherited.clone();
        match (transport, &entry.root) {
            // `do_httpmount`: the name has to end in `.squashfs`.
            (Transport::Http, Some(root)) => {
                words.push(format!("fetch={}/iso/{image}/{root}", server.http));
            }
            // `do_nfsmount`.
            (Transport::Nfs, _) => words.extend([
                "netboot=nfs".to_owned(),
                format!("nfsroot={host}:/iso/{image}"),
            ]),
            (Transport::Http | Transport::Nbd, _) => {}
        }
        if self.folder != layout::LIVE {
            words.push(format!("live-media-path={}", self.folder));
        }
        words.extend(NETWORK.words(boot.dialect, address));
        words.extend(append.split_whitespace().map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        match transport {
            Transport::Http if self.layers > 1 => Some(Refusal::SeveralLayers(self.layers)),
            Transport::Http | Transport::Nfs => None,
            Transport::Nbd => Some(Refusal::NbdUnsupported("live-boot")),
        }
    }

    fn streams(&self, transport: Transport, append: &str) -> bool {
        transport == Transport::Nfs && copy(append) == Copy::Nothing
    }

    /// Over HTTP the file is written into a ramfs, and the system starts from there
    /// (`9990-mount-http.sh`); `toram` then copies it once more. Over NFS `toram` copies the whole
    /// medium, `toram=FILE` one layer (`9990-toram-todisk.sh`).
    fn copied_bytes(&self, root_bytes: u64, transport: Transport, append: &str) -> u64 {
        match (transport, copy(append)) {
            (Transport::Http, Copy::Nothing) => root_bytes,
            (Transport::Http, Copy::Medium | Copy::Layer) => root_bytes.saturating_mul(2),
            (Transport::Nfs | Transport::Nbd, Copy::Medium) => self.medium_bytes,
            (Transport::Nfs | Transport::Nbd, Copy::Nothing | Copy::Layer) => root_bytes,
        }
    }

    fn sysappend(&self) -> u32 {
        NETWORK.sysappend()
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(evidence::lacks)
    }
}

/// Part of the medium that `toram` in the operator's own arguments copies into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    Nothing,
    /// Everything on the medium.
    Medium,
    /// One layer of the root.
    Layer,
}

/// Returns what `append` asks to copy. `toram=FILE` counts also beside `toram`, and an empty `FILE`
/// is none.
fn copy(append: &str) -> Copy {
    let words = append.split_whitespace();
    words.fold(Copy::Nothing, |copy, word| {
        match word.strip_prefix("toram") {
            Some("" | "=") if copy == Copy::Nothing => Copy::Medium,
            Some(value) if value.len() > 1 && value.starts_with('=') => Copy::Layer,
            _ => copy,
        }
    })
}
