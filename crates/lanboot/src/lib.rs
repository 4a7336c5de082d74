//! The shell around `lanboot-core`: sockets, files, time, tasks, terminal.

pub mod arrivals;
pub mod boot_progress;
pub mod bus;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod event_logger;
pub mod export;
pub mod initramfs;
pub mod inspect;
pub mod library;
pub mod live_view;
pub mod loaders;
pub mod net;
pub mod open_images;
pub mod serve;
pub mod store;
