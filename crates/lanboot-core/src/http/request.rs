//! Parses the bytes of one connection into requests (RFC 9112 §2, §3, §6).

use std::time::Duration;

use super::respond;
use crate::Reply;

/// Longest request head in bytes, request line included. lpxelinux sends about 600 bytes of cookies
/// with every request, browsers a few kilobytes.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Most header fields in one request; browsers send about 20.
pub const MAX_HEADERS: usize = 64;
/// Longest request body, in bytes, read and discarded to keep a connection usable. No supported
/// request needs a body.
pub const MAX_BODY_BYTES: u64 = 64 * 1024;

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

/// GET or HEAD; other methods are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Requests the file.
    Get,
    /// Requests the headers only.
    Head,
}

/// One request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// GET or HEAD.
    pub method: Method,
    /// Path with `%xx` decoded; begins with `/`. It may still contain `..` or NUL bytes: it is not
    /// a [`crate::vfs::Path`] yet.
    pub path: Vec<u8>,
    /// The part after `?`, not decoded; empty if there is none.
    pub query: Vec<u8>,
    /// The `Range` field; GET only (RFC 9110 §14.2).
    pub range: Option<Vec<u8>>,
    /// Conditional fields.
    pub conditions: Conditions,
    /// True for HTTP/1.0, which closes by default.
    pub is_http10: bool,
    /// True if the connection stays open after the reply.
    pub keep_alive: bool,
}

/// The conditional fields, as sent (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`.
    pub if_match: Option<Vec<u8>>,
    /// `If-None-Match`.
    pub if_none_match: Option<Vec<u8>>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<Vec<u8>>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<Vec<u8>>,
    /// `If-Range`.
    pub if_range: Option<Vec<u8>>,
}

/// Reason a request was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// A TLS handshake.
    #[error("it speaks TLS and this door is plain http")]
    Tls,
    /// Not HTTP, or a syntax error.
    #[error("the request is not valid HTTP")]
    Malformed,
    /// A request line without a version.
    #[error("the request is HTTP/0.9")]
    Http09,
    /// A major version other than 1.
    #[error("the request is not HTTP/1")]
    Version,
    /// A method other than GET and HEAD.
    #[error("only GET and HEAD are served")]
    Method,
    /// A request line over [`MAX_HEAD_BYTES`].
    #[error("the request line is longer than {MAX_HEAD_BYTES} bytes")]
    LineTooLong,
    /// A head over [`MAX_HEAD_BYTES`] or [`MAX_HEADERS`].
    #[error("the head has more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} fields")]
    HeadTooLong,
    /// A body over [`MAX_BODY_BYTES`].
    #[error("the request carries a body of more than {MAX_BODY_BYTES} bytes")]
    BodyTooLong,
    /// A body of unknown length.
    #[error("the request carries a body without a length")]
    LengthMissing,
    /// `Expect` with a value other than `100-continue`.
    #[error("the request expects something unknown")]
    Expectation,
}

reason_codes!(RejectReason {
    Self::Tls => "tls",
    Self::Malformed => "malformed",
    Self::Http09 => "http_0_9",
    Self::Version => "unsupported_version",
    Self::Method => "method_not_allowed",
    Self::LineTooLong => "request_line_too_long",
    Self::HeadTooLong => "head_too_long",
    Self::BodyTooLong => "body_too_long",
    Self::LengthMissing => "length_missing",
    Self::Expectation => "unknown_expectation",
});

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
                    reply: respond::refusal(why, now),
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

/// Returns the end of the first empty line at or after `from`. Bare line feeds end lines too (RFC
/// 9112 §2.2).
fn head_end(input: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += input.get(at..)?.iter().position(|&b| b == b'\n')? + 1;
        match input.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Checks the version at the end of a request line and returns the position of its minor digit. Any
/// minor version is treated as the highest known one (RFC 9110 §2.5); the form is exact, including
/// case (RFC 9112 §2.3).
fn check_version(line: &[u8]) -> Result<usize, RejectReason> {
    let end = line.trim_ascii_end().len();
    let mut words = line.split(u8::is_ascii_whitespace);
    let words = words.by_ref().filter(|word| !word.is_empty());
    let (count, last) = words.fold((0u32, &[][..]), |(n, _), word| (n + 1, word));
    match last {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if minor.is_ascii_digit() => match major
        {
            b'1' => Ok(end.saturating_sub(1)),
            b'0'..=b'9' => Err(RejectReason::Version),
            _ => Err(RejectReason::Malformed),
        },
        _ if line.starts_with(b"GET ") && count == 2 => Err(RejectReason::Http09),
        _ => Err(RejectReason::Malformed),
    }
}

/// Parses one complete head; also returns the length of the body that follows.
fn parse(head: &[u8]) -> Result<(Request, u64), RejectReason> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(RejectReason::Malformed),
        Err(httparse::Error::TooManyHeaders) => return Err(RejectReason::HeadTooLong),
        Err(_) => return Err(RejectReason::Malformed),
    }
    // RFC 9110 §9.1: methods are case-sensitive.
    let method = match parsed.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => return Err(RejectReason::Method),
    };
    let (path, query) = target(parsed.path.unwrap_or_default().as_bytes())?;
    let is_http10 = parsed.version == Some(0);
    let mut request = Request {
        method,
        path,
        query,
        range: None,
        conditions: Conditions::default(),
        is_http10,
        keep_alive: !is_http10,
    };
    let body = read_fields(parsed.headers, &mut request)?;
    Ok((request, body))
}

/// Reads the relevant header fields and returns the length of the body. `Host` is ignored: machines
/// use any name or address for this server.
fn read_fields(
    fields: &[httparse::Header<'_>],
    request: &mut Request,
) -> Result<u64, RejectReason> {
    let mut length = None;
    let mut is_coded = false;
    let mut expects = false;
    let mut ranges = 0;
    let (mut close, mut keep) = (false, false);
    for field in fields {
        let value = field.value.trim_ascii();
        let name = |wanted: &str| field.name.eq_ignore_ascii_case(wanted);
        let conditions = &mut request.conditions;
        if name("Connection") {
            for option in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                close |= option.eq_ignore_ascii_case(b"close");
                keep |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if name("Range") {
            ranges += 1;
            request.range = Some(value.to_vec());
        } else if name("If-Match") {
            append(&mut conditions.if_match, value);
        } else if name("If-None-Match") {
            append(&mut conditions.if_none_match, value);
        } else if name("If-Modified-Since") {
            append(&mut conditions.if_modified_since, value);
        } else if name("If-Unmodified-Since") {
            append(&mut conditions.if_unmodified_since, value);
        } else if name("If-Range") {
            append(&mut conditions.if_range, value);
        } else if name("Content-Length") {
            let n = content_length(value)?;
            // RFC 9112 §6.3: conflicting lengths are an error.
            if length.replace(n).is_some_and(|before| before != n) {
                return Err(RejectReason::Malformed);
            }
        } else if name("Transfer-Encoding") {
            is_coded = true;
        } else if name("Expect") {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(RejectReason::Expectation);
            }
            expects = true;
        }
    }
    // RFC 9110 §14.2: only GET defines ranges. Two Range fields contradict each other.
    if request.method == Method::Head || ranges > 1 {
        request.range = None;
    }
    // RFC 9112 §9.3: close wins.
    request.keep_alive = !close && (keep || !request.is_http10);
    match (is_coded, length.unwrap_or(0)) {
        (true, _) if length.is_some() => Err(RejectReason::Malformed),
        (true, _) => Err(RejectReason::LengthMissing),
        (false, n) if n > MAX_BODY_BYTES => Err(RejectReason::BodyTooLong),
        (false, n) => {
            // After an immediate answer the client may or may not still send its body: only closing
            // is unambiguous (RFC 9110 §10.1.1).
            if expects && n > 0 {
                request.keep_alive = false;
            }
            Ok(n)
        }
    }
}

/// Appends to a field; one sent twice is one list (RFC 9110 §5.3).
fn append(field: &mut Option<Vec<u8>>, value: &[u8]) {
    match field {
        Some(before) => {
            before.extend_from_slice(b", ");
            before.extend_from_slice(value);
        }
        None => *field = Some(value.to_vec()),
    }
}

fn content_length(value: &[u8]) -> Result<u64, RejectReason> {
    if value.is_empty() {
        return Err(RejectReason::Malformed);
    }
    value.iter().try_fold(0u64, |n, &b| {
        if b.is_ascii_digit() {
            Ok(n.saturating_mul(10).saturating_add(u64::from(b - b'0')))
        } else {
            Err(RejectReason::Malformed)
        }
    })
}

/// Splits a request target into path and query: origin form, or absolute form, which every server
/// must accept (RFC 9112 §3.2.2).
fn target(target: &[u8]) -> Result<(Vec<u8>, Vec<u8>), RejectReason> {
    let local = if target.first() == Some(&b'/') {
        target
    } else {
        let colon = target.windows(3).position(|w| w == b"://");
        let scheme = colon.and_then(|at| target.get(..at)).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
            return Err(RejectReason::Malformed);
        }
        let after = target.get(scheme.len() + 3..).unwrap_or_default();
        let end = after.iter().position(|b| matches!(b, b'/' | b'?'));
        end.and_then(|at| after.get(at..)).unwrap_or(b"/")
    };
    let (path, query) = match local.iter().position(|&b| b == b'?') {
        Some(at) => (local.get(..at), local.get(at + 1..)),
        None => (Some(local), None),
    };
    let path = match path.unwrap_or_default() {
        b"" => b"/",
        path => path,
    };
    Ok((percent_decoded(path), query.unwrap_or_default().to_vec()))
}

/// Decodes `%xx`. Other percent signs are kept: loaders request file names as written in a script.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after
            .split_first_chunk::<2>()
            .filter(|_| byte == b'%')
            .and_then(|([high, low], after)| Some((hex(*high)? << 4 | hex(*low)?, after)));
        let (byte, after) = pair.unwrap_or((byte, after));
        out.push(byte);
        rest = after;
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Duration = Duration::from_secs(784_111_777);

    fn steps(bytes: &[u8]) -> Vec<Received> {
        let mut session = Session::new();
        let mut input = bytes.to_vec();
        let mut out = Vec::new();
        loop {
            let step = session.advance(&mut input, NOW);
            let is_last = !matches!(step, Received::Request(_));
            out.push(step);
            if is_last {
                return out;
            }
        }
    }

    fn request(bytes: &[u8]) -> Request {
        match steps(bytes).into_iter().next() {
            Some(Received::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn reject_reason(bytes: &[u8]) -> RejectReason {
        match steps(bytes).into_iter().next() {
            Some(Received::Refused { why, reply }) => {
                assert!(reply.close);
                why
            }
            other => panic!("{other:?} for {}", bytes.escape_ascii()),
        }
    }

    #[test]
    fn lpxelinux_request_with_a_long_cookie() {
        let head = format!(
            "GET //arch//boot/vmlinuz-linux HTTP/1.0\r\nHost: 10.77.0.1\r\n\
             User-Agent: Syslinux/6.04\r\nConnection: close\r\nCookie: _Syslinux_x={}\r\n\r\n",
            "a".repeat(900)
        );
        let request = request(head.as_bytes());
        assert_eq!(request.path, b"//arch//boot/vmlinuz-linux");
        assert!(request.is_http10 && !request.keep_alive);
    }

    #[test]
    fn targets_are_split_and_decoded() {
        for (target, path, query) in [
            ("/a%20b/%41%2f%zz%4?x=%20&y", "/a b/A/%zz%4", "x=%20&y"),
            ("http://h:80/x?y", "/x", "y"),
            ("HTTP://h", "/", ""),
            ("https://h?q", "/", "q"),
            ("/?", "/", ""),
            ("/a?b?c", "/a", "b?c"),
            ("/http://x", "/http://x", ""),
            ("/caf\u{e9}", "/caf\u{e9}", ""),
        ] {
            let request = request(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
            assert_eq!(request.path, path.as_bytes(), "{target}");
            assert_eq!(request.query, query.as_bytes(), "{target}");
        }
    }

    #[test]
    fn keep_alive_depends_on_version_and_connection_field() {
        for (version, fields, keep) in [
            ("1.1", "", true),
            ("1.0", "", false),
            ("1.2", "", true),
            ("1.9", "", true),
            ("1.2", "Connection: close\r\n", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.1", "connection: close\r\n", false),
            ("1.1", "Connection: keep-alive, Close\r\n", false),
            ("1.0", "Connection: te\r\nConnection: keep-alive\r\n", true),
        ] {
            let head = format!("GET / HTTP/{version}\r\n{fields}\r\n");
            assert_eq!(request(head.as_bytes()).keep_alive, keep, "{head}");
        }
    }

    #[test]
    fn invalid_requests_are_rejected() {
        for (bytes, want) in [
            ("GET /\r\n", RejectReason::Http09),
            ("GET /x\n", RejectReason::Http09),
            ("GET / HTTP/2.0\r\n", RejectReason::Version),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", RejectReason::Version),
            ("GET / HTTP/0.9\r\n\r\n", RejectReason::Version),
            ("GET / HTTP/3.1\r\n\r\n", RejectReason::Version),
            ("GET / http/1.1\r\n\r\n", RejectReason::Malformed),
            ("GET / HTTP/1.10\r\n\r\n", RejectReason::Malformed),
            ("GET / HTTP/1.\r\n\r\n", RejectReason::Malformed),
            ("GET / HTTP/1\r\n\r\n", RejectReason::Malformed),
            ("GET / HTTP/11\r\n\r\n", RejectReason::Malformed),
            ("GET / HTTP/1.x\r\n\r\n", RejectReason::Malformed),
            ("GET / HTTP/x.1\r\n\r\n", RejectReason::Malformed),
            ("GET / HTTP/ 1.1\r\n\r\n", RejectReason::Malformed),
            ("GET HTTP/1.1\r\n\r\n", RejectReason::Malformed),
            (
                "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
                RejectReason::Method,
            ),
            ("get / HTTP/1.1\r\n\r\n", RejectReason::Method),
            ("OPTIONS * HTTP/1.1\r\n\r\n", RejectReason::Method),
            ("CONNECT a:1 HTTP/1.1\r\n\r\n", RejectReason::Method),
            ("GET * HTTP/1.1\r\n\r\n", RejectReason::Malformed),
            ("GET x HTTP/1.1\r\n\r\n", RejectReason::Malformed),
            ("GET ftp://h/x HTTP/1.1\r\n\r\n", RejectReason::Malformed),
            ("GET /a b HTTP/1.1\r\n\r\n", RejectReason::Malformed),
            ("GET / HTTP/1.1\r\nX Y: 1\r\n\r\n", RejectReason::Malformed),
            (
                "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                RejectReason::Malformed,
            ),
            ("GET / HTTP/1.1\r\nX: \0\r\n\r\n", RejectReason::Malformed),
            ("\0\0\0", RejectReason::Malformed),
            ("\x16\x03\x01\x02", RejectReason::Tls),
            ("SSH-2.0-OpenSSH_9\r\n", RejectReason::Malformed),
            (
                "GET / HTTP/1.1\r\nExpect: magic\r\n\r\n",
                RejectReason::Expectation,
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n",
                RejectReason::BodyTooLong,
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                RejectReason::BodyTooLong,
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                RejectReason::Malformed,
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: \r\n\r\n",
                RejectReason::Malformed,
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                RejectReason::Malformed,
            ),
            (
                "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                RejectReason::LengthMissing,
            ),
            (
                "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
                RejectReason::Malformed,
            ),
        ] {
            assert_eq!(
                reject_reason(bytes.as_bytes()),
                want,
                "{}",
                bytes.escape_debug()
            );
        }
    }

    #[test]
    fn limits_hold_for_incomplete_heads() {
        let long = "a".repeat(64 * 1024);
        assert_eq!(reject_reason(long.as_bytes()), RejectReason::LineTooLong);
        let line = format!("GET /{long} HTTP/1.1\r\n\r\n");
        assert_eq!(reject_reason(line.as_bytes()), RejectReason::LineTooLong);
        let unfinished = format!("GET / HTTP/1.1\r\nX: {long}");
        assert_eq!(
            reject_reason(unfinished.as_bytes()),
            RejectReason::HeadTooLong
        );
        let finished = format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n");
        assert_eq!(
            reject_reason(finished.as_bytes()),
            RejectReason::HeadTooLong
        );
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a:b\r\n".repeat(MAX_HEADERS + 1)
        );
        assert_eq!(reject_reason(many.as_bytes()), RejectReason::HeadTooLong);
        let blank = "\r\n".repeat(MAX_HEAD_BYTES);
        assert_eq!(reject_reason(blank.as_bytes()), RejectReason::HeadTooLong);
        let most = format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(MAX_HEADERS));
        request(most.as_bytes());
    }

    #[test]
    fn a_head_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
        let frame = "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
        let fill = |n: usize| format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(n - frame));
        request(fill(MAX_HEAD_BYTES).as_bytes());
        assert_eq!(
            reject_reason(fill(MAX_HEAD_BYTES + 1).as_bytes()),
            RejectReason::HeadTooLong
        );
    }

    #[test]
    fn requests_that_arrive_together_are_taken_one_by_one() {
        let bytes =
            b"\r\nGET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\nX: y\n\nHEAD /3 HTTP/1.0\r\n\r\nGE";
        let paths: Vec<_> = steps(bytes)
            .into_iter()
            .map(|step| match step {
                Received::Request(request) => request.path,
                Received::More => b"more".to_vec(),
                Received::Refused { why, .. } => panic!("{why}"),
            })
            .collect();
        assert_eq!(paths, [&b"/1"[..], b"/2", b"/3", b"more"]);
    }

    #[test]
    fn a_get_body_is_discarded_and_never_parsed_as_a_request() {
        let bytes = b"GET /1 HTTP/1.1\r\nContent-Length: 21\r\n\r\nGET /x HTTP/1.1\r\n\r\n__GET /2 HTTP/1.1\r\n\r\n";
        // The first 19 bytes of the body look like a request.
        let found = steps(bytes);
        assert!(
            matches!(&found[..], [Received::Request(a), Received::Request(b), Received::More]
            if a.path == b"/1" && b.path == b"/2")
        );
    }

    #[test]
    fn expect_continue_with_a_body_closes() {
        let head = b"GET / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        assert!(!request(head).keep_alive);
    }

    #[test]
    fn repeated_fields_are_joined_and_two_ranges_are_ignored() {
        let head = b"GET / HTTP/1.1\r\nIf-None-Match: \"a\"\r\nif-none-match: \"b\"\r\n\
            Range: bytes=0-0\r\nRange: bytes=1-1\r\n\r\n";
        let request = request(head);
        assert_eq!(
            request.conditions.if_none_match.as_deref(),
            Some(&b"\"a\", \"b\""[..])
        );
        assert_eq!(request.range, None);
    }

    #[test]
    fn head_has_no_range() {
        let head = b"HEAD / HTTP/1.1\r\nRange: bytes=0-0\r\n\r\n";
        assert_eq!(request(head).range, None);
    }

    proptest! {
        #[test]
        fn requests_do_not_depend_on_segmentation(
            cuts in proptest::collection::vec(1..20usize, 1..40),
        ) {
            let bytes: &[u8] = b"\r\nGET /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcdeGET /2 HTTP/1.0\n\n\
                GET /3 HTTP/1.1\r\nRange: bytes=0-0\r\n\r\nGET /4\r\n";
            let whole = steps(bytes);
            let mut session = Session::new();
            let mut input = Vec::new();
            let mut received = Vec::new();
            let mut rest = bytes;
            let mut cuts = cuts.into_iter().cycle();
            'all: while !rest.is_empty() {
                let n = cuts.next().unwrap().min(rest.len());
                input.extend_from_slice(&rest[..n]);
                rest = &rest[n..];
                loop {
                    match session.advance(&mut input, NOW) {
                        Received::More => break,
                        step => {
                            let refused = matches!(step, Received::Refused { .. });
                            received.push(step);
                            if refused {
                                break 'all;
                            }
                        }
                    }
                }
            }
            prop_assert_eq!(received, whole);
        }

        #[test]
        fn nothing_panics_and_the_buffer_stays_small(
            chunks in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..300),
                    Just(b"GET / HTTP/1.1\r\n".to_vec()),
                    Just(b"Content-Length: 100\r\n".to_vec()),
                    Just(b"\r\n\r\n".to_vec()),
                    Just(vec![b'a'; 5000]),
                ], 0..40),
        ) {
            let mut session = Session::new();
            let mut input = Vec::new();
            for chunk in chunks {
                input.extend_from_slice(&chunk);
                while !matches!(session.advance(&mut input, NOW), Received::More) {}
                prop_assert!(input.len() <= MAX_HEAD_BYTES);
            }
        }
    }
}
