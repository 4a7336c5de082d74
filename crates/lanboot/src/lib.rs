//! The shell around [`lanboot_core`]: sockets, files, the terminal.

pub mod admin;
pub mod clock;
pub mod commands;
pub mod config;
pub mod context;
pub mod dhcp;
pub mod events;
pub mod get;
pub mod http;
pub mod images;
pub mod io;
pub mod loaders;
pub mod machines;
pub mod nbd;
pub mod net;
pub mod nfs;
pub mod server;
pub mod store;
pub mod tftp;
