//! Addresses of this server: the networks they are in, and the origin of its URLs. IPv4 and IPv6.

mod networks;
mod origin;

pub use networks::{containing, nearest};
pub use origin::{Origin, Scheme, UrlHost};
