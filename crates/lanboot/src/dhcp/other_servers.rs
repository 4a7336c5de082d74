//! Probes for other DHCP servers, what is heard of them, and what is logged of it. The decisions are
//! those of `lanboot_core::dhcp::server_detection`.

use std::hash::{BuildHasher as _, RandomState};

use lanboot_core::dhcp::server_detection::Action;
use lanboot_core::dhcp::{Packet, Port};
use lanboot_core::events::DiagnosticCode;
use lanboot_core::plan::MenuKind;

use super::limits::BURST;
use super::link::{Link, Received};
use super::serving::Serving;
use crate::io::host_error;
use crate::loaders::advice;
use crate::net;

impl Serving {
    /// Performs what server detection of a link wants done by now.
    pub(super) fn detection_due(&mut self, number: usize) {
        let now = self.uptime();
        let random = RandomState::new().hash_one(number);
        let Some(link) = self.links.get_mut(number) else {
            return;
        };
        if link.detection.next_timeout().is_some_and(|at| at <= now) {
            let has_link = link.has_link();
            let is_off = !has_link && net::is_off(&link.interface);
            let action = link.detection.on_timeout(now, has_link, is_off, random);
            self.perform_action(number, action);
        }
    }

    /// Starts detection over on every link (SIGHUP).
    pub(super) fn reload(&mut self) {
        let now = self.uptime();
        for number in 0..self.links.len() {
            if let Some(link) = self.links.get_mut(number) {
                let action = link.detection.on_reload(now);
                self.perform_action(number, action);
            }
        }
    }

    /// Reads what servers send to clients.
    pub(super) fn hear_servers(&mut self, number: usize) {
        let now = self.uptime();
        for _ in 0..BURST {
            let Some(link) = self.links.get_mut(number) else {
                return;
            };
            match link.hear_server() {
                Ok(Some((source, payload))) => {
                    let detection = &mut link.detection;
                    let action = detection.on_server_message(&payload, source, &self.own, now);
                    self.perform_action(number, action);
                }
                Ok(None) => {}
                // Nothing more, or the interface went down.
                Err(_) => return,
            }
        }
    }

    /// Looks at a client's message for signs of other servers.
    pub(super) fn overhear(&mut self, packet: &Packet, received: &Received) {
        let now = self.uptime();
        let link = self.links.get_mut(received.link);
        let Some(link) = link.filter(|_| received.port == Port::Server) else {
            return;
        };
        let detection = &mut link.detection;
        let action = detection.on_client_message(packet, &self.own, now);
        self.perform_action(received.link, action);
    }

    /// Logs and sends what server detection wants.
    pub(super) fn perform_action(&mut self, number: usize, action: Action) {
        let Some(link) = self.links.get(number) else {
            return;
        };
        if let Some(diagnostic) = action.diagnostic {
            let text = diagnostic.message(&link.interface);
            self.report(diagnostic.code().with(text).of_interface(&*link.interface));
        }
        if action.probe {
            self.send_probe(number);
        }
    }

    fn send_probe(&mut self, number: usize) {
        let [.., a, b, c, d] = RandomState::new().hash_one(number).to_be_bytes();
        let xid = u32::from_be_bytes([a, b, c, d]);
        let link = self.links.get_mut(number);
        let Some(link) = link.filter(|link| link.has_address && link.upper.is_none()) else {
            return;
        };
        // While the interface is down nobody can be there to answer.
        if let Err(error) = link.probe_servers(xid)
            && link.has_link()
        {
            link.detection.on_probe_not_sent();
            let why = host_error::of(&error).to_string();
            if self.unsent.server_probe.as_ref() != Some(&why) {
                let text = format!("cannot look for DHCP servers on {}: {why}", link.interface);
                self.unsent.server_probe = Some(why);
                let diagnostic = DiagnosticCode::ServerProbeFailed.with(text);
                let diagnostic = diagnostic.of_interface(&*link.interface);
                self.report(diagnostic);
            }
        }
    }

    /// Sends `decided` once the mode of every link is decided, or cannot be.
    pub(super) fn log_decided(&mut self) {
        if self.links.iter().all(|link| link.detection.is_decided())
            && let Some(decided) = self.decided.take()
        {
            // Nobody waits for it any more only while the program ends.
            let _ = decided.send(());
        }
    }

    /// Logs once which machines have nothing to start beside another server, when the first link
    /// leaves the addresses to one.
    pub(super) fn log_proxy(&mut self) {
        let is_beside = |link: &Link| link.detection.is_beside_another();
        if self.log_proxy_once || !self.links.iter().any(is_beside) {
            return;
        }
        self.log_proxy_once = true;
        // The medium's own menu is not made from these.
        let routes = self.context.routes.load();
        if self.menu == MenuKind::Generated
            && let Some(text) = advice::beside_another(&routes.catalog, &routes.loaders)
        {
            self.report(DiagnosticCode::SecureBootBesideServer.with(text));
        }
    }
}
