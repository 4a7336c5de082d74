//! Findings of messages and probes of addresses, for the operator.

use std::net::Ipv4Addr;

use crate::diagnostic::DiagnosticCode;
use crate::machine::Mac;

/// Most findings kept until they are taken: one message brings a few.
pub(super) const MAX_FINDINGS: usize = 16;

/// Something an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Somebody without a lease answered by ARP.
    #[error("{0} is in use by {1}, which has no lease; not offered")]
    InUse(Ipv4Addr, Mac),
    /// Its last client still uses it.
    #[error("{0} is in use by {1}, whose lease has ended; not offered")]
    Ended(Ipv4Addr, Mac),
    /// Somebody without a lease answered a ping.
    #[error("{0} answers pings and has no lease; not offered")]
    AnswersPings(Ipv4Addr),
    /// Two clients with one hardware address.
    #[error(
        "{0} is leased to and in use by another client with the hardware address {1}; this one gets \
         an address of its own"
    )]
    SecondClient(Ipv4Addr, Mac),
    /// A lease's address is used by somebody else.
    #[error("{address} is leased to {lease} and in use by {user}: two machines use one address")]
    Disputed {
        /// The address.
        address: Ipv4Addr,
        /// Whom it is leased to.
        lease: Mac,
        /// Hardware address that answered for it.
        user: Mac,
    },
    /// One place answers for every address.
    #[error(
        "{mac} on {interface} answers ARP for addresses that nobody uses ({address} and {others} \
         others): a router with proxy ARP, or an attack. Its answers are not believed from now on; \
         look for proxy_arp there"
    )]
    ProxyArp {
        /// Hardware address that answers.
        mac: Mac,
        /// Interface it was heard on.
        interface: String,
        /// The last such address.
        address: Ipv4Addr,
        /// Number of further ones.
        others: usize,
    },
    /// RFC 3046 §2.2.
    #[error(
        "the relay {relay} sends an option 82 of {len} bytes, which does not fit into the answers; it \
         is left out, and the relay may drop them. Make its circuit and remote identifiers shorter"
    )]
    RelayOptionTooLong {
        /// The relay.
        relay: Ipv4Addr,
        /// Length of its option in bytes.
        len: usize,
    },
    /// Everything behind a relay answers.
    #[error(
        "every address asked of {network}/{prefix} answers pings ({count} of {count}): something \
         there answers for all of them. Pings are ignored there from now on; look for a firewall \
         that answers in the machines' place"
    )]
    AllPings {
        /// The network.
        network: Ipv4Addr,
        /// Its prefix.
        prefix: u8,
        /// Number of addresses asked for.
        count: usize,
    },
}

impl Finding {
    /// Returns its stable code.
    pub fn code(&self) -> DiagnosticCode {
        match self {
            Self::InUse(..) | Self::Ended(..) | Self::AnswersPings(_) => {
                DiagnosticCode::AddressInUse
            }
            Self::SecondClient(..) => DiagnosticCode::SharedHardwareAddress,
            Self::Disputed { .. } => DiagnosticCode::AddressConflict,
            Self::ProxyArp { .. } => DiagnosticCode::ProxyArp,
            Self::RelayOptionTooLong { .. } => DiagnosticCode::RelayOptionTooLong,
            Self::AllPings { .. } => DiagnosticCode::PingsAnswered,
        }
    }
}
