//! The known machines: their records in the store, and the socket that the commands about them use.

use std::sync::Arc;

use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::machines::KnownMachine;
use tokio::runtime::Handle;

use crate::admin::{self, AdminSocket};
use crate::config::Settings;
use crate::context::Context;
use crate::events::bus::Events;
use crate::machines::{self, MachineTable, RecorderHandle};
use crate::store::Store;

/// The known machines, opened.
#[derive(Debug)]
pub(super) struct Known {
    store: Arc<dyn Store>,
    machines: MachineTable,
    /// None where the state folder takes none.
    socket: Option<AdminSocket>,
}

impl Known {
    /// Takes the records that `store` kept, and binds the socket. Machines boot without that, too: a
    /// failure is a diagnostic.
    pub(super) fn open(
        settings: &Settings,
        store: Arc<dyn Store>,
        records: Vec<KnownMachine>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let socket = AdminSocket::bind(&settings.state).map_err(|error| {
            diagnostics.push(unavailable(&format!("{error:#}")));
        });
        Self {
            store,
            machines: MachineTable::new(records),
            socket: socket.ok(),
        }
    }

    /// Starts to learn from `events`, and to answer the commands, until the program stops.
    pub(super) fn start(
        self,
        runtime: &Handle,
        events: Events,
        context: &Context,
    ) -> RecorderHandle {
        if let Some(socket) = self.socket {
            let (machines, context) = (self.machines.clone(), context.clone());
            runtime.spawn(async move {
                if let Err(error) = admin::serve(socket, machines, context.drain).await {
                    context.bus.report(unavailable(&error.to_string()));
                }
            });
        }
        let bus = context.bus.clone();
        machines::start(runtime, bus, events, self.machines, self.store)
    }
}

fn unavailable(why: &str) -> Diagnostic {
    DiagnosticCode::AdminUnavailable.with(format!("lanboot machine cannot be used: {why}"))
}
