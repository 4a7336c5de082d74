//! Limits of the TFTP server.

use lanboot_core::tftp;

/// Limits of the server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most transfers at once, each with a descriptor and 64 KiB. dnsmasq's 50 left classrooms
    /// waiting.
    pub transfers: usize,
    /// Most transfers at once for one address. A machine needs one or two; load tests and
    /// machines behind one router look like one machine with many.
    pub transfers_per_machine: usize,
    /// Permits blocks larger than a packet. Option ROMs cannot put fragments together.
    pub fragments: bool,
    /// Makes transfers leave from the port requests came to, not from one of their own.
    pub single_port: bool,
    /// The protocol's own limits.
    pub protocol: tftp::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transfers: 1024,
            transfers_per_machine: 256,
            fragments: false,
            single_port: false,
            protocol: tftp::Limits::default(),
        }
    }
}
