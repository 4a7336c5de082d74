//! State that every listener shares.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lanboot_core::route::Route;
use lanboot_core::routes::{Opened, Routes};
use tokio::sync::watch;

use crate::events::bus::Bus;
use crate::images::open_images::OpenImages;
use crate::machines::Plans;

/// State that every listener shares. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// Everything clients can request, replaced whole by a rescan.
    pub routes: Arc<ArcSwap<Routes>>,
    /// The plans of machines.
    pub plans: Plans,
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
        let routes = self.routes.load();
        let route = Route::parse(path)?;
        if !route.is_menu() {
            return routes.open_route(route, query, peer);
        }
        let plan = self.plans.at(peer, route.machine());
        let (menu, warning) = routes.menu.planned(&routes.catalog, &plan);
        let planned = Routes {
            menu,
            ..Routes::clone(&routes)
        };
        let mut opened = planned.open_route(route, query, peer)?;
        opened.file.warning = warning.or(opened.file.warning);
        Some(opened)
    }
}
