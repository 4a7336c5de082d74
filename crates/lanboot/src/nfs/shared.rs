//! State shared by all ports and connections: answers calls and logs what becomes of them.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use lanboot_core::events::{self, EventKind, ListenerReason, Reason};
use lanboot_core::nfs::{self, Answer, CallContext, CallOutcome, Handles, MAX_PATH_BYTES, Server};
use lanboot_core::routes::Routes;
use lanboot_core::text::printable;
use lanboot_core::vfs::Identity;

use super::accounts::{Account, Accounts, Mount};
use super::limits::Limits;
use crate::context::Context;
use crate::events::log_throttle::LogThrottle;
use crate::io::tcp_listener::peer;

/// State shared by all ports and connections of the server.
pub(super) struct Shared {
    pub(super) context: Context,
    handles: Handles,
    pub(super) accounts: Accounts,
    pub(super) nfs_port: u16,
    pub(super) limits: Limits,
    throttles: Mutex<Throttles>,
}

/// Throttles of what may happen without end and is logged once in a while.
#[derive(Default)]
pub(super) struct Throttles {
    pub(super) stranger: LogThrottle,
    pub(super) refused: LogThrottle,
    pub(super) ignored: LogThrottle,
    pub(super) unsent: LogThrottle,
    pub(super) stalled: LogThrottle,
    pub(super) not_found: LogThrottle,
}

impl Shared {
    /// Returns the state of a server that nobody has mounted anything from.
    pub(super) fn new(context: Context, handles: Handles, nfs_port: u16, limits: Limits) -> Self {
        Self {
            accounts: Accounts::new(
                context.bus.clone(),
                Arc::clone(&context.open_images),
                limits.forget,
            ),
            context,
            handles,
            nfs_port,
            limits,
            throttles: Mutex::default(),
        }
    }

    /// Returns whether `peer` is in a served network; logs it when not.
    pub(super) fn admits(&self, ip: IpAddr, request: &str) -> bool {
        let admits = self.context.routes.load().serves(ip);
        if !admits {
            let reason = ListenerReason::ForeignClient;
            self.complain(|c| &mut c.stranger, ip, request, reason);
        }
        admits
    }

    /// Answers one message.
    pub(super) fn answer(
        &self,
        message: &[u8],
        context: CallContext,
        routes: &Routes,
    ) -> Result<Answer, nfs::IgnoreReason> {
        let server = Server {
            handles: &self.handles,
            exports: routes,
            mounted: &|| self.accounts.mounted(),
        };
        nfs::answer(message, context, &server)
    }

    /// Records the outcome of a call for the event log; returns the mount that a read belongs to.
    pub(super) fn note(
        &self,
        account: &mut Account<'_>,
        outcome: CallOutcome,
    ) -> Option<Arc<Mount>> {
        let ip = account.peer();
        match outcome {
            CallOutcome::Nothing => {}
            CallOutcome::Mounted {
                identity,
                image,
                size,
                path,
            } => self.accounts.mount(ip, identity, image, size, shown(&path)),
            CallOutcome::NotFound { path } => {
                if self.is_due(|c| &mut c.not_found) {
                    let what = EventKind::NotFound {
                        protocol: events::Protocol::Nfs,
                        path: shown(&path),
                    };
                    self.context.bus.publish(peer(ip), what);
                }
            }
            CallOutcome::Unmounted(identity) => self.accounts.unmount(ip, Some(identity)),
            CallOutcome::UnmountedAll => self.accounts.unmount(ip, None),
            CallOutcome::Used { identity, image } => account.touch(identity, image),
            CallOutcome::Read {
                identity,
                image,
                size,
            } => {
                let path = || self.path_of(identity);
                return Some(account.read(identity, image, size, path));
            }
            CallOutcome::Refused(refusal) => {
                self.complain(|c| &mut c.refused, ip, "call", refusal);
            }
        }
        None
    }

    /// Returns the path to log for an image whose mount was never seen, as after a restart.
    fn path_of(&self, identity: Identity) -> String {
        let routes = self.context.routes.load();
        let name = routes.catalog.of_identity(identity).map(|i| i.name.clone());
        name.map_or_else(String::new, |name| format!("/iso/{name}"))
    }

    /// Logs that something was ignored, unless the same was logged just now.
    pub(super) fn complain(
        &self,
        which: impl FnOnce(&mut Throttles) -> &mut LogThrottle,
        ip: IpAddr,
        request: &str,
        reason: impl Into<Reason>,
    ) {
        if self.is_due(which) {
            let what = EventKind::Ignored {
                protocol: events::Protocol::Nfs,
                request: request.to_owned(),
                reason: reason.into(),
            };
            self.context.bus.publish(peer(ip), what);
        }
    }

    fn is_due(&self, which: impl FnOnce(&mut Throttles) -> &mut LogThrottle) -> bool {
        let mut throttles = self
            .throttles
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        which(&mut throttles).is_due()
    }
}

fn shown(path: &[u8]) -> String {
    printable(path, MAX_PATH_BYTES.min(256))
}
