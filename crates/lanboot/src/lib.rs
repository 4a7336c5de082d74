//! The shell around `lanboot-core`: sockets, files, time, tasks, terminal.

pub mod bus;
pub mod disks;
pub mod serve;
