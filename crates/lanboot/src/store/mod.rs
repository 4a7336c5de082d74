//! State that outlives the program. [`Store`] is the seam: today it keeps leases, machines and
//! plans, in an embedded database ([`Sqlite`]); whatever else is to be kept (history) is one more
//! [`Change`]. What can be found again at any time is in [`IndexCache`].

mod index_cache;
mod lock;
mod machine_table;
mod plan_table;
mod sqlite;

pub use index_cache::{IndexCache, MAX_RECORD, RecordKind};
pub use lock::StateLock;
pub use sqlite::{Kept, Sqlite};

use std::net::Ipv4Addr;

use lanboot_core::dhcp::Lease;
use lanboot_core::machine::Mac;
use lanboot_core::machine_plans::PlanChange;
use lanboot_core::machines::KnownMachine;

/// A place where state is kept.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Accepts a change and returns at once. `then` is called once the change is durable or has
    /// failed, on a thread of the store's own; changes become durable in the order they came in.
    fn commit(&self, change: Change, then: Option<Then>);
}

/// A change to what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Replaces the record of this lease's address and of its client.
    PutLease(Lease),
    /// Removes the record of this address.
    RemoveLease(Ipv4Addr),
    /// Replaces the record of this machine.
    PutMachine(KnownMachine),
    /// Removes the record of this machine.
    RemoveMachine(Mac),
    /// Replaces or removes what was said about these machines: all of it or nothing.
    PutPlans(Vec<PlanChange>),
}

/// Called when a change is durable, or with the reason why it is not.
pub type Then = Box<dyn FnOnce(Result<(), String>) + Send>;
