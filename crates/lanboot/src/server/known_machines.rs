//! The known machines and their plans: what the store kept, and the socket that the commands about them
//! use.

use std::sync::Arc;

use lanboot_core::events::{Diagnostic, DiagnosticCode};
use tokio::runtime::Handle;

use crate::admin::{self, AdminSocket};
use crate::config::Settings;
use crate::context::Context;
use crate::events::bus::{Bus, Events};
use crate::machines::{self, MachineTable, Plans, RecorderHandle};
use crate::store::{Kept, Store};

/// The machines and plans that the store kept, and the socket.
#[derive(Debug, Default)]
pub(super) struct Known {
    store: Option<Arc<dyn Store>>,
    kept: Kept,
    /// None where the state folder takes none.
    socket: Option<AdminSocket>,
}

impl Known {
    /// Takes what `store` kept, and binds the socket. Machines boot without that, too: a failure is a
    /// diagnostic.
    pub(super) fn open(
        settings: &Settings,
        store: Arc<dyn Store>,
        kept: Kept,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let socket = AdminSocket::bind(&settings.state).map_err(|error| {
            diagnostics.push(unavailable(&format!("{error:#}")));
        });
        Self {
            store: Some(store),
            kept,
            socket: socket.ok(),
        }
    }

    /// Makes the plans of machines, and returns what remains to be started.
    pub(super) fn plans(&mut self, settings: &Settings, bus: Bus) -> Plans {
        let kept = std::mem::take(&mut self.kept);
        Plans::new(
            settings.rules.clone(),
            settings.boot_policy.clone(),
            kept.plans,
            MachineTable::new(kept.machines),
            self.store.clone(),
            bus,
        )
    }

    /// Starts to learn from `events`, and to answer the commands, until the program stops. Without a
    /// store there is nothing to start.
    pub(super) fn start(
        self,
        runtime: &Handle,
        events: Events,
        context: &Context,
    ) -> Option<RecorderHandle> {
        if let Some(socket) = self.socket {
            let context = context.clone();
            runtime.spawn(async move {
                if let Err(error) = admin::serve(socket, context.clone()).await {
                    context.bus.report(unavailable(&error.to_string()));
                }
            });
        }
        let (bus, plans) = (context.bus.clone(), context.plans.clone());
        Some(machines::start(runtime, bus, events, plans, self.store?))
    }
}

fn unavailable(why: &str) -> Diagnostic {
    DiagnosticCode::AdminUnavailable.with(format!("lanboot machine cannot be used: {why}"))
}
