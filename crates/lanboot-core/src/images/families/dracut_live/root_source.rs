//! Kernel arguments as dracut's hooks read them.

use std::sync::Arc;

use super::kiwi::KiwiLive;
use crate::images::arguments::NetworkArgs;
use crate::images::dracut_evidence;
use crate::images::entry::{Boot, Entry, Examiner, Refusal, RootSource};
use crate::images::transport::Transport;
use crate::initramfs::Contents;

/// An initramfs with dracut's `dmsquash-live`.
#[derive(Clone, Debug)]
pub(crate) struct DracutLive {
    /// The disk with the root (`CDLABEL=…`), where it has a name.
    pub(crate) disk: Option<String>,
    /// The arguments that name the image on that disk.
    pub(crate) place: Vec<String>,
    /// True if changes go to an overlay file system. The image of a root itself has no device for
    /// device-mapper's snapshot. dracut 106 and later find that out (`dmsquash-live-root.sh`), 059
    /// mounts an overlay without having made its folders.
    pub(crate) overlay: bool,
    /// True if it is a system built from a container image.
    pub(crate) is_container: bool,
    /// Size of the whole image in bytes.
    pub(crate) image_bytes: u64,
    /// True if the medium has kiwi's layout: kiwi builds live media with dracut's module and with its own.
    pub(crate) has_kiwi_layout: bool,
}

/// Configuration of the network. With a root on the network `rd.neednet=1` follows by itself
/// (`net-genrules.sh`, `nm-config.sh`, `networkd-config.sh`).
const NETWORK: NetworkArgs = NetworkArgs::EveryCard;

impl RootSource for DracutLive {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let Boot {
            transport, append, ..
        } = *boot;
        let (server, image) = (boot.source.server, boot.source.image);
        let (address, host) = (server.http.host, server.http.url_host());
        let mut words = entry.inherited.clone();
        match (transport, &entry.root, &self.disk) {
            // `livenetroot.sh`: curl into a file, with 100 attempts.
            (Transport::Http, Some(root), _) => {
                words.push(format!("root=live:{}/iso/{image}/{root}", server.http));
            }
            // `nfs_fetch_url` mounts the folder and starts from the file there. The generator knows
            // no other notation than this one.
            (Transport::Nfs, Some(root), _) => {
                words.push(format!("root=live:nfs://{host}/iso/{image}/{root}"));
            }
            // `nbdroot.sh` attaches the disk, and udev finds the label on it.
            (Transport::Nbd, _, Some(disk)) => {
                let name = boot.source.identity.pinned_name(image);
                words.push(format!("root=live:{disk}"));
                words.push(format!("netroot=nbd:{host}:{name}"));
                words.extend(self.place.iter().cloned());
            }
            (Transport::Http | Transport::Nfs | Transport::Nbd, _, _) => {}
        }
        if self.overlay {
            words.push("rd.live.overlay.overlayfs=1".to_owned());
        }
        // immucore takes a root that is not on a disk of its own for an installed system.
        if self.is_container {
            words.push("netboot".to_owned());
        }
        let own_address = append
            .split_whitespace()
            .any(|word| word.starts_with("ip="));
        let network = NETWORK.words(boot.dialect, address).into_iter();
        // `parse-ip-opts.sh` stops at `ip=dhcp` beside another `ip=`.
        words.extend(network.filter(|word| !(own_address && word.starts_with("ip="))));
        words.extend(append.split_whitespace().map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        let nameless = transport == Transport::Nbd && self.disk.is_none();
        nameless.then_some(Refusal::NoDiskLabel)
    }

    fn streams(&self, transport: Transport, append: &str) -> bool {
        transport != Transport::Http && !copies(append)
    }

    /// The kernel makes its first file system a ramfs where `root=` is given, and the download is
    /// there. `rd.live.ram` copies it once more.
    fn copied_bytes(&self, root_bytes: u64, transport: Transport, append: &str) -> u64 {
        let copies = match (transport, copies(append)) {
            (Transport::Http, true) => 2,
            _ => 1,
        };
        root_bytes.saturating_mul(copies)
    }

    fn sysappend(&self) -> u32 {
        NETWORK.sysappend()
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(dracut_evidence::lacks)
    }

    fn needs_contents(&self) -> bool {
        self.has_kiwi_layout
    }

    fn with_contents(&self, contents: &Contents) -> Option<Arc<dyn RootSource>> {
        if !dracut_evidence::is_kiwi(contents) {
            return None;
        }
        let kiwi = KiwiLive {
            disk: self.disk.clone(),
            place: self.place.clone(),
            image_bytes: self.image_bytes,
        };
        Some(Arc::new(kiwi))
    }
}

/// Tests whether the operator's own arguments ask for a copy of the root in memory.
fn copies(append: &str) -> bool {
    let mut words = append.split_whitespace().rev();
    words
        .find_map(|word| match word.strip_prefix("rd.live.ram")? {
            "" => Some(true),
            value => value
                .strip_prefix('=')
                .map(|v| !matches!(v, "0" | "no" | "off")),
        })
        .unwrap_or(false)
}
