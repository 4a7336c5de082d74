//! The plans of machines, shared: those of the configuration, and those that are said while the program
//! runs, which are kept in the store before they count.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use lanboot_core::events::{DiagnosticCode, Event, EventKind, Peer};
use lanboot_core::machine::{Mac, Uuid};
use lanboot_core::machine_plans::{
    Identity, Plan, PlanChange, PlanState, PlanTable, Rules, Start, TooManyPlans,
};
use lanboot_core::route::Role;
use tokio::sync::{Mutex, oneshot};

use super::table::MachineTable;
use crate::events::bus::Bus;
use crate::store::{Change, Store};

/// The plans. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plans {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rules: Rules,
    policy: Start,
    table: RwLock<PlanTable>,
    machines: MachineTable,
    /// `None` where nothing is kept: then nothing can be said, either.
    store: Option<Arc<dyn Store>>,
    bus: Bus,
    /// Held while a change is written, so that none is based on a state that is about to change.
    writing: Mutex<()>,
}

/// The reason why a change of plans is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefusal {
    /// There are too many.
    #[error(transparent)]
    TooMany(#[from] TooManyPlans),
    /// It cannot be written.
    #[error("it cannot be written: {0}")]
    NotKept(String),
    /// It makes no sense. A sentence.
    #[error("{0}")]
    Wrong(String),
}

impl Plans {
    /// Makes plans of the configuration and of what was kept. Without a store only the configuration
    /// counts.
    pub fn new(
        rules: Rules,
        policy: Start,
        kept: Vec<(Mac, PlanState)>,
        machines: MachineTable,
        store: Option<Arc<dyn Store>>,
        bus: Bus,
    ) -> Self {
        let shared = Shared {
            rules,
            policy,
            table: RwLock::new(PlanTable::restore(kept)),
            machines,
            store,
            bus,
            writing: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Makes plans of nothing: no machine has one, and none can be said.
    pub fn none(bus: Bus) -> Self {
        let (rules, table) = (Rules::default(), MachineTable::default());
        Self::new(rules, Start::Menu, Vec::new(), table, None, bus)
    }

    /// Returns the known machines.
    pub fn machines(&self) -> &MachineTable {
        &self.shared.machines
    }

    /// Returns the plan of a machine. `uuid` is what it says of itself now, where it does.
    pub fn of(&self, mac: Mac, uuid: Option<Uuid>) -> Plan {
        let shared = &*self.shared;
        let facts = match shared.rules.ask_for_more_than_mac() {
            true => shared.machines.facts(mac, uuid),
            false => super::table::Facts::default(),
        };
        let machine = Identity {
            mac,
            uuid: facts.uuid,
            serial: None,
            asset_tag: None,
        };
        let table = shared.table.read().unwrap_or_else(PoisonError::into_inner);
        Plan::new(&machine, &shared.rules, table.get(mac), &shared.policy)
    }

    /// Returns the plan of the machine at an address, which asks in the name of `claimed` where it says
    /// so: the machine that is known to have the address counts.
    pub fn at(&self, address: IpAddr, claimed: Option<Mac>) -> Plan {
        match self.shared.machines.at(address).or(claimed) {
            Some(mac) => self.of(mac, None),
            None => self.of_unknown(),
        }
    }

    /// Returns what was said about a machine.
    pub fn state(&self, mac: Mac) -> PlanState {
        let table = self.shared.table.read();
        let table = table.unwrap_or_else(PoisonError::into_inner);
        table.get(mac).cloned().unwrap_or_default()
    }

    /// Lists what was said about every machine, by hardware address.
    pub fn list(&self) -> Vec<(Mac, PlanState)> {
        let table = self.shared.table.read();
        let table = table.unwrap_or_else(PoisonError::into_inner);
        let all = table.list();
        all.map(|(mac, state)| (mac, state.clone())).collect()
    }

    /// Changes what was said about a machine, and waits until that is durable.
    ///
    /// # Errors
    /// It makes no sense, or cannot be kept; nothing is changed then.
    pub async fn change(
        &self,
        mac: Mac,
        make: impl FnOnce(&mut PlanState) -> Result<(), PlanRefusal> + Send,
    ) -> Result<(), PlanRefusal> {
        let _writing = self.shared.writing.lock().await;
        let mut state = self.state(mac);
        make(&mut state)?;
        self.keep(vec![(mac, Some(state))]).await
    }

    /// Replaces what was said about these machines: all of it, or nothing.
    ///
    /// # Errors
    /// There are too many, or they cannot be kept.
    pub async fn import(&self, plans: Vec<(Mac, PlanState)>) -> Result<(), PlanRefusal> {
        let _writing = self.shared.writing.lock().await;
        let changes = plans.into_iter().map(|(mac, state)| (mac, Some(state)));
        self.keep(changes.collect()).await
    }

    /// Learns from an event: the start of the next boot counts until its kernel was loaded.
    pub(super) fn observe(&self, event: &Event) {
        let EventKind::Finished { file_use, .. } = &event.what else {
            return;
        };
        let address = event.peer.ip;
        let known = || self.shared.machines.at(address?);
        let Some(mac) = event.peer.mac.or_else(known) else {
            return;
        };
        let table = self.shared.table.read();
        let table = table.unwrap_or_else(PoisonError::into_inner);
        let is_over = match table.get(mac).and_then(|state| state.next.as_ref()) {
            None => return,
            Some(Start::Menu | Start::Disk) => file_use.role == Role::Menu,
            Some(Start::Entry(_) | Start::Install(_)) => {
                file_use.begins_boot && !matches!(file_use.role, Role::Loader | Role::Menu)
            }
        };
        drop(table);
        if is_over {
            let plans = self.clone();
            tokio::spawn(async move { plans.end_next(mac).await });
        }
    }

    /// Ends what was said about the next boot of a machine.
    async fn end_next(&self, mac: Mac) {
        let mut ended = None;
        let change = self.change(mac, |state| {
            ended = state.next.take();
            Ok(())
        });
        let result = change.await;
        let Some(ended) = ended else { return };
        let diagnostic = match result {
            Ok(()) => {
                let then = self.of(mac, None).boot;
                let text = format!("{ended} was for this boot only; from its next boot on: {then}");
                DiagnosticCode::PlanChanged.with(text)
            }
            Err(error) => {
                let text = format!("{ended} was for this boot only, but that {error}");
                DiagnosticCode::PlanNotKept.with(text.replace("that it", "that"))
            }
        };
        let peer = Peer {
            mac: Some(mac),
            ip: None,
        };
        self.shared
            .bus
            .publish(peer, EventKind::Planned(diagnostic));
    }

    /// Writes changes, and makes them once they are durable.
    async fn keep(&self, changes: Vec<PlanChange>) -> Result<(), PlanRefusal> {
        let shared = &*self.shared;
        let lock = || shared.table.write().unwrap_or_else(PoisonError::into_inner);
        lock().check(&changes)?;
        let closed = || PlanRefusal::NotKept("the database was closed".into());
        let store = shared.store.as_ref().ok_or_else(closed)?;
        let (written, result) = oneshot::channel();
        // The receiver is gone only when the request is.
        let then = move |result| drop(written.send(result));
        store.commit(Change::PutPlans(changes.clone()), Some(Box::new(then)));
        result
            .await
            .map_err(|_| closed())?
            .map_err(PlanRefusal::NotKept)?;
        lock().apply(changes);
        Ok(())
    }

    fn of_unknown(&self) -> Plan {
        // No rule is for it, not even one for any hardware address: it named none.
        let machine = Identity {
            mac: Mac([0; 6]),
            uuid: None,
            serial: None,
            asset_tag: None,
        };
        Plan::new(&machine, &Rules::default(), None, &self.shared.policy)
    }
}
