//! The event bus and its consumers: the log, the live view and the boot progress.

pub mod arrivals;
pub mod boot_progress;
pub mod bus;
pub mod live_view;
pub mod log_throttle;
pub mod logger;
pub mod transfer_guard;
