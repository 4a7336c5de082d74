//! An answer as bytes: which fields and options, in which order, and what is left out first when
//! the client takes only a small message.

use std::net::{IpAddr, Ipv4Addr};

use super::config::{Subnet, only_asked};
use super::pxe::{
    HTTP_CLIENT, NO_PXE_DHCP, PXE_CLIENT, RASPBERRY_PI_MENU, USE_FILE, menu, vendor_options,
};
use super::quirk::{Discovery, ResponseProfile};
use super::wire::option::{Code, Writer, wire_len};
use super::wire::{BROADCAST_FLAG, HEADER_LEN, MessageType, Op, Packet};
use crate::plan::Offer;

/// IP and UDP headers, which option 57 counts and our limit does not.
const IP_UDP_LEN: u16 = 28;
/// The datagram every client takes (RFC 2131 §2).
const MIN_DATAGRAM: u16 = 576;
/// Ethernet's: nothing is sent in fragments, which PXE ROMs cannot put together.
const MAX_DATAGRAM: u16 = 1500;
/// Lease times of this many seconds never end (RFC 2131 §3.3).
const FOREVER: u32 = u32::MAX;

/// Option 56 of an ACK by a server that stepped down: it keeps its word and is no rival. Without
/// it another lanboot that hears the ACK would take it for one and step down, too.
const PARTING: &[u8] = b"until this lease ends; another server gives addresses now (lanboot)";

/// Returns whether an ACK is that of a lanboot that no longer hands out addresses.
pub fn is_parting(packet: &Packet) -> bool {
    packet.message_type() == Some(MessageType::Ack)
        && packet.options.get(Code::MESSAGE) == Some(PARTING)
}

/// The content of an answer.
pub(super) struct Reply<'a> {
    pub(super) request: &'a Packet,
    pub(super) server: Ipv4Addr,
    pub(super) message: MessageType,
    /// `yiaddr`.
    pub(super) address: Option<Ipv4Addr>,
    /// Option 51, in seconds.
    pub(super) lease_secs: Option<u32>,
    /// The form of the answer.
    pub(super) profile: ResponseProfile,
    pub(super) boot: Option<&'a Offer>,
    /// It is firmware or a loader.
    pub(super) boots: bool,
    /// Option 118 goes back as it came.
    pub(super) by_option: bool,
    /// It only keeps a word given before; see [`is_parting`].
    pub(super) parting: bool,
}

/// An encoded answer.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    /// Options that did not fit.
    pub(super) left_out: Vec<Code>,
}

impl Reply<'_> {
    /// OFFER and ACK.
    pub(super) fn encode(&self, subnet: &Subnet) -> Encoded {
        let mut packet = self.header();
        packet.yiaddr = self.address.unwrap_or(Ipv4Addr::UNSPECIFIED);
        // klibc's ipconfig calls it ROOTSERVER, so plain clients get it too.
        packet.siaddr = self.boot.map_or(self.server, siaddr);
        if self.message == MessageType::Ack {
            packet.ciaddr = self.request.ciaddr;
        }
        let mut writer = self.writer();
        if let Some(secs) = self.lease_secs {
            writer.put(Code::LEASE_TIME, &secs.to_be_bytes());
        }
        writer.put(Code::SUBNET_MASK, &subnet.mask().octets());
        let relay = self.reserve_relay(&mut writer);
        if self.parting {
            writer.put(Code::MESSAGE, PARTING);
        }
        self.echo(&mut writer, Code::UUID);
        if let Some(boot) = self.boot {
            self.put_class(&mut writer);
            put_boot(&mut writer, &mut packet, boot);
            if self.profile.no_proxy_wait {
                writer.put(Code::IPXE, &NO_PXE_DHCP);
            }
        }
        // Who boots has to reach the server.
        if !subnet.routers.is_empty() && (self.boots || self.is_asked(Code::ROUTERS)) {
            writer.put_addresses(Code::ROUTERS, &subnet.routers);
        }
        if !subnet.dns.is_empty() && self.is_asked(Code::DNS) {
            writer.put_addresses(Code::DNS, &subnet.dns);
        }
        // From here on, what clients can work out or do without.
        self.echo(&mut writer, Code::CLIENT_ID);
        if self.by_option {
            self.echo(&mut writer, Code::SUBNET_SELECTION);
        }
        if let Some(secs) = self.lease_secs.filter(|s| *s != FOREVER) {
            // RFC 2131 §4.4.5: T1 = 0.5, T2 = 0.875 of the lease.
            writer.put(Code::RENEWAL, &(secs / 2).to_be_bytes());
            writer.put(Code::REBINDING, &(secs - secs / 8).to_be_bytes());
        }
        if self.is_asked(Code::BROADCAST) {
            writer.put(Code::BROADCAST, &subnet.broadcast().octets());
        }
        let domain = subnet.domain.as_deref().filter(|d| !d.is_empty());
        if let Some(domain) = domain.filter(|_| self.is_asked(Code::DOMAIN)) {
            writer.put(Code::DOMAIN, domain.as_bytes());
        }
        if let Some(boot) = self.boot {
            writer.put(Code::TFTP_SERVER, &nul_terminated(&boot.server.to_string()));
        }
        for (code, value) in &subnet.options {
            if self.is_asked(*code) || subnet.always.contains(code) {
                writer.put(*code, value);
            }
        }
        finish(&packet, writer, relay)
    }

    /// OFFER and ACK of a proxy or boot server: what to load, and nothing that an address brings.
    pub(super) fn encode_proxy(&self) -> Encoded {
        let mut packet = self.header();
        if self.message == MessageType::Ack {
            packet.ciaddr = self.request.ciaddr;
        }
        if packet.is_relayed() {
            // The relay has no `yiaddr` to send it to.
            packet.flags |= BROADCAST_FLAG;
        }
        let mut writer = self.writer();
        let relay = self.reserve_relay(&mut writer);
        if self.profile.http_client {
            writer.put(Code::VENDOR_CLASS, HTTP_CLIENT);
        } else {
            writer.put(Code::VENDOR_CLASS, PXE_CLIENT);
            self.put_discovery(&mut writer);
        }
        self.echo(&mut writer, Code::UUID);
        if let Some(boot) = self.boot {
            // The other server's `siaddr` is not ours: iPXE and EDK2 take the one beside the file.
            packet.siaddr = siaddr(boot);
            put_boot(&mut writer, &mut packet, boot);
            writer.put(Code::TFTP_SERVER, &nul_terminated(&boot.server.to_string()));
        }
        self.echo(&mut writer, Code::CLIENT_ID);
        finish(&packet, writer, relay)
    }

    /// Option 43 of a proxy or boot server.
    fn put_discovery(&self, writer: &mut Writer) {
        let mut value = match self.profile.discovery {
            Discovery::UseFile => USE_FILE.to_vec(),
            Discovery::AskBootServer => Vec::new(),
            // Who asks the boot server has chosen.
            Discovery::Menu if self.message == MessageType::Ack => USE_FILE.to_vec(),
            Discovery::Menu => menu(self.server),
            Discovery::RaspberryPiMenu => RASPBERRY_PI_MENU.to_vec(),
        };
        // The boot item asked for goes back (PXE 2.1 table 2-3).
        let asked = self.request.options.get(Code::VENDOR).unwrap_or_default();
        if let Some((item, layer)) = vendor_options(asked).boot_item
            && self.message == MessageType::Ack
        {
            value.extend_from_slice(&[71, 4]);
            value.extend_from_slice(&item.to_be_bytes());
            value.extend_from_slice(&layer.to_be_bytes());
        }
        if !value.is_empty() {
            value.push(Code::END.0);
            writer.put(Code::VENDOR, &value);
        }
    }

    /// NAK: nothing but who says no, and why (RFC 2131 table 3).
    pub(super) fn encode_nak(&self, text: &str) -> Encoded {
        let mut packet = self.header();
        if packet.is_relayed() {
            // RFC 2131 §4.3.2: the relay must broadcast it, the client's address being wrong.
            packet.flags |= BROADCAST_FLAG;
        }
        let mut writer = self.writer();
        let relay = self.reserve_relay(&mut writer);
        writer.put(Code::MESSAGE, text.as_bytes());
        self.echo(&mut writer, Code::CLIENT_ID);
        finish(&packet, writer, relay)
    }

    fn header(&self) -> Packet {
        let request = self.request;
        Packet {
            op: Op::Reply,
            htype: request.htype,
            hlen: request.hlen,
            hops: request.hops,
            xid: request.xid,
            secs: 0,
            flags: request.flags,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: request.giaddr,
            chaddr: request.chaddr,
            sname: [0; 64],
            file: [0; 128],
            options: super::Options::new(),
        }
    }

    fn writer(&self) -> Writer {
        // The options field begins with the cookie.
        let mut writer = Writer::new(payload_limit(self.request) - HEADER_LEN - 4);
        writer.put(Code::MESSAGE_TYPE, &[self.message.into()]);
        writer.put(Code::SERVER_ID, &self.server.octets());
        writer
    }

    /// Returns whether a client wants an option: it lists it (option 55), or lists nothing, as
    /// dnsmasq takes it. Of those that only go to who asks, silence is no request; and RFC 2563 has
    /// a request of its own, the option itself. Nobody lists PXELINUX's, which it needs (RFC 5071).
    fn is_asked(&self, code: Code) -> bool {
        let options = &self.request.options;
        match (code, options.get(Code::PARAMETERS)) {
            (Code::AUTO_CONFIGURE, _) => options.has(code),
            (Code::PXELINUX_MAGIC | Code::REBOOT_TIME, _) if self.boots => true,
            (_, Some(listed)) if !listed.is_empty() => listed.contains(&code.0),
            _ => only_asked(code).is_none(),
        }
    }

    /// Reserves space for option 82, which goes last. One too long for the message is left out, as
    /// RFC 3046 §2.2 wants.
    fn reserve_relay(&self, writer: &mut Writer) -> Option<&[u8]> {
        let relay = self.request.options.get(Code::RELAY)?;
        let fits = writer.reserve(wire_len(relay.len()));
        if !fits {
            writer.leave_out(Code::RELAY);
        }
        fits.then_some(relay)
    }

    /// Options 60 and 43 of an answer that gives an address: only for those that take no boot file
    /// without. `PXEClient` alone sends EDK2 to port 4011.
    fn put_class(&self, writer: &mut Writer) {
        if self.profile.http_client {
            writer.put(Code::VENDOR_CLASS, HTTP_CLIENT);
        } else if self.profile.discovery == Discovery::RaspberryPiMenu {
            writer.put(Code::VENDOR_CLASS, PXE_CLIENT);
            self.put_discovery(writer);
        }
    }

    /// Sends an option back as it came: 97 (RFC 4578 §2.3), 61 (RFC 6842).
    fn echo(&self, writer: &mut Writer, code: Code) {
        let value = self.request.options.get(code).unwrap_or_default();
        if !value.is_empty() {
            writer.put(code, value);
        }
    }
}

/// Returns the server of an offer as DHCPv4 has it (RFC 2131 §2); option 66 names one of IPv6.
fn siaddr(boot: &Offer) -> Ipv4Addr {
    match boot.server {
        IpAddr::V4(server) => server,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

fn put_boot(writer: &mut Writer, packet: &mut Packet, boot: &Offer) {
    // In the header too: some ROMs read only that, and shim takes its directory from it.
    if let Some(field) = packet.file.get_mut(..boot.file.len())
        && boot.file.len() < 128
    {
        field.copy_from_slice(boot.file.as_bytes());
    }
    // With its NUL: EDK2 writes one over the byte after an option without, and others take
    // the 0xff that follows as part of the name.
    writer.put(Code::BOOT_FILE, &nul_terminated(&boot.file));
    // Nobody asks for 209 and 210 and PXELINUX needs them (RFC 5071).
    if let Some(config) = &boot.config {
        writer.put(Code::CONFIG_FILE, config.as_bytes());
    }
    if let Some(prefix) = &boot.prefix {
        writer.put(Code::PATH_PREFIX, prefix.as_bytes());
    }
}

fn finish(packet: &Packet, mut writer: Writer, relay: Option<&[u8]>) -> Encoded {
    if let Some(relay) = relay {
        writer.unreserve(wire_len(relay.len()));
        writer.put(Code::RELAY, relay);
    }
    let left_out = writer.left_out().to_vec();
    Encoded {
        bytes: packet.emit_with(writer),
        left_out,
    }
}

/// Bytes of BOOTP message the client takes: what option 57 says, 548 without it. klibc's older
/// `ipconfig` sends none and drops anything longer.
fn payload_limit(request: &Packet) -> usize {
    let datagram = request
        .options
        .u16(Code::MAX_MESSAGE)
        .unwrap_or(MIN_DATAGRAM);
    usize::from(datagram.clamp(MIN_DATAGRAM, MAX_DATAGRAM) - IP_UDP_LEN)
}

fn nul_terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}
