//! NFS version 3 for immutable files: the port mapper, MOUNT and NFS, over TCP and UDP.
//!
//! A message goes in and a [`crate::Reply`] comes out ([`answer`]); no state is kept between calls.
//! A retransmitted call, also over a new connection, is simply answered again. So there is no
//! session, only `dispatch`.
//!
//! * [`wire`] is the encoding of calls: `xdr` (RFC 4506), `record` and `rpc` (RFC 5531).
//! * `portmap` locates the other programs (RFC 1833); `mount` gives the first handle (RFC 1813
//!   Appendix I); `nfs3` is the rest (RFC 1813).
//! * [`Handle`]s refer to a file of an image and survive a restart.
//! * [`Exports`] is what can be mounted. This module knows no catalog.
//!
//! Omitted: NFS versions 2 and 4, locks (NLM) and access control lists (NFSACL); such calls get an
//! error. Every write is answered with NFS3ERR_ROFS.

mod attr;
mod call;
mod call_queue;
mod dispatch;
mod export;
mod handle;
mod limits;
mod mount;
mod mount_table;
mod nfs3;
mod portmap;
mod reason;
pub mod wire;

#[cfg(test)]
mod tests;

pub use call::{Answer, CallContext, CallOutcome, Mounted, PORT, PORTMAP_PORT, Port, Server};
pub use call_queue::{CallQueue, Queued};
pub use dispatch::answer;
pub use export::{Exports, Found, NotExported, Volume};
pub use handle::{HANDLE_BYTES, Handle, Handles, NoHandle};
pub use limits::{
    KEPT_BYTES, MAX_FRAGMENTS, MAX_HANDLE_BYTES, MAX_MOUNTS, MAX_PATH_BYTES, MAX_READ_BYTES,
    MAX_READ_BYTES_UDP, MAX_RECORD_BYTES, MAX_WAITING, MAX_WAITING_PER_PEER,
};
pub use mount_table::{FORGET, MountTable, MountUse, Opened};
pub use portmap::{Ask, Mapping, ask, mappings, word};
pub use reason::{IgnoreReason, Refusal};
pub use wire::record;
pub use wire::rpc::Over;
