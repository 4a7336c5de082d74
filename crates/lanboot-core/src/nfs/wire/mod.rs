//! Calls on the wire: their encoding (RFC 4506), their header, and their frames in a stream (RFC 5531).

pub mod record;
pub mod rpc;
pub mod xdr;
