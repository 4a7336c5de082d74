//! Turns a request and its file into a reply of exact length (RFC 9110 §13 to §15).

use std::ops::Range;
use std::time::Duration;

use super::date;
use super::range::{Selection, select};
use super::reason::{Problem, RejectReason};
use super::wire::{Conditions, Method, Request, Status};
use crate::Reply;
use crate::vfs::{Content, File, Piece, Slice, Source};

/// A reply and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status of the reply.
    pub status: Status,
    /// Bytes to send.
    pub reply: Reply,
    /// Reason for an error, where the status line does not state it.
    pub problem: Option<Problem>,
}

/// Answers `request` with the file at its path. `now` is the time since 1970 UTC.
pub fn respond(request: &Request, file: Option<&File>, now: Duration) -> Response {
    let date = Date::new(now);
    let Some(file) = file else {
        return plain(request, Status::NotFound, &date, "", None);
    };
    // Serves no part of a damaged file, and no HEAD: the loader must stop here.
    if let Some(damage) = file.content.damage() {
        return Response {
            problem: Some(Problem::Damaged(damage)),
            ..plain(request, Status::InternalServerError, &date, "", None)
        };
    }
    let tag = entity_tag(file);
    let modified = file.modified.filter(|&m| m <= date.seconds);
    let about = About {
        request,
        date: &date,
        tag: &tag,
        // RFC 9110 §8.8.2.1: never later than Date. A medium dated in the future gets none.
        modified: modified.and_then(date::format),
    };
    match check(&request.conditions, &tag, file.modified) {
        Verdict::Send => {}
        Verdict::NotModified => return about.not_modified(),
        Verdict::Failed => {
            let problem = Some(Problem::Changed);
            return plain(request, Status::PreconditionFailed, &date, "", problem);
        }
    }
    let len = file.content.len();
    let wanted = request
        .range
        .as_deref()
        .filter(|_| if_range(&request.conditions, &tag, file.modified))
        .map_or(Selection::Whole, |value| select(value, len));
    let unsatisfied = format!("Content-Range: bytes */{len}\r\n");
    match wanted {
        Selection::Whole => about.whole(file),
        Selection::Parts(parts) => match parts.as_slice() {
            [part] => about.part(file, part),
            parts => about.parts(file, parts),
        },
        Selection::Unsatisfiable => plain(
            request,
            Status::RangeNotSatisfiable,
            &date,
            &unsatisfied,
            Some(Problem::RangeBehindTheEnd),
        ),
        Selection::Misprinted => plain(
            request,
            Status::RangeNotSatisfiable,
            &date,
            &unsatisfied,
            Some(Problem::MisprintedRange),
        ),
    }
}

/// Returns the reply for a connection over the limit; iPXE waits and retries on this status.
pub fn unavailable(now: Duration) -> Reply {
    let status = Status::ServiceUnavailable;
    let body = text(status);
    let mut head = head(status, &Date::new(now), true, false);
    push(&mut head, "Retry-After: 5\r\n");
    end_text(&mut head, &body);
    push(&mut head, &body);
    Reply::bytes(head, true)
}

/// Returns the reply to HEAD when the image cannot be read any more, matching that of GET.
pub fn unreadable(now: Duration) -> Reply {
    let status = Status::InternalServerError;
    let mut head = head(status, &Date::new(now), true, false);
    end_text(&mut head, &text(status));
    Reply::bytes(head, true)
}

/// Returns the reply to an invalid request. It closes: the rest of the stream cannot be parsed.
pub(super) fn refusal(why: RejectReason, now: Duration) -> Reply {
    let status = match why {
        RejectReason::Tls | RejectReason::Malformed | RejectReason::Http09 => Status::BadRequest,
        RejectReason::Version => Status::VersionNotSupported,
        RejectReason::Method => Status::MethodNotAllowed,
        RejectReason::LineTooLong => Status::UriTooLong,
        RejectReason::HeadTooLong => Status::HeadTooLarge,
        RejectReason::BodyTooLong => Status::ContentTooLarge,
        RejectReason::LengthMissing => Status::LengthRequired,
        RejectReason::Expectation => Status::ExpectationFailed,
    };
    let body = format!("{}: {why}.\n", status.line());
    let mut head = head(status, &Date::new(now), true, false);
    if why == RejectReason::Method {
        push(&mut head, "Allow: GET, HEAD\r\n");
    }
    end_text(&mut head, &body);
    push(&mut head, &body);
    Reply::bytes(head, true)
}

struct Date {
    seconds: i64,
    text: String,
}

impl Date {
    fn new(now: Duration) -> Self {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        Self {
            seconds,
            text: date::format(seconds).unwrap_or_default(),
        }
    }
}

/// Parameters common to all replies for an existing file.
struct About<'a> {
    request: &'a Request,
    date: &'a Date,
    tag: &'a str,
    modified: Option<String>,
}

impl About<'_> {
    fn head(&self, status: Status) -> Vec<u8> {
        let close = !self.request.keep_alive;
        let mut head = head(status, self.date, close, self.request.is_http10);
        push(&mut head, &format!("ETag: {}\r\n", self.tag));
        if let Some(modified) = &self.modified {
            push(&mut head, &format!("Last-Modified: {modified}\r\n"));
        }
        head
    }

    fn not_modified(&self) -> Response {
        let mut head = self.head(Status::NotModified);
        push(&mut head, "\r\n");
        Response {
            status: Status::NotModified,
            reply: Reply::bytes(head, !self.request.keep_alive),
            problem: None,
        }
    }

    fn whole(&self, file: &File) -> Response {
        let media = media_type(&self.request.path);
        self.file(Status::Ok, media, None, file.content.all())
    }

    fn part(&self, file: &File, part: &Range<u64>) -> Response {
        let body = file.content.slice(part.clone());
        let range = content_range(part, file.content.len());
        let media = media_type(&self.request.path);
        self.file(Status::PartialContent, media, Some(&range), body)
    }

    /// Builds a multipart reply (RFC 9110 §14.6) of memory between the pieces of the file.
    fn parts(&self, file: &File, parts: &[Range<u64>]) -> Response {
        let media = media_type(&self.request.path);
        let boundary = format!("lanboot-{:016x}", file.version);
        let mut pieces = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            let before = if n == 0 { "" } else { "\r\n" };
            let range = content_range(part, file.content.len());
            let between = format!("{before}--{boundary}\r\nContent-Type: {media}\r\n{range}\r\n");
            pieces.push(memory(between));
            pieces.extend(file.content.slice(part.clone()).pieces());
        }
        pieces.push(memory(format!("\r\n--{boundary}--\r\n")));
        let media = format!("multipart/byteranges; boundary={boundary}");
        let body = Content::new(pieces).all();
        self.file(Status::PartialContent, &media, None, body)
    }

    fn file(&self, status: Status, media: &str, range: Option<&str>, body: Slice) -> Response {
        let mut head = self.head(status);
        push(&mut head, "Accept-Ranges: bytes\r\n");
        push(&mut head, &format!("Content-Type: {media}\r\n"));
        push(&mut head, range.unwrap_or_default());
        push(
            &mut head,
            &format!("Content-Length: {}\r\n\r\n", body.len()),
        );
        let sends_body = self.request.method == Method::Get;
        let reply = Reply {
            head,
            body: if sends_body { body } else { Slice::empty() },
            on_read_error: if sends_body {
                read_error(self.date)
            } else {
                Vec::new()
            },
            close: !self.request.keep_alive,
        };
        Response {
            status,
            reply,
            problem: None,
        }
    }
}

/// Returns a reply whose body is its own status line.
fn plain(
    request: &Request,
    status: Status,
    date: &Date,
    fields: &str,
    problem: Option<Problem>,
) -> Response {
    let close = !request.keep_alive;
    let body = text(status);
    let mut head = head(status, date, close, request.is_http10);
    push(&mut head, fields);
    end_text(&mut head, &body);
    if request.method == Method::Get {
        push(&mut head, &body);
    }
    Response {
        status,
        reply: Reply::bytes(head, close),
        problem,
    }
}

/// Returns the head sent on a read error; the stream closes after it, since the next request would
/// fail too.
fn read_error(date: &Date) -> Vec<u8> {
    let status = Status::InternalServerError;
    let body = text(status);
    let mut head = head(status, date, true, false);
    end_text(&mut head, &body);
    push(&mut head, &body);
    head
}

/// Returns the status line and the fields of every reply, without the empty line.
fn head(status: Status, date: &Date, close: bool, is_http10: bool) -> Vec<u8> {
    let mut head = Vec::with_capacity(384);
    push(&mut head, &format!("HTTP/1.1 {}\r\n", status.line()));
    push(&mut head, "Server: lanboot\r\n");
    push(&mut head, &format!("Date: {}\r\n", date.text));
    if close {
        push(&mut head, "Connection: close\r\n");
    } else if is_http10 {
        push(&mut head, "Connection: keep-alive\r\n");
    }
    head
}

fn text(status: Status) -> String {
    format!("{}\n", status.line())
}

fn end_text(head: &mut Vec<u8>, body: &str) {
    push(head, "Content-Type: text/plain\r\n");
    push(head, &format!("Content-Length: {}\r\n\r\n", body.len()));
}

fn push(head: &mut Vec<u8>, text: &str) {
    head.extend_from_slice(text.as_bytes());
}

fn memory(text: String) -> Piece {
    Piece {
        len: text.len() as u64,
        source: Source::Memory {
            bytes: text.into_bytes().into(),
            offset: 0,
        },
    }
}

fn content_range(part: &Range<u64>, len: u64) -> String {
    // A part is never empty, so `end - 1` exists.
    let last = part.end.saturating_sub(1);
    format!("Content-Range: bytes {}-{last}/{len}\r\n", part.start)
}

/// Returns a strong validator: the bytes of one version of a file never change.
fn entity_tag(file: &File) -> String {
    format!("\"{:x}-{:x}\"", file.version, file.content.len())
}

/// Returns the media type by which UEFI HTTP Boot decides between starting a program and mounting a
/// RAM disk.
fn media_type(path: &[u8]) -> &'static str {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let Some(dot) = name.iter().rposition(|&b| b == b'.') else {
        return "application/octet-stream";
    };
    let ending = name.get(dot + 1..).unwrap_or_default();
    match ending.to_ascii_lowercase().as_slice() {
        b"efi" => "application/efi",
        b"iso" => "application/vnd.efi-iso",
        b"img" => "application/vnd.efi-img",
        b"ipxe" | b"cfg" | b"conf" | b"txt" => "text/plain",
        _ => "application/octet-stream",
    }
}

enum Verdict {
    Send,
    NotModified,
    Failed,
}

/// Evaluates the conditions in the order of RFC 9110 §13.2.2.
fn check(conditions: &Conditions, tag: &str, modified: Option<i64>) -> Verdict {
    if let Some(tags) = &conditions.if_match {
        // EDK2 resumes an interrupted download with this.
        if !holds(tags, tag, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if let Some(then) = moment(conditions.if_unmodified_since.as_ref())
        && modified.is_some_and(|m| m > then)
    {
        return Verdict::Failed;
    }
    if let Some(tags) = &conditions.if_none_match {
        if holds(tags, tag, Comparison::Weak) {
            return Verdict::NotModified;
        }
    } else if let Some(then) = moment(conditions.if_modified_since.as_ref())
        && modified.is_some_and(|m| m <= then)
    {
        return Verdict::NotModified;
    }
    Verdict::Send
}

/// Returns whether a range may be answered with a part (RFC 9110 §13.1.5).
fn if_range(conditions: &Conditions, tag: &str, modified: Option<i64>) -> bool {
    let Some(validator) = &conditions.if_range else {
        return true;
    };
    if validator.contains(&b'"') {
        return !validator.contains(&b'*') && holds(validator, tag, Comparison::Strong);
    }
    modified.is_some() && date::parse(validator) == modified
}

fn moment(field: Option<&Vec<u8>>) -> Option<i64> {
    date::parse(field?)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Weak tags never match (RFC 9110 §8.8.3.2).
    Strong,
    /// `W/` is ignored.
    Weak,
}

/// Returns whether a list of entity tags, or `*`, contains `tag`, which is strong.
fn holds(list: &[u8], tag: &str, comparison: Comparison) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let mut rest = list;
    loop {
        rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after;
            continue;
        }
        let weak = rest.strip_prefix(b"W/");
        let from = weak.unwrap_or(rest);
        let Some(inner) = from.strip_prefix(b"\"") else {
            return false;
        };
        let Some(end) = inner.iter().position(|&b| b == b'"') else {
            return false;
        };
        let (found, after) = from.split_at(end + 2);
        if found == tag.as_bytes() && (comparison == Comparison::Weak || weak.is_none()) {
            return true;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests;
