//! HTTP/1.0 and 1.1 for boot files (RFC 9110, RFC 9112): GET and HEAD of files, whole or in ranges.
//!
//! Clients are firmware, bootloaders and initramfs scripts, so some features are omitted on
//! purpose:
//! * redirects — UEFI HTTP Boot prints one as an error and stops;
//! * chunked and compressed replies — lpxelinux reads raw bytes until the stream closes;
//! * cookies, logins, directory lists, uploads.
//!
//! A [`Session`] parses the bytes of one connection into requests, one at a time, so pipelined
//! requests are answered in order. [`respond()`] turns a request and a file into a [`crate::Reply`]
//! with an exact length. Neither uses a socket or a clock.

pub mod date;
mod limits;
mod range;
mod reason;
mod respond;
mod session;
mod wire;

pub use limits::{MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, MAX_RANGES};
pub use range::{Selection, select};
pub use reason::{Problem, RejectReason};
pub use respond::{Response, respond, unavailable, unreadable};
pub use session::{Received, Session};
pub use wire::{Conditions, Method, Request, Status};
