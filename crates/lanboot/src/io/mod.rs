//! Socket input and output that every protocol shares: accepting, receiving, sending, limits.

pub mod connection_limiter;
pub mod host_error;
pub mod send;
pub mod tcp_listener;
pub mod udp;
