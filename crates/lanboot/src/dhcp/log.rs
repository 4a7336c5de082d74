//! Logs messages received, and those that are ignored.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use lanboot_core::dhcp::{Code, MessageType, Mode, Op, Port, Request};
use lanboot_core::events::{self, Diagnostic, EventKind, Peer, Reason};
use lanboot_core::machine::Stage;

use super::link::Received;
use super::serving::Serving;

impl Serving {
    pub(super) fn log_incoming(&self, request: &Request, received: &Received) {
        let message = request.packet().message_type();
        let (Some(message), Some(link)) = (message, self.links.get(received.link)) else {
            return;
        };
        let machine = request.machine();
        // Of a plain client only the answer is logged; a machine that boots is logged in full.
        if machine.is_none_or(|m| m.stage == Stage::Plain) {
            return;
        }
        let what = EventKind::Dhcp {
            interface: Arc::clone(&link.interface),
            message,
            address: None,
            machine: machine.cloned(),
            detail: None,
        };
        self.context.bus.publish(peer(request, received), what);
    }

    /// Logs that a machine takes an address from another server, when its DHCPREQUEST says so: it
    /// names that server, or asks whichever gave the address before while this one gives none.
    pub(super) fn log_other_lease(&self, request: &Request, received: &Received) {
        let packet = request.packet();
        let Some(link) = self.links.get(received.link) else {
            return;
        };
        let is_request = packet.op == Op::Request
            && packet.message_type() == Some(MessageType::Request)
            && received.port == Port::Server;
        let Some(machine) = request.machine().filter(|_| is_request) else {
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
            machine: machine.clone(),
        };
        self.context.bus.publish(peer(request, received), what);
    }

    pub(super) fn log_ignored(
        &self,
        request: &Request,
        received: &Received,
        reason: impl Into<Reason>,
    ) {
        let message = request.packet().message_type();
        let message = message.map_or("BOOTP message", |m| m.name());
        self.ignored(peer(request, received), message, reason);
    }

    pub(super) fn ignored(&self, peer: Peer, request: &str, reason: impl Into<Reason>) {
        let what = EventKind::Ignored {
            protocol: events::Protocol::Dhcp,
            request: request.to_owned(),
            reason: reason.into(),
        };
        self.context.bus.publish(peer, what);
    }

    pub(super) fn report(&self, diagnostic: Diagnostic) {
        self.context.bus.report(diagnostic);
    }
}

/// Returns the sender of a message: its hardware address, or the source address of a message that
/// names none.
pub(super) fn peer(request: &Request, received: &Received) -> Peer {
    match request.machine() {
        Some(machine) => Peer {
            mac: Some(machine.mac),
            ip: None,
        },
        None => Peer {
            mac: None,
            ip: Some(IpAddr::V4(*received.source.ip())),
        },
    }
}
