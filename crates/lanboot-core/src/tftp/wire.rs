//! Parses and emits the six packets of RFC 1350 §5 and RFC 2347.

use std::borrow::Cow;
use std::fmt;

use crate::bytes::{Reader, Truncated};

const READ: u16 = 1;
const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OPTION_ACK: u16 = 6;

/// Most options parsed in one packet; four are supported.
const MAX_OPTIONS: usize = 32;

/// One datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: a read request.
    Read(Request<'a>),
    /// WRQ: a write request.
    Write(Request<'a>),
    /// DATA.
    Data {
        /// Number of the block, modulo 65536.
        block: u16,
        /// Contents of the block.
        bytes: &'a [u8],
    },
    /// ACK of the block with this number, modulo 65536.
    Ack(u16),
    /// ERROR: the transfer ends here.
    Error(Failure<'a>),
    /// OACK (RFC 2347 §3): the accepted options.
    OptionAck(Options),
}

/// RRQ or WRQ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// File name with forward slashes, without trailing garbage from firmware.
    pub name: Vec<u8>,
    /// Transfer mode.
    pub mode: Mode<'a>,
    /// Requested options.
    pub options: Options,
}

/// Transfer mode, RFC 1350 §1; case-insensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode<'a> {
    /// Bytes unchanged.
    Octet,
    /// Text, with line ends translated.
    Netascii,
    /// Mail, obsolete.
    Mail,
    /// Anything else.
    Other(&'a [u8]),
}

/// Supported options. A value that is not a number or does not fit counts as absent (RFC 2347 §2:
/// options that cannot be used are omitted from the answer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `blksize`, RFC 2348: bytes of data per block.
    pub blksize: Option<u64>,
    /// `timeout`, RFC 2349: seconds before retransmission.
    pub timeout: Option<u64>,
    /// `tsize`, RFC 2349: length of the file in bytes; 0 in a request.
    pub tsize: Option<u64>,
    /// `windowsize`, RFC 7440: blocks sent before an ACK.
    pub windowsize: Option<u64>,
}

/// ERROR: a code and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Error code.
    pub code: ErrorCode,
    /// Message, as received or to be sent.
    pub text: Cow<'a, [u8]>,
}

/// Error codes of RFC 1350 and RFC 2347.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 0: see the text.
    Undefined,
    /// 1: file not found.
    NotFound,
    /// 2: access violation.
    AccessViolation,
    /// 4: illegal operation.
    IllegalOperation,
    /// 5: unknown transfer id, that is, port.
    UnknownTransfer,
    /// 8: the client rejects the options, or wanted only them.
    OptionsRefused,
    /// Any other number.
    Other(u16),
}

reason_codes!(ErrorCode {
    Self::Undefined => "undefined_error",
    Self::NotFound => "file_not_found",
    Self::AccessViolation => "access_violation",
    Self::IllegalOperation => "illegal_operation",
    Self::UnknownTransfer => "unknown_transfer",
    Self::OptionsRefused => "options_refused",
    Self::Other(_) => "other_error",
});

/// Error: the datagram is not a TFTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPacket {
    /// It ends too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// Unknown packet number.
    #[error("no TFTP packet has the number {0}")]
    Opcode(u16),
    /// A request without a file name.
    #[error("the file name is empty")]
    NoName,
}

reason_codes!(BadPacket {
    Self::Truncated(_) => "truncated",
    Self::Opcode(_) => "unknown_opcode",
    Self::NoName => "empty_file_name",
});

impl<'a> Packet<'a> {
    /// Parses one datagram.
    ///
    /// # Errors
    /// Fails if the datagram is truncated, has an unknown number or names no file.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, BadPacket> {
        let mut reader = Reader::new(datagram);
        Ok(match reader.u16("packet number")? {
            READ => Self::Read(Request::parse(reader)?),
            WRITE => Self::Write(Request::parse(reader)?),
            DATA => Self::Data {
                block: reader.u16("block number")?,
                bytes: reader.rest(),
            },
            ACK => Self::Ack(reader.u16("block number")?),
            ERROR => Self::Error(Failure {
                code: reader.u16("error code")?.into(),
                // Some clients omit the final NUL.
                text: until_nul(reader.rest()).into(),
            }),
            OPTION_ACK => Self::OptionAck(Options::parse(reader)),
            other => return Err(BadPacket::Opcode(other)),
        })
    }

    /// Emits the datagram.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Read(request) => request.emit(READ, &mut out),
            Self::Write(request) => request.emit(WRITE, &mut out),
            Self::Data { block, bytes } => {
                out.extend_from_slice(&data_header(u64::from(*block)));
                out.extend_from_slice(bytes);
            }
            Self::Ack(block) => {
                out.extend_from_slice(&ACK.to_be_bytes());
                out.extend_from_slice(&block.to_be_bytes());
            }
            Self::Error(failure) => {
                out.extend_from_slice(&ERROR.to_be_bytes());
                out.extend_from_slice(&u16::from(failure.code).to_be_bytes());
                push_string(&mut out, &failure.text);
            }
            Self::OptionAck(options) => {
                out.extend_from_slice(&OPTION_ACK.to_be_bytes());
                options.emit(&mut out);
            }
        }
        out
    }
}

/// Returns the four bytes before the data of `block`, counted from 1 without wrapping. On the wire
/// the number wraps from 65535 to 0: iPXE, lpxelinux and every large boot file rely on it, though
/// no RFC specifies it.
pub fn data_header(block: u64) -> [u8; 4] {
    let [a, b] = DATA.to_be_bytes();
    let [.., c, d] = block.to_be_bytes();
    [a, b, c, d]
}

impl<'a> Request<'a> {
    fn parse(mut reader: Reader<'a>) -> Result<Self, BadPacket> {
        let name = clean(reader.c_string("file name")?);
        if name.is_empty() {
            return Err(BadPacket::NoName);
        }
        Ok(Self {
            name,
            mode: Mode::parse(reader.c_string("transfer mode")?),
            options: Options::parse(reader),
        })
    }

    fn emit(&self, opcode: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&opcode.to_be_bytes());
        push_string(out, &self.name);
        push_string(
            out,
            match self.mode {
                Mode::Octet => b"octet",
                Mode::Netascii => b"netascii",
                Mode::Mail => b"mail",
                Mode::Other(name) => name,
            },
        );
        self.options.emit(out);
    }
}

/// Returns the intended file name.
fn clean(name: &[u8]) -> Vec<u8> {
    // PXE ROMs that received option 67 without a final NUL append the next option's tag, mostly 255
    // (end), or padding.
    let end = name
        .iter()
        .rposition(|b| !matches!(b, 0xff | b' ' | b'\0'))
        .map_or(0, |last| last + 1);
    // Windows boot loaders write backslashes.
    let slashed = |&b: &u8| if b == b'\\' { b'/' } else { b };
    name.iter().take(end).map(slashed).collect()
}

impl<'a> Mode<'a> {
    fn parse(name: &'a [u8]) -> Self {
        match name {
            n if n.eq_ignore_ascii_case(b"octet") => Self::Octet,
            n if n.eq_ignore_ascii_case(b"netascii") => Self::Netascii,
            n if n.eq_ignore_ascii_case(b"mail") => Self::Mail,
            other => Self::Other(other),
        }
    }
}

impl Options {
    /// Parses pairs of strings; bytes after a truncated or empty name are padding.
    fn parse(mut reader: Reader<'_>) -> Self {
        let mut options = Self::default();
        for _ in 0..MAX_OPTIONS {
            let Ok(name) = reader.c_string("option") else {
                break;
            };
            let Ok(value) = reader.c_string("option value") else {
                break;
            };
            let slot = match name {
                n if n.eq_ignore_ascii_case(b"blksize") => &mut options.blksize,
                n if n.eq_ignore_ascii_case(b"timeout") => &mut options.timeout,
                n if n.eq_ignore_ascii_case(b"tsize") => &mut options.tsize,
                n if n.eq_ignore_ascii_case(b"windowsize") => &mut options.windowsize,
                b"" => break,
                _ => continue,
            };
            // RFC 2347 §2: an option may be sent once; the first one counts.
            *slot = slot.or_else(|| number(value));
        }
        options
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let all = [
            ("tsize", self.tsize),
            ("blksize", self.blksize),
            ("timeout", self.timeout),
            ("windowsize", self.windowsize),
        ];
        for (name, value) in all {
            if let Some(value) = value {
                push_string(out, name.as_bytes());
                push_string(out, value.to_string().as_bytes());
            }
        }
    }

    /// Returns whether no option is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Parses a decimal number; `None` if it does not fit.
fn number(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&b| b == 0).next().unwrap_or_default()
}

fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(until_nul(text));
    out.push(0);
}

impl Failure<'static> {
    /// Answers a write request.
    pub const READ_ONLY: Self = Self::new(ErrorCode::AccessViolation, b"this server is read only");
    /// Answers a name with `..` in it.
    pub const CLIMBS: Self = Self::new(ErrorCode::AccessViolation, b"the path climbs with '..'");
    /// Answers a name that does not exist.
    pub const NOT_FOUND: Self = Self::new(ErrorCode::NotFound, b"file not found");
    /// Answers mail mode.
    pub const MAIL: Self = Self::new(ErrorCode::IllegalOperation, b"mail mode is obsolete");
    /// Answers an unknown mode.
    pub const UNKNOWN_MODE: Self =
        Self::new(ErrorCode::IllegalOperation, b"unknown mode, use octet");
    /// Answers netascii for a file too long to be text.
    pub const NOT_TEXT: Self = Self::new(
        ErrorCode::Undefined,
        b"too large for netascii, use octet (binary) mode",
    );
    /// Reports a disk error.
    pub const READ_FAILED: Self =
        Self::new(ErrorCode::Undefined, b"the server cannot read the file");
    /// Reports a damaged image.
    pub const DAMAGED: Self = Self::new(
        ErrorCode::Undefined,
        b"the file is damaged or incomplete on the server",
    );

    /// Creates a failure with a fixed message.
    pub const fn new(code: ErrorCode, text: &'static [u8]) -> Self {
        Self {
            code,
            text: Cow::Borrowed(text),
        }
    }
}

impl Failure<'_> {
    /// Returns the message in printable form.
    pub fn sentence(&self) -> String {
        crate::text::printable(&self.text, 128)
    }
}

impl From<u16> for ErrorCode {
    fn from(code: u16) -> Self {
        match code {
            0 => Self::Undefined,
            1 => Self::NotFound,
            2 => Self::AccessViolation,
            4 => Self::IllegalOperation,
            5 => Self::UnknownTransfer,
            8 => Self::OptionsRefused,
            other => Self::Other(other),
        }
    }
}

impl From<ErrorCode> for u16 {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Undefined => 0,
            ErrorCode::NotFound => 1,
            ErrorCode::AccessViolation => 2,
            ErrorCode::IllegalOperation => 4,
            ErrorCode::UnknownTransfer => 5,
            ErrorCode::OptionsRefused => 8,
            ErrorCode::Other(other) => other,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", u16::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(datagram: &[u8]) -> Request<'_> {
        match Packet::parse(datagram) {
            Ok(Packet::Read(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn edk2_request() {
        let request = request(
            b"\x00\x01boot/snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0",
        );
        assert_eq!(request.name, b"boot/snponly.efi");
        assert_eq!(request.mode, Mode::Octet);
        assert_eq!(
            request.options,
            Options {
                tsize: Some(0),
                blksize: Some(1468),
                windowsize: Some(4),
                timeout: None
            }
        );
    }

    #[test]
    fn garbage_and_backslashes_in_names_are_cleaned() {
        for raw in [
            &b"\\boot\\pxe\xff"[..],
            b"\\boot\\pxe \xff\xff",
            b"/boot/pxe",
        ] {
            let mut datagram = b"\x00\x01".to_vec();
            datagram.extend_from_slice(raw);
            datagram.extend_from_slice(b"\0OcTeT\0");
            assert_eq!(request(&datagram).name, b"/boot/pxe");
            assert_eq!(request(&datagram).mode, Mode::Octet);
        }
    }

    #[test]
    fn invalid_repeated_and_truncated_options_are_ignored() {
        let options = request(
            b"\x00\x01a\0octet\0blksize\0-1\0BLKSIZE\x00700\0blksize\x00800\0tsize\0\0\
              timeout\x0099999999999999999999\0multicast\0\0windowsize\x0016",
        )
        .options;
        let expected = Options {
            blksize: Some(700),
            ..Options::default()
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn padding_after_the_mode_is_not_an_option() {
        let options = request(b"\x00\x01a\0octet\0\0\0\0\0blksize\x00700\0").options;
        assert!(options.is_empty());
    }

    #[test]
    fn invalid_packets_are_errors() {
        let truncated = |what| Err(BadPacket::Truncated(Truncated { what }));
        assert_eq!(Packet::parse(b""), truncated("packet number"));
        assert_eq!(Packet::parse(b"\x00\x01abc"), truncated("file name"));
        assert_eq!(
            Packet::parse(b"\x00\x01abc\0octet"),
            truncated("transfer mode")
        );
        assert_eq!(Packet::parse(b"\x00\x04\x01"), truncated("block number"));
        assert_eq!(Packet::parse(b"\x00\x07"), Err(BadPacket::Opcode(7)));
        assert_eq!(
            Packet::parse(b"\x00\x01\xff\xff\0octet\0"),
            Err(BadPacket::NoName)
        );
    }

    #[test]
    fn the_block_number_wraps_to_zero() {
        assert_eq!(data_header(65535), [0, 3, 255, 255]);
        assert_eq!(data_header(65536), [0, 3, 0, 0]);
        assert_eq!(data_header(65537), [0, 3, 0, 1]);
    }

    fn any_options() -> impl Strategy<Value = Options> {
        (any::<[Option<u64>; 4]>()).prop_map(|[blksize, timeout, tsize, windowsize]| Options {
            blksize,
            timeout,
            tsize,
            windowsize,
        })
    }

    proptest! {
        #[test]
        fn packets_round_trip(
            name in "[a-z/.]{1,40}", options in any_options(), number: u16, write: bool,
            bytes: Vec<u8>, text in "[ -~]{0,60}",
        ) {
            let request = Request {
                name: name.into_bytes(),
                mode: if write { Mode::Netascii } else { Mode::Octet },
                options,
            };
            let failure = Failure { code: number.into(), text: text.as_bytes().into() };
            for packet in [
                if write { Packet::Write(request) } else { Packet::Read(request) },
                Packet::Data { block: number, bytes: &bytes },
                Packet::Ack(number),
                Packet::Error(failure),
                Packet::OptionAck(options),
            ] {
                let datagram = packet.emit();
                prop_assert_eq!(Packet::parse(&datagram), Ok(packet.clone()));
            }
        }

        #[test]
        fn no_datagram_panics(bytes: Vec<u8>, opcode in 0..8u8) {
            let mut datagram = vec![0, opcode];
            datagram.extend_from_slice(&bytes);
            let _ = Packet::parse(&datagram);
            let _ = Packet::parse(&bytes);
        }
    }
}
