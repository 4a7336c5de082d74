//! Answers messages: asks the core, and carries out what it answers.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use lanboot_core::catalog::Server;
use lanboot_core::dhcp::{
    Answer, Mode, Note, Outgoing, Probe, ReceiveInfo, Request, checked, respond,
};
use lanboot_core::events::{EventKind, ListenerReason, Peer};
use lanboot_core::machine::Machine;
use lanboot_core::plan::{self, LoaderChoice};
use tokio::time::Instant;

use super::limits::{ARP_WAIT, PING_WAIT};
use super::link::Received;
use super::log::peer;
use super::serving::{Pending, Serving};
use crate::events::bus;
use crate::io::host_error;
use crate::store::Change;

impl Serving {
    /// Asks the core for the answer to a message, or goes on after the probe of an address.
    ///
    /// # Errors
    /// Nothing is answered on the link for now, for this reason.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        received: &Received,
        overloaded: bool,
        probed: Option<(Ipv4Addr, Probe)>,
    ) -> Result<Answer, ListenerReason> {
        let link = self.links.get(received.link);
        let link = link.ok_or(ListenerReason::InterfaceGone)?;
        let mode = link.mode()?;
        let routes = self.context.routes.load();
        let address = link.address;
        let server = Server {
            http: lanboot_core::net::Origin::http(address.into(), self.http_port),
            nfs: routes.nfs,
            nbd: routes.nbd,
        };
        let boot = |machine: &Machine| {
            let planned = self.context.plans.of(machine.mac, machine.uuid);
            let choice = planned.loader.map(|kind| LoaderChoice {
                of: vec![(machine.mac, kind)],
                ..LoaderChoice::default()
            });
            let starts = routes.menu.boot.planned(&routes.catalog, &planned.boot);
            let offers = plan::Offers {
                catalog: &routes.catalog,
                loaders: &routes.loaders,
                choice: choice.as_ref().unwrap_or(&self.loader),
                // Where it names nothing that is there, the menu says so.
                boot: starts.as_deref().unwrap_or(&routes.menu.boot),
                menu: self.menu,
                // Of this interface, now: another server may have come or gone.
                proxy: mode == Mode::Proxy,
            };
            plan::offer(machine, &offers, &server)
        };
        let info = ReceiveInfo {
            interface: &link.interface,
            server: address,
            own: &self.own,
            source: received.source,
            port: received.port,
            mode,
            boot_server: link.is_boot_server(),
            now: bus::now(),
            overloaded,
        };
        let interface = Arc::clone(&link.interface);
        let (config, leases) = (&self.config, &mut self.leases);
        let answer = match probed {
            None => respond(request, &info, config, leases, &boot),
            Some((address, probe)) => {
                checked(request, &info, config, leases, &boot, address, probe)
            }
        };
        for finding in self.leases.take_findings() {
            let diagnostic = finding.code().with(finding.to_string());
            self.report(diagnostic.of_interface(&*interface));
        }
        Ok(answer)
    }

    /// Carries an answer out: sends it, probes an address, or logs that there is none.
    pub(super) fn perform(
        &mut self,
        request: Request,
        received: Received,
        answer: Result<Answer, ListenerReason>,
    ) {
        match answer {
            Ok(Answer::Send(mut outgoing)) => {
                let machine = request.machine().cloned();
                match outgoing.commit.take() {
                    Some(lease) => {
                        let committed = self.committed.clone();
                        let then = Box::new(move |result| {
                            // Full or closed only while the program ends.
                            let _ = committed.try_send((received, outgoing, machine, result));
                        });
                        self.store.commit(Change::PutLease(lease), Some(then));
                    }
                    None => self.send(&received, &outgoing, machine),
                }
            }
            Ok(Answer::Check { address, by_ping }) => {
                self.check(request, received, address, by_ping);
            }
            Ok(Answer::Ignore(reason)) => self.log_ignored(&request, &received, reason),
            Ok(Answer::Done(note)) => self.done(&request, &received, note),
            Err(reason) => self.log_ignored(&request, &received, reason),
        }
    }

    /// Probes an address for a message, which waits for what that finds.
    fn check(&mut self, request: Request, received: Received, address: Ipv4Addr, by_ping: bool) {
        if self.probe(address, by_ping, received.link) {
            let now = Instant::now();
            let wait = if by_ping { PING_WAIT } else { ARP_WAIT };
            let pending = Pending {
                request,
                received,
                by_ping,
                asked_again: false,
                own: None,
                next: now + wait / 2,
                end: now + wait,
            };
            self.probes.insert(address, pending);
            return;
        }
        let probe = match by_ping && !request.packet().is_relayed() {
            // ARP was answered, and nothing speaks against it.
            true => Probe::Answered(None),
            // Nobody can be asked; the machine's own probe has to do.
            false => Probe::Silent,
        };
        let answer = self.ask(&request, &received, true, Some((address, probe)));
        self.perform(request, received, answer);
    }

    /// Sends the ACK of a lease that is on disk; logs one that cannot be written.
    pub(super) fn durable(
        &mut self,
        received: &Received,
        outgoing: &Outgoing,
        machine: Option<Machine>,
        result: Result<(), String>,
    ) {
        match result {
            Ok(()) => self.send(received, outgoing, machine),
            Err(error) => {
                let mac = machine.map(|m| m.mac);
                let reason = ListenerReason::LeaseNotWritten(error);
                self.ignored(Peer { mac, ip: None }, "DHCPREQUEST", reason);
            }
        }
    }

    fn done(&mut self, request: &Request, received: &Received, note: Note) {
        let change = note
            .record
            .map_or(Change::RemoveLease(note.address), Change::PutLease);
        self.store.commit(change, None);
        let Some(link) = self.links.get(received.link) else {
            return;
        };
        let what = EventKind::Dhcp {
            interface: Arc::clone(&link.interface),
            message: note.message,
            address: Some(IpAddr::V4(note.address)),
            machine: request.machine().cloned(),
            detail: note.detail,
        };
        self.context.bus.publish(peer(request, received), what);
    }

    fn send(&self, received: &Received, outgoing: &Outgoing, machine: Option<Machine>) {
        let Some(link) = self.links.get(received.link) else {
            return;
        };
        let peer = Peer {
            mac: machine.as_ref().map(|m| m.mac),
            ip: None,
        };
        match link.send(outgoing, received) {
            Ok(()) => {
                let what = EventKind::Dhcp {
                    interface: Arc::clone(&link.interface),
                    message: outgoing.message,
                    address: outgoing.address.map(IpAddr::V4),
                    machine,
                    detail: outgoing.detail.clone(),
                };
                self.context.bus.publish(peer, what);
            }
            Err(error) => {
                let reason = ListenerReason::NotSent(host_error::of(&error));
                self.ignored(peer, outgoing.message.name(), reason);
            }
        }
    }
}
