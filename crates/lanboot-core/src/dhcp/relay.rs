//! Relays: the network a message is about, and what its relay says (RFC 3046 and its sub-options).

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::answer::{Port, ReceiveInfo};
use super::config::{Config, Mode, Subnet};
use super::reason::IgnoreReason;
use super::wire::option::{Code, encapsulated};
use super::wire::{MessageType, Packet};

/// Sub-option 5 of option 82: link selection (RFC 3527).
const LINK_SELECTION: u8 = 5;
/// Sub-option 11 of option 82: server identifier override (RFC 5107).
const SERVER_OVERRIDE: u8 = 11;

/// Sub-option 19 of option 82: the answer goes to the port the message came from (RFC 8357 §5.1).
const SOURCE_PORT: u8 = 19;
/// Time in seconds until an operator is warned again about one relay.
const WARN_AGAIN: u64 = 3600;
/// Relays warned about by address; of more, nothing is said.
const MAX_WARNED: usize = 64;

/// The network a message is about, and who we are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) subnet: &'a Subnet,
    /// Our server identifier: our address, or what the relay wants to stand there instead
    /// (RFC 5107).
    pub(super) server: Ipv4Addr,
    /// Option 118 chose the subnet and goes back as it came (RFC 3011 §2).
    pub(super) by_option: bool,
}

impl<'a> Place<'a> {
    /// Finds it: link selection, subnet selection, the relay, the machine's own address, the
    /// receiving interface, in this order.
    pub(super) fn of(
        packet: &Packet,
        info: &ReceiveInfo<'_>,
        config: &'a Config,
        message: MessageType,
    ) -> Result<Self, IgnoreReason> {
        let at = |subnet| Self {
            subnet,
            server: info.server,
            by_option: false,
        };
        let source = *info.source.ip();
        if info.port == Port::BootServer {
            // Answered where it came from, which must be a machine of ours.
            let subnet = config.subnet(source).filter(|s| s.is_host(source));
            return subnet.map(at).ok_or(IgnoreReason::ForeignAddress(source));
        }
        if packet.is_relayed() {
            return Self::relayed(packet, info, config);
        }
        // A machine behind a relay renews without it, routed straight to us; RELEASE and INFORM too.
        let routed = matches!(
            message,
            MessageType::Request | MessageType::Release | MessageType::Inform
        ) && packet.ciaddr == source;
        let by_ciaddr = config.subnet(packet.ciaddr).filter(|_| routed);
        by_ciaddr
            .or_else(|| config.subnet(info.server))
            .map(at)
            .ok_or(IgnoreReason::NoSubnet(info.server))
    }

    fn relayed(
        packet: &Packet,
        info: &ReceiveInfo<'_>,
        config: &'a Config,
    ) -> Result<Self, IgnoreReason> {
        let relay = packet.giaddr;
        let near = config.subnet(relay).filter(|s| s.is_host(relay));
        let link = sub_option(packet, LINK_SELECTION);
        // Only through a relay: a machine on our own wire has no use for another network's address.
        let selected = packet.options.address(Code::SUBNET_SELECTION);
        let subnet = match link.or(selected) {
            None => near.ok_or(IgnoreReason::UnknownRelay(relay))?,
            Some(link) => {
                // A relay that names the link speaks from an address of its own choice (RFC 3527
                // §2). The answer goes there, so it must be known or have sent this itself.
                if near.is_none() && (*info.source.ip() != relay || !is_unicast(relay)) {
                    return Err(IgnoreReason::UnknownRelay(relay));
                }
                let subnet = config.subnet(link).ok_or(IgnoreReason::UnknownLink(link))?;
                // Nor has a stranger any business with the machines of a network we stand in: both
                // addresses may be forged, and the answer would reach somebody far away.
                if near.is_none() && info.stands_in(subnet) {
                    return Err(IgnoreReason::UnknownRelay(relay));
                }
                subnet
            }
        };
        // A proxy is asked at its own address: nothing may stand in for that.
        let server = sub_option(packet, SERVER_OVERRIDE)
            .filter(|a| info.mode == Mode::Server && subnet.is_host(*a))
            .unwrap_or(info.server);
        Ok(Self {
            subnet,
            server,
            by_option: link.is_none() && selected.is_some(),
        })
    }
}

/// Returns whether the relay wants its answer at the port it sent from.
pub(super) fn wants_source_port(packet: &Packet) -> bool {
    let agent = packet.options.get(Code::RELAY).unwrap_or_default();
    packet.is_relayed() && encapsulated(agent).any(|(code, _)| code == SOURCE_PORT)
}

/// Relays warned about lately, and when; at most [`MAX_WARNED`].
#[derive(Clone, Debug, Default)]
pub(super) struct Warned(HashMap<Ipv4Addr, u64>);

impl Warned {
    /// Notes that a relay is warned about, unless that was done lately. Returns whether it is due.
    pub(super) fn is_due(&mut self, relay: Ipv4Addr, now: u64) -> bool {
        let warned = &mut self.0;
        warned.retain(|_, at| now.checked_sub(*at).is_some_and(|age| age < WARN_AGAIN));
        let is_due = !warned.contains_key(&relay) && warned.len() < MAX_WARNED;
        if is_due {
            warned.insert(relay, now);
        }
        is_due
    }
}

/// An address in option 82.
fn sub_option(packet: &Packet, wanted: u8) -> Option<Ipv4Addr> {
    let (_, value) =
        encapsulated(packet.options.get(Code::RELAY)?).find(|(code, _)| *code == wanted)?;
    let octets: [u8; 4] = value.try_into().ok()?;
    Some(Ipv4Addr::from(octets)).filter(|address| !address.is_unspecified())
}

/// Returns whether an address can be that of one host: neither 0/8, loopback, multicast nor above.
fn is_unicast(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    (1..=223).contains(&first) && !address.is_loopback()
}
