//! Kernel arguments as archiso's hooks (mkinitcpio-archiso `hooks/*`) read them.

use super::evidence;
use crate::images::arguments::NetworkArgs;
use crate::images::entry::{Boot, Entry, Examiner, Fetch, Fetched, Refusal, RootSource};
use crate::images::transport::Transport;

/// An initramfs with archiso's hooks.
#[derive(Clone, Debug)]
pub(crate) struct Archiso {
    /// The arguments that configure its network.
    pub(crate) network: NetworkArgs,
    /// Extra arguments that depend on files of the medium (`cms_verify=y`).
    pub(crate) extra: Vec<String>,
    /// The files it fetches over HTTP besides the root: before it (aitab) and after it (signature,
    /// checksum, further layers), in order.
    pub(crate) companions: (Vec<Companion>, Vec<Companion>),
    /// Folders with further layers of the root, besides the root's own folder.
    pub(crate) layer_folders: Vec<String>,
    /// Copies of the root in memory at once while it is copied over HTTP: today's hook keeps what
    /// it downloaded beside the copy it boots from.
    pub(crate) http_copies: u64,
    /// The behaviour of its `nbd-client` and hooks with a root that stays on the server.
    pub(crate) nbd_root: NbdRoot,
}

/// A file that the hook for HTTP fetches besides the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Companion {
    /// Path on the medium.
    pub(crate) path: String,
    /// The kernel argument that makes the initramfs fetch it; `None` when it always does.
    pub(crate) asked_by: Option<&'static str>,
}

/// The behaviour of a medium's `nbd-client` and hooks with a root that stays on the server over
/// NBD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NbdRoot {
    /// The disk stays attached and the boot goes on.
    Streams,
    /// `nbd-client -persist` stays in the foreground (nbd 3.27 and later), and the boot with it.
    Stalls,
    /// The hook disconnects the disk in any case (archiso before v27, 2016-05): the root has to be
    /// copied.
    Disconnects,
    /// Not known.
    #[default]
    Unknown,
}

impl RootSource for Archiso {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let Boot {
            transport, append, ..
        } = *boot;
        let (server, image) = (boot.source.server, boot.source.image);
        let (address, host) = (server.http.host, server.http.url_host());
        let mut words = entry.inherited.clone();
        match transport {
            // The hook concatenates, so the slash at the end is part of the contract.
            Transport::Http => {
                words.push(format!("archiso_http_srv={}/iso/{image}/", server.http));
            }
            Transport::Nfs => words.push(format!("archiso_nfs_srv={host}:/iso/{image}")),
            Transport::Nbd => {
                let name = boot.source.identity.pinned_name(image);
                words.extend([
                    format!("archiso_nbd_srv={address}"),
                    format!("archiso_nbd_name={name}"),
                ]);
            }
        }
        let disconnects = self.nbd_root == NbdRoot::Disconnects;
        match asks_for_copy(append) {
            None if self.streams(transport, append) => words.push("copytoram=n".into()),
            // Before v27 nothing but the argument makes the hook copy.
            None if transport == Transport::Nbd && disconnects => words.push("copytoram=y".into()),
            _ => {}
        }
        words.extend(self.network.words(boot.dialect, address));
        words.extend(self.extra.iter().cloned());
        words.push("net.ifnames=0".into());
        words.extend(append.split_whitespace().map(str::to_owned));
        words
    }

    fn check(&self, transport: Transport, append: &str) -> Result<(), Refusal> {
        let stays = asks_for_copy(append) == Some(false);
        match transport {
            Transport::Http if stays => Err(Refusal::CopyToRamOff),
            Transport::Nbd if stays && self.nbd_root == NbdRoot::Disconnects => {
                Err(Refusal::NbdDisconnects)
            }
            Transport::Http | Transport::Nfs | Transport::Nbd => Ok(()),
        }
    }

    fn streams(&self, transport: Transport, append: &str) -> bool {
        match (transport, asks_for_copy(append)) {
            (Transport::Http, _) => false,
            (Transport::Nfs | Transport::Nbd, Some(is_copied)) => !is_copied,
            (Transport::Nfs, None) => true,
            (Transport::Nbd, None) => self.nbd_root == NbdRoot::Streams,
        }
    }

    fn is_proven(&self, transport: Transport) -> bool {
        transport != Transport::Nbd || self.nbd_root == NbdRoot::Streams
    }

    fn fetches(&self, entry: &Entry, root: &str, append: &str) -> Vec<Fetch> {
        let given = entry
            .inherited
            .iter()
            .chain(&self.extra)
            .map(String::as_str);
        let words: Vec<&str> = given.chain(append.split_whitespace()).collect();
        let fetch = |companion: &Companion| Fetch {
            file: Fetched::File(companion.path.clone()),
            required: companion.asked_by.is_none_or(|key| is_asked(&words, key)),
        };
        let (before, after) = &self.companions;
        let root = Fetch {
            file: Fetched::File(root.to_owned()),
            required: true,
        };
        let before = before.iter().map(fetch);
        before
            .chain([root])
            .chain(after.iter().map(fetch))
            .collect()
    }

    /// Over NFS and NBD the root is copied once.
    fn copied_bytes(&self, root_bytes: u64, transport: Transport, _append: &str) -> u64 {
        match transport {
            Transport::Http => root_bytes.saturating_mul(self.http_copies),
            Transport::Nfs | Transport::Nbd => root_bytes,
        }
    }

    fn layer_folders(&self) -> &[String] {
        &self.layer_folders
    }

    fn sysappend(&self) -> u32 {
        self.network.sysappend()
    }

    fn examiner(&self) -> Option<Examiner> {
        Some(evidence::lacks)
    }
}

/// Returns whether `append` asks for a copy of the root in memory; `None` where it leaves that to
/// the hooks. The last `copytoram=` counts, and only `n` is no.
fn asks_for_copy(append: &str) -> Option<bool> {
    let mut words = append.split_whitespace().rev();
    words.find_map(|word| match word.strip_prefix("copytoram")? {
        // The word alone means yes (mkinitcpio's `parse_cmdline`).
        "" => Some(true),
        value => value.strip_prefix('=').map(|value| value != "n"),
    })
}

/// Tests whether the last of the `words` with this key says yes: `key` alone means `y`.
fn is_asked(words: &[&str], key: &str) -> bool {
    let of_key = |word: &&str| match word.strip_prefix(key) {
        Some("") => Some(true),
        Some(rest) => rest.strip_prefix('=').map(|value| value == "y"),
        None => None,
    };
    words.iter().rev().find_map(of_key).unwrap_or(false)
}
