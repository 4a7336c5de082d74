//! State that every listener shares.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lanboot_core::routes::{Opened, Routes};
use tokio::sync::watch;

use crate::events::bus::Bus;
use crate::images::open_images::OpenImages;

/// State that every listener shares. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// Everything clients can request, replaced whole by a rescan.
    pub routes: Arc<ArcSwap<Routes>>,
    /// The open images.
    pub open_images: Arc<OpenImages>,
    /// Takes events.
    pub bus: Bus,
    /// Becomes `true` on shutdown: accept nothing new, finish what runs.
    pub drain: watch::Receiver<bool>,
}

impl Context {
    /// Returns the file at `path` (and `query`, without its `?`) for `peer`.
    pub fn find(&self, path: &[u8], query: &[u8], peer: IpAddr) -> Option<Opened> {
        self.routes.load().open(path, query, peer)
    }
}
