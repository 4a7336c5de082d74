//! Transmission phase: one reply per request.

use super::limits::{MAX_EXTENTS, MAX_REQUEST_BYTES};
use super::reason::RejectReason;
use super::wire::{self, ALLOCATION_ID, Command, Fault, Request, command_flag};
use crate::Reply;
use crate::vfs::{Content, Slice, Source};

/// "Metadata contexts": not allocated, and reads as zeros.
const HOLE_AND_ZERO: u32 = 0b11;

/// A disk in transmission, and the negotiated options.
#[derive(Clone, Debug)]
pub(super) struct Transmission {
    pub content: Content,
    pub structured: bool,
    /// True if `base:allocation` was selected.
    pub allocation: bool,
}

/// Result of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Reply),
    /// An error reply worth logging.
    Refuse(Reply, RejectReason),
    /// This many bytes of data are to be discarded before the error reply.
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
                // Reads are served from the kernel's page cache, which reads ahead anyway.
                Ok(_) => success(request),
                Err(refusal) => refusal,
            },
            // Not advertised. Nothing was written, so nothing is lost, and a kernel that flushes
            // anyway must not see an error.
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
            wire::data_chunk(request.cookie, request.offset, request.len)
        } else {
            wire::simple(None, request.cookie)
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
        let chunk = wire::status_chunk(request.cookie, ALLOCATION_ID, &extents);
        Outcome::Answer(Reply::bytes(chunk, false))
    }

    /// Returns the slice of a valid request: known flags, and inside the disk. The length is not
    /// checked against [`MAX_REQUEST_BYTES`].
    fn check(&self, request: &Request, flags: u16) -> Result<Slice, Outcome> {
        // "The server SHOULD return EINVAL if it receives an unknown command flag." The effect of
        // an empty request is undefined; no client sends one on purpose.
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
            wire::error_chunk(fault, request.cookie, text)
        } else {
            wire::simple(Some(fault), request.cookie)
        }
    }
}

/// Returns success without data: a simple reply, which is valid with structured replies too.
fn success(request: &Request) -> Outcome {
    Outcome::Answer(Reply::bytes(wire::simple(None, request.cookie), false))
}

/// Returns at most `most` runs of data and of zeros in `range`.
fn extents(range: &Slice, most: usize) -> Vec<(u32, u32)> {
    let mut extents: Vec<(u32, u32)> = Vec::new();
    for piece in range.pieces() {
        let is_full = extents.len() == most;
        // A request's length has 32 bits, so no piece of it has more.
        let len = u32::try_from(piece.len).unwrap_or(u32::MAX);
        let status = match piece.source {
            Source::Zero => HOLE_AND_ZERO,
            Source::Image { .. } | Source::Memory { .. } | Source::Missing(_) => 0,
        };
        match extents.last_mut() {
            Some((last, same)) if *same == status => *last = last.saturating_add(len),
            _ if is_full => break,
            _ => extents.push((len, status)),
        }
    }
    extents
}
