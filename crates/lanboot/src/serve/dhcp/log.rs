//! What the DHCP door tells of what it hears, and why it is silent.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use lanboot_core::dhcp::{Code, MessageType, Mode, Op, Packet, Port, pxe};
use lanboot_core::events::{self, EventKind, Peer, Reason};
use lanboot_core::machine::Stage;

use super::Serving;
use super::link::Origin;

impl Serving {
    pub(super) fn log_incoming(&self, packet: &Packet, origin: &Origin) {
        let (Some(message), Some(link)) = (packet.message_type(), self.links.get(origin.link))
        else {
            return;
        };
        let machine = pxe::machine(packet);
        // What a phone asks is told by what it is answered; what asks to boot is told in full.
        if machine.as_ref().is_none_or(|m| m.stage == Stage::Plain) {
            return;
        }
        let what = EventKind::Dhcp {
            interface: Arc::clone(&link.interface),
            message,
            address: None,
            machine,
            detail: None,
        };
        self.context.bus.publish(peer(packet, origin), what);
    }

    /// Tells that a machine takes an address from another server, when its REQUEST says so: it names
    /// that server, or it asks whichever gave the address before while this one gives none.
    pub(super) fn log_other_lease(&self, packet: &Packet, origin: &Origin) {
        let Some(link) = self.links.get(origin.link) else {
            return;
        };
        let is_request = packet.op == Op::Request
            && packet.message_type() == Some(MessageType::Request)
            && origin.port == Port::Server;
        let Some(machine) = pxe::machine(packet).filter(|_| is_request) else {
            return;
        };
        let options = &packet.options;
        let named = options.address(Code::SERVER_ID);
        let is_other = match named {
            Some(server) => !self.own.contains(&server),
            None => link.detection.mode() == Some(Mode::Proxy),
        };
        let known = |address: &Ipv4Addr| !address.is_unspecified();
        let address = [
            options.address(Code::REQUESTED_ADDRESS),
            Some(packet.ciaddr),
        ];
        let address = address.into_iter().flatten().find(known);
        let Some(address) = address.filter(|_| is_other) else {
            return;
        };
        let what = EventKind::OtherLease {
            interface: Arc::clone(&link.interface),
            server: named.map(IpAddr::V4),
            address: IpAddr::V4(address),
            machine,
        };
        self.context.bus.publish(peer(packet, origin), what);
    }

    pub(super) fn log_ignored(&self, packet: &Packet, origin: &Origin, reason: impl Into<Reason>) {
        let message = packet.message_type().map_or("BOOTP message", |m| m.name());
        self.ignored(peer(packet, origin), message, reason);
    }

    pub(super) fn ignored(&self, peer: Peer, request: &str, reason: impl Into<Reason>) {
        let what = EventKind::Ignored {
            protocol: events::Protocol::Dhcp,
            request: request.to_owned(),
            reason: reason.into(),
        };
        self.context.bus.publish(peer, what);
    }

    pub(super) fn notice(&self, text: String) {
        self.context
            .bus
            .publish(Peer::default(), EventKind::Diagnostic { text });
    }
}

/// Whom a message is from: its hardware address, or where it came from when that is none of ours
/// to read.
pub(super) fn peer(packet: &Packet, origin: &Origin) -> Peer {
    match pxe::machine(packet) {
        Some(machine) => Peer {
            mac: Some(machine.mac),
            ip: None,
        },
        None => Peer {
            mac: None,
            ip: Some(IpAddr::V4(*origin.source.ip())),
        },
    }
}
