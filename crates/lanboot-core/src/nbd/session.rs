//! State machine of one connection.

use super::export::{Export, Exports};
use super::limits::{MAX_OPTION_BYTES, MAX_OPTIONS, MAX_SKIPPED_BYTES};
use super::option::{self, Agreed};
use super::reason::RejectReason;
use super::transmission::{self, Transmission};
use super::wire::{
    CLIENT_FIXED, CLIENT_NO_ZEROES, GREETING, OPTION_HEAD_BYTES, OptionCode, OptionHead,
    REQUEST_BYTES, Request,
};
use crate::Reply;

/// Result of one message.
#[derive(Debug)]
pub enum Received {
    /// The rest of the message is missing.
    More,
    /// A reply.
    Reply(Reply),
    /// An error reply worth logging. The connection continues.
    Refused {
        /// The reply.
        reply: Reply,
        /// Reason for the error.
        why: RejectReason,
        /// Printable name of the requested export; empty for the one in use.
        name: String,
    },
    /// Negotiation is over and transmission of a disk begins.
    Entered {
        /// The reply.
        reply: Reply,
        /// The disk.
        export: Export,
    },
    /// The connection ends once `reply`, which may be empty, is sent.
    Closed {
        /// The last reply.
        reply: Reply,
        /// Reason for the end.
        why: RejectReason,
        /// Printable name of the requested export; mostly empty.
        name: String,
    },
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    /// Message whose data is discarded before it is answered.
    skip: Option<Skip>,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was sent yet.
    Start,
    /// The greeting was sent; the client's flags are next.
    Flags,
    Negotiation {
        agreed: Agreed,
        options: u32,
    },
    Transmission(Transmission),
    Over,
}

#[derive(Debug)]
struct Skip {
    left: u32,
    then: Then,
}

#[derive(Debug)]
enum Then {
    /// Answer that this option is too big.
    TooBig(u32),
    /// Answer that this write is not permitted.
    ReadOnly(Request),
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// Creates a session for a new connection.
    pub fn new() -> Self {
        Self {
            phase: Phase::Start,
            skip: None,
        }
    }

    /// Takes the next message off the front of `input` and returns its effect. To be called until
    /// it returns [`Received::More`], then again with more data appended to the rest of `input`,
    /// which is at most [`super::MAX_MESSAGE_BYTES`].
    ///
    /// The first call needs no input: the server speaks first.
    pub fn advance(&mut self, input: &mut &[u8], exports: &dyn Exports) -> Received {
        if let Some(step) = self.skip(input) {
            return step;
        }
        match &mut self.phase {
            Phase::Start => {
                self.phase = Phase::Flags;
                answer(GREETING.to_vec())
            }
            Phase::Flags => self.flags(input, exports),
            Phase::Negotiation { .. } => self.option(input, exports),
            Phase::Transmission(_) => self.request(input),
            Phase::Over => Received::More,
        }
    }

    /// Returns whether transmission has begun.
    pub fn is_in_transmission(&self) -> bool {
        matches!(self.phase, Phase::Transmission(_))
    }

    /// Discards data to be skipped; `None` if there is none (left).
    fn skip(&mut self, input: &mut &[u8]) -> Option<Received> {
        let skip = self.skip.as_mut()?;
        let here = usize::try_from(skip.left)
            .unwrap_or(usize::MAX)
            .min(input.len());
        *input = input.get(here..).unwrap_or_default();
        // Never more than was left.
        skip.left -= u32::try_from(here).unwrap_or(skip.left);
        if skip.left > 0 {
            return Some(Received::More);
        }
        match (self.skip.take()?.then, &self.phase) {
            (Then::ReadOnly(request), Phase::Transmission(transmission)) => {
                Some(Received::Refused {
                    reply: transmission.read_only(&request),
                    why: RejectReason::ReadOnly,
                    name: String::new(),
                })
            }
            (Then::TooBig(option), _) => Some(answer(option::too_big(option))),
            (Then::ReadOnly(_), _) => None,
        }
    }

    fn flags(&mut self, input: &mut &[u8], exports: &dyn Exports) -> Received {
        let Some((flags, rest)) = input.split_first_chunk::<4>() else {
            return Received::More;
        };
        *input = rest;
        let flags = u32::from_be_bytes(*flags);
        if flags & !(CLIENT_FIXED | CLIENT_NO_ZEROES) != 0 {
            return self.close(Vec::new(), RejectReason::UnknownFlags(flags), String::new());
        }
        let agreed = Agreed {
            no_zeroes: flags & CLIENT_NO_ZEROES != 0,
            ..Agreed::default()
        };
        self.phase = Phase::Negotiation { agreed, options: 0 };
        // Flags have no reply.
        self.option(input, exports)
    }

    fn option(&mut self, input: &mut &[u8], exports: &dyn Exports) -> Received {
        let Phase::Negotiation { agreed, options } = &mut self.phase else {
            return Received::More;
        };
        let Some((head, rest)) = input.split_first_chunk::<OPTION_HEAD_BYTES>() else {
            return Received::More;
        };
        let Some(head) = OptionHead::parse(*head) else {
            return self.close(Vec::new(), RejectReason::NotAnOption, String::new());
        };
        let len = usize::try_from(head.len).unwrap_or(usize::MAX);
        if len > MAX_OPTION_BYTES {
            // EXPORT_NAME has no reply for this.
            if head.len > MAX_SKIPPED_BYTES || head.code == OptionCode::ExportName {
                return self.close(
                    Vec::new(),
                    RejectReason::OptionTooLong(head.len),
                    String::new(),
                );
            }
        } else if rest.len() < len {
            return Received::More;
        }
        if *options >= MAX_OPTIONS {
            return self.close(Vec::new(), RejectReason::TooManyOptions, String::new());
        }
        *options += 1;
        if len > MAX_OPTION_BYTES {
            *input = rest;
            self.skip = Some(Skip {
                left: head.len,
                then: Then::TooBig(head.raw),
            });
            return self.skip(input).unwrap_or(Received::More);
        }
        let (data, rest) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        *input = rest;
        match option::answer(agreed, head.raw, data, exports) {
            option::Outcome::Answer(bytes) => answer(bytes),
            option::Outcome::Refuse(bytes, why, name) => Received::Refused {
                reply: Reply::bytes(bytes, false),
                why,
                name,
            },
            option::Outcome::Close(bytes, why, name) => self.close(bytes, why, name),
            option::Outcome::Enter(bytes, export) => {
                self.phase = Phase::Transmission(Transmission {
                    content: export.content().clone(),
                    structured: agreed.structured,
                    // It was selected for one export and is valid for no other.
                    allocation: agreed.allocation_of.as_ref() == Some(&export.name),
                });
                Received::Entered {
                    reply: Reply::bytes(bytes, false),
                    export,
                }
            }
        }
    }

    fn request(&mut self, input: &mut &[u8]) -> Received {
        let Phase::Transmission(transmission) = &self.phase else {
            return Received::More;
        };
        let Some((request, rest)) = input.split_first_chunk::<REQUEST_BYTES>() else {
            return Received::More;
        };
        let Some(request) = Request::parse(request) else {
            return self.close(Vec::new(), RejectReason::NotARequest, String::new());
        };
        *input = rest;
        match transmission.answer(&request) {
            transmission::Outcome::Answer(reply) => Received::Reply(reply),
            transmission::Outcome::Refuse(reply, why) => Received::Refused {
                reply,
                why,
                name: String::new(),
            },
            transmission::Outcome::Drain(left) => {
                let then = Then::ReadOnly(request);
                self.skip = Some(Skip { left, then });
                self.skip(input).unwrap_or(Received::More)
            }
            transmission::Outcome::Close(why) => self.close(Vec::new(), why, String::new()),
        }
    }

    fn close(&mut self, bytes: Vec<u8>, why: RejectReason, name: String) -> Received {
        self.phase = Phase::Over;
        self.skip = None;
        Received::Closed {
            reply: Reply::bytes(bytes, true),
            why,
            name,
        }
    }
}

fn answer(bytes: Vec<u8>) -> Received {
    Received::Reply(Reply::bytes(bytes, false))
}
