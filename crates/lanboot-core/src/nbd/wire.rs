//! Constants and messages of the protocol. All numbers are big-endian.
//!
//! ```text
//! option    IHAVEOPT (8)     option (4)  length (4)  data
//! reply     0x3e889045565a9  option (4)  type (4)    length (4)   data
//! request   0x25609513       flags (2)   command (2) cookie (8)   offset (8)  length (4)
//! simple    0x67446698       error (4)   cookie (8)  data of a READ
//! chunk     0x668e33ef       flags (2)   type (2)    cookie (8)   length (4)  data
//! ```

use crate::bytes::{Reader, Truncated};

/// Metadata context ID of `base:allocation` on every connection.
pub(super) const ALLOCATION_ID: u32 = 1;

/// Server greeting: `NBDMAGIC`, `IHAVEOPT`, and the flags FIXED_NEWSTYLE and NO_ZEROES.
pub(super) const GREETING: &[u8; 18] = b"NBDMAGICIHAVEOPT\0\x03";
/// "Client flags": FIXED_NEWSTYLE; honoured even if not set.
pub(super) const CLIENT_FIXED: u32 = 1;
/// "Client flags": omit the zeros after EXPORT_NAME.
pub(super) const CLIENT_NO_ZEROES: u32 = 2;
/// Zeros after the answer to EXPORT_NAME, unless NO_ZEROES was negotiated.
pub(super) const ZEROES: usize = 124;

/// Bytes of an option before its data.
pub(super) const OPTION_HEAD_BYTES: usize = 16;
/// Bytes of a request before its data.
pub(super) const REQUEST_BYTES: usize = 28;

const OPTION_MAGIC: [u8; 8] = *b"IHAVEOPT";
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_MAGIC: u32 = 0x6744_6698;
const CHUNK_MAGIC: u32 = 0x668e_33ef;

/// "Option types".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionCode {
    ExportName,
    Abort,
    List,
    Info,
    Go,
    StructuredReply,
    ListMetaContext,
    SetMetaContext,
    /// STARTTLS, EXTENDED_HEADERS and unknown options.
    Other,
}

impl From<u32> for OptionCode {
    fn from(code: u32) -> Self {
        match code {
            1 => Self::ExportName,
            2 => Self::Abort,
            3 => Self::List,
            6 => Self::Info,
            7 => Self::Go,
            8 => Self::StructuredReply,
            9 => Self::ListMetaContext,
            10 => Self::SetMetaContext,
            _ => Self::Other,
        }
    }
}

/// "Option reply types".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum ReplyType {
    Ack = 1,
    Server = 2,
    Info = 3,
    MetaContext = 4,
    ErrUnsup = 1 << 31 | 1,
    ErrInvalid = 1 << 31 | 3,
    ErrUnknown = 1 << 31 | 6,
    ErrTooBig = 1 << 31 | 9,
}

/// Information types of INFO and GO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum InfoType {
    Export = 0,
    Name = 1,
    Description = 2,
    BlockSize = 3,
}

/// "Transmission flags".
pub(super) mod transmission_flag {
    pub(in super::super) const HAS_FLAGS: u16 = 1;
    pub(in super::super) const READ_ONLY: u16 = 1 << 1;
    pub(in super::super) const SEND_DF: u16 = 1 << 7;
    pub(in super::super) const CAN_MULTI_CONN: u16 = 1 << 8;
    pub(in super::super) const SEND_CACHE: u16 = 1 << 10;
}

/// "Command flags".
pub(super) mod command_flag {
    pub(in super::super) const DF: u16 = 1 << 2;
    pub(in super::super) const REQ_ONE: u16 = 1 << 3;
}

/// "Request types".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Read,
    Write,
    Disconnect,
    Flush,
    Trim,
    Cache,
    WriteZeroes,
    BlockStatus,
    Other,
}

impl From<u16> for Command {
    fn from(code: u16) -> Self {
        match code {
            0 => Self::Read,
            1 => Self::Write,
            2 => Self::Disconnect,
            3 => Self::Flush,
            4 => Self::Trim,
            5 => Self::Cache,
            6 => Self::WriteZeroes,
            7 => Self::BlockStatus,
            _ => Self::Other,
        }
    }
}

/// "Error values".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Fault {
    /// EPERM.
    NotPermitted = 1,
    /// EIO.
    Io = 5,
    /// EINVAL.
    Invalid = 22,
    /// EOVERFLOW.
    Overflow = 75,
}

/// "Structured reply types".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum ChunkType {
    OffsetData = 1,
    BlockStatus = 5,
    Error = 1 << 15 | 1,
}

/// The head of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OptionHead {
    /// Option number as received, for the reply.
    pub raw: u32,
    pub code: OptionCode,
    /// Length of the data that follows, in bytes.
    pub len: u32,
}

impl OptionHead {
    /// Parses the head of an option; `None` without its magic number.
    pub(super) fn parse(bytes: [u8; OPTION_HEAD_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(&bytes);
        let mut head = || -> Result<_, Truncated> {
            Ok((
                reader.array::<8>("magic")?,
                reader.u32("option")?,
                reader.u32("length")?,
            ))
        };
        match head() {
            Ok((OPTION_MAGIC, raw, len)) => Some(Self {
                raw,
                code: raw.into(),
                len,
            }),
            _ => None,
        }
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub flags: u16,
    pub command: Command,
    /// Echoed in the reply.
    pub cookie: u64,
    pub offset: u64,
    pub len: u32,
}

impl Request {
    /// Parses a request; `None` without its magic number.
    pub(super) fn parse(bytes: &[u8; REQUEST_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u32("magic") != Ok(REQUEST_MAGIC) {
            return None;
        }
        let mut rest = || -> Result<Self, Truncated> {
            Ok(Self {
                flags: reader.u16("flags")?,
                command: reader.u16("command")?.into(),
                cookie: reader.u64("cookie")?,
                offset: reader.u64("offset")?,
                len: reader.u32("length")?,
            })
        };
        rest().ok()
    }
}

/// Appends an option reply carrying `data`, concatenated.
pub(super) fn reply(out: &mut Vec<u8>, option: u32, kind: ReplyType, data: &[&[u8]]) {
    out.extend_from_slice(&REPLY_MAGIC.to_be_bytes());
    out.extend_from_slice(&option.to_be_bytes());
    out.extend_from_slice(&(kind as u32).to_be_bytes());
    out.extend_from_slice(&len_of(data).to_be_bytes());
    data.iter().for_each(|part| out.extend_from_slice(part));
}

/// Returns a simple reply without data, or the head of one with data.
pub(super) fn simple(error: Option<Fault>, cookie: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.extend_from_slice(&SIMPLE_MAGIC.to_be_bytes());
    out.extend_from_slice(&error.map_or(0, |e| e as u32).to_be_bytes());
    out.extend_from_slice(&cookie.to_be_bytes());
    out
}

/// Returns the head of the single chunk that answers a READ of `len` bytes from `offset` on.
pub(super) fn data_chunk(cookie: u64, offset: u64, len: u32) -> Vec<u8> {
    // No READ is near 4 GiB long, so the sum does not saturate.
    let mut out = chunk(ChunkType::OffsetData, cookie, len.saturating_add(8));
    out.extend_from_slice(&offset.to_be_bytes());
    out
}

/// Returns the single chunk that answers a request with an error and a message.
pub(super) fn error_chunk(error: Fault, cookie: u64, text: &str) -> Vec<u8> {
    let text_len = u16::try_from(text.len()).unwrap_or(0);
    let text = text.get(..usize::from(text_len)).unwrap_or_default();
    let mut out = chunk(ChunkType::Error, cookie, 6 + u32::from(text_len));
    out.extend_from_slice(&(error as u32).to_be_bytes());
    out.extend_from_slice(&text_len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    out
}

/// Returns the single chunk that answers BLOCK_STATUS with `extents` (length, status) of `context`.
pub(super) fn status_chunk(cookie: u64, context: u32, extents: &[(u32, u32)]) -> Vec<u8> {
    // Each extent is eight bytes and their number is limited.
    let len = u32::try_from(extents.len() * 8).unwrap_or(0);
    let mut out = chunk(ChunkType::BlockStatus, cookie, 4 + len);
    out.extend_from_slice(&context.to_be_bytes());
    for (len, status) in extents {
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&status.to_be_bytes());
    }
    out
}

/// Returns the head of a chunk that is the last of its reply.
fn chunk(kind: ChunkType, cookie: u64, len: u32) -> Vec<u8> {
    const DONE: u16 = 1;
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(&CHUNK_MAGIC.to_be_bytes());
    out.extend_from_slice(&DONE.to_be_bytes());
    out.extend_from_slice(&(kind as u16).to_be_bytes());
    out.extend_from_slice(&cookie.to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out
}

/// Returns the length of `parts` as a protocol field; nothing sent here is longer.
pub(super) fn len_of(parts: &[&[u8]]) -> u32 {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    u32::try_from(len).unwrap_or(u32::MAX)
}
