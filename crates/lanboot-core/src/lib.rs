//! The deterministic half of lanboot: bytes, state and `now` in; what to send out.
//!
//! No sockets, files, clocks, tasks, randomness or logging (this crate's `clippy.toml` and the
//! `dependencies` test watch over it). The map:
//!
//! * [`bytes`] — cursors that never panic; [`machine`] — who is booting.
//! * [`vfs`] — files as pieces of images: [`vfs::Content`], [`vfs::Slice`], [`vfs::Tree`].
//! * [`iso`] — an ISO image read into a [`vfs::Tree`].
//! * [`boot_config`] — the menus a medium carries, read into entries.
//! * [`initramfs`] — the names of what an initramfs holds.
//! * [`pe`] — what a UEFI program says of itself.
//! * [`images`] — one medium: its family and what it can boot.
//! * [`loaders`] — the boot loaders there are and the names they are asked for by.
//! * [`catalog`] — which images there are; [`plan`] — what one machine gets.
//! * [`menus`] — menus as text; [`route`] — the paths a machine can ask for; [`routes`] — the files behind
//!   them.
//! * [`exports`] — the same offers as configuration for the servers people have already.
//! * [`dhcp`], [`tftp`], [`http`], [`nbd`] — one module per protocol; they never import each other.
//! * [`diagnostic`] — messages for the operator, each with a code.
//! * [`events`] — what happened, the boot progress of each machine, and why nothing was sent.

#![forbid(unsafe_code)]

#[macro_use]
mod reason_codes;

pub mod answers;
pub mod boot_config;
pub mod bytes;
pub mod catalog;
pub mod connections;
#[cfg(test)]
#[path = "../tests/cpu/mod.rs"]
mod cpu;
pub mod dhcp;
pub mod diagnostic;
pub mod disk;
pub mod downloads;
pub mod events;
pub mod exports;
pub mod fat;
pub mod http;
pub mod images;
pub mod initramfs;
pub mod iso;
pub mod loaders;
pub mod machine;
pub mod machine_plans;
pub mod machines;
pub mod media;
pub mod menus;
pub mod nbd;
pub mod net;
pub mod nfs;
pub mod pe;
pub mod plan;
pub mod route;
pub mod routes;
pub mod storage;
pub mod tar;
#[cfg(test)]
mod testing;
pub mod text;
pub mod tftp;
pub mod udf;
pub mod vfs;

use vfs::Slice;

/// A reply of a stream service: bytes already encoded, then a slice the shell streams from disk.
///
/// The core never reads a disk. `head` goes first; then `body`, by `sendfile` where its pieces
/// are on disk. When the very first read of `body` fails and nothing was sent yet, the shell
/// sends `on_read_error` instead of `head` and `body`; later failures can only cut the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Sent first, always.
    pub head: Vec<u8>,
    /// Sent after `head`; often empty.
    pub body: Slice,
    /// The protocol's own error, already encoded, for when the disk fails before the first byte.
    pub on_read_error: Vec<u8>,
    /// Close the stream once everything is sent.
    pub close: bool,
}

impl Reply {
    /// A reply that is only bytes.
    pub fn bytes(head: Vec<u8>, close: bool) -> Self {
        Self {
            head,
            body: Slice::empty(),
            on_read_error: Vec::new(),
            close,
        }
    }

    /// Bytes this reply puts on the wire when every read succeeds.
    pub fn wire_len(&self) -> u64 {
        self.head.len() as u64 + self.body.len()
    }
}
