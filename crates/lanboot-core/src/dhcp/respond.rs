//! One message in, one answer out: validation, and the server's part (RFC 2131 §4.3).

use std::net::{Ipv4Addr, SocketAddrV4};

use super::answer::{Answer, BootSource, Destination, Note, Outgoing, Port, Probe, ReceiveInfo};
use super::config::{Config, Mode};
use super::lease::{Client, ClientId, Lease, Refusal};
use super::quirk::ResponseProfile;
use super::reason::IgnoreReason;
use super::relay::Place;
use super::reply::Reply;
use super::request::Request;
use super::table::Leases;
use super::wire::option::Code;
use super::wire::{CLIENT_PORT, MessageType, Op, Packet, SERVER_PORT};
use crate::machine::{Mac, Machine, Stage};
use crate::plan::Offer;
use crate::text::printable;

/// Relays a message may have passed (RFC 1542 §4.1.1).
const MAX_HOPS: u8 = 16;
/// Longest host name kept (RFC 1123 §2.1).
const MAX_HOSTNAME: usize = 255;

/// Answers one message.
///
/// `boot` returns what a machine that can boot from the network loads. The leases change at once; what must outlive the program comes back in
/// [`Outgoing::commit`] and [`Note::record`].
pub fn respond(
    request: &Request,
    info: &ReceiveInfo<'_>,
    config: &Config,
    leases: &mut Leases,
    boot: &BootSource<'_>,
) -> Answer {
    let answer = Transaction::validate(request, info, config, leases, boot)
        .and_then(|mut transaction| transaction.respond());
    answer.unwrap_or_else(Answer::Ignore)
}

/// Answers a message after [`Answer::Check`], with the result of the probe of `address`.
pub fn checked(
    request: &Request,
    info: &ReceiveInfo<'_>,
    config: &Config,
    leases: &mut Leases,
    boot: &BootSource<'_>,
    address: Ipv4Addr,
    probe: Probe,
) -> Answer {
    let answer = Transaction::validate(request, info, config, leases, boot)
        .and_then(|mut transaction| transaction.checked(address, probe));
    answer.unwrap_or_else(Answer::Ignore)
}

/// A valid message, with all that its answer needs.
pub(super) struct Transaction<'a> {
    pub(super) packet: &'a Packet,
    pub(super) info: &'a ReceiveInfo<'a>,
    pub(super) config: &'a Config,
    pub(super) leases: &'a mut Leases,
    pub(super) boot: &'a BootSource<'a>,
    pub(super) message: MessageType,
    pub(super) machine: &'a Machine,
    profile: ResponseProfile,
    pub(super) client: Client,
    pub(super) place: Place<'a>,
    /// Seconds since 1970.
    pub(super) now: u64,
}

impl<'a> Transaction<'a> {
    /// Checks that a message deserves an answer.
    fn validate(
        request: &'a Request,
        info: &'a ReceiveInfo<'a>,
        config: &'a Config,
        leases: &'a mut Leases,
        boot: &'a BootSource<'a>,
    ) -> Result<Self, IgnoreReason> {
        let packet = request.packet();
        if info.mode == Mode::Off {
            return Err(IgnoreReason::Off);
        }
        if packet.op != Op::Request {
            return Err(IgnoreReason::NotRequest);
        }
        if info.is_own(*info.source.ip()) || info.is_own(packet.giaddr) {
            return Err(IgnoreReason::Ourselves);
        }
        if packet.hops > MAX_HOPS {
            return Err(IgnoreReason::Hops(packet.hops));
        }
        if info.source.port() == 0 && super::relay::wants_source_port(packet) {
            return Err(IgnoreReason::NoSourcePort);
        }
        let (machine, profile) = request.classified().ok_or(IgnoreReason::NotEthernet {
            htype: packet.htype,
            hlen: packet.hlen,
        })?;
        let profile = match info.boot_server {
            true => profile,
            false => profile.without_boot_server(),
        };
        if !is_individual(machine.mac) {
            return Err(IgnoreReason::HardwareAddress);
        }
        if !config.only.is_empty() && !config.only.contains(&machine.mac) {
            return Err(IgnoreReason::NotInOnly);
        }
        let message = packet.message_type().ok_or(IgnoreReason::Bootp)?;
        let place = Place::of(packet, info, config, message)?;
        let now = info.now.as_secs();
        leases.refresh(now);
        if machine.stage != Stage::Plain {
            leases.stages.boots(machine.mac, now);
        }
        let client = Client {
            id: ClientId::of(packet),
            mac: machine.mac,
        };
        Ok(Self {
            packet,
            info,
            config,
            leases,
            boot,
            message,
            machine,
            profile,
            client,
            place,
            now,
        })
    }

    pub(super) fn respond(&mut self) -> Result<Answer, IgnoreReason> {
        match (self.info.port, self.info.mode) {
            (Port::BootServer, _) => self.boot_server(),
            (Port::Server, Mode::Proxy) => self.proxy(),
            (Port::Server, Mode::Server | Mode::Off) => self.serve(),
        }
    }

    fn serve(&mut self) -> Result<Answer, IgnoreReason> {
        match self.message {
            MessageType::Discover => self.discover(),
            MessageType::Request => self.request(),
            MessageType::Inform => self.inform(),
            MessageType::Release => self.release(),
            MessageType::Decline => self.decline(),
            MessageType::Offer | MessageType::Ack | MessageType::Nak | MessageType::Other(_) => {
                Err(IgnoreReason::Message(self.message))
            }
        }
    }

    /// RFC 2131 §4.3.2. The client's state shows in which fields it filled.
    fn request(&mut self) -> Result<Answer, IgnoreReason> {
        let (address, _) = self.requested()?;
        if self.packet.ciaddr.is_unspecified() {
            self.check_hold_off()?;
        }
        match self.claim(address) {
            Ok(()) => Ok(self.acknowledge(address, self.lease_secs())),
            Err(Refusal::OutsideRange(_)) if self.is_strange() => {
                Err(IgnoreReason::Stranger(address))
            }
            Err(refusal @ Refusal::PassedOn(_)) => {
                // Both are alive, so they are two.
                self.leases.stages.share(self.client.mac, self.now);
                Ok(self.refuse(address, refusal.to_string()))
            }
            Err(refusal) => Ok(self.refuse(address, refusal.to_string())),
        }
    }

    /// Returns the address a REQUEST to this server is about, and whether it selects an offer.
    pub(super) fn requested(&mut self) -> Result<(Ipv4Addr, bool), IgnoreReason> {
        let options = &self.packet.options;
        let ciaddr = Some(self.packet.ciaddr).filter(|a| !a.is_unspecified());
        let requested = options.address(Code::REQUESTED_ADDRESS);
        // SELECTING and INIT-REBOOT fill option 50, RENEWING and REBINDING `ciaddr`. Some renew
        // with our identifier although they must not.
        let selected = requested.filter(|_| options.has(Code::SERVER_ID));
        let address = selected.or(ciaddr).or(requested);
        if let Some(server) = options.address(Code::SERVER_ID)
            && !self.is_us(server, address)
        {
            // SELECTING, and it selected somebody else.
            self.leases.drop_reservation(&self.client.id);
            return Err(IgnoreReason::OtherServer(server));
        }
        let address = address.ok_or(IgnoreReason::NoAddress)?;
        Ok((address, selected.is_some()))
    }

    /// Returns whether option 54 means us. With an identifier that the relay put there (RFC 5107)
    /// every server behind it looks the same: then only those it knows are ours.
    fn is_us(&self, server: Ipv4Addr, address: Option<Ipv4Addr>) -> bool {
        let held = self.leases.held_for(&self.client.id);
        let is_held = || held.is_some_and(|(held, _)| Some(held) == address);
        let lease = address.and_then(|a| self.leases.get(a));
        let is_leased = || lease.is_some_and(|l| l.client == self.client.id);
        server == self.info.server || server == self.place.server && (is_held() || is_leased())
    }

    /// Checks that the client may have the address.
    pub(super) fn claim(&self, address: Ipv4Addr) -> Result<(), Refusal> {
        if self.is_relays(address) {
            return Err(Refusal::Excluded(address));
        }
        let uses_it = self.packet.ciaddr == address;
        let subnet = self.place.subnet;
        self.leases
            .claim(address, &self.client, uses_it, subnet, self.now)
    }

    /// Returns whether an address is the relay's own.
    pub(super) fn is_relays(&self, address: Ipv4Addr) -> bool {
        address == self.packet.giaddr || address == self.place.server
    }

    pub(super) fn acknowledge(&mut self, address: Ipv4Addr, secs: u32) -> Answer {
        let hostname = hostname(self.packet);
        let lease = self
            .leases
            .bind(address, &self.client, hostname, secs, self.now);
        let to = self.destination(address);
        self.send(MessageType::Ack, address, Some(secs), to, Some(lease))
    }

    fn refuse(&mut self, address: Ipv4Addr, text: String) -> Answer {
        self.leases.drop_reservation(&self.client.id);
        // RFC 2131 §4.1: always by broadcast, whatever `ciaddr` says.
        let to = self.relay().unwrap_or(Destination::Broadcast);
        let encoded = self
            .reply(MessageType::Nak, None, None, None)
            .encode_nak(&text);
        self.warn_of_relay(&encoded);
        Answer::Send(Outgoing {
            bytes: encoded.bytes,
            to,
            message: MessageType::Nak,
            address: Some(address),
            commit: None,
            detail: Some(text),
        })
    }

    /// RFC 2131 §4.3.5: parameters for an address we did not give, and no lease.
    fn inform(&mut self) -> Result<Answer, IgnoreReason> {
        let address = self.informing()?;
        let to = Destination::Unicast(SocketAddrV4::new(address, CLIENT_PORT));
        Ok(self.send(MessageType::Ack, address, None, to, None))
    }

    /// Returns the address of a machine that sends INFORM.
    pub(super) fn informing(&self) -> Result<Ipv4Addr, IgnoreReason> {
        let address = [self.packet.ciaddr, *self.info.source.ip()]
            .into_iter()
            .find(|a| !a.is_unspecified())
            .ok_or(IgnoreReason::NoAddress)?;
        if self.place.subnet.is_host(address) && !self.info.is_own(address) {
            Ok(address)
        } else {
            Err(IgnoreReason::ForeignAddress(address))
        }
    }

    /// RFC 2131 §4.3.4.
    pub(super) fn release(&mut self) -> Result<Answer, IgnoreReason> {
        let address = self.packet.ciaddr;
        self.is_for_us(address)?;
        let lease = self
            .leases
            .release(address, &self.client, self.now)
            .ok_or(IgnoreReason::NotIts(address))?;
        Ok(Answer::Done(Note {
            message: MessageType::Release,
            address,
            record: Some(lease),
            detail: None,
        }))
    }

    /// RFC 2131 §4.3.3.
    pub(super) fn decline(&mut self) -> Result<Answer, IgnoreReason> {
        let requested = self.packet.options.address(Code::REQUESTED_ADDRESS);
        let address = requested.ok_or(IgnoreReason::NoAddress)?;
        self.is_for_us(address)?;
        let count = self
            .leases
            .decline(address, &self.client, self.now)
            .ok_or(IgnoreReason::NotIts(address))?;
        // Anybody can send one in its name. Behind a relay a ping would not say who answers.
        if self.config.check && !self.packet.is_relayed() {
            let by_ping = false;
            return Ok(Answer::Check { address, by_ping });
        }
        Ok(self.declined(address, count))
    }

    /// Goes on with a DECLINE after a probe: the lease's own machine still answers for the address
    /// and nobody else does, or it was right.
    pub(super) fn decline_checked(
        &mut self,
        address: Ipv4Addr,
        probe: Probe,
    ) -> Result<Answer, IgnoreReason> {
        if probe == Probe::Answered(Some(self.client.mac)) && self.leases.undo_decline(address) {
            return Err(IgnoreReason::FalseDecline(address, self.client.mac));
        }
        let count = self.leases.confirm_decline(address);
        let count = count.ok_or(IgnoreReason::StaleCheck(address))?;
        Ok(self.declined(address, count))
    }

    fn declined(&mut self, address: Ipv4Addr, count: u8) -> Answer {
        self.leases.confirm_decline(address);
        Answer::Done(Note {
            message: MessageType::Decline,
            address,
            record: None,
            detail: Some(format!(
                "client reports an address conflict (decline {count})"
            )),
        })
    }

    fn is_for_us(&self, address: Ipv4Addr) -> Result<(), IgnoreReason> {
        match self.packet.options.address(Code::SERVER_ID) {
            Some(server) if !self.is_us(server, Some(address)) => {
                Err(IgnoreReason::OtherServer(server))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_hold_off(&self) -> Result<(), IgnoreReason> {
        match self.leases.hold_off(&self.client.id, self.now) {
            Some((declines, secs)) => Err(IgnoreReason::Declines { declines, secs }),
            None => Ok(()),
        }
    }

    pub(super) fn lease_secs(&self) -> u32 {
        let asked = self.packet.options.u32(Code::LEASE_TIME);
        self.place.subnet.lease_secs(asked)
    }

    /// Returns where an answer goes that passes a relay again: to its server port, or to the port
    /// it sent from where it asks for that (RFC 8357).
    pub(super) fn relay(&self) -> Option<Destination> {
        let port = match super::relay::wants_source_port(self.packet) {
            true => self.info.source.port(),
            false => SERVER_PORT,
        };
        let relay = SocketAddrV4::new(self.packet.giaddr, port);
        self.packet
            .is_relayed()
            .then_some(Destination::Relay(relay))
    }

    /// RFC 2131 §4.1, for OFFER and ACK.
    pub(super) fn destination(&self, address: Ipv4Addr) -> Destination {
        if let Some(relay) = self.relay() {
            relay
        } else if self.message == MessageType::Request && self.packet.ciaddr == address {
            Destination::Unicast(SocketAddrV4::new(address, CLIENT_PORT))
        } else if self.packet.wants_broadcast() {
            Destination::Broadcast
        } else {
            Destination::Frame {
                mac: self.machine.mac,
                address,
            }
        }
    }

    /// OFFER and ACK; without lease time the address is not given but only spoken to.
    pub(super) fn send(
        &mut self,
        message: MessageType,
        address: Ipv4Addr,
        lease_secs: Option<u32>,
        to: Destination,
        commit: Option<Lease>,
    ) -> Answer {
        let boot = self.boot_file();
        let encoded = self
            .reply(
                message,
                lease_secs.map(|_| address),
                lease_secs,
                boot.as_ref().ok(),
            )
            .encode(self.place.subnet);
        self.warn_of_relay(&encoded);
        let detail = Self::detail(boot.as_ref(), &encoded);
        Answer::Send(Outgoing {
            bytes: encoded.bytes,
            to,
            message,
            address: Some(address),
            commit,
            detail,
        })
    }

    pub(super) fn reply<'b>(
        &'b self,
        message: MessageType,
        address: Option<Ipv4Addr>,
        lease_secs: Option<u32>,
        boot: Option<&'b Offer>,
    ) -> Reply<'b> {
        Reply {
            request: self.packet,
            server: self.place.server,
            message,
            address,
            lease_secs,
            profile: self.profile,
            boot,
            boots: self.machine.stage != Stage::Plain,
            by_option: self.place.by_option,
            parting: lease_secs.is_some() && self.info.mode == Mode::Proxy,
        }
    }
}

/// Returns whether a hardware address can be that of one machine; a frame to any other would reach
/// many.
fn is_individual(mac: Mac) -> bool {
    let [first, ..] = mac.0;
    first & 1 == 0 && mac.0 != [0; 6]
}

fn hostname(packet: &Packet) -> Option<String> {
    let name = packet.options.get(Code::HOST_NAME)?;
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    let name = printable(name.get(..end)?, MAX_HOSTNAME);
    (!name.is_empty()).then_some(name)
}
