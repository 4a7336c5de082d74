//! Tests of complete response heads.

use super::*;
use crate::http::{Received, Session};
use crate::vfs::ImageId;

/// Mon, 07 Nov 1994 08:49:37 GMT: a day after the file.
const NOW: Duration = Duration::from_secs(784_111_777 + 86_400);
const TAG: &str = "\"abc-2710\"";
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn file() -> File {
    File {
        content: Content::in_image(ImageId(1), 2048, 10_000),
        modified: Some(784_111_777),
        version: 0xabc,
        warning: None,
    }
}

fn request(line: &str, fields: &str) -> Request {
    let mut input = format!("{line}\r\n{fields}\r\n").into_bytes();
    match Session::new().advance(&mut input, NOW) {
        Received::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn answer(line: &str, fields: &str) -> Response {
    respond(&request(line, fields), Some(&file()), NOW)
}

fn get(fields: &str) -> Response {
    answer("GET /a/x.bin HTTP/1.1", fields)
}

fn head_of(response: &Response) -> String {
    String::from_utf8(response.reply.head.clone()).unwrap()
}

const WHOLE: &str = "HTTP/1.1 200 OK\r\n\
    Server: lanboot\r\n\
    Date: Mon, 07 Nov 1994 08:49:37 GMT\r\n\
    ETag: \"abc-2710\"\r\n\
    Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Accept-Ranges: bytes\r\n\
    Content-Type: application/octet-stream\r\n\
    Content-Length: 10000\r\n\r\n";

#[test]
fn a_whole_file() {
    let response = get("");
    assert_eq!(head_of(&response), WHOLE);
    assert_eq!(response.reply.body, file().content.all());
    assert!(!response.reply.close);
    assert!(
        response
            .reply
            .on_read_error
            .starts_with(b"HTTP/1.1 500 Internal Server Error\r\n")
    );
}

#[test]
fn head_is_get_without_the_body_whatever_range_it_names() {
    for fields in ["", "Range: bytes=0-0\r\n", "Range: bytes=99999-\r\n"] {
        let response = answer("HEAD /a/x.bin HTTP/1.1", fields);
        assert_eq!(head_of(&response), WHOLE);
        assert!(response.reply.body.is_empty());
        assert!(response.reply.on_read_error.is_empty());
    }
    let missing = |line| head_of(&respond(&request(line, ""), None, NOW));
    let get = missing("GET /no HTTP/1.1");
    let head = missing("HEAD /no HTTP/1.1");
    assert_eq!(get, format!("{head}404 Not Found\n"));
}

#[test]
fn http10_closes_unless_it_asks_to_keep() {
    let closing = answer("GET /x HTTP/1.0", "");
    assert!(closing.reply.close);
    assert!(head_of(&closing).contains("\r\nConnection: close\r\n"));
    let keeping = answer("GET /x HTTP/1.0", "Connection: keep-alive\r\n");
    assert!(!keeping.reply.close);
    assert!(head_of(&keeping).contains("\r\nConnection: keep-alive\r\n"));
}

#[test]
fn one_range() {
    let response = get("Range: bytes=0-0\r\n");
    assert_eq!(response.status, Status::PartialContent);
    assert_eq!(
        head_of(&response),
        WHOLE.replace("200 OK", "206 Partial Content").replace(
            "Content-Length: 10000",
            "Content-Range: bytes 0-0/10000\r\nContent-Length: 1"
        )
    );
    assert_eq!(response.reply.body, file().content.slice(0..1));
}

#[test]
fn several_ranges_are_memory_and_disk_with_an_exact_length() {
    let response = get("Range: bytes=0-9,-5\r\n");
    let head = head_of(&response);
    assert!(
        head.contains("Content-Type: multipart/byteranges; boundary=lanboot-0000000000000abc\r\n")
    );
    let mut wire = String::new();
    for piece in response.reply.body.pieces() {
        match &piece.source {
            Source::Image { offset, .. } => {
                wire += &format!("<{} at {offset}>", piece.len);
            }
            _ => wire += std::str::from_utf8(piece.memory().unwrap()).unwrap(),
        }
    }
    assert_eq!(
        wire,
        "--lanboot-0000000000000abc\r\n\
         Content-Type: application/octet-stream\r\n\
         Content-Range: bytes 0-9/10000\r\n\r\n\
         <10 at 2048>\r\n\
         --lanboot-0000000000000abc\r\n\
         Content-Type: application/octet-stream\r\n\
         Content-Range: bytes 9995-9999/10000\r\n\r\n\
         <5 at 12043>\r\n\
         --lanboot-0000000000000abc--\r\n"
    );
    assert!(head.contains(&format!(
        "\r\nContent-Length: {}\r\n",
        response.reply.body.len()
    )));
}

#[test]
fn unsatisfiable_range_states_the_file_length() {
    for fields in ["Range: bytes=10000-\r\n", "Range: bytes=u-u\r\n"] {
        let response = get(fields);
        assert_eq!(response.status, Status::RangeNotSatisfiable);
        assert!(head_of(&response).contains("\r\nContent-Range: bytes */10000\r\n"));
        assert!(response.reply.body.is_empty());
        assert!(response.problem.is_some());
    }
    assert_eq!(get("Range: bytes=5-2\r\n").status, Status::Ok);
}

#[test]
fn conditions_are_evaluated_in_rfc_order() {
    use Status::{NotModified, Ok, PartialContent, PreconditionFailed};
    const EARLIER: &str = "Sat, 05 Nov 1994 08:49:37 GMT";
    for (fields, want) in [
        (format!("If-None-Match: {TAG}"), NotModified),
        (format!("If-None-Match: \"x\", W/{TAG}"), NotModified),
        ("If-None-Match: *".into(), NotModified),
        ("If-None-Match: \"x\"".into(), Ok),
        ("If-None-Match: abc-2710".into(), Ok),
        (
            format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {MODIFIED}"),
            Ok,
        ),
        (format!("If-Modified-Since: {MODIFIED}"), NotModified),
        (format!("If-Modified-Since: {EARLIER}"), Ok),
        ("If-Modified-Since: yesterday".into(), Ok),
        (format!("If-Match: {TAG}"), Ok),
        ("If-Match: *".into(), Ok),
        (format!("If-Match: \"x\" , {TAG}"), Ok),
        ("If-Match: \"x\"".into(), PreconditionFailed),
        (format!("If-Match: W/{TAG}"), PreconditionFailed),
        (
            format!("If-Match: {TAG}\r\nIf-None-Match: {TAG}"),
            NotModified,
        ),
        (format!("If-Unmodified-Since: {MODIFIED}"), Ok),
        (
            format!("If-Unmodified-Since: {EARLIER}"),
            PreconditionFailed,
        ),
        (
            format!("If-Match: {TAG}\r\nIf-Unmodified-Since: {EARLIER}"),
            Ok,
        ),
        (
            "Range: bytes=1-1\r\nIf-Match: \"x\"".into(),
            PreconditionFailed,
        ),
        (
            format!("Range: bytes=1-1\r\nIf-None-Match: {TAG}"),
            NotModified,
        ),
        (
            format!("Range: bytes=1-1\r\nIf-Range: {TAG}"),
            PartialContent,
        ),
        (format!("Range: bytes=1-1\r\nIf-Range: W/{TAG}"), Ok),
        ("Range: bytes=1-1\r\nIf-Range: \"x\"".into(), Ok),
        ("Range: bytes=1-1\r\nIf-Range: *".into(), Ok),
        (
            format!("Range: bytes=1-1\r\nIf-Range: {MODIFIED}"),
            PartialContent,
        ),
        (format!("Range: bytes=1-1\r\nIf-Range: {EARLIER}"), Ok),
        ("Range: bytes=99999-\r\nIf-Range: \"x\"".into(), Ok),
    ] {
        let response = get(&format!("{fields}\r\n"));
        assert_eq!(response.status, want, "{fields}");
    }
}

#[test]
fn not_modified_has_no_body_and_no_length() {
    let response = get(&format!("If-None-Match: {TAG}\r\n"));
    assert_eq!(
        head_of(&response),
        "HTTP/1.1 304 Not Modified\r\nServer: lanboot\r\n\
         Date: Mon, 07 Nov 1994 08:49:37 GMT\r\nETag: \"abc-2710\"\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    );
}

#[test]
fn a_file_from_the_future_or_without_a_date_has_no_last_modified() {
    for modified in [Some(i64::MAX), Some(i64::MIN), None] {
        let file = File { modified, ..file() };
        let response = respond(&request("GET /x HTTP/1.1", ""), Some(&file), NOW);
        assert!(!head_of(&response).contains("Last-Modified"));
    }
}

#[test]
fn media_type_follows_the_file_name() {
    for (path, media) in [
        ("/a/BOOTX64.EFI", "application/efi"),
        ("/x.iso", "application/vnd.efi-iso"),
        ("/disk.IMG", "application/vnd.efi-img"),
        ("/boot.ipxe", "text/plain"),
        ("/pxelinux.cfg/default", "application/octet-stream"),
        ("/a.b/isolinux.cfg", "text/plain"),
        ("/vmlinuz-linux", "application/octet-stream"),
        ("/.", "application/octet-stream"),
        ("/", "application/octet-stream"),
    ] {
        let response = answer(&format!("GET {path} HTTP/1.1"), "");
        let field = format!("\r\nContent-Type: {media}\r\n");
        assert!(head_of(&response).contains(&field), "{path}");
    }
}

#[test]
fn firmware_requests_the_size_and_then_the_file() {
    // EDK2 2022.11, each on a connection of its own.
    let fields = "Host: 10.0.0.1\r\nAccept: */*\r\nUser-Agent: UefiHttpBoot/1.0\r\n";
    let path = "/loader//snponly-x86_64.efi HTTP/1.1";
    let (head, get) = (
        answer(&format!("HEAD {path}"), fields),
        answer(&format!("GET {path}"), fields),
    );
    assert_eq!((head.status, get.status), (Status::Ok, Status::Ok));
    assert_eq!(head_of(&head), head_of(&get));
    assert!(head_of(&get).contains("\r\nContent-Length: 10000\r\n"));
    assert!(head_of(&get).contains("\r\nContent-Type: application/efi\r\n"));
    assert!(head.reply.body.is_empty() && get.reply.body.len() == 10_000);
}

#[test]
fn an_empty_file_is_whole() {
    let file = File {
        content: Content::memory(*b""),
        modified: None,
        version: 1,
        warning: None,
    };
    let response = respond(&request("GET /x HTTP/1.1", ""), Some(&file), NOW);
    assert!(head_of(&response).ends_with("\r\nContent-Length: 0\r\n\r\n"));
}

#[test]
fn rejections_close_and_list_allowed_methods() {
    let mut input = b"PUT /x HTTP/1.1\r\n\r\n".to_vec();
    let Received::Refused { reply, .. } = Session::new().advance(&mut input, NOW) else {
        panic!("refused")
    };
    let text = String::from_utf8(reply.head).unwrap();
    assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    assert!(text.contains("\r\nAllow: GET, HEAD\r\n"));
    assert!(text.contains("\r\nConnection: close\r\n"));
    assert!(reply.close);
}

#[test]
fn the_length_announced_is_the_length_sent() {
    for fields in [
        "",
        "Range: bytes=0-0\r\n",
        "Range: bytes=1-2,5-\r\n",
        "Range: bytes=-1\r\n",
    ] {
        let response = get(fields);
        let head = head_of(&response);
        let announced: u64 = head
            .lines()
            .find_map(|l| l.strip_prefix("Content-Length: "))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(announced, response.reply.body.len(), "{fields}");
    }
    for response in [
        get("Range: bytes=99999-\r\n"),
        respond(&request("GET / HTTP/1.1", ""), None, NOW),
    ] {
        let text = head_of(&response);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("\r\nContent-Length: {}", body.len())),
            "{text}"
        );
    }
    assert!(
        String::from_utf8(unavailable(NOW).head)
            .unwrap()
            .contains("\r\nRetry-After: 5\r\n")
    );
}

#[test]
fn a_damaged_file_is_an_error_for_every_range() {
    let damaged = File {
        content: Content::new(Piece::of_image(ImageId(1), 0, 10_000, 6000)),
        ..file()
    };
    for (line, fields) in [
        ("GET /x HTTP/1.1", ""),
        ("HEAD /x HTTP/1.1", ""),
        ("GET /x HTTP/1.1", "Range: bytes=0-9\r\n"),
        ("GET /x HTTP/1.1", "Range: bytes=0-9,20-29\r\n"),
        ("GET /x HTTP/1.1", "Range: bytes=99999-\r\n"),
        ("GET /x HTTP/1.1", "If-None-Match: *\r\n"),
    ] {
        let response = respond(&request(line, fields), Some(&damaged), NOW);
        assert_eq!(
            response.status,
            Status::InternalServerError,
            "{line} {fields}"
        );
        let head = head_of(&response);
        assert!(
            head.starts_with("HTTP/1.1 500 Internal Server Error\r\n"),
            "{head}"
        );
        assert!(!head.contains("10000") && !head.contains("6000"), "{head}");
        assert!(response.reply.body.is_empty());
        let problem = response.problem.unwrap();
        assert_eq!(
            problem.to_string(),
            "the file is incomplete: 6000 of 10000 bytes"
        );
    }
}
