//! The machines that ask to boot here: what each said of itself, and how its boots ended. Learned from
//! events, bounded, and kept by the shell over a restart.

mod boot_record;
mod crowding;
mod known_machine;
mod table;

pub use boot_record::{BootOutcome, BootRecord};
pub use crowding::MAX_MACHINES;
pub use known_machine::KnownMachine;
pub use table::{Change, Machines};
