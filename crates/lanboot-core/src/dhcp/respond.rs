//! The server: one message in, one answer out (RFC 2131 §4.3).

use std::net::{Ipv4Addr, SocketAddrV4};

use super::answer::{Answer, BootFile, Destination, Note, Outgoing, Probe, Receipt};
use super::config::{Config, Mode, Subnet};
use super::lease::{Client, ClientId, Lease};
use super::option::Code;
use super::packet::{CLIENT_PORT, MessageType, Op, Packet};
use super::reply::{Encoded, Reply};
use super::table::{Leases, Step};
use super::why::Why;
use crate::bytes::printable;
use crate::machine::{Mac, Machine, Stage};

/// Relays a message may have passed (RFC 1542 §4.1.1).
const MAX_HOPS: u8 = 16;
/// Addresses checked for one DISCOVER. Each takes about 0.3 s and firmware gives up on an attempt
/// after 4; its next attempt goes on with other addresses.
pub const MAX_CHECKS: u8 = 4;
/// Longest host name kept (RFC 1123 §2.1).
const MAX_HOSTNAME: usize = 255;

/// Answers one message.
///
/// `boot` says what a machine that can boot from the network shall load; plain clients never get
/// there. The leases change at once; what must outlive the program comes back in
/// [`Outgoing::commit`] and [`Note::record`].
pub fn respond(
    packet: &Packet,
    receipt: &Receipt<'_>,
    config: &Config,
    leases: &mut Leases,
    boot: &dyn Fn(&Machine) -> Option<BootFile>,
) -> Answer {
    let answer = Exchange::admit(packet, receipt, config, leases, boot)
        .and_then(|mut exchange| exchange.respond());
    answer.unwrap_or_else(Answer::Ignore)
}

/// Goes on after [`Answer::Check`]: the same message, and what the probe of `address` found.
pub fn checked(
    packet: &Packet,
    receipt: &Receipt<'_>,
    config: &Config,
    leases: &mut Leases,
    boot: &dyn Fn(&Machine) -> Option<BootFile>,
    address: Ipv4Addr,
    probe: Probe,
) -> Answer {
    let answer = Exchange::admit(packet, receipt, config, leases, boot)
        .and_then(|mut exchange| exchange.checked(address, probe));
    answer.unwrap_or_else(Answer::Ignore)
}

/// A message that may be answered, with all that is needed for it.
struct Exchange<'a> {
    packet: &'a Packet,
    receipt: &'a Receipt<'a>,
    config: &'a Config,
    leases: &'a mut Leases,
    boot: &'a dyn Fn(&Machine) -> Option<BootFile>,
    message: MessageType,
    machine: Machine,
    client: Client,
    subnet: &'a Subnet,
    /// Seconds since 1970.
    now: u64,
}

impl<'a> Exchange<'a> {
    /// Lets in what deserves an answer.
    fn admit(
        packet: &'a Packet,
        receipt: &'a Receipt<'a>,
        config: &'a Config,
        leases: &'a mut Leases,
        boot: &'a dyn Fn(&Machine) -> Option<BootFile>,
    ) -> Result<Self, Why> {
        if config.mode == Mode::Off {
            return Err(Why::Off);
        }
        if packet.op != Op::Request {
            return Err(Why::NotRequest);
        }
        if receipt.is_own(*receipt.source.ip()) || receipt.is_own(packet.giaddr) {
            return Err(Why::Ourselves);
        }
        if packet.hops > MAX_HOPS {
            return Err(Why::Hops(packet.hops));
        }
        let machine = super::pxe::machine(packet).ok_or(Why::NotEthernet {
            htype: packet.htype,
            hlen: packet.hlen,
        })?;
        if !is_individual(machine.mac) {
            return Err(Why::HardwareAddress);
        }
        if !config.only.is_empty() && !config.only.contains(&machine.mac) {
            return Err(Why::NotInOnly);
        }
        let message = packet.message_type().ok_or(Why::Bootp)?;
        let subnet = find_subnet(packet, receipt, config, message)?;
        let now = receipt.now.as_secs();
        for address in receipt.own.iter().chain([&receipt.server]) {
            leases.withhold(*address);
        }
        leases.refresh(now);
        let client = Client {
            id: ClientId::of(packet),
            mac: machine.mac,
        };
        Ok(Self {
            packet,
            receipt,
            config,
            leases,
            boot,
            message,
            machine,
            client,
            subnet,
            now,
        })
    }

    fn respond(&mut self) -> Result<Answer, Why> {
        match self.message {
            MessageType::Discover => self.discover(),
            MessageType::Request => self.request(),
            MessageType::Inform => self.inform(),
            MessageType::Release => self.release(),
            MessageType::Decline => self.decline(),
            MessageType::Offer | MessageType::Ack | MessageType::Nak | MessageType::Other(_) => {
                Err(Why::Message(self.message))
            }
        }
    }

    /// RFC 2131 §4.3.1.
    fn discover(&mut self) -> Result<Answer, Why> {
        self.refuse_decliners()?;
        match self.leases.held_for(&self.client.id) {
            Some((address, Step::Checking { .. })) => Err(Why::Checking(address)),
            Some((address, Step::Offered)) if self.subnet.contains(address) => {
                Ok(self.offer(address))
            }
            _ => self.look_for_address(0, true),
        }
    }

    fn checked(&mut self, address: Ipv4Addr, probe: Probe) -> Result<Answer, Why> {
        let Some((
            held,
            Step::Checking {
                failed,
                mut takeover,
            },
        )) = self.leases.held_for(&self.client.id)
        else {
            return Err(Why::StaleCheck(address));
        };
        if held != address {
            return Err(Why::StaleCheck(address));
        }
        let lease = self.leases.get(address).filter(|l| l.expires > self.now);
        let leased_to_another_name = lease.is_some_and(|l| l.client != self.client.id);
        match probe {
            // Its own last life still answers for the address: it may have it back.
            Probe::Answered(Some(mac)) if mac == self.client.mac && !leased_to_another_name => {
                return Ok(self.offer(address));
            }
            Probe::Silent => {
                self.leases.mark_free(address, self.now);
                return Ok(self.offer(address));
            }
            // Two clients behind one hardware address; the other keeps its lease.
            Probe::Answered(_) if leased_to_another_name => {
                takeover = false;
                self.leases.drop_hold(&self.client.id);
            }
            Probe::Answered(_) => self.leases.mark_in_use(address, self.now),
        }
        self.look_for_address(failed.saturating_add(1), takeover)
    }

    /// Offers an address, or has it checked first.
    fn look_for_address(&mut self, failed: u8, takeover: bool) -> Result<Answer, Why> {
        if failed >= MAX_CHECKS {
            return Err(Why::AllInUse(failed));
        }
        let requested = self.packet.options.address(Code::REQUESTED_ADDRESS);
        let choice = self
            .leases
            .choose(&self.client, requested, takeover, self.subnet, self.now)
            .ok_or(Why::PoolFull(self.subnet.range.0, self.subnet.range.1))?;
        if choice.sure || !self.config.check || self.receipt.overloaded {
            return Ok(self.offer(choice.address));
        }
        let step = Step::Checking { failed, takeover };
        self.leases
            .hold(choice.address, &self.client.id, step, self.now);
        Ok(Answer::Check {
            address: choice.address,
            relayed: self.packet.is_relayed(),
        })
    }

    fn offer(&mut self, address: Ipv4Addr) -> Answer {
        self.leases
            .hold(address, &self.client.id, Step::Offered, self.now);
        let secs = self.lease_secs();
        let to = self.destination(address);
        self.send(MessageType::Offer, address, Some(secs), to, None)
    }

    /// RFC 2131 §4.3.2. The client's state shows in which fields it filled.
    fn request(&mut self) -> Result<Answer, Why> {
        let ciaddr = Some(self.packet.ciaddr).filter(|a| !a.is_unspecified());
        let requested = self.packet.options.address(Code::REQUESTED_ADDRESS);
        if let Some(server) = self.packet.options.address(Code::SERVER_ID)
            && server != self.receipt.server
        {
            // SELECTING, and it selected somebody else.
            self.leases.drop_hold(&self.client.id);
            return Err(Why::OtherServer(server));
        }
        if ciaddr.is_none() {
            self.refuse_decliners()?;
        }
        // SELECTING and INIT-REBOOT fill option 50, RENEWING and REBINDING `ciaddr`. Some renew
        // with our identifier although they must not.
        let selecting = requested.filter(|_| self.packet.options.has(Code::SERVER_ID));
        let address = selecting.or(ciaddr).or(requested).ok_or(Why::NoAddress)?;
        let claim = self.leases.claim(
            address,
            &self.client,
            ciaddr == Some(address),
            self.subnet,
            self.now,
        );
        match claim {
            Ok(()) => Ok(self.acknowledge(address)),
            Err(refusal) => Ok(self.refuse(address, refusal.to_string())),
        }
    }

    fn acknowledge(&mut self, address: Ipv4Addr) -> Answer {
        let secs = self.lease_secs();
        let expires = self.now.saturating_add(u64::from(secs));
        let lease = self
            .leases
            .bind(address, &self.client, hostname(self.packet), expires);
        let to = self.destination(address);
        self.send(MessageType::Ack, address, Some(secs), to, Some(lease))
    }

    fn refuse(&mut self, address: Ipv4Addr, text: String) -> Answer {
        self.leases.drop_hold(&self.client.id);
        let to = if self.packet.is_relayed() {
            Destination::Relay(self.packet.giaddr)
        } else {
            // RFC 2131 §4.1: always, whatever `ciaddr` says.
            Destination::Broadcast
        };
        let encoded = self
            .reply(MessageType::Nak, None, None, None)
            .encode_nak(&text);
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
    fn inform(&mut self) -> Result<Answer, Why> {
        let address = [self.packet.ciaddr, *self.receipt.source.ip()]
            .into_iter()
            .find(|a| !a.is_unspecified())
            .ok_or(Why::NoAddress)?;
        if !self.subnet.is_host(address) {
            return Err(Why::ForeignAddress(address));
        }
        let to = Destination::Unicast(SocketAddrV4::new(address, CLIENT_PORT));
        Ok(self.send(MessageType::Ack, address, None, to, None))
    }

    /// RFC 2131 §4.3.4.
    fn release(&mut self) -> Result<Answer, Why> {
        self.is_for_us()?;
        let address = self.packet.ciaddr;
        let lease = self
            .leases
            .release(address, &self.client, self.now)
            .ok_or(Why::NotIts(address))?;
        Ok(Answer::Done(Note {
            message: MessageType::Release,
            address,
            record: Some(lease),
            detail: None,
        }))
    }

    /// RFC 2131 §4.3.3.
    fn decline(&mut self) -> Result<Answer, Why> {
        self.is_for_us()?;
        let requested = self.packet.options.address(Code::REQUESTED_ADDRESS);
        let address = requested.ok_or(Why::NoAddress)?;
        let count = self
            .leases
            .decline(address, &self.client, self.now)
            .ok_or(Why::NotIts(address))?;
        Ok(Answer::Done(Note {
            message: MessageType::Decline,
            address,
            record: None,
            detail: Some(format!("another machine uses it, it says; decline {count}")),
        }))
    }

    fn is_for_us(&self) -> Result<(), Why> {
        match self.packet.options.address(Code::SERVER_ID) {
            Some(server) if server != self.receipt.server => Err(Why::OtherServer(server)),
            _ => Ok(()),
        }
    }

    fn refuse_decliners(&self) -> Result<(), Why> {
        match self.leases.penance(&self.client.id, self.now) {
            Some((declines, secs)) => Err(Why::Declines { declines, secs }),
            None => Ok(()),
        }
    }

    fn lease_secs(&self) -> u32 {
        self.subnet
            .lease_secs(self.packet.options.u32(Code::LEASE_TIME))
    }

    /// RFC 2131 §4.1, for OFFER and ACK.
    fn destination(&self, address: Ipv4Addr) -> Destination {
        if self.packet.is_relayed() {
            Destination::Relay(self.packet.giaddr)
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
    fn send(
        &self,
        message: MessageType,
        address: Ipv4Addr,
        lease_secs: Option<u32>,
        to: Destination,
        commit: Option<Lease>,
    ) -> Answer {
        let boot = match self.machine.stage {
            Stage::Plain => None,
            Stage::Firmware | Stage::HttpBoot | Stage::Ipxe => (self.boot)(&self.machine),
        };
        let encoded = self
            .reply(
                message,
                lease_secs.map(|_| address),
                lease_secs,
                boot.as_ref(),
            )
            .encode(self.subnet);
        let detail = self.detail(boot.as_ref(), &encoded);
        Answer::Send(Outgoing {
            bytes: encoded.bytes,
            to,
            message,
            address: Some(address),
            commit,
            detail,
        })
    }

    fn reply<'b>(
        &'b self,
        message: MessageType,
        address: Option<Ipv4Addr>,
        lease_secs: Option<u32>,
        boot: Option<&'b BootFile>,
    ) -> Reply<'b> {
        Reply {
            request: self.packet,
            server: self.receipt.server,
            message,
            address,
            lease_secs,
            stage: self.machine.stage,
            boot,
        }
    }

    fn detail(&self, boot: Option<&BootFile>, encoded: &Encoded) -> Option<String> {
        let mut parts = Vec::new();
        match boot {
            Some(boot) => parts.push(boot.file.clone()),
            None if self.machine.stage == Stage::Plain => {}
            None => parts.push("no boot file for it".to_owned()),
        }
        if !encoded.left_out.is_empty() {
            let codes: Vec<String> = encoded.left_out.iter().map(Code::to_string).collect();
            parts.push(format!("no room for options {}", codes.join(", ")));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// The network a message comes from.
fn find_subnet<'a>(
    packet: &Packet,
    receipt: &Receipt<'_>,
    config: &'a Config,
    message: MessageType,
) -> Result<&'a Subnet, Why> {
    if packet.is_relayed() {
        let subnet = config
            .subnet(packet.giaddr)
            .filter(|s| s.is_host(packet.giaddr));
        return subnet.ok_or(Why::UnknownRelay(packet.giaddr));
    }
    // A machine behind a relay renews without it, routed straight to us; RELEASE and INFORM too.
    let routed = matches!(
        message,
        MessageType::Request | MessageType::Release | MessageType::Inform
    ) && packet.ciaddr == *receipt.source.ip();
    let by_ciaddr = config.subnet(packet.ciaddr).filter(|_| routed);
    by_ciaddr
        .or_else(|| config.subnet(receipt.server))
        .ok_or(Why::NoSubnet(receipt.server))
}

/// Whether a hardware address can be that of one machine; a frame to any other would reach many.
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
