//! Parses the bytes of one connection into requests (RFC 9112 §2, §3, §6).

use std::time::Duration;

use super::limits::MAX_HEAD_BYTES;
use super::reason::RejectReason;
use super::respond::refusal;
use super::wire::{Request, check_version, head_end, parse};
use crate::Reply;

/// Parser for the requests of one connection. It holds no bytes: the caller owns the buffer.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Bytes at the front of the buffer known not to contain the end of a head.
    scanned: usize,
    /// Blank lines dropped before this head.
    blank: usize,
    /// Bytes of the last request's body still to be discarded.
    discard: u64,
}

/// Result of parsing the bytes received so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The head is not complete; read more. At most [`MAX_HEAD_BYTES`] stay in the buffer.
    More,
    /// A request. Answer it, then advance again: the next one may be in the buffer already.
    Request(Request),
    /// An unsupported request. Send `reply` and close the connection.
    Refused {
        /// The reason.
        why: RejectReason,
        /// The error response; `close` is set.
        reply: Reply,
    },
}

impl Session {
    /// Creates a session for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses one request from the front of `input` and leaves the rest. `now` is the time since
    /// 1970 UTC.
    pub fn advance(&mut self, input: &mut Vec<u8>, now: Duration) -> Received {
        match self.next(input) {
            Ok(None) => Received::More,
            Ok(Some(request)) => Received::Request(request),
            Err(why) => {
                input.clear();
                Received::Refused {
                    why,
                    reply: refusal(why, now),
                }
            }
        }
    }

    /// Returns whether part of a request has arrived but not its complete head, given the rest that
    /// [`Session::advance`] left in `input`.
    pub fn is_mid_request(&self, input: &[u8]) -> bool {
        self.discard > 0 || self.blank > 0 || !input.is_empty()
    }

    fn next(&mut self, input: &mut Vec<u8>) -> Result<Option<Request>, RejectReason> {
        let body = usize::try_from(self.discard)
            .unwrap_or(usize::MAX)
            .min(input.len());
        input.drain(..body);
        self.discard -= body as u64;
        if self.discard > 0 {
            return Ok(None);
        }
        // RFC 9112 §2.2: blank lines before a request are skipped. They count against the limit.
        let blank = input
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        input.drain(..blank);
        self.blank += blank;
        if self.blank > MAX_HEAD_BYTES {
            return Err(RejectReason::HeadTooLong);
        }
        match input.first() {
            None => return Ok(None),
            // A TLS handshake record; no method starts with this byte.
            Some(0x16) => return Err(RejectReason::Tls),
            Some(first) if !first.is_ascii_graphic() => return Err(RejectReason::Malformed),
            Some(_) => {}
        }
        let Some(line) = input.iter().take(MAX_HEAD_BYTES).position(|&b| b == b'\n') else {
            return if input.len() > MAX_HEAD_BYTES {
                Err(RejectReason::LineTooLong)
            } else {
                Ok(None)
            };
        };
        // Checked before the head is complete: HTTP/0.9 has no head, so its end would never come.
        let minor = check_version(input.get(..line).unwrap_or_default())?;
        if let Some(minor) = input.get_mut(minor).filter(|minor| **minor != b'0') {
            *minor = b'1';
        }
        let Some(end) = head_end(input, self.scanned.max(line)) else {
            self.scanned = input.len().saturating_sub(3);
            return if input.len() > MAX_HEAD_BYTES {
                Err(RejectReason::HeadTooLong)
            } else {
                Ok(None)
            };
        };
        if end > MAX_HEAD_BYTES {
            return Err(RejectReason::HeadTooLong);
        }
        let (request, body) = parse(input.get(..end).unwrap_or_default())?;
        input.drain(..end);
        *self = Self {
            discard: body,
            ..Self::default()
        };
        Ok(Some(request))
    }
}

#[cfg(test)]
mod tests;
