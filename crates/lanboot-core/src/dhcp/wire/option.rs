//! DHCP options (RFC 2132): codes, lenient reading with RFC 3396 joining and RFC 2132 §9.3
//! overload, and a writer that never exceeds its budget.

use std::fmt;
use std::net::Ipv4Addr;

use crate::bytes::{Reader, Truncated};

/// The start of the options field of a DHCP message (RFC 2131 §3).
pub const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

/// The longest value one option can carry; longer ones are split (RFC 3396 §5).
pub(in crate::dhcp) const MAX_PIECE: usize = 255;

/// An option's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

impl Code {
    /// 0: filler without a length.
    pub const PAD: Self = Self(0);
    /// 1: subnet mask.
    pub const SUBNET_MASK: Self = Self(1);
    /// 3: routers.
    pub const ROUTERS: Self = Self(3);
    /// 6: name servers.
    pub const DNS: Self = Self(6);
    /// 12: host name.
    pub const HOST_NAME: Self = Self(12);
    /// 15: domain name.
    pub const DOMAIN: Self = Self(15);
    /// 28: broadcast address.
    pub const BROADCAST: Self = Self(28);
    /// 43: vendor-specific, for PXE a list of sub-options.
    pub const VENDOR: Self = Self(43);
    /// 50: the address the client wants.
    pub const REQUESTED_ADDRESS: Self = Self(50);
    /// 51: lease time in seconds.
    pub const LEASE_TIME: Self = Self(51);
    /// 52: `file` and `sname` carry options.
    pub const OVERLOAD: Self = Self(52);
    /// 53: message type.
    pub const MESSAGE_TYPE: Self = Self(53);
    /// 54: server identifier.
    pub const SERVER_ID: Self = Self(54);
    /// 55: what the client asks for.
    pub const PARAMETERS: Self = Self(55);
    /// 56: text for a person.
    pub const MESSAGE: Self = Self(56);
    /// 57: the largest IP datagram the client takes.
    pub const MAX_MESSAGE: Self = Self(57);
    /// 58: renewal time T1.
    pub const RENEWAL: Self = Self(58);
    /// 59: rebinding time T2.
    pub const REBINDING: Self = Self(59);
    /// 60: vendor class.
    pub const VENDOR_CLASS: Self = Self(60);
    /// 61: client identifier.
    pub const CLIENT_ID: Self = Self(61);
    /// 66: boot server's name.
    pub const TFTP_SERVER: Self = Self(66);
    /// 67: boot file name.
    pub const BOOT_FILE: Self = Self(67);
    /// 77: user class (RFC 3004).
    pub const USER_CLASS: Self = Self(77);
    /// 82: relay agent information (RFC 3046).
    pub const RELAY: Self = Self(82);
    /// 93: client system architectures (RFC 4578 §2.1).
    pub const ARCH: Self = Self(93);
    /// 94: network interface of the client (RFC 4578 §2.2).
    pub const NDI: Self = Self(94);
    /// 97: machine identifier (RFC 4578 §2.3).
    pub const UUID: Self = Self(97);
    /// 108: IPv6 only preferred (RFC 8925).
    pub const IPV6_ONLY: Self = Self(108);
    /// 116: whether a client may give itself an address (RFC 2563).
    pub const AUTO_CONFIGURE: Self = Self(116);
    /// 118: the subnet an address is wanted from (RFC 3011).
    pub const SUBNET_SELECTION: Self = Self(118);
    /// 175: encapsulated iPXE options.
    pub const IPXE: Self = Self(175);
    /// 208: PXELINUX's magic number (RFC 5071 §3).
    pub const PXELINUX_MAGIC: Self = Self(208);
    /// 209: PXELINUX configuration file (RFC 5071 §4).
    pub const CONFIG_FILE: Self = Self(209);
    /// 210: PXELINUX path prefix (RFC 5071 §5).
    pub const PATH_PREFIX: Self = Self(210);
    /// 211: PXELINUX reboot time (RFC 5071 §6).
    pub const REBOOT_TIME: Self = Self(211);
    /// 255: the end.
    pub const END: Self = Self(255);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Something wrong with one option. The rest of the message still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no magic cookie, hence no option.
    #[error("no magic cookie")]
    NoCookie,
    /// The option says it is longer than what is left of its field.
    #[error("option {0} is cut short")]
    Cut(Code),
    /// A length its RFC does not allow. The bytes are kept.
    #[error("option {code} has {len} bytes")]
    Length {
        /// The option.
        code: Code,
        /// Bytes it has, after joining.
        len: usize,
    },
    /// Option 52 holds none of 1, 2, 3.
    #[error("option 52 holds {0}")]
    Overload(u8),
}

/// The options of one message in order of first appearance, each code once: what came in several
/// pieces, next to each other or not, is joined (RFC 3396 §7). Option 52 is obeyed when reading
/// and not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    entries: Vec<(Code, Vec<u8>)>,
    faults: Vec<Fault>,
}

/// The header fields that carried options (option 52).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dhcp) struct Overload {
    pub(in crate::dhcp) file: bool,
    pub(in crate::dhcp) sname: bool,
}

impl Options {
    /// No option.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the options field (magic cookie first), then `file` and `sname` where option 52 says
    /// so, in the order RFC 3396 §5 gives. Never fails: what is wrong is in [`Options::faults`].
    pub(in crate::dhcp) fn parse(field: &[u8], file: &[u8], sname: &[u8]) -> (Self, Overload) {
        let mut joiner = Joiner::new();
        let Some(field) = field.strip_prefix(&MAGIC_COOKIE) else {
            joiner.options.faults.push(Fault::NoCookie);
            return (joiner.options, Overload::default());
        };
        joiner.area(field);
        let overload = joiner.overload();
        if overload.file {
            joiner.area(file);
        }
        if overload.sname {
            joiner.area(sname);
        }
        let mut options = joiner.options;
        options.entries.retain(|(code, _)| *code != Code::OVERLOAD);
        for (code, value) in &options.entries {
            let len = value.len();
            if !legal_len(*code, len) {
                options.faults.push(Fault::Length { code: *code, len });
            }
        }
        (options, overload)
    }

    /// The bytes of an option.
    pub fn get(&self, code: Code) -> Option<&[u8]> {
        self.entries
            .iter()
            .find(|(c, _)| *c == code)
            .map(|(_, value)| value.as_slice())
    }

    /// Returns whether the option is there, even empty.
    pub fn has(&self, code: Code) -> bool {
        self.get(code).is_some()
    }

    /// The first byte of an option.
    pub fn u8(&self, code: Code) -> Option<u8> {
        self.get(code)?.first().copied()
    }

    /// The first two bytes of an option as a number.
    pub fn u16(&self, code: Code) -> Option<u16> {
        let bytes = self.get(code)?.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*bytes))
    }

    /// The first four bytes of an option as a number.
    pub fn u32(&self, code: Code) -> Option<u32> {
        let bytes = self.get(code)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// The first four bytes of an option as an address; `0.0.0.0` is no address.
    pub fn address(&self, code: Code) -> Option<Ipv4Addr> {
        self.u32(code)
            .map(Ipv4Addr::from_bits)
            .filter(|address| !address.is_unspecified())
    }

    /// Every option in order.
    pub fn iter(&self) -> impl Iterator<Item = (Code, &[u8])> {
        self.entries
            .iter()
            .map(|(code, value)| (*code, value.as_slice()))
    }

    /// Returns what was wrong with single options.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Sets an option, replacing an earlier one of the same code. [`Code::PAD`] and [`Code::END`]
    /// are no options and change nothing.
    pub fn set(&mut self, code: Code, value: impl Into<Vec<u8>>) {
        if matches!(code, Code::PAD | Code::END) {
            return;
        }
        match self.entries.iter_mut().find(|(c, _)| *c == code) {
            Some((_, old)) => *old = value.into(),
            None => self.entries.push((code, value.into())),
        }
    }

    /// Takes an option out.
    pub fn remove(&mut self, code: Code) {
        self.entries.retain(|(c, _)| *c != code);
    }
}

/// Gathers the pieces of each option.
struct Joiner {
    options: Options,
    /// Position of a code in `options.entries`, plus one; 0 = not there yet. Keeps a message of
    /// many tiny options linear.
    place: [u16; 256],
}

impl Joiner {
    fn new() -> Self {
        Self {
            options: Options::new(),
            place: [0; 256],
        }
    }

    /// Reads one field up to its END. A cut option ends the field: what follows has no known start.
    fn area(&mut self, bytes: &[u8]) {
        let mut reader = Reader::new(bytes);
        while let Some(code) = next_code(&mut reader) {
            match tlv_value(&mut reader) {
                Ok(value) => self.join(code, value),
                Err(_) => {
                    self.options.faults.push(Fault::Cut(code));
                    return;
                }
            }
        }
    }

    fn join(&mut self, code: Code, value: &[u8]) {
        let Some(place) = self.place.get_mut(usize::from(code.0)) else {
            return;
        };
        let known = usize::from(*place)
            .checked_sub(1)
            .and_then(|i| self.options.entries.get_mut(i));
        if let Some((_, joined)) = known {
            joined.extend_from_slice(value);
        } else {
            self.options.entries.push((code, value.to_vec()));
            // At most 254 codes exist.
            *place = u16::try_from(self.options.entries.len()).unwrap_or(0);
        }
    }

    fn overload(&mut self) -> Overload {
        let Some(value) = self.options.get(Code::OVERLOAD) else {
            return Overload::default();
        };
        match value {
            [1] => Overload {
                file: true,
                sname: false,
            },
            [2] => Overload {
                file: false,
                sname: true,
            },
            [3] => Overload {
                file: true,
                sname: true,
            },
            [] => Overload::default(),
            [other, ..] => {
                let fault = Fault::Overload(*other);
                self.options.faults.push(fault);
                Overload::default()
            }
        }
    }
}

/// The next code that is not padding; `None` at END or where the bytes end.
fn next_code(reader: &mut Reader<'_>) -> Option<Code> {
    loop {
        match reader.u8("option code").map(Code) {
            Ok(Code::PAD) => {}
            Ok(Code::END) | Err(_) => return None,
            Ok(code) => return Some(code),
        }
    }
}

fn tlv_value<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Truncated> {
    let len = reader.u8("option length")?;
    reader.take(usize::from(len), "option value")
}

/// The sub-options inside options 43 and 175: code, length, value; 0 pads, 255 ends. Stops
/// quietly at the first one that is cut short.
pub fn encapsulated(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut reader = Reader::new(bytes);
    std::iter::from_fn(move || {
        let code = next_code(&mut reader)?;
        let value = tlv_value(&mut reader).ok()?;
        Some((code.0, value))
    })
}

/// Returns whether the RFCs allow an option this length. Codes without a rule here may have any.
pub(in crate::dhcp) fn legal_len(code: Code, len: usize) -> bool {
    match code {
        Code::MESSAGE_TYPE => len == 1,
        Code::MAX_MESSAGE => len == 2,
        Code::NDI => len == 3,
        Code::SUBNET_MASK
        | Code::BROADCAST
        | Code::REQUESTED_ADDRESS
        | Code::LEASE_TIME
        | Code::SERVER_ID
        | Code::RENEWAL
        | Code::REBINDING => len == 4,
        Code::UUID => len == 17,
        Code::CLIENT_ID => len >= 2,
        Code::ARCH => len >= 2 && len.is_multiple_of(2),
        Code::ROUTERS | Code::DNS => len >= 4 && len.is_multiple_of(4),
        _ => true,
    }
}

/// Writes options into at most `capacity` bytes, END included. An option that does not fit is left
/// out whole and remembered; shorter ones after it may still fit.
#[derive(Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    capacity: usize,
    left_out: Vec<Code>,
}

impl Writer {
    /// A writer for a field of `capacity` bytes, which does not include the magic cookie.
    pub fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::new(),
            // END takes one.
            capacity: capacity.saturating_sub(1),
            left_out: Vec::new(),
        }
    }

    /// Bytes that still fit, before END.
    pub fn remaining(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    /// Keeps `len` bytes back for later; `false` when there are not so many.
    pub fn reserve(&mut self, len: usize) -> bool {
        let fits = len <= self.remaining();
        if fits {
            self.capacity -= len;
        }
        fits
    }

    /// Gives reserved bytes back.
    pub fn unreserve(&mut self, len: usize) {
        self.capacity += len;
    }

    /// Writes an option, in pieces when it is longer than 255 bytes (RFC 3396 §5); `false` when it
    /// does not fit.
    pub fn put(&mut self, code: Code, value: &[u8]) -> bool {
        if wire_len(value.len()) > self.remaining() {
            self.left_out.push(code);
            return false;
        }
        if value.is_empty() {
            self.bytes.extend_from_slice(&[code.0, 0]);
        }
        for piece in value.chunks(MAX_PIECE) {
            // `chunks` gives at most 255 bytes.
            let len = u8::try_from(piece.len()).unwrap_or(u8::MAX);
            self.bytes.extend_from_slice(&[code.0, len]);
            self.bytes.extend_from_slice(piece);
        }
        true
    }

    /// Writes addresses one after the other.
    pub fn put_addresses(&mut self, code: Code, addresses: &[Ipv4Addr]) -> bool {
        let bytes: Vec<u8> = addresses.iter().flat_map(|a| a.octets()).collect();
        self.put(code, &bytes)
    }

    /// Notes that an option was left out without an attempt to write it.
    pub fn leave_out(&mut self, code: Code) {
        self.left_out.push(code);
    }

    /// Returns what did not fit, in order.
    pub fn left_out(&self) -> &[Code] {
        &self.left_out
    }

    /// The field with its END.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(Code::END.0);
        self.bytes
    }
}

/// Bytes an option with a value of `len` bytes takes on the wire.
pub fn wire_len(len: usize) -> usize {
    len + 2 * len.div_ceil(MAX_PIECE).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[u8]) -> Options {
        let field = [&MAGIC_COOKIE[..], options].concat();
        Options::parse(&field, &[], &[]).0
    }

    #[test]
    fn pieces_are_joined_even_when_others_stand_between() {
        let options = parse(&[
            67, 2, b'a', b'b', 12, 1, b'h', 0, 67, 1, b'c', 255, 67, 1, b'x',
        ]);
        assert_eq!(options.get(Code::BOOT_FILE), Some(&b"abc"[..]));
        assert_eq!(options.get(Code::HOST_NAME), Some(&b"h"[..]));
        assert_eq!(options.faults(), &[]);
    }

    #[test]
    fn a_cut_option_is_reported_and_those_before_it_stay() {
        let options = parse(&[53, 1, 1, 60, 200, b'P']);
        assert_eq!(options.u8(Code::MESSAGE_TYPE), Some(1));
        assert!(!options.has(Code::VENDOR_CLASS));
        assert_eq!(options.faults(), &[Fault::Cut(Code::VENDOR_CLASS)]);
        assert_eq!(parse(&[53]).faults(), &[Fault::Cut(Code::MESSAGE_TYPE)]);
    }

    #[test]
    fn a_wrong_length_is_reported_and_does_not_hide_the_options_after_it() {
        let options = parse(&[
            57, 1, 5, 94, 2, 1, 2, 12, 2, 0xe4, 0xf6, 60, 3, b'P', b'X', b'E',
        ]);
        assert_eq!(options.u16(Code::MAX_MESSAGE), None);
        assert_eq!(options.get(Code::VENDOR_CLASS), Some(&b"PXE"[..]));
        assert_eq!(
            options.faults(),
            &[
                Fault::Length {
                    code: Code::MAX_MESSAGE,
                    len: 1
                },
                Fault::Length {
                    code: Code::NDI,
                    len: 2
                },
            ]
        );
    }

    #[test]
    fn overload_reads_file_then_sname_and_joins_across_them() {
        let field = [&MAGIC_COOKIE[..], &[52, 1, 3, 67, 1, b'1', 255]].concat();
        let (options, overload) = Options::parse(
            &field,
            &[67, 1, b'2', 255, 99, 99],
            &[67, 1, b'3', 60, 9, b'P'],
        );
        assert_eq!(
            overload,
            Overload {
                file: true,
                sname: true
            }
        );
        assert_eq!(options.get(Code::BOOT_FILE), Some(&b"123"[..]));
        assert_eq!(options.faults(), &[Fault::Cut(Code::VENDOR_CLASS)]);
        assert!(!options.has(Code::OVERLOAD));
    }

    #[test]
    fn overload_inside_an_overloaded_field_does_nothing() {
        let field = [&MAGIC_COOKIE[..], &[52, 1, 1]].concat();
        let (options, overload) = Options::parse(&field, &[52, 1, 2, 255], &[12, 1, b'x']);
        assert_eq!(
            overload,
            Overload {
                file: true,
                sname: false
            }
        );
        assert!(!options.has(Code::HOST_NAME));
    }

    #[test]
    fn an_impossible_overload_is_a_fault() {
        assert_eq!(parse(&[52, 1, 9, 53, 1, 1]).faults(), &[Fault::Overload(9)]);
    }

    #[test]
    fn a_message_of_64_kib_of_tiny_options_is_read() {
        let field: Vec<u8> = MAGIC_COOKIE
            .iter()
            .copied()
            .chain((0..32_000_u32).flat_map(|i| [u8::try_from(1 + i % 254).unwrap(), 0]))
            .collect();
        assert_eq!(Options::parse(&field, &[], &[]).0.iter().count(), 253);
    }

    #[test]
    fn the_writer_keeps_its_budget_and_says_what_it_left_out() {
        let mut writer = Writer::new(12);
        assert!(writer.put(Code::MESSAGE_TYPE, &[2]));
        assert!(!writer.put(Code::BOOT_FILE, &[b'x'; 7]));
        assert!(writer.put(Code::SERVER_ID, &[1, 2, 3, 4]));
        assert_eq!(writer.left_out(), &[Code::BOOT_FILE]);
        assert_eq!(writer.remaining(), 2);
        assert_eq!(writer.finish(), [53, 1, 2, 54, 4, 1, 2, 3, 4, 255]);
    }

    #[test]
    fn long_values_are_split_and_their_size_foretold() {
        for len in [0, 1, 255, 256, 510, 511] {
            let mut writer = Writer::new(2000);
            writer.put(Code::VENDOR, &vec![7; len]);
            let bytes = writer.finish();
            assert_eq!(bytes.len(), wire_len(len) + 1, "{len}");
            assert_eq!(parse(&bytes).get(Code::VENDOR), Some(&vec![7; len][..]));
        }
    }

    #[test]
    fn sub_options_stop_at_end_and_at_a_cut_one() {
        let all: Vec<_> = encapsulated(&[0, 6, 1, 8, 0, 9, 0, 255, 1, 1, 1]).collect();
        assert_eq!(all, [(6, &[8][..]), (9, &[][..])]);
        assert_eq!(encapsulated(&[6, 3, 8]).count(), 0);
    }
}
