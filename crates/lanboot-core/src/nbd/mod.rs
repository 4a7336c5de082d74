//! NBD: fixed newstyle negotiation, then reads of one disk until the client disconnects
//! (`doc/proto.md` of the reference implementation; quoted section names are its own).
//!
//! A [`Session`] is one connection. The caller owns the received bytes; [`Session::advance`] takes
//! one message off their front and returns its effect. Disks come from an [`Exports`].
//!
//! Supported: EXPORT_NAME, ABORT, LIST, INFO, GO, STRUCTURED_REPLY, LIST_META_CONTEXT and
//! SET_META_CONTEXT with `base:allocation`; READ, DISC, CACHE, FLUSH, BLOCK_STATUS. That covers
//! clients from nbd-client 3.3 of 2013, which knows EXPORT_NAME and 124 zero bytes, to current
//! libnbd and QEMU.
//!
//! Omitted on purpose:
//! * oldstyle negotiation — gone from clients since nbd 3.10;
//! * TLS — firmware and initramfs scripts have no certificates; STARTTLS is answered ERR_UNSUP;
//! * extended headers — they allow requests over 32 bits, and 32 MiB is the maximum here;
//! * writing — every disk is read-only; write commands are answered EPERM.
//!
//! Invariants: the server's greeting is the first step; every option and every request gets exactly
//! one answer, in order; nothing a client sends is stored, so a session does not grow. Limits:
//! [`MAX_OPTION_BYTES`], [`MAX_SKIPPED_BYTES`], [`MAX_OPTIONS`], [`MAX_NAME_BYTES`],
//! [`MAX_REQUEST_BYTES`] and [`MAX_EXTENTS`].

mod export;
mod limits;
mod option;

mod reason;
mod session;
mod transmission;
mod wire;

pub use export::{BLOCK_BYTES, Export, Exports};
pub use limits::{
    MAX_EXTENTS, MAX_MESSAGE_BYTES, MAX_NAME_BYTES, MAX_OPTION_BYTES, MAX_OPTIONS,
    MAX_REQUEST_BYTES, MAX_SKIPPED_BYTES, PREFERRED_BYTES,
};
pub use reason::RejectReason;
pub use session::{Received, Session};

#[cfg(test)]
mod tests;
