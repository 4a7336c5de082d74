//! Commands other than `serve`: each returns the text it prints.

pub mod doctor;
pub mod export;
pub mod inspect;
pub mod machine;
mod machine_plan;
