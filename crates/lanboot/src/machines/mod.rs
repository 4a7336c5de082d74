//! The machines that ask to boot: what is known of each, and its plan.

mod plans;
mod recorder;
mod table;

pub use plans::{PlanRefusal, Plans};
pub use recorder::{RecorderHandle, start};
pub use table::MachineTable;
