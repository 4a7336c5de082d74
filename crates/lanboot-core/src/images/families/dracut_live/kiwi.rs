//! Kernel arguments as kiwi's own live module reads them. Media have the same layout and menus with it
//! and with `dmsquash-live` (`<type image="iso" flags="dmsquash">`), so that only the initramfs shows
//! which of the two it is.
//!
//! Read in kiwi 9.24 (Debian 12) and 11.1: `kiwi-live`'s `parse-kiwi-live.sh`, `kiwi-live-genrules.sh`,
//! `kiwi-live-root.sh`, `kiwi-live-lib.sh`.

use crate::images::arguments::NetworkArgs;
use crate::images::dracut_evidence;
use crate::images::entry::{Boot, Entry, Examiner, Fetch, Fetched, Refusal, RootSource};
use crate::images::transport::Transport;

/// An initramfs with kiwi's own live module.
#[derive(Clone, Debug)]
pub(super) struct KiwiLive {
    /// The disk with the root (`CDLABEL=…`), where it has a name.
    pub(super) disk: Option<String>,
    /// The arguments that name the image on the medium.
    pub(super) place: Vec<String>,
    /// Size of the whole image in bytes.
    pub(super) image_bytes: u64,
}

/// Configuration of the network.
const NETWORK: NetworkArgs = NetworkArgs::EveryCard;

impl RootSource for KiwiLive {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let Boot {
            transport, append, ..
        } = *boot;
        let (server, image) = (boot.source.server, boot.source.image);
        let mut words = entry.inherited.clone();
        match (transport, &self.disk) {
            // `ProvideIso`: curl into `/dev/ram0`. The network has to be there by then, which no
            // root on it asks for here.
            (Transport::Http, _) => words.extend([
                format!("root=live:{}/iso/{image}.iso", server.http),
                format!("ramdisk_size={}", self.image_bytes.div_ceil(1024)),
                "rd.neednet=1".to_owned(),
            ]),
            // dracut's own `nbdroot.sh` attaches the disk, and udev finds the label on it.
            (Transport::Nbd, Some(disk)) => {
                let name = boot.source.identity.pinned_name(image);
                words.push(format!("root=live:{disk}"));
                words.push(format!("netroot=nbd:{}:{name}", server.http.url_host()));
            }
            (Transport::Nbd | Transport::Nfs, _) => {}
        }
        words.extend(self.place.iter().cloned());
        let is_own = |word: &str| word.starts_with("ip=");
        let own_address = append.split_whitespace().any(is_own);
        let network = NETWORK.words(boot.dialect, server.http.host).into_iter();
        words.extend(network.filter(|word| !(own_address && is_own(word))));
        words.extend(append.split_whitespace().map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        match transport {
            Transport::Http => None,
            Transport::Nfs => Some(Refusal::NfsUnsupported("kiwi's")),
            Transport::Nbd => self.disk.is_none().then_some(Refusal::NoDiskLabel),
        }
    }

    fn fetches(&self, _entry: &Entry, _root: &str, _append: &str) -> Vec<Fetch> {
        vec![Fetch {
            file: Fetched::WholeImage,
            required: true,
        }]
    }

    /// The image is on a RAM disk, which takes its memory as it is written.
    fn copied_bytes(&self, _root_bytes: u64, _transport: Transport, _append: &str) -> u64 {
        self.image_bytes
    }

    fn sysappend(&self) -> u32 {
        NETWORK.sysappend()
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(dracut_evidence::lacks_of_kiwi)
    }
}
