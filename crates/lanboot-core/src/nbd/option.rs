//! Negotiation: options and their replies.

use super::export::{Export, Exports};
use super::limits::{MAX_NAME_BYTES, MAX_REQUEST_BYTES, PREFERRED_BYTES};
use super::reason::{RejectReason, printable_name};
use super::wire::{
    self, ALLOCATION_ID, InfoType, OptionCode, ReplyType, ZEROES, transmission_flag,
};
use crate::bytes::{Reader, Truncated};

const ALLOCATION: &[u8] = b"base:allocation";

/// Options agreed on so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Agreed {
    /// Omits the zeros after EXPORT_NAME.
    pub no_zeroes: bool,
    /// Structured replies are enabled.
    pub structured: bool,
    /// Canonical name of the export for which `base:allocation` was selected.
    pub allocation_of: Option<String>,
}

impl Agreed {
    fn transmission_flags(&self) -> u16 {
        use transmission_flag::{CAN_MULTI_CONN, HAS_FLAGS, READ_ONLY, SEND_CACHE, SEND_DF};
        let df = if self.structured { SEND_DF } else { 0 };
        HAS_FLAGS | READ_ONLY | CAN_MULTI_CONN | SEND_CACHE | df
    }
}

/// Result of an option.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A reply; negotiation continues.
    Answer(Vec<u8>),
    /// An error reply worth logging; negotiation continues.
    Refuse(Vec<u8>, RejectReason, String),
    /// A reply; transmission begins.
    Enter(Vec<u8>, Export),
    /// A last reply; the connection ends.
    Close(Vec<u8>, RejectReason, String),
}

/// Answers one option, given its complete data.
pub(super) fn answer(agreed: &mut Agreed, raw: u32, data: &[u8], exports: &dyn Exports) -> Outcome {
    let option = Answering { raw, data, exports };
    match OptionCode::from(raw) {
        OptionCode::ExportName => option.export_name(agreed),
        OptionCode::Abort => Outcome::Close(option.ack(), RejectReason::Aborted, String::new()),
        OptionCode::List => option.list(),
        OptionCode::Info => option.info(agreed, false),
        OptionCode::Go => option.info(agreed, true),
        OptionCode::StructuredReply => option.structured_reply(agreed),
        OptionCode::ListMetaContext => option.meta_context(agreed, false),
        OptionCode::SetMetaContext => option.meta_context(agreed, true),
        OptionCode::Other => option.error(ReplyType::ErrUnsup, ""),
    }
}

/// Returns the reply to an option whose data was skipped.
pub(super) fn too_big(raw: u32) -> Vec<u8> {
    let mut out = Vec::new();
    wire::reply(&mut out, raw, ReplyType::ErrTooBig, &[]);
    out
}

struct Answering<'a> {
    raw: u32,
    data: &'a [u8],
    exports: &'a dyn Exports,
}

impl Answering<'_> {
    /// Answers EXPORT_NAME. It has no error reply, so an unknown name ends the session.
    fn export_name(&self, agreed: &Agreed) -> Outcome {
        let Some(export) = self.exports.find(self.data) else {
            let (why, _) = self.why_none(self.data);
            return Outcome::Close(Vec::new(), why, printable_name(self.data));
        };
        let mut out = Vec::with_capacity(10 + ZEROES);
        out.extend_from_slice(&export.size().to_be_bytes());
        out.extend_from_slice(&agreed.transmission_flags().to_be_bytes());
        if !agreed.no_zeroes {
            out.resize(out.len() + ZEROES, 0);
        }
        Outcome::Enter(out, export)
    }

    fn list(&self) -> Outcome {
        if !self.data.is_empty() {
            return self.error(ReplyType::ErrInvalid, "LIST takes no data");
        }
        let mut out = Vec::new();
        for name in self.exports.names() {
            let name = name.as_bytes();
            let len = wire::len_of(&[name]).to_be_bytes();
            wire::reply(&mut out, self.raw, ReplyType::Server, &[&len, name]);
        }
        wire::reply(&mut out, self.raw, ReplyType::Ack, &[]);
        Outcome::Answer(out)
    }

    /// Answers INFO and GO.
    fn info(&self, agreed: &Agreed, enter: bool) -> Outcome {
        let mut reader = Reader::new(self.data);
        let Ok((name, wanted)) = read_info(&mut reader) else {
            return self.error(ReplyType::ErrInvalid, "the option is garbled");
        };
        let export = match self.find(name) {
            Ok(export) => export,
            Err(refusal) => return refusal,
        };
        let mut out = Vec::with_capacity(128);
        let mut send_info = |info: InfoType, data: &[&[u8]]| {
            let kind = (info as u16).to_be_bytes();
            let parts: Vec<&[u8]> = [&kind[..]].iter().chain(data).copied().collect();
            wire::reply(&mut out, self.raw, ReplyType::Info, &parts);
        };
        let (size, flags) = (export.size(), agreed.transmission_flags());
        send_info(
            InfoType::Export,
            &[&size.to_be_bytes(), &flags.to_be_bytes()],
        );
        // Each once, however often it was requested.
        let is_wanted = |info: InfoType| {
            let code = (info as u16).to_be_bytes();
            wanted.chunks_exact(2).any(|requested| requested == code)
        };
        if is_wanted(InfoType::Name) {
            send_info(InfoType::Name, &[export.name.as_bytes()]);
        }
        if is_wanted(InfoType::Description) {
            send_info(InfoType::Description, &[export.description.as_bytes()]);
        }
        if is_wanted(InfoType::BlockSize) {
            // Any byte can be read. Linux uses the preferred size as a queue hint; as the sector
            // size it would make ISO 9660, with blocks of 2048, unmountable.
            let (least, most) = (1u32.to_be_bytes(), MAX_REQUEST_BYTES.to_be_bytes());
            send_info(
                InfoType::BlockSize,
                &[&least, &PREFERRED_BYTES.to_be_bytes(), &most],
            );
        }
        wire::reply(&mut out, self.raw, ReplyType::Ack, &[]);
        if enter {
            Outcome::Enter(out, export)
        } else {
            Outcome::Answer(out)
        }
    }

    fn structured_reply(&self, agreed: &mut Agreed) -> Outcome {
        if !self.data.is_empty() {
            return self.error(ReplyType::ErrInvalid, "STRUCTURED_REPLY takes no data");
        }
        agreed.structured = true;
        Outcome::Answer(self.ack())
    }

    /// Answers LIST_META_CONTEXT and SET_META_CONTEXT.
    fn meta_context(&self, agreed: &mut Agreed, set: bool) -> Outcome {
        if set {
            // A failed selection clears the previous one.
            agreed.allocation_of = None;
        }
        if !agreed.structured {
            let text = "structured replies come first";
            return self.error(ReplyType::ErrInvalid, text);
        }
        let mut reader = Reader::new(self.data);
        let Ok((name, queries)) = read_queries(&mut reader) else {
            return self.error(ReplyType::ErrInvalid, "the option is garbled");
        };
        let export = match self.find(name) {
            Ok(export) => export,
            Err(refusal) => return refusal,
        };
        let matches = |query: &&[u8]| match *query {
            ALLOCATION => true,
            // All of this namespace, but only when listing.
            b"base:" => !set,
            _ => false,
        };
        let chosen = queries.iter().any(matches) || (!set && queries.is_empty());
        let mut out = Vec::new();
        if chosen {
            // "The metadata context ID in these replies is reserved" for LIST.
            let id = if set { ALLOCATION_ID } else { 0 }.to_be_bytes();
            wire::reply(
                &mut out,
                self.raw,
                ReplyType::MetaContext,
                &[&id, ALLOCATION],
            );
            if set {
                agreed.allocation_of = Some(export.name);
            }
        }
        wire::reply(&mut out, self.raw, ReplyType::Ack, &[]);
        Outcome::Answer(out)
    }

    /// Returns the export, or the error reply.
    fn find(&self, name: &[u8]) -> Result<Export, Outcome> {
        if name.len() > MAX_NAME_BYTES {
            return Err(self.error(ReplyType::ErrTooBig, "the name is too long"));
        }
        self.exports.find(name).ok_or_else(|| {
            let (why, text) = self.why_none(name);
            let mut out = Vec::new();
            wire::reply(
                &mut out,
                self.raw,
                ReplyType::ErrUnknown,
                &[text.as_bytes()],
            );
            Outcome::Refuse(out, why, printable_name(name))
        })
    }

    /// Returns why there is no export `name`, and the sentence for the client.
    fn why_none(&self, name: &[u8]) -> (RejectReason, &'static str) {
        match self.exports.is_without_disk(name) {
            true => (
                RejectReason::NoDisk,
                "this image is a folder or an archive, and so no disk: use HTTP or NFS",
            ),
            false => (
                RejectReason::UnknownExport,
                "there is no such export; the machine's image may be gone from the server",
            ),
        }
    }

    fn ack(&self) -> Vec<u8> {
        let mut out = Vec::new();
        wire::reply(&mut out, self.raw, ReplyType::Ack, &[]);
        out
    }

    fn error(&self, kind: ReplyType, text: &str) -> Outcome {
        let mut out = Vec::new();
        wire::reply(&mut out, self.raw, kind, &[text.as_bytes()]);
        Outcome::Answer(out)
    }
}

/// Parses the name and the requested info types, two bytes each.
fn read_info<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), Truncated> {
    let name = read_string(reader, "name")?;
    let count = reader.u16("number of info requests")?;
    let wanted = reader.take(2 * usize::from(count), "info requests")?;
    nothing_more(reader)?;
    Ok((name, wanted))
}

/// Parses the name and the queries.
fn read_queries<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], Vec<&'a [u8]>), Truncated> {
    let name = read_string(reader, "name")?;
    let count = reader.u32("number of queries")?;
    let mut queries = Vec::new();
    // Bounded by the data, of which each query takes at least four bytes.
    for _ in 0..count {
        queries.push(read_string(reader, "query")?);
    }
    nothing_more(reader)?;
    Ok((name, queries))
}

fn read_string<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8], Truncated> {
    let len = reader.u32(what)?;
    reader.take(usize::try_from(len).unwrap_or(usize::MAX), what)
}

fn nothing_more(reader: &Reader<'_>) -> Result<(), Truncated> {
    if reader.is_empty() {
        Ok(())
    } else {
        Err(Truncated { what: "the end" })
    }
}
