//! After the negotiation: one request, one answer.

use super::option::ALLOCATION_ID;
use super::packet::{self, Command, Fault, Request, command_flag};
use super::reject_reason::RejectReason;
use crate::Reply;
use crate::vfs::{Content, Slice, Source};

/// Longest READ or WRITE, in bytes: what clients keep to when they are told nothing ("Block size
/// constraints").
pub const MAX_REQUEST_BYTES: u32 = 32 << 20;
/// The size of requests we like best, in bytes: a page.
pub const PREFERRED_BYTES: u32 = 4096;
/// Most extents told at once. A whole image has two; "the server MAY return less descriptors".
pub const MAX_EXTENTS: usize = 1024;

/// "Metadata contexts": not allocated, and reads as zeros.
const HOLE_AND_ZERO: u32 = 0b11;

/// A disk that was entered, and how it is spoken about.
#[derive(Clone, Debug)]
pub(super) struct Transmission {
    pub content: Content,
    pub structured: bool,
    /// Whether `base:allocation` was chosen.
    pub allocation: bool,
}

/// What a request led to.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Reply),
    /// The same, and a person may want to know.
    Refuse(Reply, RejectReason),
    /// So many bytes of data are to be read and thrown away, then comes the refusal.
    Drain(u32),
    Close(RejectReason),
}

impl Transmission {
    /// Answers one request.
    pub(super) fn answer(&self, request: &Request) -> Outcome {
        match request.command {
            Command::Read => self.read(request),
            Command::BlockStatus => self.block_status(request),
            Command::Cache => match self.check(request, 0) {
                // The kernel's page cache is ours; what is asked for soon is read ahead anyway.
                Ok(_) => success(request),
                Err(refusal) => refusal,
            },
            // Not advertised. All that was ever "written" is safe, and a kernel that asks all the
            // same must not take the disk for broken.
            Command::Flush => success(request),
            Command::Disconnect => Outcome::Close(RejectReason::Disconnected),
            Command::Write if request.len > MAX_REQUEST_BYTES => {
                Outcome::Close(RejectReason::WriteTooLong(request.len))
            }
            Command::Write if request.len > 0 => Outcome::Drain(request.len),
            Command::Write | Command::Trim | Command::WriteZeroes => {
                Outcome::Refuse(self.read_only(request), RejectReason::ReadOnly)
            }
            Command::Other => self.refuse(request, Fault::Invalid, RejectReason::Invalid),
        }
    }

    /// "It SHOULD return EPERM if it receives a write or trim request on a read-only export."
    pub(super) fn read_only(&self, request: &Request) -> Reply {
        self.error(request, Fault::NotPermitted, "images are read-only")
    }

    fn read(&self, request: &Request) -> Outcome {
        let df = if self.structured { command_flag::DF } else { 0 };
        let body = match self.check(request, df) {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        if request.len > MAX_REQUEST_BYTES {
            let fault = if request.flags & df == 0 {
                Fault::Invalid
            } else {
                Fault::Overflow
            };
            return self.refuse(request, fault, RejectReason::Invalid);
        }
        let head = if self.structured {
            packet::data_chunk(request.cookie, request.offset, request.len)
        } else {
            packet::simple(None, request.cookie)
        };
        Outcome::Answer(Reply {
            head,
            body,
            on_read_error: self.fault(request, Fault::Io, "the image cannot be read"),
            close: false,
        })
    }

    fn block_status(&self, request: &Request) -> Outcome {
        if !self.allocation {
            return self.refuse(request, Fault::Invalid, RejectReason::Invalid);
        }
        let range = match self.check(request, command_flag::REQ_ONE) {
            Ok(range) => range,
            Err(refusal) => return refusal,
        };
        let most = if request.flags & command_flag::REQ_ONE == 0 {
            MAX_EXTENTS
        } else {
            1
        };
        let extents = extents(&range, most);
        let chunk = packet::status_chunk(request.cookie, ALLOCATION_ID, &extents);
        Outcome::Answer(Reply::bytes(chunk, false))
    }

    /// What the request is about, if it may be: known flags, and inside the disk. Its length was
    /// not compared with [`MAX_REQUEST_BYTES`].
    fn check(&self, request: &Request, flags: u16) -> Result<Slice, Outcome> {
        // "The server SHOULD return EINVAL if it receives an unknown command flag." It leaves
        // open what becomes of an empty request; nobody means to send one.
        if request.flags & !flags != 0 || request.len == 0 {
            return Err(self.refuse(request, Fault::Invalid, RejectReason::Invalid));
        }
        let end = request.offset.checked_add(u64::from(request.len));
        match end.filter(|end| *end <= self.content.len()) {
            Some(end) => Ok(self.content.slice(request.offset..end)),
            None => Err(self.refuse(request, Fault::Invalid, RejectReason::BehindTheEnd)),
        }
    }

    fn refuse(&self, request: &Request, fault: Fault, why: RejectReason) -> Outcome {
        let text = match why {
            RejectReason::BehindTheEnd => "there are no such bytes on the disk",
            _ => "the request is not understood",
        };
        Outcome::Refuse(self.error(request, fault, text), why)
    }

    fn error(&self, request: &Request, fault: Fault, text: &str) -> Reply {
        Reply::bytes(self.fault(request, fault, text), false)
    }

    fn fault(&self, request: &Request, fault: Fault, text: &str) -> Vec<u8> {
        if self.structured {
            packet::error_chunk(fault, request.cookie, text)
        } else {
            packet::simple(Some(fault), request.cookie)
        }
    }
}

/// Success without data, which may be a simple reply also where structured ones were agreed on.
fn success(request: &Request) -> Outcome {
    Outcome::Answer(Reply::bytes(packet::simple(None, request.cookie), false))
}

/// Runs of data and of zeros in `range`, at most `most` of them.
fn extents(range: &Slice, most: usize) -> Vec<(u32, u32)> {
    let mut extents: Vec<(u32, u32)> = Vec::new();
    for piece in range.pieces() {
        let is_full = extents.len() == most;
        // A request's length has 32 bits, so no piece of it has more.
        let len = u32::try_from(piece.len).unwrap_or(u32::MAX);
        let status = match piece.source {
            Source::Zero => HOLE_AND_ZERO,
            Source::Disk { .. } | Source::Memory { .. } | Source::Missing(_) => 0,
        };
        match extents.last_mut() {
            Some((last, same)) if *same == status => *last = last.saturating_add(len),
            _ if is_full => break,
            _ => extents.push((len, status)),
        }
    }
    extents
}
