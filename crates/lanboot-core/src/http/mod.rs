//! The boot door's HTTP/1.0 and 1.1 (RFC 9110, RFC 9112): GET and HEAD of files, whole or in ranges.
//!
//! It speaks to firmware, boot loaders and initramfs scripts, so it leaves out on purpose:
//! * redirects — UEFI HTTP Boot prints one as an error and stops;
//! * chunked and compressed replies — lpxelinux reads raw bytes until the stream closes;
//! * cookies, logins, directory lists, uploads.
//!
//! A [`Session`] turns the bytes of one connection into requests, one at a time, so requests that
//! arrive together are answered in order. [`respond()`] turns a request and a file into a
//! [`crate::Reply`] with an exact length. Neither knows a socket or a clock.

pub mod date;
mod range;
mod request;
mod respond;

pub use range::{MAX_RANGES, Selection, select};
pub use request::{
    Conditions, MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, Method, Received, RejectReason,
    Request, Session,
};
pub use respond::{Response, Status, respond, unavailable, unreadable};
