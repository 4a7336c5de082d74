//! Events: what happened to each machine, what it was given, and why nothing happened.

mod boot_progress;
mod event;
mod forgetting;
mod log_line;
mod machine_status;
mod outlook;
mod progress;
pub mod rate_limit;
mod reason;
mod shim_loads;
mod snapshot;

pub use boot_progress::BootProgress;
pub use event::{Event, EventKind, Kind, Peer, Protocol, Volume};
pub use forgetting::MAX_MACHINES;
pub use log_line::{bytes, log_line};
pub use machine_status::{BootStage, MAX_LINES, MachineStatus, Running};
pub use outlook::{Outlook, Waiting};
pub use progress::{ADDRESS_GRACE, BootState, GRACE, MAX_PAUSE, MAX_PAUSE_UNLOADED, SETTLE};
pub use rate_limit::{RateLimiter, Suppressed};
pub use reason::{HostCause, HostError, ListenerReason, Reason, SendFailure};
pub use shim_loads::ShimLoads;
pub use snapshot::{MachineView, Snapshot};

pub use crate::diagnostic::{Diagnostic, DiagnosticCode};
pub use crate::route::{Expected, FileUse, Role};
