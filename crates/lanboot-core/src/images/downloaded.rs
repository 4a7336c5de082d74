//! An initramfs that downloads the image as it is over HTTP, and finds it by one argument.

use super::arguments::NetworkArgs;
use super::entry::{Boot, Entry, Fetch, Fetched, Refusal, RootSource};
use super::transport::Transport;

/// An initramfs that knows one argument with the image's URL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Downloaded {
    /// The argument up to the URL, as `root=live:`.
    pub(super) argument: &'static str,
    /// Configuration of its network; `None` where it does so without being asked.
    pub(super) network: Option<NetworkArgs>,
    /// Name that people know it by.
    pub(super) name: &'static str,
}

impl RootSource for Downloaded {
    fn arguments(&self, entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let (server, image) = (boot.source.server, boot.source.image);
        let mut words = entry.inherited.clone();
        words.push(format!("{}{}/iso/{image}.iso", self.argument, server.http));
        let network = self.network.iter();
        words.extend(network.flat_map(|args| args.words(boot.dialect, server.http.host)));
        words.extend(boot.append.split_whitespace().map(str::to_owned));
        words
    }

    fn unsupported(&self, transport: Transport) -> Option<Refusal> {
        (transport != Transport::Http).then_some(Refusal::OnlyHttp(self.name))
    }

    fn fetches(&self, _entry: &Entry, _root: &str, _append: &str) -> Vec<Fetch> {
        vec![Fetch {
            file: Fetched::WholeImage,
            required: true,
        }]
    }

    fn sysappend(&self) -> u32 {
        self.network.map_or(0, NetworkArgs::sysappend)
    }
}
