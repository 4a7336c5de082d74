//! Heads on the wire: parses the one of a request (RFC 9112 §2, §3, §6); the status lines of replies.

use super::limits::{MAX_BODY_BYTES, MAX_HEADERS};
use super::reason::RejectReason;

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

/// Status of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200: the whole file.
    Ok,
    /// 206: one or several ranges.
    PartialContent,
    /// 304: the client's copy is current.
    NotModified,
    /// 400.
    BadRequest,
    /// 404: no such file.
    NotFound,
    /// 405: neither GET nor HEAD.
    MethodNotAllowed,
    /// 411: a body without a length.
    LengthRequired,
    /// 412: the file has changed since the client started.
    PreconditionFailed,
    /// 413: the body is too long.
    ContentTooLarge,
    /// 414.
    UriTooLong,
    /// 416: the range is unsatisfiable or malformed.
    RangeNotSatisfiable,
    /// 417.
    ExpectationFailed,
    /// 431.
    HeadTooLarge,
    /// 500: the image cannot be read.
    InternalServerError,
    /// 503: no connection slot is free.
    ServiceUnavailable,
    /// 505.
    VersionNotSupported,
}

impl Status {
    /// Returns code and reason phrase, as on the status line.
    pub fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::PartialContent => "206 Partial Content",
            Self::NotModified => "304 Not Modified",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::LengthRequired => "411 Length Required",
            Self::PreconditionFailed => "412 Precondition Failed",
            Self::ContentTooLarge => "413 Content Too Large",
            Self::UriTooLong => "414 URI Too Long",
            Self::RangeNotSatisfiable => "416 Range Not Satisfiable",
            Self::ExpectationFailed => "417 Expectation Failed",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::InternalServerError => "500 Internal Server Error",
            Self::ServiceUnavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// Returns the end of the first empty line at or after `from`. Bare line feeds end lines too (RFC
/// 9112 §2.2).
pub(super) fn head_end(input: &[u8], from: usize) -> Option<usize> {
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
pub(super) fn check_version(line: &[u8]) -> Result<usize, RejectReason> {
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
pub(super) fn parse(head: &[u8]) -> Result<(Request, u64), RejectReason> {
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
