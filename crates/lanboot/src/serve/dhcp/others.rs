//! Other DHCP servers: asks for them, hears them, and tells.

use std::hash::{BuildHasher as _, RandomState};

use lanboot_core::catalog::MenuKind;
use lanboot_core::dhcp::{MessageType, Mode, Op, Packet, Port};
use tokio::time::Instant;

use super::auto::Action;
use super::link::{Link, Origin};
use super::question::{self, Voice};
use super::{BURST, Serving};
use crate::doctor;
use crate::net;
use crate::serve::send_error;

impl Serving {
    /// Does what `auto` of a link has in mind for now.
    pub(super) fn link_due(&mut self, number: usize, now: Instant) {
        let random = RandomState::new().hash_one(number);
        let Some(link) = self.links.get_mut(number) else {
            return;
        };
        if link.auto.next().is_some_and(|next| next <= now) {
            let has_link = link.has_link();
            link.auto.set_off(!has_link && net::is_off(&link.interface));
            let step = link.auto.tick(now, has_link, random);
            self.take(number, step);
        }
    }

    /// The operator wants every link to ask anew.
    pub(super) fn again(&mut self) {
        for number in 0..self.links.len() {
            if let Some(link) = self.links.get_mut(number) {
                let step = link.auto.again(Instant::now());
                self.take(number, step);
            }
        }
    }

    /// What servers say to clients.
    pub(super) fn hear_servers(&mut self, number: usize) {
        for _ in 0..BURST {
            let Some(link) = self.links.get(number) else {
                return;
            };
            match link.hear_server() {
                Ok(Some((source, payload))) => {
                    if let Some(voice) = question::voice(&payload, source, &self.own) {
                        self.heard(number, voice);
                    }
                }
                Ok(None) => {}
                // Nothing more, or the interface went down.
                Err(_) => return,
            }
        }
    }

    /// What a machine's own message says about other servers: it had an offer of the one it
    /// chooses. Only after a DISCOVER: some name a server of another network by habit.
    pub(super) fn overhear(&mut self, packet: &Packet, origin: &Origin) {
        if origin.port != Port::Server || packet.op != Op::Request || packet.is_relayed() {
            return;
        }
        let Some(link) = self.links.get_mut(origin.link) else {
            return;
        };
        if packet.message_type() == Some(MessageType::Discover) {
            link.remember(packet.xid);
            if let Some(peer) = question::peer(packet) {
                link.auto.meet(peer, Instant::now());
            }
        } else if let Some(server) = question::chosen(packet, &self.own)
            && link.remembers(packet.xid)
        {
            self.heard(origin.link, Voice::Server(server));
        }
    }

    fn heard(&mut self, number: usize, voice: Voice) {
        if let Some(link) = self.links.get_mut(number) {
            let step = link.auto.heard(voice, Instant::now());
            self.take(number, step);
        }
    }

    pub(super) fn take(&mut self, number: usize, step: Action) {
        if let Some(text) = step.say {
            self.notice(text);
        }
        if !step.ask {
            return;
        }
        let [.., a, b, c, d] = RandomState::new().hash_one(number).to_be_bytes();
        let xid = u32::from_be_bytes([a, b, c, d]);
        let link = self.links.get_mut(number);
        let Some(link) = link.filter(|link| link.has_address && link.upper.is_none()) else {
            return;
        };
        // While the interface is down nobody can be there to answer.
        if let Err(error) = link.ask(xid)
            && link.has_link()
        {
            link.auto.unasked();
            let why = send_error::sentence(&error);
            if self.unsent.question.as_ref() != Some(&why) {
                let text = format!("cannot look for DHCP servers on {}: {why}", link.interface);
                self.unsent.question = Some(why);
                self.notice(text);
            }
        }
    }

    /// Says so once every link knows what it does, or cannot find out.
    pub(super) fn log_decided(&mut self) {
        if self.links.iter().all(|link| link.auto.is_settled())
            && let Some(decided) = self.decided.take()
        {
            // Nobody waits for it any more only while the program ends.
            let _ = decided.send(());
        }
    }

    /// Says once which machines have nothing to start beside another server, when the first link
    /// leaves the addresses to one.
    pub(super) fn log_proxy(&mut self) {
        let is_proxy = |link: &Link| link.auto.mode() == Some(Mode::Proxy);
        if self.log_proxy_once || !self.links.iter().any(is_proxy) {
            return;
        }
        self.log_proxy_once = true;
        // The medium's own menu is not made from these.
        let routes = self.context.routes.load();
        if self.menu == MenuKind::Generated
            && let Some(text) = doctor::beside_another(&routes.catalog, &routes.loaders)
        {
            self.notice(text);
        }
    }
}
