//! Messages on the wire: the BOOTP message and its options.

pub mod option;
mod packet;

pub(in crate::dhcp) use packet::{BROADCAST_FLAG, ETHERNET, HEADER_LEN};
pub use packet::{CLIENT_PORT, Malformed, MessageType, Op, Packet, SERVER_PORT};
