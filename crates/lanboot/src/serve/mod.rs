//! The doors: bind all, then run all.

pub mod http;
pub mod seats;
pub mod stream;

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lanboot_core::site::Site;
use lanboot_core::vfs::File;
use tokio::sync::watch;

use crate::bus::Bus;
use crate::disks::Disks;

/// What every door needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// What can be asked for, replaced whole by a rescan.
    pub site: Arc<ArcSwap<Site>>,
    /// The open images.
    pub disks: Arc<Disks>,
    /// Where to tell what happened.
    pub bus: Bus,
    /// Becomes `true` when the program winds down: take nothing new, finish what runs.
    pub drain: watch::Receiver<bool>,
}

impl Context {
    /// The file at `path` (and `query`, without its `?`) as `peer` gets to see it.
    pub fn find(&self, path: &[u8], query: &[u8], peer: IpAddr) -> Option<File> {
        self.site.load().find(path, query, peer)
    }
}
