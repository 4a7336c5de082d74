//! The NBD door's protocol: fixed newstyle negotiation, then reads of one disk until the machine
//! hangs up (the NBD protocol, `doc/proto.md` of the reference implementation; section names in
//! comments are its own).
//!
//! A [`Session`] is one connection. The caller owns the bytes that arrived and hands them in;
//! [`Session::advance`] takes one message off their front and says what it led to. Which disks
//! there are, it asks an [`Exports`].
//!
//! Spoken: EXPORT_NAME, ABORT, LIST, INFO, GO, STRUCTURED_REPLY, LIST_META_CONTEXT and
//! SET_META_CONTEXT with `base:allocation`; READ, DISC, CACHE, FLUSH, BLOCK_STATUS. From nbd-client
//! 3.3 of 2013, which knows EXPORT_NAME and 124 zero bytes, to libnbd and QEMU of today.
//!
//! Left out on purpose:
//! * oldstyle negotiation — gone from clients since nbd 3.10;
//! * TLS — firmware and initramfs scripts have no certificates; STARTTLS is answered ERR_UNSUP;
//! * extended headers — they are for requests over 32 bits, and 32 MiB is the most one gets here;
//! * writing — every disk is read-only; what would write is answered EPERM.
//!
//! Invariants: the server's greeting is the first step; every option and every request gets
//! exactly one answer, in order; nothing a machine sends is stored, so a session is as large at
//! its end as at its start. The limits are [`MAX_OPTION_BYTES`], [`MAX_SKIPPED_BYTES`],
//! [`MAX_OPTIONS`], [`MAX_NAME_BYTES`], [`MAX_REQUEST_BYTES`] and [`MAX_EXTENTS`].

mod export;
mod option;
mod packet;
mod reject_reason;
mod session;
mod transmission;

pub use export::{BLOCK_BYTES, Export, Exports, MAX_NAME_BYTES};
pub use option::{MAX_OPTION_BYTES, MAX_OPTIONS, MAX_SKIPPED_BYTES};
pub use reject_reason::RejectReason;
pub use session::{MAX_MESSAGE_BYTES, Received, Session};
pub use transmission::{MAX_EXTENTS, MAX_REQUEST_BYTES, PREFERRED_BYTES};

#[cfg(test)]
mod tests;
