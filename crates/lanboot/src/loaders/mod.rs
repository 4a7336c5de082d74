//! Boot loaders on this host: those found, those missing, and the packages that bring them.

pub mod advice;
mod find;
mod host_paths;
pub mod machine_kinds;
pub mod packages;

pub use find::{loaders, program_file};
