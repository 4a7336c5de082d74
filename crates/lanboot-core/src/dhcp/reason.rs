//! Reasons a message gets no answer.

use std::net::Ipv4Addr;

use super::wire::MessageType;
use crate::machine::{Arch, Mac};
use crate::plan::NoLoader;

/// Reason nothing is sent, as it stands after "DHCPDISCOVER from 00:1a:… ignored: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreReason {
    /// [`super::Mode::Off`].
    #[error("DHCP is off")]
    Off,
    /// `op` is not 1.
    #[error("it is a reply, not a request")]
    NotRequest,
    /// It carries our own address as its source or relay.
    #[error("it comes from this server itself")]
    Ourselves,
    /// RFC 1542 §4.1.1: at most 16.
    #[error("it passed {0} relays, more than the 16 allowed")]
    Hops(u8),
    /// Only Ethernet machines are served.
    #[error("hardware type {htype} with addresses of {hlen} bytes is not Ethernet")]
    NotEthernet {
        /// The type it gave.
        htype: u8,
        /// The length it gave, at most 16.
        hlen: u8,
    },
    /// Zero, broadcast or multicast.
    #[error("its hardware address is not one of a single machine")]
    HardwareAddress,
    /// Other machines were named.
    #[error("not in --only")]
    NotInOnly,
    /// No option 53.
    #[error("plain BOOTP is not served")]
    Bootp,
    /// A message only servers send, or of an unknown type.
    #[error("a {0} is not a client message")]
    Message(MessageType),
    /// The relay stands in a network that is not configured.
    #[error("no subnet is configured for the relay {0}")]
    UnknownRelay(Ipv4Addr),
    /// The receiving interface stands in a network that is not configured.
    #[error("no subnet is configured for this server's address {0}")]
    NoSubnet(Ipv4Addr),
    /// A relay, or the machine itself, asks for an address from a network that is not configured
    /// (RFC 3527, RFC 3011).
    #[error("no subnet is configured for the link {0} it asks for")]
    UnknownLink(Ipv4Addr),
    /// A proxy or boot server says nothing to a machine that does not boot from the network.
    #[error("it does not ask to boot, and nothing else is answered here")]
    NotBooting,
    /// A proxy's answer without a boot file would only be in the way of others.
    #[error("nothing to boot: {0}")]
    NothingToBoot(NoLoader),
    /// `HTTPClient` is UEFI's; which one, the machine did not say.
    #[error("it wants to boot over HTTP, as UEFI does, and says it is an {0}")]
    NotUefi(Arch),
    /// A proxy gives no addresses; see [`super::Mode::Proxy`].
    #[error("{0} is not leased to it here, and another server gives addresses now")]
    NotGivenHere(Ipv4Addr),
    /// A machine nothing is known about has an address that is not ours to refuse (RFC 2131 §4.3.2).
    #[error("{0} is outside the range handed out here; another server may have given it")]
    Stranger(Ipv4Addr),
    /// Port 4011 answers DHCPREQUEST and DHCPINFORM.
    #[error("a {0} is not answered on port 4011")]
    BootServerMessage(MessageType),
    /// An answer to port 0 reaches nobody.
    #[error("it was sent from port 0")]
    NoSourcePort,
    /// Option 43, sub-option 71, names something nobody offered here.
    #[error("boot item {item}, layer {layer} is not offered by this server")]
    BootItem {
        /// The item's type.
        item: u16,
        /// Its layer; bit 15 asks for credentials.
        layer: u16,
    },
    /// A probe for this machine is under way; its next try will be answered.
    #[error("{0} is still being checked for it")]
    Checking(Ipv4Addr),
    /// The result of a probe nobody waits for any more.
    #[error("it stopped waiting for {0}")]
    StaleCheck(Ipv4Addr),
    /// Nothing to give.
    #[error("no address is free between {0} and {1}")]
    PoolFull(Ipv4Addr, Ipv4Addr),
    /// Somebody answered on each address tried.
    #[error("the {0} addresses tried for it are all in use by others")]
    AllInUse(u8),
    /// A DECLINE that its own machine belies.
    #[error(
        "{0} is answered for by {1} alone, which has the lease: it goes on, and the message may be forged"
    )]
    FalseDecline(Ipv4Addr, Mac),
    /// It declined too often; see [`super::MAX_DECLINES`].
    #[error("it declined {declines} addresses; it is asked to wait {secs} s")]
    Declines {
        /// Number of declines.
        declines: u8,
        /// Until it is served again.
        secs: u64,
    },
    /// Option 54 names somebody else.
    #[error("it chose the server {0}")]
    OtherServer(Ipv4Addr),
    /// Neither option 50 nor `ciaddr`.
    #[error("it names no address")]
    NoAddress,
    /// The answer would go to an address outside the networks served.
    #[error("its address {0} is in no network served here")]
    ForeignAddress(Ipv4Addr),
    /// It gives back what it never had.
    #[error("{0} is not leased to it")]
    NotIts(Ipv4Addr),
}

reason_codes!(IgnoreReason {
    Self::Off => "dhcp_off",
    Self::NotRequest => "not_a_request",
    Self::Ourselves => "own_message",
    Self::Hops(_) => "too_many_relays",
    Self::NotEthernet { .. } => "not_ethernet",
    Self::HardwareAddress => "bad_hardware_address",
    Self::NotInOnly => "not_in_only",
    Self::Bootp => "plain_bootp",
    Self::Message(_) => "not_a_client_message",
    Self::UnknownRelay(_) => "unknown_relay",
    Self::NoSubnet(_) => "no_subnet",
    Self::UnknownLink(_) => "unknown_link",
    Self::NotBooting => "not_pxe_client",
    Self::NothingToBoot(_) => "nothing_to_boot",
    Self::NotUefi(_) => "http_boot_without_uefi",
    Self::NotGivenHere(_) => "not_leased_here",
    Self::Stranger(_) => "address_out_of_range",
    Self::BootServerMessage(_) => "not_a_boot_server_message",
    Self::NoSourcePort => "no_source_port",
    Self::BootItem { .. } => "unknown_boot_item",
    Self::Checking(_) => "address_being_checked",
    Self::StaleCheck(_) => "stale_check",
    Self::PoolFull(..) => "pool_full",
    Self::AllInUse(_) => "addresses_in_use",
    Self::FalseDecline(..) => "false_decline",
    Self::Declines { .. } => "too_many_declines",
    Self::OtherServer(_) => "other_server_chosen",
    Self::NoAddress => "no_address_named",
    Self::ForeignAddress(_) => "foreign_address",
    Self::NotIts(_) => "not_its_lease",
});
