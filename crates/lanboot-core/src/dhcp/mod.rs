//! DHCPv4 as a network-boot server speaks it: RFC 2131 and 2132, 3046 (relays), 3396 (long
//! options), 4578 (PXE), 5071 (PXELINUX), 6842 (client identifier in replies).
//!
//! * [`Packet`] — the BOOTP message; [`option`] — its options, read leniently and written within a
//!   byte budget; [`pxe`] — what PXE firmware, UEFI HTTP Boot and iPXE put into options.
//! * [`Leases`] — who has which address; [`Lease`] — the record that outlives the program.
//! * [`Request`] — a message with the machine it describes, classified once.
//! * [`respond()`] — one message in, one [`Answer`] out; [`checked`] — the same after the shell
//!   probed an address.
//! * [`server_detection`] — whether addresses are handed out on a link at all, beside other servers.
//! * [`RecentMessages`] — the filter for messages that relays send in a loop.
//!
//! Invariants: no message causes a panic; every message gets an [`Answer`], and one that is ignored an
//! [`IgnoreReason`]; an ACK carries the record that must be durable before it leaves; every table is
//! bounded by the configured pools or by a named limit.
//!
//! In [`Mode::Proxy`] and at [`Port::BootServer`] it says only what to load (PXE 2.1). The
//! [`quirk`] table says how that is put for which firmware. Subnets are chosen by the relay, by its
//! link selection (RFC 3527) or by subnet selection (RFC 3011); a relay's server identifier
//! (RFC 5107) is taken over.
//!
//! Left out: plain BOOTP, media other than Ethernet, authentication (RFC 3118), rapid commit
//! (RFC 4039), several boot servers or boot items (PXE 2.1 menus), boot servers by broadcast or
//! multicast, boot integrity services.

pub mod pxe;
pub mod quirk;
pub mod server_detection;

mod answer;
mod claims;
mod config;
mod decline;
mod dedup;
mod expiry;
mod finding;
mod grant;
mod lease;
mod lease_claims;
mod lease_declines;
mod lease_findings;
mod limits;
mod load;
mod offer;
mod pool;
mod proxy;
mod reason;
mod relay;
mod reply;
mod request;
mod respond;
mod stages;
mod table;
mod wire;

#[cfg(test)]
mod tests;

pub use answer::{Answer, BootSource, Destination, Note, Outgoing, Port, Probe, ReceiveInfo};
pub use claims::IN_USE_TIME;
pub use config::{BadConfig, Config, Mode, Subnet};
pub use decline::DECLINE_TIME;
pub use dedup::RecentMessages;
pub use finding::Finding;
pub use lease::{ClientId, Lease, State};
pub use limits::{MAX_CHECKS, MAX_DECLINES, MAX_DECLINING, MAX_LEN, MAX_POOL};
pub use reason::IgnoreReason;
pub use reply::is_parting;
pub use request::Request;
pub use respond::{checked, respond};
pub use table::{CHECK_RESERVATION, KNOWN_FREE_TIME, Leases, OFFER_RESERVATION, Restored};
pub use wire::option::{self, Code, Options};
pub use wire::{CLIENT_PORT, Malformed, MessageType, Op, Packet, SERVER_PORT};
