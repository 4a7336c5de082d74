//! The BOOTP message (RFC 2131 §2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+---------------+---------------+
//! |     op (1)    |   htype (1)   |   hlen (1)    |   hops (1)    |
//! +---------------+---------------+---------------+---------------+
//! |                            xid (4)                            |
//! +-------------------------------+-------------------------------+
//! |           secs (2)            |           flags (2)           |
//! +-------------------------------+-------------------------------+
//! |     ciaddr (4)  yiaddr (4)  siaddr (4)  giaddr (4)            |
//! |     chaddr (16)  sname (64)  file (128)  options (variable)   |
//! +---------------------------------------------------------------+
//! ```

use std::fmt;
use std::net::Ipv4Addr;

use super::super::limits::MAX_LEN;
use super::option::{Code, MAGIC_COOKIE, Options, Writer};
use crate::bytes::{Reader, Truncated};
use crate::machine::Mac;

/// UDP port of servers and relays.
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;

/// Everything before the options field.
pub(in crate::dhcp) const HEADER_LEN: usize = 236;
/// Shortest message sent: RFC 951's size, below which old firmware drops replies.
pub(in crate::dhcp) const MIN_SENT: usize = 300;

/// Hardware type of Ethernet.
pub(in crate::dhcp) const ETHERNET: u8 = 1;
/// "Answer me by broadcast" (RFC 2131 §2, figure 2).
pub(in crate::dhcp) const BROADCAST_FLAG: u16 = 0x8000;

/// The direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// 1, from a client.
    Request,
    /// 2, from a server.
    Reply,
    /// Anything else, kept.
    Other(u8),
}

impl From<u8> for Op {
    fn from(op: u8) -> Self {
        match op {
            1 => Self::Request,
            2 => Self::Reply,
            other => Self::Other(other),
        }
    }
}

impl From<Op> for u8 {
    fn from(op: Op) -> Self {
        match op {
            Op::Request => 1,
            Op::Reply => 2,
            Op::Other(other) => other,
        }
    }
}

/// Option 53 (RFC 2132 §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 1: is there a server?
    Discover,
    /// 2: here is an address.
    Offer,
    /// 3: I take it, or still have it.
    Request,
    /// 4: somebody uses it already.
    Decline,
    /// 5: it is yours.
    Ack,
    /// 6: it is not yours.
    Nak,
    /// 7: I need it no more.
    Release,
    /// 8: I have an address; give me the other options.
    Inform,
    /// Anything else, kept.
    Other(u8),
}

impl MessageType {
    /// The word operators know: `DHCPDISCOVER`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discover => "DHCPDISCOVER",
            Self::Offer => "DHCPOFFER",
            Self::Request => "DHCPREQUEST",
            Self::Decline => "DHCPDECLINE",
            Self::Ack => "DHCPACK",
            Self::Nak => "DHCPNAK",
            Self::Release => "DHCPRELEASE",
            Self::Inform => "DHCPINFORM",
            Self::Other(_) => "DHCP message",
        }
    }
}

impl From<u8> for MessageType {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            other => Self::Other(other),
        }
    }
}

impl From<MessageType> for u8 {
    fn from(message: MessageType) -> Self {
        match message {
            MessageType::Discover => 1,
            MessageType::Offer => 2,
            MessageType::Request => 3,
            MessageType::Decline => 4,
            MessageType::Ack => 5,
            MessageType::Nak => 6,
            MessageType::Release => 7,
            MessageType::Inform => 8,
            MessageType::Other(other) => other,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(code) => write!(f, "DHCP message of type {code}"),
            known => f.write_str(known.name()),
        }
    }
}

/// A BOOTP message with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Direction.
    pub op: Op,
    /// Hardware type; 1 is Ethernet.
    pub htype: u8,
    /// Bytes of `chaddr` that count, at most 16 whatever the wire said.
    pub hlen: u8,
    /// Relays passed.
    pub hops: u8,
    /// The client's transaction number.
    pub xid: u32,
    /// Seconds since the client began, as it says.
    pub secs: u16,
    /// Bit 15: answer by broadcast.
    pub flags: u16,
    /// The address the client has.
    pub ciaddr: Ipv4Addr,
    /// The address the server gives.
    pub yiaddr: Ipv4Addr,
    /// The next server.
    pub siaddr: Ipv4Addr,
    /// The relay.
    pub giaddr: Ipv4Addr,
    /// Hardware address, `hlen` bytes of it.
    pub chaddr: [u8; 16],
    /// Server name; zero when it carried options.
    pub sname: [u8; 64],
    /// Boot file; zero when it carried options.
    pub file: [u8; 128],
    /// The options, read from wherever they were.
    pub options: Options,
}

/// Bytes that are no BOOTP message at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than the fixed header.
    #[error("{0} bytes are too few for a DHCP message")]
    Short(usize),
    /// Longer than [`MAX_LEN`].
    #[error("{0} bytes are too many for a DHCP message")]
    Long(usize),
}

reason_codes!(Malformed {
    Self::Short(_) => "message_too_short",
    Self::Long(_) => "message_too_long",
});

impl Packet {
    /// Returns a message of an Ethernet client, with the option of its type and nothing else.
    pub fn from_client(mac: Mac, xid: u32, message: MessageType) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        let mut options = Options::new();
        options.set(Code::MESSAGE_TYPE, [message.into()]);
        Self {
            op: Op::Request,
            htype: ETHERNET,
            hlen: 6,
            hops: 0,
            xid,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: [a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            sname: [0; 64],
            file: [0; 128],
            options,
        }
    }

    /// Reads a message. Only its fixed header is needed; what is wrong with single options is in
    /// [`Options::faults`] and does not hide the others.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_LEN {
            return Err(Malformed::Long(bytes.len()));
        }
        Self::read(&mut Reader::new(bytes)).map_err(|_| Malformed::Short(bytes.len()))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let mut packet = Self {
            op: reader.u8("op")?.into(),
            htype: reader.u8("htype")?,
            hlen: reader.u8("hlen")?.min(16),
            hops: reader.u8("hops")?,
            xid: reader.u32("xid")?,
            secs: reader.u16("secs")?,
            flags: reader.u16("flags")?,
            ciaddr: reader.array::<4>("ciaddr")?.into(),
            yiaddr: reader.array::<4>("yiaddr")?.into(),
            siaddr: reader.array::<4>("siaddr")?.into(),
            giaddr: reader.array::<4>("giaddr")?.into(),
            chaddr: reader.array("chaddr")?,
            sname: reader.array("sname")?,
            file: reader.array("file")?,
            options: Options::new(),
        };
        let (options, overload) = Options::parse(reader.rest(), &packet.file, &packet.sname);
        packet.options = options;
        if overload.file {
            packet.file = [0; 128];
        }
        if overload.sname {
            packet.sname = [0; 64];
        }
        Ok(packet)
    }

    /// Every field and option as bytes, padded to 300.
    pub fn emit(&self) -> Vec<u8> {
        let mut writer = Writer::new(usize::MAX);
        for (code, value) in self.options.iter() {
            writer.put(code, value);
        }
        self.emit_with(writer)
    }

    /// The fixed header, then the options of `writer` instead of this packet's own.
    pub(in crate::dhcp) fn emit_with(&self, writer: Writer) -> Vec<u8> {
        let mut out = Vec::with_capacity(576);
        out.extend_from_slice(&[self.op.into(), self.htype, self.hlen, self.hops]);
        out.extend_from_slice(&self.xid.to_be_bytes());
        out.extend_from_slice(&self.secs.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            out.extend_from_slice(&address.octets());
        }
        out.extend_from_slice(&self.chaddr);
        out.extend_from_slice(&self.sname);
        out.extend_from_slice(&self.file);
        out.extend_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(&writer.finish());
        if out.len() < MIN_SENT {
            out.resize(MIN_SENT, Code::PAD.0);
        }
        out
    }

    /// Option 53; `None` is plain BOOTP.
    pub fn message_type(&self) -> Option<MessageType> {
        self.options.u8(Code::MESSAGE_TYPE).map(MessageType::from)
    }

    /// The bytes of the hardware address that count.
    pub fn hardware_address(&self) -> &[u8] {
        self.chaddr
            .get(..usize::from(self.hlen))
            .unwrap_or(&self.chaddr)
    }

    /// Returns whether the client wants its answer by broadcast.
    pub fn wants_broadcast(&self) -> bool {
        self.flags & BROADCAST_FLAG != 0
    }

    /// Returns whether a relay forwarded it.
    pub fn is_relayed(&self) -> bool {
        !self.giaddr.is_unspecified()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::option::Fault;
    use super::*;

    fn packets() -> impl Strategy<Value = Packet> {
        let header = (
            any::<[u8; 2]>(),
            0..=16_u8,
            any::<u8>(),
            any::<u32>(),
            any::<[u16; 2]>(),
        );
        let addresses = any::<[[u8; 4]; 4]>();
        let names = (any::<[u8; 16]>(), any::<[u8; 32]>());
        let value = prop::collection::vec(any::<u8>(), 0..600);
        // Every legal code but 52, which is obeyed when reading instead of kept.
        let code = (1..=254_u8).prop_filter("overload", |c| *c != 52);
        let options = prop::collection::vec((code, value), 0..6);
        (header, addresses, names, options).prop_map(|(header, addresses, names, entries)| {
            let ([op, htype], hlen, hops, xid, [secs, flags]) = header;
            let [ciaddr, yiaddr, siaddr, giaddr] = addresses.map(Ipv4Addr::from);
            let mut packet = Packet {
                op: op.into(),
                htype,
                hlen,
                hops,
                xid,
                secs,
                flags,
                ciaddr,
                yiaddr,
                siaddr,
                giaddr,
                chaddr: names.0,
                sname: [0; 64],
                file: [0; 128],
                options: Options::new(),
            };
            packet.sname[..32].copy_from_slice(&names.1);
            packet.file[96..].copy_from_slice(&names.1);
            for (code, value) in entries {
                packet.options.set(Code(code), value);
            }
            packet
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(packet in packets()) {
            let bytes = packet.emit();
            prop_assert!(bytes.len() >= 300);
            let read = Packet::parse(&bytes).unwrap();
            let mut plain = read.clone();
            plain.options = Options::new();
            for (code, value) in read.options.iter() {
                plain.options.set(code, value);
            }
            prop_assert_eq!(plain, packet);
            prop_assert_eq!(read.emit(), bytes);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
            match Packet::parse(&bytes) {
                Ok(packet) => {
                    prop_assert!(bytes.len() >= 236);
                    prop_assert!(packet.hardware_address().len() <= 16);
                }
                Err(error) => prop_assert_eq!(error, Malformed::Short(bytes.len())),
            }
        }
    }

    #[test]
    fn hlen_255_counts_as_16() {
        let mut bytes = vec![0; 240];
        bytes[2] = 255;
        assert_eq!(Packet::parse(&bytes).unwrap().hardware_address(), &[0; 16]);
    }

    #[test]
    fn a_message_without_cookie_has_no_option() {
        for len in [236, 237, 240, 300] {
            let packet = Packet::parse(&vec![1; len]).unwrap();
            assert_eq!(packet.message_type(), None, "{len}");
            assert_eq!(packet.options.faults(), &[Fault::NoCookie]);
        }
    }

    #[test]
    fn an_overloaded_field_holds_no_name() {
        let mut bytes = vec![0; 236];
        bytes[108..112].copy_from_slice(&[53, 1, 1, 255]);
        bytes[44] = b's';
        bytes.extend_from_slice(&[99, 130, 83, 99, 52, 1, 1, 255]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.message_type(), Some(MessageType::Discover));
        assert_eq!(packet.file, [0; 128]);
        assert_eq!(packet.sname[0], b's');
    }

    #[test]
    fn too_long_a_message_is_refused() {
        assert_eq!(Packet::parse(&[0; 4097]), Err(Malformed::Long(4097)));
    }

    #[test]
    fn every_message_type_has_its_number() {
        for code in 0..=255 {
            assert_eq!(u8::from(MessageType::from(code)), code);
            assert_eq!(u8::from(Op::from(code)), code);
        }
        assert_eq!(MessageType::Discover.to_string(), "DHCPDISCOVER");
    }
}
